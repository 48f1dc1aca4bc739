package storetest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/account"
	"tollgate/internal/money"
	"tollgate/internal/store"
)

func filters(t *testing.T, s *store.Store) {
	insert(t, s,
		&account.Key{Token: "a", KeyAlias: "Prod-API", TeamID: "t1", Models: []string{"m1", "m2"}, Expires: ref(day(5)),
			Blocked: ref(true), Limits: account.Limits{RPMLimit: ref(int64(10))}, Stamps: account.Stamps{CreatedAt: day(1)}},
		&account.Key{Token: "b", KeyAlias: "prod-batch", TeamID: "t1", Models: []string{}, Expires: ref(day(7).Add(time.Millisecond)),
			Blocked: ref(false), Limits: account.Limits{RPMLimit: ref(int64(9))}, Spending: account.Spending{MaxBudget: "2.5"}, Stamps: account.Stamps{CreatedAt: day(3)}},
		&account.Key{Token: "c", KeyAlias: "100%_test", TeamID: "t2", Models: []string{"m2"}, Spending: account.Spending{MaxBudget: "10"}, Stamps: account.Stamps{CreatedAt: day(2)}},
		&account.Key{Token: "d", Stamps: account.Stamps{CreatedAt: day(4)}},
		&account.User{UserID: "u", UserEmail: "Ann@Example.com"})
	for _, c := range []struct {
		name string
		f    account.Filter
		want string
	}{
		{"all, by their making", account.Filter{}, "a c b d"},
		{"newest first", account.Filter{Desc: true}, "d b c a"},
		{"equal", account.Filter{Equal: map[string]any{"team_id": "t1"}}, "a b"},
		{"equal twice", account.Filter{Equal: map[string]any{"team_id": "t1", "key_alias": "prod-batch"}}, "b"},
		{"equal minds the case", account.Filter{Equal: map[string]any{"key_alias": "prod-api"}}, ""},
		{"equal to the empty text", account.Filter{Equal: map[string]any{"team_id": ""}}, "d"},
		{"equal to nil", account.Filter{Equal: map[string]any{"team_id": nil}}, "d"},
		{"equal to a nil pointer", account.Filter{Equal: map[string]any{"blocked": (*bool)(nil)}}, "c d"},
		{"a list that is nil", account.Filter{Equal: map[string]any{"models": nil}}, "d"},
		{"a boolean", account.Filter{Equal: map[string]any{"blocked": true}}, "a"},
		{"a boolean by a pointer", account.Filter{Equal: map[string]any{"blocked": ref(false)}}, "b"},
		{"a number", account.Filter{Equal: map[string]any{"rpm_limit": 10}}, "a"},
		{"an amount", account.Filter{Equal: map[string]any{"max_budget": account.Amount("2.5")}}, "b"},
		{"a moment", account.Filter{Equal: map[string]any{"expires": day(5).In(time.FixedZone("", 3600))}}, "a"},
		{"in", account.Filter{In: map[string][]string{"team_id": {"t2", "t1", "t3"}}}, "a c b"},
		{"in nothing", account.Filter{In: map[string][]string{"team_id": {}}}, ""},
		{"in with a boolean", account.Filter{In: map[string][]string{"blocked": {"true", "false"}}}, "a b"},
		{"has", account.Filter{Has: map[string]string{"models": "m2"}}, "a c"},
		{"has not by a part", account.Filter{Has: map[string]string{"models": "m"}}, ""},
		{"contains", account.Filter{Contains: map[string]string{"key_alias": "PROD"}}, "a b"},
		{"contains no pattern", account.Filter{Contains: map[string]string{"key_alias": "0%_"}}, "c"},
		{"contains the empty text", account.Filter{Contains: map[string]string{"key_alias": ""}}, "a c b d"},
		{"before", account.Filter{Before: map[string]time.Time{"expires": day(7)}}, "a"},
		{"before is not at", account.Filter{Before: map[string]time.Time{"expires": day(5)}}, ""},
		{"before, by a millisecond", account.Filter{Before: map[string]time.Time{"expires": day(7).Add(2 * time.Millisecond)}}, "a b"},
		{"made before", account.Filter{Before: map[string]time.Time{"created_at": day(3)}}, "a c"},
		{"conditions are joined by and", account.Filter{Has: map[string]string{"models": "m2"}, Contains: map[string]string{"key_alias": "test"}}, "c"},
		{"by a text", account.Filter{Sort: "key_alias"}, "d c a b"},
		{"by a text, backwards", account.Filter{Sort: "key_alias", Desc: true}, "b a c d"},
		{"by a number", account.Filter{Sort: "rpm_limit"}, "c d b a"},
		{"by an amount", account.Filter{Sort: "max_budget", Desc: true}, "c b d a"},
		{"by a moment", account.Filter{Sort: "expires"}, "c d a b"},
		{"by a boolean", account.Filter{Sort: "blocked", Desc: true}, "a b d c"},
		{"offset without a limit", account.Filter{Offset: 3}, "d"},
	} {
		ids, total := find(t, s, c.f)
		if got := strings.Join(ids, " "); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
		if total != -1 {
			t.Errorf("%s: total %d without a limit, want -1", c.name, total)
		}
		f := c.f
		f.Limit = 1
		if _, total := find(t, s, f); total != len(strings.Fields(c.want))+c.f.Offset {
			t.Errorf("%s: total %d, want %d", c.name, total, len(strings.Fields(c.want))+c.f.Offset)
		}
	}
	for _, f := range []account.Filter{
		{Equal: map[string]any{"user_email": "ann@example.COM"}}, {In: map[string][]string{"user_email": {"x", "ANN@example.com"}}},
	} {
		n := 0
		if _, err := s.Find(t.Context(), account.Users, f, func([]byte) error { n++; return nil }); err != nil || n != 1 {
			t.Errorf("a user by its e-mail address in another case: %d found, %v", n, err)
		}
	}
	stop := errors.New("stop")
	for _, limit := range []int{0, 2} {
		if _, err := s.Find(t.Context(), account.Keys, account.Filter{Limit: limit}, func([]byte) error { return stop }); !errors.Is(err, stop) {
			t.Errorf("the error of each is lost: %v", err)
		}
	}
}

func filtersThatDoNotFit(t *testing.T, s *store.Store) {
	for _, c := range []struct {
		kind account.Kind
		f    account.Filter
	}{
		{account.Keys, account.Filter{Equal: map[string]any{"nope": 1}}},
		{account.Keys, account.Filter{Equal: map[string]any{"doc": 1}}},
		{account.Keys, account.Filter{Equal: map[string]any{"team_id') = '' OR ('1": "1"}}},
		{account.Keys, account.Filter{Equal: map[string]any{"models": "m"}}},
		{account.Keys, account.Filter{In: map[string][]string{"metadata": {"m"}}}},
		{account.Keys, account.Filter{Has: map[string]string{"key_alias": "m"}}},
		{account.Keys, account.Filter{Contains: map[string]string{"models": "m"}}},
		{account.Keys, account.Filter{Before: map[string]time.Time{"key_alias": day(1)}}},
		{account.Keys, account.Filter{Sort: "token; DROP TABLE keys"}},
		{account.Keys, account.Filter{Sort: "models"}},
		{account.Keys, account.Filter{Sort: "nope"}},
		{"nope", account.Filter{}},
		{"counters", account.Filter{}},
	} {
		_, err := s.Find(t.Context(), c.kind, c.f, func([]byte) error { return nil })
		if !errors.Is(err, store.ErrField) {
			t.Errorf("%s %+v: %v, want ErrField", c.kind, c.f, err)
		}
	}
	if _, err := s.AuditLog(t.Context(), account.Filter{Sort: "spend"}, nil); !errors.Is(err, store.ErrField) {
		t.Errorf("the audit log by spend: %v", err)
	}
}

// everyFieldFiltersAndSorts tries every field of every kind with what fits its type: each is SQL text of its own.
func everyFieldFiltersAndSorts(t *testing.T, s *store.Store) {
	for _, o := range kinds() {
		v := reflect.ValueOf(o).Elem()
		fill(v, string(o.Kind()))
		insert(t, s, o)
		for _, f := range reflect.VisibleFields(v.Type()) {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "" {
				continue
			}
			value := v.FieldByIndex(f.Index).Interface()
			try := []account.Filter{{Equal: map[string]any{name: nil}, Limit: 1}}
			want := []int{0}
			switch value := value.(type) {
			case []string:
				try, want = append(try, account.Filter{Has: map[string]string{name: value[1]}, Limit: 1}), append(want, 1)
			case time.Time, *time.Time:
				try, want = append(try, account.Filter{Before: map[string]time.Time{name: day(4)}, Sort: name, Limit: 1}), append(want, 1)
				try, want = append(try, account.Filter{Equal: map[string]any{name: value}, Limit: 1}), append(want, 1)
			case string, bool, *bool, int64, *int64:
				try, want = append(try, account.Filter{Equal: map[string]any{name: value}, Sort: name, Desc: true, Limit: 1}), append(want, 1)
			}
			for i, filter := range try {
				total, err := s.Find(t.Context(), o.Kind(), filter, func([]byte) error { return nil })
				if err != nil || total != want[i] {
					t.Errorf("%s %+v: %d found, %v", o.Kind(), filter, total, err)
				}
			}
		}
	}
}

func pagesAreStable(t *testing.T, s *store.Store) {
	update(t, s, func(ctx context.Context, tx account.Tx) error {
		for n := range 25 {
			k := &account.Key{Token: fmt.Sprintf("%02d", n*7%25), TeamID: "same", Stamps: account.Stamps{CreatedAt: day(1)}}
			if err := tx.Insert(ctx, k); err != nil {
				return err
			}
		}
		return nil
	})
	for _, sort := range []string{"", "team_id", "spend", "expires"} {
		for _, desc := range []bool{false, true} {
			var all []string
			for offset := 0; offset <= 25; offset += 10 {
				ids, total := find(t, s, account.Filter{Sort: sort, Desc: desc, Limit: 10, Offset: offset})
				if total != 25 {
					t.Errorf("sorted by %q: total %d at %d", sort, total, offset)
				}
				all = append(all, ids...)
			}
			if desc {
				slices.Reverse(all)
			}
			if !slices.IsSorted(all) || len(slices.Compact(all)) != 25 {
				t.Errorf("sorted by %q: %v", sort, all)
			}
		}
	}
	if ids, total := find(t, s, account.Filter{Limit: 10, Offset: 100}); len(ids) != 0 || total != 25 {
		t.Errorf("behind the end: %v of %d", ids, total)
	}
}

func sortBySpend(t *testing.T, s *store.Store) {
	insert(t, s, &account.Key{Token: "a"}, &account.Key{Token: "b"}, &account.Key{Token: "c"}, &account.Key{Token: "due"})
	update(t, s, func(ctx context.Context, tx account.Tx) error {
		past := day(1).AddDate(-1, 0, 0)
		return errors.Join(
			tx.SetSpent(ctx, account.KeyScope("a"), 10*money.Dollar),
			tx.SetSpent(ctx, account.KeyScope("b"), 9*money.Dollar),
			tx.SetSpent(ctx, account.TeamScope("c"), 99*money.Dollar),
			tx.SetSpent(ctx, account.KeyScope("due"), 99*money.Dollar),
			tx.SetPeriod(ctx, account.KeyScope("due"), "1d", &past))
	})
	if ids, total := find(t, s, account.Filter{Sort: "spend", Desc: true, Limit: 4, Has: nil}); !cmp.Equal(ids, []string{"a", "b", "due", "c"}) || total != 4 {
		t.Errorf("by spend: %v of %d", ids, total)
	}
	if ids, total := find(t, s, account.Filter{Sort: "spend", Limit: 1, In: map[string][]string{"token": {"a", "b"}}}); !cmp.Equal(ids, []string{"b"}) || total != 2 {
		t.Errorf("by spend, ascending: %v of %d", ids, total)
	}
}
