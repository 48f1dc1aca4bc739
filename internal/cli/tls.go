package cli

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// certificates serves a certificate from files and takes up a renewed one. It is safe for concurrent use.
type certificates struct {
	certFile, keyFile string

	mu      sync.Mutex
	current *tls.Certificate // never nil
	written time.Time        // the younger of the two files' times when current was read
	looked  time.Time
}

// certificateCheck is how often the files are looked at, at most.
const certificateCheck = 5 * time.Second

func tlsConfig(certFile, keyFile string) (*tls.Config, error) {
	if certFile == "" || keyFile == "" {
		return nil, errors.New("TLS needs both --ssl_certfile_path and --ssl_keyfile_path")
	}
	c := &certificates{certFile: certFile, keyFile: keyFile}
	if err := c.read(); err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get, NextProtos: []string{"h2", "http/1.1"}}, nil
}

// read is called with mu held, or before c is shared.
func (c *certificates) read() error {
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		return fmt.Errorf("the TLS certificate: %w", err)
	}
	c.current, c.written = &pair, c.modified()
	return nil
}

func (c *certificates) modified() time.Time {
	var youngest time.Time
	for _, f := range []string{c.certFile, c.keyFile} {
		if info, err := os.Stat(f); err == nil && info.ModTime().After(youngest) {
			youngest = info.ModTime()
		}
	}
	return youngest
}

// get gives the certificate for a handshake. A renewal that is half written fails to load; the old one serves on.
func (c *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.looked) >= certificateCheck {
		c.looked = now
		if !c.modified().Equal(c.written) {
			_ = c.read()
		}
	}
	return c.current, nil
}
