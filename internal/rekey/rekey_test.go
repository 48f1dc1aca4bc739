package rekey_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"

	"tollgate/internal/account"
	"tollgate/internal/callback"
	"tollgate/internal/rekey"
	"tollgate/internal/seal"
	"tollgate/internal/store"
	"tollgate/internal/testkit"
)

func sealer(t *testing.T, key string) *seal.Sealer {
	t.Helper()
	s, err := seal.New(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// filled is a store with secrets of each purpose, sealed with a key.
func filled(t *testing.T, o store.Options, key string) *store.Store {
	t.Helper()
	o.Log = slog.New(slog.DiscardHandler)
	s, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	by := sealer(t, key)
	sealed := func(p seal.Purpose, text string) string {
		out, err := by.Seal(p, text)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	settings, err := json.Marshal(map[string]any{"plain": "as it is", "deep": []any{map[string]any{"secret": sealed(seal.Environment, "three")}}})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Update(t.Context(), func(tx account.Tx) error {
		for i := range 3 {
			m := &account.StoredModel{ModelID: fmt.Sprint("m", i), Params: map[string]any{"rpm": 5.0, "api_key": sealed(seal.ModelParams, "one"), "headers": map[string]any{"a": sealed(seal.ModelParams, "deep")}}}
			if err := tx.Insert(t.Context(), m); err != nil {
				return err
			}
		}
		vars := func(text string) map[string]any {
			return map[string]any{"langfuse_host": "https://lf.example.com", "langfuse_secret_key": sealed(seal.CallbackVars("langfuse_host=https://lf.example.com;"), text)}
		}
		return errors.Join(
			tx.Insert(t.Context(), &account.Key{Token: "k", Metadata: map[string]any{"logging": []any{map[string]any{"callback_name": "langfuse", "callback_vars": vars("four")}}}}),
			tx.Insert(t.Context(), &account.Key{Token: "plain"}),
			tx.Insert(t.Context(), &account.Team{TeamID: "t", Metadata: map[string]any{"callback_settings": map[string]any{"callback_vars": vars("five")}}}),
			tx.Insert(t.Context(), &account.Credential{CredentialName: "c", Values: map[string]string{"k": sealed(seal.CredentialValues, "two"), "k2": sealed(seal.CredentialValues, "two")}}),
			tx.Insert(t.Context(), &account.Setting{ParamName: "litellm_settings", ParamValue: settings}))
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// opened are all secrets of the store, as a key opens them.
func opened(t *testing.T, s *store.Store, key string) []string {
	t.Helper()
	by := sealer(t, key)
	var all []string
	open := func(p seal.Purpose, v any) {
		text, err := by.Open(p, fmt.Sprint(v))
		if err != nil {
			text = err.Error()
		}
		all = append(all, text)
	}
	for i := range 3 {
		m, err := account.Get[account.StoredModel](t.Context(), s, fmt.Sprint("m", i))
		if err != nil || m.Params["rpm"] != 5.0 {
			t.Fatal(m, err)
		}
		open(seal.ModelParams, m.Params["api_key"])
		open(seal.ModelParams, m.Params["headers"].(map[string]any)["a"])
	}
	c, err := account.Get[account.Credential](t.Context(), s, "c")
	if err != nil {
		t.Fatal(err)
	}
	open(seal.CredentialValues, c.Values["k"])
	open(seal.CredentialValues, c.Values["k2"])
	set, err := account.Get[account.Setting](t.Context(), s, "litellm_settings")
	if err != nil {
		t.Fatal(err)
	}
	var v struct {
		Plain string
		Deep  []struct{ Secret string }
	}
	if err := json.Unmarshal(set.ParamValue, &v); err != nil || v.Plain != "as it is" {
		t.Fatal(v, err)
	}
	open(seal.Environment, v.Deep[0].Secret)
	k, err := account.Get[account.Key](t.Context(), s, "k")
	if err != nil {
		t.Fatal(err)
	}
	team, err := account.Get[account.Team](t.Context(), s, "t")
	if err != nil {
		t.Fatal(err)
	}
	for _, own := range append(callback.Owned(k.Metadata, "", callback.Vars{}), callback.Owned(map[string]any{"logging": []any{map[string]any{
		"callback_name": "langfuse", "callback_vars": team.Metadata["callback_settings"].(map[string]any)["callback_vars"],
	}}}, "", callback.Vars{})...) {
		open(seal.CallbackVars("langfuse_host="+own.Vars["langfuse_host"]+";"), own.Vars["langfuse_secret_key"])
	}
	return all
}

func TestEverySecretOpensWithTheNewKeyAlone(t *testing.T) {
	for engine, o := range map[string]store.Options{"sqlite": {Dir: t.TempDir()}, "postgres": {URL: testkit.Postgres(t)}} {
		t.Run(engine, func(t *testing.T) {
			s := filled(t, o, "old")
			before := opened(t, s, "old")
			// The first run is ended after two objects.
			ctx, stop := context.WithCancel(t.Context())
			result, err := rekey.Run(ctx, s, sealer(t, "old"), sealer(t, "new"), func(done, _ int) {
				if done == 2 {
					stop()
				}
			})
			if err == nil || result.Changed != 2 {
				t.Fatalf("%+v %v", result, err)
			}
			for _, changed := range []int{5, 0} {
				result, err = rekey.Run(t.Context(), s, sealer(t, "old"), sealer(t, "new"), nil)
				if err != nil || result.Objects != 7 || result.Changed != changed || len(result.Unopened) != 0 {
					t.Errorf("%+v %v", result, err)
				}
			}
			if after := opened(t, s, "new"); !slices.Equal(after, before) || before[0] != "one" {
				t.Errorf("%q, before %q", after, before)
			}
			for _, text := range opened(t, s, "old") {
				if text != seal.ErrOpen.Error() {
					t.Errorf("the old key opens %q", text)
				}
			}
		})
	}
}

func TestWhatNeitherKeyOpensStays(t *testing.T) {
	s := filled(t, store.Options{Dir: t.TempDir()}, "another")
	result, err := rekey.Run(t.Context(), s, sealer(t, "old"), sealer(t, "new"), nil)
	if err != nil || result.Changed != 0 || !slices.Equal(result.Unopened, []string{"models m0", "models m1", "models m2", "credentials c", "settings litellm_settings", "keys k", "teams t"}) {
		t.Errorf("%+v %v", result, err)
	}
	if got := opened(t, s, "another"); got[0] != "one" {
		t.Errorf("%q", got)
	}
}
