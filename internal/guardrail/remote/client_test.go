package remote_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/remote"
	"tollgate/internal/guardrail/remote/remotetest"
	"tollgate/internal/secret"
)

const key = "key-of-the-vendor-1234567890"

func open(t *testing.T, settings string, do http.RoundTripper) *remote.Client {
	t.Helper()
	spec := remotetest.Spec(t, settings, nil)
	if do != nil {
		spec.Client = &http.Client{Transport: do}
	}
	return remote.New("Vendor", &spec, secret.New(key))
}

// tripper answers without a network.
type tripper func(r *http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int, kind, body string, header ...string) tripper {
	return func(*http.Request) (*http.Response, error) {
		w := httptest.NewRecorder()
		w.Header().Set("Content-Type", kind)
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		w.WriteString(body)
		return w.Result(), nil
	}
}

func TestDo_errors(t *testing.T) {
	const judged = "my number is 123-45-6789 and that is secret"
	tests := []struct {
		name        string
		do          http.RoundTripper
		want        string
		unreachable bool
	}{
		{"401", answer(401, "application/json", `{"error":{"message":"Invalid API key"}}`), "Vendor: 401 Unauthorized: Invalid API key", false},
		{"a text as the error", answer(400, "application/json", `{"error":"no"}`), "Vendor: 400 Bad Request: no", false},
		{"FastAPI's", answer(422, "application/json", `{"detail":"no"}`), "Vendor: 422 Unprocessable Entity: no", false},
		{"AWS's", answer(400, "application/json", `{"message":"bad version"}`), "Vendor: 400 Bad Request: bad version", false},
		{"repeats the judged text", answer(400, "application/json", `{"error":"cannot read: my number is 123-45-6789"}`), "it gives no reason that can be shown", false},
		{"repeats the key", answer(401, "application/json", `{"error":"unknown key key-of-the-vendor-1234567890"}`), "it gives no reason that can be shown", false},
		{"HTML", answer(500, "text/html", `<html>oops`), "Vendor: 500 Internal Server Error: it gives no reason that can be shown", false},
		{"HTML with 200", answer(200, "text/html", `<html>log in`), "the reply is not JSON (Content-Type text/html)", false},
		{"JSON of another shape", answer(200, "application/json", `[1]`), "the reply has another shape than expected", false},
		{"not whole", answer(200, "application/json", `{"a":`), "the reply has another shape than expected", false},
		{"too large", answer(200, "application/json", `{"a":"`+strings.Repeat("x", 1<<20)+`"}`), "the reply is larger than 1 MB", false},
		{"a redirect", answer(302, "text/html", ``, "Location", "https://elsewhere.example/"), "it redirects, which is not followed", false},
		{"502", answer(502, "text/html", ``), "502 Bad Gateway", true},
		{"503", answer(503, "text/html", ``), "503 Service Unavailable", true},
		{"504", answer(504, "text/html", ``), "504 Gateway Timeout", true},
		{"no connection", tripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("dial: secret-host") }), "Vendor: it cannot be reached", true},
		{"429", answer(429, "application/json", `{"message":"slow down"}`, "Retry-After", "7"), "429 Too Many Requests: slow down", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out struct{ A string }
			err := open(t, `{}`, test.do).Do(t.Context(), remote.Call{URL: "https://vendor.example/x", Body: 1, Judged: []string{judged}}, &out)
			var e *remote.Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want %q", err, test.want)
			}
			if e.Unreachable() != test.unreachable {
				t.Errorf("unreachable is %v", e.Unreachable())
			}
			remotetest.Secretless(t, err.Error(), key, "123-45-6789", "secret-host")
			if e.Status == 429 && e.RetryAfter != 7*time.Second {
				t.Errorf("retry after %v", e.RetryAfter)
			}
		})
	}
}

func TestDo_timeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := tripper(func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() })
		for settings, want := range map[string]time.Duration{`{}`: guardrail.Timeout, `{"timeout": 2.5}`: 2500 * time.Millisecond} {
			start := time.Now()
			err := open(t, settings, hang).Do(t.Context(), remote.Call{URL: "https://vendor.example/"}, nil)
			var e *remote.Error
			if !errors.As(err, &e) || !e.Unreachable() || !strings.Contains(err.Error(), "did not answer within") {
				t.Errorf("got %v", err)
			}
			if took := time.Since(start); took != want {
				t.Errorf("%s: ended after %v", settings, took)
			}
		}
	})
}

// A caller who leaves ends the call at once, and the error is the context's: it says nothing of the vendor.
func TestDo_callerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		hang := tripper(func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() })
		time.AfterFunc(time.Second, cancel)
		if err := open(t, `{}`, hang).Do(ctx, remote.Call{URL: "https://vendor.example/"}, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

func TestDo_breaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, fine := 0, false
		c := open(t, `{}`, tripper(func(r *http.Request) (*http.Response, error) {
			if asked++; fine {
				return answer(200, "application/json", `{}`)(r)
			}
			return answer(500, "application/json", `{}`)(r)
		}))
		do := func() error { return c.Do(t.Context(), remote.Call{URL: "https://vendor.example/"}, nil) }
		for range 5 {
			if do() == nil {
				t.Fatal("no error")
			}
		}
		err := do()
		var e *remote.Error
		if !errors.As(err, &e) || !e.Unreachable() || asked != 5 {
			t.Fatalf("the open breaker: %v after %d calls", err, asked)
		}
		time.Sleep(11 * time.Second)
		if do() == nil || asked != 6 {
			t.Fatalf("one call tries again: %d", asked)
		}
		if do(); asked != 6 {
			t.Fatal("it is open again")
		}
		time.Sleep(11 * time.Second)
		fine = true
		for range 3 {
			if err := do(); err != nil {
				t.Fatal(err)
			}
		}
		if asked != 9 {
			t.Errorf("asked %d times", asked)
		}
	})
}

// One caller's bad request does not take the vendor away from the others.
// What one caller can bring about keeps nobody else's calls away.
func TestDo_breakerKeepsToTheVendor(t *testing.T) {
	for name, tt := range map[string]struct {
		do   tripper
		call remote.Call
	}{
		"a refusal":                        {answer(400, "application/json", `{"message":"too long"}`), remote.Call{}},
		"a language that the vendor lacks": {answer(500, "application/json", `{"error":"no such language"}`), remote.Call{Chosen: true}},
		"a reply as long as the text":      {answer(200, "application/json", strings.Repeat(" ", 2<<20)), remote.Call{}},
	} {
		asked := 0
		c := open(t, `{}`, tripper(func(r *http.Request) (*http.Response, error) {
			asked++
			return tt.do(r)
		}))
		tt.call.URL = "https://vendor.example/"
		for range 12 {
			_ = c.Do(t.Context(), tt.call, nil) // fails each time
		}
		if asked != 12 {
			t.Errorf("%s: asked %d times", name, asked)
		}
	}
}

func TestMerge_doesNotReplace(t *testing.T) {
	body := remote.Merge(map[string]any{"text": "judged"}, map[string]any{"text": "harmless", "user": "u"})
	if body["text"] != "judged" || body["user"] != "u" {
		t.Errorf("got %v", body)
	}
}

func TestBase_refuses(t *testing.T) {
	for _, base := range []string{"ftp://x", "https://user:pass@x", "x.example", "https://x?a=b", "https://"} {
		spec := remotetest.Spec(t, `{"api_base":"`+base+`"}`, nil)
		remote.Base(&spec, "api_base", "https://standard.example")
		if spec.Settings.Err() == nil {
			t.Errorf("%s was taken", base)
		}
	}
}
