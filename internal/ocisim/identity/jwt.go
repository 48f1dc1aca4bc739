package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
)

// maxToken bounds a token that is read, in bytes.
const maxToken = 64 << 10

// header is the first part of a signed token.
type header struct {
	KeyID     string `json:"kid,omitempty"`
	Algorithm string `json:"alg"`
}

// rawToken is a token taken apart, not yet verified.
type rawToken struct {
	header    header
	claims    []byte // JSON
	signed    string // what the signature covers
	signature []byte
}

// parseToken takes a signed token of three parts apart.
func parseToken(token string) (rawToken, error) {
	if len(token) > maxToken {
		return rawToken{}, errors.New("the token is too long")
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return rawToken{}, errors.New("the token has not three parts")
	}
	head, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err != nil {
		return rawToken{}, errors.New("the token's header is not base64url")
	}
	t := rawToken{signed: parts[0] + "." + parts[1]}
	if err := json.Unmarshal(head, &t.header); err != nil {
		return rawToken{}, errors.New("the token's header is not JSON")
	}
	if t.claims, err = base64.RawURLEncoding.DecodeString(parts[1]); err != nil {
		return rawToken{}, errors.New("the token's claims are not base64url")
	}
	if t.signature, err = base64.RawURLEncoding.DecodeString(parts[2]); err != nil {
		return rawToken{}, errors.New("the token's signature is not base64url")
	}
	return t, nil
}

// hashes are the algorithms that are taken, with their hash: those of OCI's tokens (RS256) and of kube-apiserver's.
var hashes = map[string]crypto.Hash{
	"RS256": crypto.SHA256, "RS384": crypto.SHA384, "RS512": crypto.SHA512,
	"ES256": crypto.SHA256, "ES384": crypto.SHA384, "ES512": crypto.SHA512,
}

// verify checks the signature with a public key of the kind that the algorithm names.
func (t rawToken) verify(key crypto.PublicKey) error {
	hash, known := hashes[t.header.Algorithm]
	if !known {
		return errors.New("the token's algorithm is not taken")
	}
	h := hash.New()
	h.Write([]byte(t.signed)) // never fails
	digest := h.Sum(nil)
	switch key := key.(type) {
	case *rsa.PublicKey:
		if strings.HasPrefix(t.header.Algorithm, "RS") && rsa.VerifyPKCS1v15(key, hash, digest, t.signature) == nil {
			return nil
		}
	case *ecdsa.PublicKey:
		size := (key.Curve.Params().BitSize + 7) / 8
		if strings.HasPrefix(t.header.Algorithm, "ES") && len(t.signature) == 2*size {
			r, s := new(big.Int).SetBytes(t.signature[:size]), new(big.Int).SetBytes(t.signature[size:])
			if ecdsa.Verify(key, digest, r, s) {
				return nil
			}
		}
	}
	return errors.New("the token's signature does not verify")
}

// sign makes a token of claims with RS256.
func sign(key *rsa.PrivateKey, keyID string, claims any) (string, error) {
	head, err := json.Marshal(header{KeyID: keyID, Algorithm: "RS256"})
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed := base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(body)
	h := crypto.SHA256.New()
	h.Write([]byte(signed)) // never fails
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, h.Sum(nil))
	if err != nil {
		return "", err
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}
