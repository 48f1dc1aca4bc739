package config_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/config"
)

// environment has every variable that the good files refer to.
var environment = lookup(
	"OCI_REGION", "eu-frankfurt-1", "OCI_USER", "ocid1.user.oc1..u", "OCI_FINGERPRINT", "aa:bb", "OCI_TENANCY", "ocid1.tenancy.oc1..t",
	"OCI_KEY_FILE", "/oci-keys/key.pem", "OCI_COMPARTMENT_ID", "ocid1.compartment.oc1..c", "OCI_GENAI_API_KEY", "genai-must-not-show",
	"LITELLM_MASTER_KEY", "sk-must-not-show", "SECRET", "secret-must-not-show",
)

// load reads a good file and fails on anything graver than a notice.
func load(t *testing.T, name string) *config.Config {
	t.Helper()
	c, found := config.Load(filepath.Join("testdata/good", name), environment)
	found = append(found, config.Check(c)...)
	for _, d := range found {
		if d.Severity != config.Notice {
			t.Fatalf("%v", d)
		}
	}
	return c
}

func TestLoad_GoodFilesSayNothingGrave(t *testing.T) {
	files, err := filepath.Glob("testdata/good/*.yaml")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d good files, error %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			load(t, filepath.Base(file))
		})
	}
}

func TestLoad_Sample(t *testing.T) {
	c := load(t, "sample.yaml")
	want := map[string]string{
		"oci-cohere-command":   "oci/cohere.command-latest",
		"oci-grok":             "oci/xai.grok-4.20",
		"oci-gpt5-mini":        "oci/openai.gpt-5-mini",
		"oci-llama-4-maverick": "oci/meta.llama-4-maverick-17b-128e-instruct-fp8",
		"oci-gemini-2.5-flash": "oci/google.gemini-2.5-flash",
		"oci-cohere-embed":     "oci/cohere.embed-v4.0",
	}
	got := make(map[string]string)
	for _, m := range c.Models {
		got[m.Name] = m.Params.Model
		for key, value := range map[string]string{
			"oci_region": "eu-frankfurt-1", "oci_user": "ocid1.user.oc1..u", "oci_fingerprint": "aa:bb",
			"oci_tenancy": "ocid1.tenancy.oc1..t", "oci_key_file": "/oci-keys/key.pem", "oci_compartment_id": "ocid1.compartment.oc1..c",
		} {
			if v, ok := m.Params.Provider(key); !ok || v.String() != value || v.Pos().Line <= m.Pos.Line {
				t.Errorf("%s: %s is %q at %v", m.Name, key, v, v.Pos())
			}
		}
		if len(m.Params.Extra()) != 0 {
			t.Errorf("%s has parameters %v", m.Name, m.Params.Extra())
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("models (-want +got):\n%s", diff)
	}
	if !c.Litellm.DropParams || c.General.MasterKey.Reveal() != "sk-must-not-show" {
		t.Errorf("settings %+v %+v", c.Litellm, c.General)
	}
	if f := c.Router.Fallbacks; len(f) != 2 || f[0].Model != "oci-gpt5-mini" || len(f[0].Targets) != 2 || f[0].Targets[1].Model != "oci-llama-4-maverick" {
		t.Errorf("fallbacks %+v", f)
	}
	if last := c.Models[5]; last.Info.Mode != "embedding" {
		t.Errorf("mode %q", last.Info.Mode)
	}
}

// The defaults are those of LiteLLM's router and proxy.
func TestLoad_EmptyFilesGiveDefaults(t *testing.T) {
	for _, path := range []string{"", "testdata/good/empty.yaml", "testdata/good/comment.yaml", "testdata/good/braces.yaml", "testdata/good/dashes.yaml"} {
		c, found := config.Load(path, lookup())
		if len(found) != 0 || len(c.Models) != 0 {
			t.Errorf("%q: %v, %d models", path, found, len(c.Models))
		}
		r := c.Router
		got := []any{
			r.RoutingStrategy, r.NumRetries, r.MaxFallbacks, r.Timeout, r.RetryAfter, r.AllowedFails, r.CooldownTime,
			r.TagFilteringMatchAny, r.RoutingStrategyArgs.TTL, r.RoutingStrategyArgs.MaxLatencyListSize,
			c.General.MaxRequestSizeMB, c.General.HealthCheckDetails, c.General.MasterKey.Empty(),
			c.Litellm.RequireAuthForMetrics, c.Litellm.SSLVerify.Disabled,
			c.Tollgate.ConfigReload, c.Tollgate.AllowURLFetch,
		}
		want := []any{
			"simple-shuffle", 2, 5, 6000 * time.Second, time.Duration(0), 3, 5 * time.Second,
			true, time.Hour, 10,
			32.0, true, true,
			true, false,
			true, false,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", path, diff)
		}
	}
}

func TestLoad_EnvironmentGivesDefaults(t *testing.T) {
	env := lookup("LITELLM_MASTER_KEY", "sk-env", "DATABASE_URL", "postgresql://db", "DEFAULT_MAX_RETRIES", "4", "REQUEST_TIMEOUT", "30",
		"ROUTER_MAX_FALLBACKS", "1", "DEFAULT_ALLOWED_FAILS", "9", "DEFAULT_COOLDOWN_TIME_SECONDS", "0.5", "LITELLM_DROP_PARAMS", "True", "JSON_LOGS", "1")
	c, found := config.Parse("c.yaml", []byte("router_settings: {max_fallbacks: 3}"), env)
	if len(found) != 1 || found[0].File != "" || found[0].Path != "litellm_settings.json_logs" || !strings.Contains(found[0].Message, "JSON_LOGS") {
		t.Errorf("findings %v", found)
	}
	r := c.Router
	got := []any{c.General.MasterKey.Reveal(), r.NumRetries, r.Timeout, r.MaxFallbacks, r.AllowedFails, r.CooldownTime, c.Litellm.DropParams}
	want := []any{"sk-env", 4, 30 * time.Second, 3, 9, 500 * time.Millisecond, true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLoad_AnchorsAndMergeKeys(t *testing.T) {
	c := load(t, "anchors.yaml")
	text := func(i int, key string) string { v, _ := c.Models[i].Params.Provider(key); return v.String() }
	if text(0, "oci_region") != "us-chicago-1" || text(0, "oci_compartment_id") != "ocid1.compartment.oc1..c" {
		t.Error("an explicit key does not win over a merged one, or a merged one is lost")
	}
	if got := c.Models[0].Params.Extra()["temperature"]; got != json.Number("0.2") {
		t.Errorf("merged parameter %v", got)
	}
	if got := c.Models[1].Params; *got.RPM != 60 || *got.TPM != 100000 || got.Extra()["temperature"] != json.Number("0.2") {
		t.Errorf("of a list of mappings the first does not win: %+v", got)
	}
	if got := c.Models[2].Params; *got.RPM != 30 || *got.TPM != 100000 || got.Model != "oci/openai.gpt-5" {
		t.Errorf("a merged mapping does not bring what was merged into it: %+v", got)
	}
	if got := c.Models[0].Params.Tags; !slices.Equal(got, []string{"free", "default"}) {
		t.Errorf("aliased list %v", got)
	}
	if v, _ := c.Models[1].Params.Provider("oci_region"); v.Pos().Line != 3 {
		t.Errorf("a merged value stands where it is written, got %v", v.Pos())
	}
}

func TestLoad_TakesLaxValues(t *testing.T) {
	c := load(t, "lax.yaml")
	if len(c.Models) != 2 {
		t.Fatalf("%d deployments, want one for each organisation", len(c.Models))
	}
	p := c.Models[0].Params
	got := []any{
		p.Organization, c.Models[1].Params.Organization, *p.RPM, *p.TPM, *p.Order, *p.Weight, *p.Timeout, *p.StreamTimeout, *p.DropParams,
		p.Costs, p.ExtraHeaders["X-A"].Reveal(), p.ExtraHeaders["X-B"].Reveal(),
		c.Router.NumRetries, c.Router.Timeout, c.Router.EnablePreCallChecks, c.Router.ModelGroupAlias["hidden"].Hidden, c.Router.ModelGroupAlias["gpt-4"].Model,
		c.Router.Fallbacks[0].Targets[0].Model, c.Router.Fallbacks[1].Targets[0].Model, c.Router.Fallbacks[1].Targets[0].Params,
		c.Litellm.SSLVerify,
	}
	want := []any{
		"org-a", "org-b", int64(60), int64(1000), 1, 2.0, 30 * time.Second, 2500 * time.Millisecond, true,
		map[string]config.Decimal{"input_cost_per_token": "0.00000250", "output_cost_per_token": "1e-05", "input_cost_per_audio_token": ".5", "input_cost_per_character": "0.000001"}, "1", "high",
		3, 600 * time.Second, true, true, "anything",
		"anything", "other", map[string]any{"temperature": json.Number("0")},
		config.SSLVerify{CAFile: "/etc/ssl/ca.pem"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	extra, err := json.Marshal(p.Extra())
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"cost_center":7,"max_tokens":16,"metadata":{"list":[1,"two",3.50],"none":null,"when":"2026-01-01"},"stop":true,"top_p":0.5}`; string(extra) != want {
		t.Errorf("Extra is %s\nwant     %s", extra, want)
	}
	echo, err := json.Marshal(c.Models[0].Info.Echo())
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"input_cost_per_character":0.000001,"output_cost_per_token":9,"owner":{"team":["a","b"]}}`; string(echo) != want {
		t.Errorf("Echo is %s", echo)
	}
}

func TestLoad_Include(t *testing.T) {
	c := load(t, "include.yaml")
	var names []string
	for _, m := range c.Models {
		names = append(names, m.Name)
	}
	if want := []string{"a", "b", "c"}; !slices.Equal(names, want) {
		t.Errorf("models %v, want %v", names, want)
	}
	if !c.Litellm.DropParams || !c.Litellm.SetVerbose || c.Router.NumRetries != 1 {
		t.Errorf("an included mapping does not override key by key: %+v", c.Litellm)
	}
	want := []string{"testdata/good/include.yaml", "testdata/good/parts/models.yaml", "testdata/good/parts/more.yaml", "testdata/good/parts/settings.yaml"}
	if !slices.Equal(c.Files, want) {
		t.Errorf("files %v, want %v", c.Files, want)
	}
	if pos := c.Models[2].Pos; pos != (config.Position{File: "testdata/good/parts/more.yaml", Line: 2, Column: 5}) {
		t.Errorf("an included model stands at %v", pos)
	}
}

func TestLoad_FileProblems(t *testing.T) {
	dir := t.TempDir()
	missing := filepath.Join(dir, "none.yaml")
	c, found := config.Load(missing, lookup())
	if !found.HasErrors() || found[0].Code != config.CodeFile || c == nil || !slices.Equal(c.Files, []string{missing}) {
		t.Errorf("missing file: %v", found)
	}
	if _, found = config.Load(dir, lookup()); !found.HasErrors() {
		t.Error("a folder was read as a file")
	}
	big := filepath.Join(dir, "big.yaml")
	if err := os.WriteFile(big, []byte(strings.Repeat("# comment\n", 1<<20)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, found = config.Load(big, lookup()); !found.HasErrors() || found[0].Code != config.CodeTooLarge {
		t.Errorf("a file of 10 MB: %v", found)
	}
	main := filepath.Join(dir, "main.yaml")
	if err := os.WriteFile(main, []byte("include: [other.yaml, ./other.yaml, later.yaml]"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "other.yaml"), []byte("model_list: [{model_name: a, litellm_params: {model: openai/a}}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, found = config.Load(main, lookup())
	if len(c.Models) != 1 || len(found) != 2 || found[0].Severity != config.Warning || found[1].Severity != config.Error {
		t.Errorf("twice included: %d models, %v", len(c.Models), found)
	}
	if last := c.Files[len(c.Files)-1]; last != filepath.Join(dir, "later.yaml") {
		t.Errorf("a watcher would not see the missing include appear: %v", c.Files)
	}
	if _, found = config.Parse("c.yaml", []byte("include: other.yaml"), lookup()); !found.HasErrors() {
		t.Error("Parse read a file")
	}
}

// environment_variables are in force for references and for defaults (BerriAI/litellm#22088).
func TestParse_EnvironmentVariablesAreEffective(t *testing.T) {
	const file = `
model_list: [{model_name: a, litellm_params: {model: openai/a, api_key: os.environ/KEY, api_version: os.environ/NUMBER}}]
environment_variables: {KEY: os.environ/REAL_KEY, NUMBER: 7, NOTHING: , DEFAULT_MAX_RETRIES: 6}
general_settings: {master_key: os.environ/LITELLM_MASTER_KEY}
`
	c, found := config.Parse("c.yaml", []byte(file), lookup("REAL_KEY", "real", "KEY", "of the process", "LITELLM_MASTER_KEY", "sk-1"))
	if len(found) != 0 {
		t.Fatal(found)
	}
	if p := c.Models[0].Params; p.APIKey.Reveal() != "real" || p.APIVersion != "7" || c.Router.NumRetries != 6 {
		t.Errorf("key %q, version %q, retries %d", p.APIKey.Reveal(), p.APIVersion, c.Router.NumRetries)
	}
	if len(c.Environment) != 3 || c.Environment["NUMBER"].Reveal() != "7" {
		t.Errorf("Environment has %d entries", len(c.Environment))
	}
}

func TestParse_Credentials(t *testing.T) {
	const file = `
credential_list:
  - credential_name: shared
    credential_values: {api_key: os.environ/SECRET, api_base: https://shared.example.com, oci_region: r}
    credential_info: {description: x, custom_llm_provider: openai}
model_list:
  - model_name: a
    litellm_params: {model: openai/a, litellm_credential_name: shared, api_base: https://own.example.com}
`
	c, found := config.Parse("c.yaml", []byte(file), environment)
	if len(found) != 0 || len(config.Check(c)) != 0 {
		t.Fatal(found, config.Check(c))
	}
	p := c.Models[0].Params
	if p.APIKey.Reveal() != "secret-must-not-show" || p.APIBase != "https://own.example.com" || p.Text("oci_region") != "r" {
		t.Errorf("merged credential: base %q, region %q", p.APIBase, p.Text("oci_region"))
	}
}

func TestParse_SharedKeys(t *testing.T) {
	const both = `
litellm_settings: {num_retries: 7, allowed_fails: 8, request_timeout: 9, max_fallbacks: 2, fallbacks: [{a: [b]}], default_fallbacks: [c], context_window_fallbacks: [{a: [w]}]}
router_settings: {num_retries: 1, fallbacks: [{a: [r]}], context_window_fallbacks: }
model_group_alias: {old: a}
`
	c, found := config.Parse("c.yaml", []byte(both), lookup())
	if len(found) != 0 {
		t.Fatal(found)
	}
	r := c.Router
	got := []any{r.NumRetries, r.AllowedFails, r.Timeout, r.MaxFallbacks, r.Fallbacks[0].Targets[0].Model, r.DefaultFallbacks[0].Model,
		r.ContextWindowFallbacks[0].Targets[0].Model, r.ContextWindowFallbacks[0].Path, r.ModelGroupAlias["old"].Model}
	want := []any{1, 8, 9 * time.Second, 2, "r", "c", "w", "litellm_settings.context_window_fallbacks[0]", "a"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("router_settings wins, litellm_settings completes (-want +got):\n%s", diff)
	}
}

func TestParse_Policies(t *testing.T) {
	const file = `
router_settings:
  retry_policy: {TimeoutErrorRetries: 3, RateLimitErrorRetries: 0}
  model_group_retry_policy: {a: {InternalServerErrorRetries: 1}}
  allowed_fails_policy: {BadGatewayErrorAllowedFails: 4, RateLimitErrorAllowedFails: 2}
  routing_strategy: latency-based-routing
  routing_strategy_args: {ttl: 10, lowest_latency_buffer: 0.5}
  default_litellm_params: {timeout: 5, temperature: 0}
`
	c, found := config.Parse("c.yaml", []byte(file), lookup())
	if len(found) != 0 {
		t.Fatal(found)
	}
	r := c.Router
	if *r.RetryPolicy.Timeout != 3 || *r.RetryPolicy.RateLimit != 0 || r.RetryPolicy.BadRequest != nil {
		t.Errorf("retry_policy %+v", r.RetryPolicy)
	}
	if *r.ModelGroupRetryPolicy["a"].InternalServer != 1 {
		t.Errorf("model_group_retry_policy %+v", r.ModelGroupRetryPolicy)
	}
	if *r.AllowedFailsPolicy.BadGateway != 4 || *r.AllowedFailsPolicy.RateLimit != 2 || r.AllowedFailsPolicy.Timeout != nil {
		t.Errorf("allowed_fails_policy %+v", r.AllowedFailsPolicy)
	}
	if r.RoutingStrategyArgs.TTL != 10*time.Second || r.RoutingStrategyArgs.LowestLatencyBuffer != 0.5 || r.RoutingStrategyArgs.MaxLatencyListSize != 10 {
		t.Errorf("routing_strategy_args %+v", r.RoutingStrategyArgs)
	}
	if *r.DefaultParams.Timeout != 5*time.Second || r.DefaultParams.Extra()["temperature"] != json.Number("0") {
		t.Errorf("default_litellm_params %+v", r.DefaultParams)
	}
}

func TestParse_SupportedEnvironments(t *testing.T) {
	const file = `
model_list:
  - {model_name: everywhere, litellm_params: {model: openai/a}}
  - {model_name: live, litellm_params: {model: openai/b}, model_info: {supported_environments: [production]}}
  - {model_name: trial, litellm_params: {model: openai/c}, model_info: {supported_environments: [development, staging]}}
`
	c, found := config.Parse("c.yaml", []byte(file), lookup("LITELLM_ENVIRONMENT", "production"))
	if len(found) != 0 || len(c.Models) != 2 || c.Models[1].Name != "live" {
		t.Errorf("%v, %d models", found, len(c.Models))
	}
}

func TestParse_DeploymentIDs(t *testing.T) {
	ids := func(env func(string) (string, bool), list string) []string {
		t.Helper()
		c, found := config.Parse("c.yaml", []byte("model_list: ["+list+"]"), env)
		if found.HasErrors() {
			t.Fatal(found)
		}
		var out []string
		for _, m := range c.Models {
			out = append(out, m.Info.ID)
		}
		return out
	}
	first, second := lookup("K", "one", "L", "x"), lookup("K", "two", "L", "y")
	entry := func(params string) string {
		return "{model_name: a, litellm_params: {model: openai/a, " + params + "}}"
	}

	base := ids(first, entry("rpm: 1, api_key: os.environ/K"))[0]
	same := map[string]string{
		"another order of keys":    ids(first, entry("api_key: os.environ/K, rpm: 1"))[0],
		"another value of the key": ids(second, entry("rpm: 1, api_key: os.environ/K"))[0],
	}
	for what, id := range same {
		if id != base {
			t.Errorf("%s changes the id", what)
		}
	}
	different := map[string]string{
		"another parameter": ids(first, entry("rpm: 2, api_key: os.environ/K"))[0],
		"another variable":  ids(first, entry("rpm: 1, api_key: os.environ/L"))[0],
		"another alias":     ids(first, strings.Replace(entry("rpm: 1, api_key: os.environ/K"), "_name: a", "_name: b", 1))[0],
	}
	for what, id := range different {
		if id == base {
			t.Errorf("%s does not change the id", what)
		}
	}
	if a, b := ids(first, entry("api_key: sk-a")), ids(first, entry("api_key: sk-b")); a[0] != b[0] {
		t.Error("an inline secret is in the id")
	}
	if twins := ids(first, entry("api_key: sk-a")+","+entry("api_key: sk-b")); twins[0] == twins[1] {
		t.Error("two deployments have one id")
	}
	if own := ids(first, "{model_name: a, litellm_params: {model: openai/a}, model_info: {id: mine}}"); own[0] != "mine" {
		t.Errorf("the file's id is not kept: %v", own)
	}
}
