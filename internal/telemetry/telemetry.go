// Package telemetry is what the gateway tells of itself: the log, the metrics and the ids that join them.
package telemetry

import (
	"context"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"reflect"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"tollgate/internal/record"
)

// NewLogger writes to w: text, or JSON lines when asJSON is set, from the given level on. The access lines of calls that
// went well may be written a tenth of a second late, so a process that is killed may take the last ones with it; any
// other record is written at once, behind all before it.
func NewLogger(w io.Writer, level slog.Level, asJSON bool) *slog.Logger {
	opts := &slog.HandlerOptions{Level: level}
	l := &lines{w: w}
	if asJSON {
		return slog.New(prompt{slog.NewJSONHandler(l, opts), l})
	}
	return slog.New(prompt{slog.NewTextHandler(l, opts), l})
}

// NewID returns a random UUID (version 4) in its usual text form.
func NewID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails; it ends the program where the system has no randomness
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	const digits = "0123456789abcdef"
	out := make([]byte, 0, 36)
	for i, c := range b {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			out = append(out, '-')
		}
		out = append(out, digits[c>>4], digits[c&15])
	}
	return string(out)
}

// Metrics are the gateway's Prometheus series. Their labels are bounded: aliases come from the configuration,
// never from a caller's text.
type Metrics struct {
	registry    *prometheus.Registry
	requests    *prometheus.CounterVec
	duration    *prometheus.HistogramVec
	tokens      *prometheus.CounterVec
	spend       *prometheus.CounterVec
	unpriced    *prometheus.CounterVec
	inFlight    prometheus.Gauge
	reloads     *prometheus.CounterVec
	reloadOK    prometheus.Gauge
	cooling     *prometheus.CounterVec
	ledger      *ledgerSeries
	credentials *credentials
	parts       *integrationSeries

	inUse    atomic.Int64                  // as inFlight
	litellm  atomic.Pointer[litellmSeries] // nil = off
	figures  atomic.Pointer[func(seen []Holder) Figures]
	changing sync.Mutex // one change of litellm at a time
}

// NewMetrics makes a registry of its own with all series in it.
func NewMetrics() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tollgate_requests_total", Help: "Calls of model routes by alias, outcome and status; reason tells refusals apart (budget, rate_limit, guardrail, other)."}, []string{"model", "outcome", "status", "reason"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tollgate_request_duration_seconds", Help: "Time from the arrival of a call to its end.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300}}, []string{"model"}),
		tokens: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tollgate_tokens_total", Help: "Tokens that upstreams reported, by alias and kind (prompt, completion)."}, []string{"model", "kind"}),
		spend: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tollgate_spend_usd_total", Help: "What calls have cost in USD, by alias; the ledger has the exact sums."}, []string{"model"}),
		unpriced: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tollgate_unpriced_calls_total", Help: "Answered calls whose cost is not known because the model has no price, by alias."}, []string{"model"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{Name: "tollgate_requests_in_flight", Help: "Calls of model routes being served."}),
		reloads: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tollgate_config_reloads_total", Help: "Reloads of the configuration by result (success, failure)."}, []string{"result"}),
		reloadOK: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tollgate_config_last_reload_successful", Help: "1 when the newest configuration is in force, 0 when it was refused and the one before serves."}),
		cooling: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tollgate_deployment_cooldowns_total", Help: "Cooldowns of deployments, by alias and upstream id."}, []string{"model", "upstream"}),
	}
	m.registry.MustRegister(m.requests, m.duration, m.tokens, m.spend, m.unpriced, m.inFlight, m.reloads, m.reloadOK, m.cooling,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.reloadOK.Set(1)
	m.ledger = newLedgerSeries(m.registry)
	m.credentials = newCredentials()
	m.registry.MustRegister(m.credentials)
	m.parts = newIntegrationSeries(m.registry)
	return m
}

// Handler serves the series in Prometheus' text format.
func (m *Metrics) Handler() http.Handler {
	gather := prometheus.Gatherers{m.registry}
	if l := m.litellm.Load(); l != nil {
		gather = append(gather, l.registry)
	}
	return promhttp.HandlerFor(gather, promhttp.HandlerOpts{})
}

// CallStarted counts a call in; CallEnded counts it out.
func (m *Metrics) CallStarted() {
	m.inFlight.Inc()
	m.inUse.Add(1)
}

// CallEnded counts a finished call. model is the alias as configured, or "" when the caller's was none of ours.
func (m *Metrics) CallEnded(model string, c *record.Call) {
	m.inFlight.Dec()
	m.inUse.Add(-1)
	m.requests.WithLabelValues(model, string(c.Outcome), strconv.Itoa(c.Status), reason(c)).Inc()
	m.duration.WithLabelValues(model).Observe(c.Duration().Seconds())
	if c.UsageKnown {
		m.tokens.WithLabelValues(model, "prompt").Add(float64(c.PromptTokens))
		m.tokens.WithLabelValues(model, "completion").Add(float64(c.CompletionTokens))
	}
	switch {
	case c.CostKnown:
		m.spend.WithLabelValues(model).Add(max(c.Cost.Float64(), 0))
	case c.Outcome == record.Success:
		m.unpriced.WithLabelValues(model).Inc()
	}
	m.parts.count(c)
	if l := m.litellm.Load(); l != nil {
		l.count(model, c)
	}
}

// reason tells why the gateway has refused a call, in few words.
func reason(c *record.Call) string {
	switch {
	case c.Outcome != record.Refused:
		return ""
	case c.ErrorType == "budget_exceeded":
		return "budget"
	case c.Status == http.StatusTooManyRequests:
		return "rate_limit"
	}
	for i := range c.Guardrails {
		if s := c.Guardrails[i].Status; s == guardrailStruck || s == guardrailBroken {
			return "guardrail"
		}
	}
	return "other"
}

// LiteLLM puts the series with LiteLLM's names in force, with options; nil takes them away. Options that are not new
// keep them; others have them begin anew.
func (m *Metrics) LiteLLM(o *LiteLLMOptions) error {
	m.changing.Lock()
	defer m.changing.Unlock()
	if o == nil {
		m.litellm.Store(nil)
		return nil
	}
	if old := m.litellm.Load(); old != nil && reflect.DeepEqual(old.options, *o) {
		return nil
	}
	s, err := newLiteLLMSeries(*o, m.ask, func() float64 { return float64(m.inUse.Load()) })
	if err != nil {
		return err
	}
	m.litellm.Store(s)
	return nil
}

// LiteLLMFigures says whom to ask for what the gauges with LiteLLM's names show, each time that they are read: seen are
// those whose budgets are of interest.
func (m *Metrics) LiteLLMFigures(ask func(seen []Holder) Figures) { m.figures.Store(&ask) }

func (m *Metrics) ask(seen []Holder) Figures {
	if ask := m.figures.Load(); ask != nil {
		return (*ask)(seen)
	}
	return Figures{}
}

// Reloaded counts a reload of the configuration.
func (m *Metrics) Reloaded(ok bool) {
	if ok {
		m.reloads.WithLabelValues("success").Inc()
		m.reloadOK.Set(1)
		return
	}
	m.reloads.WithLabelValues("failure").Inc()
	m.reloadOK.Set(0)
}

// CooledDown counts the cooldown of a deployment, and the status that has caused it.
func (m *Metrics) CooledDown(alias string, t *Target, status int) {
	m.cooling.WithLabelValues(alias, t.Model).Inc()
	if l := m.litellm.Load(); l != nil {
		l.coolDown(t, status)
	}
}

// LogCall writes the one access line of a call.
func LogCall(log *slog.Logger, c *record.Call) {
	level := slog.LevelInfo
	if c.Outcome == record.Failure {
		level = slog.LevelWarn
	}
	var room [17]slog.Attr // for all of them, on the stack
	attrs := append(room[:0], slog.String("call_id", c.SentID), slog.String("route", c.Route), slog.Int("status", c.Status),
		slog.String("outcome", string(c.Outcome)), slog.Duration("duration", c.Duration()), slog.String("model", c.Alias))
	if c.Caller != "" {
		attrs = append(attrs, slog.String("caller", c.Caller))
	}
	if c.Deployment != "" {
		attrs = append(attrs, slog.String("upstream", c.Upstream), slog.Int("retries", c.Retries), slog.Int("fallbacks", c.Fallbacks),
			slog.Duration("first_byte", c.FirstByte))
	}
	if c.UsageKnown || c.Estimated {
		attrs = append(attrs, slog.Int("prompt_tokens", c.PromptTokens), slog.Int("completion_tokens", c.CompletionTokens), slog.String("cost", costText(c)))
	}
	if c.Estimated {
		attrs = append(attrs, slog.Bool("estimated", true))
	}
	if c.Trace.ID != "" {
		attrs = append(attrs, slog.String("trace_id", c.Trace.ID))
	}
	if c.Error != "" {
		attrs = append(attrs, slog.String("error", c.Error))
	}
	log.LogAttrs(context.Background(), level, callMessage, attrs...)
}

// costText is the cost in plain decimals, "" when the price is not known.
func costText(c *record.Call) string {
	if !c.CostKnown {
		return ""
	}
	return c.Cost.String()
}
