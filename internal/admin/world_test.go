package admin_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tollgate/internal/access"
	"tollgate/internal/account"
	"tollgate/internal/admin"
	"tollgate/internal/money"
	"tollgate/internal/record"
	"tollgate/internal/store"
)

// world is the management API on a real SQLite store, behind the real gate.
type world struct {
	t        *testing.T
	store    *store.Store
	api      *admin.API
	mux      *http.ServeMux
	settings *admin.Settings
	now      time.Time
	master   string
}

// liveModels are the deployments of the tests.
type liveModels struct{}

func (liveModels) Aliases() []string { return []string{"a", "b", "c", "oci/x"} }
func (liveModels) AccessGroups() map[string][]string {
	return map[string][]string{"ab": {"a", "b"}, "bc": {"b", "c"}}
}
func (liveModels) Deployments() []map[string]any { return nil }

// start is a Wednesday.
var start = time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC)

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, settings: &admin.Settings{}, now: start, master: "sk-" + rand.Text()}
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	s, err := store.Open(t.Context(), store.Options{Dir: t.TempDir(), Log: quiet, Now: w.clock, Replica: "test"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.store = s
	w.api = admin.New(admin.Options{
		Store: s, Reports: s, Maintenance: s, Settings: func() *admin.Settings { return w.settings }, Models: liveModels{}, Now: w.clock, Log: quiet,
	})
	w.serve()
	return w
}

func (w *world) clock() time.Time { return w.now }

// serve puts the routes behind a gate that reads keys anew for each call, so that no cache stands between.
func (w *world) serve() {
	w.mux = http.NewServeMux()
	for _, rt := range w.api.Routes() {
		w.mux.HandleFunc(rt.Method+" "+rt.Path, func(rw http.ResponseWriter, r *http.Request) {
			gate := access.NewGate(access.Options{MasterKey: w.master, Directory: access.NewDirectory(w.store, access.DirectoryOptions{Now: w.clock})})
			who, err := gate.Admit(&rt.Route, r)
			if err != nil {
				err.Write(rw)
				return
			}
			rt.Serve(rw, r, &who)
		})
	}
}

// reply is an answer.
type reply struct {
	t      *testing.T
	Status int
	Header http.Header
	Raw    []byte
}

// call asks with a key. body is nil, a text of JSON, or a value that becomes one.
func (w *world) call(key, method, target string, body any) *reply {
	w.t.Helper()
	var text []byte
	switch body := body.(type) {
	case nil:
	case string:
		text = []byte(body)
	default:
		var err error
		if text, err = json.Marshal(body); err != nil {
			w.t.Fatal(err)
		}
	}
	r := httptest.NewRequestWithContext(w.t.Context(), method, target, bytes.NewReader(text))
	r.Header.Set("Authorization", "Bearer "+key)
	rec := httptest.NewRecorder()
	w.mux.ServeHTTP(rec, r)
	return &reply{t: w.t, Status: rec.Code, Header: rec.Header(), Raw: rec.Body.Bytes()}
}

// admin asks with the master key and wants a 200.
func (w *world) admin(method, target string, body any) map[string]any {
	w.t.Helper()
	return w.call(w.master, method, target, body).ok()
}

// ok wants a 200 and gives its object.
func (r *reply) ok() map[string]any {
	r.t.Helper()
	if r.Status != http.StatusOK {
		r.t.Fatalf("status %d: %s", r.Status, r.Raw)
	}
	return r.object()
}

func (r *reply) object() map[string]any {
	r.t.Helper()
	var m map[string]any
	if err := json.Unmarshal(r.Raw, &m); err != nil {
		r.t.Fatalf("%v: %s", err, r.Raw)
	}
	return m
}

// refused wants a status and a message in the envelope, and gives the envelope.
func (r *reply) refused(status int, message string) map[string]any {
	r.t.Helper()
	var body struct {
		Error map[string]any `json:"error"`
	}
	_ = json.Unmarshal(r.Raw, &body)
	if got, _ := body.Error["message"].(string); r.Status != status || !strings.Contains(got, message) {
		r.t.Fatalf("got %d %s\nwant %d %q", r.Status, r.Raw, status, message)
	}
	return body.Error
}

// path walks into an object: "info.metadata.tags".
func path(v any, names string) any {
	for name := range strings.SplitSeq(names, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return v
}

// fields are values in one line.
func fields(values ...any) string { return strings.TrimSpace(fmt.Sprintln(values...)) }

// key makes a key with the master key and gives its value.
func (w *world) key(fields map[string]any) string {
	w.t.Helper()
	value, _ := w.admin("POST", "/key/generate", fields)["key"].(string)
	return value
}

// info is what /key/info shows an admin of a key.
func (w *world) info(key string) map[string]any {
	w.t.Helper()
	m, _ := w.admin("GET", "/key/info?key="+key, nil)["info"].(map[string]any)
	return m
}

// put stores objects as they are.
func (w *world) put(objects ...account.Object) {
	w.t.Helper()
	err := w.store.Update(w.t.Context(), func(tx account.Tx) error {
		for _, o := range objects {
			if err := tx.Insert(w.t.Context(), o); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// person stores a user with a role and gives it a key of its own.
func (w *world) person(id string, role account.Role, more ...func(u *account.User)) string {
	w.t.Helper()
	u := &account.User{UserID: id, UserRole: role}
	for _, m := range more {
		m(u)
	}
	w.put(u)
	raw := "sk-" + rand.Text()
	w.put(&account.Key{Token: account.HashKey(raw), KeyID: "id-" + id, KeyName: "sk-..." + raw[len(raw)-4:], UserID: id})
	return raw
}

// spend books calls of a key.
func (w *world) spend(amount money.USD, scopes ...account.Scope) {
	w.t.Helper()
	c := record.Call{ID: rand.Text(), Started: w.now, Ended: w.now, Cost: amount, CostKnown: true, Charges: scopes, Outcome: record.Success, Status: 200}
	if n, err := w.store.Write(context.WithoutCancel(w.t.Context()), []record.Call{c}); err != nil || n != 1 {
		w.t.Fatal(n, err)
	}
}
