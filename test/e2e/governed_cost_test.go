package e2e_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestCosts is what the gateway's users check of it with LiteLLM: seven checks of keys, rows and sums, with the fields
// that their scripts read.
func TestCosts(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, database string) {
		w := newWorld(t, settings{database: database})
		key := w.key(obj{"models": []string{"chat"}, "duration": "1h", "metadata": obj{"team": "alpha", "run": "7"}})
		call := func() {
			t.Helper()
			if a := w.replicas[0].call(key, question("chat")); !a.ok() {
				t.Fatalf("%v %d %s", a.err, a.status, a.body)
			}
		}
		t.Run("a call is a row more", func(t *testing.T) {
			if before := w.rows(key, 0); len(before) != 0 {
				t.Fatalf("a fresh key has rows: %+v", before)
			}
			call()
			if after := w.rows(key, 1); len(after) != 1 {
				t.Errorf("%d rows of one call", len(after))
			}
		})
		t.Run("the last row is the last call", func(t *testing.T) {
			call()
			rows := w.rows(key, 2)
			last := rows[len(rows)-1]
			if last.Model != "oci/meta.llama-4-maverick-17b-128e-instruct-fp8" || last.TotalTokens <= 0 || dollars(t, last.Spend).Sign() <= 0 {
				t.Errorf("%+v", last)
			}
		})
		t.Run("rows say whose they are", func(t *testing.T) { attributed(t, w, key) })
		t.Run("spend by key", func(t *testing.T) {
			keys := w.list("/global/spend/keys")
			i := slices.IndexFunc(keys, func(k map[string]any) bool { m, _ := k["metadata"].(map[string]any); return m["team"] == "alpha" })
			if i < 0 || dollars(t, keys[i]["total_spend"]).Sign() <= 0 || keys[i]["api_key"] == "" {
				t.Errorf("%v", keys)
			}
		})
		t.Run("spend by the upstream's name of the model", func(t *testing.T) {
			models := w.list("/global/spend/models")
			i := slices.IndexFunc(models, func(m map[string]any) bool {
				return strings.HasSuffix(m["model"].(string), "meta.llama-4-maverick-17b-128e-instruct-fp8")
			})
			if i < 0 || dollars(t, models[i]["total_spend"]).Sign() <= 0 {
				t.Errorf("%v", models)
			}
		})
		t.Run("a tiny budget ends", func(t *testing.T) { tinyBudget(t, w) })
		t.Run("a model that is not on the list", func(t *testing.T) { notAllowed(t, w, key) })
		w.verify()
	})
}

// list reads a reply that is a list, its numbers as they are written.
func (w *world) list(path string) []map[string]any {
	w.t.Helper()
	r, err := w.replicas[0].try(masterKey, "GET", path, nil)
	if err != nil || r.status != http.StatusOK {
		w.t.Fatalf("%s: %v %d %s", path, err, r.status, r.body)
	}
	dec := json.NewDecoder(strings.NewReader(string(r.body)))
	dec.UseNumber()
	var all []map[string]any
	if err := dec.Decode(&all); err != nil {
		w.t.Fatalf("%s: %v: %s", path, err, r.body)
	}
	return all
}

func attributed(t *testing.T, w *world, key string) {
	for _, r := range w.list("/spend/logs?api_key=" + key) {
		for _, name := range []string{"api_key", "request_tags", "metadata", "team_id"} {
			if _, there := r[name]; !there {
				t.Errorf("no %s in %v", name, r)
			}
		}
		metadata, _ := r["metadata"].(map[string]any)
		if metadata["team"] != "alpha" || metadata["run"] != "7" {
			t.Errorf("the key's metadata is not in the row's: %v", metadata)
		}
	}
}

// tinyBudget is a budget that no call fits: the first or the second is refused, with a word of the budget.
func tinyBudget(t *testing.T, w *world) {
	key := w.key(obj{"models": []string{"chat"}, "duration": "1h", "max_budget": 1e-9})
	for range 2 {
		a := w.replicas[0].call(key, question("chat"))
		if a.status == http.StatusTooManyRequests && strings.Contains(strings.ToLower(a.body), "budget") {
			return
		}
		if !a.ok() {
			t.Fatalf("%v %d %s", a.err, a.status, a.body)
		}
	}
	t.Error("two calls were served on a budget of 1e-9 dollars")
}

// notAllowed is refused before anybody asks whether the model exists, and the refusal is a row that costs nothing.
func notAllowed(t *testing.T, w *world, key string) {
	before := len(w.rows(key, 0))
	for _, model := range []string{"second", "exists-nowhere"} {
		a := w.replicas[0].call(key, question(model))
		if a.status != http.StatusForbidden || !strings.Contains(strings.ToLower(a.body), "allowed to access") {
			t.Errorf("%s: %v %d %s", model, a.err, a.status, a.body)
		}
	}
	for _, r := range w.rows(key, before+2)[before:] {
		if r.Status != "failure" || dollars(t, r.Spend).Sign() != 0 || r.TotalTokens != 0 {
			t.Errorf("the refusal's row: %+v", r)
		}
	}
}
