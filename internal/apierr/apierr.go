// Package apierr is every refusal and failure as the caller sees it: LiteLLM's envelope, status, type and
// words. An Error is safe to show; what is not safe to show never enters one.
package apierr

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"
)

// Error is one answer to the caller that is not a success.
type Error struct {
	Status  int    // HTTP status
	Type    string // LiteLLM's or OpenAI's error type
	Param   string // "" becomes null
	Code    string // "" becomes the status as text, as LiteLLM's envelope has it
	Message string
	// Detail, when set, also stands beside the envelope as FastAPI's {"detail": ...}, for the few answers
	// that LiteLLM gives in that form alone: a text, or a value that marshals to JSON.
	Detail any
	// ProviderFields, when set, are the envelope's provider_specific_fields: what a guardrail's vendor has said of a call.
	ProviderFields map[string]any
	// Header is added to the response; may be nil.
	Header http.Header
	// Cause is for the log and never shown.
	Cause error
}

// Error gives the message shown to the caller.
func (e *Error) Error() string { return e.Message }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// WithHeader sets a response header and returns e.
func (e *Error) WithHeader(key, value string) *Error {
	if e.Header == nil {
		e.Header = http.Header{}
	}
	e.Header.Set(key, value)
	return e
}

// WithRetryAfter sets Retry-After in whole seconds, rounded up and at least one.
func (e *Error) WithRetryAfter(d time.Duration) *Error {
	seconds := int64((d + time.Second - 1) / time.Second)
	return e.WithHeader("Retry-After", strconv.FormatInt(max(seconds, 1), 10))
}

// NoRetry tells OpenAI's SDKs not to try again.
func (e *Error) NoRetry() *Error { return e.WithHeader("x-should-retry", "false") }

// Envelope is the JSON body of the error.
func (e *Error) Envelope() []byte {
	type inner struct {
		Message string         `json:"message"`
		Type    string         `json:"type"`
		Param   *string        `json:"param"`
		Code    string         `json:"code"`
		Fields  map[string]any `json:"provider_specific_fields,omitempty"`
	}
	body := struct {
		Error  inner `json:"error"`
		Detail any   `json:"detail,omitempty"`
	}{Error: inner{Message: e.Message, Type: e.Type, Code: e.Code, Fields: e.ProviderFields}, Detail: e.Detail}
	if e.Type == "" {
		body.Error.Type = TypeForStatus(e.Status)
	}
	if e.Param != "" {
		body.Error.Param = &e.Param
	}
	if e.Code == "" {
		body.Error.Code = strconv.Itoa(e.Status)
	}
	text, err := json.Marshal(body)
	if err != nil { // strings and a detail that is made to marshal
		panic(err)
	}
	return text
}

// Write answers with the error. Headers that w has already stay.
func (e *Error) Write(w http.ResponseWriter) {
	for k, v := range e.Header {
		w.Header()[k] = v
	}
	body := e.Envelope()
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(e.Status)
	_, _ = w.Write(body) // the caller may have gone; there is nobody left to tell
}

// From makes any error showable: an *Error as it is, everything else as a 500 that shows nothing from inside.
func From(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{
		Status: http.StatusInternalServerError, Type: "internal_server_error",
		Message: "Internal server error. The gateway's log has the cause under this request id.", Cause: err,
	}
}

// TypeForStatus is the type that the newest LiteLLM gives an error that has none of its own.
func TypeForStatus(status int) string {
	switch {
	case status == http.StatusUnauthorized:
		return "authentication_error"
	case status == http.StatusForbidden:
		return "permission_error"
	case status == http.StatusTooManyRequests:
		return "rate_limit_error"
	case status >= 500:
		return "internal_server_error"
	}
	return "invalid_request_error"
}
