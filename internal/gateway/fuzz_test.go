package gateway_test

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tollgate/internal/app"
	"tollgate/internal/price"
	"tollgate/internal/provider"
	"tollgate/internal/provider/compat"
	"tollgate/internal/telemetry"
)

// handler is a gateway whose one deployment answers without an upstream.
func handler(f testing.TB) http.Handler {
	a, found, err := app.Open(context.Background(), app.Options{
		Config:  []byte("model_list:\n  - model_name: m\n    litellm_params: {model: openai/m, mock_response: hello}\ngeneral_settings: {master_key: " + masterKey + "}\n"),
		Version: "test", Env: func(string) (string, bool) { return "", false },
		Providers: func(func(string) string, *price.Table) map[string]provider.Opener {
			return map[string]provider.Opener{"openai": compat.Open}
		},
		NewLog:  func(bool, bool) (*slog.Logger, slog.Level) { return slog.New(slog.DiscardHandler), slog.LevelInfo },
		Metrics: telemetry.NewMetrics(),
	})
	if err != nil {
		f.Fatalf("%v\n%v", err, found)
	}
	f.Cleanup(func() { _ = a.Close(context.Background()) })
	return a.Handler()
}

// FuzzHostAndPath sends requests without a key, spelled in every way that net/http lets through. Only the public
// pages may be answered with 200: what is decided must belong to what is served.
func FuzzHostAndPath(f *testing.F) {
	for _, s := range []struct{ target, host string }{
		{"/health/liveness", "x"}, {"/v1/models", "localhost/health/liveness?"}, {"http://a/v1/models", "b"}, {"//v1/models", "c"}, {"/%76%31/models", "d"},
		{"/v1/models/../../health", "e"}, {"/engines/m/chat/completions", "f"}, {"/openai/deployments/a/b/chat/completions", "g"}, {"/models/x%2fy", "h"}, {"*", "i"},
	} {
		f.Add(s.target, s.host)
	}
	h := handler(f)
	public := map[string]bool{"/": true, "/openapi.json": true, "/health/liveness": true, "/health/liveliness": true, "/health/readiness": true}
	f.Fuzz(func(t *testing.T, target, host string) {
		for _, method := range []string{"GET", "POST"} {
			r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 0\r\n\r\n", method, target, host))))
			if err != nil {
				return
			}
			r.RemoteAddr = "127.0.0.1:1"
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			served := strings.TrimSuffix(r.URL.Path, "/")
			if served == "" {
				served = "/"
			}
			if w.Code == http.StatusOK && !public[served] {
				t.Fatalf("%s %q (path %q) with Host %q: 200 without a key", method, target, r.URL.Path, host)
			}
		}
	})
}

// FuzzBody sends bodies of callers with a key. Whatever they hold, the answer is JSON in one of our shapes, and never
// an internal error.
func FuzzBody(f *testing.F) {
	for _, s := range []string{
		`{"model":"m","messages":[]}`, `{"model":"m","messages":[{"role":"user","content":"x"}],"stream":true,"stream_options":{"include_usage":true}}`, `{"model":"m","messages":[],"fallbacks":[{"model":"m","x":1}],"timeout":1}`,
		`{"model":"m","messages":[],"metadata":[1]}`, `{`, `[]`, "\xff", `{"model":"m","model":"n"}`, `{"mod\u0065l":"m","messages":[]}`, `{"model":"m","messages":[],"num_retries":1e99}`,
	} {
		f.Add(s)
	}
	h := handler(f)
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest("POST", "/v1/chat/completions", strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+masterKey)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Fatalf("%q: %d %s", body, w.Code, w.Body)
		}
		if ct := w.Header().Get("Content-Type"); ct != "application/json" && ct != "text/event-stream" {
			t.Fatalf("%q: content type %q", body, ct)
		}
		if w.Code != 200 && !strings.HasPrefix(w.Body.String(), `{"error":{"message":`) {
			t.Fatalf("%q: %d %s", body, w.Code, w.Body)
		}
	})
}
