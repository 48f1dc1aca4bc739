package gateway

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/money"
)

// told is a store that says one sum of every key, or nothing.
type told struct {
	spent money.USD
	err   error
	asked int
}

func (s *told) Spend(_ context.Context, scopes ...account.Scope) (map[account.Scope]account.Counter, error) {
	s.asked++
	if s.err != nil {
		return nil, s.err
	}
	return map[account.Scope]account.Counter{scopes[0]: {Spent: s.spent}}, nil
}

// TestSpendings: a key without a budget has spent what the store said a moment ago and what was spent here since.
func TestSpendings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &told{spent: 5 * money.Dollar}
		s := newSpendings(store, func(f func()) { go f() })
		const scope = account.Scope("key:a")
		add := func(cost, want money.USD, known bool) {
			t.Helper()
			if got, ok := s.add(scope, cost); ok != known || known && got != want {
				t.Errorf("spent %v, %v; want %v, %v", got, ok, want, known)
			}
			synctest.Wait()
		}
		add(0, 0, false) // nobody has asked yet
		add(money.Dollar, 6*money.Dollar, true)
		add(money.Dollar, 7*money.Dollar, true)
		if store.asked != 1 {
			t.Errorf("the store was asked %d times", store.asked)
		}
		store.spent = 9 * money.Dollar // others have spent two as well
		time.Sleep(spendingAge + 1)
		add(0, 7*money.Dollar, true) // what is known until the answer is there
		add(0, 9*money.Dollar, true)
		store.err = errors.New("away")
		time.Sleep(spendingAge + 1)
		add(money.Dollar, 10*money.Dollar, true)
		add(money.Dollar, 11*money.Dollar, true)
	})
}

// TestSpendingsAreBounded: keys that are not used are forgotten.
func TestSpendingsAreBounded(t *testing.T) {
	s := newSpendings(&told{}, func(func()) {})
	for i := range maxSpendings + 10 {
		s.add(account.Scope("key:"+time.Duration(i).String()), 0)
	}
	if len(s.keys) > maxSpendings {
		t.Errorf("%d keys are remembered", len(s.keys))
	}
	none := newSpendings(nil, nil)
	if _, ok := none.add("key:a", 1); ok {
		t.Error("without a store somebody knows")
	}
}
