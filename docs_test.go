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

// code is the text of the program's own files, without tests and without the simulator, which has headers of its own.
func code(t *testing.T) string {
	t.Helper()
	return sources(t, func(path string) bool {
		return !strings.HasSuffix(path, "_test.go") && !strings.HasPrefix(path, "internal/ocisim")
	})
}

// sources joins the Go files below internal and test that are wanted.
func sources(t *testing.T, wanted func(path string) bool) string {
	t.Helper()
	var all strings.Builder
	for _, root := range []string{"internal", "test"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(path) != ".go" || !wanted(path) {
				return err
			}
			text, err := os.ReadFile(path)
			all.Write(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}

// found are the names that a pattern's first group finds, in lower case.
func found(pattern, text string) map[string]bool {
	out := map[string]bool{}
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		out[strings.ToLower(m[1])] = true
	}
	return out
}

// TestHeadersAreThoseOfTheProgram compares the page with the names that stand in the program, both ways.
func TestHeadersAreThoseOfTheProgram(t *testing.T) {
	page, err := os.ReadFile("docs/reference/headers.md")
	if err != nil {
		t.Fatal(err)
	}
	program := code(t)
	inProgram := found(`(?i)"(x-(?:litellm|tollgate|request|should)[a-z-]*[a-z]|rate_limit_type|reset_at)"`, program)
	onPage := found("(?i)`(x-(?:litellm|tollgate|request|should)[a-z-]*[a-z]|rate_limit_type|reset_at)(?:: \\w+)?`", string(page))
	for name := range inProgram {
		if !onPage[name] {
			t.Errorf("docs/reference/headers.md lacks %s", name)
		}
	}
	for name := range onPage {
		if !inProgram[name] {
			t.Errorf("docs/reference/headers.md has %s, which the program does not know", name)
		}
	}
	if len(inProgram) < 25 {
		t.Errorf("found %d headers only", len(inProgram))
	}
}

// TestRefusalsAreThoseOfTheProgram looks in the program for the beginnings of messages that the page of errors shows.
func TestRefusalsAreThoseOfTheProgram(t *testing.T) {
	text := pages(t)["docs/reference/errors.md"]
	program := strings.ToLower(code(t))
	row := regexp.MustCompile(`(?m)^\| \d{3} \| [^|]* \| [^|]* \| ([^|]*) \|`)
	varies := regexp.MustCompile(`\.\.\.|/chat/completions|['"=]`) // what a message is completed with
	looked := 0
	for _, m := range row.FindAllStringSubmatch(text, -1) {
		for shown := range found("`([^`]+)`", m[1]) {
			for _, part := range varies.Split(shown, -1) {
				part = strings.Trim(part, " .:")
				if len(part) < 6 {
					continue
				}
				looked++
				// The first word may be whose it is: key, team, user ...
				_, tail, _ := strings.Cut(part, " ")
				if !strings.Contains(program, part) && !strings.Contains(program, `" `+tail) {
					t.Errorf("docs/reference/errors.md shows %q, which the program does not say", part)
				}
			}
		}
	}
	if looked < 60 {
		t.Errorf("looked for %d texts only", looked)
	}
}

// TestSeriesAndAlertsOfThePages: a runbook that looks for a series that is not there helps nobody.
func TestSeriesAndAlertsOfThePages(t *testing.T) {
	all := pages(t)
	series := found("(?m)^\\| `(tollgate_[a-z_]+)` \\|", all["docs/reference/metrics.md"])
	text, err := os.ReadFile("deploy/prometheus/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	alerts := found(`alert: (\w+)`, string(text))
	operate := found("`(Tollgate[A-Z]\\w+)`", all["docs/how-to/operate.md"])
	for name := range alerts {
		if !operate[name] {
			t.Errorf("docs/how-to/operate.md does not say what to do about %s", name)
		}
	}
	for name := range operate {
		if !alerts[name] {
			t.Errorf("docs/how-to/operate.md names %s, which is no alert", name)
		}
	}
	for path, text := range all {
		for name := range found(`(tollgate_[a-z_]+_(?:total|seconds|bytes|pending|full|successful|in_flight))\b`, text) {
			if !series[name] {
				t.Errorf("%s names %s, which docs/reference/metrics.md has not", path, name)
			}
		}
	}
	if len(series) < 15 || len(alerts) < 10 {
		t.Errorf("found %d series and %d alerts only", len(series), len(alerts))
	}
}

// TestThreatsAreHeldByTestsThatExist: the threat model names tests, which are renamed now and then.
func TestThreatsAreHeldByTestsThatExist(t *testing.T) {
	tests := found(`(?m)^func ((?:Test|Fuzz)\w+)\(`, sources(t, func(path string) bool { return strings.HasSuffix(path, "_test.go") }))
	named := found("`((?:Test|Fuzz)\\w+)`", pages(t)["docs/explanation/threat-model.md"])
	for name := range named {
		if !tests[name] {
			t.Errorf("docs/explanation/threat-model.md names %s, which is no test", name)
		}
	}
	if len(named) < 50 {
		t.Errorf("found %d names of tests only", len(named))
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
