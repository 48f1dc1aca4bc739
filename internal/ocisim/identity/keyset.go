package identity

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
)

// webKey is one key of a JSON Web Key Set.
type webKey struct {
	KeyID     string `json:"kid,omitempty"`
	Type      string `json:"kty"`
	Algorithm string `json:"alg,omitempty"`
	Use       string `json:"use,omitempty"`
	N         string `json:"n,omitempty"`
	E         string `json:"e,omitempty"`
	Curve     string `json:"crv,omitempty"`
	X         string `json:"x,omitempty"`
	Y         string `json:"y,omitempty"`
}

// IssuerKeys reads the public keys of a cluster's service account issuer: a JSON Web Key Set, as the API server serves
// it at /openid/v1/jwks, or PEM with public keys, certificates or the private key of --service-account-signing-key-file.
func IssuerKeys(data []byte) ([]crypto.PublicKey, error) {
	var keys []crypto.PublicKey
	var err error
	if text := bytes.TrimSpace(data); bytes.HasPrefix(text, []byte("{")) {
		keys, err = keySet(text)
	} else {
		keys, err = pemKeys(text)
	}
	if err == nil && len(keys) == 0 {
		err = errors.New("there is no key in it")
	}
	if err != nil {
		return nil, fmt.Errorf("identity: issuer keys: %w", err)
	}
	return keys, nil
}

// keySet reads a JSON Web Key Set. Keys of other types than RSA and EC are left out.
func keySet(data []byte) ([]crypto.PublicKey, error) {
	var set struct {
		Keys []webKey `json:"keys"`
	}
	if err := json.Unmarshal(data, &set); err != nil {
		return nil, errors.New("the key set is not JSON")
	}
	var keys []crypto.PublicKey
	for _, k := range set.Keys {
		key, err := k.public()
		if err != nil {
			return nil, err
		}
		if key != nil {
			keys = append(keys, key)
		}
	}
	return keys, nil
}

func (k webKey) public() (crypto.PublicKey, error) {
	number := func(text string) *big.Int {
		b, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil || len(b) == 0 || len(b) > 1024 {
			return nil
		}
		return new(big.Int).SetBytes(b)
	}
	switch k.Type {
	case "RSA":
		n, e := number(k.N), number(k.E)
		if n == nil || e == nil || e.BitLen() > 31 || n.Sign() == 0 || e.Sign() == 0 {
			return nil, errors.New("an RSA key has no sound modulus and exponent")
		}
		return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
	case "EC":
		curve, known := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}[k.Curve]
		if !known {
			return nil, errors.New("an EC key is on a curve that is not taken")
		}
		return point(curve, number(k.X), number(k.Y))
	}
	return nil, nil
}

// point makes a key of a point, which must lie on the curve.
func point(curve elliptic.Curve, x, y *big.Int) (crypto.PublicKey, error) {
	size := (curve.Params().BitSize + 7) / 8
	if x == nil || y == nil || x.BitLen() > 8*size || y.BitLen() > 8*size {
		return nil, errors.New("an EC key has no sound point")
	}
	raw := make([]byte, 1+2*size)
	raw[0] = 4 // the point is not compressed
	x.FillBytes(raw[1 : 1+size])
	y.FillBytes(raw[1+size:])
	key, err := ecdsa.ParseUncompressedPublicKey(curve, raw)
	if err != nil {
		return nil, errors.New("an EC key's point is not on its curve")
	}
	return key, nil
}

func pemKeys(data []byte) ([]crypto.PublicKey, error) {
	var keys []crypto.PublicKey
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			return keys, nil
		}
		data = rest
		key, err := pemKey(block)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
}

func pemKey(block *pem.Block) (crypto.PublicKey, error) {
	var key any
	var err error
	switch block.Type {
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	case "CERTIFICATE":
		var cert *x509.Certificate
		if cert, err = x509.ParseCertificate(block.Bytes); err == nil {
			key = cert.PublicKey
		}
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		return nil, fmt.Errorf("PEM of the type %q is not a key", block.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("a %s cannot be read", block.Type)
	}
	if signer, private := key.(crypto.Signer); private {
		key = signer.Public()
	}
	switch key.(type) {
	case *rsa.PublicKey, *ecdsa.PublicKey:
		return key, nil
	}
	return nil, errors.New("a key is neither RSA nor EC")
}

// SessionKey reads the public key that a client wants its token bound to: PEM, or the base64 of PEM alone. Oracle's Go
// SDK sends PEM to a cluster's endpoint and bare base64 to the auth service, its Python SDK bare base64 to both.
func SessionKey(text string) (*rsa.PublicKey, error) {
	der, err := decodePEM(text, "PUBLIC KEY")
	if err != nil {
		return nil, fmt.Errorf("the public key: %w", err)
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, errors.New("the public key is not a SubjectPublicKeyInfo")
	}
	pub, ok := key.(*rsa.PublicKey)
	if !ok || pub.N.BitLen() < 2048 {
		return nil, errors.New("the public key is not RSA of 2048 bits or more")
	}
	return pub, nil
}

// decodePEM returns the bytes of a PEM block, or of its base64 alone.
func decodePEM(text, kind string) ([]byte, error) {
	if block, _ := pem.Decode([]byte(text)); block != nil {
		if block.Type != kind {
			return nil, errors.New("the PEM block is of another type")
		}
		return block.Bytes, nil
	}
	der, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(der) == 0 {
		return nil, errors.New("it is neither PEM nor base64")
	}
	return der, nil
}
