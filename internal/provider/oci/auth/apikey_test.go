package auth_test

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"tollgate/internal/provider/oci/auth"
)

func apiKeyOptions() auth.APIKeyOptions {
	return auth.APIKeyOptions{Tenancy: testTenancy, User: testUser, KeyPEM: pkcs1PEM(testKey())}
}

func mustAPIKey(t testing.TB, o auth.APIKeyOptions) *auth.APIKey {
	t.Helper()
	k, err := auth.NewAPIKey(o)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func keyID(t testing.TB, p auth.Principal) string {
	t.Helper()
	snap, err := p.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return snap.KeyID
}

func TestAPIKey_KeyID(t *testing.T) {
	actual := mustFingerprint(t, &testKey().PublicKey)
	tests := []struct {
		name, configured, want string
		mismatch               bool
	}{
		{name: "computed", configured: "", want: actual},
		{name: "as OCI shows it", configured: actual, want: actual},
		{name: "upper case and spaces", configured: " " + strings.ToUpper(actual) + "\n", want: actual},
		{name: "without colons", configured: strings.ReplaceAll(actual, ":", ""), want: actual},
		{name: "of another key", configured: "20:3b:97:13:55:1c:5b:0d:d3:37:d8:50:4e:c5:3a:34", want: "20:3b:97:13:55:1c:5b:0d:d3:37:d8:50:4e:c5:3a:34", mismatch: true},
		{name: "no fingerprint", configured: "my-key", want: "my-key", mismatch: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := apiKeyOptions()
			o.Fingerprint = tt.configured
			key := mustAPIKey(t, o)
			if got, want := keyID(t, key), testTenancy+"/"+testUser+"/"+tt.want; got != want {
				t.Errorf("key id:\n got %s\nwant %s", got, want)
			}
			mismatch, is := errors.AsType[*auth.FingerprintError](key.Verify())
			if is != tt.mismatch {
				t.Fatalf("Verify: %v, want a mismatch: %v", key.Verify(), tt.mismatch)
			}
			if is && (mismatch.Configured != tt.want || mismatch.Actual != actual) {
				t.Errorf("mismatch %+v", mismatch)
			}
			if is && (!strings.Contains(mismatch.Error(), tt.want) || !strings.Contains(mismatch.Error(), actual)) {
				t.Errorf("the message does not show both: %v", mismatch)
			}
		})
	}
}

func TestAPIKey_FromFile(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	if err := os.MkdirAll(filepath.Join(home, ".oci"), 0o700); err != nil {
		t.Fatal(err)
	}
	text := encryptedPKCS8(t, testKey(), nil) + "OCI_API_KEY\n"
	if err := os.WriteFile(filepath.Join(home, ".oci", "key.pem"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	o := auth.APIKeyOptions{Tenancy: testTenancy, User: testUser, KeyFile: " ~/.oci/key.pem", Passphrase: testPassphrase}
	key := mustAPIKey(t, o)
	if got, want := key.Key().Fingerprint(), mustFingerprint(t, &testKey().PublicKey); got != want {
		t.Errorf("fingerprint %s, want %s", got, want)
	}
}

func TestNewAPIKey_Refuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "absent.pem")
	publicKey := writeFile(t, selfSigned(t, testKey()))
	large := writeFile(t, strings.Repeat("x", 2<<20))
	tests := []struct {
		name   string
		change func(*auth.APIKeyOptions)
		want   string
		is     error
	}{
		{name: "no tenancy", change: func(o *auth.APIKeyOptions) { o.Tenancy = " " }, want: "no tenancy OCID"},
		{name: "no user", change: func(o *auth.APIKeyOptions) { o.User = "" }, want: "no user OCID"},
		{name: "no key", change: func(o *auth.APIKeyOptions) { o.KeyPEM = "" }, want: "neither a key file nor a key"},
		{name: "quote in the user", change: func(o *auth.APIKeyOptions) { o.User = `ocid1.user.oc1..a",x="` }, want: "the user has a character"},
		{name: "slash in the tenancy", change: func(o *auth.APIKeyOptions) { o.Tenancy = "a/b" }, want: "the tenancy has a character"},
		{name: "line break in the fingerprint", change: func(o *auth.APIKeyOptions) { o.Fingerprint = "a\nb" }, want: "the fingerprint has a character"},
		{name: "file absent", change: func(o *auth.APIKeyOptions) { o.KeyPEM, o.KeyFile = "", path },
			want: "key file " + path + ": no such file or directory: check the path", is: fs.ErrNotExist},
		{name: "file is a folder", change: func(o *auth.APIKeyOptions) { o.KeyPEM, o.KeyFile = "", filepath.Dir(path) }, want: "is a directory"},
		{name: "file is a certificate", change: func(o *auth.APIKeyOptions) { o.KeyPEM, o.KeyFile = "", publicKey },
			want: "oci: key file " + publicKey + ": found a certificate; give the private RSA key"},
		{name: "file is huge", change: func(o *auth.APIKeyOptions) { o.KeyPEM, o.KeyFile = "", large }, want: "found more than a megabyte"},
		{name: "inline is a path", change: func(o *auth.APIKeyOptions) { o.KeyPEM = "/etc/key.pem" }, want: "oci: inline key: found what looks like a file name"},
		{name: "short key", change: func(o *auth.APIKeyOptions) { o.KeyPEM = shortKeyPEM(t) }, want: "oci: inline key: found an RSA key of 512 bits"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := apiKeyOptions()
			tt.change(&o)
			_, err := auth.NewAPIKey(o)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("got  %v\nwant %s", err, tt.want)
			}
			if tt.is != nil && !errors.Is(err, tt.is) {
				t.Errorf("%v is not %v", err, tt.is)
			}
		})
	}
}

// shortKeyPEM makes a key that Go makes only when it is told that this is a test.
func shortKeyPEM(t *testing.T) string {
	t.Setenv("GODEBUG", "rsa1024min=0")
	return pkcs1PEM(mustGenerate(512))
}

func TestAPIKey_Warnings(t *testing.T) {
	tests := []struct {
		name   string
		change func(*auth.APIKeyOptions)
		want   []string
	}{
		{"none", func(*auth.APIKeyOptions) {}, nil},
		{"1024 bits", func(o *auth.APIKeyOptions) { o.KeyPEM = pkcs1PEM(mustGenerate(1024)) }, []string{"the RSA key has 1024 bits, OCI wants 2048"}},
		{"3072 bits", func(o *auth.APIKeyOptions) { o.KeyPEM = pkcs1PEM(mustGenerate(3072)) }, []string{"the RSA key has 3072 bits: each request costs several times"}},
		{"swapped OCIDs", func(o *auth.APIKeyOptions) { o.User, o.Tenancy = o.Tenancy, o.User },
			[]string{"does not look like the OCID of a tenancy", "does not look like the OCID of a user"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := apiKeyOptions()
			tt.change(&o)
			got := mustAPIKey(t, o).Warnings()
			if len(got) != len(tt.want) {
				t.Fatalf("got %q, want %q", got, tt.want)
			}
			for i := range got {
				if !strings.Contains(got[i], tt.want[i]) {
					t.Errorf("got %q, want %q", got[i], tt.want[i])
				}
			}
		})
	}
}

func TestAPIKey_Refresh(t *testing.T) {
	path := writeFile(t, pkcs1PEM(testKey()))
	key := mustAPIKey(t, auth.APIKeyOptions{Tenancy: testTenancy, User: testUser, KeyFile: path})
	first := keyID(t, key)
	firstKey := key.Key()

	if err := key.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if key.Key() != firstKey {
		t.Error("an unchanged file was parsed again")
	}

	if err := os.WriteFile(path, []byte("half-written"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := key.Refresh(t.Context()); err == nil {
		t.Error("a broken file was taken")
	}
	if got := keyID(t, key); got != first {
		t.Errorf("after a broken file: %s, want the old %s", got, first)
	}

	if err := os.WriteFile(path, []byte(pkcs8PEM(t, otherKey())), 0o600); err != nil {
		t.Fatal(err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := key.Refresh(cancelled); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := key.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := keyID(t, key), testTenancy+"/"+testUser+"/"+mustFingerprint(t, &otherKey().PublicKey); got != want {
		t.Errorf("after a new file: %s, want %s", got, want)
	}

	inline := mustAPIKey(t, apiKeyOptions())
	if err := inline.Refresh(t.Context()); err != nil {
		t.Errorf("inline key: %v", err)
	}
}

// TestAPIKey_SnapshotsAreWhole swaps the key on disk while others sign: whichever
// key id they saw, the signature must be that key's.
func TestAPIKey_SnapshotsAreWhole(t *testing.T) {
	texts := [][]byte{[]byte(pkcs1PEM(testKey())), []byte(pkcs1PEM(otherKey()))}
	prefix := testTenancy + "/" + testUser + "/"
	public := map[string]*rsa.PublicKey{
		prefix + mustFingerprint(t, &testKey().PublicKey):  &testKey().PublicKey,
		prefix + mustFingerprint(t, &otherKey().PublicKey): &otherKey().PublicKey,
	}
	path := writeFile(t, string(texts[0]))
	key := mustAPIKey(t, auth.APIKeyOptions{Tenancy: testTenancy, User: testUser, KeyFile: path})

	ctx, stop := context.WithCancel(t.Context())
	var swapper, signers sync.WaitGroup
	swapper.Go(func() {
		for i := 1; ctx.Err() == nil; i++ {
			next := path + ".new"
			if err := errors.Join(os.WriteFile(next, texts[i%2], 0o600), os.Rename(next, path)); err != nil {
				t.Error(err)
				return
			}
			if err := key.Refresh(ctx); err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
		}
	})
	for i := range 8 {
		signers.Go(func() {
			digest := sha256.Sum256([]byte{byte(i)})
			for range 20 {
				snap, err := key.Snapshot(ctx)
				if err != nil {
					t.Error(err)
					return
				}
				signature, err := snap.Key.SignDigest(digest)
				if err != nil {
					t.Error(err)
					return
				}
				if err := rsa.VerifyPKCS1v15(public[snap.KeyID], crypto.SHA256, digest[:], signature); err != nil {
					t.Errorf("key and key id do not belong together: %v", err)
					return
				}
				if i%4 == 0 {
					if err := key.Refresh(ctx); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	signers.Wait()
	stop()
	swapper.Wait()
}
