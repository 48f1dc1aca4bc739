package telemetry

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// absent are LiteLLM's series that this gateway has nothing to say about. A configuration may select them.
var absent = []string{
	"litellm_request_queue_time_seconds", "litellm_remaining_requests_metric", "litellm_remaining_tokens_metric",
	"litellm_remaining_api_key_requests_for_model", "litellm_remaining_api_key_tokens_for_model",
	"litellm_team_total_users", "litellm_team_active_users",
	"litellm_managed_batch_created", "litellm_managed_file_created", "litellm_managed_file_size_bytes", "litellm_managed_batch_duration_seconds", "litellm_managed_file_deleted",
	"litellm_check_batch_cost_jobs_polled", "litellm_check_batch_cost_jobs_processed", "litellm_check_batch_cost_errors", "litellm_check_batch_cost_last_run_timestamp",
	"litellm_pod_lock_manager_size", "litellm_in_memory_daily_spend_update_queue_size", "litellm_redis_daily_spend_update_queue_size",
	"litellm_in_memory_spend_update_queue_size", "litellm_redis_spend_update_queue_size",
	"litellm_redis_latency", "litellm_redis_fails", "litellm_redis_failed_requests", "litellm_redis_total_requests",
	"litellm_postgres_latency", "litellm_postgres_fails", "litellm_postgres_failed_requests", "litellm_postgres_total_requests",
	"litellm_self_latency", "litellm_self_fails", "litellm_self_failed_requests", "litellm_self_total_requests",
}

// Check reports what the options select and nobody has: a series, a label, or two labels of one name. LiteLLM does not
// start with it either.
func (o *LiteLLMOptions) Check() error {
	if _, err := customLabels(o); err != nil {
		return err
	}
	for i, b := range o.Buckets {
		if i > 0 && b <= o.Buckets[i-1] {
			return fmt.Errorf("prometheus_latency_buckets must rise: %v comes behind %v", b, o.Buckets[i-1])
		}
	}
	known := seriesLabels()
	for _, g := range o.Metrics {
		var labels []string
		for _, m := range g.Metrics {
			name := bare(m)
			if slices.Contains(absent, name) {
				labels = append(labels, g.Labels...) // whatever they are
				continue
			}
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

// Missing are the series that the options select and that LiteLLM has, but this gateway has not.
func (o *LiteLLMOptions) Missing() []string {
	var missing []string
	for _, g := range o.Metrics {
		for _, m := range g.Metrics {
			if slices.Contains(absent, bare(m)) {
				missing = append(missing, m)
			}
		}
	}
	return missing
}

// bare is the name of a series as LiteLLM's configuration has it: without what Prometheus' client puts behind counters.
func bare(name string) string { return strings.TrimSuffix(name, "_total") }

// seriesLabels are the labels of every series with one of LiteLLM's names, those included that must be asked for.
func seriesLabels() map[string][]string {
	known := map[string][]string{
		cooledName: cooledLabels, unsentName: unsentLabels,
		checkingName: guardrailLatencyLabels, checksName: guardrailRequestLabels, brokenName: guardrailErrorLabels,
	}
	for _, d := range litellmCounters {
		known[d.name] = slices.Concat(d.labels, d.optional)
	}
	for _, d := range litellmHistograms {
		known[d.name] = d.labels
	}
	for _, d := range litellmGauges {
		known[d.name] = d.labels
	}
	return known
}
