package telemetry_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tollgate/internal/telemetry"
)

func TestLedgerSeries(t *testing.T) {
	m := telemetry.NewMetrics()
	scrape := func() string {
		w := httptest.NewRecorder()
		m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		return w.Body.String()
	}
	has := func(lines ...string) {
		t.Helper()
		text := scrape()
		for _, line := range lines {
			if !strings.Contains(text, "\n"+line+"\n") {
				t.Errorf("no line %q", line)
			}
		}
	}
	has("tollgate_ledger_rows_pending 0", "tollgate_ledger_spool_full 0", "tollgate_ledger_rows_lost_total 0")
	m.LedgerBooked(3)
	m.LedgerFailed()
	m.LedgerLost(2)
	m.LedgerQuarantined(1)
	m.SpoolDamaged(1, 500)
	m.LedgerBacklog(func() (int64, int64, time.Duration, bool) { return 7, 8000, 1500 * time.Millisecond, true })
	has("tollgate_ledger_rows_booked_total 3", "tollgate_ledger_write_failures_total 1", "tollgate_ledger_rows_lost_total 3",
		"tollgate_ledger_rows_quarantined_total 1", "tollgate_ledger_spool_damaged_bytes_total 500", "tollgate_ledger_rows_pending 7",
		"tollgate_ledger_spool_bytes 8000", "tollgate_ledger_oldest_row_seconds 1.5", "tollgate_ledger_spool_full 1")
}
