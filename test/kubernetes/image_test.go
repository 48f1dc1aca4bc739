//go:build kubernetes

package kubernetes_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// image is a container image of one layer.
type image struct {
	name       string
	entrypoint []string
	env        []string
	user       string
	files      []imageFile
}

// imageFile is a file, a link or a folder in an image.
type imageFile struct {
	name, from, link string
	mode             int64
}

// gatewayImage has what deploy/Dockerfile puts into the image.
func gatewayImage(tag, binary string) image {
	return image{
		name: "docker.io/library/tollgate:" + tag, entrypoint: []string{"/usr/bin/tollgate"}, user: "65532:65532",
		env: []string{"PATH=/usr/bin:/bin", "HOME=/var/lib/tollgate", "XDG_STATE_HOME=/var/lib"},
		files: []imageFile{
			{name: "usr/bin/tollgate", from: binary, mode: 0o755},
			{name: "usr/bin/wget", link: "tollgate"}, {name: "usr/bin/curl", link: "tollgate"},
			{name: "usr/bin/python3", link: "tollgate"}, {name: "bin/sh", link: "../usr/bin/tollgate"},
			{name: "var/lib/tollgate/", mode: 0o1777},
		},
	}
}

func pauseImage(binary string) image {
	return image{name: pauseName, entrypoint: []string{"/pause"}, user: "65535:65535", files: []imageFile{{name: "pause", from: binary, mode: 0o755}}}
}

// archive writes the image as `docker save` does, which containerd imports.
func (i image) archive(t testing.TB, file string) {
	t.Helper()
	layer := i.layer(t)
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": map[string]any{"Entrypoint": i.entrypoint, "Env": i.env, "User": i.user},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + digest(layer)}},
	})
	check(t, err)
	manifest, err := json.Marshal([]any{map[string]any{
		"Config": digest(config) + ".json", "RepoTags": []string{i.name}, "Layers": []string{"layer.tar"},
	}})
	check(t, err)
	out, err := os.Create(file)
	check(t, err)
	defer out.Close()
	w := tar.NewWriter(out)
	for _, part := range []struct {
		name string
		data []byte
	}{{digest(config) + ".json", config}, {"layer.tar", layer}, {"manifest.json", manifest}} {
		check(t, w.WriteHeader(&tar.Header{Name: part.name, Mode: 0o644, Size: int64(len(part.data))}))
		_, err := w.Write(part.data)
		check(t, err)
	}
	check(t, w.Close())
}

func (i image) layer(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range i.files {
		switch {
		case f.link != "":
			check(t, w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: f.name, Linkname: f.link, Mode: 0o777}))
		case f.from == "":
			check(t, w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: f.name, Mode: f.mode}))
		default:
			data, err := os.ReadFile(f.from)
			check(t, err)
			check(t, w.WriteHeader(&tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(data))}))
			_, err = io.Copy(w, bytes.NewReader(data))
			check(t, err)
		}
	}
	check(t, w.Close())
	return b.Bytes()
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// importImage hands an image to the node's containerd.
func (n *node) importImage(t testing.TB, i image) {
	t.Helper()
	file := filepath.Join(n.folder, "image.tar")
	i.archive(t, file)
	n.output(t, "ctr", "--address", containerdSocket, "--namespace", "k8s.io", "images", "import", file)
	check(t, os.Remove(file))
}
