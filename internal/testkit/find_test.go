//go:build unix

package testkit

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	root := t.TempDir()
	for _, version := range []string{"9", "15", "14"} {
		folder := filepath.Join(root, version, "bin")
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "testkit-program"), nil, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	got, err := find("testkit-program", "a-package", root+"/*/bin")
	if want := filepath.Join(root, "15/bin/testkit-program"); got != want || err != nil {
		t.Errorf("got %s, %v; want the newest, %s", got, err, want)
	}
	_, err = find("testkit-other-program", "a-package", root+"/*/bin")
	const want = "apt-get install -y --no-install-recommends a-package"
	if err == nil || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("what is missing: got the error %v; want one that ends with %q", err, want)
	}
}
