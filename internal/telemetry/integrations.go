package telemetry

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"tollgate/internal/record"
)

// integrationSeries tell how caches, guardrails, callbacks and alerts fare. Their labels are names of the configuration.
type integrationSeries struct {
	lookups, cacheBackend         *prometheus.CounterVec
	saved                         prometheus.Counter
	checks                        *prometheus.CounterVec
	checking                      *prometheus.HistogramVec
	callbacks, callbackDrops      *prometheus.CounterVec
	alerts                        *prometheus.CounterVec
	queues                        atomic.Pointer[func() []Queue] // nil = there are no callbacks
	queueEvents, queueBytes, late *prometheus.Desc
}

// Queue is what waits for one callback.
type Queue struct {
	Name          string // of the callback
	Events, Bytes int64
	Age           float64 // seconds since the call of the oldest event that waits; 0 = none does
}

func newIntegrationSeries(registry *prometheus.Registry) *integrationSeries {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
		registry.MustRegister(v)
		return v
	}
	s := &integrationSeries{
		lookups:      counter("tollgate_cache_lookups_total", "Calls that looked into the cache of answers, by result (hit, partial, miss).", "result"),
		cacheBackend: counter("tollgate_cache_backend_requests_total", "What the store of the cache was asked for (get, set, nearest, embed), by result (answered, failed, skipped, dropped).", "operation", "result"),
		saved:        prometheus.NewCounter(prometheus.CounterOpts{Name: "tollgate_cache_saved_usd_total", Help: "What calls that the cache answered would have cost, in USD."}),
		checks:       counter("tollgate_guardrail_checks_total", "Runs of guardrails, by phase of the call and status.", "guardrail", "phase", "status"),
		checking: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tollgate_guardrail_duration_seconds", Help: "Time that runs of guardrails took.",
			Buckets: []float64{.0001, .001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}}, []string{"guardrail", "phase"}),
		callbacks:     counter("tollgate_callback_events_total", "Events for callbacks by result: delivered, dropped; retried counts deliveries that failed and are tried again.", "callback", "result"),
		callbackDrops: counter("tollgate_callback_drops_total", "Events that a callback will not get, by reason.", "callback", "reason"),
		alerts:        counter("tollgate_alerts_total", "Alerts by type and result: sent, squashed (an equal one was under way), dropped, failed.", "type", "result"),
		queueEvents:   prometheus.NewDesc("tollgate_callback_queue_events", "Events that wait for a callback.", []string{"callback"}, nil),
		queueBytes:    prometheus.NewDesc("tollgate_callback_queue_bytes", "Bytes of the events that wait for a callback.", []string{"callback"}, nil),
		late:          prometheus.NewDesc("tollgate_callback_oldest_event_seconds", "How long the oldest event has waited for a callback.", []string{"callback"}, nil),
	}
	registry.MustRegister(s.saved, s.checking, s)
	return s
}

// count counts what a call says of guardrails and of the cache.
func (s *integrationSeries) count(c *record.Call) {
	if c.SavedCost > 0 {
		s.saved.Add(c.SavedCost.Float64())
	}
	for i := range c.Guardrails {
		g := &c.Guardrails[i]
		s.checks.WithLabelValues(g.Name, g.Mode, g.Status).Inc()
		if g.Status != guardrailIdle {
			s.checking.WithLabelValues(g.Name, g.Mode).Observe(g.Duration)
		}
	}
}

// Describe implements prometheus.Collector.
func (s *integrationSeries) Describe(to chan<- *prometheus.Desc) {
	to <- s.queueEvents
	to <- s.queueBytes
	to <- s.late
}

// Collect implements prometheus.Collector. Accounts of keys and teams share a name, and are shown together.
func (s *integrationSeries) Collect(to chan<- prometheus.Metric) {
	ask := s.queues.Load()
	if ask == nil {
		return
	}
	all := map[string]Queue{}
	for _, q := range (*ask)() {
		sum := all[q.Name]
		all[q.Name] = Queue{Events: sum.Events + q.Events, Bytes: sum.Bytes + q.Bytes, Age: max(sum.Age, q.Age)}
	}
	for name, q := range all {
		to <- prometheus.MustNewConstMetric(s.queueEvents, prometheus.GaugeValue, float64(q.Events), name)
		to <- prometheus.MustNewConstMetric(s.queueBytes, prometheus.GaugeValue, float64(q.Bytes), name)
		to <- prometheus.MustNewConstMetric(s.late, prometheus.GaugeValue, q.Age, name)
	}
}

// CallbackQueues says whom to ask what waits for callbacks.
func (m *Metrics) CallbackQueues(ask func() []Queue) { m.parts.queues.Store(&ask) }

// CacheLookup counts a call that looked into the cache: hit, partial or miss.
func (m *Metrics) CacheLookup(result string) { m.parts.lookups.WithLabelValues(result).Inc() }

// CacheBackend counts what the store of the cache was asked for: operation is get, set, nearest or embed, result answered,
// failed, skipped or dropped.
func (m *Metrics) CacheBackend(operation, result string) {
	m.parts.cacheBackend.WithLabelValues(operation, result).Inc()
}

// CallbackDelivered counts events that a callback's backend has taken.
func (m *Metrics) CallbackDelivered(name string, events int) {
	m.parts.callbacks.WithLabelValues(name, "delivered").Add(float64(events))
}

// CallbackFailed counts a delivery that failed and is tried again.
func (m *Metrics) CallbackFailed(name string) {
	m.parts.callbacks.WithLabelValues(name, "retried").Inc()
	if l := m.litellm.Load(); l != nil && l.unsent != nil {
		l.unsent.WithLabelValues(l.pick(unsentName, func(string) string { return label(name) })...).Inc()
	}
}

// CallbackDropped counts events that nobody will get, and why.
func (m *Metrics) CallbackDropped(name, reason string, events int) {
	m.parts.callbacks.WithLabelValues(name, "dropped").Add(float64(events))
	m.parts.callbackDrops.WithLabelValues(name, reason).Add(float64(events))
}

// Alert counts an alert: sent, squashed, dropped or failed.
func (m *Metrics) Alert(kind, result string) { m.parts.alerts.WithLabelValues(kind, result).Inc() }
