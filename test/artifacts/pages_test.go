package artifacts_test

import (
	"encoding/xml"
	"errors"
	"io"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var markdownLink = regexp.MustCompile(`\]\(([^)\s#]+)[^)]*\)`)

// links are the files of the repository that a page links to.
func links(t *testing.T, page string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, m := range markdownLink.FindAllStringSubmatch(read(t, page), -1) {
		found[filepath.ToSlash(filepath.Join(filepath.Dir(page), m[1]))] = true
	}
	return found
}

func TestReadmeLinksEachArtifact(t *testing.T) {
	linked := links(t, sampleReadme)
	for _, file := range under(t, "examples/oci") {
		if file == sampleReadme {
			continue
		}
		if !linked[file] {
			t.Errorf("%s does not link %s", sampleReadme, file)
		}
	}
	for _, file := range []string{"deploy/Dockerfile", chart, howTo, "examples/agent", "examples/costs"} {
		if !linked[file] {
			t.Errorf("%s does not link %s", sampleReadme, file)
		}
	}
}

func TestReadmeOfTheRepositoryLinksTheSample(t *testing.T) {
	linked := links(t, "README.md")
	for _, file := range []string{howTo, "examples/oci"} {
		if !linked[file] && !linked[file+"/README.md"] {
			t.Errorf("README.md does not link %s", file)
		}
	}
}

// Each of the how-to's subjects has a heading.
func TestHowToHasItsSections(t *testing.T) {
	var headings []string
	for line := range strings.Lines(read(t, howTo)) {
		if strings.HasPrefix(line, "#") {
			headings = append(headings, strings.ToLower(line))
		}
	}
	for _, words := range []string{
		"when", "scope|covers|cannot", "docker|local|laptop", "virtual key", "cost|spend", "client|locus|agent", "kubernetes|oke", "authentic|boundary|credential",
		"config", "enterprise|pattern|organisation", "see also|read on|further",
	} {
		found := false
		for _, heading := range headings {
			found = found || regexp.MustCompile(words).MatchString(heading)
		}
		if !found {
			t.Errorf("no heading is about %s:\n%s", words, strings.Join(headings, ""))
		}
	}
}

// External PostgreSQL is pointed to, on both ways of running.
func TestExternalPostgresIsPointedTo(t *testing.T) {
	for _, file := range []string{sampleReadme, howTo} {
		if !regexp.MustCompile(`(?i)(your own|external|managed|another) (postgres|database)|postgresql of your own|database of your own`).MatchString(read(t, file)) {
			t.Errorf("%s does not say how to use a PostgreSQL of one's own", file)
		}
	}
	if text := read(t, helmValues); !strings.Contains(text, "useExisting: true") {
		t.Errorf("%s does not use an existing PostgreSQL", helmValues)
	}
}

// The x509 symptom of a proxy that opens TLS, and the two image variables that mend it.
func TestReadmeExplainsTheCorporateProxy(t *testing.T) {
	text := read(t, sampleReadme)
	for _, words := range []string{"x509: certificate signed by unknown authority", "LITELLM_IMAGE", "LITELLM_DB_IMAGE", "extra_ca_file", "HTTPS_PROXY"} {
		if !strings.Contains(text, words) {
			t.Errorf("%s does not speak of %s", sampleReadme, words)
		}
	}
}

// A drawing that is not well-formed is a blank page, and one without words is nothing to a reader who hears it.
func TestDiagramsAreReadable(t *testing.T) {
	for _, file := range under(t, "docs/diagrams") {
		if !strings.HasSuffix(file, ".svg") {
			continue
		}
		t.Run(file, func(t *testing.T) {
			names := elements(t, read(t, file))
			for _, want := range []string{"svg", "title", "desc", "text"} {
				if names[want] == 0 {
					t.Errorf("it has no <%s>", want)
				}
			}
			for _, bad := range []string{"script", "image", "foreignObject"} {
				if names[bad] > 0 {
					t.Errorf("it has a <%s>", bad)
				}
			}
		})
	}
}

// elements counts the elements of a document by their name, and fails the test when it is not well-formed.
func elements(t *testing.T, text string) map[string]int {
	t.Helper()
	names := map[string]int{}
	decoder := xml.NewDecoder(strings.NewReader(text))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return names
		}
		if err != nil {
			t.Fatal(err)
		}
		if start, ok := token.(xml.StartElement); ok {
			names[start.Name.Local]++
		}
	}
}
