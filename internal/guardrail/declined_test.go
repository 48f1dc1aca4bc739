package guardrail_test

import (
	"slices"
	"strings"
	"testing"

	"tollgate/internal/guardrail"
)

func TestDeclinedGuardrails(t *testing.T) {
	list := guardrail.DeclinedGuardrails()
	if !slices.IsSortedFunc(list, func(a, b guardrail.Declined) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("they are not sorted")
	}
	for _, d := range list {
		if strings.HasSuffix(d.Why, ".") || len(d.Why) < 30 {
			t.Errorf("%s %s", d.Name, d.Why)
		}
	}
}
