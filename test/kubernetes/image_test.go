//go:build kubernetes

package kubernetes_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"runtime"
	"strings"
	"testing"
)

// pauseArchive writes an image with one program, as `docker save` does.
func pauseArchive(t testing.TB, file, program string) {
	t.Helper()
	text, err := os.ReadFile(program)
	check(t, err)
	layer := archive(t, part{"pause", 0o755, text})
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{"Entrypoint": []string{"/pause"}, "User": "65535:65535"},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + digest(layer)}},
	})
	check(t, err)
	manifest, err := json.Marshal([]any{map[string]any{
		"Config": digest(config) + ".json", "RepoTags": []string{pauseName}, "Layers": []string{"layer.tar"},
	}})
	check(t, err)
	image := archive(t, part{digest(config) + ".json", 0o644, config}, part{"layer.tar", 0o644, layer}, part{"manifest.json", 0o644, manifest})
	check(t, os.WriteFile(file, image, 0o600))
}

// part is a file in an archive.
type part struct {
	name string
	mode int64
	text []byte
}

func archive(t testing.TB, parts ...part) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, p := range parts {
		check(t, w.WriteHeader(&tar.Header{Name: p.name, Mode: p.mode, Size: int64(len(p.text))}))
		_, err := w.Write(p.text)
		check(t, err)
	}
	check(t, w.Close())
	return b.Bytes()
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// importImages brings the pause and the gateway's image, of which a release consists, to the node's containerd.
func (n *node) importImages(t testing.TB, gateway string) {
	t.Helper()
	pause := n.path("pause.tar")
	pauseArchive(t, pause, n.path("pause"))
	for _, file := range []string{pause, gateway} {
		n.ctr(t, "images", "import", file)
	}
	imported := ""
	for name := range strings.FieldsSeq(n.ctr(t, "images", "list", "--quiet")) {
		if strings.Contains(name, "/tollgate:") {
			imported = name
		}
	}
	for _, tag := range []string{"0.1.0", "next"} { // the chart's, and the one that an upgrade brings
		n.ctr(t, "images", "tag", imported, "docker.io/library/tollgate:"+tag)
	}
}

func (n *node) ctr(t testing.TB, args ...string) string {
	t.Helper()
	return n.output(t, "ctr", append([]string{"--address", containerdSocket, "--namespace", "k8s.io"}, args...)...)
}
