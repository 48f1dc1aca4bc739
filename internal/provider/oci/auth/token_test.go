package auth_test

import (
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"tollgate/internal/provider/oci/auth"
)

// jwt makes a token that nobody has signed, as a test of its claims needs it.
func jwt(t testing.TB, claims map[string]any) string {
	t.Helper()
	text, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	return encode([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + encode(text) + "." + encode([]byte("signature"))
}

// boundTo is the claim jwk of a key, as JSON in a string.
func boundTo(key *rsa.PublicKey) string {
	encode := base64.RawURLEncoding.EncodeToString
	return `{"kty":"RSA","n":"` + encode(key.N.Bytes()) + `","e":"` + encode(big.NewInt(int64(key.E)).Bytes()) + `"}`
}

func TestParseToken(t *testing.T) {
	const exp = 1_900_000_000
	token := func(claims map[string]any) string { return jwt(t, claims) }
	tests := []struct {
		name, text, tenancy, want string
	}{
		{"resource", token(map[string]any{"exp": exp, "iat": exp - 1200, "res_tenant": testTenancy, "tenant": "ocid1.tenancy.oc1..other"}), testTenancy, ""},
		{"instance", token(map[string]any{"exp": exp, "tenant": testTenancy}), testTenancy, ""},
		{"with its prefix, and a line break behind", "ST$" + token(map[string]any{"exp": exp}) + "\n", "", ""},
		{"a tenancy that is none", token(map[string]any{"exp": exp, "tenant": `x","compartmentId":"y`}), "", ""},
		{"a jwk of another shape", token(map[string]any{"exp": exp, "jwk": []int{1}}), "", ""},
		{"empty", " \n", "", "the token is empty"},
		{"two parts", "a.b", "", "the token is no JWT: it has 2 parts, not 3"},
		{"no base64", "a.b.c", "", "the token is no JWT: its claims are not base64"},
		{"no JSON", "a.YWJj.c", "", "the token is no JWT: its claims are no JSON object of the known form"},
		{"no expiry", token(map[string]any{"iat": 1}), "", "the token does not say when it expires (exp)"},
		{"expiry as text", token(map[string]any{"exp": "soon"}), "", "the token is no JWT: its claims are no JSON object of the known form"},
		{"expiry before everything", token(map[string]any{"exp": -1}), "", "the token does not say when it expires (exp)"},
		{"expiry past everything", token(map[string]any{"exp": 1e30}), "", "the token does not say when it expires (exp)"},
		{"a quote", `a.b.c"`, "", "the token has a character that no JWT has"},
		{"too long", strings.Repeat("a", 1<<17), "", "the token is larger than 65536 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := auth.ParseToken(tt.text)
			if tt.want != "" {
				if err == nil || err.Error() != tt.want {
					t.Fatalf("got %v, want %s", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !got.Expiry.Equal(time.Unix(exp, 0)) || got.Tenancy != tt.tenancy || got.KeyID() != "ST$"+strings.TrimPrefix(strings.TrimSpace(tt.text), "ST$") {
				t.Errorf("%+v, tenancy %q", got, got.Tenancy)
			}
			text, err := json.Marshal(got)
			for _, shown := range []string{got.String(), fmt.Sprintf("%v %+v %#v %s", got, got, got, got), string(text), got.LogValue().String()} {
				if err != nil || strings.Contains(shown, "eyJ") {
					t.Errorf("%s, %v", shown, err)
				}
			}
		})
	}
}

func FuzzParseToken(f *testing.F) {
	f.Add(jwt(f, map[string]any{"exp": 1_900_000_000, "jwk": boundTo(&testKey().PublicKey)}))
	f.Add("ST$a.e30.c")
	f.Add(jwt(f, map[string]any{"exp": 1e300, "iat": -1, "tenant": testTenancy, "jwk": map[string]string{"n": "AA", "e": "////"}}))
	f.Fuzz(func(t *testing.T, text string) {
		token, err := auth.ParseToken(text)
		if err != nil {
			if len(text) > 20 && strings.Contains(err.Error(), text) {
				t.Errorf("the error shows the token: %v", err)
			}
			return
		}
		if token.Expiry.IsZero() || strings.ContainsAny(token.KeyID(), " \"\r\n") {
			t.Errorf("%q is a token until %s", token.KeyID(), token.Expiry)
		}
	})
}
