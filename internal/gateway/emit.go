package gateway

import (
	"net/http"
	"strings"

	"tollgate/internal/callback"
	"tollgate/internal/content"
	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
	"tollgate/internal/price"
	"tollgate/internal/record"
)

// Callbacks hear of every call once it has ended. Emit does not block; the call does not change any more. Safe for
// concurrent use.
type Callbacks interface{ Emit(c *record.Call) }

// CallbackRules say who tells which callbacks of its calls.
type CallbackRules struct {
	Configured bool // there are callbacks for everybody's calls
	// Insist keeps callers from switching callbacks off by no-log or x-litellm-disable-callbacks (global_disable_no_log_param).
	Insist bool
	// Teams are the accounts that the operator has given to teams (default_team_settings), by team id.
	Teams map[string][]record.OwnCallback
	// Vars read the callback_vars of keys and teams.
	Vars callback.Vars
}

// longestKeptAnswer bounds what is kept of a streamed answer for callbacks, in bytes.
const longestKeptAnswer = 8 << 20

// telling is what a call keeps for callbacks; the zero value is that of a call that has not been looked at.
type telling struct {
	decided   bool
	wanted    bool // somebody hears of the call
	assembler *content.Assembler
}

// tells reports whether callbacks hear of the call: only then is anything kept for them. What the caller says of it is
// read when it is asked first, behind identify and read where they were reached.
func (q *request) tells() bool {
	if q.told.decided {
		return q.told.wanted
	}
	q.told.decided = true
	if q.g.opts.Callbacks == nil {
		return false
	}
	l, rules := &q.rec.Logging, &q.snap.Callbacks
	q.noteOwnCallbacks(l, rules)
	if !rules.Configured && len(l.Own) == 0 {
		return false
	}
	q.noteLogging(l, rules)
	q.told.wanted = !l.Off
	return q.told.wanted
}

// keepAnswer keeps an answer in one piece, as the caller gets it.
func (q *request) keepAnswer(parts jsonscan.Parts) {
	if q.tells() {
		q.rec.Response = parts.Bytes()
	}
}

// keepEvent keeps an event of a stream, as the caller gets it.
func (q *request) keepEvent(chunk []byte) {
	if !q.tells() {
		return
	}
	if q.told.assembler == nil {
		q.told.assembler = content.NewAssembler(q.op)
	}
	if q.told.assembler.Held() < longestKeptAnswer {
		_ = q.told.assembler.Add(chunk) // of another shape: what there is of the answer is told
	}
}

// keepUsage keeps the usage of a stream, whether the caller gets it or not.
func (q *request) keepUsage(c *chunker) {
	if c.usage != nil && q.told.assembler != nil {
		q.keepEvent(c.usageChunk())
	}
}

// emit tells the callbacks of the call, off the caller's way. What guardrails keep from logs is taken out first.
func (q *request) emit() {
	if !q.tells() {
		return
	}
	if q.told.assembler != nil && !q.told.assembler.Empty() {
		q.rec.Response = q.told.assembler.Reply()
	}
	if q.body != nil {
		q.rec.Request = q.body.Body
	}
	q.rec.RequesterHeaders = q.requesterHeaders()
	q.noteSplit()
	c := q.rec // else the record would hold the whole request
	q.tellGuarded(&c)
}

// longestTold bounds the caller's own metadata as callbacks get it, in bytes.
const longestTold = 64 << 10

// noteNames fills in what callbacks, metrics and alerts are told beyond the ledger's row of who has called.
func (q *request) noteNames() {
	if q.body != nil {
		if metadata, ok := q.body.Get("metadata"); ok && len(metadata) <= longestTold && metadata[0] == '{' {
			q.rec.RequestMetadata = metadata
		}
	}
	if u := q.caller.User; u != nil {
		q.rec.UserEmail = u.UserEmail
	}
	if o := q.caller.Org; o != nil {
		q.rec.OrgAlias = o.OrganizationAlias
	}
}

// noteSplit tells what was asked from what was answered in the cost.
func (q *request) noteSplit() {
	if !q.rec.CostKnown || q.rec.CacheHit || q.out == nil || q.out.Deployment == nil {
		return
	}
	rates, used := q.snap.Models.rates(q.out.Deployment), q.used()
	total, _ := price.Cost(rates, used)
	used.Completion, used.Reasoning, used.CompletionAudio, used.CompletionChars = 0, 0, 0, 0
	input, _ := price.Cost(rates, used)
	q.rec.Split = record.Split{Input: input, Output: total - input}
}

// Bounds of the headers that callbacks are told.
const (
	mostTold   = 64
	widestTold = 1024
)

// requesterHeaders are the caller's own headers, by which it tells backends of the call: x-*, langfuse_* and helicone_*.
// What may hold a credential, or names one, is left out.
func (q *request) requesterHeaders() map[string]string {
	var told map[string]string
	for name, values := range q.r.Header {
		lower := strings.ToLower(name)
		if !toldHeader(lower) || q.snap.Gate.IsKeyHeader(name) || len(values) == 0 || len(values[0]) > widestTold || credentialLike(values[0]) {
			continue
		}
		if told == nil {
			told = map[string]string{}
		}
		if told[lower] = values[0]; len(told) >= mostTold {
			break
		}
	}
	return told
}

// toldHeader reports whether a header's name is one that callbacks are told.
func toldHeader(lower string) bool {
	own := false
	for _, prefix := range [...]string{"x-", "langfuse_", "helicone_", "helicone-"} {
		own = own || strings.HasPrefix(lower, prefix)
	}
	if !own {
		return false
	}
	for _, word := range [...]string{"key", "auth", "token", "secret", "cookie", "passw", "credential", "signature"} {
		if strings.Contains(lower, word) {
			return false
		}
	}
	return true
}

// credentialLike reports whether a header's value looks like a key of ours, or like any other credential.
func credentialLike(value string) bool {
	for _, prefix := range [...]string{"sk-", "bearer ", "basic ", "eyj"} {
		if len(value) >= len(prefix) && strings.EqualFold(value[:len(prefix)], prefix) {
			return true
		}
	}
	return false
}

// noteLogging fills in what the request says of who hears of the call.
func (q *request) noteLogging(l *record.Logging, rules *CallbackRules) {
	h := q.r.Header
	if !rules.Insist {
		for name := range strings.SplitSeq(h.Get("X-Litellm-Disable-Callbacks"), ",") {
			if name = strings.TrimSpace(name); name != "" {
				l.Disabled = append(l.Disabled, name)
			}
		}
	}
	l.Redact = redactByHeader(h)
	q.noteBodyLogging(l, rules)
}

// noteBodyLogging fills in what the body says.
func (q *request) noteBodyLogging(l *record.Logging, rules *CallbackRules) {
	if q.body == nil {
		return
	}
	if off, _ := q.body.Get("no-log"); string(off) == "true" && !rules.Insist {
		l.Off = true
	}
	raw, ok := q.body.Get("metadata")
	if !ok {
		return
	}
	metadata, err := jsonscan.InnerObject(raw, nil)
	if err != nil {
		return // a text, mostly
	}
	l.MaskInput, l.MaskOutput = isTrue(metadata, "mask_input"), isTrue(metadata, "mask_output")
}

// isTrue reports whether a member is true, or a text that says so.
func isTrue(members []jsonscan.Member, name string) bool {
	value, _ := jsonscan.Find(members, name)
	return string(value) == "true" || strings.EqualFold(openai.StringMember(members, name), "true")
}

// redactByHeader is what the caller says of its texts in callbacks (LiteLLM's headers); nil = nothing.
func redactByHeader(h http.Header) *bool {
	for _, name := range [...]string{"X-Litellm-Enable-Message-Redaction", "Litellm-Enable-Message-Redaction"} {
		if strings.EqualFold(h.Get(name), "true") {
			return new(true)
		}
	}
	for _, name := range [...]string{"Litellm-Disable-Message-Redaction", "X-Litellm-Disable-Message-Redaction"} {
		if strings.EqualFold(h.Get(name), "true") {
			return new(false)
		}
	}
	return nil
}

// noteOwnCallbacks fills in the accounts of key and team: the key's stand in place of the team's.
func (q *request) noteOwnCallbacks(l *record.Logging, rules *CallbackRules) {
	if key := q.caller.Key; key != nil {
		l.Disabled = append(l.Disabled, callback.Disabled(key.Metadata)...)
		l.Own = callback.Owned(key.Metadata, "key:"+key.Token, rules.Vars)
	}
	team := q.caller.Team
	if team == nil {
		return
	}
	if len(l.Own) == 0 {
		l.Own = callback.Owned(team.Metadata, "team:"+team.TeamID, rules.Vars)
	}
	if len(l.Own) == 0 {
		l.Own = rules.Teams[team.TeamID]
	}
	if len(l.Own) == 0 && callback.SwitchedOff(team.Metadata) {
		l.Off = true
	}
}
