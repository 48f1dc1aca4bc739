package auth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
)

// maxKeyFile bounds a key file, in bytes; a real one has a few thousand.
const maxKeyFile = 1 << 20

// APIKeyOptions is what an operator knows about an API key of a user.
type APIKeyOptions struct {
	Tenancy string // OCID
	User    string // OCID
	// Fingerprint as OCI's console shows it; computed from the key if empty.
	Fingerprint string
	// KeyFile is the path of the private key; a leading "~/" is the home folder.
	// It is read anew by Refresh.
	KeyFile string
	// KeyPEM is the private key itself. It wins over KeyFile.
	KeyPEM string
	// Passphrase opens an encrypted key.
	Passphrase string
}

// String shows who the key is for and where it comes from, never the key.
func (o APIKeyOptions) String() string {
	source := "key file " + o.KeyFile
	if o.KeyPEM != "" {
		source = "inline key"
	}
	return fmt.Sprintf("API key of user %s in tenancy %s, fingerprint %s, %s", o.User, o.Tenancy, o.Fingerprint, source)
}

// GoString is String, so that %#v shows no more than %v.
func (o APIKeyOptions) GoString() string { return o.String() }

// MarshalText is String, so that JSON shows no more than a log line.
func (o APIKeyOptions) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// LogValue is String, so that a structured log shows no more than a plain one.
func (o APIKeyOptions) LogValue() slog.Value { return slog.StringValue(o.String()) }

// APIKey is the principal of a user with an API key. It is safe for concurrent use.
type APIKey struct {
	options APIKeyOptions // spelled as configured, but trimmed; never changed

	current atomic.Pointer[loadedKey] // always non-nil

	reload sync.Mutex // one Refresh at a time; readers of current do not take it
}

// loadedKey is one reading of the private key.
type loadedKey struct {
	snapshot Snapshot
	key      *Key
	digest   [sha256.Size]byte // of the text it was parsed from
}

var _ Principal = (*APIKey)(nil)

// NewAPIKey reads and parses the key, so that nothing is left to do per request.
// A key that cannot be used is a *KeyError or wraps an error of package fs.
// A fingerprint that belongs to another key is no error here, see Verify.
func NewAPIKey(o APIKeyOptions) (*APIKey, error) {
	o.Tenancy = strings.TrimSpace(o.Tenancy)
	o.User = strings.TrimSpace(o.User)
	o.Fingerprint = normalFingerprint(o.Fingerprint)
	for _, part := range []struct{ name, value string }{{"tenancy", o.Tenancy}, {"user", o.User}} {
		if part.value == "" {
			return nil, fmt.Errorf("oci: api key: no %s OCID", part.name)
		}
	}
	for _, part := range []struct{ name, value string }{{"tenancy", o.Tenancy}, {"user", o.User}, {"fingerprint", o.Fingerprint}} {
		if strings.ContainsFunc(part.value, unfitForKeyID) {
			return nil, fmt.Errorf("oci: api key: the %s has a character that no key id can have", part.name)
		}
	}
	if o.KeyPEM == "" && o.KeyFile == "" {
		return nil, errors.New("oci: api key: neither a key file nor a key")
	}
	a := &APIKey{options: o}
	loaded, err := a.load(nil)
	if err != nil {
		return nil, err
	}
	a.current.Store(loaded)
	return a, nil
}

// Snapshot returns the key in force. It never fails and does no I/O.
func (a *APIKey) Snapshot(context.Context) (Snapshot, error) {
	return a.current.Load().snapshot, nil
}

// Refresh reads the key file again: a key that was replaced on disk comes into
// force. An inline key stays as it is.
func (a *APIKey) Refresh(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if a.options.KeyPEM != "" {
		return nil
	}
	a.reload.Lock()
	defer a.reload.Unlock()
	loaded, err := a.load(a.current.Load())
	if err != nil {
		return err
	}
	a.current.Store(loaded)
	return nil
}

// Key returns the key in force.
func (a *APIKey) Key() *Key { return a.current.Load().key }

// Verify tells whether the configured fingerprint belongs to the key: nil, or a
// *FingerprintError. With any other fingerprint OCI answers 401.
func (a *APIKey) Verify() error {
	actual := a.Key().Fingerprint()
	if configured := a.options.Fingerprint; configured != "" && configured != actual {
		return &FingerprintError{Configured: configured, Actual: actual}
	}
	return nil
}

// Warnings lists what works, perhaps, but is unusual: one sentence each.
func (a *APIKey) Warnings() []string {
	var out []string
	for _, part := range []struct{ kind, value string }{{"tenancy", a.options.Tenancy}, {"user", a.options.User}} {
		if !LooksLikeOCID(part.kind, part.value) {
			out = append(out, fmt.Sprintf("%q does not look like the OCID of a %s (ocid1.%s.<realm>..<unique id>)", part.value, part.kind, part.kind))
		}
	}
	switch bits := a.Key().Bits(); {
	case bits < usualKeyBits:
		out = append(out, fmt.Sprintf("the RSA key has %d bits, OCI wants %d", bits, usualKeyBits))
	case bits > usualKeyBits:
		out = append(out, fmt.Sprintf("the RSA key has %d bits: each request costs several times the CPU of a key of %d bits, which is enough for OCI", bits, usualKeyBits))
	}
	return out
}

// FingerprintError says that the configured fingerprint is another key's.
type FingerprintError struct {
	Configured, Actual string
}

// Error shows both fingerprints.
func (e *FingerprintError) Error() string {
	return fmt.Sprintf("oci: the fingerprint is set to %s, but the private key's is %s: OCI will answer 401; correct the fingerprint, or give the key that belongs to it",
		e.Configured, e.Actual)
}

// load reads the key. If its text is that of old, parsing is skipped.
func (a *APIKey) load(old *loadedKey) (*loadedKey, error) {
	source, text, err := a.readKey()
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256([]byte(text))
	if old != nil && old.digest == digest {
		return old, nil
	}
	key, err := parseKey(text, a.options.Passphrase)
	if err != nil {
		if e, ok := errors.AsType[*KeyError](err); ok {
			e.Source = source
		}
		return nil, err
	}
	fingerprint := a.options.Fingerprint
	if fingerprint == "" {
		fingerprint = key.Fingerprint()
	}
	return &loadedKey{
		snapshot: Snapshot{KeyID: a.options.Tenancy + "/" + a.options.User + "/" + fingerprint, Key: key},
		key:      key,
		digest:   digest,
	}, nil
}

func parseKey(text, passphrase string) (*Key, error) {
	private, err := ParsePrivateKey(text, passphrase)
	if err != nil {
		return nil, err
	}
	return NewKey(private)
}

// readKey returns the text of the key, and for messages where it is from.
func (a *APIKey) readKey() (source, text string, err error) {
	if a.options.KeyPEM != "" {
		return "inline key", a.options.KeyPEM, nil
	}
	path := expandHome(a.options.KeyFile)
	source = "key file " + path
	f, err := os.Open(path)
	if err != nil {
		return "", "", fmt.Errorf("oci: %s: %w", source, adviseOnFile(err))
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	if err != nil {
		return "", "", fmt.Errorf("oci: %s: %w", source, adviseOnFile(err))
	}
	if len(raw) > maxKeyFile {
		return "", "", &KeyError{Source: source, Found: "more than a megabyte", Advice: adviceAPIKey}
	}
	return source, string(raw), nil
}

// adviseOnFile adds what to do to the errors that operators meet. The path is
// dropped: the caller names the file.
func adviseOnFile(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: check the path, in a container also that the file is mounted", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: let the user that runs the gateway read it (it runs as uid %d)", err, os.Getuid())
	}
	return err
}

// expandHome resolves a leading "~/". Without a home folder the path stays as it is.
func expandHome(path string) string {
	path = strings.TrimSpace(path)
	rest, found := strings.CutPrefix(path, "~/")
	if !found {
		return path
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return path
	}
	return filepath.Join(home, rest)
}

// normalFingerprint spells a fingerprint as OCI does: lower case, with colons.
// What is no fingerprint at all is only trimmed.
func normalFingerprint(s string) string {
	s = strings.ToLower(strings.TrimSpace(s))
	raw, err := hex.DecodeString(strings.ReplaceAll(s, ":", ""))
	if err != nil || len(raw) == 0 {
		return s
	}
	return colonHex(raw)
}

// unfitForKeyID reports the characters that would break out of the quoted key id
// in the Authorization header, or the header itself.
func unfitForKeyID(r rune) bool {
	return r <= ' ' || r == '"' || r == '/' || r == '\\' || r >= 0x7f
}
