package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"tollgate/internal/account"
	"tollgate/internal/store"
	"tollgate/internal/testkit"
)

// TestFind_UsesIndexes holds the expressions of find.go and those of the migrations together.
func TestFind_UsesIndexes(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, s := range map[string]*store.Store{
		"sqlite":   open(t, store.Options{Dir: t.TempDir()}),
		"postgres": open(t, store.Options{URL: testkit.Postgres(t) + "&options=-c%20enable_seqscan%3Doff"}),
	} {
		for index, q := range map[string]struct {
			kind account.Kind
			f    account.Filter
		}{
			"keys_key_alias":               {account.Keys, account.Filter{Equal: map[string]any{"key_alias": "x"}}},
			"keys_key_id":                  {account.Keys, account.Filter{Equal: map[string]any{"key_id": "x"}}},
			"keys_team_id":                 {account.Keys, account.Filter{In: map[string][]string{"team_id": {"a", "b"}}}},
			"keys_user_id":                 {account.Keys, account.Filter{Equal: map[string]any{"user_id": "x"}}},
			"keys_organization_id":         {account.Keys, account.Filter{Equal: map[string]any{"organization_id": "x"}}},
			"keys_budget_id":               {account.Keys, account.Filter{Equal: map[string]any{"budget_id": "x"}}},
			"keys_created_at":              {account.Keys, account.Filter{Desc: true, Limit: 10}},
			"keys_expires":                 {account.Keys, account.Filter{Before: map[string]time.Time{"expires": now}, Sort: "expires"}},
			"keys_key_rotation_at":         {account.Keys, account.Filter{Before: map[string]time.Time{"key_rotation_at": now}, Sort: "key_rotation_at"}},
			"teams_team_alias":             {account.Teams, account.Filter{Equal: map[string]any{"team_alias": "x"}}},
			"teams_organization_id":        {account.Teams, account.Filter{Equal: map[string]any{"organization_id": "x"}}},
			"users_user_email":             {account.Users, account.Filter{Equal: map[string]any{"user_email": "x"}}},
			"users_sso_user_id":            {account.Users, account.Filter{Equal: map[string]any{"sso_user_id": "x"}}},
			"team_members_team_id":         {account.TeamMembers, account.Filter{Equal: map[string]any{"team_id": "x"}}},
			"team_members_user_id":         {account.TeamMembers, account.Filter{Equal: map[string]any{"user_id": "x"}}},
			"org_members_organization_id":  {account.OrgMembers, account.Filter{Equal: map[string]any{"organization_id": "x"}}},
			"retired_keys_revoke_at":       {account.RetiredKeys, account.Filter{Before: map[string]time.Time{"revoke_at": now}}},
			"retired_keys_active_token_id": {account.RetiredKeys, account.Filter{Equal: map[string]any{"active_token_id": "x"}}},
			"jwt_key_mappings_claim":       {account.JWTKeyMappings, account.Filter{Equal: map[string]any{"jwt_claim_name": "x", "jwt_claim_value": "y"}}},
		} {
			plan, err := s.Plan(t.Context(), q.kind, q.f)
			if q.f.Limit > 0 && len(q.f.Equal) == 0 && strings.Contains(strings.ToLower(plan), "sort") {
				t.Errorf("%s: %+v sorts:\n%s", name, q.f, plan)
			}
			if err != nil || !strings.Contains(plan, index) {
				t.Errorf("%s: %+v does not use %s: %v\n%s", name, q.f, index, err, plan)
			}
		}
	}
}

// FuzzFind compares what SQL says of one key with what Go says of it.
func FuzzFind(f *testing.F) {
	for _, seed := range [][3]string{{"a", "a", "key_alias"}, {"Prod%", "rod%", "team_id"}, {`'"\`, `\`, "models"}, {"\x00", "", "x'"}, {"ÉÉ", "é", "user_id"}, {"1", "1.0", "rpm_limit"}} {
		f.Add(seed[0], seed[1], seed[2])
	}
	s := open(f, store.Options{Dir: f.TempDir()})
	f.Fuzz(func(t *testing.T, value, needle, name string) {
		ctx := t.Context()
		stop := errors.New("roll back")
		value = string([]rune(value)) // as JSON has it: U+FFFD for a byte that is no UTF-8
		storable := !strings.Contains(value, "\x00")
		err := s.Update(ctx, func(tx account.Tx) error {
			err := tx.Insert(ctx, &account.Key{Token: "k", KeyAlias: value, Models: []string{value}})
			if storable != (err == nil) || (err != nil && !errors.Is(err, store.ErrText)) {
				return fmt.Errorf("insert %q: %w", value, err)
			}
			if storable {
				compare(ctx, t, tx, value, needle)
			}
			for _, filter := range []account.Filter{
				{Equal: map[string]any{name: needle}, Limit: 1}, {In: map[string][]string{name: {needle, value}}}, {Has: map[string]string{name: needle}},
				{Contains: map[string]string{name: needle}}, {Before: map[string]time.Time{name: time.Now()}}, {Sort: name, Desc: true},
			} {
				if _, err := tx.Find(ctx, account.Keys, filter, func([]byte) error { return nil }); err != nil && !errors.Is(err, store.ErrField) {
					t.Errorf("%+v: %v", filter, err)
				}
			}
			return stop
		})
		if !errors.Is(err, stop) {
			t.Fatal(err)
		}
	})
}

// compare checks each condition on the one key that is stored.
func compare(ctx context.Context, t *testing.T, tx account.Tx, value, needle string) {
	t.Helper()
	contains := utf8.ValidString(needle) && strings.Contains(lower(value), lower(needle))
	for _, c := range []struct {
		f    account.Filter
		want bool
	}{
		{account.Filter{Equal: map[string]any{"key_alias": value}}, true},
		{account.Filter{Equal: map[string]any{"key_alias": needle}}, value == needle},
		{account.Filter{Equal: map[string]any{"key_alias": nil}}, value == ""},
		{account.Filter{In: map[string][]string{"key_alias": {"other", needle}}}, needle == value || value == "other"},
		{account.Filter{Has: map[string]string{"models": needle}}, value == needle},
		{account.Filter{Contains: map[string]string{"key_alias": needle}}, contains},
	} {
		got := false
		_, err := tx.Find(ctx, account.Keys, c.f, func(doc []byte) error {
			var k account.Key
			got = true
			return json.Unmarshal(doc, &k)
		})
		if err != nil || got != c.want {
			t.Errorf("%q: %+v finds it: %v, %v", value, c.f, got, err)
		}
	}
}

// lower is as SQLite does it: ASCII alone.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
