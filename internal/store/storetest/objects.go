package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/account"
	"tollgate/internal/store"
)

// kinds makes an empty object of every kind.
func kinds() []account.Object {
	return []account.Object{
		new(account.Key), new(account.Team), new(account.User), new(account.Organization), new(account.Customer),
		new(account.TeamMember), new(account.OrgMember), new(account.Budget), new(account.Tag), new(account.StoredModel),
		new(account.Credential), new(account.Setting), new(account.AccessGroup), new(account.ObjectPermission),
		new(account.RetiredKey), new(account.DeletedKey), new(account.DeletedTeam), new(account.JWTKeyMapping),
	}
}

// fill gives every field of a struct a value that is not its zero one.
func fill(v reflect.Value, name string) {
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(day(3)))
		return
	case account.JSON:
		v.SetBytes([]byte(`{"a":[1,null,"x"]}`))
		return
	case account.Amount:
		v.SetString("100000000.000000000001")
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), name)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), name+"."+v.Type().Field(i).Name)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), name+"0")
		fill(v.Index(1), name+"1")
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		e := reflect.New(v.Type().Elem()).Elem()
		fill(e, name+"e")
		v.SetMapIndex(reflect.ValueOf("k").Convert(v.Type().Key()), e)
	case reflect.Interface:
		v.Set(reflect.ValueOf(map[string]any{"b": true, "n": 1.5, "s": name, "z": nil}))
	case reflect.String:
		v.SetString("<" + name + ">")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int64:
		v.SetInt(1<<53 + 1)
	}
}

// sameObject compares what the JSON says: nil and empty lists differ, moments in different zones do not.
func sameObject(t *testing.T, got, want account.Object) {
	t.Helper()
	if d := cmp.Diff(want, got, cmp.Comparer(func(a, b account.JSON) bool { return cmp.Equal(tree(t, a), tree(t, b)) })); d != "" {
		t.Errorf("%s (-want +got):\n%s", want.Kind(), d)
	}
}

func tree(t *testing.T, doc []byte) any {
	t.Helper()
	var v any
	if len(doc) > 0 {
		if err := json.Unmarshal(doc, &v); err != nil {
			t.Error(err)
		}
	}
	return v
}

func fresh(o account.Object) account.Object {
	return reflect.New(reflect.TypeOf(o).Elem()).Interface().(account.Object)
}

func everyKind(t *testing.T, s *store.Store) {
	for _, o := range kinds() {
		fill(reflect.ValueOf(o).Elem(), string(o.Kind()))
		if err := s.Get(t.Context(), o.ObjectID(), fresh(o)); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("%s before it is inserted: %v", o.Kind(), err)
		}
		insert(t, s, o)
		got := fresh(o)
		if err := s.Get(t.Context(), o.ObjectID(), got); err != nil {
			t.Fatal(err)
		}
		sameObject(t, got, o)

		// Only the id stays: everything else goes back to nothing, by the JSON's null.
		empty := fresh(o)
		keepID(empty, o)
		update(t, s, func(ctx context.Context, tx account.Tx) error { return tx.Replace(ctx, empty) })
		got = fresh(o)
		if err := s.Get(t.Context(), o.ObjectID(), got); err != nil {
			t.Fatal(err)
		}
		sameObject(t, got, normal(t, empty))

		update(t, s, func(ctx context.Context, tx account.Tx) error { return tx.Delete(ctx, o.Kind(), o.ObjectID()) })
		if err := s.Get(t.Context(), o.ObjectID(), fresh(o)); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("%s after it was deleted: %v", o.Kind(), err)
		}
		for what, err := range map[string]error{
			"replace": s.Update(t.Context(), func(tx account.Tx) error { return tx.Replace(t.Context(), o) }),
			"delete":  s.Update(t.Context(), func(tx account.Tx) error { return tx.Delete(t.Context(), o.Kind(), o.ObjectID()) }),
		} {
			if !errors.Is(err, account.ErrNotFound) {
				t.Errorf("%s: %s of what is not there: %v", o.Kind(), what, err)
			}
		}
	}
}

// keepID copies the fields that make up the id.
func keepID(to, from account.Object) {
	a, b := reflect.ValueOf(to).Elem(), reflect.ValueOf(from).Elem()
	for _, f := range reflect.VisibleFields(a.Type()) {
		if f.Type.Kind() == reflect.String && !f.Anonymous && strings.Contains(from.ObjectID(), b.FieldByIndex(f.Index).String()) {
			a.FieldByIndex(f.Index).SetString(b.FieldByIndex(f.Index).String())
		}
	}
}

// normal is o as its JSON reads back.
func normal(t *testing.T, o account.Object) account.Object {
	t.Helper()
	doc, err := json.Marshal(o)
	got := fresh(o)
	if err := errors.Join(err, json.Unmarshal(doc, got)); err != nil {
		t.Fatal(err)
	}
	return got
}

func insertedTwice(t *testing.T, s *store.Store) {
	k := &account.Key{Token: "a", KeyAlias: "one"}
	insert(t, s, k)
	update(t, s, func(ctx context.Context, tx account.Tx) error {
		if err := tx.Insert(ctx, k); !errors.Is(err, account.ErrExists) {
			t.Errorf("the second Insert: %v, want ErrExists", err)
		}
		return tx.Insert(ctx, &account.Key{Token: "b"}) // the transaction has not died of it
	})
	if ids, _ := find(t, s, account.Filter{}); !cmp.Equal(ids, []string{"a", "b"}) {
		t.Errorf("keys: %v", ids)
	}
	if err := s.Update(t.Context(), func(tx account.Tx) error { return tx.Insert(t.Context(), &account.Key{}) }); err == nil {
		t.Error("a key without an id was stored")
	}
}

func uniqueFields(t *testing.T, s *store.Store) {
	insert(t, s,
		&account.Key{Token: "a", KeyAlias: "taken"}, &account.Key{Token: "b"}, &account.Key{Token: "c"},
		&account.Team{TeamID: "a", TeamAlias: "same"}, &account.Team{TeamID: "b", TeamAlias: "same"},
		&account.User{UserID: "a", SSOUserID: "sso", UserEmail: "e"}, &account.User{UserID: "b", UserEmail: "e"},
		&account.JWTKeyMapping{ID: "a", ClaimName: "n", ClaimValue: "v"}, &account.JWTKeyMapping{ID: "b", ClaimName: "n", ClaimValue: "w"})
	for _, o := range []account.Object{
		&account.Key{Token: "d", KeyAlias: "taken"}, &account.User{UserID: "c", SSOUserID: "sso"},
		&account.JWTKeyMapping{ID: "c", ClaimName: "n", ClaimValue: "v"},
	} {
		if err := s.Update(t.Context(), func(tx account.Tx) error { return tx.Insert(t.Context(), o) }); !errors.Is(err, account.ErrExists) {
			t.Errorf("Insert of a second %s: %v, want ErrExists", o.Kind(), err)
		}
	}
	update(t, s, func(ctx context.Context, tx account.Tx) error {
		for _, o := range []account.Object{
			&account.Key{Token: "b", KeyAlias: "taken"}, &account.User{UserID: "b", SSOUserID: "sso"},
			&account.JWTKeyMapping{ID: "b", ClaimName: "n", ClaimValue: "v"},
		} {
			if err := tx.Replace(ctx, o); !errors.Is(err, account.ErrExists) {
				t.Errorf("Replace by a second %s: %v, want ErrExists", o.Kind(), err)
			}
		}
		return tx.Replace(ctx, &account.Key{Token: "a", KeyAlias: "taken"}) // its own alias is no obstacle
	})
}

// futureKey is a key of a version that knows more.
type futureKey struct {
	account.Key
	Future map[string]any `json:"future_field"`
}

func newerFieldsSurvive(t *testing.T, s *store.Store) {
	insert(t, s, &futureKey{Key: account.Key{Token: "a", KeyAlias: "old"}, Future: map[string]any{"x": 1.0}})
	update(t, s, func(ctx context.Context, tx account.Tx) error {
		k, err := account.Get[account.Key](ctx, tx, "a")
		if err != nil {
			return err
		}
		k.KeyAlias = "new"
		return tx.Replace(ctx, k)
	})
	var got futureKey
	if err := s.Get(t.Context(), "a", &got); err != nil {
		t.Fatal(err)
	}
	if got.KeyAlias != "new" || !cmp.Equal(got.Future, map[string]any{"x": 1.0}) {
		t.Errorf("alias %q, future %v", got.KeyAlias, got.Future)
	}
}

func updateIsAllOrNothing(t *testing.T, s *store.Store) {
	stop := errors.New("stop")
	err := s.Update(t.Context(), func(tx account.Tx) error {
		if err := errors.Join(tx.Insert(t.Context(), &account.Key{Token: "a"}), tx.SetSpent(t.Context(), "global", 5),
			tx.Audit(t.Context(), account.AuditEntry{ID: "a"})); err != nil {
			t.Fatal(err)
		}
		return stop
	})
	if err != stop { //nolint:errorlint // it is handed on as it is
		t.Errorf("the error is %v, want the function's own", err)
	}
	if err := s.Get(t.Context(), "a", new(account.Key)); !errors.Is(err, account.ErrNotFound) {
		t.Errorf("the key is there: %v", err)
	}
	if spend, err := s.Spend(t.Context(), "global"); err != nil || len(spend) != 0 {
		t.Errorf("the counter is there: %v %v", spend, err)
	}
	total, err := s.AuditLog(t.Context(), account.Filter{Limit: 1}, func(account.AuditEntry) error { return nil })
	if err != nil || total != 0 {
		t.Errorf("the audit entry is there: %v %v", total, err)
	}
}

func updateSeesItsOwnWrites(t *testing.T, s *store.Store) {
	insert(t, s, &account.Key{Token: "a", TeamID: "t"})
	update(t, s, func(ctx context.Context, tx account.Tx) error {
		if err := tx.Insert(ctx, &account.Key{Token: "b", TeamID: "t"}); err != nil {
			return err
		}
		// The transaction may be used while documents are handed over.
		_, err := tx.Find(ctx, account.Keys, account.Filter{Equal: map[string]any{"team_id": "t"}}, func(doc []byte) error {
			var k account.Key
			if err := json.Unmarshal(doc, &k); err != nil {
				return err
			}
			k.Models = []string{"m"}
			return tx.Replace(ctx, &k)
		})
		return err
	})
	if ids, _ := find(t, s, account.Filter{Has: map[string]string{"models": "m"}}); !cmp.Equal(ids, []string{"a", "b"}) {
		t.Errorf("changed: %v", ids)
	}
}

// updatesAreSerialised lets many goroutines check and then write: none may overtake another between the two.
func updatesAreSerialised(t *testing.T, s *store.Store) {
	insert(t, s, &account.Tag{Name: "n"})
	const writers, rounds = 8, 5
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range rounds {
				err := s.Update(t.Context(), func(tx account.Tx) error {
					tag, err := account.Get[account.Tag](t.Context(), tx, "n")
					if err != nil {
						return err
					}
					tag.Description += "x"
					return tx.Replace(t.Context(), tag)
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	tag, err := account.Get[account.Tag](t.Context(), s, "n")
	if err != nil {
		t.Fatal(err)
	}
	if len(tag.Description) != writers*rounds {
		t.Errorf("%d of %d changes are left", len(tag.Description), writers*rounds)
	}
}

// hostile are ids that could break out of SQL, JSON or a pattern.
var hostile = []string{
	`'`, `"`, `\`, `''; DROP TABLE keys; --`, `%`, `_`, `a%b_c\d`, `$1`, `?`, `{"a":1}`, `[1]`, `\u0000`, `null`, "\n\t\r", " ", "\x7f",
	"Ünïcödé", "日本語", "🦜", "e\u0301", "\u202e", "\ufeff", "a/b@c#d%25", strings.Repeat("long", 500), "<script>&amp;", "\u2028",
}

func hostileText(t *testing.T, s *store.Store) {
	for _, id := range hostile {
		insert(t, s, &account.Key{Token: id, KeyAlias: id, TeamID: id, Models: []string{"x", id}, Metadata: map[string]any{id: id}})
	}
	for _, id := range hostile {
		k, err := account.Get[account.Key](t.Context(), s, id)
		if err != nil {
			t.Fatalf("%q: %v", id, err)
		}
		if k.Metadata[id] != id || k.KeyAlias != id {
			t.Errorf("%q reads back as %q", id, k.KeyAlias)
		}
		for what, f := range map[string]account.Filter{
			"equal": {Equal: map[string]any{"team_id": id}},
			"in":    {In: map[string][]string{"key_alias": {id, "other"}}},
			"has":   {Has: map[string]string{"models": id}},
		} {
			if ids, _ := find(t, s, f); !cmp.Equal(ids, []string{id}) {
				t.Errorf("%s %q finds %q", what, id, ids)
			}
		}
		scope := account.KeyScope(id)
		update(t, s, func(ctx context.Context, tx account.Tx) error { return tx.SetSpent(ctx, scope.Model(id), 7) })
		if spend, err := s.Spend(t.Context(), scope.Model(id)); err != nil || spend[scope.Model(id)].Spent != 7 {
			t.Errorf("%q: spend %v, %v", id, spend, err)
		}
	}
}

func unstorableText(t *testing.T, s *store.Store) {
	for _, o := range []account.Object{
		&account.Key{Token: "a\x00b"}, &account.Key{Token: "a\xff"}, &account.Key{Token: "a", KeyAlias: "\x00"},
		&account.Key{Token: "a", Metadata: map[string]any{"k": `\` + "\x00"}}, &account.Key{Token: "a", Config: account.JSON(`{"\u0000":1}`)},
	} {
		if err := s.Update(t.Context(), func(tx account.Tx) error { return tx.Insert(t.Context(), o) }); !errors.Is(err, store.ErrText) {
			t.Errorf("%#v: %v, want ErrText", o.ObjectID(), err)
		}
	}
	for _, id := range []string{"a\x00b", "\xff"} {
		if err := s.Get(t.Context(), id, new(account.Key)); !errors.Is(err, account.ErrNotFound) {
			t.Errorf("Get(%q): %v", id, err)
		}
		for _, f := range []account.Filter{
			{Equal: map[string]any{"key_alias": id}, Limit: 5}, {In: map[string][]string{"key_alias": {id}}, Limit: 5},
			{Has: map[string]string{"models": id}, Limit: 5}, {Contains: map[string]string{"key_alias": id}, Limit: 5},
		} {
			if ids, total := find(t, s, f); len(ids) != 0 || total != 0 {
				t.Errorf("%+v finds %q of %d", f, ids, total)
			}
		}
		if spend, err := s.Spend(t.Context(), account.KeyScope(id)); err != nil || len(spend) != 0 {
			t.Errorf("Spend(%q): %v %v", id, spend, err)
		}
	}
}
