package dispatch

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tollgate/internal/apierr"
	"tollgate/internal/openai"
	"tollgate/internal/provider"
)

// statusClientGone is the status of a call that its caller left; nobody reads it, the ledger does.
const statusClientGone = 499

// kind sorts failures by what the router does about them.
type kind uint8

const (
	upstream    kind = iota // the upstream failed: retries, then fallbacks
	unavailable             // no deployment could be asked: no retry, but fallbacks
	callersOwn              // the request cannot succeed anywhere: neither
	gone                    // the caller left or the call's own time is up: neither, and nothing counts
)

// failure is why a call has no answer yet.
type failure struct {
	kind       kind
	reason     provider.Reason
	status     int
	text       string // LiteLLM's words for it
	typ        string // the error type of a failure of the router itself; "" else
	wait       time.Duration
	own        *apierr.Error // an error that is the answer as it stands
	cause      error
	billed     bool
	retries    int // retries made and allowed in the group that was asked first
	maxRetries int
	notes      string // what the router adds behind text
}

// Error gives the text with the router's notes, as LiteLLM's exceptions print.
func (f *failure) Error() string {
	text := f.text + f.notes
	if f.retries > 0 {
		text += fmt.Sprintf(" LiteLLM Retried: %d times, LiteLLM Max Retries: %d", f.retries, f.maxRetries)
	}
	return text
}

// api makes the caller's answer. The upstream's headers stay reachable through its Cause.
func (f *failure) api() *apierr.Error {
	if f.own != nil && f.notes == "" {
		return f.own
	}
	e := &apierr.Error{Status: f.status, Type: f.typ, Message: f.Error(), Cause: f.cause}
	if f.own != nil {
		e.Type, e.Param, e.Code, e.Header = f.own.Type, f.own.Param, f.own.Code, f.own.Header.Clone()
	}
	var ue *provider.UpstreamError
	if errors.As(f.cause, &ue) {
		e.Type, e.Param, e.Code = ue.Type, ue.Param, ue.Code
	}
	if f.wait > 0 {
		e = e.WithRetryAfter(f.wait)
	}
	return e
}

// classify sorts what an attempt returned.
func classify(err error) *failure {
	var ue *provider.UpstreamError
	if errors.As(err, &ue) {
		f := &failure{
			reason: ue.Reason, status: ue.Status, text: ue.Error(), wait: ue.RetryAfter,
			cause: err, billed: ue.Billed == provider.MaybeBilled,
		}
		if ue.Reason == provider.BadRequest || ue.Reason == provider.Unprocessable {
			f.kind = callersOwn
		}
		return f
	}
	var ae *apierr.Error
	if errors.As(err, &ae) {
		f := &failure{reason: provider.ReasonForStatus(ae.Status), status: ae.Status, text: ae.Message, own: ae, cause: err}
		if ae.Status < 500 {
			f.kind = callersOwn
		}
		return f
	}
	hidden := apierr.From(err)
	return &failure{reason: provider.InternalServer, status: hidden.Status, text: hidden.Message, own: hidden, cause: err}
}

// left is the failure of a call whose context has ended.
func left(ctx context.Context) *failure {
	err := context.Cause(ctx)
	f := &failure{kind: gone, status: statusClientGone, text: "Client disconnected the request", cause: err, billed: true}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		f.reason, f.status = provider.Timeout, http.StatusRequestTimeout
		f.text = "litellm.Timeout: APITimeoutError - Request timed out. The time for the whole call is up."
	}
	// errors.Is finds the context's own error beside its cause.
	f.cause = errors.Join(ctx.Err(), err)
	return f
}

// expired is the cause of a context that the router ended because a wait took too long.
type expired struct {
	what  string
	limit time.Duration
}

func (e *expired) Error() string {
	return fmt.Sprintf("%s Timeout passed=%s seconds", e.what, seconds(e.limit))
}

// Timeout makes it a timeout for net.Error's users.
func (e *expired) Timeout() bool { return true }

// upstreamError is the failure of an attempt whose context ended by e.
func (e *expired) upstreamError(d *Deployment) *provider.UpstreamError {
	return &provider.UpstreamError{
		Reason: provider.Timeout, Status: http.StatusRequestTimeout, Provider: d.Provider,
		Message: e.Error(), Billed: provider.MaybeBilled, Cause: e,
	}
}

// seconds prints a duration as a plain number of seconds: "0.5", "6000".
func seconds(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64)
}

// UnknownModel is the answer for a name that nothing serves.
func UnknownModel(op openai.Operation, name string) *apierr.Error {
	return &apierr.Error{
		Status: http.StatusBadRequest, Type: "invalid_request_error",
		Message: fmt.Sprintf("%s: Invalid model name passed in model=%s. Call `/v1/models` to view available models for your key.", op, clip(name)),
	}
}

// clip bounds what a caller's text adds to an answer.
func clip(s string) string {
	const longest = 256
	if len(s) <= longest {
		return s
	}
	return strings.ToValidUTF8(s[:longest], "") + "..."
}

// noDeployments is LiteLLM's answer when every deployment of a group cools or is at its limit.
func (r *Router) noDeployments(g *group, wait time.Duration, cooling []string) *failure {
	wait = max(wait, time.Second)
	typ, why := "rate_limit_error", ""
	if len(cooling) == len(g.targets) {
		typ, why = "all_deployments_in_cooldown", " All deployments for selected model are in cooldown."
	}
	return &failure{
		kind: unavailable, reason: provider.RateLimit, status: http.StatusTooManyRequests, wait: wait, typ: typ,
		text: fmt.Sprintf("No deployments available for selected model, Try again in %d seconds.%s Passed model=%s. pre-call-checks=%s, cooldown_list=%s",
			wholeSeconds(wait), why, g.name, pythonBool(r.o.EnablePreCallChecks), pythonList(cooling)),
	}
}

// crossedBudget is LiteLLM's answer when the budgets of all deployments, or of their providers, are spent. The caller's own
// budget has words of its own.
func crossedBudget(why error) *failure {
	f := &failure{kind: unavailable, reason: provider.RateLimit, status: http.StatusTooManyRequests, cause: why}
	if errors.As(why, &f.own) {
		f.kind, f.status, f.text = callersOwn, f.own.Status, f.own.Message
		return f
	}
	f.text = "No deployments available - crossed budget: " + why.Error()
	f.own = (&apierr.Error{Status: f.status, Type: "rate_limit_error", Message: f.text}).NoRetry() // it is not for seconds
	return f
}

func noSlots(wait time.Duration) *failure {
	return &failure{
		kind: unavailable, reason: provider.RateLimit, status: http.StatusTooManyRequests, wait: max(wait, time.Second),
		text: "litellm.RateLimitError: Deployment has all max_parallel_requests slots in use. Try again shortly.",
	}
}

func overLimit(t *target, c counts, wait time.Duration) *failure {
	text := fmt.Sprintf("litellm.RateLimitError: Model rate limit exceeded. RPM limit=%d, current usage=%d", t.RPM, c.requests)
	if t.RPM == 0 || c.requests < t.RPM {
		text = fmt.Sprintf("litellm.RateLimitError: Model rate limit exceeded. TPM limit=%d, current usage=%d", t.TPM, c.tokens)
	}
	return &failure{kind: unavailable, reason: provider.RateLimit, status: http.StatusTooManyRequests, wait: wait, text: text}
}

func windowExceeded(tokens int) *failure {
	return &failure{
		kind: unavailable, reason: provider.ContextWindow, status: http.StatusBadRequest,
		text: fmt.Sprintf("litellm.BadRequestError: litellm.ContextWindowExceededError: Context Window exceeded for given call. "+
			"No models have context window large enough for this call (context length: about %d input tokens).", tokens),
	}
}

func paused() *failure {
	return &failure{
		kind: unavailable, reason: provider.PermissionDenied, status: http.StatusForbidden,
		text: "litellm.PermissionDeniedError: Model is blocked",
	}
}

func tagsMiss(name string, tags []string) *failure {
	return &failure{
		kind: callersOwn, status: http.StatusUnauthorized,
		text: fmt.Sprintf("Not allowed to access model due to tags configuration. Passed model=%s and tags=%s", name, pythonList(tags)),
	}
}

func unknownGroup(op openai.Operation, name string) *failure {
	e := UnknownModel(op, name)
	return &failure{kind: callersOwn, status: e.Status, text: e.Message, own: e}
}

func wholeSeconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }

// pythonList prints names as Python prints a list of strings, which LiteLLM's messages hold.
func pythonList(names []string) string {
	var b strings.Builder
	b.WriteByte('[')
	for i, n := range names {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("'" + strings.ReplaceAll(clip(n), "'", `\'`) + "'")
	}
	b.WriteByte(']')
	return b.String()
}

func pythonBool(b bool) string {
	if b {
		return "True"
	}
	return "False"
}
