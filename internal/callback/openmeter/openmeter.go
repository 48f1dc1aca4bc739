// Package openmeter meters finished calls at OpenMeter, which bills customers by them: one CloudEvent each, without texts.
package openmeter

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"tollgate/internal/callback"
	"tollgate/internal/callback/post"
)

const (
	standardEndpoint = "https://openmeter.cloud"
	standardType     = "litellm_tokens"
	source           = "litellm-proxy"
	// longest bounds one request, in bytes.
	longest = 1_000_000
)

// Meter sends each successful call as one event. It is safe for concurrent use.
type Meter struct {
	to   post.Poster
	kind string
}

// Open reads openmeter_api_key (OPENMETER_API_KEY), openmeter_api_endpoint (OPENMETER_API_ENDPOINT) and
// openmeter_event_type (OPENMETER_EVENT_TYPE).
func Open(spec callback.Spec) (callback.Callback, error) {
	m := spec.Settings
	if spec.Own {
		m.Fault("", "keys and teams have no meter of their own: configure it for the gateway")
		return nil, m.Err()
	}
	key := m.NeedSecret("openmeter_api_key", "OPENMETER_API_KEY")
	endpoint := strings.TrimSuffix(cmp.Or(m.Text("openmeter_api_endpoint", "OPENMETER_API_ENDPOINT"), standardEndpoint), "/")
	if !strings.HasPrefix(endpoint, "https://") && !strings.HasPrefix(endpoint, "http://") {
		m.Fault("openmeter_api_endpoint", "must be an http or https URL")
	}
	meter := &Meter{kind: cmp.Or(m.Text("openmeter_event_type", "OPENMETER_EVENT_TYPE"), standardType), to: post.Poster{
		Client: spec.Client, URL: endpoint + "/api/v1/events", Timeout: m.Seconds("timeout", callback.Timeout), Header: http.Header{
			"Content-Type": {"application/cloudevents-batch+json"}, "User-Agent": {"tollgate/" + spec.Version}, "Authorization": {"Bearer " + key.Reveal()},
		},
	}}
	if err := m.Err(); err != nil {
		return nil, err
	}
	return meter, nil
}

// event is a CloudEvent. OpenMeter counts one of an id and a source once, however often it comes.
type event struct {
	Version string         `json:"specversion"`
	Type    string         `json:"type"`
	ID      string         `json:"id"`
	Time    string         `json:"time"`
	Subject string         `json:"subject"`
	Source  string         `json:"source"`
	Data    map[string]any `json:"data"`
}

// Deliver implements callback.Callback. Calls that failed are not metered.
func (m *Meter) Deliver(ctx context.Context, batch []*callback.Event) error {
	encode := func(e *callback.Event) ([]byte, error) {
		if e.Failed() {
			return nil, nil
		}
		return json.Marshal(m.event(&e.Payload))
	}
	return post.Batches(batch, encode, post.Limits{Count: 100, Bytes: longest}, func(events [][]byte) error { return m.to.Post(ctx, post.Array(events)) })
}

// event is a call as it is metered: for the customer that it was made for, else for the user or the team of its key.
func (m *Meter) event(p *callback.Payload) event {
	subject := ""
	for _, s := range [...]string{p.EndUser, p.Metadata.UserID, p.Metadata.TeamID, p.Metadata.KeyAlias, p.Metadata.KeyHash, "unknown"} {
		if subject == "" {
			subject = s
		}
	}
	return event{
		Version: "1.0", Type: m.kind, ID: p.CallID, Time: time.UnixMicro(int64(p.EndTime * 1e6)).UTC().Format(time.RFC3339Nano), Subject: subject, Source: source,
		Data: map[string]any{
			"model": p.Model, "model_group": p.ModelGroup, "cost": p.ResponseCost, "prompt_tokens": p.PromptTokens, "completion_tokens": p.CompletionTokens,
			"total_tokens": p.TotalTokens,
		},
	}
}

// Ping sends an event of no tokens for a subject of its own.
func (m *Meter) Ping(ctx context.Context) error {
	now := float64(time.Now().UnixMicro()) / 1e6
	text, err := json.Marshal(m.event(&callback.Payload{CallID: "tollgate-check", EndUser: "tollgate-check", Model: "tollgate-check", EndTime: now}))
	if err != nil {
		return err
	}
	return m.to.Post(ctx, post.Array([][]byte{text}))
}
