package provider

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Reason sorts upstream failures as LiteLLM's exception classes do; routing decides by it.
type Reason string

// The reasons, by LiteLLM's class names (BerriAI/litellm-docs, exception mapping).
const (
	BadRequest         Reason = "BadRequestError"
	ContextWindow      Reason = "ContextWindowExceededError"
	ContentPolicy      Reason = "ContentPolicyViolationError"
	Authentication     Reason = "AuthenticationError"
	PermissionDenied   Reason = "PermissionDeniedError"
	NotFound           Reason = "NotFoundError"
	Timeout            Reason = "Timeout"
	Unprocessable      Reason = "UnprocessableEntityError"
	Conflict           Reason = "APIError"
	RateLimit          Reason = "RateLimitError"
	Connection         Reason = "APIConnectionError"
	InternalServer     Reason = "InternalServerError"
	BadGateway         Reason = "BadGatewayError"
	ServiceUnavailable Reason = "ServiceUnavailableError"
)

// Billing says whether a failed call may have cost money.
type Billing int

// What is known of the cost of a failed call.
const (
	NotBilled   Billing = iota // refused before any work, or never sent
	MaybeBilled                // sent, and the outcome is unknown
)

// UpstreamError is a call that the upstream refused or that failed on its way.
type UpstreamError struct {
	Reason     Reason
	Status     int    // the status for the caller: the upstream's where it gave one
	Provider   string // LiteLLM's prefix of the text: "OCI", "OpenAI"
	Message    string // the upstream's own words, unwrapped and safe to show
	Type       string // the upstream's error type, "" when it gave none
	Param      string // the field at fault, "" when unknown
	Code       string // the upstream's own code, "" when it gave none
	RetryAfter time.Duration
	Header     http.Header // the upstream's response headers; may be nil
	Billed     Billing
	Cause      error // transport errors, for the log and errors.Is
}

// Error gives the text in LiteLLM's form: "litellm.RateLimitError: RateLimitError: OCIException - ...".
// The classes that repeat themselves there repeat here.
func (e *UpstreamError) Error() string {
	switch e.Reason {
	case Timeout:
		return "litellm.Timeout: APITimeoutError - Request timed out. " + e.Message
	case RateLimit, Authentication, InternalServer, ServiceUnavailable:
		return fmt.Sprintf("litellm.%s: %s: %sException - %s", e.Reason, e.Reason, e.Provider, e.Message)
	case ContextWindow, ContentPolicy:
		return fmt.Sprintf("litellm.BadRequestError: litellm.%s: %s: %sException - %s", e.Reason, e.Reason, e.Provider, e.Message)
	}
	return fmt.Sprintf("litellm.%s: %sException - %s", e.Reason, e.Provider, e.Message)
}

// Unwrap gives the transport's error.
func (e *UpstreamError) Unwrap() error { return e.Cause }

// ReasonForStatus sorts a status of an upstream.
func ReasonForStatus(status int) Reason {
	switch status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge:
		return BadRequest
	case http.StatusUnauthorized:
		return Authentication
	case http.StatusForbidden:
		return PermissionDenied
	case http.StatusNotFound:
		return NotFound
	case http.StatusRequestTimeout, http.StatusGatewayTimeout:
		return Timeout
	case http.StatusConflict:
		return Conflict // may be over a moment later: OCI's IncorrectState, OpenAI's lock time-outs
	case http.StatusUnprocessableEntity:
		return Unprocessable
	case http.StatusTooManyRequests:
		return RateLimit
	case http.StatusBadGateway:
		return BadGateway
	case http.StatusServiceUnavailable:
		return ServiceUnavailable
	}
	if status >= 500 {
		return InternalServer
	}
	return BadRequest
}

// contextWindowMarks and contentPolicyMarks are phrases by which upstreams tell the two kinds of 400 that have
// fallbacks of their own.
var (
	contextWindowMarks = []string{"context_length_exceeded", "context length", "maximum context", "context window", "too many tokens", "input is too long", "prompt is too long", "exceeds the maximum number of tokens"}
	contentPolicyMarks = []string{"content_policy_violation", "content_filter", "content management policy", "responsible ai policy", "safety system", "error_toxic"}
)

// ErrorFromResponse sorts a refused call. body is the upstream's, in OpenAI's envelope, in OCI's flat
// {"code","message"} or anything else; a message that is itself JSON is unwrapped.
func ErrorFromResponse(providerName string, status int, header http.Header, body []byte, now time.Time) *UpstreamError {
	e := &UpstreamError{Provider: providerName, Status: status, Header: header, RetryAfter: RetryAfter(header, now)}
	e.Message, e.Type, e.Param, e.Code = readErrorBody(body, wrappings)
	if e.Message == "" {
		e.Message = fmt.Sprintf("the upstream answered %d %s without a readable error", status, http.StatusText(status))
	}
	if status < 400 {
		e.Status = http.StatusBadGateway
	}
	e.Reason = ReasonForStatus(e.Status)
	if e.Reason == Timeout {
		e.Billed = MaybeBilled
	}
	if e.Reason == BadRequest || e.Reason == Unprocessable {
		e.refine()
	}
	return e
}

func (e *UpstreamError) refine() {
	text := strings.ToLower(e.Code + " " + e.Type + " " + e.Message)
	for _, mark := range contextWindowMarks {
		if strings.Contains(text, mark) {
			e.Reason = ContextWindow
			return
		}
	}
	for _, mark := range contentPolicyMarks {
		if strings.Contains(text, mark) {
			e.Reason = ContentPolicy
			return
		}
	}
}

// wrappings is how many envelopes around an error's own object are taken off. OCI's around OpenAI's are two; one may
// come from a proxy on the way.
const wrappings = 3

// readErrorBody understands the shapes seen in the field: OpenAI's {"error":{...}}, xAI's {"code","error":"text"},
// OCI's {"code","message"} whose message may be one of the former as a JSON text, FastAPI's {"detail"}. What lies
// deeper than unwrap envelopes is the message as it stands.
func readErrorBody(body []byte, unwrap int) (message, typ, param, code string) {
	var flat struct {
		Error   json.RawMessage `json:"error"`
		Message json.RawMessage `json:"message"`
		Detail  json.RawMessage `json:"detail"`
		Type    any             `json:"type"`
		Param   any             `json:"param"`
		Code    any             `json:"code"`
	}
	if json.Unmarshal(body, &flat) != nil {
		return plain(body), "", "", ""
	}
	typ, param, code = text(flat.Type), text(flat.Param), text(flat.Code)
	for _, raw := range []json.RawMessage{flat.Error, flat.Message, flat.Detail} {
		if len(raw) == 0 || string(raw) == "null" {
			continue
		}
		inner := []byte(raw)
		var s string
		if json.Unmarshal(raw, &s) == nil {
			if !strings.HasPrefix(strings.TrimSpace(s), "{") {
				return clip(s), typ, param, code
			}
			inner = []byte(s)
		}
		if unwrap == 0 {
			return plain(inner), typ, param, code
		}
		m, t, p, c := readErrorBody(inner, unwrap-1)
		if m == "" {
			continue
		}
		return m, first(t, typ), first(p, param), first(c, code)
	}
	return "", typ, param, code
}

// plain is a text of unknown form as a message.
func plain(body []byte) string {
	return clip(strings.ToValidUTF8(strings.TrimSpace(string(body)), "?"))
}

func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// clip bounds what an upstream can put into our answers and logs.
func clip(s string) string {
	const longest = 4000
	if len(s) <= longest {
		return s
	}
	return strings.ToValidUTF8(s[:longest], "") + " ..."
}

// longestRetryAfter bounds what is believed of an upstream: a time stamp in the place of a duration, or a wrong unit,
// would take a deployment away for good.
const longestRetryAfter = 24 * time.Hour

// RetryAfter reads retry-after-ms and Retry-After (seconds or a date); 0 when neither says anything usable, which
// includes more than a day.
func RetryAfter(h http.Header, now time.Time) time.Duration {
	if d, ok := waitOf(h.Get("retry-after-ms"), time.Millisecond); ok {
		return d
	}
	v := strings.TrimSpace(h.Get("Retry-After"))
	if d, ok := waitOf(v, time.Second); ok {
		return d
	}
	if at, err := http.ParseTime(v); err == nil && at.After(now) && at.Sub(now) <= longestRetryAfter {
		return at.Sub(now)
	}
	return 0
}

// waitOf reads a number of units; ok is false unless it is a time within bounds.
func waitOf(number string, unit time.Duration) (d time.Duration, ok bool) {
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !(n > 0 && n <= float64(longestRetryAfter/unit)) { // compared before it could overflow; NaN is neither
		return 0, false
	}
	return time.Duration(n * float64(unit)), true
}
