package telemetry

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Credential is how one credential of OCI fares that is renewed.
type Credential struct {
	Principal string    // its name
	Expiry    time.Time // of the one in force; zero before there is one
	// Renewals counts credentials that came, Failures attempts that brought none.
	Renewals, Failures uint64
}

// credentials asks for them whenever the series are read, so that what is not used any more has none.
type credentials struct {
	ask                        atomic.Pointer[func() []Credential] // nil = there are none
	expiry, renewals, failures *prometheus.Desc
}

func newCredentials() *credentials {
	describe := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, []string{"principal"}, nil)
	}
	return &credentials{
		expiry:   describe("tollgate_oci_credential_expiry_timestamp_seconds", "When the credential of OCI in force expires, in seconds since 1970; 0 before the first one has come."),
		renewals: describe("tollgate_oci_credential_renewals_total", "Credentials of OCI that came or were renewed, by principal."),
		failures: describe("tollgate_oci_credential_renewal_failures_total", "Attempts that brought no credential of OCI, by principal; the one in force goes on until it expires."),
	}
}

// Describe implements prometheus.Collector.
func (c *credentials) Describe(to chan<- *prometheus.Desc) {
	to <- c.expiry
	to <- c.renewals
	to <- c.failures
}

// Collect implements prometheus.Collector.
func (c *credentials) Collect(to chan<- prometheus.Metric) {
	ask := c.ask.Load()
	if ask == nil {
		return
	}
	for _, one := range (*ask)() {
		expiry := 0.0
		if !one.Expiry.IsZero() {
			expiry = float64(one.Expiry.Unix())
		}
		to <- prometheus.MustNewConstMetric(c.expiry, prometheus.GaugeValue, expiry, one.Principal)
		to <- prometheus.MustNewConstMetric(c.renewals, prometheus.CounterValue, float64(one.Renewals), one.Principal)
		to <- prometheus.MustNewConstMetric(c.failures, prometheus.CounterValue, float64(one.Failures), one.Principal)
	}
}

// Credentials says whom to ask how the credentials of OCI fare. Their names must differ.
func (m *Metrics) Credentials(ask func() []Credential) { m.credentials.ask.Store(&ask) }
