package gateway_test

import (
	"bytes"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestTheLogSaysWhyAnUpstreamWasNotReached: the caller learns nothing of the network inside, the operator everything but
// the URL's query.
func TestTheLogSaysWhyAnUpstreamWasNotReached(t *testing.T) {
	secure := httptest.NewTLSServer(nil) // its certificate is of an authority that nobody knows
	t.Cleanup(secure.Close)
	gone := httptest.NewServer(nil)
	gone.Close()
	for _, c := range []struct{ name, base, want string }{
		{"an unknown authority", secure.URL, "x509: certificate signed by unknown authority"},
		{"nobody listens", gone.URL, "connection refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log bytes.Buffer
			yaml := strings.ReplaceAll(plain, "UPSTREAM/v1", `"`+c.base+`/v1?key=query-secret"`)
			s := openLogged(t, &upstream{Server: secure}, yaml, slog.New(slog.NewTextHandler(&log, nil)))
			r := do(t, "POST", s.URL+"/v1/chat/completions", chat("fast", ""))
			s.Close() // the log is written when the call has ended
			if r.status != 500 || strings.Contains(r.text, c.want) {
				t.Errorf("the caller got %d %s", r.status, r.text)
			}
			if !strings.Contains(log.String(), c.want) || strings.Contains(log.String(), "query-secret") {
				t.Errorf("the log says %s", log.String())
			}
		})
	}
}
