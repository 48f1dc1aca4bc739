package auth

import (
	"encoding/base64"
	"strings"
	"testing"
)

// The answers of OCI's services are foreign bytes: whatever they hold, nothing of them but a well-formed token gets
// into a header, and no error shows one.

func FuzzParseTokenReply(f *testing.F) {
	f.Add([]byte(`{"token":"a.e30.c"}`))
	claims := base64.RawURLEncoding.EncodeToString([]byte(`{"exp":1900000000}`))
	f.Add([]byte(`{"token":"a.` + claims + `.c"}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, body []byte) { checkToken(t)(parseTokenReply(body)) })
}

func FuzzParseWorkloadReply(f *testing.F) {
	f.Add([]byte(`"` + base64.StdEncoding.EncodeToString([]byte(`{"token":"ST$eyJh.eyJleHAiOjE5MDAwMDAwMDB9.c"}`)) + `"`))
	f.Add([]byte(`"`))
	f.Add([]byte(`""`))
	f.Fuzz(func(t *testing.T, body []byte) { checkToken(t)(parseWorkloadReply(body)) })
}

func checkToken(t *testing.T) func(Token, error) {
	return func(token Token, err error) {
		switch {
		case err != nil && strings.Contains(err.Error(), "eyJ"):
			t.Errorf("the error shows a token: %v", err)
		case err == nil && (token.Expiry.IsZero() || strings.ContainsAny(token.KeyID(), " \"\r\n")):
			t.Errorf("%q until %s", token.KeyID(), token.Expiry)
		}
	}
}

func FuzzParseWord(f *testing.F) {
	f.Add([]byte(`{"resourcePrincipalToken":"r","servicePrincipalSessionToken":"s"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if w, err := parseWord(body); err == nil && w.ResourceToken == "" {
			t.Error("a word without a token")
		}
	})
}

func FuzzParseCertificates(f *testing.F) {
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := parseCertificates(text)
		if (err == nil) != (len(list) > 0) {
			t.Errorf("%d certificates, %v", len(list), err)
		}
		for _, c := range list {
			if strings.ContainsAny(tenancyOf(c), "\"/ \r\n") {
				t.Errorf("tenancy %q", tenancyOf(c))
			}
		}
	})
}

func FuzzScrub(f *testing.F) {
	f.Add([]byte("no\r\ntoken eyJhbGciOiJSUzI1NiJ9.eyJleHAiOjF9.c2ln and Bearer abc.def"))
	f.Fuzz(func(t *testing.T, text []byte) {
		got := scrub(text)
		if strings.ContainsAny(got, "\r\n") || len(got) > 310 || tokenInText.MatchString(got) {
			t.Errorf("%q", got)
		}
	})
}
