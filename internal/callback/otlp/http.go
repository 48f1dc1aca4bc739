package otlp

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"tollgate/internal/callback/post"
)

// HTTP sends one signal by OTLP/HTTP in protobuf.
type HTTP struct{ to post.Poster }

// Endpoint is where and how one signal is sent.
type Endpoint struct {
	Signal  Signal
	URL     string // the whole address of the signal; of gRPC scheme, host and port
	Header  http.Header
	Gzip    bool
	Timeout time.Duration // of one request
	Log     *slog.Logger  // is told what a backend has taken only in part
}

// NewHTTP makes a sender. client does not follow redirects.
func NewHTTP(e Endpoint, client *http.Client) *HTTP {
	h := e.Header.Clone()
	if h == nil {
		h = http.Header{}
	}
	h.Set("Content-Type", "application/x-protobuf")
	return &HTTP{post.Poster{
		Client: client, URL: e.URL, Header: h, Gzip: e.Gzip, Timeout: e.Timeout,
		Taken: func(answer, sent []byte) error { e.told(answer, sent); return nil },
	}}
}

// Send implements Sender.
func (h *HTTP) Send(ctx context.Context, body []byte) error { return h.to.Post(ctx, body) }

// told logs what a backend has not taken of a request that it has taken. It does not say of which events, and they must not
// be sent again.
func (e *Endpoint) told(answer, sent []byte) {
	rejected, why := e.Signal.partial(answer)
	if rejected > 0 || why != "" {
		e.Log.Warn("an OpenTelemetry backend has taken a batch in part", "signal", e.Signal, "rejected", rejected, "reason", post.Quotable([]byte(why), sent))
	}
}
