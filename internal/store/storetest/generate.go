package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/ledger"
	"tollgate/internal/money"
	"tollgate/internal/record"
)

// Traffic makes calls that look like those of a company: teams with keys of very different use, a handful of models, some
// customers, one call in fifty refused. The same Traffic makes the same calls.
type Traffic struct {
	Seed uint64
	// From and Span say when the calls began; they are spread evenly, in order.
	From time.Time
	Span time.Duration
	Keys int // 0 = 200
}

// Call is the i-th of n calls.
func (f Traffic) Call(i, n int) record.Call {
	r := rand.New(rand.NewPCG(f.Seed, uint64(i))) //nolint:gosec // the same calls each time
	keys := f.Keys
	if keys == 0 {
		keys = 200
	}
	key := int(float64(keys) * r.Float64() * r.Float64())
	hash, team, user := account.HashKey(fmt.Sprint("key", key)), fmt.Sprintf("team-%d", key%20), fmt.Sprintf("user-%d", key)
	model := [...]string{"cohere.command-a-03-2025", "xai.grok-4", "openai.gpt-5-mini", "meta.llama-4-maverick", "google.gemini-2.5-flash", "cohere.embed-v4.0"}[r.IntN(6)]
	customer := ""
	if r.IntN(4) == 0 {
		customer = fmt.Sprintf("customer-%d", r.IntN(500))
	}
	started := f.From.Add(time.Duration(float64(f.Span) * float64(i) / float64(n)))
	c := record.Call{
		ID: fmt.Sprintf("%08x-call-%d", f.Seed, i), Route: "/v1/chat/completions", CallType: "acompletion",
		Started: started, Ended: started.Add(time.Duration(200+r.IntN(4000)) * time.Millisecond), Replica: "replica-1",
		Caller: hash, KeyHash: hash, KeyAlias: fmt.Sprintf("alias-%d", key), UserID: user, TeamID: team, TeamAlias: team, OrgID: "org-1", EndUser: customer,
		Tags: []string{fmt.Sprintf("project-%d", key%50)}, KeyMetadata: account.JSON(`{"team":"` + team + `","owner":"` + user + `"}`),
		UserAgent: "OpenAI/Python 1.99.1", ClientIP: "10.0.0.1",
		Alias: "oci-" + model, Group: "oci-" + model, Deployment: "deployment-" + model, Upstream: model, Provider: "oci",
		APIBase: "https://inference.generativeai.us-chicago-1.oci.oraclecloud.com", RequestID: fmt.Sprintf("chatcmpl-%016x%016x", r.Uint64(), r.Uint64()),
		Outcome: record.Success, Status: 200, PromptTokens: 100 + r.IntN(3000), CompletionTokens: r.IntN(900), CachedTokens: r.IntN(100),
		UsageKnown: true, CostKnown: true, FirstByte: 150 * time.Millisecond, Upstreams: 180 * time.Millisecond,
		Attempts: []record.Attempt{{Deployment: "deployment-" + model, Group: "oci-" + model, Status: 200, Duration: 180 * time.Millisecond}},
	}
	c.Cost = money.USD(1_500_000*c.PromptTokens + 6_000_000*c.CompletionTokens)
	if r.IntN(50) == 0 {
		c.Outcome, c.Status, c.Error, c.ErrorType = record.Refused, 429, "Budget has been exceeded! Current cost: 5.0, Max budget: 5.0", "budget_exceeded"
		c.PromptTokens, c.CompletionTokens, c.CachedTokens, c.Cost, c.RequestID, c.Upstream, c.Attempts = 0, 0, 0, 0, "", "", nil
	}
	c.Charges = []account.Scope{
		account.GlobalScope, account.KeyScope(hash), account.TeamScope(team), account.UserScope(user), account.MemberScope(team, user),
		account.OrgScope("org-1"), account.ProviderScope("oci"), account.DeploymentScope(c.Deployment), account.TagScope(c.Tags[0]),
	}
	if customer != "" {
		c.Charges = append(c.Charges, account.CustomerScope(customer))
	}
	return c
}

// Calls are calls from to to of n.
func (f Traffic) Calls(from, to, n int) []record.Call {
	calls := make([]record.Call, 0, to-from)
	for i := from; i < to; i++ {
		calls = append(calls, f.Call(i, n))
	}
	return calls
}

// GenerateRows books n calls in batches.
func (f Traffic) GenerateRows(ctx context.Context, sink ledger.Sink, n, batch int) error {
	for i := 0; i < n; i += batch {
		if _, err := sink.Write(ctx, f.Calls(i, min(i+batch, n), n)); err != nil {
			return err
		}
	}
	return nil
}
