package app_test

import (
	"strings"
	"testing"
)

// A number may be written as a text, as everything is that comes from a variable (LiteLLM takes it too).
func TestDefaultParametersThatAreNumbers(t *testing.T) {
	t.Setenv("TOLLGATE_TEST_TEMPERATURE", "0.10")
	for _, tt := range []struct{ params, want string }{
		{`temperature: 0.1`, `"temperature":0.1`},
		{`temperature: "0.1"`, `"temperature":0.1`},
		{`temperature: os.environ/TOLLGATE_TEST_TEMPERATURE`, `"temperature":0.10`},
		{`max_tokens: "64"`, `"max_tokens":64`},
		{`max_tokens: " 64 "`, `"max_tokens":64`},
		{`top_p: ".5"`, `"top_p":0.5`},
		{`seed: "+7"`, `"seed":7`},
		{`seed: 12345678901234567890`, `"seed":12345678901234567890`},
		{`temperature: null`, `"temperature":null`},
		{`stop: "1"`, `"stop":"1"`},
		{`extra_body: {temperature: "0.2", mood: warm}`, `"mood":"warm","temperature":0.2`},
		{`extra_body: {temperature: warm}`, `"temperature":"warm"`},
	} {
		t.Run(tt.params, func(t *testing.T) {
			w, found := open(t, "model_list:\n"+model("fast", "oci/a", ", "+tt.params)+master)
			if found.HasErrors() {
				t.Fatalf("%v", found)
			}
			if rec, asked := w.chat("fast"); rec.Code != 200 || !strings.Contains(asked[0].body, tt.want) {
				t.Errorf("%d, sent %v, want %s", rec.Code, asked, tt.want)
			}
		})
	}
}

func TestDefaultParametersThatShouldBeNumbers(t *testing.T) {
	t.Setenv("TOLLGATE_TEST_TEMPERATURE", "warm")
	healthy := model("fast", "oci/a", "")
	for _, tt := range []struct {
		name, yaml   string
		line, column int
		path         string
	}{
		{"a text", "model_list:\n" + healthy + "  - model_name: bad\n    litellm_params:\n      model: oci/b\n      temperature: warm\n", 7, 20, "model_list[1].litellm_params.temperature"},
		{"an empty text", "model_list:\n" + healthy + "  - model_name: bad\n    litellm_params:\n      model: oci/b\n      max_tokens: ''\n", 7, 19, "model_list[1].litellm_params.max_tokens"},
		{"a variable", "model_list:\n" + healthy + "  - model_name: bad\n    litellm_params:\n      model: oci/b\n      temperature: os.environ/TOLLGATE_TEST_TEMPERATURE\n", 7, 20, "model_list[1].litellm_params.temperature"},
		{"infinity", "model_list:\n" + healthy + "  - model_name: bad\n    litellm_params:\n      model: oci/b\n      top_p: .inf\n", 7, 14, "model_list[1].litellm_params.top_p"},
		{"a list", "model_list:\n" + healthy + "  - model_name: bad\n    litellm_params:\n      model: oci/b\n      seed: [1]\n", 7, 13, "model_list[1].litellm_params.seed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, found := open(t, tt.yaml+master)
			errs := found.Errors()
			if len(errs) != 1 {
				t.Fatalf("found %v", found)
			}
			if d := errs[0]; d.Line != tt.line || d.Column != tt.column || d.Path != tt.path || d.Code != "wrong-type" || strings.Contains(d.Message, "warm") {
				t.Errorf("%v", d)
			}
		})
	}

	t.Run("for all entries, said once", func(t *testing.T) {
		w, _ := open(t, "model_list:\n"+healthy+master)
		found, err := w.reload("model_list:\n" + healthy + model("slow", "oci/b", "") + master + "router_settings:\n  default_litellm_params: {temperature: warm}\n")
		if errs := found.Errors(); err == nil || len(errs) != 1 || errs[0].Path != "router_settings.default_litellm_params.temperature" {
			t.Errorf("%v, found %v", err, errs)
		}
	})
}
