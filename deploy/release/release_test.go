package main

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// pretend is a release whose binaries are no programs, with everything but the compiler's work done.
func pretend(t *testing.T, size int) (*release, *built) {
	t.Helper()
	r := &release{
		out: t.TempDir(), version: "v1.2.3", commit: strings.Repeat("c0ffee00", 5), epoch: time.Unix(1_700_000_000, 0).UTC(), builder: "urn:test", targets: released,
		modules: []module{{path: "example.com/a", version: "v1.0.0+incompatible", sum: "h1:abc=", licences: []string{"MIT"}}},
	}
	b := &built{folder: t.TempDir(), licence: []byte("licence"), notices: []byte("notices")}
	for _, target := range r.targets {
		if err := os.WriteFile(b.binary(target), bytes.Repeat([]byte(target.String()), size/10), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return r, b
}

func steps(t *testing.T, r *release, b *built) {
	t.Helper()
	for _, step := range []func(*built) error{r.archives, r.images, r.bill, r.provenance, r.checksums} {
		if err := step(b); err != nil {
			t.Fatal(err)
		}
	}
}

// untar unpacks a file into a folder.
func untar(t *testing.T, file string) (folder string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	folder = t.TempDir()
	for r := tar.NewReader(f); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return folder
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(folder, filepath.Clean("/"+h.Name)) // #nosec G305 -- cleaned
		if h.Typeflag == tar.TypeDir {
			err = os.MkdirAll(path, 0o750)
		} else {
			var data []byte
			if data, err = io.ReadAll(r); err == nil {
				err = os.WriteFile(path, data, 0o600)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A version is part of paths, of the linker's flags and of tags.
func TestVersionThatIsNoTagIsRefused(t *testing.T) {
	for _, version := range []string{"../v1", "release/v1", "v1 -X main.x=y", "-v1", "v1+build", strings.Repeat("1", 101)} {
		out := t.TempDir()
		err := command(t.Context(), []string{"-source", t.TempDir(), "-out", out, "-version", version, "-commit", "c", "-epoch", "1"})
		if err == nil || !strings.Contains(err.Error(), "the version") {
			t.Errorf("%q: %v", version, err)
		}
	}
}

func TestTwoReleasesAreEqual(t *testing.T) {
	one, b := pretend(t, 1000)
	steps(t, one, b)
	other, b := pretend(t, 1000)
	time.Local = time.FixedZone("elsewhere", 3600)
	steps(t, other, b)
	time.Local = time.UTC
	if err := compare(one.out, other.out); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(other.out, "SHA256SUMS"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := compare(one.out, other.out); err == nil || !strings.Contains(err.Error(), "SHA256SUMS") {
		t.Errorf("a difference is not found: %v", err)
	}
	if err := os.Remove(filepath.Join(other.out, "SHA256SUMS")); err != nil {
		t.Fatal(err)
	}
	if compare(one.out, other.out) == nil {
		t.Error("a missing file is not found")
	}
}

func TestImageOfAllArchitectures(t *testing.T) {
	r, b := pretend(t, 1000)
	steps(t, r, b)
	p, err := layout.FromPath(untar(t, filepath.Join(r.out, "tollgate_v1.2.3_image.tar")))
	if err != nil {
		t.Fatal(err)
	}
	entrance, err := p.ImageIndex()
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(entrance); err != nil {
		t.Error(err)
	}
	m, err := entrance.IndexManifest()
	if err != nil || len(m.Manifests) != 1 || m.Manifests[0].Annotations["org.opencontainers.image.ref.name"] != "v1.2.3" {
		t.Fatalf("%+v %v", m, err)
	}
	index, err := entrance.ImageIndex(m.Manifests[0].Digest)
	if err != nil {
		t.Fatal(err)
	}
	if m, err = index.IndexManifest(); err != nil {
		t.Fatal(err)
	}
	var platforms []string
	for _, d := range m.Manifests {
		platforms = append(platforms, d.Platform.String())
		if d.ArtifactType != "" {
			t.Errorf("an image is described as an artifact of the type %q", d.ArtifactType)
		}
	}
	if !slices.Equal(platforms, []string{"linux/amd64", "linux/arm64"}) {
		t.Errorf("platforms are %q", platforms)
	}
	for _, arch := range []string{"amd64", "arm64"} {
		tag, err := name.NewTag("tollgate:v1.2.3-" + arch)
		if err != nil {
			t.Fatal(err)
		}
		img, err := tarball.ImageFromPath(filepath.Join(r.out, "tollgate_v1.2.3_image.tar"), &tag)
		if err != nil {
			t.Fatal(err)
		}
		if file, err := img.ConfigFile(); err != nil || file.Architecture != arch {
			t.Errorf("docker load takes %+v for %s: %v", file, tag, err)
		}
	}
}

func TestImageForDockerLoad(t *testing.T) {
	r, b := pretend(t, 1000)
	steps(t, r, b)
	img, err := tarball.ImageFromPath(filepath.Join(r.out, "tollgate_v1.2.3_image_linux_arm64.tar"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(img); err != nil {
		t.Error(err)
	}
	file, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if file.Architecture != "arm64" || file.Config.User != "65532:65532" || !file.Created.Equal(r.epoch) {
		t.Errorf("the image is %+v", file)
	}
	if got, want := filesOf(t, img), map[string]string{
		"bin/": "0755", "bin/sh": "0777 ../usr/bin/tollgate", "tmp/": "1777", "usr/": "0755", "usr/bin/": "0755",
		"usr/bin/curl": "0777 tollgate", "usr/bin/python3": "0777 tollgate", "usr/bin/tollgate": "0755", "usr/bin/wget": "0777 tollgate",
		"usr/share/": "0755", "usr/share/doc/": "0755", "usr/share/doc/tollgate/": "0755", "usr/share/doc/tollgate/LICENSE": "0644",
		"usr/share/doc/tollgate/THIRD_PARTY_NOTICES": "0644", "var/": "0755", "var/lib/": "0755", "var/lib/tollgate/": "1777 of 65532",
	}; !maps.Equal(got, want) {
		t.Errorf("files are\n%v, want\n%v", got, want)
	}
}

// filesOf are an image's files with their modes, owners other than root, and where links lead.
func filesOf(t *testing.T, img v1.Image) map[string]string {
	t.Helper()
	layers, err := img.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatal(len(layers), err)
	}
	files, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = files.Close() }()
	found := map[string]string{}
	for r := tar.NewReader(files); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		text := []byte{'0' + byte(h.Mode>>9&7), '0' + byte(h.Mode>>6&7), '0' + byte(h.Mode>>3&7), '0' + byte(h.Mode&7)}
		if h.Linkname != "" {
			text = append(text, " "+h.Linkname...)
		}
		if h.Uid != 0 {
			text = append(text, " of 65532"...)
		}
		found[h.Name] = string(text)
	}
}

func TestHeavyImageIsNoRelease(t *testing.T) {
	r, b := pretend(t, maxImage+100)
	if err := r.images(b); err == nil || !strings.Contains(err.Error(), "more than 40000000") {
		t.Errorf("an image of more than 40 MB is made: %v", err)
	}
}

// TestDockerfileAgrees compares what deploy/Dockerfile says of the container with what a release's image says.
func TestDockerfileAgrees(t *testing.T) {
	text, err := os.ReadFile("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	_, last, _ := strings.Cut(string(text), "FROM ${RUNTIME_IMAGE}")
	last = strings.ReplaceAll(last, "\\\n", " ")
	r, _ := pretend(t, 10)
	c := r.config()
	quoted := func(list []string) string {
		out, _ := json.Marshal(list)
		return strings.ReplaceAll(string(out), `","`, `", "`)
	}
	for _, line := range []string{
		"ENV " + strings.Join(c.Env, " "), "WORKDIR " + c.WorkingDir, "USER " + c.User, "STOPSIGNAL " + c.StopSignal, "ENTRYPOINT " + quoted(c.Entrypoint),
		"VOLUME " + slices.Collect(maps.Keys(c.Volumes))[0], "EXPOSE " + strings.TrimSuffix(slices.Collect(maps.Keys(c.ExposedPorts))[0], "/tcp"),
		"HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 CMD " + quoted(c.Healthcheck.Test[1:]),
	} {
		if !strings.Contains(last, "\n"+line+"\n") {
			t.Errorf("the Dockerfile does not say %q", line)
		}
	}
	for _, label := range []string{"title", "description", "licenses"} {
		name := "org.opencontainers.image." + label
		if !strings.Contains(last, name+`="`+c.Labels[name]+`"`) {
			t.Errorf("the Dockerfile's label %s is not %q", name, c.Labels[name])
		}
	}
	for _, e := range rootOfImage(nil, nil, nil) {
		if e.link != "" && !strings.Contains(string(text), "ln -s "+e.link+" "+e.name) {
			t.Errorf("the Dockerfile makes no link %s to %s", e.name, e.link)
		}
	}
}

func TestPapers(t *testing.T) {
	r, b := pretend(t, 1000)
	steps(t, r, b)
	read := func(name string, into any) {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(r.out, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatal(err)
		}
	}
	var bom struct {
		SpecVersion string
		Components  []struct{ Name, Purl string }
	}
	read("tollgate_v1.2.3_sbom.cdx.json", &bom)
	if bom.SpecVersion != "1.6" || len(bom.Components) != 2 || bom.Components[1].Purl != "pkg:golang/example.com/a@v1.0.0%2Bincompatible" {
		t.Errorf("the bill of materials is %+v", bom)
	}
	var s statement
	read("tollgate_v1.2.3_provenance.json", &s)
	if len(s.Subject) != 8 || s.Predicate.BuildDefinition.ResolvedDependencies[0].Digest["gitCommit"] != r.commit || s.Predicate.RunDetails.Builder.ID != "urn:test" {
		t.Errorf("the provenance is %+v", s)
	}
	for _, subject := range s.Subject {
		if sum, err := checksum(filepath.Join(r.out, subject.Name)); err != nil || sum != subject.Digest["sha256"] {
			t.Errorf("%s: %s %v", subject.Name, sum, err)
		}
	}
	sums, err := os.ReadFile(filepath.Join(r.out, "SHA256SUMS"))
	if lines := regexp.MustCompile(`(?m)^[0-9a-f]{64}  tollgate_\S+$`).FindAll(sums, -1); err != nil || len(lines) != 9 {
		t.Errorf("%d checksums: %v", len(lines), err)
	}
}

func TestLicences(t *testing.T) {
	for text, want := range map[string]string{
		"Apache License\n      Version 2.0, January 2004":                                                                                      "Apache-2.0",
		"Permission is hereby granted, free of\ncharge, to any person obtaining a copy of":                                                     "MIT",
		"Redistribution and use in source and binary forms, with or\nwithout ... Neither the name of":                                          "BSD-3-Clause",
		"Redistribution and use in source and binary\nforms, with or without modification":                                                     "BSD-2-Clause",
		"Permission to use, copy, modify, and/or distribute this software for any\npurpose with or without fee":                                "ISC",
		"Mozilla Public License Version 2.0":                                                                                                   "MPL-2.0",
		"GNU AFFERO GENERAL PUBLIC LICENSE Version 3":                                                                                          "",
		"The Universal Permissive License (UPL), Version 1.0 ... Permission is hereby granted, free of charge, to any person obtaining a copy": "UPL-1.0",
		"Permission is hereby granted, free of charge, to any person obtaining a copy ... Apache License, Version 2.0":                         "Apache-2.0 MIT",
	} {
		if got := strings.Join(recognise([]byte(text)), " "); got != want {
			t.Errorf("%q is taken for %q, want %q", text, got, want)
		}
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "LICENSE"), []byte("All rights reserved."), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := addNotice(&bytes.Buffer{}, "example.com/a v1", folder); err == nil || !strings.Contains(err.Error(), "example.com/a v1: no licence") {
		t.Errorf("a module with an unknown licence is released: %v", err)
	}
}
