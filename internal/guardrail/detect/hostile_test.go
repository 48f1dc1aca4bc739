package detect

import (
	"strings"
	"testing"
	"time"
)

// Nobody must keep a gateway busy: a text that begins many matches and ends none takes time in proportion to its length.
func TestScan_hostileTime(t *testing.T) {
	s := Must(append(Entities(), Secrets()...))
	for _, part := range []string{"eyJ", "eyJ-", "eyJaaaaaaaaaaa.eyJ", "security_token=", "pass_phrase:", "PuTTY-User-Key-File-", "sntrys_eyJ", "github_pat_", "xoxb-", "http://", "@", "a@a.", "\"", "1", "password=a"} {
		text := strings.Repeat(part, 100_000/len(part))
		began := time.Now()
		s.Scan(text)
		if took := time.Since(began); took > 5*time.Second { // it was minutes for some; seconds allow for the race detector
			t.Errorf("%q takes %v", part, took)
		}
	}
}

// A secret that is longer than a pattern sees is found, and no part of it is left.
func TestScan_longSecrets(t *testing.T) {
	s := Must(Secrets())
	for _, secret := range []string{
		"sk" + "-" + strings.Repeat("a1", 300), "ey" + "J" + strings.Repeat("a", 20) + ".ey" + "J" + strings.Repeat("b", 5000) + "." + strings.Repeat("c", 43), "xox" + "b-" + strings.Repeat("a1", 500),
		"gh" + "p_" + strings.Repeat("a1", 200),
	} {
		if found := s.Scan("x " + secret + " y"); len(found) != 1 || found[0].Start != 2 || found[0].End != 2+len(secret) {
			t.Errorf("%.20s: %+v", secret, found)
		}
	}
	if got := Replace("password: "+strings.Repeat("a1", 200)+".", s.Scan("password: "+strings.Repeat("a1", 200)+"."), func(Match, string) string { return "X" }); got != "password: X" {
		t.Errorf("%s is left", got)
	}
}

// Passwords may hold an @, and Base64 no digit.
func TestScan_passwords(t *testing.T) {
	s := Must(Secrets())
	for text, want := range map[string]string{
		"postgres://u:p@ssw0rd@h/db":            "url_with_password=p@ssw0rd",
		"Authorization: Basic dXNlcjpwYXNzMTIz": "basic_auth=dXNlcjpwYXNzMTIz",
	} {
		if got := kinds(s, text); len(got) != 1 || got[0] != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}

// What looks like a number or an address to a reader is one, whatever it is written with.
func TestScan_disguised(t *testing.T) {
	s := Must(append(Entities(), Secrets()...))
	for text, want := range map[string]string{
		"Card 4111\u00a01111\u00a01111\u00a01111.":             "CREDIT_CARD=4111\u00a01111\u00a01111\u00a01111",
		"Card 4111\u20111111\u20111111\u20111111.":             "CREDIT_CARD=4111\u20111111\u20111111\u20111111",
		"Card 4111\u200b111111111111.":                         "CREDIT_CARD=4111\u200b111111111111",
		"Card \uff14\uff11\uff11\uff11111111111111.":           "CREDIT_CARD=\uff14\uff11\uff11\uff11111111111111",
		"DE89\u00a03704\u00a00044\u00a00532\u00a00130\u00a000": "IBAN_CODE=DE89\u00a03704\u00a00044\u00a00532\u00a00130\u00a000",
		"jane\u200b@exam\u200dple.com":                         "EMAIL_ADDRESS=jane\u200b@exam\u200dple.com",
		"jane\uff20example.com":                                "EMAIL_ADDRESS=jane\uff20example.com",
		"\u00e9 AK\u200bIA" + strings.Repeat("A", 16):          "aws_access_key=AK\u200bIA" + strings.Repeat("A", 16),
	} {
		if got := kinds(s, text); len(got) != 1 || got[0] != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}
