package auth

import (
	"crypto/md5" //nolint:gosec // the fingerprint's algorithm is OCI's choice; it identifies a key, it protects nothing
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"log/slog"
)

// The sizes of an RSA key, in bits.
const (
	// minKeyBits is what Go's crypto/rsa still signs with.
	minKeyBits = 1024
	// usualKeyBits is OCI's minimum for API keys, and what its tokens are bound to.
	usualKeyBits = 2048
)

// engine is the RSA arithmetic behind a Key. There is one per build: pure Go,
// or OpenSSL's with the build tag "openssl". Both are constant-time in the
// private key, both give the same bytes.
type engine interface {
	signPKCS1v15SHA256(digest [sha256.Size]byte) ([]byte, error)
}

// Key is an RSA private key, ready to sign. It is safe for concurrent use and
// prints as its fingerprint.
type Key struct {
	engine      engine
	bits        int
	fingerprint string
}

var _ Signer = (*Key)(nil)

// NewKey prepares key for signing. The key must not be changed afterwards.
func NewKey(key *rsa.PrivateKey) (*Key, error) {
	bits := key.N.BitLen()
	if bits < minKeyBits {
		return nil, &KeyError{
			Found:  fmt.Sprintf("an RSA key of %d bits", bits),
			Advice: "make a new one of 2048 bits and upload its public half to OCI",
		}
	}
	fingerprint, err := Fingerprint(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	e, err := newEngine(key)
	if err != nil {
		return nil, fmt.Errorf("oci: prepare RSA key %s: %w", fingerprint, err)
	}
	return &Key{engine: e, bits: bits, fingerprint: fingerprint}, nil
}

// SignDigest makes an RSASSA-PKCS1-v1_5 signature over a SHA-256 digest.
func (k *Key) SignDigest(digest [sha256.Size]byte) ([]byte, error) {
	return k.engine.signPKCS1v15SHA256(digest)
}

// Bits is the length of the key's modulus.
func (k *Key) Bits() int { return k.bits }

// Fingerprint is the public half's fingerprint, as OCI's console shows it.
func (k *Key) Fingerprint() string { return k.fingerprint }

// String names the key by its fingerprint.
func (k *Key) String() string { return fmt.Sprintf("RSA-%d key %s", k.bits, k.fingerprint) }

// GoString is String, so that %#v shows no more than %v.
func (k *Key) GoString() string { return k.String() }

// LogValue is String, so that a structured log shows no more than a plain one.
func (k *Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// Fingerprint is OCI's name for a public key: the MD5 of its DER-encoded
// SubjectPublicKeyInfo as 16 pairs of lower-case hex digits, joined by colons.
func Fingerprint(key *rsa.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return "", fmt.Errorf("oci: fingerprint: %w", err)
	}
	sum := md5.Sum(der) //nolint:gosec // see the import
	return colonHex(sum[:]), nil
}

// colonHex writes b as hex pairs with colons between them.
func colonHex(b []byte) string {
	out := make([]byte, 0, 3*len(b))
	for i, c := range b {
		if i > 0 {
			out = append(out, ':')
		}
		out = hex.AppendEncode(out, []byte{c})
	}
	return string(out)
}
