package gateway_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tollgate/internal/app"
	"tollgate/internal/openai"
	"tollgate/internal/price"
	"tollgate/internal/provider"
	"tollgate/internal/provider/compat"
	"tollgate/internal/telemetry"
)

// badCloser is a provider whose streams panic when they are closed.
type badCloser struct{ provider.Chatter }

type badStream struct{ openai.Stream }

func (c badCloser) ChatStream(ctx context.Context, r *openai.Request) (openai.Stream, error) {
	s, err := c.Chatter.ChatStream(ctx, r)
	return badStream{s}, err
}

func (s badStream) Close() error {
	_ = s.Stream.Close()
	panic("cannot close")
}

// goneWriter is a caller who takes the headers and nothing more.
type goneWriter struct{ *httptest.ResponseRecorder }

func (goneWriter) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

// TestStreamThatPanicsWhenClosed: a call whose stream cannot be closed is logged and counted like any other, and the
// panic goes no further.
func TestStreamThatPanicsWhenClosed(t *testing.T) {
	u := newUpstream(t)
	u.handle = streaming(chunks)
	var log bytes.Buffer
	a, found, err := app.Open(t.Context(), app.Options{
		Config: []byte(strings.ReplaceAll(plain, "UPSTREAM", u.URL)),
		Env:    func(string) (string, bool) { return "", false },
		Providers: func(func(string) string, *price.Table) map[string]provider.Opener {
			return map[string]provider.Opener{"openai": func(s provider.Spec) (provider.Chatter, error) {
				c, err := compat.Open(s)
				return badCloser{c}, err
			}}
		},
		NewLog: func(bool, bool) (*slog.Logger, slog.Level) {
			return slog.New(slog.NewTextHandler(&log, nil)), slog.LevelInfo
		},
		Metrics: telemetry.NewMetrics(),
	})
	if err != nil {
		t.Fatalf("open: %v\n%v", err, found)
	}
	ask := func(w http.ResponseWriter, method, path, body string) {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+masterKey)
		a.Handler().ServeHTTP(w, r)
	}
	ask(goneWriter{httptest.NewRecorder()}, "POST", "/v1/chat/completions", chat("fast", `,"stream":true`))
	metrics := httptest.NewRecorder()
	ask(metrics, "GET", "/metrics", "")
	if err := a.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if text := log.String(); !strings.Contains(text, `panic="cannot close"`) || strings.Count(text, "msg=call ") != 1 {
		t.Errorf("log: %s", text)
	}
	if !strings.Contains(metrics.Body.String(), "tollgate_requests_in_flight 0\n") {
		t.Errorf("metrics: %s", metrics.Body)
	}
}
