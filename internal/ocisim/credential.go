package ocisim

import (
	"crypto/md5" //nolint:gosec // the fingerprint of an OCI API key is defined as MD5
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
)

// Credential is a made-up OCI user with an API key, good for nothing but a simulator that was told of it.
type Credential struct {
	TenancyOCID     string
	UserOCID        string
	CompartmentOCID string
	Fingerprint     string
	Region          string
	KeyFile         string // path of the private key, PEM, mode 0600

	key *rsa.PrivateKey
}

// GenerateCredential makes an RSA-2048 key with its user, writes the private half to oci_api_key.pem in dir (which must
// exist) and returns both. Every call makes another key.
func GenerateCredential(dir string) (*Credential, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("ocisim: generate key: %w", err)
	}
	fingerprint, err := Fingerprint(&key.PublicKey)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("ocisim: encode key: %w", err)
	}
	file := filepath.Join(dir, "oci_api_key.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return nil, fmt.Errorf("ocisim: write key: %w", err)
	}
	return &Credential{
		TenancyOCID:     "ocid1.tenancy.oc1.." + randomName(),
		UserOCID:        "ocid1.user.oc1.." + randomName(),
		CompartmentOCID: "ocid1.compartment.oc1.." + randomName(),
		Fingerprint:     fingerprint,
		Region:          "us-chicago-1",
		KeyFile:         file,
		key:             key,
	}, nil
}

// KeyID is the keyId that the key's signatures carry.
func (c *Credential) KeyID() string {
	return c.TenancyOCID + "/" + c.UserOCID + "/" + c.Fingerprint
}

// Public is the half that a simulator needs.
func (c *Credential) Public() *rsa.PublicKey { return &c.key.PublicKey }

// Private is the half that signs.
func (c *Credential) Private() *rsa.PrivateKey { return c.key }

// WriteConfig writes an OCI configuration file with the profile DEFAULT, as Oracle's own clients read it.
func (c *Credential) WriteConfig(file string) error {
	text := fmt.Sprintf("[DEFAULT]\nuser=%s\nfingerprint=%s\ntenancy=%s\nregion=%s\nkey_file=%s\n",
		c.UserOCID, c.Fingerprint, c.TenancyOCID, c.Region, c.KeyFile)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return fmt.Errorf("ocisim: write config: %w", err)
	}
	return nil
}

// String names the credential without its key.
func (c *Credential) String() string { return "ocisim credential " + c.KeyID() }

// GoString keeps %#v from printing the key.
func (c *Credential) GoString() string { return c.String() }

// LogValue keeps structured logs from printing the key.
func (c *Credential) LogValue() slog.Value { return slog.StringValue(c.String()) }

// Fingerprint is the MD5 of the public key's DER SubjectPublicKeyInfo as hexadecimal pairs joined by colons: the last
// part of an API key's keyId.
func Fingerprint(pub *rsa.PublicKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return "", fmt.Errorf("ocisim: encode public key: %w", err)
	}
	sum := md5.Sum(der) //nolint:gosec // see the import
	pairs := make([]string, len(sum))
	for i, b := range sum {
		pairs[i] = hex.EncodeToString([]byte{b})
	}
	return strings.Join(pairs, ":"), nil
}

// GenerateAPIKey makes a GenAI API key in the form that the service issues.
func GenerateAPIKey() string {
	b := make([]byte, 24)
	rand.Read(b) // never fails
	return "sk-" + hex.EncodeToString(b)
}

// randomName is the unique last part of an OCID.
func randomName() string {
	return "aaaaaaaa" + strings.ToLower(rand.Text())
}
