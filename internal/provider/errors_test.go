package provider_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
	"tollgate/internal/provider"
)

var now = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// The bodies are those seen in the field (OCI live traces in langchain-oci, litellm and Portkey issues; OpenAI's,
// xAI's and FastAPI's envelopes).
func TestErrorFromResponse(t *testing.T) {
	tests := []struct {
		name   string
		status int
		body   string
		want   provider.UpstreamError // what is compared: Reason, Status, Message, Type, Param, Code
		text   string
	}{
		{"OCI throttles", 429, `{"code":"TooManyRequests","message":"too many requests for the tenancy"}`,
			provider.UpstreamError{Reason: provider.RateLimit, Status: 429, Message: "too many requests for the tenancy", Code: "TooManyRequests"},
			"litellm.RateLimitError: RateLimitError: OCIException - too many requests for the tenancy"},
		{"OCI, OpenAI's refusal as a JSON text", 400, `{"code":"400","message":"{\"error\":{\"message\":\"Unsupported value\",\"type\":\"invalid_request_error\",\"param\":\"temperature\",\"code\":\"unsupported_value\"}}"}`,
			provider.UpstreamError{Reason: provider.BadRequest, Status: 400, Message: "Unsupported value", Type: "invalid_request_error", Param: "temperature", Code: "unsupported_value"},
			"litellm.BadRequestError: OCIException - Unsupported value"},
		{"OCI, xAI's refusal as a JSON text", 400, `{"code":"400","message":"{\"code\":\"Client specified an invalid argument\",\"error\":\"Invalid request content: Invalid function schema.\"}"}`,
			provider.UpstreamError{Reason: provider.BadRequest, Status: 400, Message: "Invalid request content: Invalid function schema.", Code: "Client specified an invalid argument"},
			"litellm.BadRequestError: OCIException - Invalid request content: Invalid function schema."},
		{"OCI, Cohere's refusal as a JSON text", 400, `{"code":"400","message":"{\"message\":\"invalid request: cannot specify message if the last entry in chat history contains tool results\"}"}`,
			provider.UpstreamError{Reason: provider.BadRequest, Status: 400, Message: "invalid request: cannot specify message if the last entry in chat history contains tool results", Code: "400"}, ""},
		{"OCI knows no such model", 404, `{"code":"NotAuthorizedOrNotFound","message":"authorization failed or resource not found"}`,
			provider.UpstreamError{Reason: provider.NotFound, Status: 404, Message: "authorization failed or resource not found", Code: "NotAuthorizedOrNotFound"},
			"litellm.NotFoundError: OCIException - authorization failed or resource not found"},
		{"a prompt that is too long", 400, `{"error":{"message":"This model's maximum context length is 128000 tokens","code":"context_length_exceeded"}}`,
			provider.UpstreamError{Reason: provider.ContextWindow, Status: 400, Message: "This model's maximum context length is 128000 tokens", Code: "context_length_exceeded"},
			"litellm.BadRequestError: litellm.ContextWindowExceededError: ContextWindowExceededError: OCIException - This model's maximum context length is 128000 tokens"},
		{"a content filter", 400, `{"error":{"message":"The response was filtered","code":"content_filter"}}`,
			provider.UpstreamError{Reason: provider.ContentPolicy, Status: 400, Message: "The response was filtered", Code: "content_filter"}, ""},
		{"FastAPI", 422, `{"detail":"no such field"}`, provider.UpstreamError{Reason: provider.Unprocessable, Status: 422, Message: "no such field"}, ""},
		{"no JSON", 503, "upstream connect error", provider.UpstreamError{Reason: provider.ServiceUnavailable, Status: 503, Message: "upstream connect error"},
			"litellm.ServiceUnavailableError: ServiceUnavailableError: OCIException - upstream connect error"},
		{"three envelopes", 400, `{"error":{"message":{"detail":{"message":"inside","code":"c3"},"code":"c2"}},"code":"c0"}`,
			provider.UpstreamError{Reason: provider.BadRequest, Status: 400, Message: "inside", Code: "c3"}, ""},
		{"a message that is deeper is shown as it stands", 400, `{"error":{"error":{"error":{"error":{"error":"deep"},"type":"t3"},"type":"t2"}},"code":"c0"}`,
			provider.UpstreamError{Reason: provider.BadRequest, Status: 400, Message: `{"error":"deep"}`, Type: "t3", Code: "c0"}, ""},
		{"thousands of envelopes", 500, strings.Repeat(`{"error":`, 9000) + `"x"` + strings.Repeat("}", 9000),
			provider.UpstreamError{Reason: provider.InternalServer, Status: 500, Message: strings.Repeat(`{"error":`, 9000)[36:4036] + " ..."}, ""},
		{"nothing", 502, "", provider.UpstreamError{Reason: provider.BadGateway, Status: 502, Message: "the upstream answered 502 Bad Gateway without a readable error"}, ""},
		{"a timeout of a gateway on the way", 504, "", provider.UpstreamError{Reason: provider.Timeout, Status: 504, Message: "the upstream answered 504 Gateway Timeout without a readable error"}, ""},
		{"a conflict", 409, `{"code":"IncorrectState","message":"busy"}`, provider.UpstreamError{Reason: provider.Conflict, Status: 409, Message: "busy", Code: "IncorrectState"},
			"litellm.APIError: OCIException - busy"},
		{"a redirect is no answer", 302, "", provider.UpstreamError{Reason: provider.BadGateway, Status: 502, Message: "the upstream answered 302 Found without a readable error"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := provider.ErrorFromResponse("OCI", tt.status, nil, []byte(tt.body), now)
			if got.Reason != tt.want.Reason || got.Status != tt.want.Status || got.Message != tt.want.Message || got.Type != tt.want.Type || got.Param != tt.want.Param || got.Code != tt.want.Code {
				t.Errorf("got %+v\nwant %+v", *got, tt.want)
			}
			if tt.text != "" && got.Error() != tt.text {
				t.Errorf("text %q, want %q", got.Error(), tt.text)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	tests := []struct {
		name, header, value string
		want                time.Duration
	}{
		{"seconds", "Retry-After", "7", 7 * time.Second},
		{"milliseconds win", "retry-after-ms", "250", 250 * time.Millisecond},
		{"a date", "Retry-After", "Wed, 25 Nov 2026 12:00:30 GMT", 30 * time.Second},
		{"a date of the past", "Retry-After", "Wed, 25 Nov 2026 11:00:00 GMT", 0},
		{"nonsense", "Retry-After", "soon", 0},
		{"negative", "Retry-After", "-3", 0},
		{"a day", "Retry-After", "86400", 24 * time.Hour},
		{"more than a day", "Retry-After", "86401", 0},
		{"a number that overflows", "Retry-After", "1e300", 0},
		{"infinite", "Retry-After", "Inf", 0},
		{"no number", "Retry-After", "NaN", 0},
		{"a date too far away", "Retry-After", "Wed, 25 Nov 2054 12:00:30 GMT", 0},
		{"a day in milliseconds", "retry-after-ms", "86400000", 24 * time.Hour},
		{"more than a day in milliseconds", "retry-after-ms", "86400001", 0},
		{"milliseconds that overflow", "retry-after-ms", "1e300", 0},
		{"infinite milliseconds", "retry-after-ms", "+Inf", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := http.Header{}
			h.Set(tt.header, tt.value)
			if got := provider.RetryAfter(h, now); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

// Milliseconds that cannot be meant leave the seconds in force.
func TestRetryAfter_SecondForm(t *testing.T) {
	h := http.Header{"Retry-After": {"7"}}
	h.Set("retry-after-ms", "1e18")
	if got := provider.RetryAfter(h, now); got != 7*time.Second {
		t.Errorf("%v, want 7s", got)
	}
}

func TestErrorFromTransport(t *testing.T) {
	dial := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	tests := []struct {
		name   string
		err    error
		reason provider.Reason
		billed provider.Billing
	}{
		{"refused", fmt.Errorf("post: %w", dial), provider.Connection, provider.NotBilled},
		{"no such host", &net.DNSError{Err: "no such host"}, provider.Connection, provider.NotBilled},
		{"broken off", &net.OpError{Op: "read", Err: errors.New("connection reset by peer")}, provider.Connection, provider.MaybeBilled},
		{"too late", &net.OpError{Op: "read", Err: timeout{}}, provider.Timeout, provider.MaybeBilled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := provider.ErrorFromTransport("OCI", tt.err)
			if got.Reason != tt.reason || got.Billed != tt.billed || !errors.Is(got, tt.err) {
				t.Errorf("%+v", got)
			}
			if strings.Contains(got.Error(), "refused") {
				t.Errorf("the text shows the transport's: %s", got)
			}
		})
	}
}

type timeout struct{}

func (timeout) Error() string { return "i/o timeout" }
func (timeout) Timeout() bool { return true }

// FuzzErrorBody: whatever an upstream sends as an error, the result is bounded, has a status for a caller and a text.
func FuzzErrorBody(f *testing.F) {
	for _, s := range []string{`{"error":{"message":"x"}}`, `{"code":"400","message":"{\"error\":\"y\"}"}`, `{"message":{"message":{"message":"z"}}}`, "\xff", `{"detail":[{"msg":"m"}]}`, strings.Repeat("x", 10000)} {
		f.Add(400, s)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		e := provider.ErrorFromResponse("OCI", status, nil, []byte(body), now)
		if e.Status < 400 || e.Message == "" || len(e.Message) > 5000 {
			t.Fatalf("%d %q: %+v", status, body, e)
		}
	})
}

func TestOutgoing(t *testing.T) {
	spec := provider.Spec{Model: "up", Defaults: []jsonscan.Field{{Name: "temperature", Value: []byte("0.1")}, {Name: "seed", Value: []byte("7")}}, Omit: []string{"user"}}
	tests := []struct{ name, in, want string }{
		{"the model is replaced in place", `{"model":"a","messages":[]}`, `{"model":"up","messages":[],"temperature":0.1,"seed":7}`},
		{"the caller's parameters win over defaults", `{"seed":1,"model":"a"}`, `{"seed":1,"model":"up","temperature":0.1}`},
		{"the gateway's fields stay here", `{"model":"a","metadata":{},"num_retries":2,"x":1}`, `{"model":"up","x":1,"temperature":0.1,"seed":7}`},
		{"omitted fields stay here", `{"model":"a","user":"u"}`, `{"model":"up","temperature":0.1,"seed":7}`},
		{"extra_body is merged, but chooses no model", `{"model":"a","extra_body":{"k":1,"model":"evil","api_base":"x"}}`, `{"model":"up","k":1,"temperature":0.1,"seed":7}`},
		{"a body without a model gets one", `{"messages":[]}`, `{"messages":[],"model":"up","temperature":0.1,"seed":7}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := openai.ParseRequest(openai.OpChat, []byte(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			parts, err := spec.Outgoing(r)
			if err != nil || string(parts.Bytes()) != tt.want {
				t.Errorf("%v\n got %s\nwant %s", err, parts.Bytes(), tt.want)
			}
		})
	}
}
