package config_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/config"
)

// TestLoad_SecretsNeverPrint prints a configuration full of secrets in every way.
func TestLoad_SecretsNeverPrint(t *testing.T) {
	for _, file := range []string{"full.yaml", "sample.yaml", "anchors.yaml"} {
		c := load(t, file)
		dump, err := c.Dump()
		if err != nil {
			t.Fatal(err)
		}
		asJSON, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		outputs := []string{string(dump), string(asJSON), fmt.Sprintf("%v %+v %#v", c, *c, *c)}
		for _, m := range c.Models {
			key, _ := m.Params.Provider("oci_key")
			outputs = append(outputs, fmt.Sprintf("%v %+v %#v %s", m, m.Params, m.Params, key))
		}
		for _, out := range outputs {
			if at := strings.Index(out, "must-not-show"); at >= 0 {
				t.Errorf("%s: a secret shows: ...%s", file, out[max(0, at-200):at+13])
			}
		}
	}
	c := load(t, "full.yaml")
	if key := c.Models[0].Params.Secret("oci_key"); key.Reveal() != "secret-must-not-show" {
		t.Errorf("the secret itself is %d bytes", len(key.Reveal()))
	}
}

func TestDump(t *testing.T) {
	const file = `
x-base: &base {rpm: 5, oci_key: inline-pem}
model_list:
  - model_name: a
    litellm_params: {<<: *base, model: openai/a, api_key: os.environ/SECRET, api_version: os.environ/V, stop: yes, custom_api_key: hidden, extra_headers: {A: b}}
environment_variables: {A: hidden}
`
	c, _ := config.Parse("c.yaml", []byte(file), lookup("SECRET", "hidden", "V", "2024"))
	got, err := c.Dump()
	if err != nil {
		t.Fatal(err)
	}
	const want = `x-base:
    rpm: 5
    oci_key: '*****'
model_list:
    - model_name: a
      litellm_params:
        model: openai/a
        api_key: '*****' # os.environ/SECRET
        api_version: "2024" # os.environ/V
        stop: true
        custom_api_key: '*****'
        extra_headers:
            A: '*****'
        rpm: 5
        oci_key: '*****'
environment_variables:
    A: '*****'
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDiagnostics(t *testing.T) {
	_, found := config.Parse("c.yaml", []byte("router_settings: {num_retries: -1, foo: 1}"), lookup())
	if !found.HasErrors() || found.Err() == nil || len(found.Errors()) != 1 || strings.Contains(found.Error(), "foo") {
		t.Errorf("errors are %q", found.Error())
	}
	got, err := json.Marshal(found)
	if err != nil {
		t.Fatal(err)
	}
	const want = `[{"severity":"error","file":"c.yaml","line":1,"column":32,"path":"router_settings.num_retries","code":"bad-value","message":"\"-1\" must not be negative"},` +
		`{"severity":"warning","file":"c.yaml","line":1,"column":36,"path":"router_settings.foo","code":"unknown-key","message":"\"foo\" is no key of router_settings and is ignored; remove it"}]`
	if string(got) != want {
		t.Errorf("JSON is %s", got)
	}
	none, err := json.Marshal(config.Diagnostics(nil))
	if err != nil || string(none) != "[]" || config.Diagnostics(nil).Err() != nil {
		t.Errorf("no findings are %s, %v", none, err)
	}

	many, found := config.Parse("c.yaml", []byte("general_settings: {"+strings.Repeat("x", 3)+manyKeys(3000)+"}"), lookup())
	if many == nil || len(found) > 501 || !strings.Contains(found[len(found)-1].Message, "more findings") {
		t.Errorf("%d findings of a file with 3000 mistakes", len(found))
	}
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ": 1, key%d", i)
	}
	return b.String() + ": 1"
}

// /model/info repeats the parameters: numbers keep their digits, secrets are masked.
func TestParams_Masked(t *testing.T) {
	const file = `model_list: [{model_name: a, litellm_params: {model: oci/a, oci_key: os.environ/SECRET, oci_key_file: /k, temperature: 0.50, my_api_key: hidden, extra_headers: {X: hidden}, metadata: {password: hidden, n: 1}}}]`
	c, _ := config.Parse("c.yaml", []byte(file), environment)
	got, err := json.Marshal(c.Models[0].Params.Masked())
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"extra_headers":{"X":"*****"},"metadata":{"n":1,"password":"*****"},"model":"oci/a","my_api_key":"*****","oci_key":"*****","oci_key_file":"/k","temperature":0.50}`; string(got) != want {
		t.Errorf("Masked is %s\nwant      %s", got, want)
	}
	if got := (config.Params{}).Masked(); len(got) != 0 {
		t.Errorf("no parameters are %v", got)
	}
}

func TestValue(t *testing.T) {
	const file = "model_list:\n- model_name: a\n  litellm_params: {model: oci/a, on: yes, oci_key: pem, list: [1, a], empty: }\n"
	c, _ := config.Parse("c.yaml", []byte(file), lookup())
	p := c.Models[0].Params
	if p.Path() != "model_list[0].litellm_params" || p.Pos() != (config.Position{File: "c.yaml", Line: 3, Column: 19}) {
		t.Errorf("parameters stand at %s, %v", p.Path(), p.Pos())
	}
	on, found := p.Provider("on")
	value, isBool := on.Bool()
	if !found || !value || !isBool || on.String() != "yes" || on.Path() != "model_list[0].litellm_params.on" || on.Pos().Column != 38 {
		t.Errorf("on is %v at %s %v", on, on.Path(), on.Pos())
	}
	key, _ := p.Provider("oci_key")
	if fmt.Sprintf("%v|%+v|%s", key, key, key) != "*****|*****|*****" || key.Secret().Reveal() != "pem" {
		t.Errorf("a secret value prints as %v", key)
	}
	list, _ := p.Provider("list")
	if diff := cmp.Diff([]any{json.Number("1"), "a"}, list.JSON()); diff != "" || list.String() != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	absent, found := p.Provider("empty")
	if _, isBool := absent.Bool(); found || isBool || absent.JSON() != nil || absent.String() != "" || !absent.Secret().Empty() || absent.Pos() != (config.Position{}) {
		t.Errorf("an empty key is %v", absent)
	}
	if zero := (config.Params{}); zero.Extra() != nil || zero.Text("x") != "" || zero.Pos() != (config.Position{}) {
		t.Error("the zero Params are not empty")
	}
}

// A password inside of an address is masked where the configuration is shown, whatever the key is called.
func TestMasked_Addresses(t *testing.T) {
	cfg, found := config.Parse("test", []byte(`
litellm_settings:
  cache: true
  cache_params: {type: redis, url: "redis://user:hidden-1@cache:6379/0", other: "https://host/path?api_key=hidden-2&x=1", plain: "https://host:8443/path?x=1"}
callback_settings: {x: {endpoint: "https://u:hidden-3@host/in"}}
`), func(string) (string, bool) { return "", false })
	if found.HasErrors() {
		t.Fatal(found)
	}
	text, err := cfg.Dump()
	if err != nil {
		t.Fatal(err)
	}
	if shown := string(text); strings.Contains(shown, "hidden") || !strings.Contains(shown, "redis://user:*****@cache:6379/0") || !strings.Contains(shown, "https://host:8443/path?x=1") {
		t.Errorf("%s", shown)
	}
}
