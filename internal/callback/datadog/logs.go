package datadog

import (
	"context"
	"encoding/json"
	"strings"

	"tollgate/internal/callback"
	"tollgate/internal/callback/post"
)

// The limits of the intake of logs, in bytes before compression.
const (
	mostLogs      = 1000
	longestBody   = 5_000_000
	longestLog    = 1_000_000
	logAgentPort  = 10518
	longestPrompt = 900_000 // of the texts of one log, so that it stays below longestLog
)

// Logs sends each call as one log.
type Logs struct {
	*site
	to    post.Poster
	batch callback.Batch
}

// OpenLogs reads the settings of the callback "datadog".
func OpenLogs(spec callback.Spec) (callback.Callback, error) {
	l := &Logs{site: readSite(spec, logAgentPort, "LITELLM_DD_AGENT_PORT")}
	l.to = l.poster(spec, "http-intake.logs", "/api/v2/logs")
	l.to.Gzip = true
	events := spec.Settings.Int("batch_size", callback.StandardBatch, "DD_BATCH_SIZE")
	if events < 1 || events > mostLogs {
		spec.Settings.Fault("batch_size", "must be from 1 to %d", mostLogs)
	}
	l.batch = callback.Batch{Events: events, Every: spec.Settings.Seconds("flush_interval", callback.StandardEvery)}
	if err := spec.Settings.Err(); err != nil {
		return nil, err
	}
	return l, nil
}

// Batch implements callback.Batcher.
func (l *Logs) Batch() callback.Batch { return l.batch }

// entry is one log.
type entry struct {
	Source  string `json:"ddsource"`
	Tags    string `json:"ddtags"`
	Host    string `json:"hostname"`
	Message string `json:"message"`
	Service string `json:"service"`
	Status  string `json:"status"`
}

// Deliver implements callback.Callback.
func (l *Logs) Deliver(ctx context.Context, batch []*callback.Event) error {
	return post.Batches(batch, l.encode, post.Limits{Count: mostLogs, Bytes: longestBody - 2}, func(logs [][]byte) error { return l.to.Post(ctx, post.Array(logs)) })
}

// encode is an event as a log. One that would be too long is sent without its texts, rather than cut off by Datadog in the
// middle of its JSON.
func (l *Logs) encode(e *callback.Event) ([]byte, error) {
	p := e.Payload
	if len(p.Messages) > longestPrompt/2 {
		p.Messages = json.RawMessage(`[{"role":"user","content":"left out by the gateway: too long for Datadog"}]`)
	}
	if len(p.Response) > longestPrompt/2 {
		p.Response = json.RawMessage(`{"text":"left out by the gateway: too long for Datadog"}`)
	}
	text, err := l.entry(&p)
	if err != nil || len(text) <= longestLog {
		return text, err
	}
	p.Messages, p.Response, p.ModelParameters, p.Metadata.Requester, p.Metadata.SpendLogs = nil, nil, nil, nil, nil
	return l.entry(&p)
}

func (l *Logs) entry(p *callback.Payload) ([]byte, error) {
	message, err := p.JSON()
	if err != nil {
		return nil, err
	}
	status := "info"
	if p.Status == callback.StatusFailure {
		status = "error"
	}
	return json.Marshal(entry{
		Source: l.source, Tags: strings.Join(l.tags(p), ","), Host: l.host, Message: string(message), Service: l.service, Status: status,
	})
}

// Ping sends a log that says that it is a test.
func (l *Logs) Ping(ctx context.Context) error {
	text, err := json.Marshal(entry{
		Source: l.source, Tags: strings.Join(l.tags(nil), ","), Host: l.host, Message: "tollgate check: this integration works", Service: l.service, Status: "info",
	})
	if err != nil {
		return err
	}
	return l.to.Post(ctx, post.Array([][]byte{text}))
}
