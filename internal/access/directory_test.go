package access_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tollgate/internal/access"
	"tollgate/internal/account"
)

const (
	noConnection = "No connected db."
	storeAway    = "Service Unavailable, the authentication database is temporarily unreachable. Please retry shortly."
)

// A known key costs no I/O at all.
func TestDirectory_HitReadsNothing(t *testing.T) {
	m := everybody()
	g, _ := gate(m, everyPolicy, synced)
	for range 3 {
		if _, err := call(g, callersKey, access.ModelCall{Model: "gpt", EndUser: "c"}); err != nil {
			t.Fatal(err)
		}
	}
	before := m.reads.Load()
	for range 100 {
		if _, err := call(g, callersKey, access.ModelCall{Model: "gpt", EndUser: "c"}); err != nil {
			t.Fatal(err)
		}
	}
	if n := m.reads.Load() - before; n != 0 {
		t.Errorf("%d reads", n)
	}
}

// Many who ask for one key at once cause one reading of it.
func TestDirectory_MissIsReadOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(virtual(callersKey))
		m.before = func(account.Kind, string) { time.Sleep(time.Second) }
		_, d := gate(m, access.Policy{}, synced)
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if _, err := d.Lookup(t.Context(), account.HashKey(callersKey)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := m.reads.Load(); n != 1 {
			t.Errorf("%d reads", n)
		}
	})
}

// A wrong key is looked for once in a while; one that is made meanwhile works at once.
func TestDirectory_UnknownKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		g, d := gate(m, access.Policy{}, synced, func(o *access.DirectoryOptions) { o.NegativeTTL = time.Minute })
		refused := func() {
			t.Helper()
			wantRefusal(t, page(g, callersKey, infoRoute), 401, "token_not_found_in_db",
				"Authentication Error, Invalid proxy server token passed. Received API Key = sk-...WXYZ, Key Hash (Token) ="+account.HashKey(callersKey)+
					". Unable to find token in cache or `LiteLLM_VerificationTokenTable`")
		}
		refused()
		first := m.reads.Load()
		refused()
		if m.reads.Load() != first {
			t.Error("an unknown key was looked for again")
		}
		time.Sleep(time.Minute)
		refused()
		if m.reads.Load() == first {
			t.Error("an unknown key was never looked for again")
		}
		d.Apply(m.put(virtual(callersKey)))
		if err := page(g, callersKey, infoRoute); err != nil {
			t.Errorf("a new key: %s", err.Message)
		}
		if s := d.Stats(); s.Keys != 1 || s.Absent != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// However many keys are invented, the memory of them is bounded and no room of known keys is used.
func TestDirectory_InventedKeysAreBounded(t *testing.T) {
	_, d := gate(newMemory(), access.Policy{}, synced)
	for i := range 120_000 {
		if _, err := d.Lookup(t.Context(), account.HashKey(fmt.Sprint("sk-", i))); !errors.Is(err, account.ErrNotFound) {
			t.Fatal(err)
		}
	}
	if s := d.Stats(); s.Keys != 0 || s.Absent > 100_000 {
		t.Errorf("%+v", s)
	}
}

// Changes of whatever the key refers to reach it.
func TestDirectory_Apply(t *testing.T) {
	hash := account.HashKey(callersKey)
	tests := []struct {
		name   string
		change func(m *memory) []account.Change
		check  func(t *testing.T, out *access.Admission)
	}{
		{"team", func(m *memory) []account.Change {
			return m.put(&account.Team{TeamID: "t", Spending: account.Spending{MaxBudget: "77"}})
		}, func(t *testing.T, out *access.Admission) { wantCap(t, out, "team:t", "77") }},
		{"budget of the organisation", func(m *memory) []account.Change {
			return m.put(&account.Budget{BudgetID: "of org", Spending: account.Spending{MaxBudget: "78"}})
		}, func(t *testing.T, out *access.Admission) { wantCap(t, out, "org:o", "78") }},
		{"membership", func(m *memory) []account.Change {
			return m.put(&account.TeamMember{TeamID: "t", UserID: "u", BudgetID: "default"})
		}, func(t *testing.T, out *access.Admission) { wantCap(t, out, "member:t/u", "13") }},
		{"tag", func(m *memory) []account.Change { return m.put(&account.Tag{Name: "red", BudgetID: "default"}) },
			func(t *testing.T, out *access.Admission) { wantCap(t, out, "tag:red", "13") }},
		{"a tag that was not known", func(m *memory) []account.Change { return m.put(&account.Tag{Name: "blue", BudgetID: "default"}) },
			func(t *testing.T, out *access.Admission) { wantCap(t, out, "tag:blue", "13") }},
		{"customer", func(m *memory) []account.Change { return m.put(&account.Customer{UserID: "c", BudgetID: "default"}) },
			func(t *testing.T, out *access.Admission) { wantCap(t, out, "customer:c", "13") }},
		{"budget of the customer", func(m *memory) []account.Change {
			return m.put(&account.Budget{BudgetID: "of customer", Spending: account.Spending{MaxBudget: "79"}})
		}, func(t *testing.T, out *access.Admission) { wantCap(t, out, "customer:c", "79") }},
		{"key", func(m *memory) []account.Change {
			return m.put(virtual(callersKey, func(k *account.Key) { k.MaxBudget = "80" }))
		}, func(t *testing.T, out *access.Admission) { wantCap(t, out, account.KeyScope(hash), "80") }},
		{"everything", func(m *memory) []account.Change {
			m.put(virtual(callersKey, func(k *account.Key) { k.MaxBudget = "81" }))
			return []account.Change{{Kind: "*"}}
		}, func(t *testing.T, out *access.Admission) { wantCap(t, out, account.KeyScope(hash), "81") }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := everybody()
			g, d := gate(m, everyPolicy, synced)
			c := access.ModelCall{Model: "gpt", EndUser: "c"}
			if _, err := call(g, callersKey, c); err != nil {
				t.Fatal(err)
			}
			d.Apply(tt.change(m))
			out, err := call(g, callersKey, c)
			if err != nil {
				t.Fatal(err)
			}
			tt.check(t, out)
		})
	}
	t.Run("a deleted key", func(t *testing.T) {
		m := newMemory(virtual(callersKey))
		g, d := gate(m, access.Policy{}, synced)
		identify(t, g, callersKey)
		d.Apply(m.drop(virtual(callersKey)))
		if err := page(g, callersKey, infoRoute); err == nil || err.Type != "token_not_found_in_db" {
			t.Error(err)
		}
	})
	t.Run("a deleted team takes its keys along", func(t *testing.T) {
		m := newMemory(virtual(callersKey, func(k *account.Key) { k.TeamID = "t" }), &account.Team{TeamID: "t"})
		g, d := gate(m, access.Policy{}, synced)
		identify(t, g, callersKey)
		d.Apply(m.drop(&account.Team{TeamID: "t"}))
		wantRefusal(t, page(g, callersKey, infoRoute), 401, "auth_error", "Authentication Error, Team doesn't exist in db. Team=t. Create team via `/team/new` call.")
	})
}

func wantCap(t *testing.T, out *access.Admission, counter account.Scope, want account.Amount) {
	t.Helper()
	for _, b := range out.Budgets {
		if b.Counter == counter {
			if b.Cap != want.USD() {
				t.Errorf("%s: %s, want %s", counter, b.Cap, want)
			}
			return
		}
	}
	t.Errorf("%s has no budget", counter)
}

// BerriAI/litellm#25553: a reading that was under way while the key was changed must not bring the old key back.
func TestDirectory_SlowReadingNeverWinsOverAChange(t *testing.T) {
	m := newMemory(virtual(callersKey))
	g, d := gate(m, access.Policy{}, synced)
	var once sync.Once
	m.after = func(kind account.Kind, _ string) { // the old key is in hand, and now it is blocked
		if kind == account.Keys {
			once.Do(func() { d.Apply(m.put(virtual(callersKey, func(k *account.Key) { k.Blocked = ptr(true) }))) })
		}
	}
	for range 2 {
		wantRefusal(t, page(g, callersKey, infoRoute), 401, "auth_error", "Authentication Error, Key is blocked. Update via `/key/unblock` if you're an admin.")
	}
}

// The same for a key that did not exist while it was looked for.
func TestDirectory_KeyMadeWhileItIsLookedFor(t *testing.T) {
	m := newMemory()
	g, d := gate(m, access.Policy{}, synced)
	var once sync.Once
	m.after = func(kind account.Kind, _ string) {
		if kind == account.RetiredKeys {
			once.Do(func() { d.Apply(m.put(virtual(callersKey))) })
		}
	}
	if err := page(g, callersKey, infoRoute); err != nil {
		t.Errorf("%s", err.Message)
	}
}

func TestDirectory_Staleness(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var last atomic.Pointer[time.Time]
		spoken := func() { last.Store(ptr(time.Now())) }
		spoken()
		m := newMemory(virtual(callersKey))
		g, _ := gate(m, access.Policy{}, func(o *access.DirectoryOptions) {
			o.Staleness = 20 * time.Second
			o.LastSync = func() time.Time { return *last.Load() }
		})
		identify(t, g, callersKey)
		for range 10 { // while the feed speaks nothing is read again, however old it is
			time.Sleep(15 * time.Second)
			spoken()
			identify(t, g, callersKey)
		}
		if n := m.reads.Load(); n != 1 {
			t.Errorf("%d reads while the feed spoke", n)
		}
		m.put(virtual(callersKey, func(k *account.Key) { k.Blocked = ptr(true) })) // and nobody tells
		time.Sleep(19 * time.Second)
		identify(t, g, callersKey)
		time.Sleep(time.Second)
		if err := page(g, callersKey, infoRoute); err == nil || !strings.Contains(err.Message, "Key is blocked") {
			t.Errorf("a revoked key lives longer than the bound: %v", err)
		}
	})
}

// Without a feed a record is as old as the bound at most.
func TestDirectory_NoFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(virtual(callersKey))
		g, _ := gate(m, access.Policy{}, func(o *access.DirectoryOptions) { o.Staleness = time.Minute })
		identify(t, g, callersKey)
		m.drop(virtual(callersKey))
		time.Sleep(59 * time.Second)
		identify(t, g, callersKey)
		time.Sleep(time.Second)
		if err := page(g, callersKey, infoRoute); err == nil || err.Type != "token_not_found_in_db" {
			t.Error(err)
		}
	})
}

func TestDirectory_StoreAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(virtual(callersKey, func(k *account.Key) { k.TeamID = "t" }), &account.Team{TeamID: "t"}, virtual("sk-other-0123456789ab"))
		g, d := gate(m, access.Policy{}, func(o *access.DirectoryOptions) { o.Staleness = 10 * time.Second })
		identify(t, g, callersKey)
		m.leave(fmt.Errorf("dial: %w", account.ErrUnavailable))
		time.Sleep(50 * time.Minute)
		for range 1000 {
			identify(t, g, callersKey) // known: it goes on
		}
		for range 1000 {
			wantRefusal(t, page(g, "sk-other-0123456789ab", infoRoute), 503, "no_db_connection", storeAway)
		}
		if n := m.reads.Load(); n > 10 {
			t.Errorf("%d reads of a store that is away", n)
		}

		// A change that was told and cannot be read is not taken lightly: the key may have been revoked.
		d.Apply([]account.Change{{Kind: account.Keys, ID: account.HashKey(callersKey)}})
		wantRefusal(t, page(g, callersKey, infoRoute), 503, "no_db_connection", storeAway)

		m.leave(nil)
		time.Sleep(5 * time.Second) // the bound on recovery
		identify(t, g, callersKey)
		identify(t, g, "sk-other-0123456789ab")
	})
}

// A store that hangs delays one caller in a second, and that one not for long.
func TestDirectory_StoreHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(virtual(callersKey))
		g, _ := gate(m, access.Policy{}, func(o *access.DirectoryOptions) { o.Staleness = 10 * time.Second })
		identify(t, g, callersKey)
		m.before = func(account.Kind, string) { time.Sleep(300 * time.Millisecond) }
		m.leave(context.DeadlineExceeded)
		time.Sleep(time.Minute)
		start := time.Now()
		for range 100 {
			identify(t, g, callersKey)
			time.Sleep(10 * time.Millisecond)
		}
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("100 calls took %s", took)
		}
	})
}

// However long the store is away, what it may have said in the meantime counts within an hour.
func TestDirectory_LongOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, fed := range []bool{false, true} {
			m := newMemory(virtual(callersKey))
			heard := time.Now()
			g, _ := gate(m, access.Policy{}, func(o *access.DirectoryOptions) {
				if fed {
					o.LastSync = func() time.Time { return heard }
				}
			})
			identify(t, g, callersKey)
			if fed { // for long, so that the key was read long ago
				time.Sleep(5 * time.Hour)
				heard = time.Now()
			}
			m.leave(account.ErrUnavailable)
			for range 59 {
				time.Sleep(time.Minute)
				identify(t, g, callersKey)
			}
			time.Sleep(2 * time.Minute)
			if _, err := g.Identify(chatRoute, request("192.0.2.1:1", "Authorization", "Bearer "+callersKey)); err == nil || err.Status != 503 {
				t.Errorf("fed %v: after an hour: %v", fed, err)
			}
			m.leave(nil)
			time.Sleep(time.Minute)
			identify(t, g, callersKey)
		}
	})
}

func TestDirectory_UnavailableIsLetIn(t *testing.T) {
	m := newMemory()
	m.leave(account.ErrUnavailable)
	g := access.NewGate(access.Options{MasterKey: key, Directory: access.NewDirectory(m, access.DirectoryOptions{}), ServeUnknown: true})
	who := identify(t, g, callersKey)
	if who.Role != account.InternalUser || who.UserID() != "__db_unavailable_fallback__" || who.Name != "failed-to-connect-to-db" {
		t.Errorf("%+v", who)
	}
	if err := page(g, callersKey, &access.Route{Method: "POST", Path: "/key/generate", Permission: access.Manage}); err == nil {
		t.Error("may manage")
	}
}

// A store that answers lets nobody in whom it does not know, however many unknown keys are looked up at once, and whatever one
// document holds.
func TestDirectory_BusyIsNotAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		m.before = func(account.Kind, string) { time.Sleep(time.Second / 2) }
		g := access.NewGate(access.Options{MasterKey: key, Directory: access.NewDirectory(m, access.DirectoryOptions{}), ServeUnknown: true})
		var let, busy atomic.Int64
		var all sync.WaitGroup
		for n := range 200 {
			all.Go(func() {
				_, err := g.Identify(chatRoute, request("192.0.2.1:1", "Authorization", fmt.Sprint("Bearer sk-nobody-", n)))
				switch {
				case err == nil:
					let.Add(1)
				case err.Status == 503:
					busy.Add(1)
				}
			})
		}
		all.Wait()
		if let.Load() != 0 || busy.Load() == 0 {
			t.Errorf("%d were let in, %d were told to come again", let.Load(), busy.Load())
		}
	})
	m := newMemory()
	m.leave(errors.New("a document cannot be read"))
	g := access.NewGate(access.Options{MasterKey: key, Directory: access.NewDirectory(m, access.DirectoryOptions{}), ServeUnknown: true})
	if _, err := g.Identify(chatRoute, request("192.0.2.1:1", "Authorization", "Bearer "+callersKey)); err == nil || err.Status != 503 {
		t.Errorf("%v", err)
	}
}

func TestDirectory_NoStore(t *testing.T) {
	g := access.NewGate(access.Options{MasterKey: key, Directory: access.NewDirectory(nil, access.DirectoryOptions{})})
	wantRefusal(t, page(g, callersKey, infoRoute), 400, "no_db_connection", noConnection)
	identify(t, g, key)
}

// A rotated key works until its grace period ends, and is counted as the key that has taken its place
// (BerriAI/litellm#27193).
func TestDirectory_RetiredKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const newer, newest = "sk-newer-0123456789ab", "sk-newest-0123456789a"
		retired := func(old, next string, after time.Duration) *account.RetiredKey {
			return &account.RetiredKey{Token: account.HashKey(old), ActiveTokenID: account.HashKey(next), RevokeAt: time.Now().Add(after)}
		}
		m := newMemory(virtual(newest), retired(callersKey, newer, time.Hour), retired(newer, newest, 2*time.Hour))
		g, d := gate(m, access.Policy{}, synced)
		for _, raw := range []string{callersKey, newer, newest} {
			if who := identify(t, g, raw); who.KeyHash() != account.HashKey(newest) {
				t.Errorf("%s: %s", raw, who.Name)
			}
		}
		time.Sleep(time.Hour)
		if page(g, callersKey, infoRoute) == nil {
			t.Error("the oldest outlives its grace period")
		}
		identify(t, g, newer)
		d.Apply(m.drop(retired(newer, newest, 0)))
		if page(g, newer, infoRoute) == nil {
			t.Error("the grace period cannot be ended")
		}
		loop := retired(callersKey, callersKey, time.Hour)
		d.Apply(m.put(loop))
		if page(g, callersKey, infoRoute) == nil {
			t.Error("a key that stands for itself is let in")
		}
	})
}

// What is swept out of memory is read again, and what depended on it hears of changes all the same.
func TestDirectory_Bounded(t *testing.T) {
	const keys = 6000
	m := newMemory()
	raw := func(i int) string { return fmt.Sprintf("sk-%022d", i) }
	for i := range keys {
		team := fmt.Sprint("t", i)
		m.put(virtual(raw(i), func(k *account.Key) { k.TeamID = team }), &account.Team{TeamID: team})
	}
	_, d := gate(m, access.Policy{}, synced, func(o *access.DirectoryOptions) { o.MaxKeys, o.MaxObjects = 4096, 2048 })
	for range 2 {
		for i := range keys {
			if _, err := d.Lookup(t.Context(), account.HashKey(raw(i))); err != nil {
				t.Fatal(err)
			}
		}
	}
	if s := d.Stats(); s.Keys > 4096 || s.Objects > 2048 || s.Keys < 2048 {
		t.Errorf("%+v", s)
	}
	for i := range keys {
		d.Apply(m.put(&account.Team{TeamID: fmt.Sprint("t", i), Blocked: true}))
		r, err := d.Lookup(t.Context(), account.HashKey(raw(i)))
		if err != nil {
			t.Fatal(err)
		}
		if who := r.Identity(); !who.Team.Blocked {
			t.Fatalf("key %d did not hear of its team's block", i)
		}
	}
}

// Callers name customers as they like. That pushes out nothing that keys depend on.
func TestDirectory_CustomersPushNothingOut(t *testing.T) {
	m := everybody()
	g, d := gate(m, access.Policy{}, synced, func(o *access.DirectoryOptions) { o.MaxObjects, o.MaxNamed = 2048, 2048 })
	for i := range 20_000 {
		if _, err := call(g, callersKey, access.ModelCall{Model: "gpt", EndUser: fmt.Sprint("c", i)}); err != nil {
			t.Fatal(err)
		}
	}
	if s := d.Stats(); s.Objects > 4096 {
		t.Errorf("%+v", s)
	}
	before := m.reads.Load()
	identify(t, g, callersKey)
	if n := m.reads.Load() - before; n != 0 {
		t.Errorf("%d reads", n)
	}
}

// Changes while many look up: once Apply has returned nobody who then asks sees the old state.
func TestDirectory_ApplyDuringLookup(t *testing.T) {
	const keys, rounds = 16, 300
	m := newMemory(&account.Team{TeamID: "t"})
	raw := func(i int) string { return fmt.Sprintf("sk-%022d", i) }
	var rpm [keys]atomic.Int64 // what the store has, at least
	for i := range keys {
		m.put(virtual(raw(i), func(k *account.Key) { k.TeamID, k.RPMLimit = "t", ptr(int64(0)) }))
	}
	_, d := gate(m, access.Policy{}, synced)
	stop := make(chan struct{})
	var readers, writers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				i := rand.IntN(keys)
				least := rpm[i].Load()
				r, err := d.Lookup(context.Background(), account.HashKey(raw(i)))
				if err != nil {
					t.Error(err)
					return
				}
				if who := r.Identity(); *who.Key.RPMLimit < least {
					t.Errorf("key %d: %d after %d was told", i, *who.Key.RPMLimit, least)
					return
				}
			}
		})
	}
	for w := range 2 {
		writers.Go(func() {
			for n := range int64(rounds) {
				for i := w; i < keys; i += 2 {
					d.Apply(m.put(virtual(raw(i), func(k *account.Key) { k.TeamID, k.RPMLimit = "t", ptr(n) })))
					rpm[i].Store(n)
				}
				d.Apply([]account.Change{{Kind: account.Teams, ID: "t"}})
				if n%50 == 0 {
					d.Apply([]account.Change{{Kind: "*"}})
				}
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
}
