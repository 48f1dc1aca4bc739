package cli

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tollgate/internal/price"
)

const litellmPrices = `{
  "sample_spec": {"mode": "one of: ..."},
  "gpt-new": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 1e-06, "output_cost_per_token": 2e-06, "search_context_cost_per_query": {}},
  "gpt-4o": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": 9e-06, "output_cost_per_token": 9e-06},
  "oci/cohere.command-latest": {"litellm_provider": "oci", "mode": "chat", "input_cost_per_token": 1.56e-06, "output_cost_per_token": 1.56e-06},
  "odd": {"litellm_provider": "openai", "mode": "chat", "input_cost_per_token": "cheap"}
}`

func TestPricesLists(t *testing.T) {
	all := typed{}.run(t, "prices")
	if all.status != 0 || !strings.Contains(all.stdout, "oci/cohere.command-latest") || !strings.Contains(all.stdout, "openai/gpt-4o ") || !strings.Contains(all.stderr, "built in") {
		t.Fatal(all.stderr, len(all.stdout))
	}
	some := typed{}.run(t, "prices", "--model", "oci/xai.grok-4.20*")
	if lines := strings.Count(some.stdout, "\n"); some.status != 0 || lines != 8 || strings.Contains(some.stdout, "openai") {
		t.Errorf("%d lines: %s", lines, some.stdout)
	}
	one := typed{}.run(t, "prices", "--model", "oci/xai.grok-4.20")
	for _, text := range []string{"output_cost_per_token_above_200k_tokens:", "0.000005", "5 a million", "Oracle price list", "tools, vision"} {
		if !strings.Contains(one.stdout, text) {
			t.Errorf("%q lacks %q", one.stdout, text)
		}
	}
	asJSON := typed{}.run(t, "prices", "--json", "--model", "rerank-v4.0")
	var list []map[string]any
	if err := json.Unmarshal([]byte(asJSON.stdout), &list); err != nil || len(list) != 4 || list[0]["input_cost_per_query"] == nil || list[0]["source"] == "" {
		t.Errorf("%v, %v", list, err)
	}
	for _, model := range []string{"nobody-has-this", "[x"} {
		if got := (typed{}).run(t, "prices", "--model", model); got.status == 0 {
			t.Errorf("%s: %+v", model, got)
		}
	}
}

func TestPricesUpdateFromFile(t *testing.T) {
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "litellm.json")
	if err := os.WriteFile(file, []byte("\ufeff"+litellmPrices), 0o600); err != nil {
		t.Fatal(err)
	}
	world := typed{env: map[string]string{"TOLLGATE_DATA_DIR": dir}}
	dry := world.run(t, "prices", "update", file, "--dry-run")
	if dry.status != 0 || !strings.Contains(dry.stdout, "openai/gpt-new") || !strings.Contains(dry.stderr, "nothing was written") {
		t.Fatal(dry)
	}
	if _, own, err := price.Load(dir); err != nil || own {
		t.Fatal("--dry-run wrote", err)
	}
	got := world.run(t, "prices", "update", file)
	for _, text := range []string{"1 added", "added    openai/gpt-new", "1/2", "changed  openai/gpt-4o", "9/9", "odd: input_cost_per_token", "search_context_cost_per_query", price.FileName} {
		if !strings.Contains(got.stdout+got.stderr, text) {
			t.Errorf("%+v lacks %q", got, text)
		}
	}
	table, own, err := price.Load(dir)
	if err != nil || !own {
		t.Fatal(own, err)
	}
	// OCI's models stay at Oracle's prices.
	if e, _ := table.Lookup("oci/cohere.command-latest"); !e.InputChar.Known {
		t.Errorf("%+v", e)
	}
	if _, found := table.Lookup("anthropic/claude-haiku-4-5"); found {
		t.Error("the table was added to, not replaced")
	}
	if list := world.run(t, "prices", "--model", "gpt-new"); !strings.Contains(list.stdout, file) {
		t.Errorf("%+v", list)
	}
	if got := world.run(t, "prices", "update", file, "--all"); got.status != 0 {
		t.Fatal(got)
	}
	if table, _, _ = price.Load(dir); len(table.Models()) != 3 {
		t.Errorf("%d models", len(table.Models()))
	}
}

func TestPricesUpdateFromURL(t *testing.T) {
	builtin, err := price.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	var csv strings.Builder
	if err := builtin.Write(&csv); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/prices.csv":
			_, _ = w.Write([]byte(csv.String()))
		case "/moved":
			http.Redirect(w, r, "/prices.csv", http.StatusFound)
		case "/html":
			_, _ = w.Write([]byte("<html>"))
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(server.Close)
	dir := t.TempDir()
	world := typed{env: map[string]string{"TOLLGATE_DATA_DIR": dir}}
	if got := world.run(t, "prices", "update", server.URL+"/prices.csv"); got.status != 0 || !strings.Contains(got.stdout, "0 added, 0 changed, 0 removed") {
		t.Fatal(got)
	}
	for path, says := range map[string]string{"/moved": "sends on to /prices.csv", "/html": "first line must be", "/none": "404"} {
		if got := world.run(t, "prices", "update", server.URL+path); got.status == 0 || !strings.Contains(got.stderr, says) {
			t.Errorf("%s: %+v", path, got)
		}
	}
	if table, own, err := price.Load(dir); err != nil || !own || len(price.Diff(builtin, table)) > 0 {
		t.Error("a failed update changed the table", err)
	}
	if err := os.WriteFile(filepath.Join(dir, price.FileName), []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := world.run(t, "prices"); got.status == 0 || !strings.Contains(got.stderr, "tollgate prices update") {
		t.Errorf("%+v", got)
	}
	if got := world.run(t, "prices", "update", server.URL+"/prices.csv"); got.status != 0 {
		t.Errorf("a broken table is not replaced: %+v", got)
	}
	home := t.TempDir()
	if got := (typed{env: map[string]string{"HOME": home}}).run(t, "prices", "update", server.URL+"/prices.csv"); got.status != 0 || !strings.Contains(got.stderr, home) {
		t.Errorf("%+v", got)
	}
	if got := (typed{env: map[string]string{"HOME": home}}).run(t, "prices", "--model", "gpt-4o"); !strings.Contains(got.stderr, "of "+home) {
		t.Errorf("%+v", got)
	}
	if got := (typed{env: map[string]string{"HOME": ""}}).run(t, "prices", "update", "x"); got.status != exitUsage || !strings.Contains(got.stderr, "--data-dir") {
		t.Errorf("%+v", got)
	}
}
