package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"tollgate/internal/app"
	"tollgate/internal/callback"
	"tollgate/internal/price"
	"tollgate/internal/provider"
	"tollgate/internal/provider/compat"
	"tollgate/internal/telemetry"
)

// counting is a backend that counts what it takes.
type counting struct{ events *atomic.Int64 }

func (c counting) Deliver(_ context.Context, batch []*callback.Event) error {
	c.events.Add(int64(len(batch)))
	return nil
}

func (c counting) Ping(context.Context) error { return nil }

// BenchmarkCallbacks is the gateway's own part of a call with so many callbacks, what they do in the background included:
// both share the processors.
func BenchmarkCallbacks(b *testing.B) {
	for _, n := range []int{0, 1, 5} {
		for _, stream := range []bool{false, true} {
			b.Run(fmt.Sprintf("callbacks=%d/stream=%v", n, stream), func(b *testing.B) {
				var events atomic.Int64
				h := told(b, n, counting{&events})
				body := []byte(chat("m", `,"stream":`, fmt.Sprint(stream)))
				b.ReportAllocs()
				for b.Loop() {
					r := &http.Request{
						Method: "POST", URL: &url.URL{Path: "/v1/chat/completions"}, RemoteAddr: "127.0.0.1:1", ContentLength: int64(len(body)), Body: io.NopCloser(bytes.NewReader(body)),
						Header: http.Header{"Authorization": {"Bearer " + masterKey}, "Content-Type": {"application/json"}},
					}
					h.ServeHTTP(&discard{http.Header{}}, r)
				}
				b.ReportMetric(float64(events.Load())/float64(b.N), "events/op")
			})
		}
	}
}

// told opens a gateway with so many callbacks, queued on the disk.
func told(b *testing.B, n int, cb callback.Callback) http.Handler {
	var names []string
	openers := map[string]callback.Opener{}
	for i := range n {
		name := fmt.Sprint("c", i)
		names = append(names, name)
		openers[name] = func(callback.Spec) (callback.Callback, error) { return cb, nil }
	}
	a, found, err := app.Open(context.Background(), app.Options{
		Config: []byte("model_list:\n  - model_name: m\n    litellm_params: {model: openai/m, mock_response: hello}\ngeneral_settings: {master_key: " + masterKey +
			"}\nlitellm_settings:\n  callbacks: [" + strings.Join(names, ", ") + "]\n"),
		Version: "test", DataDir: b.TempDir(), Env: func(string) (string, bool) { return "", false },
		Providers: func(func(string) string, *price.Table) map[string]provider.Opener {
			return map[string]provider.Opener{"openai": compat.Open}
		},
		Integrations: app.Integrations{Callbacks: openers},
		NewLog:       func(bool, bool) (*slog.Logger, slog.Level) { return slog.New(slog.DiscardHandler), slog.LevelInfo },
		Metrics:      telemetry.NewMetrics(),
	})
	if err != nil {
		b.Fatalf("%v\n%v", err, found)
	}
	b.Cleanup(func() { _ = a.Close(context.Background()) })
	return a.Handler()
}
