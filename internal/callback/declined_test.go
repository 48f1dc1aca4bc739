package callback_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"tollgate/internal/callback"
)

func TestDeclinedCallbacks(t *testing.T) {
	list := callback.DeclinedCallbacks()
	if !slices.IsSortedFunc(list, func(a, b callback.Declined) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("they are not in order")
	}
	page, err := os.ReadFile("../../docs/reference/callbacks.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range list {
		if !strings.Contains(string(page), "`"+d.Name+"`") {
			t.Errorf("docs/reference/callbacks.md says nothing of %s", d.Name)
		}
		if d.Why == "" {
			t.Errorf("nobody knows why %s is not served", d.Name)
		}
	}
}
