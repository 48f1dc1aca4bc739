// Command oci stands in for OCI Generative AI in a network of containers: the simulator behind TLS on port 443, under
// the real service's name, which the network resolves to this container. The gateway needs no address of its own for
// that, only the certificate authority.
package main

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tollgate/internal/ocisim"
)

func main() {
	err := errors.New("usage: oci FOLDER   (server.pem, server-key.pem, key-id, public.pem, scenario.json)")
	if len(os.Args) == 2 {
		err = serve(os.Args[1])
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// serve answers until it fails. folder holds the server's certificate and key, the id and the public half of the one API
// key that is known, and how the simulator behaves.
func serve(folder string) error {
	scenario, err := ocisim.LoadScenario(filepath.Join(folder, "scenario.json"))
	if err != nil {
		return err
	}
	simulator, err := ocisim.New(ocisim.Options{Region: "us-chicago-1", Seed: 1, Scenario: scenario})
	if err != nil {
		return err
	}
	id, err := os.ReadFile(filepath.Join(folder, "key-id"))
	if err != nil {
		return err
	}
	public, err := readPublicKey(filepath.Join(folder, "public.pem"))
	if err != nil {
		return err
	}
	simulator.AddKey(strings.TrimSpace(string(id)), public)
	server := &http.Server{Addr: ":443", Handler: simulator.Handler(), ReadHeaderTimeout: 30 * time.Second}
	return server.ListenAndServeTLS(filepath.Join(folder, "server.pem"), filepath.Join(folder, "server-key.pem"))
}

func readPublicKey(file string) (*rsa.PublicKey, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New(file + " is no PEM file")
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(*rsa.PublicKey)
	if !ok {
		return nil, errors.New(file + " holds no RSA key")
	}
	return key, nil
}
