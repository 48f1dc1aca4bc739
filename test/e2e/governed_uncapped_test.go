package e2e_test

import (
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/internal/testkit"
)

// essay asks for an answer of about so many words and names no output cap.
func essay(model string, words int, more ...obj) obj {
	return ask(model, fmt.Sprintf("Write a text of %d words about the sea.", words), more...)
}

// TestStreamEndsWithItsBudget: a stream that names no cap holds slice after slice; when the budget has nothing left it
// ends with finish_reason length and says why, and the budget is not passed.
func TestStreamEndsWithItsBudget(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, database string) {
		w := newWorld(t, settings{database: database})
		cap := new(big.Rat).Mul(outputPrice, big.NewRat(1500, 1)) // 1,500 tokens
		budget, _ := cap.Float64()
		key := w.key(obj{"max_budget": budget})
		a := w.replicas[0].call(key, essay("chat", 3000, asStream))
		if !a.ok() || a.finish != "length" || !strings.Contains(a.body, "budget_exceeded") {
			t.Fatalf("%v %d finish %q: ...%s", a.err, a.status, a.finish, a.body[max(0, len(a.body)-400):])
		}
		rows := w.rows(key, 1)
		sum := spent(t, rows)
		t.Logf("%d of 1500 tokens written, %s of %s dollars spent", rows[0].CompletionTokens, sum.FloatString(6), cap.FloatString(6))
		if sum.Cmp(cap) > 0 || rows[0].CompletionTokens < 500 || rows[0].Status != "success" {
			t.Errorf("%+v", rows[0])
		}
		// Many at once on what three can have.
		key = w.key(obj{"max_budget": 3 * budget})
		all := crowd(32, func(int) answered { return w.replicas[0].call(key, essay("chat", 3000, asStream)) })
		sum = spent(t, w.rows(key, len(all)))
		t.Logf("32 at once: %s, %s of %s dollars spent", finishes(all), sum.FloatString(6), new(big.Rat).Mul(cap, big.NewRat(3, 1)).FloatString(6))
		if sum.Cmp(new(big.Rat).Mul(cap, big.NewRat(3, 1))) > 0 || served(all) == 0 {
			t.Errorf("%s: %s", finishes(all), outcomes(all))
		}
	})
}

// TestAnswerIsCappedByItsBudget: an answer in one piece gets an output cap upstream that its hold covers.
func TestAnswerIsCappedByItsBudget(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{})
	cap := new(big.Rat).Mul(outputPrice, big.NewRat(1500, 1))
	budget, _ := cap.Float64()
	key := w.key(obj{"max_budget": budget})
	a := w.replicas[0].call(key, essay("chat", 3000))
	if !a.ok() || a.finish != "length" {
		t.Fatalf("%v %d finish %q %.300s", a.err, a.status, a.finish, a.body)
	}
	rows := w.rows(key, 1)
	if sum := spent(t, rows); sum.Cmp(cap) > 0 || rows[0].CompletionTokens < 128 {
		t.Errorf("%s dollars spent, %d tokens", sum.FloatString(6), rows[0].CompletionTokens)
	}
	var journal struct{ Requests []struct{ Body string } }
	w.sim.do("GET", "/_sim/requests", "", &journal)
	if last := journal.Requests[len(journal.Requests)-1].Body; !strings.Contains(last, `"maxTokens"`) {
		t.Errorf("no cap was sent: %s", last)
	}
	// The caller's own cap stays the caller's.
	if a := w.replicas[0].call(w.key(obj{"max_budget": 10}), question("chat")); !a.ok() || a.finish != "length" {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// finishes counts the finish reasons of answers, and the refusals.
func finishes(all []answered) string {
	kinds := map[string]int{}
	for _, a := range all {
		kind := a.finish
		if !a.ok() {
			kind = fmt.Sprint(a.status)
		}
		kinds[kind]++
	}
	return fmt.Sprint(kinds)
}

// longModel writes up to 128,000 tokens at ten dollars a million.
const longModel = "  - {model_name: long, litellm_params: {model: oci/meta.llama-4-maverick-17b-128e-instruct-fp8, <<: *oci, input_cost_per_token: 0.00000125, output_cost_per_token: 0.00001}, model_info: {max_output_tokens: 128000}}\n"

// TestFalseRefusals measures how many of 200 calls without a cap, at once on a key of ten dollars that could pay for all
// of them, are refused. All answers together cost less than a dollar, so each refusal is a false one.
func TestFalseRefusals(t *testing.T) {
	for _, mode := range []string{"strict", "estimate"} {
		t.Run(mode, func(t *testing.T) {
			w := newWorld(t, settings{replicas: 2, database: testkit.Postgres(t), models: longModel, config: "tollgate_settings: {budget_mode: " + mode + "}\n"})
			w.sim.fault(`{"latency": "1s"}`) // else the answers of the simulator are over before the next call begins
			for _, kind := range []struct {
				name string
				body obj
			}{{"in one piece", nil}, {"streamed", asStream}} {
				key := w.key(obj{"max_budget": 10})
				all := crowd(200, func(i int) answered { return w.replicas[i%2].call(key, essay("long", 150+i%200, kind.body)) })
				rows := w.rows(key, len(all))
				took := make([]time.Duration, 0, len(all))
				refused := 0
				for _, a := range all {
					took = append(took, a.took)
					if a.status == http.StatusTooManyRequests {
						refused++
					} else if !a.ok() {
						t.Fatalf("%v %d %s", a.err, a.status, a.body)
					}
				}
				slices.Sort(took)
				sum := spent(t, rows)
				t.Logf("%s, %s: %s, %d refused, %s dollars spent, median %s, slowest %s",
					mode, kind.name, finishes(all), refused, sum.FloatString(2), took[100].Round(time.Millisecond), took[199].Round(time.Millisecond))
				if refused > 0 || sum.Cmp(big.NewRat(10, 1)) > 0 {
					t.Errorf("%d of 200 calls were refused: %s", refused, outcomes(all))
				}
			}
			w.verify()
		})
	}
}
