package importer_test

import (
	"testing"
	"time"

	"tollgate/internal/ledger"
)

// BenchmarkAMillionRows brings a million spend rows with metadata of LiteLLM's size: go test -run ^$ -bench AMillionRows
// -benchtime 1x ./internal/importer
func BenchmarkAMillionRows(b *testing.B) {
	const n = 1_000_000
	c := newCompany(b, newest)
	c.calls(n, time.Now().UTC().Add(-n*time.Minute))
	c.exec(`UPDATE "LiteLLM_SpendLogs" SET metadata = metadata || jsonb_build_object('usage_object', jsonb_build_object('prompt_tokens', 20, 'completion_tokens', 10),
		'model_map_information', jsonb_build_object('model_map_key', 'gpt-x', 'model_map_value', md5(request_id)), 'additional_usage_values', repeat(md5(request_id), 20),
		'user_api_key_team_alias', 'Research', 'spend_logs_metadata', NULL, 'cost_breakdown', jsonb_build_object('input_cost', 0.0001, 'output_cost', 0.0002))`)
	c.exec(`VACUUM ANALYZE "LiteLLM_SpendLogs"`)
	for engine, open := range targets {
		b.Run(engine, func(b *testing.B) {
			for b.Loop() {
				s := openStore(b, open(b))
				begun := time.Now()
				if l := line(b, bring(b, c.database, s, c.options), "spend rows"); l.Brought != n {
					b.Fatalf("%+v", l)
				}
				b.ReportMetric(time.Since(begun).Seconds(), "s")
				b.ReportMetric(n/time.Since(begun).Seconds(), "rows/s")
				if count, err := s.CountRows(b.Context(), ledger.RowQuery{}); err != nil || count != n {
					b.Fatal(count, err)
				}
			}
		})
	}
}
