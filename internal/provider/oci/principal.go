package oci

import (
	"fmt"

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

// profileTenancy is the last resort for a compartment: the tenancy of the profile that signs.
func profileTenancy(c Credentials) string {
	if c.User != "" || (c.Auth != "" && c.Auth != "auto" && c.Auth != "api_key" && c.Auth != "security_token") {
		return ""
	}
	profile, err := auth.LoadProfile(c.ConfigFile, c.Profile)
	if err != nil {
		return "" // said by openPrincipal
	}
	return profile.Tenancy
}
