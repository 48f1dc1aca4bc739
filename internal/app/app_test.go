package app_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"tollgate/internal/app"
	"tollgate/internal/config"
	"tollgate/internal/openai"
	"tollgate/internal/price"
	"tollgate/internal/provider"
	"tollgate/internal/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const masterKey = "sk-test-master-0123456789"

// upstreams is a provider that answers every chat, and remembers what it was opened with and asked.
type upstreams struct {
	mu     sync.Mutex
	opened []provider.Spec
	getenv func(string) string // of the last one
	asked  []call
	down   map[string]bool // upstream ids that answer 503
}

type call struct{ model, body string }

func (u *upstreams) opener(getenv func(string) string) provider.Opener {
	return func(spec provider.Spec) (provider.Chatter, error) {
		if strings.Contains(spec.Model, "unopenable") {
			return nil, errors.New("oci_key_file: no such file")
		}
		u.mu.Lock()
		defer u.mu.Unlock()
		u.opened, u.getenv = append(u.opened, spec), getenv
		return &upstream{u, spec}, nil
	}
}

// last is the last deployment that was opened, and the environment that it was given.
func (u *upstreams) last() (provider.Spec, func(string) string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.opened[len(u.opened)-1], u.getenv
}

type upstream struct {
	all  *upstreams
	spec provider.Spec
}

func (u *upstream) Chat(_ context.Context, r *openai.Request) (*openai.Response, error) {
	parts, err := u.spec.Outgoing(r)
	if err != nil {
		return nil, err
	}
	u.all.mu.Lock()
	defer u.all.mu.Unlock()
	u.all.asked = append(u.all.asked, call{u.spec.Model, string(parts.Bytes())})
	if u.all.down[u.spec.Model] {
		return nil, &provider.UpstreamError{Status: http.StatusServiceUnavailable, Message: "down"}
	}
	return &openai.Response{Body: []byte(`{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Rome."},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":2,"total_tokens":12}}`)}, nil
}

func (u *upstream) ChatStream(context.Context, *openai.Request) (openai.Stream, error) {
	return nil, errors.New("no test streams")
}

// world is an App on a file.
type world struct {
	*app.App
	*upstreams
	t    *testing.T
	file string
	log  *bytes.Buffer
}

const master = "general_settings: {master_key: " + masterKey + "}\n"

func options(u *upstreams, file string, log *bytes.Buffer) app.Options {
	return app.Options{
		ConfigPath: file, Version: "test", Env: os.LookupEnv, Metrics: telemetry.NewMetrics(),
		Providers: func(getenv func(string) string, _ *price.Table) map[string]provider.Opener {
			return map[string]provider.Opener{"oci": u.opener(getenv)}
		},
		NewLog: func(bool, bool) (*slog.Logger, slog.Level) {
			return slog.New(slog.NewTextHandler(log, nil)), slog.LevelInfo
		},
	}
}

func open(t *testing.T, yaml string) (*world, config.Diagnostics) {
	t.Helper()
	w := &world{t: t, upstreams: &upstreams{down: map[string]bool{}}, file: filepath.Join(t.TempDir(), "config.yaml"), log: &bytes.Buffer{}}
	w.write(yaml)
	a, found, err := app.Open(t.Context(), options(w.upstreams, w.file, w.log))
	if err != nil {
		t.Fatalf("open: %v\n%v", err, found)
	}
	w.App = a
	t.Cleanup(func() {
		if err := a.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return w, found
}

func (w *world) write(yaml string) {
	w.t.Helper()
	if err := os.WriteFile(w.file, []byte(yaml), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// reload puts a file in force, or reports why it cannot be.
func (w *world) reload(yaml string) (config.Diagnostics, error) {
	w.t.Helper()
	w.write(yaml)
	return w.Reload()
}

func (w *world) mustReload(yaml string) {
	w.t.Helper()
	if found, err := w.reload(yaml); err != nil {
		w.t.Fatalf("reload: %v\n%v", err, found)
	}
}

// do sends a request with the master key.
func (w *world) do(method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+masterKey)
	rec := httptest.NewRecorder()
	w.Handler().ServeHTTP(rec, r)
	return rec
}

// chat asks a model and returns the answer and what the upstreams were asked for it.
func (w *world) chat(model string) (*httptest.ResponseRecorder, []call) {
	w.mu.Lock()
	w.asked = nil
	w.mu.Unlock()
	rec := w.do("POST", "/v1/chat/completions", fmt.Sprintf(`{"model":%q,"messages":[]}`, model))
	w.mu.Lock()
	defer w.mu.Unlock()
	return rec, w.asked
}

func model(name, upstream, params string) string {
	return fmt.Sprintf("  - model_name: %q\n    litellm_params: {model: %q%s}\n", name, upstream, params)
}

func TestReloadKeepsTheOldConfigurationOnErrors(t *testing.T) {
	good := "model_list:\n" + model("fast", "oci/cohere.command-latest", "") + model("any/*", "oci/*", "") + master
	w, _ := open(t, good)
	way := w.opened[0].Egress
	for name, bad := range map[string]string{
		"no YAML":                      "model_list: [",
		"a value of the wrong type":    good + "router_settings: {num_retries: many}\n",
		"an unset variable":            "model_list:\n" + model("fast", "os.environ/TOLLGATE_TEST_NOT_SET", ""),
		"a deployment that won't open": "model_list:\n" + model("fast", "oci/unopenable", "") + "litellm_settings: {ssl_verify: false}\n",
		"a provider that is not there": "model_list:\n" + model("fast", "nobody/x", ""),
		"a price that is none":         "model_list:\n" + model("fast", "oci/x", ", input_cost_per_token: -1"),
		"a default that is no number":  "model_list:\n" + model("fast", "oci/x", ", temperature: warm"),
		"an address that is none":      strings.Replace(good, "{master_key", "{allowed_ips: [10.0.0.0/99], master_key", 1),
		"a CA file that is not there":  good + "tollgate_settings: {extra_ca_file: /nowhere/ca.pem}\n",
	} {
		t.Run(name, func(t *testing.T) {
			config := w.Config()
			found, err := w.reload(bad)
			if err == nil {
				t.Fatalf("reloaded: %v", found)
			}
			if w.Config() != config {
				t.Error("another configuration is in force")
			}
			if rec, asked := w.chat("fast"); rec.Code != 200 || len(asked) != 1 || asked[0].model != "cohere.command-latest" {
				t.Errorf("%d %s, asked %v", rec.Code, rec.Body, asked)
			}
			// A name that nobody has asked for is opened now, by the way out that is in force.
			if rec, _ := w.chat("any/" + strings.ReplaceAll(name, " ", "-")); rec.Code != 200 {
				t.Errorf("%d %s", rec.Code, rec.Body)
			}
			if spec, _ := w.last(); spec.Egress != way {
				t.Error("another way out is in force")
			}
			w.mustReload(good)
			if spec, _ := w.last(); spec.Egress != way {
				t.Error("the way out was replaced by that of a refused file")
			}
		})
	}
	w.mustReload("model_list:\n" + model("fast", "oci/xai.grok-4", "") + master)
	if _, asked := w.chat("fast"); len(asked) != 1 || asked[0].model != "xai.grok-4" {
		t.Errorf("after a good file: %v", asked)
	}
}

func TestADeploymentThatCannotBeOpened(t *testing.T) {
	yaml := "model_list:\n" + model("fast", "oci/cohere.command-latest", "") + model("slow", "oci/unopenable", "") + master
	w, found := open(t, yaml)
	errs := found.Errors()
	if len(errs) != 1 || errs[0].Line != 5 || errs[0].Path != "model_list[1].litellm_params" || !strings.Contains(errs[0].Message, "oci_key_file: no such file") {
		t.Errorf("found %v", errs)
	}
	if rec, _ := w.chat("fast"); rec.Code != 200 {
		t.Errorf("the other one: %d %s", rec.Code, rec.Body)
	}
	if rec, _ := w.chat("slow"); rec.Code != 400 {
		t.Errorf("it: %d %s", rec.Code, rec.Body)
	}
	if found, err := w.reload(yaml); !errors.Is(err, app.ErrConfig) || len(found.Errors()) != 1 {
		t.Errorf("a reload: %v, found %v", err, found)
	}

	u := &upstreams{}
	w.write("model_list:\n" + model("slow", "oci/unopenable", ""))
	if _, found, err := app.Open(t.Context(), options(u, w.file, &bytes.Buffer{})); !errors.Is(err, app.ErrConfig) || len(found.Errors()) != 1 {
		t.Errorf("a start with nothing left: %v, found %v", err, found)
	}
	if found := app.Check(options(u, w.file, nil)); len(found.Errors()) != 1 {
		t.Errorf("validate: %v", found)
	}
}

// TestRefusedReloadForgetsNoCooldown: a deployment that cools goes on cooling when a file without it was refused.
func TestRefusedReloadForgetsNoCooldown(t *testing.T) {
	yaml := "model_list:\n" + model("fast", "oci/a", "") + model("fast", "oci/b", "") + master +
		"router_settings: {num_retries: 0, cooldown_time: 600, allowed_fails: 0}\n"
	w, _ := open(t, yaml)
	w.down["a"] = true
	for range 200 { // until the choice has fallen on it
		if _, asked := w.chat("fast"); slices.ContainsFunc(asked, func(c call) bool { return c.model == "a" }) {
			break
		}
	}
	if _, err := w.reload("model_list:\n" + model("fast", "oci/unopenable", "")); err == nil {
		t.Fatal("reloaded")
	}
	w.mustReload(yaml)
	for range 50 {
		if rec, asked := w.chat("fast"); rec.Code != 200 || asked[0].model != "b" {
			t.Fatalf("%d, asked %v", rec.Code, asked)
		}
	}
}

func TestEnvironmentVariablesOfTheFile(t *testing.T) {
	const name, proxy = "TOLLGATE_TEST_REGION", "HTTPS_PROXY"
	t.Setenv(name, "outside")
	t.Setenv(proxy, "")
	file := func(vars, deployment string) string {
		return "environment_variables: {" + vars + "}\nmodel_list:\n" + model("fast", deployment, ", oci_region: os.environ/"+name) + master
	}
	w, _ := open(t, file(name+": one", "oci/a"))
	seen := func(want string) {
		t.Helper()
		spec, getenv := w.last()
		if got := spec.Params.Text("oci_region"); got != want {
			t.Errorf("os.environ/ gives %q, want %q", got, want)
		}
		if got := getenv(name); got != want {
			t.Errorf("providers see %q, want %q", got, want)
		}
		if got := os.Getenv(name); got != want {
			t.Errorf("the process has %q, want %q", got, want)
		}
	}
	seen("one")
	first, before := w.last()

	w.mustReload(file(name+": two", "oci/a"))
	seen("two")
	if second, _ := w.last(); second.Egress != first.Egress {
		t.Error("the way out was made anew for nothing")
	}
	if got := before(name); got != "one" {
		t.Errorf("the configuration before sees %q", got)
	}

	if _, err := w.reload(file(name+": three, "+proxy+": 'http://127.0.0.1:9'", "oci/unopenable")); err == nil {
		t.Fatal("reloaded")
	}
	seen("two")
	if got := os.Getenv(proxy); got != "" {
		t.Errorf("a refused file left %s=%s", proxy, got)
	}

	w.mustReload(file(name+": two, "+proxy+": 'http://127.0.0.1:9'", "oci/a"))
	if second, _ := w.last(); second.Egress == first.Egress {
		t.Error("another proxy, and the same way out")
	}

	w.mustReload(file("", "oci/a"))
	seen("outside")
	if _, set := os.LookupEnv(proxy); !set || os.Getenv(proxy) != "" {
		t.Error("what the file had hidden did not come back")
	}
}

func TestNamesAreMapped(t *testing.T) {
	w, _ := open(t, "model_list:\n"+model("fast", "oci/a", "")+model("spare", "oci/b", "")+master+`
router_settings:
  num_retries: 0
  model_group_alias: {gpt-4: fast, secret: {model: spare, hidden: true}}
  fallbacks: [{fast: [{model: spare, temperature: 0.5}]}]
litellm_settings:
  model_alias_map: {old: fast}
`)
	for name, upstream := range map[string]string{"fast": "a", "gpt-4": "a", "secret": "b", "old": "a", "oci/b": "b"} {
		if rec, asked := w.chat(name); rec.Code != 200 || len(asked) != 1 || asked[0].model != upstream {
			t.Errorf("%s: %d, asked %v", name, rec.Code, asked)
		}
	}
	var list struct{ Data []struct{ ID string } }
	if err := json.Unmarshal(w.do("GET", "/v1/models", "").Body.Bytes(), &list); err != nil || fmt.Sprint(list.Data) != "[{fast} {spare} {gpt-4}]" {
		t.Errorf("listed %v, %v", list.Data, err)
	}

	w.down["a"] = true
	rec, asked := w.chat("fast")
	if rec.Code != 200 || len(asked) != 2 || asked[1].model != "b" || !strings.Contains(asked[1].body, `"temperature":0.5`) || strings.Contains(asked[0].body, "temperature") {
		t.Errorf("a fallback with a parameter: %d, asked %v", rec.Code, asked)
	}

	w.mustReload("model_list:\n" + model("fast", "oci/a", "") + model("spare", "oci/b", "") + "general_settings: {completion_model: spare, master_key: " + masterKey + "}\n")
	if rec, asked := w.chat("fast"); rec.Code != 200 || len(asked) != 1 || asked[0].model != "b" {
		t.Errorf("completion_model: %d, asked %v", rec.Code, asked)
	}
}

func TestModelOfTheCommandLine(t *testing.T) {
	o := options(&upstreams{}, "", &bytes.Buffer{})
	o.Config, o.Model = []byte("model_list:\n"+model("fast", "oci/a", "")+master), "fast"
	a, found, err := app.Open(t.Context(), o)
	if err != nil {
		t.Fatalf("%v\n%v", err, found)
	}
	defer func() {
		if err := a.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	w := &world{App: a, t: t, upstreams: &upstreams{}}
	if rec := w.do("POST", "/v1/chat/completions", `{"messages":[]}`); rec.Code != 200 || rec.Header().Get("X-Litellm-Model-Group") != "fast" {
		t.Errorf("%d %s", rec.Code, rec.Body)
	}
}
