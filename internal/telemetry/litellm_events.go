package telemetry

import (
	"slices"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"tollgate/internal/record"
)

// Names of LiteLLM's series of what happens besides calls, and what they say.
const (
	cooledName, cooledHelp     = "litellm_deployment_cooled_down", "Cooldowns of deployments, by the status that has cooled them."
	unsentName, unsentHelp     = "litellm_callback_logging_failures_metric", "Deliveries to callbacks that failed."
	checksName, checksHelp     = "litellm_guardrail_requests", "Runs of guardrails."
	brokenName, brokenHelp     = "litellm_guardrail_errors", "Runs of guardrails that brought no judgement."
	checkingName, checkingHelp = "litellm_guardrail_latency_seconds", "Seconds that runs of guardrails took."
)

// Labels of these series.
var (
	cooledLabels           = slices.Concat(targetLabels, []string{"exception_status"})
	unsentLabels           = []string{"callback_name"}
	guardrailLatencyLabels = []string{"guardrail_name", "status", "error_type", "hook_type"}
	guardrailRequestLabels = []string{"guardrail_name", "status", "hook_type"}
	guardrailErrorLabels   = []string{"guardrail_name", "error_type", "hook_type"}
)

// Target is a deployment as LiteLLM's series name it.
type Target struct {
	Model    string // the upstream's id: litellm_model_name
	ID       string // model_id
	APIBase  string
	Provider string // api_provider
}

// text is the value of a label.
func (t *Target) text(name string) string {
	switch name {
	case "litellm_model_name":
		return label(t.Model)
	case "model_id":
		return label(t.ID)
	case "api_base":
		return label(t.APIBase)
	case "api_provider":
		return label(t.Provider)
	}
	return none
}

// guardrailSeries tell how guardrails fare; those that are nil are not selected.
type guardrailSeries struct {
	latency          *prometheus.HistogramVec
	requests, errors *prometheus.CounterVec
}

// addEvents makes the series of what happens besides calls.
func (s *litellmSeries) addEvents(buckets []float64) {
	counter := func(name, help string, labels []string) *prometheus.CounterVec {
		labels, ok := s.choose(name, labels, nil, nil)
		if !ok {
			return nil
		}
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name + "_total", Help: help}, labels)
		s.registry.MustRegister(v)
		return v
	}
	s.cooled = counter(cooledName, cooledHelp, cooledLabels)
	s.unsent = counter(unsentName, unsentHelp, unsentLabels)
	s.guardrails.requests = counter(checksName, checksHelp, guardrailRequestLabels)
	s.guardrails.errors = counter(brokenName, brokenHelp, guardrailErrorLabels)
	if labels, ok := s.choose(checkingName, guardrailLatencyLabels, nil, nil); ok {
		s.guardrails.latency = prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: checkingName, Help: checkingHelp, Buckets: buckets}, labels)
		s.registry.MustRegister(s.guardrails.latency)
	}
}

// pick are the values of the labels that were chosen for a series.
func (s *litellmSeries) pick(name string, value func(label string) string) []string {
	values := make([]string, len(s.labels[name]))
	for i, l := range s.labels[name] {
		values[i] = value(l)
	}
	return values
}

// coolDown counts a cooldown.
func (s *litellmSeries) coolDown(t *Target, status int) {
	if s.cooled == nil {
		return
	}
	s.cooled.WithLabelValues(s.pick(cooledName, func(name string) string {
		if name == "exception_status" {
			return strconv.Itoa(status)
		}
		return t.text(name)
	})...).Inc()
}

// countGuardrails counts the runs of guardrails of a call.
func (s *litellmSeries) countGuardrails(c *record.Call) {
	for i := range c.Guardrails {
		g := &c.Guardrails[i]
		if g.Status == guardrailIdle {
			continue
		}
		value := func(name string) string {
			switch name {
			case "guardrail_name":
				return label(g.Name)
			case "status":
				return label(g.Status)
			case "error_type":
				return label(g.ErrorType)
			}
			return label(g.Mode)
		}
		if v := s.guardrails.latency; v != nil {
			v.WithLabelValues(s.pick(checkingName, value)...).Observe(g.Duration)
		}
		if v := s.guardrails.requests; v != nil {
			v.WithLabelValues(s.pick(checksName, value)...).Inc()
		}
		if v := s.guardrails.errors; v != nil && g.Status == guardrailBroken {
			v.WithLabelValues(s.pick(brokenName, value)...).Inc()
		}
	}
}

// Statuses of runs of guardrails (record.Guardrail.Status).
const (
	guardrailIdle   = "not_run"
	guardrailStruck = "guardrail_intervened"
	guardrailBroken = "guardrail_failed_to_respond"
)
