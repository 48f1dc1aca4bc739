//go:build docker

package compose_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tollgate/internal/ocisim"
)

// endpoint is the name that the gateway calls for the region of the sample.
const endpoint = "inference.generativeai.us-chicago-1.oci.oraclecloud.com"

// slowStreams makes Llama's streams last long enough to be interrupted. Everything else is as fast as it can be.
const slowStreams = `{"rules": [{"model": "meta.*", "stream": true, "chunk_delay": "40ms"}]}`

// newOCI makes what test/compose/oci reads in folder/oci, the certificate authority in folder/ca.pem, and an API key
// that the stand-in knows. The key file belongs to the user of the container, as the sample asks.
func newOCI(t *testing.T, folder string) *ocisim.Credential {
	t.Helper()
	files := filepath.Join(folder, "oci")
	for _, dir := range []string{folder, files} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	credential, err := ocisim.GenerateCredential(folder)
	if err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		if err := os.Chown(credential.KeyFile, ourselves, ourselves); err != nil {
			t.Fatal(err)
		}
	}
	public, err := x509.MarshalPKIXPublicKey(credential.Public())
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(files, "public.pem"), pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))
	writeFile(t, filepath.Join(files, "key-id"), []byte(credential.KeyID()))
	writeFile(t, filepath.Join(files, "scenario.json"), []byte(slowStreams))
	writeCertificates(t, filepath.Join(folder, "ca.pem"), files)
	return credential
}

// writeCertificates makes an authority and a certificate for endpoint.
func writeCertificates(t *testing.T, authorityFile, folder string) {
	t.Helper()
	authorityKey, serverKey := newKey(t), newKey(t)
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	server := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: endpoint}, DNSNames: []string{endpoint},
		NotBefore: authority.NotBefore, NotAfter: authority.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	writeFile(t, authorityFile, signed(t, authority, authority, &authorityKey.PublicKey, authorityKey))
	writeFile(t, filepath.Join(folder, "server.pem"), signed(t, server, authority, &serverKey.PublicKey, authorityKey))
	der, err := x509.MarshalPKCS8PrivateKey(serverKey)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(folder, "server-key.pem"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func signed(t *testing.T, certificate, authority *x509.Certificate, public *ecdsa.PublicKey, by *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, certificate, authority, public, by)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// writeFile writes a file that every user may read: containers run as several.
func writeFile(t *testing.T, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(name, content, 0o644); err != nil {
		t.Fatal(err)
	}
}
