package access_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/access"
	"tollgate/internal/account"
	"tollgate/internal/budget"
)

// A model's own budgets and limits bind and count wherever the model is reached from: the call that falls back to it holds
// them as one that asks for it does.
func TestForModel(t *testing.T) {
	t.Run("what the direct call falls under", func(t *testing.T) {
		for _, personal := range []bool{false, true} {
			m := everybody()
			if personal {
				m.put(virtual(callersKey, func(k *account.Key) {
					k.UserID, k.ModelMaxBudget = "u", map[string]account.ModelBudget{"gpt": {BudgetLimit: "2"}}
				}))
			}
			m.put(&account.User{UserID: "u", ModelMaxBudget: map[string]account.ModelBudget{"gpt": {BudgetLimit: "3"}}})
			g, _ := gate(m, access.Policy{}, synced)
			admit := func(model string) *access.Admission {
				out, err := call(g, callersKey, access.ModelCall{Model: model, EndUser: "c"})
				if err != nil {
					t.Fatal(err)
				}
				return out
			}
			other, direct := admit("other"), admit("openai/gpt")
			budgets, limits, charges := other.ForModel("fast", "openai/gpt")
			for _, b := range budgets {
				if b.Refusal == "" || slices.ContainsFunc(other.Budgets, func(o budget.Scope) bool { return o.Counter == b.Counter }) {
					t.Errorf("budget %+v", b)
				}
			}
			if diff := cmp.Diff(counters(direct.Budgets), counters(append(slices.Clone(other.Budgets), budgets...))); diff != "" {
				t.Errorf("budgets (-direct +as a fallback):\n%s", diff)
			}
			if diff := cmp.Diff(sortedScopes(direct.Charges), sortedScopes(append(slices.Clone(other.Charges), charges...))); diff != "" {
				t.Errorf("charges (-direct +as a fallback):\n%s", diff)
			}
			if got, want := len(other.Limits)+len(limits), len(direct.Limits); got != want {
				t.Errorf("%d limits, want %d", got, want)
			}
			for _, name := range []string{"gpt", "other"} {
				if b, l, c := direct.ForModel(name, ""); len(b)+len(l)+len(c) != 0 {
					t.Errorf("%s of a call that has all: %v %v %v", name, b, l, c)
				}
			}
		}
	})
	t.Run("nothing to find costs nothing", func(t *testing.T) {
		g, _ := gate(newMemory(virtual(callersKey)), access.Policy{}, synced)
		out, err := call(g, callersKey, access.ModelCall{Model: "a"})
		if err != nil {
			t.Fatal(err)
		}
		if n := testing.AllocsPerRun(100, func() { out.ForModel("b", "c") }); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})
	t.Run("of an admission that nobody made", func(t *testing.T) {
		if b, l, c := new(access.Admission).ForModel("a", "b"); b != nil || l != nil || c != nil {
			t.Error(b, l, c)
		}
	})
}

func counters(budgets []budget.Scope) []account.Scope {
	var scopes []account.Scope
	for _, b := range budgets {
		scopes = append(scopes, b.Counter)
	}
	return sortedScopes(scopes)
}

func sortedScopes(scopes []account.Scope) []account.Scope {
	return slices.Sorted(slices.Values(scopes))
}
