package gateway

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
	"tollgate/internal/budget"
	"tollgate/internal/dispatch"
	"tollgate/internal/jsonscan"
	"tollgate/internal/money"
	"tollgate/internal/openai"
	"tollgate/internal/price"
	"tollgate/internal/provider"
)

// This file makes sure that a call can be paid for. Before it goes out it holds its worst case of every budget that
// bears it, and its tokens of every limit; a deployment with a price or a budget of its own is asked again before each
// attempt; a stream without a cap holds a slice ahead of what it has written. settle.go turns the holds into the cost.

// reserve holds what the call may cost and takes its place in the limits.
func (q *request) reserve() error {
	if l := q.g.opts.Ledger; l != nil {
		if err := l.Ready(); err != nil {
			return &apierr.Error{Status: http.StatusServiceUnavailable, Type: "no_db_connection", Cause: err,
				Message: "Service Unavailable, the ledger takes no more calls until its database answers again (tollgate_settings.spool_full: refuse). Please retry shortly."}
		}
	}
	if err := q.holdBudgets(); err != nil {
		return err
	}
	return q.takeLimits()
}

// holdBudgets holds what the dearest deployment of the alias may cost.
func (q *request) holdBudgets() error {
	if len(q.admission.Budgets) == 0 {
		return nil
	}
	deployments := q.deployments()
	if len(deployments) == 0 {
		return nil // dispatch refuses the name
	}
	if err := q.measure(); err != nil {
		return err
	}
	q.slicing = q.extends()
	var ask budget.Ask
	for _, d := range deployments {
		one, err := q.ask(d, q.snap.Models.rates(d))
		if err != nil {
			return err
		}
		ask.Worst, ask.Least, ask.Expected = max(ask.Worst, one.Worst), max(ask.Least, one.Least), max(ask.Expected, one.Expected)
	}
	hold, err := q.g.opts.Budgets.Reserve(q.ctx, q.admission.Budgets, ask)
	if err != nil {
		return q.refuseBudget(err)
	}
	q.hold = hold
	return nil
}

// ask is what a call of d needs of a budget: at most Worst, and at least Least to be of use.
func (q *request) ask(d *dispatch.Deployment, r price.Rates) (budget.Ask, error) {
	s, body, err := q.sizeAt(dispatch.Target{Deployment: d})
	if err != nil {
		return budget.Ask{}, err
	}
	most, _ := q.longest(&s, d, body)
	worst, known := s.worth(r, most)
	if !known {
		if q.snap.RefuseUnpriced {
			return budget.Ask{}, unpriced(d)
		}
		return budget.Ask{}, nil
	}
	ask := budget.Ask{Worst: worst, Expected: s.expected(r, most)}
	if s.output > 0 || !s.talks || s.uncappable {
		return ask, nil
	}
	if q.slicing {
		most = min(most, slice)
		ask.Worst, _ = s.worth(r, most)
	}
	ask.Least, _ = s.worth(r, min(most, q.leastAnswer(d, r)))
	return ask, nil
}

// extends reports whether the call holds slice after slice while it writes. A model that thinks does not: what it has
// thought shows when it is too late.
func (q *request) extends() bool {
	return q.body.Stream && q.size.output == 0 && q.size.talks && !q.snap.EstimateBudgets && !q.thinks(q.deployments())
}

// thinks reports whether one of the deployments bills tokens that it may not show. Of a model that nobody has described it
// is not known.
func (q *request) thinks(deployments []*dispatch.Deployment) bool {
	return slices.ContainsFunc(deployments, func(d *dispatch.Deployment) bool {
		m := q.snap.Models.byID(d.ID)
		return m == nil || m.MayThink
	})
}

// leastAnswer is the shortest answer of a deployment that is worth a call without a cap, in tokens. Between it and the
// longest one the book chooses, by how many calls share the budget. Where little is left a short answer is better than none.
func (q *request) leastAnswer(d *dispatch.Deployment, r price.Rates) int64 {
	left := money.Max
	for i := range q.admission.Budgets {
		s := &q.admission.Budgets[i]
		spent, _, _ := q.g.opts.Budgets.Spent(s.Counter)
		left = min(left, s.Cap-spent)
	}
	if q.size.affords(r, left) >= slice {
		return slice
	}
	capped, err := q.body.With([]jsonscan.Field{{Name: "max_tokens", Value: jsonscan.AppendInt(nil, leastOutput)}})
	if err != nil {
		return slice
	}
	short := q.size
	short.output = leastOutput
	most, _ := short.longest(d, capped) // a provider raises caps that thinking would use up
	return most
}

// payFor holds for one attempt what its target may cost: more of the caller's own budgets where the target is dearer than
// what was reserved for, and the budgets of the deployment, of its provider, and of the model where a fallback serves
// another one. It is dispatch's Query.Pay.
func (q *request) payFor(ctx context.Context, t dispatch.Target) error {
	q.target.Release()
	q.targetPass.Close()
	q.target, q.targetPass, q.outputCap, q.targetCharges = nil, nil, 0, nil
	scopes := q.snap.Models.budgetsOf(t.Deployment)
	if t.Group != q.alias {
		models, limits, charges := q.admission.ForModel(t.Group, q.resolve(t.Group))
		scopes = append(scopes[:len(scopes):len(scopes)], models...)
		q.targetCharges = charges
		if len(limits) > 0 {
			var err error
			if q.targetPass, err = q.g.opts.Limits.Admit(ctx, limits, q.expectedTokens()); err != nil {
				return q.refuseLimit(err)
			}
		}
	}
	if q.hold == nil && len(scopes) == 0 {
		return nil
	}
	if err := q.measure(); err != nil {
		return err
	}
	s, body, err := q.sizeAt(t)
	if err != nil {
		return err
	}
	r := q.snap.Models.rates(t.Deployment)
	most, bounded := q.longest(&s, t.Deployment, body)
	worst, known := s.worth(r, most)
	if !known {
		if q.snap.RefuseUnpriced {
			return unpriced(t.Deployment)
		}
		worst = 0
	}
	if known && q.hold != nil && !q.snap.EstimateBudgets {
		if err := q.fit(ctx, &s, t.Deployment, r, most, worst); err != nil {
			return err
		}
		if q.outputCap == 0 && !q.slicing && !s.uncappable && !bounded {
			q.outputCap = most // nobody else bounds it
		}
		if q.outputCap > 0 {
			worst, _ = s.worth(r, q.outputCap)
		}
	}
	if len(scopes) == 0 {
		return nil
	}
	q.target, err = q.g.opts.Budgets.Reserve(ctx, scopes, budget.Ask{Worst: worst})
	var over *budget.Exceeded
	switch {
	case errors.As(err, &over) && strings.HasPrefix(over.Message, "Exceeded budget for "): // the deployment's, or its provider's
		return errors.New(over.Message + mayCost(over))
	case err != nil:
		return q.refuseBudget(err)
	}
	return nil
}

// fit makes the hold and the answer fit each other: the hold grows to what the call costs at the target, or the answer is
// capped at what the hold covers where the caller has named no cap. What attempts before may have been billed stays held.
func (q *request) fit(ctx context.Context, s *size, d *dispatch.Deployment, r price.Rates, most int64, worst money.USD) error {
	if q.hold.Amount()-q.billed >= worst {
		return nil
	}
	uncapped := s.output == 0 && s.talks && !s.uncappable
	needed := worst
	if uncapped {
		needed, _ = s.worth(r, min(most, q.leastAnswer(d, r)))
	}
	if err := q.grow(ctx, needed+q.billed); err != nil {
		return err
	}
	if uncapped && !q.slicing {
		q.outputCap = min(most, s.affords(r, q.hold.Amount()-q.billed))
	}
	return nil
}

// grow makes the hold at least as large as needed.
func (q *request) grow(ctx context.Context, needed money.USD) error {
	missing := needed - q.hold.Amount()
	if missing <= 0 || q.hold.Extend(ctx, missing) {
		return nil
	}
	// Asked as a call of its own it is told which budget is short, or gets what others have given back in the meantime.
	extra, err := q.g.opts.Budgets.Reserve(ctx, q.admission.Budgets, budget.Ask{Worst: missing})
	if err != nil {
		return q.refuseBudget(err)
	}
	extra.Release()
	if !q.hold.Extend(ctx, missing) {
		return (&apierr.Error{Status: http.StatusTooManyRequests, Type: "budget_exceeded", Message: "Budget has been exceeded! What is left of it is held by other calls under way."}).NoRetry()
	}
	return nil
}

// capFields are the members that cap the answer of an attempt at what its hold covers, none where nothing is to be capped.
// They are set only where the body has no cap of its own.
func (q *request) capFields(t dispatch.Target) []jsonscan.Field {
	if q.outputCap <= 0 {
		return nil
	}
	number := jsonscan.AppendInt(nil, q.outputCap)
	older, newer := jsonscan.Field{Name: "max_tokens", Value: number}, jsonscan.Field{Name: "max_completion_tokens", Value: number}
	if q.op != openai.OpChat || t.Provider != "openai" && t.Provider != "azure" {
		return []jsonscan.Field{older}
	}
	if m := q.snap.Models.byID(t.ID); m != nil && m.APIBase != "" && t.Provider == "openai" {
		return []jsonscan.Field{older, newer} // somebody else's server, which may know either name
	}
	return []jsonscan.Field{newer} // all that OpenAI's newest models take
}

// covers reports whether the hold of a stream covers what it has written and may write before the next look. It grows
// slice by slice, by smaller ones when a whole one is not to be had; where nothing is left to grow, the stream goes on to
// the last of what is held and must end then.
func (q *request) covers() bool {
	switch {
	case q.hold == nil || q.snap.EstimateBudgets || q.said < q.covered:
		return true
	case q.last > 0:
		return q.said < q.last
	}
	all := q.size
	all.choices = 1 // what is counted is said by all of them together
	r := q.snap.Models.rates(q.out.Deployment)
	need, known := all.worth(r, q.said+lookAhead)
	if !known {
		q.covered = mostCounted
		return true
	}
	held := q.hold.Amount() - q.billed
	if !q.slicing { // the upstream was given a cap: only one that does not heed it comes here
		q.last = max(2*all.affords(r, held), slice)
		return true
	}
	if held < need {
		more, _ := all.worth(r, q.said+lookAhead+q.step())
		if !q.hold.Extend(q.ctx, more-held) {
			if q.tight {
				q.last = max(all.affords(r, held), 1)
				return q.said < q.last
			}
			q.tight = true
			return q.covers()
		}
	}
	q.covered = q.said + slice/8
	return true
}

// lookAhead is how many tokens a stream may write until its hold is looked at again, with room for a count that is wrong.
const lookAhead = slice / 4

// step is by how many tokens a hold grows.
func (q *request) step() int64 {
	if q.tight {
		return slice / 8
	}
	return slice
}

// mayBeBilled notes an attempt that failed though its upstream may have worked on it: its prompt is charged.
func (q *request) mayBeBilled(ctx context.Context, t dispatch.Target, err error) {
	var upstream *provider.UpstreamError
	if ctx.Err() == nil && !(errors.As(err, &upstream) && upstream.Billed == provider.MaybeBilled) {
		return
	}
	u := price.Usage{Prompt: int64(len(q.raw) / bytesPerToken)}
	r := q.snap.Models.rates(t.Deployment)
	if r.InputChar.Known {
		u.PromptChars = q.body.Chars()
	}
	if cost, known := price.Cost(r, u); known {
		q.billed += cost
	}
}

// takeLimits takes the call's place in the limits on requests, tokens and calls at once.
func (q *request) takeLimits() error {
	if len(q.admission.Limits) == 0 {
		return nil
	}
	pass, err := q.g.opts.Limits.Admit(q.ctx, q.admission.Limits, q.expectedTokens())
	if err != nil {
		return q.refuseLimit(err)
	}
	q.pass = pass
	return nil
}

// expectedTokens is what the call takes of token limits until its usage is known.
func (q *request) expectedTokens() int64 {
	output := int64(0)
	choices := int64(1)
	if q.talks() {
		s := size{talks: true}
		_ = s.read(q.body) // what cannot be read is refused where a budget pays, and is an estimate here
		if output, choices = s.output, s.choices; output == 0 {
			output = expectedOutput
			for _, d := range q.deployments() {
				if d.MaxOutputTokens > 0 {
					output = min(output, int64(d.MaxOutputTokens))
				}
			}
		}
	}
	return q.countedTokens(int64(len(q.raw)/bytesPerToken), output*choices)
}

// countedTokens is the part of a call's tokens that token limits count (token_rate_limit_type).
func (q *request) countedTokens(prompt, completion int64) int64 {
	switch q.snap.TokenLimitType {
	case "input":
		return prompt
	case "output":
		return completion
	}
	return prompt + completion
}

// charges are the counters that the call's cost is added to.
func (q *request) charges() []account.Scope {
	list := q.admission.Charges
	if q.out != nil && q.out.Deployment != nil && !q.rec.CacheHit {
		list = append(slices.Concat(list, q.targetCharges), account.DeploymentScope(q.out.Deployment.ID), account.ProviderScope(q.out.Deployment.Provider))
	}
	return list
}
