package cli

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"tollgate/internal/account"
	"tollgate/internal/app"
	"tollgate/internal/builtin"
	"tollgate/internal/telemetry"
	"tollgate/internal/testkit"
)

// liteLLMUser is a LiteLLM that is about to be replaced: two keys, a model whose parameters were stored in plain text, which
// LiteLLM's oldest versions did, and some calls.
type liteLLMUser struct {
	url, master, salt string
	keys              []string
}

func newLiteLLMUser(t *testing.T) *liteLLMUser {
	t.Helper()
	u := &liteLLMUser{url: testkit.LiteLLM(t, testkit.NewestLiteLLM), master: "sk-" + rand.Text(), salt: rand.Text()}
	conn, err := pgx.Connect(t.Context(), u.url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	exec := func(text string, args ...any) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), text, args...); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 2 {
		u.keys = append(u.keys, "sk-"+rand.Text())
		exec(`INSERT INTO "LiteLLM_VerificationToken" (token, key_alias, spend, max_budget) VALUES ($1, $2, 1.5, 20)`, account.HashKey(u.keys[i]), fmt.Sprint("key-", i))
	}
	exec(`INSERT INTO "LiteLLM_ProxyModelTable" (model_id, model_name, litellm_params, model_info, created_by, updated_by, updated_at)
		VALUES ('m1', 'stored', '{"model": "openai/x y", "api_key": "none at all", "mock_response": "from the database", "input_cost_per_token": 0.001, "output_cost_per_token": 0.002}', '{"id": "m1"}', 'a', 'a', now())`)
	exec(`INSERT INTO "LiteLLM_SpendLogs" (request_id, call_type, api_key, spend, "startTime", "endTime", end_user)
		SELECT 'call-' || i, 'acompletion', $1, 0.25, now() - i * interval '1 day', now() - i * interval '1 day', 'customer-' || i % 2 FROM generate_series(0, 9) i`, account.HashKey(u.keys[0]))
	return u
}

// environment is that of somebody who has the gateway's keys.
func (u *liteLLMUser) environment() map[string]string {
	return map[string]string{"TOLLGATE_IMPORT_FROM": u.url, "LITELLM_SALT_KEY": u.salt, "LITELLM_MASTER_KEY": u.master, "STORE_MODEL_IN_DB": "true"}
}

// serving starts the gateway in an environment and on a data directory.
func serving(t *testing.T, vars map[string]string, dir string) (w typed, stop func()) {
	t.Helper()
	a, found, err := app.Open(t.Context(), app.Options{
		Config: []byte("model_list: []\n"), Env: func(name string) (string, bool) { value, ok := vars[name]; return value, ok },
		Providers: builtin.Providers, Version: "test", Metrics: telemetry.NewMetrics(), DataDir: dir,
		NewLog: func(bool, bool) (*slog.Logger, slog.Level) { return slog.New(slog.DiscardHandler), slog.LevelError },
	})
	if err != nil {
		t.Fatal(err, found)
	}
	server := httptest.NewServer(a.Handler())
	return typed{env: map[string]string{"TOLLGATE_URL": server.URL, "TOLLGATE_KEY": vars["LITELLM_MASTER_KEY"]}}, func() {
		server.Close()
		if err := a.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// TestMoveFromLiteLLM walks through a move: the keys of LiteLLM's callers work afterwards, and what they have spent counts.
func TestMoveFromLiteLLM(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			u := newLiteLLMUser(t)
			dir := t.TempDir()
			vars := u.environment()
			to := []string{"--data-dir", dir}
			if engine == "postgres" {
				vars["DATABASE_URL"] = testkit.Postgres(t)
				to = nil
			}
			admin := typed{env: vars}
			if out := admin.must(t, append([]string{"import", "litellm", "--dry-run"}, to...)...); !regexp.MustCompile(`(?m)^spend rows +10 +10 +0 +0$`).MatchString(out) {
				t.Errorf("%s", out)
			}
			if _, err := os.Stat(filepath.Join(dir, "tollgate.db")); err == nil {
				t.Error("a dry run has made a database")
			}
			for _, brought := range []string{"2", "0"} {
				var report struct {
					Brought []struct {
						What    string
						Brought json.Number
					}
				}
				out := admin.must(t, append([]string{"import", "litellm", "--json"}, to...)...)
				if err := json.Unmarshal([]byte(out), &report); err != nil {
					t.Fatal(err, out)
				}
				for _, l := range report.Brought {
					if l.What == "keys" && l.Brought.String() != brought {
						t.Errorf("%s keys were brought, want %s", l.Brought, brought)
					}
				}
			}
			w, stop := serving(t, vars, dir)
			for _, key := range u.keys {
				if refused := w.chat(t, key, "stored"); refused != "" {
					t.Errorf("a key of LiteLLM's: %s", refused)
				}
			}
			if out := w.must(t, "keys", "info", "key-0"); !strings.Contains(out, "1.5") {
				t.Errorf("%s", out)
			}
			stop()
			offline := append([]string{"ledger", "verify"}, to...)
			if out := admin.must(t, offline...); out != "rows, usage and totals agree\n" {
				t.Errorf("%q", out)
			}
			rotated(t, u, vars, dir, to)
			pruned(t, vars, to)
		})
	}
}

// rotated changes the salt key: the stored model is served under the new one, and under the old one no more.
func rotated(t *testing.T, u *liteLLMUser, vars map[string]string, dir string, to []string) {
	t.Helper()
	next := maps.Clone(vars)
	next["TOLLGATE_OLD_SALT_KEY"], next["LITELLM_SALT_KEY"] = u.salt, rand.Text()
	admin := typed{env: next}
	for _, changed := range []string{"1 of 1", "0 of 1"} {
		if out := admin.must(t, append([]string{"rotate", "salt-key"}, to...)...); !strings.HasPrefix(out, changed) {
			t.Errorf("%q, want %s", out, changed)
		}
	}
	w, stop := serving(t, next, dir)
	if refused := w.chat(t, u.keys[0], "stored"); refused != "" {
		t.Errorf("with the new key: %s", refused)
	}
	stop()
	w, stop = serving(t, vars, dir)
	if w.chat(t, u.keys[0], "stored") == "" {
		t.Error("the old salt key still opens the model")
	}
	stop()
	wrong := maps.Clone(next)
	wrong["LITELLM_SALT_KEY"] = rand.Text()
	if got := (typed{env: wrong}).run(t, append([]string{"rotate", "salt-key"}, to...)...); got.status != exitFailed || !strings.Contains(got.stderr, "neither key opens models m1") {
		t.Errorf("%+v", got)
	}
	if out := admin.must(t, append([]string{"rotate", "master-key"}, to...)...); !strings.Contains(out, "nothing is sealed with the master key") {
		t.Errorf("%q", out)
	}
	// Back to no salt key: the master key is what seals then, and it is rotated as well.
	old := filepath.Join(t.TempDir(), "old")
	if err := os.WriteFile(old, []byte(next["LITELLM_SALT_KEY"]+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	delete(next, "LITELLM_SALT_KEY")
	if out := admin.must(t, append([]string{"rotate", "master-key", "--old-key-file", old}, to...)...); !strings.HasPrefix(out, "1 of 1") {
		t.Errorf("%q", out)
	}
}

// pruned takes rows and a customer's data out of the ledger; what remains agrees.
func pruned(t *testing.T, vars map[string]string, to []string) {
	t.Helper()
	admin := typed{env: vars}
	if out := admin.must(t, append([]string{"ledger", "erase", "--end-user", "customer-1"}, to...)...); !strings.HasPrefix(out, "5 rows hold nothing of customer-1") {
		t.Errorf("%q", out)
	}
	if out := admin.must(t, append([]string{"ledger", "prune", "--before", "2099-01-01"}, to...)...); !strings.HasSuffix(out, "rows from before 2099-01-01 are removed\n") || strings.HasPrefix(out, "0 ") {
		t.Errorf("%q", out)
	}
	if out := admin.must(t, append([]string{"ledger", "verify", "--json"}, to...)...); !strings.Contains(out, `"agrees": true`) {
		t.Errorf("%s", out)
	}
}

func TestMigrateThereAndBack(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			admin, to := typed{env: map[string]string{}}, []string{"--data-dir", t.TempDir()}
			if engine == "postgres" {
				admin.env["DATABASE_URL"], to = testkit.Postgres(t), nil
			} else if got := admin.run(t, append([]string{"migrate", "--status"}, to...)...); got.status != exitFailed || !strings.Contains(got.stderr, "there is no database file in") {
				t.Errorf("a folder without a database: %+v", got)
			}
			if out := admin.must(t, append([]string{"migrate"}, to...)...); !strings.Contains(out, "0001 objects") || strings.Contains(out, "pending") {
				t.Errorf("%s", out)
			}
			admin.must(t, append([]string{"migrate", "--status"}, to...)...)
			if got := admin.run(t, append([]string{"migrate", "--to", "1"}, to...)...); got.status != exitUsage {
				t.Errorf("without --yes: %+v", got)
			}
			if out := admin.must(t, append([]string{"migrate", "--to", "1", "--yes"}, to...)...); !strings.Contains(out, "pending") {
				t.Errorf("%s", out)
			}
			if got := admin.run(t, append([]string{"migrate", "--status"}, to...)...); got.status != exitFailed || !strings.Contains(got.stdout, "pending") {
				t.Errorf("%+v", got)
			}
			if got := admin.run(t, append([]string{"ledger", "verify"}, to...)...); got.status != exitFailed || !strings.Contains(got.stderr, "migrations are pending") {
				t.Errorf("%+v", got)
			}
			admin.must(t, append([]string{"migrate"}, to...)...)
			admin.must(t, append([]string{"ledger", "verify"}, to...)...)
		})
	}
}

func TestOfflineCommandsSayWhatIsMissing(t *testing.T) {
	dir := t.TempDir()
	typed{env: map[string]string{}}.must(t, "migrate", "--data-dir", dir)
	for args, want := range map[string]string{
		"import litellm": "--from postgres://",
		"import litellm --from os.environ/NOT_SET":               "NOT_SET",
		"import litellm --from mysql://x/y --dry-run":            "mysql:// is not supported",
		"import litellm --from postgres://x/y --since yesterday": "no day",
		"import nothing": `no command "nothing"`,
		"ledger prune":   "--before needs a day",
		"ledger erase":   "--end-user",
		"ledger verify --data-dir " + filepath.Join(dir, "typo"):    "there is no database file",
		"rotate salt-key --data-dir " + dir:                         "there is no old key",
		"rotate salt-key --old-key-file /nowhere --data-dir " + dir: "/nowhere",
	} {
		if got := (typed{}).run(t, strings.Fields(args)...); got.status == 0 || !strings.Contains(got.stderr, want) {
			t.Errorf("%s: %+v, want %q", args, got, want)
		}
	}
}
