package oci

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"tollgate/internal/provider"
	"tollgate/internal/provider/oci/auth"
)

// principal is who signs for deployments, as it is kept beyond a configuration.
type principal struct {
	auth.Principal
	kind, name string
}

var _ provider.Credential = (*principal)(nil)

// Start implements provider.Credential.
func (p *principal) Start() {
	if r, ok := p.Principal.(*auth.Renewing); ok {
		r.Start()
	}
}

// Close implements provider.Credential.
func (p *principal) Close() {
	if r, ok := p.Principal.(*auth.Renewing); ok {
		r.Close()
	}
}

// Status implements provider.Credential.
func (p *principal) Status() provider.CredentialStatus {
	out := provider.CredentialStatus{Name: p.name, Kind: p.kind}
	r, ok := p.Principal.(*auth.Renewing)
	if !ok {
		return out
	}
	s := r.Status()
	out.Expires, out.Expiry, out.Renewed, out.Renewals, out.Failures = true, s.Expiry, s.Renewed, s.Renewals, s.Failures
	out.Err, out.Failed = s.Err, s.Failed
	return out
}

// principal returns who signs for a choice: the same one for equal credentials, whatever deployment and configuration
// they stand in.
func (f *Factory) principal(spec *provider.Spec, c Credentials, ch choice) (auth.Principal, error) {
	lease := spec.Credentials
	if lease == nil {
		lease = f.own
	}
	kept, err := lease.Get(f.identity(spec, c, ch), func() (provider.Credential, error) {
		if f.o.Principal != nil {
			p, err := f.o.Principal(c)
			return &principal{Principal: p, kind: ch.kind, name: ch.kind}, err
		}
		return f.openPrincipal(spec, ch)
	})
	if err != nil {
		return nil, err
	}
	return kept.(*principal), nil
}

// openPrincipal makes the identity of a choice. It reads key files, and asks nobody.
func (f *Factory) openPrincipal(spec *provider.Spec, ch choice) (*principal, error) {
	out := &principal{kind: ch.kind, name: ch.kind}
	if ch.kind == kindAPIKey {
		key, err := auth.NewAPIKey(ch.key)
		if err != nil {
			return nil, err
		}
		fingerprint := key.Key().Fingerprint()
		out.Principal, out.name = key, ch.kind+":"+fingerprint[len(fingerprint)-5:]
		return out, nil
	}
	var way auth.Way
	if spec.Egress != nil {
		way = auth.Way{Upstream: spec.Egress.Transport(), Direct: spec.Egress.Direct}
	}
	var source auth.Source
	var err error
	switch ch.kind {
	case kindSecurityToken:
		out.name += ":" + ch.profile.Name
		source, err = auth.SessionToken(ch.profile)
	case kindInstance:
		source = auth.InstancePrincipal(f.o.Getenv, way)
	case kindResource:
		source, err = auth.ResourcePrincipal(f.o.Getenv, way)
	case kindWorkload:
		source, err = auth.WorkloadIdentity(f.o.Getenv, way)
	}
	if err != nil {
		return nil, err
	}
	out.Principal = auth.NewRenewing(source, out.name, spec.Log)
	return out, nil
}

// identity is equal for equal credentials. What comes from the environment counts by its values, and by the way that
// leads to it.
func (f *Factory) identity(spec *provider.Spec, c Credentials, ch choice) provider.CredentialID {
	parts := []string{ch.kind}
	switch ch.kind {
	case kindAPIKey:
		k := ch.key
		parts = append(parts, k.Tenancy, k.User, k.Fingerprint, k.KeyFile, k.KeyPEM, k.Passphrase)
	case kindSecurityToken:
		p := ch.profile
		parts = append(parts, c.ConfigFile, p.Name, p.SecurityTokenFile, p.KeyFile, p.KeyContent, p.Passphrase, p.Tenancy, p.Region)
	default:
		parts = append(parts, fmt.Sprintf("%p", spec.Egress))
		for _, name := range auth.Variables() {
			parts = append(parts, f.o.Getenv(name))
		}
	}
	return sha256.Sum256(fmt.Appendf(nil, "%q", parts))
}

// The kinds of principals, as oci_auth names them.
const (
	kindAuto          = "auto"
	kindAPIKey        = "api_key"
	kindSecurityToken = "security_token"
	kindInstance      = "instance_principal"
	kindResource      = "resource_principal"
	kindWorkload      = "oke_workload_identity"
)

// choice is who signs, and why.
type choice struct {
	kind    string
	why     string             // the end of "... signs, because"
	key     auth.APIKeyOptions // of an API key
	profile auth.Profile       // that signs; the zero one when none does
	region  string             // that the environment gives the principal; "" when it gives none
}

// renews reports whether the principal has a token, which tells its tenancy and perhaps its region.
func (ch *choice) renews() bool { return ch.kind != "" && ch.kind != kindAPIKey }

// tellsRegion reports whether the principal says, by its first token at the latest, which region it is at home in.
func (ch *choice) tellsRegion() bool { return ch.kind == kindInstance || ch.kind == kindResource }

// choose decides who signs. It reads files, and asks nobody.
func (f *Factory) choose(c Credentials) (choice, error) {
	here := auth.Surroundings{Getenv: f.o.Getenv, ChassisTag: f.o.ChassisTag}
	said := "oci_auth is " + c.Auth
	switch c.Auth {
	case "", kindAuto:
		return detect(c, here)
	case kindAPIKey:
		if c.hasKey() {
			return chooseKey(c, said)
		}
		ch, err := chooseProfile(c, said)
		if err == nil && ch.kind != kindAPIKey {
			_, err = ch.profile.APIKey() // says what it holds instead
		}
		return ch, err
	case kindSecurityToken:
		ch, err := chooseProfile(c, said)
		if err == nil && ch.kind != kindSecurityToken {
			_, err = auth.SessionToken(ch.profile) // says what is missing
		}
		return ch, err
	case kindInstance:
		return choice{kind: c.Auth, why: said}, nil
	case kindResource, kindWorkload:
		return choice{kind: c.Auth, why: said, region: here.Region()}, nil
	}
	return choice{}, fmt.Errorf("oci: oci_auth: %q is no kind of principal; auto, api_key, security_token, instance_principal, resource_principal and oke_workload_identity are", c.Auth)
}

// detect finds who signs where nobody has said it. The order is documented in docs/how-to/choose-an-oci-principal.md.
func detect(c Credentials, here auth.Surroundings) (choice, error) {
	if c.hasKey() {
		return chooseKey(c, c.keyOrigin())
	}
	if c.Named {
		return chooseProfile(c, "oci_config_file or oci_profile names it")
	}
	if variable, ok := here.ResourcePrincipal(); ok {
		return choice{kind: kindResource, why: "OCI_RESOURCE_PRINCIPAL_VERSION and " + variable + " are set", region: here.Region()}, nil
	}
	noWorkload, ok := here.WorkloadIdentity()
	if ok {
		return choice{kind: kindWorkload, why: "OCI_RESOURCE_PRINCIPAL_VERSION is set in a pod with a service account token at " + here.AccountToken(), region: here.Region()}, nil
	}
	ch, noProfile := chooseProfile(c, "nothing else is configured and this profile is there")
	if noProfile == nil {
		return ch, nil
	}
	if how, ok := here.Instance(); ok {
		return choice{kind: kindInstance, why: how}, nil
	}
	return choice{}, fmt.Errorf("oci: no credential of OCI was found. Looked for, in this order: "+
		"(1) an API key: none of oci_user, oci_fingerprint, oci_key_file, oci_key is given, nor OCI_USER, OCI_FINGERPRINT, OCI_KEY_FILE, OCI_KEY set; "+
		"(2) a resource principal or OKE workload identity: %s; (3) a profile: %s; (4) a machine of OCI's: this is none. "+
		"Give one of them, or name the kind with oci_auth", noWorkload, strings.TrimPrefix(noProfile.Error(), "oci: "))
}

// chooseKey takes the API key of the parameters and the environment.
func chooseKey(c Credentials, why string) (choice, error) {
	var missing []string
	for _, part := range []struct{ names, value string }{
		{"oci_user (or OCI_USER)", c.User}, {"oci_tenancy (or OCI_TENANCY)", c.Tenancy},
		{"oci_key_file or oci_key (or OCI_KEY_FILE, OCI_KEY)", c.KeyFile + c.Key.Reveal()},
	} {
		if part.value == "" {
			missing = append(missing, part.names)
		}
	}
	if len(missing) > 0 {
		return choice{}, fmt.Errorf("oci: an API key signs, because %s, but it is not whole: there is no %s", why, strings.Join(missing, ", no "))
	}
	return choice{kind: kindAPIKey, why: why, key: auth.APIKeyOptions{
		Tenancy: c.Tenancy, User: c.User, Fingerprint: c.Fingerprint, KeyFile: c.KeyFile, KeyPEM: c.Key.Reveal(), Passphrase: c.Passphrase.Reveal(),
	}}, nil
}

// chooseProfile takes the profile that is named, or the usual one: a session token where it has one, else an API key.
func chooseProfile(c Credentials, why string) (choice, error) {
	profile, err := auth.LoadProfile(c.ConfigFile, c.Profile)
	if err != nil {
		return choice{}, err
	}
	if profile.SecurityTokenFile != "" {
		return choice{kind: kindSecurityToken, why: why, profile: profile}, nil
	}
	key, err := profile.APIKey()
	return choice{kind: kindAPIKey, why: why, key: key, profile: profile}, err
}

// hasKey reports whether any part of an API key is given. A tenancy alone is none: it is where calls are charged, too.
func (c Credentials) hasKey() bool {
	return c.User != "" || c.Fingerprint != "" || c.KeyFile != "" || !c.Key.Empty()
}

// keyOrigin says which part of an API key made it one.
func (c Credentials) keyOrigin() string {
	parts := []struct{ name, value string }{{"oci_user", c.User}, {"oci_fingerprint", c.Fingerprint}, {"oci_key_file", c.KeyFile}, {"oci_key", c.Key.Reveal()}}
	i := slices.IndexFunc(parts, func(p struct{ name, value string }) bool { return p.value != "" })
	if c.Named {
		return parts[i].name + " is given"
	}
	return strings.ToUpper(parts[i].name) + " is set in the environment"
}
