//go:build !openssl

package auth

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
)

// Engine names the RSA arithmetic of this build.
const Engine = "go"

// goEngine signs with the standard library: constant-time arithmetic, and the
// result is checked against the public key before it is returned.
type goEngine struct{ key *rsa.PrivateKey }

func newEngine(key *rsa.PrivateKey) (engine, error) {
	key.Precompute()
	return goEngine{key}, nil
}

func (e goEngine) signPKCS1v15SHA256(digest [sha256.Size]byte) ([]byte, error) {
	return rsa.SignPKCS1v15(nil, e.key, crypto.SHA256, digest[:])
}
