package admin_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tollgate/internal/account"
	"tollgate/internal/admin"
	"tollgate/internal/money"
	"tollgate/internal/record"
)

// What this replica has spent and not yet written to the ledger is part of what is shown.
func TestSpendIsSynchronised(t *testing.T) {
	w := newWorld(t)
	key := w.key(map[string]any{})
	waiting := []record.Call{{
		ID: rand.Text(), Started: w.now, Ended: w.now, Cost: money.Dollar, CostKnown: true, Outcome: record.Success, Status: 200,
		Charges: []account.Scope{account.KeyScope(account.HashKey(key))},
	}}
	w.api = admin.New(admin.Options{
		Store: w.store, Reports: w.store, Settings: func() *admin.Settings { return w.settings }, Now: w.clock,
		Sync: func(ctx context.Context) error {
			_, err := w.store.Write(ctx, waiting)
			return err
		},
	})
	w.serve()
	if got := w.info(key)["spend"]; got != 1.0 {
		t.Errorf("spend %v", got)
	}
	if got, _ := w.admin("POST", "/key/"+key+"/regenerate", nil)["key"].(string); w.info(got)["spend"] != 1.0 {
		t.Errorf("spend of the new value %v", w.info(got)["spend"])
	}
}

// failing is a store that does not answer.
type failing struct{ account.Store }

func (failing) Get(context.Context, string, account.Object) error {
	return errors.Join(account.ErrUnavailable, errors.New("secret DSN"))
}

func TestTheStoreIsAway(t *testing.T) {
	w := newWorld(t)
	key := w.key(map[string]any{})
	w.api = admin.New(admin.Options{Store: failing{w.store}, Reports: w.store, Settings: func() *admin.Settings { return w.settings }, Log: slog.New(slog.DiscardHandler)})
	w.serve()
	r := w.call(w.master, "GET", "/key/info?key="+key, nil)
	if e := r.refused(503, "Service Unavailable, the database is temporarily unreachable. Please retry shortly."); e["type"] != "no_db_connection" {
		t.Errorf("%v", e)
	}
	if strings.Contains(string(r.Raw), "secret DSN") {
		t.Errorf("%s", r.Raw)
	}
}

// The audit log names who did it: an admin may speak for somebody else, and nobody else may.
func TestChangedBy(t *testing.T) {
	w := newWorld(t)
	u := w.person("u", account.InternalUser)
	make := func(key string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/key/generate", strings.NewReader(`{}`))
		r.Header.Set("Authorization", "Bearer "+key)
		r.Header.Set("litellm-changed-by", "somebody")
		rec := httptest.NewRecorder()
		w.mux.ServeHTTP(rec, r)
		if rec.Code != http.StatusOK {
			t.Fatalf("%d %s", rec.Code, rec.Body)
		}
	}
	make(u)
	make(w.master)
	by := map[string]string{}
	if _, err := w.store.AuditLog(t.Context(), account.Filter{}, func(e account.AuditEntry) error {
		by[e.ChangedByAPIKey] = e.ChangedBy
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(by) != 2 || by[account.HashKey(u)] != "u" || by["litellm_proxy_master_key"] != "somebody" {
		t.Errorf("%v", by)
	}
}
