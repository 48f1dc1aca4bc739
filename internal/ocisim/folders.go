package ocisim

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"time"

	"tollgate/internal/ocisim/identity"
)

// folder writes what a principal finds in its file system, each time anew.
type folder func(dir string) error

// WriteResource writes the files of a resource principal of version 2.2: its token (rpst) and its key (private.pem), as
// the service that runs a function or a container puts them into its file system. The leaf of the chain of resources is
// meant.
func (i *Identity) WriteResource(dir string) error {
	return i.write(dir, func(dir string) error {
		o := i.Options()
		token, key, err := i.session(o.resource(0), o.TokenLife)
		if err != nil {
			return err
		}
		text, err := privatePEM(key)
		if err != nil {
			return err
		}
		return writeFiles(dir, 0o600, []file{{"private.pem", text}, {"rpst", []byte(token)}})
	})
}

// WriteSession writes what `oci session authenticate` leaves behind: a session token (token), its key
// (oci_api_key.pem) and a configuration file (config) with the profile DEFAULT.
func (i *Identity) WriteSession(dir string) error {
	return i.write(dir, func(dir string) error {
		o := i.Options()
		token, key, err := i.session(identity.Principal{Kind: identity.Session, ID: o.User, Tenancy: o.Tenancy}, o.SessionLife)
		if err != nil {
			return err
		}
		fingerprint, err := Fingerprint(&key.PublicKey)
		if err != nil {
			return err
		}
		text, err := privatePEM(key)
		if err != nil {
			return err
		}
		config := fmt.Sprintf("[DEFAULT]\nfingerprint=%s\nkey_file=%s\ntenancy=%s\nregion=%s\nsecurity_token_file=%s\n",
			fingerprint, filepath.Join(dir, "oci_api_key.pem"), o.Tenancy, i.s.region, filepath.Join(dir, "token"))
		return writeFiles(dir, 0o600, []file{{"oci_api_key.pem", text}, {"token", []byte(token)}, {"config", []byte(config)}})
	})
}

// WriteServiceAccount writes what a pod finds in /var/run/secrets/kubernetes.io/serviceaccount: token, ca.crt and
// namespace. Everybody may read them, as in a pod.
func (i *Identity) WriteServiceAccount(dir, namespace, account string) error {
	return i.write(dir, func(dir string) error {
		token, err := i.cluster.ServiceAccountToken(namespace, account, i.life(i.Options().SessionLife))
		if err != nil {
			return err
		}
		ca, err := i.cluster.CA()
		if err != nil {
			return err
		}
		return writeFiles(dir, 0o644, []file{{"ca.crt", ca}, {"namespace", []byte(namespace)}, {"token", []byte(token)}})
	})
}

// Renew writes every folder anew: other keys and other tokens. Those from before stay good until they expire.
func (i *Identity) Renew() error {
	i.mu.Lock()
	folders := maps.Clone(i.folders)
	i.mu.Unlock()
	for dir, write := range folders {
		if err := write(dir); err != nil {
			return err
		}
	}
	return nil
}

// write makes the folder, writes into it and remembers how.
func (i *Identity) write(dir string, f folder) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("ocisim: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // a pod's user is not ours, and the keys are 0600
		return fmt.Errorf("ocisim: %w", err)
	}
	if err := f(dir); err != nil {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.folders[dir] = f
	return nil
}

// session makes a session key and a token that is bound to it.
func (i *Identity) session(who identity.Principal, d time.Duration) (string, *rsa.PrivateKey, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", nil, fmt.Errorf("ocisim: session key: %w", err)
	}
	token, err := i.grant(who, &key.PublicKey, d, "")
	return token, key, err
}

func privatePEM(key *rsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("ocisim: encode key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

type file struct {
	name string
	data []byte
}

// writeFiles replaces files whole, in order: who reads one sees the old content or the new, never half of it.
func writeFiles(dir string, mode os.FileMode, files []file) error {
	for _, f := range files {
		whole := filepath.Join(dir, f.name)
		if err := os.WriteFile(whole+".new", f.data, mode); err != nil {
			return fmt.Errorf("ocisim: %w", err)
		}
		if err := os.Rename(whole+".new", whole); err != nil {
			return fmt.Errorf("ocisim: %w", err)
		}
	}
	return nil
}
