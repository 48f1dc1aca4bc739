package egress_test

import (
	"bytes"
	"crypto/rand"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tollgate/internal/egress"
)

// What debug logs show of a request must hold no key, wherever the key stands.
func TestDebug(t *testing.T) {
	secrets := map[string]string{}
	for _, where := range []string{"header", "query", "cookie", "answer", "member", "bearer"} {
		secrets[where] = rand.Text() + rand.Text()
	}
	secrets["prefix"] = "sk-" + rand.Text()
	secrets["long"] = "password" + rand.Text()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Set-Cookie", secrets["answer"])
		w.Header().Set("Opc-Request-Id", "opc-1")
		w.WriteHeader(http.StatusTeapot)
	}))
	defer s.Close()
	for _, c := range []struct {
		level  slog.Level
		bodies bool
		want   []string
	}{
		{slog.LevelInfo, true, nil},
		{slog.LevelDebug, false, []string{"upstream request", "upstream answer", "call_id=call-1", "status=418", "Opc-Request-Id=opc-1", "/v1/chat", "Content-Type=application/json"}},
		{slog.LevelDebug, true, []string{"attack at dawn", "[key]"}},
	} {
		var log bytes.Buffer
		e, err := egress.New(egress.Options{Debug: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: c.level})), DebugBodies: c.bodies})
		if err != nil {
			t.Fatal(err)
		}
		body := `{"messages":"attack at dawn","api_key":"` + secrets["member"] + `","note":"` + secrets["prefix"] + ` Bearer ` + secrets["bearer"] + `","x_password" : "` + secrets["long"] + `"}`
		r, err := http.NewRequestWithContext(egress.WithCall(t.Context(), "call-1"), http.MethodPost, s.URL+"/v1/chat?key="+secrets["query"], strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+secrets["header"])
		r.Header.Set("X-Api-Key", secrets["header"])
		r.Header.Set("Cookie", secrets["cookie"])
		r.Header.Set("Content-Type", "application/json")
		answer, err := e.Transport().RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		e.CloseIdleConnections()
		for _, want := range c.want {
			if !strings.Contains(log.String(), want) {
				t.Errorf("%+v: no %s in %s", c, want, log.String())
			}
		}
		if c.want == nil && log.Len() > 0 || !c.bodies && strings.Contains(log.String(), "dawn") {
			t.Errorf("%+v: the log has %s", c, log.String())
		}
		for where, secret := range secrets {
			if strings.Contains(log.String(), secret) {
				t.Errorf("%+v: the key of the %s is in the log: %s", c, where, log.String())
			}
		}
	}
}
