// Package generic sends finished calls to any HTTP endpoint, as LiteLLM's generic_api: the payloads of a batch in one
// JSON array, as lines, or one by one.
package generic

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"tollgate/internal/callback"
	"tollgate/internal/callback/post"
)

// The forms of a body (log_format).
const (
	array  = "json_array"
	lines  = "ndjson"
	single = "single"
)

// The words of event_types.
const (
	success = "llm_api_success"
	failure = "llm_api_failure"
)

const (
	// longest bounds the body of one request, in bytes.
	longest = 20 << 20
	// atOnce is how many bodies are on their way at once where each holds one payload.
	atOnce = 4
)

// Endpoint is one address that takes payloads.
type Endpoint struct {
	to     post.Poster
	format string
	events []string // of success and failure; nil = both
	batch  callback.Batch
}

// Open reads endpoint (GENERIC_LOGGER_ENDPOINT), headers (GENERIC_LOGGER_HEADERS, "name=value,name=value"), log_format,
// event_types, timeout, batch_size and flush_interval.
func Open(spec callback.Spec) (callback.Callback, error) {
	m := spec.Settings
	e := &Endpoint{
		to:     post.Poster{Client: spec.Client, Timeout: m.Seconds("timeout", callback.Timeout)},
		format: m.Choice("log_format", array, lines, single),
		events: m.Texts("event_types"),
		batch: callback.Batch{
			Events: m.Int("batch_size", callback.StandardBatch, "DEFAULT_BATCH_SIZE"),
			Every:  m.Seconds("flush_interval", callback.StandardEvery, "DEFAULT_FLUSH_INTERVAL_SECONDS"),
		},
	}
	if spec.Own {
		m.Fault("", "keys and teams have no generic_api of their own: configure it for the gateway")
		return nil, m.Err()
	}
	e.to.URL = m.Need("endpoint", "GENERIC_LOGGER_ENDPOINT")
	if u, err := url.Parse(e.to.URL); e.to.URL != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		m.Fault("endpoint", "must be an http or https URL")
	}
	for _, name := range e.events {
		if name != success && name != failure {
			m.Fault("event_types", "knows %s and %s, not %s", success, failure, name)
		}
	}
	e.to.Header = headers(spec)
	if err := m.Err(); err != nil {
		return nil, err
	}
	return e, nil
}

// headers are those of every request.
func headers(spec callback.Spec) http.Header {
	m := spec.Settings
	h := http.Header{"Content-Type": {"application/json"}, "User-Agent": {"tollgate/" + spec.Version}}
	given := map[string]string{}
	if !m.Has("headers") {
		for pair := range strings.SplitSeq(m.Getenv("GENERIC_LOGGER_HEADERS"), ",") {
			if name, value, ok := strings.Cut(pair, "="); ok {
				given[strings.TrimSpace(name)] = strings.TrimSpace(value)
			}
		}
	} else if text, ok := m.Any("headers").(string); ok {
		for pair := range strings.SplitSeq(text, ",") {
			if name, value, ok := strings.Cut(pair, "="); ok {
				given[strings.TrimSpace(name)] = strings.TrimSpace(value)
			}
		}
	} else if !m.Into("headers", &given) {
		return h
	}
	for name, value := range given {
		if before, variable, is := strings.Cut(value, "os.environ/"); is { // alone, or behind "Bearer "
			value = before + m.Getenv(variable)
		}
		h.Set(name, value)
	}
	return h
}

// Batch implements callback.Batcher.
func (e *Endpoint) Batch() callback.Batch { return e.batch }

// wants reports whether the endpoint hears of an event.
func (e *Endpoint) wants(event *callback.Event) bool {
	name := success
	if event.Failed() {
		name = failure
	}
	return len(e.events) == 0 || slices.Contains(e.events, name)
}

// Deliver implements callback.Callback.
func (e *Endpoint) Deliver(ctx context.Context, batch []*callback.Event) error {
	if e.format == single {
		return post.Each(batch, atOnce, func(event *callback.Event) error {
			text, err := e.encode(event)
			if err != nil {
				return &post.Refused{Text: err.Error()}
			}
			if text == nil {
				return nil
			}
			return e.to.Post(ctx, text)
		})
	}
	return post.Batches(batch, e.encode, post.Limits{Bytes: longest}, func(texts [][]byte) error { return e.to.Post(ctx, e.body(texts)) })
}

// encode is an event's payload, nil when the endpoint does not hear of it.
func (e *Endpoint) encode(event *callback.Event) ([]byte, error) {
	if !e.wants(event) {
		return nil, nil
	}
	return event.Payload.JSON()
}

func (e *Endpoint) body(texts [][]byte) []byte {
	switch e.format {
	case single:
		return texts[0]
	case lines:
		return append(bytes.Join(oneLine(texts), []byte("\n")), '\n')
	}
	return post.Array(texts)
}

// oneLine are texts without line ends: a caller's JSON may have them between its members.
func oneLine(texts [][]byte) [][]byte {
	out := make([][]byte, len(texts))
	for i, t := range texts {
		if out[i] = t; bytes.IndexByte(t, '\n') >= 0 {
			var b bytes.Buffer
			_ = json.Compact(&b, t) // it was scanned on its way into the queue
			out[i] = b.Bytes()
		}
	}
	return out
}

// Ping sends a payload that says that it is a test.
func (e *Endpoint) Ping(ctx context.Context) error {
	now := float64(time.Now().UnixMilli()) / 1000
	p := callback.Payload{ID: "tollgate-check", CallType: "check", Status: callback.StatusSuccess, Model: "tollgate-check", StartTime: now, EndTime: now, RequestTags: []string{}}
	text, err := p.JSON()
	if err != nil {
		return err
	}
	return e.to.Post(ctx, e.body([][]byte{text}))
}
