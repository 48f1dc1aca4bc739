package egress

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"time"
)

// callKey is the key of a call's id in a context.
type callKey struct{}

// WithCall names the call that requests are made for, for debug logs.
func WithCall(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, callKey{}, id)
}

// shown is a transport that logs each request to an upstream and the status of its answer. It is used where debug logs are on.
type shown struct {
	way    http.RoundTripper
	log    *slog.Logger
	bodies bool
}

// shownHeaders are the headers that debug logs show: what is not here may hold a key.
var shownHeaders = []string{
	"Accept", "Content-Encoding", "Content-Length", "Content-Type", "Date", "Opc-Client-Request-Id", "Opc-Compartment-Id", "Opc-Request-Id", "Retry-After", "Server",
	"Traceparent", "User-Agent", "X-Request-Id",
}

// longestShown bounds what is shown of a body, in bytes.
const longestShown = 64 << 10

// RoundTrip implements http.RoundTripper. The query of the address is left out, since it may hold a key.
func (s *shown) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx := r.Context()
	call, _ := ctx.Value(callKey{}).(string)
	attrs := []slog.Attr{slog.String("call_id", call), slog.String("method", r.Method), slog.String("url", r.URL.Scheme+"://"+r.URL.Host+r.URL.EscapedPath()), harmless(r.Header)}
	if s.bodies {
		attrs = append(attrs, slog.String("body", s.body(r)))
	}
	s.log.LogAttrs(ctx, slog.LevelDebug, "upstream request", attrs...)
	started := time.Now()
	answer, err := s.way.RoundTrip(r)
	attrs = append(attrs[:0], slog.String("call_id", call), slog.Duration("duration", time.Since(started)))
	if err != nil {
		s.log.LogAttrs(ctx, slog.LevelDebug, "upstream answer", append(attrs, slog.Any("error", err))...)
		return nil, err
	}
	s.log.LogAttrs(ctx, slog.LevelDebug, "upstream answer", append(attrs, slog.Int("status", answer.StatusCode), harmless(answer.Header))...)
	return answer, nil
}

// harmless are the headers that may be shown.
func harmless(h http.Header) slog.Attr {
	var list []any
	for _, name := range shownHeaders {
		if v := h.Get(name); v != "" {
			list = append(list, slog.String(name, keyLike.ReplaceAllString(v, masked)))
		}
	}
	return slog.Group("header", list...)
}

// body is the beginning of what is sent, with what looks like a key masked. A body that can be read only once is not shown.
func (s *shown) body(r *http.Request) string {
	if r.GetBody == nil {
		return ""
	}
	b, err := r.GetBody()
	if err != nil {
		return ""
	}
	defer func() { _ = b.Close() }()
	text, _ := io.ReadAll(io.LimitReader(b, longestShown)) // what there is of it
	return keyLike.ReplaceAllString(string(text), masked)
}

// masked stands in place of what looks like a key.
const masked = "[key]"

// keyLike is what looks like a key or a token: those with the prefixes that vendors use, JSON Web Tokens, PEM, and members whose
// names say so.
var keyLike = regexp.MustCompile(`(?i)\b(?:sk|pk|rk|xox[abp]|gh[pousr]|glpat|AKIA|ASIA)[-_A-Za-z0-9]{12,}|\beyJ[-_A-Za-z0-9]{8,}\.[-_A-Za-z0-9.]+|-----BEGIN [A-Z ]+-----[^-]*(?:-----END [A-Z ]+-----)?|\bBearer\s+[^\s"\\]+` +
	`|"[^"]*(?:api_?key|secret|password|passphrase|token|authorization|private_key)"\s*:\s*"(?:[^"\\]|\\.)*"?`)
