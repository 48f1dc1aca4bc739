package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/CycloneDX/cyclonedx-go"
)

// bill writes the software bill of materials: Go's own library and every module of the binaries, with their licences.
func (r *release) bill(*built) error {
	stdlib := module{path: "stdlib", version: strings.TrimPrefix(runtime.Version(), "go"), licences: []string{"BSD-3-Clause"}}
	var components []cyclonedx.Component
	var refs []string
	for _, m := range append([]module{stdlib}, r.modules...) {
		c := component(m, cyclonedx.ComponentTypeLibrary)
		components = append(components, c)
		refs = append(refs, c.BOMRef)
	}
	program := component(module{path: "tollgate", version: r.version, licences: []string{"Apache-2.0"}}, cyclonedx.ComponentTypeApplication)
	bom := cyclonedx.NewBOM()
	bom.Metadata = &cyclonedx.Metadata{Timestamp: r.epoch.Format(time.RFC3339), Component: &program}
	bom.Components = &components
	bom.Dependencies = &[]cyclonedx.Dependency{{Ref: program.BOMRef, Dependencies: &refs}}

	var out bytes.Buffer
	if err := cyclonedx.NewBOMEncoder(&out, cyclonedx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, cyclonedx.SpecVersion1_6); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.out, fmt.Sprintf("tollgate_%s_sbom.cdx.json", r.version)), out.Bytes(), 0o644) // #nosec G306 -- for everybody
}

func component(m module, kind cyclonedx.ComponentType) cyclonedx.Component {
	url := packageURL(m)
	licences := cyclonedx.Licenses{}
	for _, id := range m.licences {
		licences = append(licences, cyclonedx.LicenseChoice{License: &cyclonedx.License{ID: id}})
	}
	return cyclonedx.Component{BOMRef: url, Type: kind, Name: m.path, Version: m.version, PackageURL: url, Licenses: &licences}
}

// packageURL is the name of a module for scanners: https://github.com/package-url/purl-spec.
func packageURL(m module) string {
	return "pkg:golang/" + strings.ReplaceAll(m.path, "+", "%2B") + "@" + strings.ReplaceAll(m.version, "+", "%2B")
}

// The statement of in-toto (v1) with the predicate of SLSA (v1): what was made, of what, by what.
type (
	statement struct {
		Type          string     `json:"_type"`
		Subject       []resource `json:"subject"`
		PredicateType string     `json:"predicateType"`
		Predicate     predicate  `json:"predicate"`
	}
	predicate struct {
		BuildDefinition buildDefinition `json:"buildDefinition"`
		RunDetails      runDetails      `json:"runDetails"`
	}
	buildDefinition struct {
		BuildType            string            `json:"buildType"`
		ExternalParameters   map[string]string `json:"externalParameters"`
		InternalParameters   map[string]string `json:"internalParameters"`
		ResolvedDependencies []resource        `json:"resolvedDependencies"`
	}
	runDetails struct {
		Builder struct {
			ID string `json:"id"`
		} `json:"builder"`
	}
	resource struct {
		Name   string            `json:"name,omitempty"`
		URI    string            `json:"uri,omitempty"`
		Digest map[string]string `json:"digest,omitempty"`
	}
)

// provenance writes the statement about every file that is there. It holds no time of the build, so that it is the same
// for every build of a commit by one builder; unsigned it is a record and not a proof.
func (r *release) provenance(*built) error {
	names, err := r.files()
	if err != nil {
		return err
	}
	s := statement{Type: "https://in-toto.io/Statement/v1", PredicateType: "https://slsa.dev/provenance/v1"}
	for _, name := range names {
		sum, err := checksum(filepath.Join(r.out, name))
		if err != nil {
			return err
		}
		s.Subject = append(s.Subject, resource{Name: name, Digest: map[string]string{"sha256": sum}})
	}
	d := &s.Predicate.BuildDefinition
	d.BuildType = "urn:tollgate:deploy:release:v1"
	d.ExternalParameters = map[string]string{"version": r.version, "commit": r.commit}
	d.InternalParameters = map[string]string{"SOURCE_DATE_EPOCH": fmt.Sprint(r.epoch.Unix()), "CGO_ENABLED": "0", "GOAMD64": "v1", "GOARM64": "v8.0"}
	d.ResolvedDependencies = []resource{
		{Name: "source", URI: "git+urn:tollgate", Digest: map[string]string{"gitCommit": r.commit}},
		{Name: "toolchain", URI: packageURL(module{path: "stdlib", version: strings.TrimPrefix(runtime.Version(), "go")})},
	}
	for _, m := range r.modules {
		d.ResolvedDependencies = append(d.ResolvedDependencies, resource{Name: m.path, URI: packageURL(m), Digest: map[string]string{"goModuleH1": strings.TrimPrefix(m.sum, "h1:")}})
	}
	s.Predicate.RunDetails.Builder.ID = r.builder
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(r.out, fmt.Sprintf("tollgate_%s_provenance.json", r.version)), append(text, '\n'), 0o644) // #nosec G306 -- for everybody
}

// checksums writes SHA256SUMS, as sha256sum --check reads it.
func (r *release) checksums(*built) error {
	names, err := r.files()
	if err != nil {
		return err
	}
	var out bytes.Buffer
	for _, name := range names {
		sum, err := checksum(filepath.Join(r.out, name))
		if err != nil {
			return err
		}
		fmt.Fprintf(&out, "%s  %s\n", sum, name)
	}
	return os.WriteFile(filepath.Join(r.out, "SHA256SUMS"), out.Bytes(), 0o644) // #nosec G306 -- for everybody
}

// files are the names in the folder of the release, sorted.
func (r *release) files() ([]string, error) {
	entries, err := os.ReadDir(r.out)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, nil
}

func checksum(file string) (string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}

// compare fails unless two folders hold the same files with the same bytes.
func compare(one, other string) error {
	a, b := &release{out: one}, &release{out: other}
	names, err := a.files()
	if err != nil {
		return err
	}
	others, err := b.files()
	if err != nil {
		return err
	}
	if strings.Join(names, "\n") != strings.Join(others, "\n") {
		return fmt.Errorf("%s holds %q, %s holds %q", one, names, other, others)
	}
	var differ []string
	for _, name := range names {
		left, err := os.ReadFile(filepath.Join(one, name))
		if err != nil {
			return err
		}
		right, err := os.ReadFile(filepath.Join(other, name))
		if err != nil {
			return err
		}
		if !bytes.Equal(left, right) {
			differ = append(differ, name)
		}
	}
	if len(names) == 0 || len(differ) > 0 {
		return fmt.Errorf("of %d files these differ: %q", len(names), differ)
	}
	fmt.Printf("%d files are equal bit for bit\n", len(names))
	return nil
}
