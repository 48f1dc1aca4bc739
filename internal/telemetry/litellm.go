package telemetry

import (
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"tollgate/internal/record"
)

// LiteLLMOptions are what litellm_settings says of the series with LiteLLM's names.
type LiteLLMOptions struct {
	Metrics  []MetricsGroup // prometheus_metrics_config; empty = every series with every label
	Metadata []string       // custom_prometheus_metadata_labels: "metadata.team", a label metadata_team
	Tags     []string       // custom_prometheus_tags: a label tag_NAME of "true" or "false"; * stands for any text
	Buckets  []float64      // prometheus_latency_buckets, in seconds; nil = LiteLLM's
	Stream   bool           // prometheus_emit_stream_label
	EndUsers bool           // enable_end_user_cost_tracking_prometheus_only; else end_user is "None"
}

// MetricsGroup selects series and their labels.
type MetricsGroup struct {
	Group   string   `json:"group"`
	Metrics []string `json:"metrics"`
	Labels  []string `json:"include_labels"`
}

// latencyBuckets are LiteLLM's, in seconds.
var latencyBuckets = []float64{.005, .00625, .0125, .025, .05, .1, .5, 1, 1.5, 2, 2.5, 3, 3.5, 4, 4.5, 5, 5.5, 6, 6.5, 7, 7.5, 8, 8.5, 9, 9.5, 10, 15, 20, 25, 30, 60, 120, 180, 240, 300}

// none is what LiteLLM writes for a label without a value.
const none = "None"

// other stands for callers beyond the first maxSeries combinations.
const other = "other"

// maxSeries bounds the combinations of caller, model and result that have series of their own.
const maxSeries = 10_000

// litellmSeries are the series with LiteLLM's names.
type litellmSeries struct {
	options    LiteLLMOptions
	registry   *prometheus.Registry
	counters   []*prometheus.CounterVec // as litellmCounters; nil = not selected
	histograms []*prometheus.HistogramVec
	labels     map[string][]string // by name of the series
	optional   map[string]bool     // labels that are asked for

	cooled     *prometheus.CounterVec // nil = not selected; so are those that follow
	unsent     *prometheus.CounterVec
	guardrails guardrailSeries

	mu      sync.RWMutex
	series  map[identity]*callSeries
	holders map[Holder]struct{} // whose calls were counted; guarded by mu
	folded  prometheus.Counter
}

// callSeries are the series of one identity, so that a call looks them up once.
type callSeries struct {
	mu         sync.Mutex // of making series
	counters   []*lazyCounter
	histograms []*lazyObserver
}

// newLiteLLMSeries makes them; the error names a series or label of the options that there is none of.
func newLiteLLMSeries(o LiteLLMOptions, figures func(seen []Holder) Figures, inFlight func() float64) (*litellmSeries, error) {
	s := &litellmSeries{options: o, registry: prometheus.NewRegistry(), labels: map[string][]string{}, optional: map[string]bool{}, series: map[identity]*callSeries{}, holders: map[Holder]struct{}{}}
	custom, err := customLabels(&o)
	if err != nil {
		return nil, err
	}
	if err := o.Check(); err != nil {
		return nil, err
	}
	buckets := o.Buckets
	if len(buckets) == 0 {
		buckets = latencyBuckets
	}
	for _, d := range litellmCounters {
		labels, ok := s.choose(d.name, d.labels, d.optional, custom)
		if !ok {
			s.counters = append(s.counters, nil)
			continue
		}
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: d.name + "_total", Help: d.help}, labels)
		s.registry.MustRegister(v)
		s.counters = append(s.counters, v)
	}
	for _, d := range litellmHistograms {
		labels, ok := s.choose(d.name, d.labels, nil, custom)
		if !ok {
			s.histograms = append(s.histograms, nil)
			continue
		}
		opts := prometheus.HistogramOpts{Name: d.name, Help: d.help, Buckets: buckets}
		if d.standard {
			opts.Buckets = prometheus.DefBuckets
		}
		v := prometheus.NewHistogramVec(opts, labels)
		s.registry.MustRegister(v)
		s.histograms = append(s.histograms, v)
	}
	s.addEvents(buckets)
	s.folded = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "tollgate_metrics_folded_calls_total", Help: "Calls counted under the caller \"other\" because there were series of 10,000 combinations already."})
	s.registry.MustRegister(s.folded, newGauges(s, figures, inFlight))
	return s, nil
}

// choose are the labels of a series, false when it is not selected.
func (s *litellmSeries) choose(name string, labels, optional, custom []string) ([]string, bool) {
	chosen := slices.Concat(labels, custom)
	if s.options.Stream && name == "litellm_proxy_total_requests_metric" {
		chosen = append(chosen, "stream")
	}
	if len(s.options.Metrics) == 0 {
		s.labels[name] = chosen
		return chosen, true
	}
	for _, g := range s.options.Metrics {
		if !slices.Contains(g.Metrics, name) && !slices.Contains(g.Metrics, name+"_total") {
			continue
		}
		if len(g.Labels) > 0 {
			all := slices.Concat(chosen, optional)
			chosen = slices.DeleteFunc(slices.Clone(all), func(l string) bool { return !slices.Contains(g.Labels, l) })
		}
		s.labels[name] = chosen
		for _, l := range chosen {
			s.optional[l] = s.optional[l] || l == "client_ip" || l == "user_agent"
		}
		return chosen, true
	}
	return nil, false
}

// count counts a finished call. model is the alias as configured, "" when the caller's was none of ours.
func (s *litellmSeries) count(model string, c *record.Call) {
	series := s.of(s.identify(model, c), c)
	series.mu.Lock()
	defer series.mu.Unlock()
	for i, d := range litellmCounters {
		if n := d.add(c); n > 0 && series.counters[i] != nil {
			series.counters[i].add(n)
		}
	}
	for i, d := range litellmHistograms {
		if v, ok := d.value(c); ok && series.histograms[i] != nil {
			series.histograms[i].observe(v)
		}
	}
	s.countGuardrails(c)
}
