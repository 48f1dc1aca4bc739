package telemetry

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// ledgerSeries tell how the rows of calls travel from the spool to the store.
type ledgerSeries struct {
	booked      prometheus.Counter
	failures    prometheus.Counter
	lost        prometheus.Counter
	quarantined prometheus.Counter
	damaged     prometheus.Counter
	backlog     atomic.Pointer[backlog] // nil = there is no ledger
}

// backlog tells what waits: rows, the bytes of the spool in use, how long the oldest row has waited, and whether the
// spool is full.
type backlog func() (rows, bytes int64, oldest time.Duration, full bool)

func newLedgerSeries(registry *prometheus.Registry) *ledgerSeries {
	s := &ledgerSeries{}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
		registry.MustRegister(c)
		return c
	}
	s.booked = counter("tollgate_ledger_rows_booked_total", "Rows of calls that this process has written to the store.")
	s.failures = counter("tollgate_ledger_write_failures_total", "Writes of rows that the store did not take; they are tried again.")
	s.lost = counter("tollgate_ledger_rows_lost_total",
		"Rows that are lost: spool and memory were full, or files of the spool were damaged. The log says more.")
	s.quarantined = counter("tollgate_ledger_rows_quarantined_total", "Rows that the store refuses, kept in the quarantine file.")
	s.damaged = counter("tollgate_ledger_spool_damaged_bytes_total", "Bytes of the spool that could not be read back.")

	gauge := func(name, help string, value func(backlog) float64) {
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
			if ask := s.backlog.Load(); ask != nil {
				return value(*ask)
			}
			return 0
		}))
	}
	gauge("tollgate_ledger_rows_pending", "Rows that wait to be written to the store.", func(ask backlog) float64 {
		rows, _, _, _ := ask()
		return float64(rows)
	})
	gauge("tollgate_ledger_spool_bytes", "Bytes of the spool in use, on disk and in memory.", func(ask backlog) float64 {
		_, bytes, _, _ := ask()
		return float64(bytes)
	})
	gauge("tollgate_ledger_oldest_row_seconds", "How long the oldest row has waited to be written to the store.", func(ask backlog) float64 {
		_, _, oldest, _ := ask()
		return oldest.Seconds()
	})
	gauge("tollgate_ledger_spool_full", "1 while the spool takes no more rows.", func(ask backlog) float64 {
		if _, _, _, full := ask(); full {
			return 1
		}
		return 0
	})
	return s
}

// LedgerBooked counts rows that are in the store now.
func (m *Metrics) LedgerBooked(rows int) { m.ledger.booked.Add(float64(rows)) }

// LedgerFailed counts a write that the store did not take.
func (m *Metrics) LedgerFailed() { m.ledger.failures.Inc() }

// LedgerLost counts rows that had no room.
func (m *Metrics) LedgerLost(rows int) { m.ledger.lost.Add(float64(rows)) }

// LedgerQuarantined counts rows that the store refuses.
func (m *Metrics) LedgerQuarantined(rows int) { m.ledger.quarantined.Add(float64(rows)) }

// SpoolDamaged counts records of the spool that are lost, and bytes that could not be read.
func (m *Metrics) SpoolDamaged(records, bytes int64) {
	m.ledger.lost.Add(float64(records))
	m.ledger.damaged.Add(float64(bytes))
}

// LedgerBacklog says whom to ask what waits: rows, the bytes of the spool in use, how long the oldest row has waited,
// and whether the spool is full.
func (m *Metrics) LedgerBacklog(ask func() (rows, bytes int64, oldest time.Duration, full bool)) {
	b := backlog(ask)
	m.ledger.backlog.Store(&b)
}
