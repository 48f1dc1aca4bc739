package gateway

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"tollgate/internal/apierr"
	"tollgate/internal/cache"
	"tollgate/internal/dispatch"
	"tollgate/internal/jsonscan"
	"tollgate/internal/money"
	"tollgate/internal/openai"
	"tollgate/internal/record"
)

// This file is where the cache stands in the way of a call: behind admission, budgets, limits and the guardrails of before the
// call, before the upstream. What it keeps is the upstream's answer before the guardrails of after the call, which look at
// every hit as they look at any answer.

// caching is what the cache does for one call; the zero value is that of a call that it does nothing for.
type caching struct {
	plan  *cache.Plan
	found *cache.Found
	spent money.USD // for asking an embedding model what the prompt means; a part of billed
	// whole is the request, and raw its text, while the cache has some of its inputs and the others go upstream.
	whole *openai.Request
	raw   []byte

	answer   []byte    // of the upstream, in one piece; nil = none
	recorder *recorder // of the upstream's stream; nil = none
}

// lookup answers the call from the cache, where it was answered before: then q.reply or q.stream is set, and q.out is what
// served it then.
func (q *request) lookup() error {
	if q.snap.Cache == nil {
		return nil
	}
	if err := q.checkCacheControls(); err != nil {
		return err
	}
	k := &q.cached
	var err error
	call := &cache.Call{Request: q.body, Header: q.r.Header, Alias: q.alias, Tenant: q.tenant(), Also: q.alsoDecides(), Embed: q.snap.Embed}
	if key := q.caller.Key; key != nil {
		call.Allowed = key.AllowedCacheCtrl
	}
	if k.plan, err = q.snap.Cache.Plan(call); err != nil || k.plan == nil {
		return badBody(q.op, err)
	}
	q.rec.CacheKey = k.plan.Key()
	k.found = k.plan.Lookup(q.upstreamContext(), q.awaitEqual) // which ends when a guardrail beside the call blocks it
	k.spent = k.plan.Spent()
	q.billed += k.spent
	if k.found != nil && q.serveFound() {
		return nil
	}
	k.found = nil
	if rest := k.plan.Rest(); rest != nil {
		k.whole, k.raw = q.body, q.raw
		q.body, q.raw = rest, rest.Body
		q.rec.SavedCost = k.plan.Saved()
	}
	return nil
}

// checkCacheControls refuses what the key may not say of the cache (allowed_cache_controls).
func (q *request) checkCacheControls() error {
	key := q.caller.Key
	if key == nil || len(key.AllowedCacheCtrl) == 0 {
		return nil
	}
	for _, name := range cache.Controls(q.body) {
		if !slices.Contains(key.AllowedCacheCtrl, name) {
			return &apierr.Error{Status: http.StatusForbidden, Type: "permission_error", Param: "cache",
				Message: fmt.Sprintf("This key may not set cache.%s. It may set %s; an administrator can change that (allowed_cache_controls).", clip(name), strings.Join(key.AllowedCacheCtrl, ", "))}
		}
	}
	return nil
}

// sharingTeam is a team as far as its keys belong together: LiteLLM gives one team to every key of a login, whoever's it is.
func sharingTeam(id string) string {
	if id == "litellm-dashboard" {
		return ""
	}
	return id
}

// tenant is whose call it is, by what the gateway has found out itself.
func (q *request) tenant() cache.Tenant {
	t := cache.Tenant{Key: q.caller.KeyHash(), Team: sharingTeam(q.caller.TeamID()), Org: q.caller.OrgID(), EndUser: q.rec.EndUser}
	switch {
	case q.caller.Token != nil:
		t.User = q.caller.UserID()
	case t.Key == "" && q.caller.Name == "anonymous": // a gateway without keys, where all are one
		t.User = q.caller.Name
	}
	return t
}

// alsoDecides is what decides on the answer beside the body: headers that go upstream, and tags by which a deployment is
// picked. Tags that no deployment names do not.
func (q *request) alsoDecides() []string {
	var list []string
	for name, values := range q.forwarded {
		list = append(list, "header "+name+": "+strings.Join(values, ", "))
	}
	for _, d := range q.deployments() {
		if len(d.TagRegex) > 0 {
			list = append(list, "agent "+q.r.UserAgent())
		}
		for _, tag := range d.Tags {
			if slices.Contains(q.query.Tags, tag) {
				list = append(list, "tag "+tag)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// streams reports whether the answer is a stream.
func (q *request) streams() bool { return q.body.Stream && q.talks() }

// awaitEqual is called before the call waits for an equal one: a stream's connection is kept alive meanwhile.
func (q *request) awaitEqual() {
	if q.streams() {
		q.events = newEvents(q.w, q.keepalive())
	}
}

// serveFound takes the answer that the cache has. It is false where that is none that can be given.
func (q *request) serveFound() bool {
	found := q.cached.found
	members, err := jsonscan.Object(found.Body, make([]jsonscan.Member, 0, 12))
	if err != nil {
		return false
	}
	if q.streams() {
		replay, ok := q.snap.Cache.Replay(q.ctx, q.op, found.Body)
		if !ok {
			return false
		}
		if q.events == nil {
			q.events = newEvents(q.w, q.keepalive())
		}
		q.stream = replay
	} else {
		q.reply = &openai.Response{Body: found.Body, Members: members}
	}
	q.out = &dispatch.Outcome{
		Group: found.Group, Deployment: &dispatch.Deployment{ID: found.Deployment, Alias: found.Alias, UpstreamID: found.Upstream, Provider: found.Provider},
	}
	q.rec.CacheHit, q.rec.CacheSimilarity, q.rec.SavedCost = true, min(found.Similarity, 1), found.Cost // stores round
	if q.countReply(members) != nil {
		return false // the members were scanned: it does not fail
	}
	if !q.rec.UsageKnown {
		q.rec.PromptTokens, q.rec.CompletionTokens = found.Prompt, found.Completion
	}
	return true
}

// cacheHeaders tell of a hit. The upstream's price is not charged; what it has cost to look is.
func (q *request) cacheHeaders(h http.Header) {
	if !q.rec.CacheHit {
		return
	}
	h["X-Litellm-Cache-Key"] = []string{q.cached.found.Key}
	h["X-Litellm-Response-Cost"] = []string{q.billed.PythonFloat()}
	if s := q.rec.CacheSimilarity; s > 0 {
		h["X-Litellm-Semantic-Similarity"] = []string{strconv.FormatFloat(s, 'f', -1, 64)}
	}
}

// answered takes note of the upstream's answer in one piece, and puts it together with what the cache has.
func (q *request) answered() error {
	k := &q.cached
	if k.plan == nil {
		return nil
	}
	if k.whole != nil {
		if err := q.countReply(nil); err != nil { // what the upstream was asked for is what is paid for
			return err
		}
		body, ok := k.plan.Merge(q.reply.Body)
		if !ok {
			return &apierr.Error{Status: http.StatusBadGateway, Type: "api_error", Message: string(q.op) + ": The upstream has not answered with one embedding for each input."}
		}
		q.reply = &openai.Response{Meta: q.reply.Meta, Body: body}
		q.restoreRequest()
	}
	k.answer = q.reply.Body
	return nil
}

// restoreRequest puts the request back as it came.
func (q *request) restoreRequest() {
	if k := &q.cached; k.whole != nil {
		q.body, q.raw = k.whole, k.raw
		k.whole = nil
	}
}

// settleCache keeps the answer where it is one to keep, off the caller's way, and tells those who wait for it. It is called
// before the last bytes go out.
func (q *request) settleCache() {
	k := &q.cached
	if k.plan == nil {
		return
	}
	q.restoreRequest()
	if q.rec.CacheHit {
		if q.rec.RequestID != "" { // LiteLLM's form; the row of the call that was paid for has the bare one
			q.rec.RequestID += "_cache_hit" + strconv.FormatFloat(float64(q.rec.Ended.UnixMicro())/1e6, 'f', -1, 64)
		}
		k.plan.Drop(false)
		return
	}
	body := k.answer
	if k.recorder != nil {
		body = k.recorder.reply()
	}
	if body == nil || q.rec.Outcome != record.Success || q.withheld || q.out.FellBack || !cache.Kept(q.op, body, q.outputCap > 0) {
		k.plan.Drop(q.rec.Outcome == record.Gone)
		return
	}
	d := q.out.Deployment
	served := cache.Served{
		Deployment: d.ID, Alias: d.Alias, Group: q.out.Group, Upstream: d.UpstreamID, Provider: d.Provider,
		Prompt: q.rec.PromptTokens, Completion: q.rec.CompletionTokens, Estimated: !q.rec.UsageKnown, Priced: q.rec.CostKnown,
	}
	if q.rec.CostKnown {
		served.Cost = q.rec.Cost - q.billed
	}
	k.plan.Keep(body, served)
}
