package dispatch

import (
	"context"
	"errors"
	"strings"
	"testing"

	"tollgate/internal/apierr"
)

// payRouter has two deployments of one alias.
func payRouter(t *testing.T) *Router {
	t.Helper()
	r, err := New(Options{Strategy: SimpleShuffle, NumRetries: 2}, []Deployment{
		{ID: "cheap", Alias: "a", Provider: "oci", RPM: 100}, {ID: "dear", Alias: "a", Provider: "oci", RPM: 100},
	}, NewState())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A deployment whose budget does not bear the call is left out; the others serve it, whatever is drawn.
func TestPay_LeavesDeploymentsOut(t *testing.T) {
	r := payRouter(t)
	for range 50 {
		q := &Query{Alias: "a", Pay: func(_ context.Context, d Target) error {
			if d.ID == "dear" {
				return errors.New("Exceeded budget for deployment")
			}
			return nil
		}}
		got, out, err := Call(t.Context(), r, q, func(_ context.Context, target Target) (string, error) { return target.ID, nil })
		if err != nil || got != "cheap" || len(out.Attempts) != 1 {
			t.Fatalf("served by %q in %d attempts, error %v", got, len(out.Attempts), err)
		}
	}
	for _, target := range r.lookup("a", false).targets {
		if n := target.quota.inFlight.Load(); n != 0 {
			t.Errorf("%s has %d calls in flight", target.ID, n)
		}
		if used := target.quota.window.at(r.state.now()).requests; target.ID == "dear" && used != 0 {
			t.Errorf("the deployment that was left out has %d requests counted", used)
		}
	}
}

func TestPay_NobodyLeft(t *testing.T) {
	r := payRouter(t)
	q := &Query{Alias: "a", Pay: func(context.Context, Target) error {
		return errors.New("Exceeded budget for provider oci: 3 >= 2")
	}}
	_, out, err := Call(t.Context(), r, q, func(context.Context, Target) (string, error) { return "", nil })
	var e *apierr.Error
	if !errors.As(err, &e) || e.Status != 429 || !strings.Contains(e.Message, "No deployments available - crossed budget: Exceeded budget for provider oci: 3 >= 2") {
		t.Fatalf("error %v", err)
	}
	if len(out.Attempts) != 0 {
		t.Errorf("%d attempts were made", len(out.Attempts))
	}
}

// The caller's own budget is told in its own words.
func TestPay_CallersOwnBudget(t *testing.T) {
	r := payRouter(t)
	own := &apierr.Error{Status: 429, Type: "budget_exceeded", Message: "Budget has been exceeded!"}
	q := &Query{Alias: "a", Pay: func(context.Context, Target) error { return own }}
	_, _, err := Call(t.Context(), r, q, func(context.Context, Target) (string, error) { return "", nil })
	var e *apierr.Error
	if !errors.As(err, &e) || e.Type != "budget_exceeded" || !strings.HasPrefix(e.Message, own.Message) {
		t.Fatalf("error %v", err)
	}
}
