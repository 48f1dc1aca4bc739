package app_test

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tollgate/internal/app"
	"tollgate/internal/price"
	"tollgate/internal/provider"
	"tollgate/internal/provider/compat"
	"tollgate/internal/telemetry"
)

// TestReloadAndConnections: a reload keeps the connections to the upstreams where nothing about the way out changes,
// and otherwise closes those of the old one.
func TestReloadAndConnections(t *testing.T) {
	opened, closed := make(chan struct{}, 8), make(chan struct{}, 8)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[]}`)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			opened <- struct{}{}
		case http.StateClosed:
			closed <- struct{}{}
		}
	}
	server.Start()
	defer server.Close()

	file := filepath.Join(t.TempDir(), "config.yaml")
	yaml := "model_list:\n" + model("fast", "openai/m", ", api_key: k, api_base: "+server.URL+"/v1") + master
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(yaml)
	a, found, err := app.Open(t.Context(), app.Options{
		ConfigPath: file, Env: os.LookupEnv, Metrics: telemetry.NewMetrics(),
		Providers: func(func(string) string, *price.Table) map[string]provider.Opener {
			return map[string]provider.Opener{"openai": compat.Open}
		},
		NewLog: func(bool, bool) (*slog.Logger, slog.Level) { return slog.New(slog.DiscardHandler), slog.LevelInfo },
	})
	if err != nil {
		t.Fatalf("%v\n%v", err, found)
	}
	defer func() {
		if err := a.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	chat := func() {
		t.Helper()
		r := httptest.NewRequest("POST", "/v1/chat/completions", strings.NewReader(`{"model":"fast","messages":[]}`))
		r.Header.Set("Authorization", "Bearer "+masterKey)
		w := httptest.NewRecorder()
		a.Handler().ServeHTTP(w, r)
		if w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	reload := func(text string) {
		t.Helper()
		write(text)
		if found, err := a.Reload(); err != nil {
			t.Fatalf("%v\n%v", err, found)
		}
	}

	chat()
	<-opened
	reload(yaml + "router_settings: {num_retries: 1}\n")
	chat()
	if len(opened) != 0 || len(closed) != 0 {
		t.Error("the connection was not used again")
	}
	reload(yaml + "litellm_settings: {ssl_verify: false}\n")
	select {
	case <-closed:
	case <-time.After(10 * time.Second):
		t.Fatal("the old way out keeps its idle connection")
	}
	chat()
	<-opened
}
