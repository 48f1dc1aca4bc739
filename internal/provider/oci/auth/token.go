package auth

import (
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"regexp"
	"strings"
	"time"
)

// maxToken bounds a security token, in bytes; real ones have two or three thousand.
const maxToken = 64 << 10

// Token is a security token: a JWT that OCI issued and that OCI checks. Only its
// claims are read here. It prints masked.
type Token struct {
	raw string
	// Issued is the claim iat; zero if there is none.
	Issued time.Time
	// Expiry is the claim exp. Always set.
	Expiry time.Time
	// Tenancy is the OCID of the tenancy that the token acts in; "" if no claim tells.
	Tenancy string

	bound *rsa.PublicKey // the key that the token is bound to; nil if no claim tells
}

// ParseToken reads a token, with or without the prefix "ST$" of a key id. Errors
// hold nothing of the text.
func ParseToken(text string) (Token, error) {
	text = strings.TrimPrefix(strings.TrimSpace(text), tokenPrefix)
	switch {
	case text == "":
		return Token{}, errors.New("the token is empty")
	case len(text) > maxToken:
		return Token{}, fmt.Errorf("the token is larger than %d bytes", maxToken)
	case strings.ContainsFunc(text, unfitForToken):
		return Token{}, errors.New("the token has a character that no JWT has")
	}
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return Token{}, fmt.Errorf("the token is no JWT: it has %d parts, not 3", len(parts))
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return Token{}, errors.New("the token is no JWT: its claims are not base64")
	}
	var claims struct {
		Exp       *float64        `json:"exp"`
		Iat       *float64        `json:"iat"`
		Tenant    string          `json:"tenant"`
		ResTenant string          `json:"res_tenant"`
		JWK       json.RawMessage `json:"jwk"`
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return Token{}, errors.New("the token is no JWT: its claims are no JSON object of the known form")
	}
	t := Token{raw: text, Tenancy: claims.ResTenant, bound: parseJWK(claims.JWK)}
	if t.Tenancy == "" {
		t.Tenancy = claims.Tenant
	}
	if !LooksLikeOCID("tenancy", t.Tenancy) {
		t.Tenancy = "" // it would become the compartment of calls
	}
	var ok bool
	if t.Expiry, ok = numericDate(claims.Exp); !ok {
		return Token{}, errors.New("the token does not say when it expires (exp)")
	}
	t.Issued, _ = numericDate(claims.Iat)
	return t, nil
}

// tokenPrefix is what a key id has before a token.
const tokenPrefix = "ST$"

// KeyID is what requests are signed as.
func (t Token) KeyID() string { return tokenPrefix + t.raw }

// String tells when the token expires and nothing of the token.
func (t Token) String() string { return "security token until " + t.Expiry.UTC().Format(time.RFC3339) }

// GoString is String, so that %#v shows no more than %v.
func (t Token) GoString() string { return t.String() }

// MarshalText is String, so that JSON shows no more than a log line.
func (t Token) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// LogValue is String, so that a structured log shows no more than a plain one.
func (t Token) LogValue() slog.Value { return slog.StringValue(t.String()) }

// numericDate reads seconds since 1970 (RFC 7519), up to the year 9999.
func numericDate(seconds *float64) (time.Time, bool) {
	const last = 253402300799
	if seconds == nil || !(*seconds > 0 && *seconds <= last) {
		return time.Time{}, false
	}
	return time.Unix(int64(*seconds), 0), true
}

// parseJWK reads the claim jwk, an RSA key as JSON or as JSON in a string; nil if
// it is anything else.
func parseJWK(raw json.RawMessage) *rsa.PublicKey {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		raw = json.RawMessage(text)
	}
	var jwk struct{ N, E string }
	if len(raw) == 0 || json.Unmarshal(raw, &jwk) != nil {
		return nil
	}
	n, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(jwk.N, "="))
	e, err2 := base64.RawURLEncoding.DecodeString(strings.TrimRight(jwk.E, "="))
	if err != nil || err2 != nil || len(n) == 0 || len(e) == 0 || len(e) > 4 {
		return nil
	}
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
}

// unfitForToken reports the characters that no JWT has: outside of base64url, dots
// and padding. Quotes and line breaks among them would break out of a header.
func unfitForToken(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.' || r == '=')
}

// tokenInText finds JWTs and bearer tokens in texts of others.
var tokenInText = regexp.MustCompile(`(ST\$)?eyJ[A-Za-z0-9_=.+/-]{8,}|(?i:bearer) +[^\s"]+`)

// scrub makes a text of somebody else fit for an error: one line, bounded, without tokens.
func scrub(text []byte) string {
	const most = 300
	s := strings.Join(strings.Fields(strings.ToValidUTF8(string(text[:min(len(text), 4<<10)]), "?")), " ")
	s = tokenInText.ReplaceAllString(s, "***")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}
