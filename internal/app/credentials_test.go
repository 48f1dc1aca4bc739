package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tollgate/internal/app"
	"tollgate/internal/builtin"
	"tollgate/internal/config"
	"tollgate/internal/ocisim"
)

// onOCI is a gateway with the real providers in the environment of one way, and the simulator that it calls.
type onOCI struct {
	*world
	sim *ocisim.Listening
	env map[string]string
}

func openOnOCI(t *testing.T, way ocisim.Way, yaml func(url string) string) *onOCI {
	t.Helper()
	sim, err := ocisim.Listen(ocisim.Options{Seed: 1}, ocisim.ListenOptions{Dir: t.TempDir(), ClusterAddress: ocisim.NoCluster})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	w := &onOCI{world: &world{t: t, upstreams: &upstreams{}, file: filepath.Join(t.TempDir(), "config.yaml"), log: &bytes.Buffer{}}, sim: sim, env: sim.Environment(way)}
	w.write(yaml(sim.URL))
	o := options(w.upstreams, w.file, w.log)
	o.Providers, o.Env = builtin.Providers, w.lookup
	a, found, err := app.Open(t.Context(), o)
	if err != nil {
		t.Fatalf("open: %v\n%v", err, found)
	}
	w.App = a
	t.Cleanup(func() {
		if err := a.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *onOCI) lookup(name string) (string, bool) {
	value, ok := w.env[name]
	return value, ok
}

// call makes a chat and returns its status and text.
func (w *onOCI) call(model string) (int, string) {
	w.t.Helper()
	r := httptest.NewRequest("POST", "/v1/chat/completions", strings.NewReader(fmt.Sprintf(`{"model":%q,"max_tokens":2000,"messages":[{"role":"user","content":"Capital of Italy?"}]}`, model)))
	r.Header.Set("Authorization", "Bearer "+masterKey)
	r.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	w.Handler().ServeHTTP(rec, r)
	return rec.Code, rec.Body.String()
}

// principals are the credentials of /health, as text.
func (w *onOCI) principals() string {
	w.t.Helper()
	rec := w.do("GET", "/health", "")
	var health struct {
		Credentials []struct {
			Principal, Status string
			Renewals          int
		}
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &health); err != nil || rec.Code != http.StatusOK {
		w.t.Fatalf("%d %s", rec.Code, rec.Body)
	}
	return strings.Trim(fmt.Sprint(health.Credentials), "[]")
}

const twoModels = `
model_list:
  - {model_name: a, litellm_params: {model: oci/xai.grok-4.20-reasoning, api_base: "URL"}}
  - {model_name: b, litellm_params: {model: oci/cohere.command-latest, api_base: "URL"}}
general_settings: {master_key: ` + masterKey + `}
`

// Deployments of one identity have one token, and a reload keeps it. What nobody uses any more is let go.
func TestCredentialsOutliveReloads(t *testing.T) {
	w := openOnOCI(t, ocisim.WayInstance, func(url string) string { return strings.ReplaceAll(twoModels, "URL", url) })
	text := strings.ReplaceAll(twoModels, "URL", w.sim.URL)
	for _, model := range []string{"a", "b"} {
		if status, body := w.call(model); status != http.StatusOK {
			t.Fatalf("%d %s", status, body)
		}
	}
	federated := func() int { return w.sim.Identity().Requests()["x509"].Requests }
	w.mustReload(text + "router_settings: {num_retries: 1}\n")
	if _, err := w.reload("model_list: 5\n"); err == nil {
		t.Fatal("a bad file was taken")
	}
	if _, err := w.reload(strings.Replace(text, "oci/cohere.command-latest", "oci/", 1)); err == nil {
		t.Fatal("a deployment without a model was taken")
	}
	if status, body := w.call("a"); status != http.StatusOK || federated() != 1 {
		t.Errorf("%d after reloads, %d tokens: %s", status, federated(), body)
	}
	if got, want := w.principals(), "{instance_principal valid 1}"; got != want {
		t.Errorf("/health tells of %s, want %s", got, want)
	}

	// Another kind, by the default of tollgate_settings, which stands before OCI_AUTH.
	w.env["OCI_AUTH"] = "instance_principal"
	w.env["OCI_CONFIG_FILE"] = filepath.Join(w.sim.Dir, "session", "config")
	w.mustReload(text + "tollgate_settings: {oci_auth: security_token}\n")
	if status, body := w.call("a"); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	if got, want := w.principals(), "{security_token:DEFAULT valid 1}"; got != want {
		t.Errorf("/health tells of %s, want %s", got, want)
	}
	metrics := w.do("GET", "/metrics", "").Body.String()
	if !strings.Contains(metrics, `tollgate_oci_credential_renewals_total{principal="security_token:DEFAULT"} 1`) || strings.Contains(metrics, `principal="instance_principal"`) {
		t.Errorf("metrics:\n%s", metrics)
	}
}

// The gateway starts, and is ready, while OCI gives it no token; callers are told so.
func TestStartWithoutAToken(t *testing.T) {
	w := openOnOCI(t, ocisim.WayInstance, func(string) string { return "general_settings: {master_key: " + masterKey + "}\n" })
	away := httptest.NewServer(http.NotFoundHandler())
	defer away.Close()
	w.env["OCI_SDK_AUTH_CLIENT_REGION_URL"] = away.URL
	w.mustReload(strings.ReplaceAll(twoModels, "URL", w.sim.URL))
	if rec := w.do("GET", "/health/readiness", ""); rec.Code != http.StatusOK {
		t.Errorf("readiness %d %s", rec.Code, rec.Body)
	}
	if status, body := w.call("a"); status != http.StatusUnauthorized || !strings.Contains(body, "the gateway has no valid credential for OCI") {
		t.Errorf("%d %s", status, body)
	}
	if got := w.principals(); !strings.HasPrefix(got, "{instance_principal missing 0}") {
		t.Errorf("/health tells of %s", got)
	}
}

// validate says who signs and why, once, and asks nobody; what is missing is an error that names it.
func TestCheck_Principals(t *testing.T) {
	asked := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		_, _ = io.Copy(io.Discard, r.Body)
	}))
	defer srv.Close()
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(twoModels, "URL", srv.URL)), 0o600); err != nil {
		t.Fatal(err)
	}
	check := func(env map[string]string) config.Diagnostics {
		return app.Check(app.Options{ConfigPath: file, Providers: builtin.Providers, Env: func(name string) (string, bool) {
			value, ok := env[name]
			return value, ok
		}})
	}
	found := check(map[string]string{"OCI_METADATA_BASE_URL": srv.URL, "OCI_AUTH": "auto"})
	want := "calls of OCI are signed by instance_principal, because OCI_METADATA_BASE_URL is set; region: us-ashburn-1; compartment: the principal's tenancy, known at the start"
	if found.HasErrors() || len(found) != 1 || found[0].Message != want {
		t.Errorf("found %v\nwant %s", found, want)
	}
	found = check(map[string]string{"OCI_CONFIG_FILE": filepath.Join(t.TempDir(), "none"), "OCI_AUTH": "api_key"})
	if errs := found.Errors(); len(errs) != 2 || !strings.Contains(errs[0].Message, "no such file") {
		t.Errorf("found %v", found)
	}
	found = check(map[string]string{"OCI_AUTH": "oke_workload_identity", "KUBERNETES_SERVICE_HOST": "127.0.0.1", "OCI_REGION": "us-chicago-1"})
	if errs := found.Errors(); len(errs) != 2 || !strings.Contains(errs[0].Message, "/var/run/secrets/kubernetes.io/serviceaccount/token") {
		t.Errorf("found %v", found)
	}
	if asked != 0 {
		t.Errorf("%d questions were asked", asked)
	}
}
