package auth_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tollgate/internal/provider/oci/auth"
)

const profiles = `
; written by hand
[DEFAULT]
user=ocid1.user.oc1..default
fingerprint=20:3b:97:13:55:1c:5b:0d:d3:37:d8:50:4e:c5:3a:34
tenancy=ocid1.tenancy.oc1..default
region=us-ashburn-1
key_file=~/.oci/oci_api_key.pem # TODO
pass_phrase = a # b

[CHICAGO]
# only what differs
Region : us-chicago-1
  key_file = "/keys/with space.pem"

[SESSION]
security_token_file=/tokens/token
key_file=/tokens/key.pem

[INLINE]
  user = ocid1.user.oc1..inline
  pass_phrase =
  key_content = -----BEGIN PRIVATE KEY-----
    MIIE
    AAAA
    -----END PRIVATE KEY-----
  region = IAD
`

func TestParseProfile(t *testing.T) {
	const fingerprint = "20:3b:97:13:55:1c:5b:0d:d3:37:d8:50:4e:c5:3a:34"
	base := auth.Profile{
		User: "ocid1.user.oc1..default", Tenancy: "ocid1.tenancy.oc1..default", Fingerprint: fingerprint,
		Region: "us-ashburn-1", KeyFile: "~/.oci/oci_api_key.pem", Passphrase: "a # b",
	}
	tests := []struct {
		name string
		want func(*auth.Profile)
	}{
		{"", func(p *auth.Profile) { p.Name = "DEFAULT" }},
		{"DEFAULT", func(p *auth.Profile) {}},
		{"CHICAGO", func(p *auth.Profile) { p.Region, p.KeyFile = "us-chicago-1", "/keys/with space.pem" }},
		{"SESSION", func(p *auth.Profile) { p.SecurityTokenFile, p.KeyFile = "/tokens/token", "/tokens/key.pem" }},
		{"INLINE", func(p *auth.Profile) {
			p.User, p.Region, p.Passphrase = "ocid1.user.oc1..inline", "IAD", ""
			p.KeyContent = "-----BEGIN PRIVATE KEY-----\nMIIE\nAAAA\n-----END PRIVATE KEY-----"
		}},
	}
	for _, tt := range tests {
		for _, ending := range []string{"\n", "\r\n"} {
			want := base
			want.Name = tt.name
			tt.want(&want)
			got, err := auth.ParseProfile(strings.NewReader(strings.ReplaceAll(profiles, "\n", ending)), tt.name)
			if err != nil {
				t.Fatal(err)
			}
			if got != want {
				t.Errorf("%s:\n got %+v\nwant %+v", tt.name, fields(got), fields(want))
			}
		}
	}
}

// fields shows a profile without the mask, for messages of this test.
func fields(p auth.Profile) any {
	type unmasked auth.Profile
	return unmasked(p)
}

// TestParseProfile_TokenInDefault: "oci session authenticate" writes to DEFAULT;
// an API key below it stays one.
func TestParseProfile_TokenInDefault(t *testing.T) {
	const text = "[DEFAULT]\nsecurity_token_file=/t\ntenancy=ocid1.tenancy.oc1..a\nkey_file=/session.pem\n[PROD]\nuser=ocid1.user.oc1..b\nkey_file=/prod.pem\n"
	p, err := auth.ParseProfile(strings.NewReader(text), "PROD")
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.APIKey()
	if err != nil {
		t.Fatal(err)
	}
	if want := (auth.APIKeyOptions{Tenancy: "ocid1.tenancy.oc1..a", User: "ocid1.user.oc1..b", KeyFile: "/prod.pem"}); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	session, err := auth.ParseProfile(strings.NewReader(text), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := session.APIKey(); err == nil || !strings.Contains(err.Error(), "holds a session token") {
		t.Errorf("DEFAULT: %v", err)
	}
}

func TestParseProfile_Refuses(t *testing.T) {
	tests := []struct{ name, text, profile, want string }{
		{"unknown profile", profiles, "PROD", `no profile "PROD"; there is CHICAGO, DEFAULT, INLINE, SESSION`},
		{"name in another case", profiles, "chicago", `no profile "chicago"`},
		{"empty file", "", "", `no profile "DEFAULT"; there is none in this file`},
		{"value outside", "user=x\n", "", "line 1: a value before the first [section]"},
		{"twice", "[A]\n\n[A]\n", "A", `line 3: profile "A" is there twice`},
		{"open header", "[A\nuser=x\n", "A", "line 1: a section header needs the form [NAME]"},
		{"no value", "[A]\n\nuser\n", "A", "line 3: neither a [section], a comment nor name=value"},
		{"long line", "[A]\nuser=" + strings.Repeat("x", 2<<20), "A", "a line is longer than a megabyte"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := auth.ParseProfile(strings.NewReader(tt.text), tt.profile)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	p, err := auth.ParseProfile(strings.NewReader("[A]\nregion=x\n"), "A")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.APIKey(); err == nil || !strings.Contains(err.Error(), "no user, no tenancy, no key_file") {
		t.Errorf("incomplete profile: %v", err)
	}
}

func TestLoadProfile(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	if _, err := auth.LoadProfile("", ""); err == nil || !strings.Contains(err.Error(), filepath.Join(home, ".oci/config")+": no such file") {
		t.Errorf("without a file: %v", err)
	}
	if err := os.Mkdir(filepath.Join(home, ".oci"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".oci", "config"), []byte(profiles), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".oci", "oci_api_key.pem"), []byte(pkcs8PEM(t, testKey())), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := auth.LoadProfile("", "")
	if err != nil {
		t.Fatal(err)
	}
	o, err := p.APIKey()
	if err != nil {
		t.Fatal(err)
	}
	want := "ocid1.tenancy.oc1..default/ocid1.user.oc1..default/20:3b:97:13:55:1c:5b:0d:d3:37:d8:50:4e:c5:3a:34"
	if got := keyID(t, mustAPIKey(t, o)); got != want {
		t.Errorf("key id %s, want %s", got, want)
	}
}

func FuzzParseProfile(f *testing.F) {
	f.Add(profiles, "CHICAGO")
	f.Add("[A]\na=b\n c\n", "A")
	f.Add("\ufeff[A]\n=\n", "A")
	f.Add("[A]\nuser='", "A")
	f.Fuzz(func(t *testing.T, text, name string) {
		p, err := auth.ParseProfile(strings.NewReader(text), name)
		if err != nil {
			return
		}
		if p.Name != name && name != "" {
			t.Errorf("asked for %q, got %q", name, p.Name)
		}
		for _, v := range []string{p.User, p.Tenancy, p.KeyFile, p.Passphrase} {
			if !strings.Contains(v, "\n") && !strings.Contains(text, v) {
				t.Errorf("%q is not in the file", v)
			}
		}
	})
}
