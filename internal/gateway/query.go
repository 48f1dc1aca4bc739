package gateway

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"tollgate/internal/access"
	"tollgate/internal/apierr"
	"tollgate/internal/dispatch"
	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
)

// newQuery collects what a call asks of the router: from the body (LiteLLM's extra fields) and, where the body says
// nothing, from the headers.
func (q *request) newQuery() (*dispatch.Query, error) {
	f := fields{q: q}
	query := &dispatch.Query{
		Alias: q.alias, Operation: q.op, Header: q.r.Header, Tags: f.tags(),
		InputTokens: len(q.raw) / bytesPerToken, OutputTokens: f.whole("max_tokens", "max_completion_tokens"),
		Fallbacks:        f.fallbackList("fallbacks"),
		DisableFallbacks: f.flag("disable_fallbacks"), SpecificDeployment: f.flag("specific_deployment"),
		NumRetries: f.count("num_retries", "X-Litellm-Num-Retries", maxRetries), MaxFallbacks: f.count("max_fallbacks", "", maxFallbacks),
		Timeout:       f.seconds("X-Litellm-Timeout", "timeout", "request_timeout"),
		StreamTimeout: f.seconds("X-Litellm-Stream-Timeout", "stream_timeout"),
	}
	if len(query.Fallbacks) > maxFallbacks {
		f.wrong("fallbacks", fmt.Sprintf("at most %d names", maxFallbacks))
	}
	query.ContextWindowFallbacks = f.fallbackMap("context_window_fallbacks")
	query.ContentPolicyFallbacks = f.fallbackMap("content_policy_fallbacks")
	query.Mock = f.mock()
	f.seconds("", "keepalive_seconds") // for its error alone: where a stream begins nobody is left to refuse it
	return query, f.err
}

// What a caller may ask of the router for one call. Each attempt is a call of an upstream on the operator's account.
const (
	maxRetries   = 10
	maxFallbacks = 20
)

// bytesPerToken turns the length of a body into an estimate of its tokens; English text has about four characters each.
const bytesPerToken = 4

// fields reads optional members of a body; the first one of a wrong type is kept as err.
type fields struct {
	q   *request
	err error
}

func (f *fields) wrong(name, want string) {
	if f.err == nil {
		f.err = badBody(f.q.op, &openai.ParseError{Param: name, Message: fmt.Sprintf("Invalid type for '%s': expected %s.", name, want)})
	}
}

// decode reports whether the member is there and was decoded into v.
func (f *fields) decode(name string, v any, want string) bool {
	raw, ok := f.q.body.Get(name)
	if !ok {
		return false
	}
	if json.Unmarshal(raw, v) != nil {
		f.wrong(name, want)
		return false
	}
	return true
}

func (f *fields) flag(name string) bool {
	var b bool
	f.decode(name, &b, "a boolean")
	return b
}

// whole returns the first of the members that is a positive whole number, else 0. Wrong types are the upstream's to refuse.
func (f *fields) whole(names ...string) int {
	for _, name := range names {
		if raw, ok := f.q.body.Get(name); ok {
			if n, err := strconv.Atoi(string(raw)); err == nil && n > 0 {
				return n
			}
		}
	}
	return 0
}

// count reads a whole number up to most from the member, else from the header. A header that is no such number is
// ignored, as LiteLLM does, but one beyond most is refused too.
func (f *fields) count(name, header string, most int) *int {
	want := fmt.Sprintf("a whole number from 0 to %d", most)
	var n int
	if !f.decode(name, &n, want) {
		var err error
		if n, err = strconv.Atoi(f.q.r.Header.Get(header)); err != nil || n < 0 {
			return nil
		}
	}
	if n < 0 || n > most {
		f.wrong(name, want)
	}
	return &n
}

// seconds reads a time in seconds from the first of the members, else from the header; 0 when nobody says one.
func (f *fields) seconds(header string, names ...string) time.Duration {
	for _, name := range names {
		var s float64
		if f.decode(name, &s, "a number of seconds") {
			if s < 0 {
				f.wrong(name, "a number of seconds")
			}
			return asDuration(s)
		}
	}
	text := f.q.r.Header.Get(header)
	if text == "" {
		return 0
	}
	s, err := strconv.ParseFloat(text, 64)
	if err != nil || s < 0 {
		return 0
	}
	return asDuration(s)
}

func asDuration(seconds float64) time.Duration {
	const longest = 24 * 60 * 60
	if math.IsNaN(seconds) {
		return 0
	}
	return time.Duration(min(seconds, longest) * float64(time.Second))
}

// tags are metadata.tags, else the body's tags, else the x-litellm-tags header (a comma list).
func (f *fields) tags() []string {
	var metadata struct {
		Tags []string `json:"tags"`
	}
	raw, ok := f.q.body.Get("metadata")
	if text := openai.StringMember(f.q.body.Members, "metadata"); text != "" { // form-minded clients send it as a JSON text
		raw = []byte(text)
	}
	if ok && json.Unmarshal(raw, &metadata) != nil {
		f.wrong("metadata", "an object whose tags are a list of strings")
	}
	if metadata.Tags != nil {
		return metadata.Tags
	}
	var tags []string
	if f.decode("tags", &tags, "a list of strings") {
		return tags
	}
	for _, t := range strings.Split(f.q.r.Header.Get("X-Litellm-Tags"), ",") {
		if t = strings.TrimSpace(t); t != "" {
			tags = append(tags, t)
		}
	}
	return tags
}

const fallbackForm = "a list of model names, or of objects with a 'model'"

// fallbackList reads a list of names or of {model, ...overrides}.
func (f *fields) fallbackList(name string) []dispatch.Fallback {
	var entries []json.RawMessage
	if !f.decode(name, &entries, fallbackForm) {
		return nil
	}
	list, ok := parseFallbacks(entries)
	if !ok {
		f.wrong(name, fallbackForm)
	}
	return list
}

// fallbackMap reads LiteLLM's list of single-key maps, alias -> list.
func (f *fields) fallbackMap(name string) map[string][]dispatch.Fallback {
	const want = "a list of objects, each a model name with its list of fallbacks"
	var entries []map[string][]json.RawMessage
	if !f.decode(name, &entries, want) {
		return nil
	}
	out := map[string][]dispatch.Fallback{}
	for _, e := range entries {
		for alias, targets := range e {
			list, ok := parseFallbacks(targets)
			if !ok {
				f.wrong(name, want)
			}
			out[alias] = list
		}
	}
	return out
}

func parseFallbacks(entries []json.RawMessage) ([]dispatch.Fallback, bool) {
	list := make([]dispatch.Fallback, 0, len(entries))
	for _, raw := range entries {
		var model string
		if json.Unmarshal(raw, &model) == nil {
			list = append(list, dispatch.Fallback{Model: model})
			continue
		}
		members, err := jsonscan.Object(raw, nil)
		if err != nil {
			return nil, false
		}
		fb := dispatch.Fallback{Model: openai.StringMember(members, "model")}
		if fb.Model == "" {
			return nil, false
		}
		for _, m := range members {
			name := string(m.Name)
			if name == "model" {
				continue
			}
			if isCredential(name) { // an override chooses the upstream as little as the body itself
				return nil, false
			}
			fb.Overrides = append(fb.Overrides, jsonscan.Field{Name: name, Value: m.Value})
		}
		list = append(list, fb)
	}
	return list, true
}

// mockFields are for tests of fallbacks. They make the gateway answer without an upstream, or fail on purpose.
var mockFields = []string{"mock_response", "mock_tool_calls", "mock_delay", "mock_timeout", "mock_testing_fallbacks",
	"mock_testing_context_fallbacks", "mock_testing_content_policy_fallbacks", "mock_testing_rate_limit_error"}

func (f *fields) mock() dispatch.MockQuery {
	present := slices.ContainsFunc(mockFields, func(name string) bool { _, ok := f.q.body.Get(name); return ok })
	if !present {
		return dispatch.MockQuery{}
	}
	if f.q.caller.Role != access.ProxyAdmin && !f.q.snap.MockTesting {
		if f.err == nil {
			f.err = &apierr.Error{Status: http.StatusForbidden, Type: "permission_error", Param: "mock_response",
				Message: "mock_* parameters are for the master key only. Allow them for everybody with `general_settings.dangerously_allow_mock_testing_request_params: true`."}
		}
		return dispatch.MockQuery{}
	}
	m := dispatch.MockQuery{
		Delay: f.seconds("", "mock_delay"), Timeout: f.flag("mock_timeout"), Fallbacks: f.flag("mock_testing_fallbacks"),
		ContextFallbacks: f.flag("mock_testing_context_fallbacks"), ContentPolicyFallback: f.flag("mock_testing_content_policy_fallbacks"),
		RateLimitError: f.flag("mock_testing_rate_limit_error"),
	}
	f.decode("mock_response", &m.Response, "a string")
	if raw, ok := f.q.body.Get("mock_tool_calls"); ok {
		m.ToolCalls = raw
	}
	return m
}
