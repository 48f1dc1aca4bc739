package otel

import (
	"cmp"
	"crypto/rand"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tollgate/internal/callback"
	"tollgate/internal/callback/otlp"
	"tollgate/internal/setting"
)

// Bounds of one request, in bytes: a Collector takes 4 MiB by gRPC, 20 MiB by HTTP unless it is told otherwise.
const (
	longestGRPC = 3500 << 10
	longestHTTP = 8 << 20
)

// Open reads LiteLLM's variables and OpenTelemetry's, and the settings that stand for them: exporter, endpoint, headers,
// service_name, environment_name, model_id, compression, timeout, insecure, message_logging, metrics, events, log_lines,
// attributes. Each signal's own variables (OTEL_EXPORTER_OTLP_TRACES_ENDPOINT ...) are stronger.
func Open(spec callback.Spec) (callback.Callback, error) {
	m := spec.Settings
	if spec.Own {
		m.Fault("", "keys and teams have no otel of their own: configure it for the gateway, whose spans name key and team")
		return nil, m.Err()
	}
	word := strings.ToLower(m.Getenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"))
	x := &Exporter{
		source:  otlp.Source{Resource: resource(m, spec.Version), Scope: cmp.Or(m.Getenv("OTEL_TRACER_NAME"), "litellm"), Version: spec.Version},
		sampler: readSampler(m),
		content: m.Flag("message_logging", captured(word)),
		events:  m.Flag("events", false, "LITELLM_OTEL_INTEGRATION_ENABLE_EVENTS"),
		lines:   m.Flag("log_lines", false),
		batch:   batchOf(m),
		log:     spec.Log,
	}
	withMetrics := m.Flag("metrics", false, "LITELLM_OTEL_INTEGRATION_ENABLE_METRICS")
	labels := readLabels(m)
	out := &wires{spec: &spec, dialled: map[string]*line{}}
	if sends(m, "TRACES") {
		x.traces, x.longest = out.sender(otlp.Traces)
	}
	if (x.events || x.lines) && sends(m, "LOGS") {
		var longest int
		x.logs, longest = out.sender(otlp.Logs)
		x.longest = min(cmp.Or(x.longest, longest), longest)
	}
	if withMetrics && sends(m, "METRICS") {
		x.metrics = out.metrics(x, labels)
	}
	if m.Getenv("OTEL_SDK_DISABLED") == "true" {
		x.traces, x.logs, x.metrics = nil, nil, nil
	}
	if err := m.Err(); err != nil {
		out.hangUp()
		return nil, err
	}
	for _, l := range out.dialled {
		otlp.CloseWith(x, l.conn)
	}
	return x, nil
}

// sends reports whether a signal is sent (OTEL_TRACES_EXPORTER and its like).
func sends(m *setting.Map, signal string) bool { return m.Getenv("OTEL_"+signal+"_EXPORTER") != "none" }

// batchOf is how the backend likes its batches.
func batchOf(m *setting.Map) callback.Batch {
	return callback.Batch{
		Events: m.Int("batch_size", callback.StandardBatch, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE"),
		Every:  max(time.Duration(m.Int("schedule_delay", int(callback.StandardEvery/time.Millisecond), "OTEL_BSP_SCHEDULE_DELAY"))*time.Millisecond, time.Millisecond),
	}
}

// resource says who sends.
func resource(m *setting.Map, version string) otlp.Attrs {
	known := pairs(m.Getenv("OTEL_RESOURCE_ATTRIBUTES"))
	service := cmp.Or(m.Text("service_name", "OTEL_SERVICE_NAME"), known.Get("service.name"), "litellm")
	environment := cmp.Or(m.Text("environment_name", "OTEL_ENVIRONMENT_NAME"), known.Get("deployment.environment.name"), known.Get("deployment.environment"), "production")
	set := map[string]string{
		"service.name": service, "deployment.environment": environment, "deployment.environment.name": environment,
		"model_id":        cmp.Or(m.Text("model_id", "OTEL_MODEL_ID"), service),
		"service.version": version, "service.instance.id": rand.Text(),
		"telemetry.sdk.name": "tollgate", "telemetry.sdk.language": "go", "telemetry.sdk.version": version,
	}
	var a otlp.Attrs
	for name := range known {
		if _, ours := set[name]; !ours || name == "service.version" || name == "service.instance.id" {
			a.Text(name, known.Get(name))
			delete(set, name)
		}
	}
	for name, value := range set {
		a.Text(name, value)
	}
	return a
}

// pairs reads "name=value,name=value" with values as in URLs, the form of OpenTelemetry's variables.
type pairList map[string]string

// Get is a value, "" without one.
func (p pairList) Get(name string) string { return p[name] }

func pairs(text string) pairList {
	out := pairList{}
	for pair := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			continue
		}
		value = strings.TrimSpace(value)
		if plain, err := url.PathUnescape(value); err == nil {
			value = plain
		}
		out[strings.TrimSpace(name)] = value
	}
	return out
}

// header reads the headers of a signal.
func header(m *setting.Map, signal string) http.Header {
	h := http.Header{}
	if given, ok := m.Any("headers").(map[string]any); ok {
		for name, value := range given {
			text, ok := value.(string)
			if !ok {
				m.Fault("headers", "must be texts by name")
				continue
			}
			if before, variable, is := strings.Cut(text, "os.environ/"); is { // alone, or behind "Bearer "
				text = before + m.Getenv(variable)
			}
			h.Set(name, text)
		}
		return h
	}
	for name, value := range pairs(variable(m, "headers", signal, "HEADERS", "OTEL_HEADERS")) {
		h.Set(name, value)
	}
	return h
}

// variable is a setting of a signal: its own variable, the setting, that of all signals, and LiteLLM's older names.
func variable(m *setting.Map, name, signal, suffix string, older ...string) string {
	if own := m.Getenv("OTEL_EXPORTER_OTLP_" + signal + "_" + suffix); own != "" {
		return own
	}
	return m.Text(name, append([]string{"OTEL_EXPORTER_OTLP_" + suffix}, older...)...)
}
