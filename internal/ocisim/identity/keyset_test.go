package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"testing"
)

func TestIssuerKeys(t *testing.T) {
	first := rsaKey(t, 2048)
	n := base64.RawURLEncoding.EncodeToString(first.N.Bytes())
	der, err := x509.MarshalPKCS8PrivateKey(first)
	if err != nil {
		t.Fatal(err)
	}
	private := string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
	pkcs1 := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(first)}))
	for name, text := range map[string]string{
		"a key set":    `{"keys":[{"kty":"oct","k":"AA"},{"use":"sig","kty":"RSA","kid":"x","alg":"RS256","n":"` + n + `","e":"AQAB"}]}`,
		"a public key": publicPEM(t, &first.PublicKey), "a private key": private, "an old private key": pkcs1,
	} {
		keys, err := IssuerKeys([]byte(text))
		if err != nil || len(keys) != 1 || !first.PublicKey.Equal(keys[0]) {
			t.Errorf("%s: %v, %v", name, keys, err)
		}
	}
	for name, text := range map[string]string{
		"nothing": "", "an empty set": `{"keys":[]}`, "broken JSON": `{"keys"`, "no modulus": `{"keys":[{"kty":"RSA","e":"AQAB"}]}`,
		"a point off the curve": `{"keys":[{"kty":"EC","crv":"P-256","x":"AQ","y":"AQ"}]}`, "an unknown curve": `{"keys":[{"kty":"EC","crv":"P-1"}]}`,
		"a broken certificate": "-----BEGIN CERTIFICATE-----\nZm9v\n-----END CERTIFICATE-----\n",
	} {
		if keys, err := IssuerKeys([]byte(text)); err == nil {
			t.Errorf("%s gives %v", name, keys)
		}
	}
}

// API servers sign with elliptic keys as well.
func TestVerify_Elliptic(t *testing.T) {
	for alg, curve := range map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		signed := base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, `{"alg":%q}`, alg)) + "." + base64.RawURLEncoding.EncodeToString([]byte(`{}`))
		var digest []byte
		switch alg {
		case "ES256":
			d := sha256.Sum256([]byte(signed))
			digest = d[:]
		case "ES384":
			d := sha512.Sum384([]byte(signed))
			digest = d[:]
		default:
			d := sha512.Sum512([]byte(signed))
			digest = d[:]
		}
		r, s, err := ecdsa.Sign(rand.Reader, key, digest)
		if err != nil {
			t.Fatal(err)
		}
		size := (curve.Params().BitSize + 7) / 8
		raw := append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
		parsed, err := parseToken(signed + "." + base64.RawURLEncoding.EncodeToString(raw))
		if err != nil {
			t.Fatal(err)
		}
		point, err := key.PublicKey.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		x, y := point[1:1+size], point[1+size:]
		set := fmt.Sprintf(`{"keys":[{"kty":"EC","crv":%q,"x":%q,"y":%q}]}`, curve.Params().Name,
			base64.RawURLEncoding.EncodeToString(x), base64.RawURLEncoding.EncodeToString(y))
		keys, err := IssuerKeys([]byte(set))
		if err != nil {
			t.Fatal(err)
		}
		if err := parsed.verify(keys[0]); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
		raw[0] ^= 1
		parsed.signature = raw
		if parsed.verify(keys[0]) == nil {
			t.Errorf("%s: a changed signature verifies", alg)
		}
	}
}

func TestSessionKey(t *testing.T) {
	key := rsaKey(t, 2048)
	whole := publicPEM(t, &key.PublicKey)
	for name, text := range map[string]string{"PEM": whole, "bare": bare(whole)} {
		if got, err := SessionKey(text); err != nil || !got.Equal(&key.PublicKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	short := rsaKey(t, 1024)
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"a short key": publicPEM(t, &short.PublicKey), "an elliptic key": publicPEM(t, &other.PublicKey), "nothing": "", "words": "not a key", "bytes": "Zm9v",
	} {
		if _, err := SessionKey(text); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}
