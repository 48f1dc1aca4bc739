package gateway

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/jsonscan"
	"tollgate/internal/money"
	"tollgate/internal/openai"
	"tollgate/internal/price"
	"tollgate/internal/record"
)

// answer writes what the upstream gave, in one piece or as a stream.
func (q *request) answer() error {
	d := q.out.Deployment
	q.rec.Group, q.rec.Deployment, q.rec.Upstream = q.out.Group, d.ID, d.UpstreamID
	q.rec.Retries, q.rec.Fallbacks = q.out.Retries, q.out.Fallbacks
	if q.stream != nil {
		return q.answerStream()
	}
	return q.answerOnce()
}

func (q *request) answerOnce() error {
	var err error
	members := q.reply.Members
	if members == nil {
		if members, err = jsonscan.Object(q.reply.Body, make([]jsonscan.Member, 0, 12)); err != nil {
			return err
		}
	}
	if err := q.countReply(members); err != nil {
		return err
	}
	var set []jsonscan.Field
	if served, ok := jsonscan.Find(members, "model"); ok {
		set = append(set, jsonscan.Field{Name: "model", Value: q.modelInReply(served)})
	}
	if given, ok := jsonscan.Find(members, "choices"); ok && q.op == openai.OpChat {
		choices, err := q.rewrittenChoices(given)
		if err != nil {
			return err
		}
		if &choices[0] != &given[0] { // mostly the same bytes, which need no copy
			set = append(set, jsonscan.Field{Name: "choices", Value: choices})
		}
	}
	parts := jsonscan.Splice(q.reply.Body, members, set, nil)

	q.rec.RequestID = openai.StringMember(members, "id")
	q.keepReply(q.reply.Body)
	q.keepAnswer(parts)
	h := q.w.Header()
	q.replyHeaders(h, q.reply.Meta)
	if cost, ok := q.cost(); ok && cost != 0 {
		h["X-Litellm-Response-Cost"] = []string{cost.PythonFloat()}
	}
	h["Content-Type"] = []string{"application/json"}
	h["Content-Length"] = []string{strconv.FormatInt(parts.Len(), 10)}
	q.rec.Status, q.rec.Outcome = http.StatusOK, record.Success
	q.rec.FirstByte = time.Since(q.rec.Started)
	q.book()
	q.spendHeaders(h)
	if parts.Len() > fitsSocket { // else it leaves at once, whatever the caller does
		_ = http.NewResponseController(q.w).SetWriteDeadline(time.Now().Add(writeTimeout)) // not every writer in a test has one
	}
	q.w.WriteHeader(http.StatusOK)
	for _, part := range parts {
		if _, err := q.w.Write(part); err != nil {
			return err // the caller is gone: fail notes it
		}
	}
	return nil
}

// countReply notes once what the answer in one piece has used: as the upstream tells it, before guardrails change it. members
// are its top level, nil where nobody has scanned it.
func (q *request) countReply(members []jsonscan.Member) error {
	if q.counted {
		return nil
	}
	if members == nil {
		if members = q.reply.Members; members == nil {
			var err error
			if members, err = jsonscan.Object(q.reply.Body, make([]jsonscan.Member, 0, 12)); err != nil {
				return err
			}
		}
	}
	q.counted = true
	if raw, ok := jsonscan.Find(members, "usage"); ok {
		if u, ok := openai.ParseUsage(raw); ok {
			q.count(u)
		}
	}
	choices, _ := jsonscan.Find(members, "choices")
	if q.billsChars() {
		q.written = openai.ChoiceChars(choices)
	}
	if !q.rec.UsageKnown && q.op != openai.OpRerank { // whose price is by search
		q.rec.PromptTokens, q.rec.CompletionTokens, q.rec.Estimated = len(q.raw)/bytesPerToken, int(openai.Said(choices)), true
	}
	return nil
}

// rewrittenChoices are the choices of an answer in one piece as the caller gets them: choices itself where nothing changes.
func (q *request) rewrittenChoices(choices []byte) ([]byte, error) {
	var turns toolTurns
	choices, err := turns.mend(choices, "message")
	if err != nil || !q.mergesReasoning() {
		return choices, err
	}
	return mergeReasoning(choices)
}

// fitsSocket is a length that a socket's buffer takes, in bytes.
const fitsSocket = 64 << 10

// modelInReply is the name that the answer carries: what the caller asked for, or what really served where a
// fallback did or the path named the model (as LiteLLM restamps).
func (q *request) modelInReply(served []byte) []byte {
	if q.out.FellBack {
		return jsonscan.Text(q.out.Deployment.UpstreamID)
	}
	if q.asked == "" {
		if q.pathModel != "" {
			return served
		}
		return jsonscan.Text(q.alias)
	}
	return jsonscan.Text(q.asked)
}

// count notes the token counts of the upstream.
func (q *request) count(u openai.Usage) {
	q.usage = u
	q.rec.PromptTokens, q.rec.CompletionTokens = u.PromptTokens, u.CompletionTokens
	q.rec.CachedTokens, q.rec.CacheWrittenTokens, q.rec.ReasoningTokens = u.CachedTokens, u.CacheWrittenTokens, u.ReasoningTokens
	q.rec.UsageKnown = true
	q.out.Record(u)
}

// cost prices the call by the rates of the deployment that answered, and adds what attempts that failed may have been
// billed; ok is false where the price is not known.
func (q *request) cost() (cost money.USD, ok bool) {
	switch {
	case q.rec.CacheHit: // what it has cost to look is billed below
		ok = true
	case q.out != nil && q.out.Deployment != nil:
		if cost, ok = price.Cost(q.snap.Models.rates(q.out.Deployment), q.used()); !ok {
			return 0, false
		}
	}
	if q.billed > 0 {
		q.rec.Estimated = q.rec.Estimated || q.billed > q.cached.spent
		cost, ok = cost+q.billed, true
	}
	if ok {
		q.rec.Cost, q.rec.CostKnown = cost, true
	}
	return cost, ok
}

// used is what the call has used: as the upstream has told it, or estimated.
func (q *request) used() price.Usage {
	sent := q.sent
	if sent == nil {
		sent = q.body
	}
	u := price.Usage{
		Prompt: int64(q.rec.PromptTokens), Cached: int64(q.rec.CachedTokens), CacheWritten: int64(q.rec.CacheWrittenTokens), Completion: int64(q.rec.CompletionTokens),
		Reasoning: int64(q.rec.ReasoningTokens), PromptAudio: int64(q.usage.AudioInputTokens), CompletionAudio: int64(q.usage.AudioOutputTokens), PromptImage: int64(q.usage.ImageTokens),
		Queries: searches(sent), Service: serviceOf(sent),
	}
	if q.rec.UsageKnown || q.rec.Estimated { // else nothing was asked of the upstream that bills by characters
		r := q.snap.Models.rates(q.out.Deployment)
		if r.InputChar.Known {
			u.PromptChars = sent.Chars()
		}
		if r.OutputChar.Known {
			u.CompletionChars = q.written
		}
	}
	return u
}

// billsChars reports whether the deployment that answered bills the characters of its answers.
func (q *request) billsChars() bool { return q.snap.Models.rates(q.out.Deployment).OutputChar.Known }

// spendHeaders tell the key's spend, this call's cost included where it is known.
func (q *request) spendHeaders(h http.Header) {
	if spent, limit, ok := q.hold.KeySpend(); ok {
		h["X-Litellm-Key-Spend"] = []string{spent.PythonFloat()}
		if limit < money.Max { // a soft budget alone has no cap
			h["X-Litellm-Key-Max-Budget"] = []string{limit.PythonFloat()}
		}
		return
	}
	if q.caller.Key == nil {
		return
	}
	if spent, ok := q.g.spendings.add(account.KeyScope(q.rec.KeyHash), 0); ok {
		h["X-Litellm-Key-Spend"] = []string{spent.PythonFloat()}
	}
}

// replyHeaders sets the headers that tell how a call was served (LiteLLM's names, and ours where it has none).
func (q *request) replyHeaders(h http.Header, meta openai.Meta) {
	d := q.out.Deployment
	m := q.snap.Models.byID(d.ID)
	h["X-Litellm-Model-Id"] = []string{d.ID}
	h["X-Litellm-Model-Group"] = []string{q.out.Group}
	if m != nil && m.APIBase != "" {
		h["X-Litellm-Model-Api-Base"] = []string{m.APIBase}
	}
	h["X-Litellm-Key-Spend"] = []string{"0.0"}
	if q.outputCap > 0 {
		h["X-Tollgate-Output-Cap"] = []string{strconv.FormatInt(q.outputCap, 10)} // why an answer may end with "length"
	}
	q.spendHeaders(h)
	q.g.limitHeaders(h, q.pass.Remaining())
	if key := q.caller.Key; key != nil {
		limitOfKey(h, "X-Litellm-Key-Rpm-Limit", key.RPMLimit)
		limitOfKey(h, "X-Litellm-Key-Tpm-Limit", key.TPMLimit)
	}
	h["X-Litellm-Attempted-Retries"] = []string{strconv.Itoa(q.out.Retries)}
	h["X-Litellm-Attempted-Fallbacks"] = []string{strconv.Itoa(q.out.Fallbacks)}
	h["X-Tollgate-Served-Model"] = []string{d.UpstreamID}
	if len(meta.Dropped) > 0 {
		h["X-Tollgate-Dropped-Params"] = []string{strings.Join(meta.Dropped, ", ")}
	}
	q.g.upstreamHeaders(h, meta.Header)
	q.rec.UpstreamRequestID = upstreamID(meta.Header)
	var waited time.Duration
	for _, a := range q.out.Attempts {
		waited += a.Duration
	}
	q.rec.Upstreams = waited
	q.cacheHeaders(h)
	total := time.Since(q.rec.Started)
	h["X-Litellm-Response-Duration-Ms"] = []string{millis(total)}
	h["X-Litellm-Overhead-Duration-Ms"] = []string{millis(max(total-waited, 0))}
}

func limitOfKey(h http.Header, name string, limit *int64) {
	if limit != nil {
		h[name] = []string{strconv.FormatInt(*limit, 10)}
	}
}

func millis(d time.Duration) string {
	return strconv.FormatFloat(float64(d.Microseconds())/1000, 'f', -1, 64)
}

// upstreamID is the upstream's own id of the call, which its support asks for.
func upstreamID(h http.Header) string {
	for _, name := range [...]string{"Opc-Request-Id", "X-Request-Id", "Request-Id"} {
		if id := h.Get(name); id != "" {
			return clip(id)
		}
	}
	return ""
}

// withheld are upstream headers that concern the upstream's connection or its own sessions.
var withheld = []string{"Set-Cookie", "Connection", "Keep-Alive", "Transfer-Encoding", "Content-Length", "Www-Authenticate"}

// upstreamHeaders repeats the upstream's headers under LiteLLM's prefix, and its rate limits under their own names too.
func (g *Gateway) upstreamHeaders(h, upstream http.Header) {
	for name, values := range upstream {
		if len(values) == 0 || slices.Contains(withheld, name) {
			continue
		}
		h[g.headerNames.repeated(name)] = values[:1]
		if strings.HasPrefix(name, "X-Ratelimit-") {
			h[name] = values[:1]
		}
	}
}

// headerNames remembers under which name each upstream header is repeated, since upstreams send twenty of the same
// ones with every answer. Safe for concurrent use; the zero value is ready.
type headerNames struct {
	known sync.Map // name to name, both strings
	count atomic.Int64
}

// maxHeaderNames bounds what is remembered: an upstream may invent names.
const maxHeaderNames = 256

func (n *headerNames) repeated(name string) string {
	if v, ok := n.known.Load(name); ok {
		return v.(string)
	}
	long := "llm_provider-" + strings.ToLower(name)
	if n.count.Add(1) <= maxHeaderNames {
		n.known.Store(strings.Clone(name), long)
	}
	return long
}
