package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// writePages writes the generated pages of the reference and returns them by name.
func writePages(t *testing.T) map[string]string {
	t.Helper()
	env := &Environment{Stdout: &bytes.Buffer{}, Stderr: &bytes.Buffer{}, LookupEnv: func(string) (string, bool) { return "", false }}
	root := newRoot(env)
	dir := t.TempDir()
	root.SetArgs([]string{"docs", dir})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	pages := map[string]string{}
	for _, name := range []string{"command-line", "configuration", "http-api", "metrics", "models-and-prices"} {
		text, err := os.ReadFile(filepath.Join(dir, name+".md"))
		if err != nil {
			t.Fatal(err)
		}
		pages[name] = string(text)
	}
	return pages
}

func TestDocsNameEverything(t *testing.T) {
	pages := writePages(t)
	for page, wanted := range map[string][]string{
		"command-line":      {"## `tollgate serve`", "## `tollgate validate`", "## `tollgate config schema`", "## `tollgate keys`", "| `--timeout` | duration | `1m0s` |", "## `tollgate spend report`", "| `--timezone` |", "| `--config`, `-c` |", "`--num_workers`"},
		"configuration":     {"## The file", "| `model_list` |", "## `litellm_params`", "| `oci_key_file` |", "Accepted, no effect:", "| `aws_*` |", "## `tollgate_settings`"},
		"http-api":          {"| `POST /v1/chat/completions` | yes |", "| `GET /health/liveness` | no |", "`/openai/deployments/{model}/chat/completions`"},
		"models-and-prices": {"## Chat", "| `oci/cohere.command-latest` | 6.24 | 6.24 |  | 1.56 | 1.56 |", "input above 200k 2.5", "## Embedding", "## Rerank", "0.0025 a search"},
	} {
		for _, want := range wanted {
			if !strings.Contains(pages[page], want) {
				t.Errorf("the page %s lacks %q", page, want)
			}
		}
	}
}

// TestDocsNameEveryMetric compares the page with the names in the source: a series that the page's writer does not make
// appear would be missing without a word.
func TestDocsNameEveryMetric(t *testing.T) {
	page := writePages(t)["metrics"]
	files, err := filepath.Glob("../telemetry/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	found := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile(`"(tollgate_\w+)"`).FindAllStringSubmatch(string(text), -1) {
			found++
			if !strings.Contains(page, "| `"+name[1]+"` |") {
				t.Errorf("the page has no %s", name[1])
			}
		}
	}
	if found < 5 {
		t.Errorf("found %d metrics only", found)
	}
}

func TestDocsKeepTablesWhole(t *testing.T) {
	for page, text := range writePages(t) {
		columns := 0
		for i, line := range strings.Split(text, "\n") {
			if !strings.HasPrefix(line, "|") {
				columns = 0
				continue
			}
			n := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|")
			if columns != 0 && n != columns {
				t.Errorf("%s:%d has %d columns, the table %d", page, i+1, n-1, columns-1)
			}
			columns = n
		}
	}
}
