package egress

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// certPool returns the system's roots with the certificates of SSL_CERT_FILE and of extra added. Go reads
// SSL_CERT_FILE on its own, but says nothing when the file is missing or empty; then every call to an upstream fails
// later with an unknown authority. Here it fails at the start, by name.
func certPool(extra string) (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("egress: system certificates: %w", err)
	}
	if file := os.Getenv("SSL_CERT_FILE"); file != "" {
		if err := appendCerts(pool, file); err != nil {
			return nil, fmt.Errorf("egress: SSL_CERT_FILE: %w", err)
		}
	}
	if extra != "" {
		if err := appendCerts(pool, extra); err != nil {
			return nil, fmt.Errorf("egress: CA bundle: %w", err)
		}
	}
	return pool, nil
}

// appendCerts adds the certificates of a PEM file.
func appendCerts(pool *x509.CertPool, file string) error {
	pem, err := os.ReadFile(file)
	if err != nil {
		return err // names the file
	}
	if len(pem) == 0 {
		return fmt.Errorf("%s: %w", file, errors.New("file is empty"))
	}
	if !pool.AppendCertsFromPEM(pem) {
		return fmt.Errorf("%s: no PEM certificate in it", file)
	}
	return nil
}
