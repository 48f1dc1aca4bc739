package telemetry

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
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

// Label sets of LiteLLM's series (source: BerriAI/litellm, litellm/types/integrations/prometheus.py).
var (
	keyLabels     = []string{"hashed_api_key", "api_key_alias"}
	teamLabels    = []string{"team", "team_alias"}
	callerLabels  = slices.Concat(keyLabels, teamLabels, []string{"user", "end_user"})
	whoLabels     = slices.Concat(callerLabels, []string{"user_email"})
	latencyLabels = slices.Concat(callerLabels, []string{"requested_model", "model", "model_id"})
	targetLabels  = []string{"litellm_model_name", "model_id", "api_base", "api_provider"}
	cacheLabels   = slices.Concat(callerLabels, []string{"model", "model_id"})
)

// counters and histograms of calls, by LiteLLM's names. Python's client puts _total behind the name of a counter; Go's does not.
var litellmCounters = []struct {
	name, help string
	labels     []string
	optional   []string                     // labels that are there only when they are asked for
	add        func(c *record.Call) float64 // what a call adds; 0 adds nothing, and makes no series
}{
	{"litellm_proxy_total_requests_metric", "Calls of model routes.", slices.Concat(whoLabels, []string{"requested_model", "status_code", "route", "model_id"}), []string{"client_ip", "user_agent"}, each},
	{"litellm_proxy_failed_requests_metric", "Calls that were refused or failed.", slices.Concat(whoLabels, []string{"requested_model", "exception_status", "exception_class", "route", "model_id"}), []string{"client_ip", "user_agent"}, ofFailed(each)},
	{"litellm_requests_metric", "Calls that were answered (LiteLLM deprecates the name).", slices.Concat(whoLabels, []string{"model", "model_id"}), []string{"client_ip", "user_agent"}, ofAnswered(each)},
	{"litellm_llm_api_failed_requests_metric", "Calls that upstreams failed (LiteLLM deprecates the name).", slices.Concat(callerLabels, []string{"model", "model_id"}), nil, ofFailed(ofAsked(each))},
	{"litellm_spend_metric", "What calls have cost, in USD.", slices.Concat(whoLabels, []string{"model", "model_id"}), []string{"client_ip", "user_agent"}, func(c *record.Call) float64 { return max(c.Cost.Float64(), 0) }},
	{"litellm_total_tokens_metric", "Tokens of prompts and answers.", slices.Concat(whoLabels, []string{"model", "requested_model", "model_id"}), nil, func(c *record.Call) float64 { return float64(c.PromptTokens + c.CompletionTokens) }},
	{"litellm_input_tokens_metric", "Tokens of prompts.", slices.Concat(whoLabels, []string{"model", "requested_model", "model_id"}), nil, func(c *record.Call) float64 { return float64(c.PromptTokens) }},
	{"litellm_output_tokens_metric", "Tokens of answers.", slices.Concat(whoLabels, []string{"model", "requested_model", "model_id"}), nil, func(c *record.Call) float64 { return float64(c.CompletionTokens) }},
	{"litellm_cache_hits_metric", "Calls that a cache answered.", cacheLabels, nil, func(c *record.Call) float64 { return one(c.CacheHit) }},
	{"litellm_cache_misses_metric", "Calls that a cache was asked for and did not have.", cacheLabels, nil, func(c *record.Call) float64 { return one(c.CacheKey != "" && !c.CacheHit) }},
	{"litellm_cached_tokens_metric", "Tokens that were answered by a cache.", cacheLabels, nil, func(c *record.Call) float64 {
		return one(c.CacheHit) * float64(c.PromptTokens+c.CompletionTokens)
	}},
	{"litellm_deployment_success_responses", "Calls that a deployment answered.", slices.Concat([]string{"requested_model"}, targetLabels, keyLabels, teamLabels), []string{"client_ip", "user_agent"}, ofAnswered(ofAsked(each))},
	{"litellm_deployment_total_requests", "Calls that went to a deployment.", slices.Concat([]string{"requested_model"}, targetLabels, keyLabels, teamLabels), []string{"client_ip", "user_agent"}, ofAsked(each)},
	{"litellm_deployment_failure_responses", "Calls that a deployment failed.", slices.Concat([]string{"requested_model"}, targetLabels, keyLabels, teamLabels, []string{"exception_status", "exception_class"}), []string{"client_ip", "user_agent"}, ofFailed(ofAsked(each))},
	{"litellm_deployment_successful_fallbacks", "Calls that another model answered after the one asked for had failed.", slices.Concat([]string{"requested_model", "fallback_model"}, keyLabels, teamLabels, []string{"exception_status", "exception_class", "model_id"}), nil, ofAnswered(ofFallback)},
	{"litellm_deployment_failed_fallbacks", "Calls that failed on the models to fall back to as well.", slices.Concat([]string{"requested_model", "fallback_model"}, keyLabels, teamLabels, []string{"exception_status", "exception_class", "model_id"}), nil, ofFailed(ofFallback)},
}

var litellmHistograms = []struct {
	name, help string
	labels     []string
	standard   bool // Prometheus' own buckets, not those of latencies
	value      func(c *record.Call) (seconds float64, ok bool)
}{
	{"litellm_request_total_latency_metric", "Seconds from the arrival of a call to its end.", latencyLabels, false, func(c *record.Call) (float64, bool) { return c.Duration().Seconds(), answered(c) }},
	{"litellm_llm_api_latency_metric", "Seconds that a call waited for upstreams.", latencyLabels, false, func(c *record.Call) (float64, bool) { return c.Upstreams.Seconds(), answered(c) && asked(c) }},
	{"litellm_llm_api_time_to_first_token_metric", "Seconds to the first chunk of a stream.", latencyLabels, false, func(c *record.Call) (float64, bool) {
		return c.FirstByte.Seconds(), answered(c) && asked(c) && c.Stream && c.FirstByte > 0
	}},
	{"litellm_overhead_latency_metric", "Seconds that the gateway itself took.", slices.Concat([]string{"model_group", "litellm_model_name", "model_id", "api_base", "api_provider"}, keyLabels), false, func(c *record.Call) (float64, bool) {
		return max(c.Duration()-c.Upstreams, 0).Seconds(), answered(c) && asked(c) && !c.Stream
	}},
	{"litellm_deployment_latency_per_output_token", "Seconds of a call per token of its answer.", slices.Concat(targetLabels, keyLabels, teamLabels), true, func(c *record.Call) (float64, bool) {
		return c.Duration().Seconds() / float64(max(c.CompletionTokens, 1)), answered(c) && asked(c) && c.CompletionTokens > 0
	}},
}

func each(*record.Call) float64 { return 1 }

func one(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

func answered(c *record.Call) bool { return c.Outcome == record.Success }

// asked reports whether a deployment was asked.
func asked(c *record.Call) bool { return c.Deployment != "" && !c.CacheHit }

func ofAnswered(f func(*record.Call) float64) func(*record.Call) float64 {
	return func(c *record.Call) float64 { return one(answered(c)) * f(c) }
}

func ofFailed(f func(*record.Call) float64) func(*record.Call) float64 {
	return func(c *record.Call) float64 {
		return one(c.Outcome == record.Failure || c.Outcome == record.Refused) * f(c)
	}
}

func ofAsked(f func(*record.Call) float64) func(*record.Call) float64 {
	return func(c *record.Call) float64 { return one(asked(c)) * f(c) }
}

func ofFallback(c *record.Call) float64 { return one(c.Fallbacks > 0) }

// identity is what tells the series of calls apart.
type identity struct {
	key, keyAlias, team, teamAlias, user, email, endUser string
	ip, agent                                            string
	asked, group, upstream, deployment, base, provider   string
	route, status, class, stream                         string
	custom                                               string // metadata and tags, behind each other
}

// text is the value of a label.
func (i *identity) text(label string, failed bool) string {
	switch label {
	case "hashed_api_key":
		return i.key
	case "api_key_alias":
		return i.keyAlias
	case "team":
		return i.team
	case "team_alias":
		return i.teamAlias
	case "user":
		return i.user
	case "user_email":
		return i.email
	case "end_user":
		return i.endUser
	case "client_ip":
		return i.ip
	case "user_agent":
		return i.agent
	case "requested_model":
		return i.asked
	case "model", "litellm_model_name":
		return i.upstream
	case "model_group", "fallback_model":
		return i.group
	case "model_id":
		return i.deployment
	case "api_base":
		return i.base
	case "api_provider":
		return i.provider
	case "route":
		return i.route
	case "status_code":
		return i.status
	case "exception_status":
		if failed {
			return i.status
		}
	case "exception_class":
		return i.class
	case "stream":
		return i.stream
	}
	return ""
}

// litellmSeries are the series with LiteLLM's names.
type litellmSeries struct {
	options    LiteLLMOptions
	registry   *prometheus.Registry
	counters   []*prometheus.CounterVec // as litellmCounters; nil = not selected
	histograms []*prometheus.HistogramVec
	labels     map[string][]string // by name of the series
	optional   map[string]bool     // labels that are asked for

	mu     sync.RWMutex
	series map[identity]*callSeries
	folded prometheus.Counter
}

// callSeries are the series of one identity, so that a call looks them up once.
type callSeries struct {
	mu         sync.Mutex // of making series
	counters   []*lazyCounter
	histograms []*lazyObserver
}

// newLiteLLMSeries makes them; the error names a series or label of the options that there is none of.
func newLiteLLMSeries(o LiteLLMOptions) (*litellmSeries, error) {
	s := &litellmSeries{options: o, registry: prometheus.NewRegistry(), labels: map[string][]string{}, optional: map[string]bool{}, series: map[identity]*callSeries{}}
	custom, err := customLabels(&o)
	if err != nil {
		return nil, err
	}
	if err := checkGroups(o.Metrics); err != nil {
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
	s.folded = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "tollgate_metrics_folded_calls_total", Help: "Calls counted under the caller \"other\" because there were series of 10,000 combinations already."})
	s.registry.MustRegister(s.folded)
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

// checkGroups refuses what prometheus_metrics_config names and nobody has, as LiteLLM does.
func checkGroups(groups []MetricsGroup) error {
	known := map[string][]string{}
	for _, d := range litellmCounters {
		known[d.name] = slices.Concat(d.labels, d.optional)
	}
	for _, d := range litellmHistograms {
		known[d.name] = d.labels
	}
	for _, name := range litellmGauges {
		known[name] = nil
	}
	for _, g := range groups {
		var labels []string
		for _, m := range g.Metrics {
			name := strings.TrimSuffix(m, "_total")
			if _, ok := known[name]; !ok {
				return fmt.Errorf("prometheus_metrics_config: there is no metric %q; there are %s", m, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
			}
			labels = append(labels, known[name]...)
		}
		for _, l := range g.Labels {
			if len(labels) > 0 && !slices.Contains(labels, l) && l != "stream" && !strings.HasPrefix(l, "metadata_") && !strings.HasPrefix(l, "tag_") {
				return fmt.Errorf("prometheus_metrics_config: none of the metrics of group %q has a label %q", cmp.Or(g.Group, "without a name"), l)
			}
		}
	}
	return nil
}

// count counts a finished call. model is the alias as configured, "" when the caller's was none of ours.
func (s *litellmSeries) count(model string, c *record.Call) {
	series := s.of(s.identify(model, c))
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
}

// identify is what tells the series of the call apart. Texts of callers are in it only where the options ask for them.
func (s *litellmSeries) identify(model string, c *record.Call) identity {
	i := identity{
		key: label(c.KeyHash), keyAlias: label(c.KeyAlias), team: label(c.TeamID), teamAlias: label(c.TeamAlias), user: label(c.UserID), email: label(c.UserEmail),
		endUser: none, ip: none, agent: none, asked: label(model), group: label(c.Group), upstream: label(c.Upstream), deployment: label(c.Deployment),
		base: label(c.APIBase), provider: label(c.Provider), route: c.Route, status: strconv.Itoa(c.Status), class: label(c.ErrorType), stream: none,
		custom: s.options.custom(c),
	}
	if s.options.EndUsers {
		i.endUser = label(c.EndUser)
	}
	if s.optional["client_ip"] {
		i.ip = label(c.ClientIP)
	}
	if s.optional["user_agent"] {
		i.agent = label(c.UserAgent)
	}
	if s.options.Stream {
		i.stream = "False"
		if c.Stream {
			i.stream = "True"
		}
	}
	return i
}

// of returns the series of an identity, or, beyond the bound, those of the caller "other".
func (s *litellmSeries) of(i identity) *callSeries {
	s.mu.RLock()
	found, full := s.series[i], len(s.series) >= maxSeries
	s.mu.RUnlock()
	if found != nil {
		return found
	}
	if full && i.key != other {
		s.folded.Inc()
		folded := i
		folded.key, folded.keyAlias, folded.team, folded.teamAlias, folded.user, folded.email, folded.endUser = other, other, other, other, other, other, other
		folded.ip, folded.agent, folded.custom = other, other, s.options.folded()
		return s.of(folded)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.series[i]; found != nil {
		return found
	}
	made := s.open(&i)
	s.series[i] = made
	return made
}

// open makes handles for those series alone that a call adds to: the vectors make a series when they are asked for one.
func (s *litellmSeries) open(i *identity) *callSeries {
	series := &callSeries{counters: make([]*lazyCounter, len(s.counters)), histograms: make([]*lazyObserver, len(s.histograms))}
	for n, v := range s.counters {
		if v != nil {
			series.counters[n] = &lazyCounter{vec: v, values: s.values(litellmCounters[n].name, i)}
		}
	}
	for n, v := range s.histograms {
		if v != nil {
			series.histograms[n] = &lazyObserver{vec: v, values: s.values(litellmHistograms[n].name, i)}
		}
	}
	return series
}
