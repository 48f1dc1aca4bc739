package telemetry_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tollgate/internal/telemetry"
)

// A credential has its series while it is used, and none afterwards.
func TestMetrics_Credentials(t *testing.T) {
	m := telemetry.NewMetrics()
	list := []telemetry.Credential{
		{Principal: "instance_principal", Expiry: time.Unix(1_800_000_000, 0), Renewals: 3, Failures: 2},
		{Principal: "oke_workload_identity"},
	}
	m.Credentials(func() []telemetry.Credential { return list })
	scrape := func() string {
		w := httptest.NewRecorder()
		m.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
		return w.Body.String()
	}
	text := scrape()
	for _, want := range []string{
		`tollgate_oci_credential_expiry_timestamp_seconds{principal="instance_principal"} 1.8e+09`,
		`tollgate_oci_credential_renewals_total{principal="instance_principal"} 3`,
		`tollgate_oci_credential_renewal_failures_total{principal="instance_principal"} 2`,
		`tollgate_oci_credential_expiry_timestamp_seconds{principal="oke_workload_identity"} 0`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	list = nil
	if text := scrape(); strings.Contains(text, "tollgate_oci_credential") {
		t.Errorf("series of a credential that is gone:\n%s", text)
	}
}
