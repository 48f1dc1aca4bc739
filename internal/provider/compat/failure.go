package compat

import (
	"context"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"

	"tollgate/internal/jsonscan"
	"tollgate/internal/provider"
)

// maxErrorBody bounds how much of a refusal is read, in bytes; its message is cut far shorter still.
const maxErrorBody = 256 << 10

// authorizeError carries Authorize's error past the transport's.
type authorizeError struct{ cause error }

// Error gives the cause's text.
func (e *authorizeError) Error() string { return e.cause.Error() }

// refused is the error of an answer that is no 2xx; it closes the body. A body that cannot be read in full is used as
// far as it came: the status says more than the broken connection.
func (c *Client) refused(ctx context.Context, resp *http.Response) error {
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return provider.ErrorFromResponse(c.o.Provider, resp.StatusCode, resp.Header, body, c.o.Now())
}

// broken is the error of an answer that came with a 2xx and makes no sense. The work behind it may be billed.
func (c *Client) broken(header http.Header, message string, cause error) *provider.UpstreamError {
	return &provider.UpstreamError{
		Reason: provider.BadGateway, Status: http.StatusBadGateway, Provider: c.o.Provider,
		Message: message, Header: header, Billed: provider.MaybeBilled, Cause: cause,
	}
}

// failedInside is the error of an error object that came inside a 2xx.
func (c *Client) failedInside(header http.Header, members []jsonscan.Member, body []byte) *provider.UpstreamError {
	e := provider.ErrorFromResponse(c.o.Provider, statusInside(members), header, body, c.o.Now())
	e.Billed = provider.MaybeBilled
	return e
}

// holdsError reports whether an object that came with a 2xx tells of a failure instead of an answer. Seen in the
// field: a top-level error beside or in place of choices (LiteLLM, vLLM, OpenRouter, Groq), vLLM's older
// {"object":"error","message"}, OCI's {"code","message"} and FastAPI's {"detail"}.
func holdsError(members []jsonscan.Member) bool {
	if present(members, "error") {
		return true
	}
	if object, _ := jsonscan.Find(members, "object"); string(object) == `"error"` {
		return true
	}
	for _, answer := range [...]string{"choices", "data", "results"} {
		if present(members, answer) {
			return false
		}
	}
	return present(members, "message") && present(members, "code") || present(members, "detail")
}

func present(members []jsonscan.Member, name string) bool {
	raw, ok := jsonscan.Find(members, name)
	return ok && string(raw) != "null"
}

// statusOfCode is the status that an error's code or type stands for, where it came inside a 2xx and so without one.
// The names are those of OpenAI's error page, Anthropic's, vLLM's and OCI's.
var statusOfCode = map[string]int{
	"invalid_request_error": 400, "bad_request_error": 400, "badrequesterror": 400, "invalid_prompt": 400, "invalidparameter": 400,
	"context_length_exceeded": 400, "content_filter": 400, "content_policy_violation": 400, "string_above_max_length": 400,
	"authentication_error": 401, "auth_error": 401, "invalid_api_key": 401, "notauthenticated": 401,
	"permission_error": 403, "not_found_error": 404, "notfounderror": 404, "model_not_found": 404, "notauthorizedornotfound": 404,
	"timeout": 408, "timeout_error": 408,
	"rate_limit_error": 429, "rate_limit_exceeded": 429, "throttling_error": 429, "insufficient_quota": 429, "toomanyrequests": 429,
	"overloaded_error": 503, "service_unavailable": 503, "service_unavailable_error": 503,
}

// statusInside is the status of an error that came inside a 2xx: its code when that is an HTTP status, what its code or
// type stands for, else 500.
func statusInside(members []jsonscan.Member) int {
	where := members
	if raw, ok := jsonscan.Find(members, "error"); ok {
		if inner, err := jsonscan.Object(raw, nil); err == nil {
			where = inner
		}
	}
	for _, name := range [...]string{"status", "status_code", "code", "type"} {
		raw, _ := jsonscan.Find(where, name)
		var text string
		if json.Unmarshal(raw, &text) != nil {
			text = string(raw) // a number
		}
		if n, err := strconv.Atoi(text); err == nil && n >= 400 && n <= 599 {
			return n
		}
		if n, ok := statusOfCode[strings.ToLower(text)]; ok {
			return n
		}
	}
	return http.StatusInternalServerError
}

// mediaType is the content type without its parameters, in lower case; "" when there is none.
func mediaType(h http.Header) string {
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		kind, _, _ = strings.Cut(h.Get("Content-Type"), ";")
	}
	return strings.ToLower(strings.TrimSpace(kind))
}
