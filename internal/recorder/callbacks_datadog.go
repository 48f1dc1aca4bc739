package recorder

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// Datadog plays the intakes of logs, of spans of LLM observability and of metrics.
type Datadog struct {
	Key   string           // the DD-API-KEY that is taken
	Agent bool             // an agent: logs need no key
	Now   func() time.Time // nil = time.Now
	inbox
	logs   []DatadogLog
	spans  []DatadogSpan
	series []DatadogSeries
}

// DatadogLog is one log.
type DatadogLog struct {
	Source  string `json:"ddsource"`
	Tags    string `json:"ddtags"`
	Host    string `json:"hostname"`
	Message string `json:"message"`
	Service string `json:"service"`
	Status  string `json:"status"`
}

// DatadogSpan is one span, with the application that its request named.
type DatadogSpan struct {
	App      string             `json:"-"`
	Parent   string             `json:"parent_id"`
	Trace    string             `json:"trace_id"`
	ID       string             `json:"span_id"`
	Name     string             `json:"name"`
	Status   string             `json:"status"`
	Start    int64              `json:"start_ns"`
	Duration float64            `json:"duration"`
	Tags     []string           `json:"tags"`
	Session  string             `json:"session_id"`
	Meta     map[string]any     `json:"meta"`
	Metrics  map[string]float64 `json:"metrics"`
}

// DatadogSeries is one metric.
type DatadogSeries struct {
	Metric string `json:"metric"`
	Type   int    `json:"type"`
	Points []struct {
		At    int64   `json:"timestamp"`
		Value float64 `json:"value"`
	} `json:"points"`
	Tags []string `json:"tags"`
	Unit string   `json:"unit"`
}

// Limits of the intake of logs.
const (
	datadogBody = 5_000_000 // bytes before compression; their "5MB"
	datadogLogs = 1000
	datadogLog  = 1_000_000
)

// Logs are the logs that were taken.
func (d *Datadog) Logs() []DatadogLog {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]DatadogLog(nil), d.logs...)
}

// Spans are the spans that were taken.
func (d *Datadog) Spans() []DatadogSpan {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]DatadogSpan(nil), d.spans...)
}

// Series are the metrics that were taken.
func (d *Datadog) Series() []DatadogSeries {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]DatadogSeries(nil), d.series...)
}

// errors is how Datadog writes what went wrong.
func (d *Datadog) errors(text string) any {
	return map[string]any{"errors": []any{map[string]string{"status": "400", "title": "Bad Request", "detail": text}}}
}

// ServeHTTP implements http.Handler.
func (d *Datadog) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if d.arrive(w) {
		return
	}
	if r.Method != http.MethodPost {
		d.refuse(w, http.StatusMethodNotAllowed, d.errors, "%s is not taken", r.Method)
		return
	}
	logs := r.URL.Path == "/api/v2/logs"
	if r.Header.Get("Dd-Api-Key") != d.Key && !(d.Agent && logs) {
		d.refuse(w, http.StatusForbidden, d.errors, "the DD-API-KEY is wrong")
		return
	}
	if media, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); media != "application/json" {
		d.refuse(w, http.StatusBadRequest, d.errors, "the content type %q is not taken", media)
		return
	}
	body, long, err := unpacked(r, datadogBody)
	switch {
	case err != nil:
		d.refuse(w, http.StatusBadRequest, d.errors, "the body cannot be read: %v", err)
	case long:
		d.refuse(w, http.StatusRequestEntityTooLarge, d.errors, "the body has more than %d bytes", datadogBody)
	case logs:
		d.takeLogs(w, body)
	case r.URL.Path == "/api/intake/llm-obs/v1/trace/spans":
		d.takeSpans(w, body)
	case r.URL.Path == "/api/v2/series":
		d.takeSeries(w, body)
	default:
		d.refuse(w, http.StatusNotFound, d.errors, "there is no %s", r.URL.Path)
	}
}

func (d *Datadog) takeLogs(w http.ResponseWriter, body []byte) {
	var logs []DatadogLog
	if err := json.Unmarshal(body, &logs); err != nil {
		d.refuse(w, http.StatusBadRequest, d.errors, "the logs are no array of objects: %v", err)
		return
	}
	var raw []json.RawMessage
	_ = json.Unmarshal(body, &raw) // it was read before
	if len(logs) > datadogLogs {
		d.refuse(w, http.StatusRequestEntityTooLarge, d.errors, "%d logs are more than %d", len(logs), datadogLogs)
		return
	}
	for i := range logs {
		if logs[i].Message == "" {
			d.refuse(w, http.StatusBadRequest, d.errors, "log %d has no message", i)
			return
		}
		if len(raw[i]) > datadogLog { // the real one cuts it off and says nothing
			d.refuse(w, http.StatusBadRequest, d.errors, "log %d has %d bytes, and would be cut off", i, len(raw[i]))
			return
		}
		for _, tag := range strings.Split(logs[i].Tags, ",") {
			if tag != "" && !strings.Contains(tag, ":") {
				d.refuse(w, http.StatusBadRequest, d.errors, "log %d has a tag without a name: %q", i, tag)
				return
			}
		}
	}
	d.mu.Lock()
	d.logs = append(d.logs, logs...)
	d.mu.Unlock()
	accepted(w, "{}")
}

func accepted(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = w.Write([]byte(body)) // a caller who is gone is its own trouble
}

// kinds are those of LLM observability.
var kinds = map[string]bool{"llm": true, "embedding": true, "tool": true, "task": true, "retrieval": true, "workflow": true, "agent": true}

func (d *Datadog) takeSpans(w http.ResponseWriter, body []byte) {
	var in struct {
		Data struct {
			Type       string `json:"type"`
			Attributes struct {
				App   string        `json:"ml_app"`
				Tags  []string      `json:"tags"`
				Spans []DatadogSpan `json:"spans"`
			} `json:"attributes"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		d.refuse(w, http.StatusBadRequest, d.errors, "the spans cannot be read: %v", err)
		return
	}
	a := &in.Data.Attributes
	if in.Data.Type != "span" || a.App == "" || len(a.Spans) == 0 {
		d.refuse(w, http.StatusBadRequest, d.errors, "data.type, ml_app or spans is missing")
		return
	}
	for i := range a.Spans {
		if fault := d.spanFault(&a.Spans[i]); fault != "" {
			d.refuse(w, http.StatusBadRequest, d.errors, "span %d: %s", i, fault)
			return
		}
		a.Spans[i].App = a.App
	}
	d.mu.Lock()
	d.spans = append(d.spans, a.Spans...)
	d.mu.Unlock()
	w.WriteHeader(http.StatusAccepted)
}

// spanFault says why a span is not taken, "" when it is.
func (d *Datadog) spanFault(s *DatadogSpan) string {
	now := time.Now
	if d.Now != nil {
		now = d.Now
	}
	kind, _ := s.Meta["kind"].(string)
	switch {
	case s.Parent == "" || s.Trace == "" || s.ID == "" || s.Name == "":
		return "an id or the name is missing"
	case s.Status != "ok" && s.Status != "error":
		return "the status is " + s.Status
	case now().Sub(time.Unix(0, s.Start)) > 24*time.Hour:
		return "it is older than 24 hours"
	case s.Duration < 0:
		return "its duration is negative"
	case !kinds[kind]:
		return fmt.Sprintf("meta.kind is %q", kind)
	}
	for _, side := range [...]string{"input", "output"} {
		if fault := sideFault(s.Meta[side]); fault != "" {
			return side + ": " + fault
		}
	}
	return ""
}

// sideFault says what is wrong with an input or output.
func sideFault(v any) string {
	side, ok := v.(map[string]any)
	if !ok {
		return "it is no object"
	}
	messages, has := side["messages"].([]any)
	if !has {
		if _, isText := side["value"].(string); !isText {
			return "it has neither messages nor a value"
		}
		return ""
	}
	for _, m := range messages {
		message, _ := m.(map[string]any)
		if _, isText := message["content"].(string); !isText {
			return "a message's content is no text"
		}
		calls, _ := message["tool_calls"].([]any)
		for _, c := range calls {
			call, _ := c.(map[string]any)
			if _, isObject := call["arguments"].(map[string]any); !isObject {
				return "the arguments of a tool call are no object"
			}
		}
	}
	return ""
}

func (d *Datadog) takeSeries(w http.ResponseWriter, body []byte) {
	var in struct {
		Series []DatadogSeries `json:"series"`
	}
	if err := json.Unmarshal(body, &in); err != nil || len(in.Series) == 0 {
		d.refuse(w, http.StatusBadRequest, d.errors, "the series cannot be read, or there are none")
		return
	}
	for i, s := range in.Series {
		if s.Metric == "" || len(s.Points) == 0 || s.Type < 0 || s.Type > 3 {
			d.refuse(w, http.StatusBadRequest, d.errors, "series %d has no name, no points or no such type", i)
			return
		}
	}
	d.mu.Lock()
	d.series = append(d.series, in.Series...)
	d.mu.Unlock()
	accepted(w, `{"errors":[]}`)
}
