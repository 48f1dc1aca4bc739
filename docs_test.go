package tollgate_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"tollgate/internal/config"
)

// pages are all Markdown files of the repository.
func pages(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || path != "." && strings.HasPrefix(d.Name(), ".") || d.Name() == "build"):
			return fs.SkipDir
		case d.IsDir() || filepath.Ext(path) != ".md" || strings.Contains(path, "testdata") || strings.HasPrefix(path, "internal"):
			return nil
		}
		text, err := os.ReadFile(path)
		out[path] = string(text)
		return err
	})
	if err != nil || len(out) < 15 {
		t.Fatalf("found %d pages: %v", len(out), err)
	}
	return out
}

var (
	fence   = regexp.MustCompile("(?ms)^```([a-z]*)[^\n]*\n(.*?)^```")
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	noSlug  = regexp.MustCompile(`[^\w\- ]`)
)

// anchors are the fragments that a page offers, as forges make them of headings.
func anchors(page string) map[string]bool {
	out := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(page, ""), -1) {
		out[strings.ReplaceAll(noSlug.ReplaceAllString(strings.ToLower(m[1]), ""), " ", "-")] = true
	}
	return out
}

func TestLinksLeadSomewhere(t *testing.T) {
	all := pages(t)
	for path, text := range all {
		for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
			target, fragment, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			file := path
			if target != "" {
				file = filepath.Join(filepath.Dir(path), target)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: the link %s leads nowhere", path, m[1])
			} else if fragment != "" && !anchors(all[file])[fragment] {
				t.Errorf("%s: %s has no heading #%s", path, file, fragment)
			}
		}
	}
}

// TestConfigurationsOfThePages reads every configuration that the pages show: none has an error, a misspelt key, or a
// key without effect.
func TestConfigurationsOfThePages(t *testing.T) {
	ours := regexp.MustCompile(`(?m)^(model_list|router_settings|litellm_settings|general_settings|tollgate_settings):`)
	found := 0
	for path, text := range pages(t) {
		for _, m := range fence.FindAllStringSubmatch(text, -1) {
			if m[1] != "yaml" || !ours.MatchString(m[2]) {
				continue
			}
			found++
			environment := func(name string) (string, bool) { return "sk-x", strings.Contains(m[2], "os.environ/"+name) }
			_, diagnostics := config.Parse(path, []byte(m[2]), environment)
			for _, d := range diagnostics {
				t.Errorf("%s: line %d of the example that begins with %.40q", d, d.Line, m[2])
			}
		}
	}
	if found < 8 {
		t.Errorf("found %d configurations only", found)
	}
}
