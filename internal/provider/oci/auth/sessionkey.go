package auth

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
)

// sessionKey is a key that lives as long as one token, in memory alone.
type sessionKey struct {
	key *Key
	der []byte // the public half, a SubjectPublicKeyInfo
}

// newSessionKey makes a key of the size that OCI's tokens are bound to.
func newSessionKey() (sessionKey, error) {
	private, err := rsa.GenerateKey(rand.Reader, usualKeyBits)
	if err != nil {
		return sessionKey{}, fmt.Errorf("oci: make a session key: %w", err)
	}
	key, err := NewKey(private)
	if err != nil {
		return sessionKey{}, err
	}
	der, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		return sessionKey{}, fmt.Errorf("oci: make a session key: %w", err)
	}
	return sessionKey{key: key, der: der}, nil
}

// base64 is the public half as the federation service takes it: PEM without its frame.
func (k sessionKey) base64() string { return base64.StdEncoding.EncodeToString(k.der) }

// pem is the public half as the endpoint of a cluster takes it.
func (k sessionKey) pem() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: k.der}))
}

// issued is a token that was bound to the key.
func (k sessionKey) issued(t Token, region string) Issued {
	return Issued{
		Snapshot: Snapshot{KeyID: t.KeyID(), Key: k.key, Expiry: t.Expiry},
		Region:   region, Tenancy: t.Tenancy,
	}
}
