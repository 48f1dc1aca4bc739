package access_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/internal/access"
	"tollgate/internal/account"
	"tollgate/internal/apierr"
)

// memory is a store of objects that can be switched off, and that counts what it is asked for.
type memory struct {
	mu      sync.Mutex
	objects map[string][]byte
	away    error
	reads   atomic.Int64
	before  func(kind account.Kind, id string) // called outside of the lock, before an answer is taken
	after   func(kind account.Kind, id string) // called with the answer in hand
}

func newMemory(objects ...account.Object) *memory {
	m := &memory{objects: map[string][]byte{}}
	m.put(objects...)
	return m
}

func (m *memory) put(objects ...account.Object) []account.Change {
	m.mu.Lock()
	defer m.mu.Unlock()
	var changes []account.Change
	for _, o := range objects {
		doc, err := json.Marshal(o)
		if err != nil {
			panic(err)
		}
		m.objects[string(o.Kind())+"/"+o.ObjectID()] = doc
		changes = append(changes, account.Change{Kind: o.Kind(), ID: o.ObjectID()})
	}
	return changes
}

func (m *memory) drop(o account.Object) []account.Change {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, string(o.Kind())+"/"+o.ObjectID())
	return []account.Change{{Kind: o.Kind(), ID: o.ObjectID()}}
}

func (m *memory) leave(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.away = err
}

func (m *memory) Get(ctx context.Context, id string, o account.Object) error {
	m.reads.Add(1)
	if m.before != nil {
		m.before(o.Kind(), id)
	}
	m.mu.Lock()
	doc, ok := m.objects[string(o.Kind())+"/"+id]
	away := m.away
	m.mu.Unlock()
	if m.after != nil {
		m.after(o.Kind(), id)
	}
	switch {
	case away != nil:
		return away
	case ctx.Err() != nil:
		return ctx.Err()
	case !ok:
		return account.ErrNotFound
	}
	return json.Unmarshal(doc, o)
}

func (m *memory) Find(_ context.Context, kind account.Kind, f account.Filter, each func([]byte) error) (int, error) {
	m.reads.Add(1)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.away != nil {
		return 0, m.away
	}
	var names []string
	for name := range m.objects {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if len(name) <= len(kind) || name[:len(kind)+1] != string(kind)+"/" {
			continue
		}
		var fields map[string]any
		if err := json.Unmarshal(m.objects[name], &fields); err != nil {
			return 0, err
		}
		fits := true
		for field, want := range f.Equal {
			fits = fits && fmt.Sprint(fields[field]) == fmt.Sprint(want)
		}
		if fits {
			return 1, each(m.objects[name])
		}
	}
	return 0, nil
}

func (m *memory) Spend(context.Context, ...account.Scope) (map[account.Scope]account.Counter, error) {
	return nil, nil
}

// The callers of the tests.
const callersKey = "sk-caller-0123456789abWXYZ"

func ptr[T any](v T) *T { return &v }

// virtual is a key that its raw text opens.
func virtual(raw string, change ...func(*account.Key)) *account.Key {
	k := &account.Key{Token: account.HashKey(raw), KeyID: "id-" + raw, KeyName: "sk-..." + raw[len(raw)-4:]}
	for _, c := range change {
		c(k)
	}
	return k
}

// gate is a gate over a directory over the store.
func gate(m *memory, policy access.Policy, opts ...func(*access.DirectoryOptions)) (*access.Gate, *access.Directory) {
	var o access.DirectoryOptions
	for _, opt := range opts {
		opt(&o)
	}
	d := access.NewDirectory(m, o)
	return access.NewGate(access.Options{MasterKey: key, Directory: d, Policy: policy}), d
}

// synced is a feed of changes that never falls silent.
func synced(o *access.DirectoryOptions) { o.LastSync = time.Now }

func identify(t *testing.T, g *access.Gate, raw string) access.Identity {
	t.Helper()
	who, err := g.Identify(chatRoute, request("192.0.2.1:1", "Authorization", "Bearer "+raw))
	if err != nil {
		t.Fatalf("identify: %d %s", err.Status, err.Message)
	}
	return who
}

// call admits a call of a model with the caller's key.
func call(g *access.Gate, raw string, c access.ModelCall) (*access.Admission, *apierr.Error) {
	if c.Route == nil {
		c.Route = chatRoute
	}
	who, err := g.Identify(c.Route, request("192.0.2.1:1", "Authorization", "Bearer "+raw))
	if err != nil {
		return nil, err
	}
	return g.AdmitModel(context.Background(), &who, &c)
}

// page asks for a route that calls no model.
func page(g *access.Gate, raw string, route *access.Route) *apierr.Error {
	_, err := g.Admit(route, request("192.0.2.1:1", "Authorization", "Bearer "+raw))
	return err
}

func wantRefusal(t *testing.T, err *apierr.Error, status int, kind, message string) {
	t.Helper()
	switch {
	case err == nil:
		t.Errorf("admitted, want %d %s", status, message)
	case err.Status != status || err.Type != kind || err.Message != message:
		t.Errorf("got  %d %s %s\nwant %d %s %s", err.Status, err.Type, err.Message, status, kind, message)
	}
}

var infoRoute = &access.Route{Method: http.MethodGet, Path: "/v1/models", Permission: access.Info}
