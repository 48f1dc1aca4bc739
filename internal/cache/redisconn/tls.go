package redisconn

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"tollgate/internal/setting"
)

// transport is how TLS is spoken, nil = not at all: redis-py's ssl settings, which may also stand in the query of an URL.
// secure says that the URL asks for TLS. host is the name that the certificate must have, "" = that of each address.
func transport(m *setting.Map, base *tls.Config, secure bool, query url.Values, host string) *tls.Config {
	on := m.Flag("ssl", false, "REDIS_SSL") || secure
	read := func(name string) string {
		text := m.Text(name, "REDIS_"+strings.ToUpper(name))
		return cmp.Or(query.Get(name), text)
	}
	authorities, pair := trusted(m, read), own(m, read)
	verify := verification(m, read)
	named := checksName(m, read)
	if !on {
		return nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if base != nil {
		c = base.Clone()
	}
	if authorities != nil {
		c.RootCAs = authorities
	}
	if pair != nil {
		c.Certificates = []tls.Certificate{*pair}
	}
	c.ServerName = host
	switch {
	case !verify:
		c.InsecureSkipVerify = true //nolint:gosec // ssl_cert_reqs: none, the operator's word
	case !named:
		c.InsecureSkipVerify = true //nolint:gosec // the chain is verified below
		roots := c.RootCAs
		c.VerifyConnection = func(s tls.ConnectionState) error { return verifyChain(s, roots) }
	}
	return c
}

// verification reads ssl_cert_reqs: redis-py's words, and Python's names and null for them.
func verification(m *setting.Map, read func(string) string) bool {
	text := strings.ToLower(strings.TrimPrefix(read("ssl_cert_reqs"), "ssl."))
	switch strings.TrimPrefix(text, "cert_") {
	case "", "required", "optional", "true":
		return true
	case "none", "null", "false":
		return false
	}
	m.Fault("ssl_cert_reqs", "must be one of required, optional, none")
	return true
}

func checksName(m *setting.Map, read func(string) string) bool {
	text := read("ssl_check_hostname")
	v, err := strconv.ParseBool(strings.ToLower(text))
	if text != "" && err != nil {
		m.Fault("ssl_check_hostname", "must be true or false")
	}
	return v || text == ""
}

// trusted are the authorities of ssl_ca_certs (a file), ssl_ca_path (a folder) and ssl_ca_data (PEM), nil = none is named.
func trusted(m *setting.Map, read func(string) string) *x509.CertPool {
	var pool *x509.CertPool
	add := func(name string, pem []byte, err error) {
		if pool == nil {
			pool = x509.NewCertPool()
		}
		if err != nil {
			m.Fault(name, "%v", err)
		} else if !pool.AppendCertsFromPEM(pem) {
			m.Fault(name, "holds no certificate in PEM")
		}
	}
	if file := read("ssl_ca_certs"); file != "" {
		pem, err := os.ReadFile(file)
		add("ssl_ca_certs", pem, err)
	}
	if folder := read("ssl_ca_path"); folder != "" {
		pem, err := folderPEM(folder)
		add("ssl_ca_path", pem, err)
	}
	if pem := read("ssl_ca_data"); pem != "" {
		add("ssl_ca_data", []byte(pem), nil)
	}
	return pool
}

// folderPEM joins the files of a folder of certificates.
func folderPEM(folder string) ([]byte, error) {
	files, err := os.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var parts [][]byte
	for _, f := range files {
		pem, err := os.ReadFile(filepath.Join(folder, f.Name()))
		if err == nil { // a folder in the folder is none
			parts = append(parts, pem, []byte("\n"))
		}
	}
	return slices.Concat(parts...), nil
}

// own is the client's certificate of ssl_certfile and ssl_keyfile, nil = none.
func own(m *setting.Map, read func(string) string) *tls.Certificate {
	cert, key := read("ssl_certfile"), read("ssl_keyfile")
	if cert == "" && key == "" {
		return nil
	}
	if cert == "" || key == "" {
		m.Fault("ssl_certfile", "and ssl_keyfile go together; one of them is missing")
		return nil
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		m.Fault("ssl_certfile", "%v", err)
		return nil
	}
	return &pair
}

// verifyChain verifies a certificate but for its name.
func verifyChain(s tls.ConnectionState, roots *x509.CertPool) error {
	if len(s.PeerCertificates) == 0 {
		return errors.New("the server has no certificate")
	}
	between := x509.NewCertPool()
	for _, c := range s.PeerCertificates[1:] {
		between.AddCert(c)
	}
	_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between})
	return err
}
