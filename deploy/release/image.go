package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// maxImage is the most that the files of an image may weigh, in bytes.
const maxImage = 40_000_000

// The user of the image, as deploy/Dockerfile has it.
const imageUser = 65532

// images writes the image: one file for each architecture, which `docker load` takes, and one for all of them.
func (r *release) images(b *built) error {
	index := v1.IndexManifest{SchemaVersion: 2, MediaType: types.OCIImageIndex}
	var all []v1.Image
	for _, t := range r.targets {
		if t.os != "linux" {
			continue
		}
		img, err := r.image(b, t)
		if err != nil {
			return err
		}
		d, err := describe(img, t)
		if err != nil {
			return err
		}
		if err := r.writeLayout(fmt.Sprintf("tollgate_%s_image_%s.tar", r.version, t), d, func(p layout.Path) error {
			if err := p.WriteImage(img); err != nil {
				return err
			}
			return dockerManifest(p, []v1.Image{img}, [][]string{{r.version, "latest"}})
		}); err != nil {
			return err
		}
		all, index.Manifests = append(all, img), append(index.Manifests, d)
	}
	if len(all) < 2 {
		return nil
	}
	return r.writeIndex(index, all)
}

// describe is how an index names an image.
func describe(img v1.Image, t target) (d v1.Descriptor, err error) {
	d.Platform = &v1.Platform{OS: t.os, Architecture: t.arch}
	if d.MediaType, err = img.MediaType(); err != nil {
		return d, err
	}
	if d.Size, err = img.Size(); err != nil {
		return d, err
	}
	d.Digest, err = img.Digest()
	return d, err
}

// writeIndex writes the image of all architectures.
func (r *release) writeIndex(index v1.IndexManifest, images []v1.Image) error {
	text, err := json.Marshal(index)
	if err != nil {
		return err
	}
	digest, size, err := v1.SHA256(bytes.NewReader(text))
	if err != nil {
		return err
	}
	d := v1.Descriptor{MediaType: index.MediaType, Digest: digest, Size: size}
	return r.writeLayout(fmt.Sprintf("tollgate_%s_image.tar", r.version), d, func(p layout.Path) error {
		var tags [][]string
		for i, img := range images {
			if err := p.WriteImage(img); err != nil {
				return err
			}
			tags = append(tags, []string{r.version + "-" + index.Manifests[i].Platform.Architecture})
		}
		if err := p.WriteBlob(digest, io.NopCloser(bytes.NewReader(text))); err != nil {
			return err
		}
		return dockerManifest(p, images, tags)
	})
}

// image is the image of one target: what deploy/Dockerfile builds, and the notices.
func (r *release) image(b *built, t target) (v1.Image, error) {
	binary, err := os.ReadFile(b.binary(t))
	if err != nil {
		return nil, err
	}
	var files bytes.Buffer
	if err := writeTar(&files, r.epoch, rootOfImage(binary, b.licence, b.notices)); err != nil {
		return nil, err
	}
	if size := files.Len(); size > maxImage {
		return nil, fmt.Errorf("the image for %s weighs %d bytes, more than %d", t, size, maxImage)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(files.Bytes())), nil },
		tarball.WithCompressionLevel(9), tarball.WithMediaType(types.OCILayer), tarball.WithCompressedCaching)
	if err != nil {
		return nil, err
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	if img, err = mutate.Append(img, mutate.Addendum{Layer: layer, History: v1.History{Created: v1.Time{Time: r.epoch}, CreatedBy: "deploy/release"}}); err != nil {
		return nil, err
	}
	file, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Created = t.os, t.arch, v1.Time{Time: r.epoch}
	file.Config = r.config()
	return mutate.ConfigFile(img, file)
}

// rootOfImage are the image's files. The links serve health checks and nothing else; the folders of state are open to
// every user, so that a container may run as any.
func rootOfImage(binary, licence, notices []byte) []entry {
	return []entry{
		{name: "bin/", mode: 0o755},
		{name: "bin/sh", mode: 0o777, link: "../usr/bin/tollgate"},
		{name: "tmp/", mode: 0o1777},
		{name: "usr/", mode: 0o755},
		{name: "usr/bin/", mode: 0o755},
		{name: "usr/bin/curl", mode: 0o777, link: "tollgate"},
		{name: "usr/bin/python3", mode: 0o777, link: "tollgate"},
		{name: "usr/bin/tollgate", mode: 0o755, data: binary},
		{name: "usr/bin/wget", mode: 0o777, link: "tollgate"},
		{name: "usr/share/", mode: 0o755},
		{name: "usr/share/doc/", mode: 0o755},
		{name: "usr/share/doc/tollgate/", mode: 0o755},
		{name: "usr/share/doc/tollgate/LICENSE", mode: 0o644, data: licence},
		{name: "usr/share/doc/tollgate/THIRD_PARTY_NOTICES", mode: 0o644, data: notices},
		{name: "var/", mode: 0o755},
		{name: "var/lib/", mode: 0o755},
		{name: "var/lib/tollgate/", mode: 0o1777, uid: imageUser},
	}
}

// config is what deploy/Dockerfile says of the container.
func (r *release) config() v1.Config {
	return v1.Config{
		User:         fmt.Sprintf("%d:%d", imageUser, imageUser),
		ExposedPorts: map[string]struct{}{"4000/tcp": {}},
		Env:          []string{"PATH=/usr/bin:/bin", "HOME=/var/lib/tollgate", "XDG_STATE_HOME=/var/lib"},
		Entrypoint:   []string{"/usr/bin/tollgate"},
		Volumes:      map[string]struct{}{"/var/lib/tollgate": {}},
		WorkingDir:   "/var/lib/tollgate",
		StopSignal:   "SIGTERM",
		Healthcheck: &v1.HealthConfig{
			Test:     []string{"CMD", "/usr/bin/tollgate", "healthcheck"},
			Interval: 30 * time.Second, Timeout: 5 * time.Second, StartPeriod: 20 * time.Second, Retries: 3,
		},
		Labels: map[string]string{
			"org.opencontainers.image.title":       "tollgate",
			"org.opencontainers.image.description": "An AI gateway in front of Oracle OCI Generative AI",
			"org.opencontainers.image.licenses":    "Apache-2.0",
			"org.opencontainers.image.version":     r.version,
			"org.opencontainers.image.revision":    r.commit,
			"org.opencontainers.image.created":     r.epoch.Format(time.RFC3339),
		},
	}
}

// writeLayout writes an OCI image layout as one tar file: what fill puts there, of which d is the entrance.
func (r *release) writeLayout(name string, d v1.Descriptor, fill func(layout.Path) error) error {
	folder, err := os.MkdirTemp("", "tollgate-layout-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	p, err := layout.Write(folder, empty.Index)
	if err != nil {
		return err
	}
	if err := fill(p); err != nil {
		return err
	}
	d.Annotations = map[string]string{
		"org.opencontainers.image.ref.name": r.version,
		"io.containerd.image.name":          "docker.io/library/tollgate:" + r.version,
	}
	if err := p.AppendDescriptor(d); err != nil {
		return err
	}
	entries, err := folderEntries(folder)
	if err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(r.out, name))
	if err != nil {
		return err
	}
	if err := writeTar(file, r.epoch, entries); err != nil {
		_ = file.Close()
		return err
	}
	return file.Close()
}

// folderEntries are the files and folders below a folder, in order of their names.
func folderEntries(folder string) (entries []entry, err error) {
	err = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == folder {
			return err
		}
		inside, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			entries = append(entries, entry{name: filepath.ToSlash(inside) + "/", mode: 0o755})
			return nil
		}
		data, err := os.ReadFile(path) // #nosec G122 -- a folder of our own
		entries = append(entries, entry{name: filepath.ToSlash(inside), mode: 0o644, data: data})
		return err
	})
	return entries, err
}

// dockerManifest adds the file by which `docker load` knew images before it knew OCI's layouts, and by which engines
// without containerd's store know them still. It points at the layout's blobs. tags are each image's.
func dockerManifest(p layout.Path, images []v1.Image, tags [][]string) error {
	var all tarball.Manifest
	for i, img := range images {
		config, err := img.ConfigName()
		if err != nil {
			return err
		}
		m := tarball.Descriptor{Config: blobName(config)}
		for _, tag := range tags[i] {
			m.RepoTags = append(m.RepoTags, "tollgate:"+tag)
		}
		layers, err := img.Layers()
		if err != nil {
			return err
		}
		for _, l := range layers {
			digest, err := l.Digest()
			if err != nil {
				return err
			}
			m.Layers = append(m.Layers, blobName(digest))
		}
		all = append(all, m)
	}
	text, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return p.WriteFile("manifest.json", text, 0o644)
}

func blobName(h v1.Hash) string { return "blobs/" + h.Algorithm + "/" + h.Hex }
