package compat_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/egress"
	"tollgate/internal/jsonscan"
	"tollgate/internal/provider"
	"tollgate/internal/provider/compat"
)

func TestPost_BytesOnTheWire(t *testing.T) {
	got := make(chan string, 1)
	dial := func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		go func() {
			defer there.Close()
			buf := make([]byte, 64<<10)
			n := 0
			for !strings.Contains(string(buf[:n]), "END") {
				m, err := there.Read(buf[n:])
				if err != nil {
					return
				}
				n += m
			}
			got <- string(buf[:n])
			_, _ = io.WriteString(there, "HTTP/1.1 200 OK\r\nX-Request-Id: r1\r\nContent-Length: 8\r\n\r\n{\"a\": 1}")
		}()
		return here, nil
	}
	c := newClient(t, "http://upstream.test/v1/?tenant=7", func(o *compat.Options) {
		o.Egress = newEgress(t, dial)
		o.Header = http.Header{"X-Extra": {"1"}, "Accept-Encoding": {"zstd"}}
		o.Authorize = func(r *http.Request, body jsonscan.Parts) error {
			r.Header.Set("Authorization", fmt.Sprintf("Test %d %s %s", body.Len(), r.Host, r.URL.RequestURI()))
			return nil
		}
	})
	resp, err := c.Post(t.Context(), "/chat/completions?api-version=2", parts(`{"a":"ä`, `"}`, `END`), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := "POST /v1/chat/completions?tenant=7&api-version=2 HTTP/1.1\r\n" +
		"Host: upstream.test\r\n" +
		"User-Agent: tollgate\r\n" +
		"Content-Length: 13\r\n" +
		"Accept: application/json\r\n" +
		"Accept-Encoding: identity\r\n" +
		"Authorization: Test 13 upstream.test /v1/chat/completions?tenant=7&api-version=2\r\n" +
		"Content-Type: application/json\r\n" +
		"X-Extra: 1\r\n" +
		"\r\n" +
		`{"a":"ä"}END`
	if diff := cmp.Diff(want, <-got); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
	if string(resp.Body) != `{"a": 1}` || resp.Header.Get("X-Request-Id") != "r1" {
		t.Errorf("answer = %q, header %v", resp.Body, resp.Header)
	}
}

func TestPost_AnswersOfEverySizeArriveWhole(t *testing.T) {
	for _, size := range []int{0, 1, 4 << 10, 100 << 10, 1<<20 - 20, 1 << 20, 3 << 20} {
		for _, chunked := range []bool{false, true} {
			body := `{"data":"` + strings.Repeat("x", size) + `"}`
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if chunked {
					w.(http.Flusher).Flush()
				} else {
					w.Header().Set("Content-Length", fmt.Sprint(len(body)))
				}
				_, _ = io.WriteString(w, body)
			})
			c := newClient(t, s.URL)
			for range 2 { // the second time from a used buffer
				resp, err := c.Post(t.Context(), "/embeddings", parts(`{}`), nil)
				if err != nil || string(resp.Body) != body {
					t.Fatalf("size %d chunked %v: %v, %d bytes", size, chunked, err, len(resp.Body))
				}
			}
		}
	}
}

// TestPost_Failures has the answers of upstreams that are no success; the reasons, statuses and texts are LiteLLM's.
func TestPost_Failures(t *testing.T) {
	raw := func(head, body string) []string {
		return []string{"HTTP/1.1 " + head + "\r\nConnection: close\r\n\r\n" + body}
	}
	tests := []struct {
		name   string
		answer []string
		want   provider.UpstreamError // Header and Cause are not compared
		text   string
	}{
		{name: "OpenAI's envelope",
			answer: raw("429 Too Many Requests\r\nRetry-After: 7", `{"error":{"message":"Rate limit reached for gpt-4o","type":"tokens","param":null,"code":"rate_limit_exceeded"}}`),
			want:   provider.UpstreamError{Reason: provider.RateLimit, Status: 429, Message: "Rate limit reached for gpt-4o", Type: "tokens", Code: "rate_limit_exceeded", RetryAfter: 7 * time.Second},
			text:   "litellm.RateLimitError: RateLimitError: OpenAIException - Rate limit reached for gpt-4o"},
		{name: "Retry-After as a date",
			answer: raw("503 Service Unavailable\r\nRetry-After: Mon, 02 Nov 2026 12:00:30 GMT", `{"error":{"message":"overloaded"}}`),
			want:   provider.UpstreamError{Reason: provider.ServiceUnavailable, Status: 503, Message: "overloaded", RetryAfter: 30 * time.Second},
			text:   "litellm.ServiceUnavailableError: ServiceUnavailableError: OpenAIException - overloaded"},
		{name: "context window",
			answer: raw("400 Bad Request", `{"error":{"message":"This model's maximum context length is 8192 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}`),
			want:   provider.UpstreamError{Reason: provider.ContextWindow, Status: 400, Message: "This model's maximum context length is 8192 tokens.", Type: "invalid_request_error", Param: "messages", Code: "context_length_exceeded"},
			text:   "litellm.BadRequestError: litellm.ContextWindowExceededError: ContextWindowExceededError: OpenAIException - This model's maximum context length is 8192 tokens."},
		{name: "vLLM's flat error",
			answer: raw("404 Not Found", `{"object":"error","message":"The model does not exist.","type":"NotFoundError","param":null,"code":404}`),
			want:   provider.UpstreamError{Reason: provider.NotFound, Status: 404, Message: "The model does not exist.", Type: "NotFoundError", Code: "404"},
			text:   "litellm.NotFoundError: OpenAIException - The model does not exist."},
		{name: "FastAPI's detail",
			answer: raw("422 Unprocessable Entity", `{"detail":"field required"}`),
			want:   provider.UpstreamError{Reason: provider.Unprocessable, Status: 422, Message: "field required"},
			text:   "litellm.UnprocessableEntityError: OpenAIException - field required"},
		{name: "a proxy's page",
			answer: raw("502 Bad Gateway\r\nContent-Type: text/html", "<html>nginx</html>"),
			want:   provider.UpstreamError{Reason: provider.BadGateway, Status: 502, Message: "<html>nginx</html>"},
			text:   "litellm.BadGatewayError: OpenAIException - <html>nginx</html>"},
		{name: "a refusal cut short",
			answer: raw("401 Unauthorized\r\nContent-Length: 1000", `Incorrect API key`),
			want:   provider.UpstreamError{Reason: provider.Authentication, Status: 401, Message: "Incorrect API key"},
			text:   "litellm.AuthenticationError: AuthenticationError: OpenAIException - Incorrect API key"},
		{name: "a redirect",
			answer: raw("307 Temporary Redirect\r\nLocation: http://elsewhere.test/", ""),
			want:   provider.UpstreamError{Reason: provider.BadGateway, Status: 502, Message: "the upstream answered 307 Temporary Redirect without a readable error"},
			text:   "litellm.BadGatewayError: OpenAIException - the upstream answered 307 Temporary Redirect without a readable error"},
		{name: "200 with a page",
			answer: raw("200 OK", "<html>sign in</html>"),
			want:   provider.UpstreamError{Reason: provider.BadGateway, Status: 502, Billed: provider.MaybeBilled, Message: "the upstream answered 200 with a body that is no JSON object: expected a JSON object: line 1 column 1 (char 0)"},
			text:   "litellm.BadGatewayError: OpenAIException - the upstream answered 200 with a body that is no JSON object: expected a JSON object: line 1 column 1 (char 0)"},
		{name: "200 with nothing",
			answer: raw("200 OK", ""),
			want:   provider.UpstreamError{Reason: provider.BadGateway, Status: 502, Billed: provider.MaybeBilled, Message: "the upstream answered 200 with an empty body"},
			text:   "litellm.BadGatewayError: OpenAIException - the upstream answered 200 with an empty body"},
		{name: "200 with an error inside",
			answer: raw("200 OK", `{"error":{"message":"Provider returned error","code":429}}`),
			want:   provider.UpstreamError{Reason: provider.RateLimit, Status: 429, Billed: provider.MaybeBilled, Message: "Provider returned error", Code: "429"},
			text:   "litellm.RateLimitError: RateLimitError: OpenAIException - Provider returned error"},
		{name: "200 with OCI's flat error inside",
			answer: raw("200 OK", `{"code":"NotAuthorizedOrNotFound","message":"Entity with key x not found"}`),
			want:   provider.UpstreamError{Reason: provider.NotFound, Status: 404, Billed: provider.MaybeBilled, Message: "Entity with key x not found", Code: "NotAuthorizedOrNotFound"},
			text:   "litellm.NotFoundError: OpenAIException - Entity with key x not found"},
		{name: "200 compressed although identity was asked for",
			answer: raw("200 OK\r\nContent-Encoding: zstd", "\x28\xb5\x2f\xfd"),
			want:   provider.UpstreamError{Reason: provider.BadGateway, Status: 502, Billed: provider.MaybeBilled, Message: `the upstream encoded its answer as "zstd" although only identity was accepted`},
			text:   `litellm.BadGatewayError: OpenAIException - the upstream encoded its answer as "zstd" although only identity was accepted`},
		{name: "200 larger than it may be, by its header",
			answer: raw("200 OK\r\nContent-Length: 67108865", "{"),
			want:   provider.UpstreamError{Reason: provider.BadGateway, Status: 502, Billed: provider.MaybeBilled, Message: "the upstream's answer is larger than 67108864 bytes"},
			text:   "litellm.BadGatewayError: OpenAIException - the upstream's answer is larger than 67108864 bytes"},
		{name: "200 cut in the middle",
			answer: raw("200 OK\r\nContent-Length: 50", `{"choices":[`),
			want:   provider.UpstreamError{Reason: provider.Connection, Status: 500, Billed: provider.MaybeBilled, Message: "Connection error: the upstream could not be reached or broke off."},
			text:   "litellm.APIConnectionError: OpenAIException - Connection error: the upstream could not be reached or broke off."},
		{name: "no answer at all",
			answer: nil,
			want:   provider.UpstreamError{Reason: provider.Connection, Status: 500, Billed: provider.MaybeBilled, Message: "Connection error: the upstream could not be reached or broke off."},
			text:   "litellm.APIConnectionError: OpenAIException - Connection error: the upstream could not be reached or broke off."},
		{name: "no HTTP at all",
			answer: []string{"SSH-2.0-OpenSSH_9.2\r\n"},
			want:   provider.UpstreamError{Reason: provider.Connection, Status: 500, Billed: provider.MaybeBilled, Message: "Connection error: the upstream could not be reached or broke off."},
			text:   "litellm.APIConnectionError: OpenAIException - Connection error: the upstream could not be reached or broke off."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newWire(t, tt.answer...).client
			_, err := c.Post(t.Context(), "/chat/completions", parts(`{}`), nil)
			var got *provider.UpstreamError
			if !errors.As(err, &got) {
				t.Fatalf("error = %v, want an UpstreamError", err)
			}
			if got.Error() != tt.text {
				t.Errorf("text = %s\n want %s", got.Error(), tt.text)
			}
			bare := *got
			bare.Header, bare.Cause, tt.want.Provider = nil, nil, "OpenAI"
			if diff := cmp.Diff(tt.want, bare); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
			// A stream fails in the same way before its first byte.
			if _, err := c.Stream(t.Context(), "/chat/completions", parts(`{}`), nil); err == nil && !strings.HasPrefix(tt.name, "200") {
				t.Error("Stream accepted what Post refused")
			}
		})
	}
}

func TestPost_BoundsAnAnswerOfUnknownLength(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		block := make([]byte, 1<<20)
		for range 66 {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
	_, err := newClient(t, s.URL).Post(t.Context(), "/embeddings", parts(`{}`), nil)
	if err == nil || !strings.Contains(err.Error(), "larger than 67108864 bytes") {
		t.Errorf("error = %v", err)
	}
}

func TestPost_NeverFollowsARedirect(t *testing.T) {
	thief := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the request went elsewhere") })
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, thief.URL, http.StatusPermanentRedirect)
	})
	if _, err := newClient(t, s.URL).Post(t.Context(), "/chat/completions", parts(`{}`), nil); err == nil {
		t.Error("a redirect counts as an answer")
	}
}

func TestPost_UnreachableUpstreamIsNotBilled(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	untrusted := httptest.NewUnstartedServer(answer(200, "application/json", `{}`))
	untrusted.Config.ErrorLog = quietLog()
	untrusted.StartTLS()
	t.Cleanup(untrusted.Close)
	plain := serve(t, answer(200, "application/json", `{}`))
	for name, base := range map[string]string{
		"nobody listens":        closed.URL,
		"no such name":          "http://upstream.invalid",
		"unknown certificate":   untrusted.URL,
		"TLS to a plain server": strings.Replace(plain.URL, "http:", "https:", 1),
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, base, func(o *compat.Options) {
				if name == "no such name" {
					o.Egress = newEgress(t, func(context.Context, string, string) (net.Conn, error) {
						return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", IsNotFound: true}}
					})
				}
			})
			_, err := c.Post(t.Context(), "/chat/completions", parts(`{}`), nil)
			var got *provider.UpstreamError
			if !errors.As(err, &got) || got.Reason != provider.Connection || got.Billed != provider.NotBilled {
				t.Errorf("error = %#v", err)
			}
		})
	}
}

func TestPost_CancelledCallReturnsTheContextsError(t *testing.T) {
	arrived, release := make(chan struct{}), make(chan struct{})
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-release
	})
	defer close(release)
	c := newClient(t, s.URL)
	for name, call := range map[string]func(context.Context) error{
		"Post": func(ctx context.Context) error {
			_, err := c.Post(ctx, "/chat/completions", parts(`{}`), nil)
			return err
		},
		"Stream": func(ctx context.Context) error {
			_, err := c.Stream(ctx, "/chat/completions", parts(`{}`), nil)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			go func() { <-arrived; cancel() }()
			if err := call(ctx); err != context.Canceled {
				t.Errorf("error = %v, want context.Canceled itself", err)
			}
		})
		t.Run(name+" past its deadline", func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			go func() { <-arrived }()
			if err := call(ctx); err != context.DeadlineExceeded {
				t.Errorf("error = %v, want context.DeadlineExceeded itself", err)
			}
		})
	}
}

func TestPost_RefreshesOnceAfter401(t *testing.T) {
	refused := errors.New("identity service is away")
	tests := []struct {
		name       string
		valid      int32 // the credential that the upstream takes
		refreshErr error
		wantCalls  int32
		wantErr    bool
	}{
		{name: "the first is good", valid: 0, wantCalls: 1},
		{name: "the second is good", valid: 1, wantCalls: 2},
		{name: "none is good", valid: 9, wantCalls: 2, wantErr: true},
		{name: "no second to be had", valid: 1, refreshErr: refused, wantCalls: 1, wantErr: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var calls, credential atomic.Int32
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				if body, _ := io.ReadAll(r.Body); string(body) != `{"a":1}` {
					t.Errorf("body = %q", body)
				}
				if r.Header.Get("Authorization") != fmt.Sprint(tt.valid) {
					http.Error(w, `{"error":{"message":"expired"}}`, http.StatusUnauthorized)
					return
				}
				_, _ = io.WriteString(w, `{"ok":true}`)
			})
			c := newClient(t, s.URL, func(o *compat.Options) {
				o.Authorize = func(r *http.Request, _ jsonscan.Parts) error {
					r.Header.Set("Authorization", fmt.Sprint(credential.Load()))
					return nil
				}
				o.Refresh = func(context.Context) error {
					credential.Add(1)
					return tt.refreshErr
				}
			})
			_, err := c.Post(t.Context(), "/chat/completions", parts(`{"a"`, `:1}`), nil)
			if (err != nil) != tt.wantErr || calls.Load() != tt.wantCalls {
				t.Errorf("error = %v after %d calls", err, calls.Load())
			}
			var got *provider.UpstreamError
			if tt.wantErr && (!errors.As(err, &got) || got.Reason != provider.Authentication || got.Message != "expired") {
				t.Errorf("error = %v, want the upstream's own 401", err)
			}
			if tt.refreshErr != nil && !errors.Is(err, tt.refreshErr) {
				t.Errorf("error = %v, does not name the failed refresh as its cause", err)
			}
		})
	}
}

func TestPost_AuthorizeErrorIsReturnedAsItIs(t *testing.T) {
	s := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("a call went out without a credential") })
	want := errors.New("no key")
	c := newClient(t, s.URL, func(o *compat.Options) {
		o.Authorize = func(*http.Request, jsonscan.Parts) error { return want }
	})
	if _, err := c.Post(t.Context(), "/chat/completions", parts(`{}`), nil); err != want {
		t.Errorf("error = %v", err)
	}
}

func TestNewClient_RefusesBadBaseURLsWithoutRepeatingThem(t *testing.T) {
	for _, base := range []string{"", "api.openai.com/v1", "ftp://hush.test", "http://", "https://hush:hush@host/v1", "https://hush@host", "http://hush\x7f@host", "http://[::1"} {
		_, err := compat.NewClient(compat.Options{BaseURL: base, Egress: &egress.Egress{}})
		if err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%q: error = %v", base, err)
		}
	}
	if _, err := compat.NewClient(compat.Options{BaseURL: "http://host"}); err == nil {
		t.Error("a client without a way out was made")
	}
}
