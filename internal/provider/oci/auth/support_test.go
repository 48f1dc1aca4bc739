package auth_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"tollgate/internal/provider/oci/auth"
)

const (
	testTenancy = "ocid1.tenancy.oc1..aaaaaaaaba3pv6wkcr4jqae5f15p2b2m2yt2j6rx32uzr4h25vqstifsfdsq"
	testUser    = "ocid1.user.oc1..aaaaaaaat5nvwcna5j6aqzjcaty5eqbb6qt2jvpkanghtgdaqedqw3rynjq"
)

// TestMain checks that no principal's renewal outlives its Close.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testKey and otherKey are RSA-2048 keys that live as long as the test binary.
var (
	testKey  = sync.OnceValue(func() *rsa.PrivateKey { return mustGenerate(2048) })
	otherKey = sync.OnceValue(func() *rsa.PrivateKey { return mustGenerate(2048) })
)

func mustGenerate(bits int) *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		panic(err)
	}
	return key
}

func pkcs1PEM(key *rsa.PrivateKey) string {
	return pemText("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key))
}

func pkcs8PEM(t testing.TB, key any) string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pemText("PRIVATE KEY", der)
}

func pemText(label string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: label, Bytes: der}))
}

func mustFingerprint(t testing.TB, key *rsa.PublicKey) string {
	t.Helper()
	fp, err := auth.Fingerprint(key)
	if err != nil {
		t.Fatal(err)
	}
	return fp
}

func mustKey(t testing.TB, key *rsa.PrivateKey) *auth.Key {
	t.Helper()
	k, err := auth.NewKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func writeFile(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// sdkFile reads a file of Oracle's SDK for Go from the module cache.
func sdkFile(t testing.TB, name string) string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/oracle/oci-go-sdk/v65").Output()
	if err != nil {
		t.Fatalf("find Oracle's SDK (go mod download github.com/oracle/oci-go-sdk/v65): %v", err)
	}
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
