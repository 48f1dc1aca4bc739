package oci

import (
	"fmt"
	"slices"

	"tollgate/internal/provider/oci/auth"
)

// openPrincipal makes the identity that credentials describe.
func openPrincipal(c Credentials) (auth.Principal, error) {
	switch c.Auth {
	case "", "auto", "api_key":
	default:
		return nil, fmt.Errorf("litellm_params.oci_auth: %s is not served yet; api_key is", c.Auth)
	}
	if c.User != "" {
		return auth.NewAPIKey(auth.APIKeyOptions{
			Tenancy: c.Tenancy, User: c.User, Fingerprint: c.Fingerprint,
			KeyFile: c.KeyFile, KeyPEM: c.Key.Reveal(), Passphrase: c.Passphrase.Reveal(),
		})
	}
	profile, err := auth.LoadProfile(c.ConfigFile, c.Profile)
	if err != nil {
		return nil, fmt.Errorf("no oci_user, so the configuration file was looked for: %w", err)
	}
	options, err := profile.APIKey()
	if err != nil {
		return nil, err
	}
	return auth.NewAPIKey(options)
}

// usedProfile is the profile that signs for credentials; the zero one when none does, or when it cannot be read, which
// openPrincipal tells.
func usedProfile(c Credentials) auth.Profile {
	if c.User != "" || !slices.Contains([]string{"", "auto", "api_key", "security_token"}, c.Auth) {
		return auth.Profile{}
	}
	profile, err := auth.LoadProfile(c.ConfigFile, c.Profile)
	if err != nil {
		return auth.Profile{}
	}
	return profile
}
