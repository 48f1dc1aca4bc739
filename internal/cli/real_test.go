package cli

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"tollgate/internal/app"
	"tollgate/internal/builtin"
	"tollgate/internal/client"
	"tollgate/internal/config"
	"tollgate/internal/money"
	"tollgate/internal/telemetry"
)

// realConfig has two aliases that answer without an upstream, at prices that make sums easy to see.
const realConfig = `
model_list:
  - model_name: cheap
    litellm_params: {model: openai/unknown-1, api_key: none, mock_response: "one two three", input_cost_per_token: 0.001, output_cost_per_token: 0.002}
  - model_name: dear
    litellm_params: {model: openai/unknown-2, api_key: none, mock_response: "one two three", input_cost_per_token: 0.01, output_cost_per_token: 0.02}
general_settings: {master_key: os.environ/LITELLM_MASTER_KEY, store_model_in_db: true}
`

// realGateway is the gateway itself, with a database of its own, and the world of somebody who holds its master key.
func realGateway(t *testing.T, more ...config.Document) typed {
	t.Helper()
	master := "sk-" + rand.Text()
	vars := map[string]string{"LITELLM_MASTER_KEY": master}
	a, found, err := app.Open(t.Context(), app.Options{
		Config: []byte(realConfig), Documents: more, Env: func(name string) (string, bool) { value, ok := vars[name]; return value, ok },
		Providers: builtin.Providers, Version: "test", Metrics: telemetry.NewMetrics(), DataDir: t.TempDir(),
		NewLog: func(bool, bool) (*slog.Logger, slog.Level) { return slog.New(slog.DiscardHandler), slog.LevelError },
	})
	if err != nil {
		t.Fatal(err, found)
	}
	server := httptest.NewServer(a.Handler())
	t.Cleanup(func() {
		server.Close()
		if err := a.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return typed{env: map[string]string{"TOLLGATE_URL": server.URL, "TOLLGATE_KEY": master}}
}

// must runs a command line that succeeds.
func (ty typed) must(t *testing.T, args ...string) string {
	t.Helper()
	got := ty.run(t, args...)
	if got.status != 0 {
		t.Fatalf("tollgate %s: %+v", strings.Join(args, " "), got)
	}
	return got.stdout
}

// chat asks with a key, and returns the refusal, "" for an answer.
func (ty typed) chat(t *testing.T, key, model string) string {
	t.Helper()
	if _, err := client.New(ty.env["TOLLGATE_URL"], key).Chat(t.Context(), model, "Hello there"); err != nil {
		return err.Error()
	}
	return ""
}

// refused waits until the gateway refuses a key: what was changed is in force within a second.
func (ty typed) refused(t *testing.T, key, model string) string {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(5 * time.Second); ; {
		if words := ty.chat(t, key, model); words != "" {
			return words
		}
		select {
		case <-tick.C:
		case <-deadline:
			return ""
		}
	}
}

// TestAgainstTheGateway walks a key through its life with the command line alone.
func TestAgainstTheGateway(t *testing.T) {
	w := realGateway(t)
	w.must(t, "teams", "create", "--id", "research", "--alias", "Research", "--max-budget", "500", "--budget-duration", "1mo")
	w.must(t, "users", "create", "--id", "ann", "--email", "ann@example.com", "--role", "internal_user")
	w.must(t, "teams", "add-member", "research", "--user", "ann", "--role", "admin")
	w.must(t, "budgets", "create", "shared", "--max-budget", "10", "--max-parallel", "4")

	key := strings.TrimSpace(w.must(t, "keys", "create", "-q", "--alias", "ci", "--team", "research", "--models", "cheap", "--max-budget", "20.50", "--rpm", "600", "--duration", "30d", "--set", `metadata={"cost_center": 7}`, "--tags", "nightly"))
	if !regexp.MustCompile(`^sk-[A-Za-z0-9_-]{20,}$`).MatchString(key) {
		t.Fatalf("the key is %q", key)
	}
	for range 3 {
		if refused := w.chat(t, key, "cheap"); refused != "" {
			t.Fatal(refused)
		}
	}
	if refused := w.chat(t, key, "dear"); !strings.Contains(refused, "not allowed to access model") {
		t.Errorf("a model that is not the key's: %q", refused)
	}

	for args, wants := range map[string][]string{
		"keys list --team research":  {"ci", "research", "20.5", key[len(key)-4:]},
		"keys info ci":               {"research", "cheap", "20.5", "600"},
		"keys info " + key:           {"ci"},
		"teams list":                 {"research", "Research", "500", "1mo"},
		"teams info research":        {"ann", "ci"},
		"users list":                 {"ann@example.com", "internal_user"},
		"users info ann":             {"ann@example.com", "research"},
		"budgets list":               {"shared", "10"},
		"budgets info shared":        {"4"},
		"models list":                {"cheap", "dear", "openai/unknown-1", "1000", "2000"},
		"spend logs --of ci":         {"ci", "success", "failure", "research"},
		"spend logs --team research": {"openai/unknown-1"},
	} {
		out := w.must(t, strings.Fields(args)...)
		for _, want := range wants {
			if !strings.Contains(out, want) {
				t.Errorf("%s lacks %q:\n%s", args, want, out)
			}
		}
	}

	w.must(t, "keys", "update", "ci", "--max-budget", "30", "--set", "key_alias=ci2")
	w.must(t, "keys", "block", "ci2")
	if refused := w.refused(t, key, "cheap"); !strings.Contains(refused, "blocked") {
		t.Errorf("a blocked key: %q", refused)
	}
	w.must(t, "keys", "unblock", key)
	next := strings.TrimSpace(w.must(t, "keys", "rotate", "ci2", "-q"))
	if w.refused(t, key, "cheap") == "" {
		t.Error("the old value still works")
	}
	if refused := w.chat(t, next, "cheap"); refused != "" {
		t.Errorf("the new value: %s", refused)
	}
	if out := w.must(t, "keys", "reset-spend", "ci2"); !strings.Contains(out, "has now spent 0\n") {
		t.Errorf("%q", out)
	}
	w.must(t, "models", "add", "third", "openai/unknown-3", "--param", "api_key=none", "--param", "mock_response=hello")
	w.must(t, "users", "update", "ann", "--max-budget", "5")
	w.must(t, "teams", "update", "research", "--tpm", "100000")
	w.must(t, "teams", "update-member", "research", "--user", "ann", "--max-budget", "2")
	w.must(t, "budgets", "update", "shared", "--max-budget", "11")
	w.must(t, "keys", "delete", "ci2")
	if w.refused(t, next, "cheap") == "" {
		t.Error("a deleted key still works")
	}
	w.must(t, "teams", "block", "research")
	w.must(t, "teams", "unblock", "research")
	w.must(t, "teams", "remove-member", "research", "--user", "ann")
	w.must(t, "users", "delete", "ann")
	w.must(t, "teams", "delete", "research")
	w.must(t, "budgets", "delete", "shared")
}

// LiteLLM's --max_budget is the budget of the whole gateway, whatever the file says.
func TestMaxBudgetOfTheCommandLine(t *testing.T) {
	l := liteLLMOptions{maxBudget: "0.004"}
	documents, err := l.documents()
	if err != nil {
		t.Fatal(err)
	}
	w := realGateway(t, documents...)
	key := strings.TrimSpace(w.must(t, "keys", "create", "-q"))
	if refused := w.refused(t, key, "dear"); !strings.Contains(refused, "Budget has been exceeded! Current cost: 0.0, Max budget: 0.004") {
		t.Errorf("refused with %q", refused)
	}
	for _, bad := range []string{"abc", "-1", "none"} {
		if got := w.run(t, "--max_budget", bad, "--no-database"); got.status != exitUsage || !strings.Contains(got.stderr, "--max_budget") {
			t.Errorf("%s: %+v", bad, got)
		}
	}
	for _, words := range []string{"not served yet", "no database is used yet"} {
		if help := w.must(t, "serve", "--help") + w.must(t, "--help"); strings.Contains(help, words) {
			t.Errorf("the help says %q", words)
		}
	}
}

// TestReportsAddUp compares the lines of each report with what was spent in all, to the picodollar.
func TestReportsAddUp(t *testing.T) {
	w := realGateway(t)
	w.must(t, "teams", "create", "--id", "a", "--alias", "=A")
	inTeam := strings.TrimSpace(w.must(t, "keys", "create", "-q", "--team", "a", "--alias", "in"))
	alone := strings.TrimSpace(w.must(t, "keys", "create", "-q", "--alias", "out", "--tags", "x,y"))
	for _, call := range []struct{ key, model string }{{inTeam, "cheap"}, {inTeam, "dear"}, {alone, "cheap"}, {w.env["TOLLGATE_KEY"], "dear"}} {
		if refused := w.chat(t, call.key, call.model); refused != "" {
			t.Fatal(refused)
		}
	}
	sum := func(args ...string) (total money.USD, lines []reportLine) {
		t.Helper()
		out := w.must(t, append([]string{"spend", "report", "--json"}, args...)...)
		if err := json.Unmarshal([]byte(out), &lines); err != nil {
			t.Fatal(err, out)
		}
		for _, l := range lines {
			var err error
			if total, err = total.Add(l.Spend); err != nil {
				t.Fatal(err)
			}
		}
		return total, lines
	}
	all, models := sum("--by", "alias")
	if len(models) != 2 || all == 0 || models[0].ID != "dear" {
		t.Fatalf("by alias: %+v", models)
	}
	if _, lines := sum("--by", "user"); len(lines) != 2 || lines[0].ID != "" && lines[1].ID != "" {
		t.Errorf("by user: %+v", lines)
	}
	for _, by := range []string{"team", "key", "user", "customer", "organization", "model", "provider"} {
		if total, lines := sum("--by", by); total != all {
			t.Errorf("by %s: %s of %s: %+v", by, total, all, lines)
		}
	}
	if _, lines := sum("--by", "team"); len(lines) != 2 || lines[0].ID != "a" && lines[1].ID != "a" {
		t.Errorf("by team: %+v", lines)
	}
	if _, lines := sum("--by", "tag"); len(lines) < 2 {
		t.Errorf("by tag: %+v", lines)
	}
	if csv := w.must(t, "spend", "report", "--by", "team", "--csv", "--timezone", "Asia/Kolkata", "--daily"); !strings.Contains(csv, ",a,'=A,2,2,0,") {
		t.Errorf("%s", csv)
	}
}

// TestRightsOfKeys holds what the command line says when a key may not ask.
func TestRightsOfKeys(t *testing.T) {
	w := realGateway(t)
	key := strings.TrimSpace(w.must(t, "keys", "create", "-q", "--alias", "plain"))
	plain := typed{env: map[string]string{"TOLLGATE_URL": w.env["TOLLGATE_URL"], "TOLLGATE_KEY": key}}
	if out := plain.must(t, "keys", "info"); !strings.Contains(out, "plain") {
		t.Errorf("%q", out)
	}
	for _, args := range []string{"keys create", "budgets list", "teams create --id x", "models add a b"} {
		if got := plain.run(t, strings.Fields(args)...); got.status != exitRefused {
			t.Errorf("%s: %+v", args, got)
		}
	}
	wrong := typed{env: map[string]string{"TOLLGATE_URL": w.env["TOLLGATE_URL"], "TOLLGATE_KEY": "sk-" + rand.Text()}}
	if got := wrong.run(t, "keys", "list"); got.status != exitRefused || !strings.Contains(got.stderr, "does not take the key") {
		t.Errorf("%+v", got)
	}
	if got := w.run(t, "teams", "info", "nobody"); got.status != exitRefused {
		t.Errorf("%+v", got)
	}
	if got := w.run(t, "keys", "create", "--alias", "plain"); got.status != exitRefused || !strings.Contains(got.stderr, "already exists") {
		t.Errorf("%+v", got)
	}
	if out := fmt.Sprint(w.must(t, "login", "--help")); !strings.Contains(out, "--profile") {
		t.Errorf("%q", out)
	}
}
