package main

import (
	"crypto/x509"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestAloneOnAnEmptyRoot holds what an image from scratch lacks and the binary must bring: roots of trust and time zones.
// The test runs itself again in a world where the system's are not found.
func TestAloneOnAnEmptyRoot(t *testing.T) {
	if os.Getenv("ALONE") == "" {
		empty := filepath.Join(t.TempDir(), "empty")
		if err := os.WriteFile(empty, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		self := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAloneOnAnEmptyRoot$", "-test.v") // #nosec G204,G702 -- this test
		self.Env = []string{"ALONE=1", "SSL_CERT_FILE=" + empty, "SSL_CERT_DIR=" + filepath.Dir(empty), "HOME=" + t.TempDir()}
		if out, err := self.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		t.Fatal(err)
	}
	if pool.Equal(x509.NewCertPool()) {
		t.Error("without the system's roots nothing is trusted")
	}
	if _, err := time.LoadLocation("Europe/Berlin"); err != nil {
		t.Error(err)
	}
}
