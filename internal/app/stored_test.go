package app

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"tollgate/internal/account"
	"tollgate/internal/config"
	"tollgate/internal/price"
	"tollgate/internal/provider"
	"tollgate/internal/provider/compat"
	"tollgate/internal/provider/oci/auth"
	"tollgate/internal/store"
	"tollgate/internal/telemetry"
)

// storing opens an App whose database can be written from outside.
func storing(t *testing.T) (*App, *store.Store) {
	t.Helper()
	a, found, err := Open(t.Context(), Options{
		Config: []byte("model_list:\n  - {model_name: file, litellm_params: {model: openai/m, api_base: 'http://127.0.0.1:9/v1', api_key: k}}\n" +
			"general_settings: {master_key: sk-test-master-0123456789, store_model_in_db: true}\n"),
		DataDir: t.TempDir(), Env: func(string) (string, bool) { return "", false }, Metrics: telemetry.NewMetrics(),
		Providers: func(func(string) string, *price.Table) map[string]provider.Opener {
			return map[string]provider.Opener{"openai": compat.Open}
		},
		NewLog: func(bool, bool) (*slog.Logger, slog.Level) { return slog.New(slog.DiscardHandler), slog.LevelInfo },
	})
	if err != nil {
		t.Fatalf("%v\n%v", err, found)
	}
	t.Cleanup(func() { _ = a.Close(context.Background()) })
	return a, a.rooms.store
}

func put(t *testing.T, s *store.Store, objects ...account.Object) {
	t.Helper()
	err := s.Update(t.Context(), func(tx account.Tx) error {
		for _, o := range objects {
			if err := tx.Insert(t.Context(), o); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func aliases(a *App) string { return strings.Join(models{a}.Aliases(), " ") }

// What is stored stays in force while the store is away: it may restrict callers.
func TestReloadWhileTheStoreIsAway(t *testing.T) {
	a, s := storing(t)
	value, err := json.Marshal(map[string]any{"max_request_size_mb": 1})
	if err != nil {
		t.Fatal(err)
	}
	put(t, s,
		&account.StoredModel{ModelID: "m1", ModelName: "stored", Params: map[string]any{"model": "openai/x", "api_base": "http://127.0.0.1:9/v1", "api_key": "k"}},
		&account.Setting{ParamName: "general_settings", ParamValue: value})
	if found, err := a.Reload(); err != nil {
		t.Fatalf("%v\n%v", err, found)
	}
	if got := aliases(a); got != "file stored" || a.Config().General.MaxRequestSizeMB != 1 {
		t.Fatalf("serves %s, max_request_size_mb %v", got, a.Config().General.MaxRequestSizeMB)
	}
	a.rooms.stop() // nobody may be told of what follows
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if found, err := a.Reload(); err != nil {
		t.Fatalf("%v\n%v", err, found)
	}
	if got := aliases(a); got != "file stored" || a.Config().General.MaxRequestSizeMB != 1 {
		t.Errorf("without its store it serves %s, max_request_size_mb %v", got, a.Config().General.MaxRequestSizeMB)
	}
}

// A stored part that is wrong is left out as a whole, and said.
func TestWhatIsStoredWrongIsLeftOut(t *testing.T) {
	a, s := storing(t)
	put(t, s, &account.Setting{ParamName: "general_settings", ParamValue: []byte(`{"max_request_size_mb":"many"}`)})
	found, err := a.Reload()
	if err != nil {
		t.Fatalf("%v\n%v", err, found)
	}
	said := slices.ContainsFunc(found, func(d config.Diagnostic) bool { return d.File == database && d.Severity == config.Warning })
	if !said || aliases(a) != "file" {
		t.Errorf("serves %s and says %v", aliases(a), found)
	}
}

// Whoever may store variables does not thereby say where the gateway fetches its own identity: not by the API, and not by
// what stands in the database already.
func TestNoStoredVariableMovesTheIdentity(t *testing.T) {
	a, s := storing(t)
	values := map[string]any{"OPENAI_API_KEY": "k"}
	for _, name := range auth.Variables() {
		if err := a.storable("environment_variables", map[string]any{name: "http://127.0.0.1:9"}); err == nil || !strings.Contains(err.Error(), name+" cannot be stored") {
			t.Errorf("%s: %v", name, err)
		}
		if err := a.storable("environment_variables", map[string]any{name: nil}); err != nil {
			t.Errorf("%s cannot be taken away: %v", name, err)
		}
		values[name] = "http://127.0.0.1:9"
	}
	text, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	put(t, s, &account.Setting{ParamName: "environment_variables", ParamValue: text})
	if found, err := a.Reload(); err != nil {
		t.Fatalf("%v\n%v", err, found)
	}
	if got := a.Config().Environment; len(got) != 1 || got["OPENAI_API_KEY"].Empty() {
		t.Errorf("in force are %v", got)
	}
}

// A replica that has lost track of the changes looks again.
func TestEverythingChangedReloads(t *testing.T) {
	a, s := storing(t)
	a.rooms.stop() // the test tells instead
	a.rooms.watching.Wait()
	put(t, s, &account.StoredModel{ModelID: "m1", ModelName: "elsewhere", Params: map[string]any{"model": "openai/x", "api_base": "http://127.0.0.1:9/v1", "api_key": "k"}})
	a.changed([]account.Change{{Kind: store.Everything}})
	a.rooms.watching.Wait()
	if got := aliases(a); got != "file elsewhere" {
		t.Errorf("serves %s", got)
	}
}
