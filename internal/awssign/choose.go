package awssign

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"tollgate/internal/secret"
)

// choose finds who signs: what the Options name, then a web identity and keys of the environment, then a profile, then the role
// of the container or the machine. It is the order of AWS's own tools.
func (o *Options) choose() (source, string, error) {
	base, region, err := o.base()
	if err != nil {
		return nil, "", err
	}
	region = cmp.Or(o.Region, region)
	if o.Role == "" {
		if o.WebIdentity != "" {
			return nil, "", errors.New("aws: a web identity token is given, but no role to take on with it")
		}
		return base, region, nil
	}
	r := role{o: o, arn: o.Role, session: cmp.Or(o.SessionName, DefaultSession), external: o.ExternalID, region: region, base: base, identity: o.WebIdentity}
	source, err := r.source()
	return source, region, err
}

// base is who signs apart from the Options' own role.
func (o *Options) base() (source, string, error) {
	switch {
	case o.AccessKey != "" || !o.Secret.Empty():
		if o.AccessKey == "" || o.Secret.Empty() {
			return nil, "", errors.New("aws: of the access key id and the secret access key only one is given")
		}
		return static(credentials{accessKey: o.AccessKey, secret: o.Secret, token: o.Token}), "", nil
	case o.WebIdentity != "":
		return nil, "", nil // signs nothing: STS takes the token itself
	case o.Profile != "":
		return o.profile(o.Profile, 0)
	case o.Getenv("AWS_ACCESS_KEY_ID") != "" && o.Getenv("AWS_SECRET_ACCESS_KEY") != "":
		return static(credentials{
			accessKey: o.Getenv("AWS_ACCESS_KEY_ID"), secret: secret.New(o.Getenv("AWS_SECRET_ACCESS_KEY")), token: secret.New(o.Getenv("AWS_SESSION_TOKEN")),
		}), "", nil
	case o.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE") != "" && o.Getenv("AWS_ROLE_ARN") != "":
		r := role{
			o: o, arn: o.Getenv("AWS_ROLE_ARN"), session: cmp.Or(o.Getenv("AWS_ROLE_SESSION_NAME"), DefaultSession), region: o.Region,
			identity: o.Getenv("AWS_WEB_IDENTITY_TOKEN_FILE"),
		}
		source, err := r.source()
		return source, "", err
	}
	name := cmp.Or(o.Getenv("AWS_PROFILE"), "default")
	source, region, err := o.profile(name, 0)
	var missing *noProfileError
	if !errors.As(err, &missing) {
		return source, region, err
	}
	if o.Getenv("AWS_PROFILE") != "" {
		return nil, "", err
	}
	return o.surroundings()
}

func static(c credentials) source {
	return func(context.Context) (credentials, error) { return c, nil }
}

// longestChain bounds how many profiles may lend each other their keys.
const longestChain = 5

// profile finds who signs for a profile: its keys, or its role with the keys of another profile or a web identity.
func (o *Options) profile(name string, depth int) (source, string, error) {
	p, err := loadProfile(o.Getenv, name)
	if err != nil {
		return nil, "", err
	}
	if depth > longestChain {
		return nil, "", fmt.Errorf("aws: profile %s: source_profile goes round in a circle", name)
	}
	region := p["region"]
	for _, unsupported := range []string{"sso_session", "sso_start_url", "credential_process"} {
		if p[unsupported] != "" && p["aws_access_key_id"] == "" {
			return nil, "", fmt.Errorf("aws: profile %s: %s is not supported; give keys, a role or a web identity", name, unsupported)
		}
	}
	if p["role_arn"] == "" || depth > 0 && p["aws_access_key_id"] != "" {
		if p["aws_access_key_id"] == "" || p["aws_secret_access_key"] == "" {
			return nil, "", fmt.Errorf("aws: profile %s has no aws_access_key_id and aws_secret_access_key", name)
		}
		return static(credentials{
			accessKey: p["aws_access_key_id"], secret: secret.New(p["aws_secret_access_key"]), token: secret.New(p["aws_session_token"]),
		}), region, nil
	}
	r := role{
		o: o, arn: p["role_arn"], session: cmp.Or(p["role_session_name"], DefaultSession), external: p["external_id"],
		region: cmp.Or(o.Region, region), identity: p["web_identity_token_file"],
	}
	switch {
	case r.identity != "":
	case p["source_profile"] == name:
		r.base = static(credentials{accessKey: p["aws_access_key_id"], secret: secret.New(p["aws_secret_access_key"]), token: secret.New(p["aws_session_token"])})
	case p["source_profile"] != "":
		if r.base, _, err = o.profile(p["source_profile"], depth+1); err != nil {
			return nil, "", err
		}
	case p["credential_source"] == "Environment":
		r.base = static(credentials{
			accessKey: o.Getenv("AWS_ACCESS_KEY_ID"), secret: secret.New(o.Getenv("AWS_SECRET_ACCESS_KEY")), token: secret.New(o.Getenv("AWS_SESSION_TOKEN")),
		})
	case p["credential_source"] != "":
		if r.base, _, err = o.surroundings(); err != nil {
			return nil, "", err
		}
	default:
		return nil, "", fmt.Errorf("aws: profile %s has a role_arn, but no source_profile, credential_source or web_identity_token_file", name)
	}
	source, err := r.source()
	return source, region, err
}

// noProfileError says that there is no such profile.
type noProfileError struct{ name string }

func (e *noProfileError) Error() string {
	return fmt.Sprintf("aws: there is no profile %q in the credentials and config files", e.name)
}

// loadProfile reads one profile out of both files; what the credentials file says wins.
func loadProfile(getenv func(string) string, name string) (map[string]string, error) {
	out, found := map[string]string{}, false
	files := []struct{ path, section string }{
		{usual(getenv, "AWS_CONFIG_FILE", "config"), "profile " + name},
		{usual(getenv, "AWS_CONFIG_FILE", "config"), name},
		{usual(getenv, "AWS_SHARED_CREDENTIALS_FILE", "credentials"), name},
	}
	for i, f := range files {
		if i == 1 && name != "default" || f.path == "" {
			continue // in the config file only the default profile has a section without the word
		}
		text, err := os.ReadFile(f.path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("aws: %w", err)
		}
		if readSection(string(text), f.section, out) {
			found = true
		}
	}
	if !found {
		return nil, &noProfileError{name}
	}
	return out, nil
}

func usual(getenv func(string) string, variable, name string) string {
	if path := getenv(variable); path != "" {
		return path
	}
	home := cmp.Or(getenv("HOME"), getenv("USERPROFILE"))
	if home == "" {
		return ""
	}
	return home + "/.aws/" + name
}

// readSection adds the entries of one section of an INI text to out and reports whether the section is there. Lines that are
// indented belong to nested settings, which nothing here needs.
func readSection(text, section string, out map[string]string) bool {
	inside, found := false, false
	for line := range strings.Lines(text) {
		trimmed := strings.TrimSpace(line)
		switch {
		case trimmed == "" || trimmed[0] == '#' || trimmed[0] == ';':
		case trimmed[0] == '[':
			header, _, _ := strings.Cut(trimmed[1:], "]")
			inside = strings.Join(strings.Fields(header), " ") == section
			found = found || inside
		case inside && line[0] != ' ' && line[0] != '\t':
			if key, value, ok := strings.Cut(trimmed, "="); ok {
				value, _, _ = strings.Cut(value, " #")
				out[strings.ToLower(strings.TrimSpace(key))] = strings.TrimSpace(value)
			}
		}
	}
	return found
}
