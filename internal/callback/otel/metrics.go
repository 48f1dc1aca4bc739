package otel

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdkresource "go.opentelemetry.io/otel/sdk/resource"
	common "go.opentelemetry.io/proto/otlp/common/v1"

	"tollgate/internal/callback"
	"tollgate/internal/callback/otlp"
	"tollgate/internal/record"
	"tollgate/internal/setting"
)

// metrics counts calls by the conventions and sends the counts with each batch of events: no clock of its own runs, so that a
// reload leaves nothing behind. Safe for concurrent use; a nil one does nothing.
type metrics struct {
	reader   *sdkmetric.ManualReader
	exporter sdkmetric.Exporter

	duration, tokens, firstChunk, perChunk metric.Float64Histogram
	cost                                   metric.Float64Histogram

	mu   sync.Mutex
	sent time.Time // guarded by mu
}

// meters is LiteLLM's name of who counts (LITELLM_METER_NAME).
const meters = "litellm"

// The buckets of the conventions.
var (
	secondBuckets = []float64{0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92}
	tokenBuckets  = []float64{1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864}
	costBuckets   = []float64{0.00001, 0.0001, 0.001, 0.01, 0.1, 1, 10, 100}
)

// labels say which attributes metrics have (callback_settings.otel.attributes).
type labels struct{ include, exclude []string }

func readLabels(m *setting.Map) labels {
	var given struct {
		Include []string `json:"include_list"`
		Exclude []string `json:"exclude_list"`
	}
	m.Into("attributes", &given)
	return labels{given.Include, given.Exclude}
}

// filter is which attributes are kept.
func (l labels) filter(kv attribute.KeyValue) bool {
	name := string(kv.Key)
	return (len(l.include) == 0 || slices.Contains(l.include, name)) && !slices.Contains(l.exclude, name)
}

// metrics makes the counters and their way out; nil where it cannot be had.
func (w *wires) metrics(x *Exporter, keep labels) *metrics {
	v, ok := w.way("metrics")
	if !ok {
		return nil
	}
	exporter, err := w.metricExporter(&v)
	if err != nil {
		w.spec.Settings.Fault("endpoint", "%v", err)
		return nil
	}
	if exporter == nil {
		return nil
	}
	reader := sdkmetric.NewManualReader(sdkmetric.WithTemporalitySelector(exporter.Temporality))
	view := func(i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
		return sdkmetric.Stream{Name: i.Name, Description: i.Description, Unit: i.Unit, AttributeFilter: keep.filter}, true
	}
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithView(view), sdkmetric.WithResource(sdkresource.NewSchemaless(sdkAttrs(x.source.Resource)...)))
	name := w.spec.Settings.Getenv("LITELLM_METER_NAME")
	if name == "" {
		name = meters
	}
	m := &metrics{reader: reader, exporter: exporter}
	if err := m.open(provider.Meter(name, metric.WithInstrumentationVersion(w.spec.Version))); err != nil {
		w.spec.Settings.Fault("metrics", "%v", err)
		return nil
	}
	return m
}

// open makes the instruments.
func (m *metrics) open(meter metric.Meter) error {
	for _, one := range []struct {
		at          *metric.Float64Histogram
		name, about string
		unit        string
		buckets     []float64
	}{
		{&m.duration, "gen_ai.client.operation.duration", "How long upstreams took for calls.", "s", secondBuckets},
		{&m.tokens, "gen_ai.client.token.usage", "Tokens of calls.", "{token}", tokenBuckets},
		{&m.firstChunk, "gen_ai.client.operation.time_to_first_chunk", "How long the first chunk of streams took.", "s", secondBuckets},
		{&m.perChunk, "gen_ai.server.time_per_output_token", "How long each token of streams took behind the first.", "s", []float64{0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5}},
		{&m.cost, "gen_ai.usage.cost", "What calls cost.", "USD", costBuckets},
	} {
		h, err := meter.Float64Histogram(one.name, metric.WithDescription(one.about), metric.WithUnit(one.unit), metric.WithExplicitBucketBoundaries(one.buckets...))
		if err != nil {
			return err
		}
		*one.at = h
	}
	return nil
}

// metricExporter is the SDK's exporter, without attempts of its own.
func (w *wires) metricExporter(v *way) (sdkmetric.Exporter, error) {
	headers := map[string]string{}
	for name := range v.endpoint.Header {
		headers[name] = v.endpoint.Header.Get(name)
	}
	temporality := preference(w.spec.Settings.Getenv("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"))
	ctx := context.Background() // nothing is sent yet
	if !v.grpc {
		options := []otlpmetrichttp.Option{
			otlpmetrichttp.WithEndpointURL(v.endpoint.URL), otlpmetrichttp.WithHTTPClient(w.client(v)), otlpmetrichttp.WithHeaders(headers),
			otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig{}), otlpmetrichttp.WithTemporalitySelector(temporality),
		}
		if v.endpoint.Gzip {
			options = append(options, otlpmetrichttp.WithCompression(otlpmetrichttp.GzipCompression))
		}
		return otlpmetrichttp.New(ctx, options...)
	}
	conn := w.conn(v)
	if conn == nil {
		return nil, nil
	}
	delete(headers, "User-Agent") // gRPC has its own
	options := []otlpmetricgrpc.Option{
		otlpmetricgrpc.WithGRPCConn(conn), otlpmetricgrpc.WithHeaders(headers), otlpmetricgrpc.WithTimeout(v.endpoint.Timeout),
		otlpmetricgrpc.WithRetry(otlpmetricgrpc.RetryConfig{}), otlpmetricgrpc.WithTemporalitySelector(temporality),
	}
	return otlpmetricgrpc.New(ctx, options...)
}

// preference is which counts are sent: of all time, or since they were sent last.
func preference(word string) sdkmetric.TemporalitySelector {
	return func(sdkmetric.InstrumentKind) metricdata.Temporality {
		if strings.EqualFold(word, "delta") || strings.EqualFold(word, "lowmemory") { // all of ours are histograms
			return metricdata.DeltaTemporality
		}
		return metricdata.CumulativeTemporality
	}
}

// tell counts a batch and sends the counts: of batches that are full, and so follow each other closely, every few seconds.
func (m *metrics) tell(ctx context.Context, batch []*callback.Event, full bool) error {
	if m == nil {
		return nil
	}
	for _, e := range batch {
		m.count(ctx, e)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if full && time.Since(m.sent) < callback.StandardEvery {
		return nil
	}
	var all metricdata.ResourceMetrics
	if err := m.reader.Collect(ctx, &all); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, callback.Timeout)
	defer cancel()
	err := m.exporter.Export(ctx, &all)
	if err == nil {
		m.sent = time.Now()
	}
	return err
}

// count adds a call, where an upstream was asked for it. Its attributes are few, whatever callers do: what a caller names is
// among them only where it is a model that is configured.
func (m *metrics) count(ctx context.Context, e *callback.Event) {
	p := &e.Payload
	if e.Attempts == 0 {
		return
	}
	set := []attribute.KeyValue{
		attribute.String("gen_ai.operation.name", operation(p.CallType)), attribute.String("gen_ai.provider.name", providerName(p.Provider)),
		attribute.String("gen_ai.request.model", p.Model), attribute.String("gen_ai.response.model", p.Model), attribute.String("gen_ai.framework", "litellm"),
	}
	var server otlp.Attrs
	serverOf(&server, p.APIBase)
	set = append(set, sdkAttrs(server)...)
	with := metric.WithAttributes(set...)
	ended := with
	if e.Failed() {
		ended = metric.WithAttributes(append(slices.Clone(set), attribute.String("error.type", errorType(e)))...)
	}
	took := p.EndTime - p.StartTime
	first := took
	for i := range e.Steps {
		if s := &e.Steps[i]; s.Kind == record.StepAttempt {
			started := float64(s.Start.UnixMicro()) / 1e6
			took, first = p.EndTime-started, p.CompletionStartTime-started
		}
	}
	m.duration.Record(ctx, max(took, 0), ended)
	u := usage(p)
	if u.Prompt != nil && u.Completion != nil {
		m.tokens.Record(ctx, float64(*u.Prompt), metric.WithAttributes(append(slices.Clone(set), attribute.String("gen_ai.token.type", "input"))...))
		m.tokens.Record(ctx, float64(*u.Completion), metric.WithAttributes(append(slices.Clone(set), attribute.String("gen_ai.token.type", "output"))...))
	}
	if p.CostBreakdown != nil {
		m.cost.Record(ctx, p.ResponseCost, with)
	}
	if !p.Stream || e.Failed() || p.CompletionStartTime >= p.EndTime {
		return
	}
	m.firstChunk.Record(ctx, max(first, 0), with)
	if u.Completion != nil && *u.Completion > 1 {
		m.perChunk.Record(ctx, (p.EndTime-p.CompletionStartTime)/float64(*u.Completion-1), with)
	}
}

// sdkAttrs are attributes as the SDK has them.
func sdkAttrs(list []*common.KeyValue) []attribute.KeyValue {
	byName := map[string]attribute.KeyValue{}
	for _, kv := range list {
		switch v := kv.GetValue().GetValue().(type) {
		case *common.AnyValue_StringValue:
			byName[kv.GetKey()] = attribute.String(kv.GetKey(), v.StringValue)
		case *common.AnyValue_IntValue:
			byName[kv.GetKey()] = attribute.Int64(kv.GetKey(), v.IntValue)
		}
	}
	return slices.Collect(maps.Values(byName))
}
