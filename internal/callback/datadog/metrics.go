package datadog

import (
	"cmp"
	"context"
	"encoding/json"
	"strconv"
	"time"

	"tollgate/internal/callback"
	"tollgate/internal/callback/post"
)

// Metrics sends LiteLLM's three metrics of each call.
type Metrics struct {
	*site
	to post.Poster
}

// longestSeries bounds one request, in bytes.
const longestSeries = 500_000

// The kinds of metrics (Datadog's numbers).
const (
	count = 1
	gauge = 3
)

// OpenMetrics reads the settings of the callback "datadog_metrics". An agent takes no metrics by HTTP.
func OpenMetrics(spec callback.Spec) (callback.Callback, error) {
	m := &Metrics{site: readSite(spec, logAgentPort, "LITELLM_DD_AGENT_PORT")}
	if m.agent != "" && m.base == "" {
		spec.Settings.Fault("dd_agent_host", "an agent takes no metrics this way: give DD_SITE and DD_API_KEY")
	}
	m.to = m.poster(spec, "api", "/api/v2/series")
	m.to.Gzip = true
	if err := spec.Settings.Err(); err != nil {
		return nil, err
	}
	return m, nil
}

type series struct {
	Metric string   `json:"metric"`
	Type   int      `json:"type"`
	Points []point  `json:"points"`
	Tags   []string `json:"tags"`
	Unit   string   `json:"unit,omitempty"`
}

type point struct {
	At    int64   `json:"timestamp"` // seconds since 1970
	Value float64 `json:"value"`
}

// Deliver implements callback.Callback.
func (m *Metrics) Deliver(ctx context.Context, batch []*callback.Event) error {
	encode := func(e *callback.Event) ([]byte, error) {
		text, err := json.Marshal(m.of(e))
		if err != nil {
			return nil, err
		}
		return text[1 : len(text)-1], nil // several, in one array with the others
	}
	return post.Batches(batch, encode, post.Limits{Bytes: longestSeries}, func(texts [][]byte) error { return m.send(ctx, post.Array(texts)) })
}

// of are the metrics of a call.
func (m *Metrics) of(e *callback.Event) []series {
	p := &e.Payload
	tags := m.site.tags(nil)
	for _, t := range [...][2]string{
		{"provider", p.Provider}, {"model_name", p.Model}, {"model_group", p.ModelGroup}, {"team", cmp.Or(p.Metadata.TeamAlias, p.Metadata.TeamID)},
		{"status_code", strconv.Itoa(e.HTTPStatus)},
	} {
		if t[1] != "" {
			tags = append(tags, t[0]+":"+tag(t[1]))
		}
	}
	at := int64(p.EndTime)
	total := p.EndTime - p.StartTime
	one := func(name string, kind int, value float64, unit string) series {
		return series{Metric: name, Type: kind, Points: []point{{at, value}}, Tags: tags, Unit: unit}
	}
	return []series{
		one("litellm.request.total_latency", gauge, total, "second"),
		one("litellm.llm_api.latency", gauge, max(total-p.HiddenParams.OverheadMS/1000, 0), "second"),
		one("litellm.llm_api.request_count", count, 1, "request"),
	}
}

func (m *Metrics) send(ctx context.Context, all json.RawMessage) error {
	return m.to.Post(ctx, append(append([]byte(`{"series":`), all...), '}'))
}

// Ping sends a metric of its own.
func (m *Metrics) Ping(ctx context.Context) error {
	text, err := json.Marshal([]series{{Metric: "litellm.tollgate.check", Type: gauge, Points: []point{{time.Now().Unix(), 1}}, Tags: m.site.tags(nil)}})
	if err != nil {
		return err
	}
	return m.send(ctx, text)
}
