package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // the older of the two fingerprints by which the auth service knows a certificate
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"time"
)

// caLife is how long certificates of authorities are good, either way of the time when they were made.
const caLife = 10 * 365 * 24 * time.Hour

// Authority issues the certificates by which an instance proves itself, and checks them. Its keys are made when the
// first certificate is asked for. It is safe for concurrent use.
type Authority struct {
	who Principal

	mu           sync.Mutex
	root         *certified // guarded by mu, as are the others
	intermediate *certified
	leaf         *certified
}

// certified is a certificate with its key.
type certified struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// Leaf is what an instance has of its certificate, as the metadata service hands it out: PEM.
type Leaf struct {
	Certificate, Key, Intermediate []byte
	// Fingerprint is the SHA-256 of the certificate: lower-case hexadecimal pairs joined by colons.
	Fingerprint string
	Expires     time.Time
}

// NewAuthority returns an authority for one instance.
func NewAuthority(instance Principal) *Authority { return &Authority{who: instance} }

// Leaf returns the instance's certificate. A new one is made when there is none or half of its life is over.
func (a *Authority) Leaf(now time.Time, life time.Duration) (Leaf, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.leaf == nil || now.Add(life/2).After(a.leaf.cert.NotAfter) {
		if err := a.newLeaf(now, life); err != nil {
			return Leaf{}, err
		}
	}
	key, ok := a.leaf.key.(*rsa.PrivateKey)
	if !ok {
		return Leaf{}, errors.New("identity: the instance's key is not RSA")
	}
	return Leaf{
		Certificate:  a.leaf.pem(),
		Key:          pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}),
		Intermediate: a.intermediate.pem(),
		Fingerprint:  fingerprint256(a.leaf.cert),
		Expires:      a.leaf.cert.NotAfter,
	}, nil
}

// Rotate gives the instance a new certificate, and a new intermediate authority above it when that is asked for. The
// old ones stay good until they expire, as they do at OCI.
func (a *Authority) Rotate(now time.Time, life time.Duration, intermediate bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if intermediate {
		a.intermediate = nil
	}
	return a.newLeaf(now, life)
}

// newLeaf is called with the lock held.
func (a *Authority) newLeaf(now time.Time, life time.Duration) error {
	if a.root == nil {
		root, err := newCA("Simulated Identity Root", nil, now)
		if err != nil {
			return err
		}
		a.root = root
	}
	if a.intermediate == nil {
		between, err := newCA("Simulated Identity Intermediate", a.root, now)
		if err != nil {
			return err
		}
		a.intermediate = between
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return fmt.Errorf("identity: instance key: %w", err)
	}
	template := &x509.Certificate{
		Subject:   pkix.Name{ExtraNames: subject(a.who)},
		NotBefore: now.Add(-5 * time.Minute), NotAfter: now.Add(life),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	a.leaf, err = certify(template, key, a.intermediate)
	return err
}

// subject names an instance as OCI does: its OCID as common name, and four organizational units.
func subject(who Principal) []pkix.AttributeTypeAndValue {
	commonName, unit := asn1.ObjectIdentifier{2, 5, 4, 3}, asn1.ObjectIdentifier{2, 5, 4, 11}
	return []pkix.AttributeTypeAndValue{
		{Type: commonName, Value: who.ID},
		{Type: unit, Value: "opc-certtype:instance"},
		{Type: unit, Value: "opc-compartment:" + who.Compartment},
		{Type: unit, Value: "opc-instance:" + who.ID},
		{Type: unit, Value: "opc-tenant:" + who.Tenancy},
	}
}

// Shown is a certificate that a client shows, with what was found in it.
type Shown struct {
	Who Principal
	Key *rsa.PublicKey
	// Fingerprint is the SHA-1, as an instance's token names it: upper-case pairs joined by colons.
	Fingerprint string

	fingerprint256 string
}

// Named reports whether a keyId of the auth service, tenancy/fed-x509/SHA-1 or tenancy/fed-x509-sha256/SHA-256, is that
// of the certificate.
func (s Shown) Named(keyID string) bool {
	tenancy, rest, _ := strings.Cut(keyID, "/")
	scheme, print, _ := strings.Cut(rest, "/")
	if tenancy != s.Who.Tenancy {
		return false
	}
	switch scheme {
	case "fed-x509":
		return strings.EqualFold(print, s.Fingerprint)
	case "fed-x509-sha256":
		return strings.EqualFold(print, s.fingerprint256)
	}
	return false
}

// Read checks a certificate, and the intermediate ones that come with it, against the authority's root. Each is PEM or
// its base64 alone.
func (a *Authority) Read(leaf string, intermediates []string, now time.Time) (Shown, error) {
	cert, err := readCertificate(leaf)
	if err != nil {
		return Shown{}, err
	}
	between := x509.NewCertPool()
	for _, text := range intermediates {
		c, err := readCertificate(text)
		if err != nil {
			return Shown{}, err
		}
		between.AddCert(c)
	}
	roots := x509.NewCertPool()
	a.mu.Lock()
	if a.root != nil {
		roots.AddCert(a.root.cert)
	}
	a.mu.Unlock()
	if _, err := cert.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}); err != nil {
		return Shown{}, errors.New("the certificate is not one of ours, or not good now")
	}
	key, ok := cert.PublicKey.(*rsa.PublicKey)
	if !ok {
		return Shown{}, errors.New("the certificate's key is not RSA")
	}
	who := Principal{Kind: Instance}
	for _, unit := range cert.Subject.OrganizationalUnit {
		switch name, value, _ := strings.Cut(unit, ":"); name {
		case "opc-instance":
			who.ID = value
		case "opc-tenant":
			who.Tenancy = value
		case "opc-compartment":
			who.Compartment = value
		}
	}
	sum := sha1.Sum(cert.Raw) //nolint:gosec // see the import
	return Shown{who, key, strings.ToUpper(pairs(sum[:])), fingerprint256(cert)}, nil
}

func readCertificate(text string) (*x509.Certificate, error) {
	der, err := decodePEM(text, "CERTIFICATE")
	if err != nil {
		return nil, fmt.Errorf("a certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, errors.New("a certificate cannot be read")
	}
	return cert, nil
}

// newCA makes an authority below parent, or a root. Elliptic keys, since no client looks at them.
func newCA(name string, parent *certified, now time.Time) (*certified, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("identity: authority key: %w", err)
	}
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: name},
		NotBefore: now.Add(-caLife), NotAfter: now.Add(caLife),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	return certify(template, key, parent)
}

// certify signs a certificate with the parent's key, or with its own.
func certify(template *x509.Certificate, key crypto.Signer, parent *certified) (*certified, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("identity: serial number: %w", err)
	}
	template.SerialNumber = serial
	if parent == nil {
		parent = &certified{template, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent.cert, key.Public(), parent.key)
	if err != nil {
		return nil, fmt.Errorf("identity: certificate: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("identity: certificate: %w", err)
	}
	return &certified{cert, key}, nil
}

func (c *certified) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.cert.Raw})
}

func fingerprint256(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.Raw)
	return pairs(sum[:])
}

// pairs writes bytes as hexadecimal pairs joined by colons.
func pairs(b []byte) string {
	parts := make([]string, len(b))
	for i := range b {
		parts[i] = hex.EncodeToString(b[i : i+1])
	}
	return strings.Join(parts, ":")
}
