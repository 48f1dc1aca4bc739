package auth

import (
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// location is a text, or the absolute path of the file that holds it.
type location struct {
	name  string // the setting that says so, for messages
	value string
	file  bool
}

// contentOrPath is a location as resource principals have it: absolute paths are
// files, anything else is the content.
func contentOrPath(name, value string) location {
	return location{name: name, value: value, file: filepath.IsAbs(value)}
}

func (l location) read() (string, error) {
	if !l.file {
		return l.value, nil
	}
	path := expandHome(l.value)
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("%s, the file %s: %w", l.name, path, adviseOnFile(err))
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("%s, the file %s: %w", l.name, path, adviseOnFile(err))
	case len(text) > maxKeyFile:
		return "", fmt.Errorf("%s, the file %s: larger than a megabyte", l.name, path)
	}
	return string(text), nil
}

// givenToken is a token and its key that somebody else renews: the OCI command line
// a session token, a service of OCI's a resource principal. Both are read anew each
// time, since nobody tells when they change.
type givenToken struct {
	doing, remedy          string // for errors
	token, key, passphrase location
	region, tenancy        string

	// Of the reading before, for the one goroutine that calls Issue.
	text  [sha256.Size]byte // of key and passphrase
	ready *Key
	half  *rsa.PublicKey
	// agreed: a token named the key that was beside it. Only then can a token that
	// names another one be taken for a change that is half done.
	agreed bool
}

var (
	_ Source = (*givenToken)(nil)
	_ onDisk = (*givenToken)(nil)
)

func (g *givenToken) onDisk() {}

// Issue reads token and key. A pair that does not belong together, because it is
// being replaced, is an error: the credential before goes on until both are there.
func (g *givenToken) Issue(context.Context) (Issued, error) {
	text, err := g.token.read()
	if err != nil {
		return Issued{}, g.failed(err)
	}
	token, err := ParseToken(text)
	if err != nil {
		return Issued{}, g.failed(fmt.Errorf("%s: %w", g.token.name, err))
	}
	if err := g.readKey(); err != nil {
		return Issued{}, g.failed(err)
	}
	if token.bound != nil {
		match := token.bound.Equal(g.half)
		if !match && g.agreed {
			return Issued{}, g.failed(fmt.Errorf("%s names another key than %s holds: one of them has not been replaced yet", g.token.name, g.key.name))
		}
		g.agreed = match
	}
	if !time.Now().Before(token.Expiry) {
		return Issued{}, g.failed(fmt.Errorf("the token expired at %s", token.Expiry.UTC().Format(time.RFC3339)))
	}
	issued := Issued{Snapshot: Snapshot{KeyID: token.KeyID(), Key: g.ready, Expiry: token.Expiry}, Region: g.region, Tenancy: g.tenancy}
	if issued.Tenancy == "" {
		issued.Tenancy = token.Tenancy
	}
	return issued, nil
}

// readKey reads the key, and parses it where it is not the one of before.
func (g *givenToken) readKey() error {
	text, err := g.key.read()
	if err != nil {
		return err
	}
	passphrase, err := g.passphrase.read()
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(text + "\x00" + passphrase))
	if g.ready != nil && g.text == sum {
		return nil
	}
	if g.passphrase.file {
		passphrase = trimBreak(passphrase)
	}
	private, err := ParsePrivateKey(text, passphrase)
	if err == nil {
		var key *Key
		if key, err = NewKey(private); err == nil {
			g.text, g.ready, g.half = sum, key, &private.PublicKey
		}
	}
	if e, ok := errors.AsType[*KeyError](err); ok {
		e.Source = g.key.name
	}
	return err
}

// trimBreak takes off the line break that editors put at the end of a file.
func trimBreak(text string) string {
	for len(text) > 0 && (text[len(text)-1] == '\n' || text[len(text)-1] == '\r') {
		text = text[:len(text)-1]
	}
	return text
}

func (g *givenToken) failed(err error) error {
	return &AcquireError{Doing: g.doing, Remedy: g.remedy, Err: err}
}

// SessionToken is the source of a profile that "oci session authenticate" wrote:
// the token of security_token_file and the key of key_file.
func SessionToken(p Profile) (Source, error) {
	if p.SecurityTokenFile == "" {
		return nil, fmt.Errorf("oci: profile %s has no security_token_file; `oci session authenticate` writes one", p.Name)
	}
	if p.KeyFile == "" && p.KeyContent == "" {
		return nil, fmt.Errorf("oci: profile %s has a security_token_file, but no key_file with the key of the session", p.Name)
	}
	key := location{name: "key_file", value: p.KeyFile, file: true}
	if p.KeyContent != "" {
		key = location{name: "key_content", value: p.KeyContent}
	}
	return &givenToken{
		doing: "read the session token of profile " + p.Name, remedy: "renew it with: oci session refresh --profile " + p.Name + " (or authenticate)",
		token: location{name: "security_token_file", value: p.SecurityTokenFile, file: true}, key: key, passphrase: location{name: "pass_phrase", value: p.Passphrase},
		region: p.Region, tenancy: p.Tenancy,
	}, nil
}

func (g *givenToken) preflight() error {
	fresh := givenToken{doing: g.doing, remedy: g.remedy, token: g.token, key: g.key, passphrase: g.passphrase} // readings of its own
	_, err := fresh.Issue(context.Background())
	return err
}
