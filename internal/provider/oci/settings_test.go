package oci

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tollgate/internal/provider/oci/auth"
)

func TestOpen_Settings(t *testing.T) {
	const region = "https://inference.generativeai.us-ashburn-1.oci.oraclecloud.com"
	tests := []struct {
		name, params string
		env          map[string]string
		check        func(settings) string
		want         string
	}{
		{"LiteLLM's region", "", nil, func(s settings) string { return s.actionsURL }, region + "/20231130/actions"},
		{"region of the environment", "", map[string]string{"OCI_REGION": "us-chicago-1"}, func(s settings) string { return s.region }, "us-chicago-1"},
		{"region code", "oci_region: FRA", nil, func(s settings) string { return s.region }, "eu-frankfurt-1"},
		{"sovereign realm", "oci_region: eu-frankfurt-2", nil, func(s settings) string { return s.actionsURL }, "https://inference.generativeai.eu-frankfurt-2.oci.oraclecloud.eu/20231130/actions"},
		{"government realm", "oci_region: uk-gov-london-1", nil, func(s settings) string { return s.openaiURL }, "https://inference.generativeai.uk-gov-london-1.oci.oraclegovcloud.uk/openai/v1"},
		{"realm of an unknown region by the tenancy", "oci_region: xx-new-1\noci_tenancy: ocid1.tenancy.oc3..a", nil, func(s settings) string { return s.actionsURL }, "https://inference.generativeai.xx-new-1.oci.oraclegovcloud.com/20231130/actions"},
		{"api_base", "api_base: http://127.0.0.1:8443/", nil, func(s settings) string { return s.actionsURL + " " + s.openaiURL }, "http://127.0.0.1:8443/20231130/actions http://127.0.0.1:8443/openai/v1"},
		{"api_base of the action", "api_base: https://h/20231130/actions/chat", nil, func(s settings) string { return s.actionsURL }, "https://h/20231130/actions"},
		{"api_base of the OpenAI surface", "api_base: https://h/openai/v1", nil, func(s settings) string { return string(s.surface) + " " + s.openaiURL }, "openai https://h/openai/v1"},
		{"api_base of the older shim", "api_base: https://h/20231130/actions/v1/", nil, func(s settings) string { return string(s.surface) + " " + s.openaiURL + " " + s.actionsURL }, "openai https://h/20231130/actions/v1 https://h/20231130/actions"},
		{"compartment of the entry", "oci_compartment_id: c1\noci_tenancy: t", map[string]string{"OCI_COMPARTMENT_ID": "c2"}, func(s settings) string { return s.compartment }, "c1"},
		{"L#25175: of the environment", "oci_compartment_id: ''\noci_tenancy: t", map[string]string{"OCI_COMPARTMENT_ID": "c2", "OCI_COMPARTMENT": "c3"}, func(s settings) string { return s.compartment }, "c2"},
		{"of its older name", "oci_compartment_id: ''\noci_tenancy: t", map[string]string{"OCI_COMPARTMENT": "c3"}, func(s settings) string { return s.compartment }, "c3"},
		{"the tenancy last", "oci_compartment_id: ''\noci_tenancy: t", nil, func(s settings) string { return s.compartment }, "t"},
		{"GenAI API key of the environment", "", map[string]string{"OCI_GENAI_API_KEY": "sk-x"}, func(s settings) string { return s.apiKey.Reveal() }, "sk-x"},
		{"on demand although an endpoint is there", "oci_serving_mode: ON_DEMAND\noci_endpoint_id: ocid1.generativeaiendpoint.oc1..e", nil, func(s settings) string { return s.endpoint }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := testOptions(&fakePrincipal{})
			o.Getenv = func(name string) string { return tt.env[name] }
			d := openWith(t, o, "model: oci/xai.grok-4\n"+tt.params, nil)
			if got := tt.check(d.settings); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestOpen_Errors(t *testing.T) {
	tests := []struct{ params, want string }{
		{"model: oci/m\noci_serving_mode: DEDICATED", "oci: litellm_params.oci_serving_mode is DEDICATED, but there is no oci_endpoint_id"},
		{"model: oci/m\napi_base: inference.example", "oci: litellm_params.api_base: expected http:// or https:// and a host, without a user name"},
		{"model: oci/m\napi_base: https://u:p@h", "oci: litellm_params.api_base: expected http:// or https:// and a host, without a user name"},
		{"model: oci/cohere.command-r-plus-08-2024\noci_surface: openai", "oci: litellm_params.oci_surface: OCI's OpenAI surface does not serve Cohere's R models; use actions"},
		{"model: oci/m\noci_compartment_id: ''\noci_user: u", "oci: no compartment: set litellm_params.oci_compartment_id or OCI_COMPARTMENT_ID"},
	}
	for _, tt := range tests {
		if _, err := New(testOptions(&fakePrincipal{})).Open(readSpec(t, tt.params)); err == nil || err.Error() != tt.want {
			t.Errorf("%q:\n got %v\nwant %s", tt.params, err, tt.want)
		}
	}
}

// oci-wire 3.2 and 1.7: the facts know of the R series alone that /openai/v1 does not serve it; the others of Cohere's
// models are tried, with a warning.
func TestCheck_CohereOnOpenAISurface(t *testing.T) {
	for params, want := range map[string]int{
		"model: oci/cohere.command-latest\noci_surface: openai": 1, "model: oci/cohere.command-latest\noci_surface: openai\napi_key: sk-x": 1,
		"model: oci/cohere.command-latest": 0, "model: oci/xai.grok-4\noci_surface: openai": 0,
	} {
		warnings, err := openWith(t, testOptions(&fakePrincipal{}), params, nil).Check()
		if err != nil || len(warnings) != want || (want > 0 && !strings.Contains(warnings[0], "Unsupported OpenAI operation")) {
			t.Errorf("%q: %q, %v", params, warnings, err)
		}
	}
}

// Equal credentials are one principal: one parsed key, one token. Credentials that differ in anything are not.
func TestOpen_SharesPrincipals(t *testing.T) {
	made := 0
	o := testOptions(nil)
	o.Principal = func(Credentials) (auth.Principal, error) {
		made++
		return &fakePrincipal{}, nil
	}
	f := New(o)
	open := func(params ...string) auth.Principal {
		t.Helper()
		c, err := f.Open(readSpec(t, "model: oci/m\n"+strings.Join(params, "\n")))
		if err != nil {
			t.Fatal(err)
		}
		return c.(*Deployment).principal
	}
	base := []string{"oci_tenancy: t", "oci_user: u", "oci_key: K", "oci_fingerprint: f", "oci_key_passphrase: p"}
	first := open(base...)
	if open(append(slices.Clone(base), "temperature: 1")...) != first || made != 1 {
		t.Errorf("%d principals for equal credentials", made)
	}
	for i, line := range base {
		other := slices.Clone(base)
		other[i] = line + "2"
		if open(other...) == first || made != i+2 {
			t.Errorf("%s: the same principal", other[i])
		}
	}
}

func TestCredentials_NeverPrint(t *testing.T) {
	c := readCredentials(readSpec(t, "model: oci/m\noci_key: TOPSECRET\noci_key_passphrase: HUSHHUSH\noci_user: u").Params, func(string) string { return "" })
	if c.Key.Reveal() != "TOPSECRET" || c.Passphrase.Reveal() != "HUSHHUSH" {
		t.Fatalf("key %q", c.Key.Reveal())
	}
	for _, text := range []string{c.String(), fmt.Sprintf("%v %+v %#v %s", c, c, c, c), string(mustJSON(c)), c.LogValue().String()} {
		if strings.Contains(text, "TOPSECRET") || strings.Contains(text, "HUSHHUSH") {
			t.Error(text)
		}
	}
}

// oci-wire 5: cohere.* is COHERE but for vision and reasoning, which are COHEREV2; every other vendor is GENERIC
// (L#18166), ids unknown today included.
func TestFamilyOf(t *testing.T) {
	tests := []struct {
		model  string
		format Format
		want   string
	}{
		{"cohere.command-r-08-2024", "", "cohere"}, {"cohere.command-latest", "", "cohere"}, {"cohere.command-a-03-2025", "", "cohere"},
		{"cohere.command-a-vision-07-2025", "", "cohere-v2"}, {"cohere.command-a-reasoning-08-2025", "", "cohere-v2-reasoning"},
		{"openai.gpt-5.9-x", "", "openai-reasoning"}, {"openai.o3-mini", "", "openai-reasoning"}, {"openai.o9", "", "openai-reasoning"},
		{"openai.gpt-4.1-mini", "", "openai-chat"}, {"openai.gpt-oss-20b", "", "openai-oss"},
		{"xai.grok-4.20-reasoning", "", "xai-reasoning"}, {"xai.grok-4-fast-non-reasoning", "", "xai-plain"}, {"xai.grok-3-mini-fast", "", "xai-mini"},
		{"xai.grok-3-fast", "", "xai-plain"}, {"xai.grok-4.6", "", "xai-effort"}, {"xai.grok-9", "", "xai"},
		{"google.gemini-9", "", "google"}, {"meta.llama-3.3-70b-instruct", "", "meta-3"}, {"meta.llama-5", "", "meta"},
		{"mistral.large", "", "generic"}, {"ocid1.generativeaiendpoint.oc1..x", "", "generic"}, {"XAI.GROK-4", "", "xai-reasoning"},
		{"ocid1.generativeaiendpoint.oc1..x", Cohere, "cohere"}, {"ocid1.generativeaiendpoint.oc1..x", CohereV2, "cohere-v2-reasoning"},
		{"cohere.command-a-imported", Generic, "generic"}, {"cohere.command-a-vision-07-2025", CohereV2, "cohere-v2"}, {"meta.llama-4", Generic, "meta"},
	}
	for _, tt := range tests {
		if got := familyOf(tt.model, tt.format).name; got != tt.want {
			t.Errorf("%s %s: %s, want %s", tt.model, tt.format, got, tt.want)
		}
	}
}

func TestSupportedParams(t *testing.T) {
	for _, tt := range []struct {
		model      string
		has, lacks []string
	}{
		{"openai.gpt-5", []string{"max_tokens", "reasoning_effort", "tools", "stream_options"}, []string{"temperature", "top_p", "presence_penalty"}},
		{"xai.grok-4", []string{"temperature", "n"}, []string{"stop", "frequency_penalty", "reasoning_effort"}},
		{"cohere.command-latest", []string{"documents", "safety_mode", "stop", "seed"}, []string{"n", "logprobs", "logit_bias", "tool_choice", "reasoning_effort", "parallel_tool_calls"}},
		{"meta.llama-3.3-70b-instruct", []string{"logit_bias", "tool_choice"}, []string{"parallel_tool_calls"}},
	} {
		got := SupportedParams(tt.model, "")
		if !slices.IsSorted(got) {
			t.Errorf("%s: not sorted: %q", tt.model, got)
		}
		for _, name := range tt.has {
			if !slices.Contains(got, name) {
				t.Errorf("%s lacks %s", tt.model, name)
			}
		}
		for _, name := range tt.lacks {
			if slices.Contains(got, name) {
				t.Errorf("%s has %s", tt.model, name)
			}
		}
	}
}

// client-contract 3: the profile's tenancy is the last resort for a compartment; Oracle's tools take its region too.
func TestOpen_Profile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	if err := os.WriteFile(file, []byte("[TEAM]\nuser=u\ntenancy=ocid1.tenancy.oc1..p\nregion=eu-frankfurt-1\nkey_file=k\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	params := "model: oci/xai.grok-4\noci_compartment_id: ''\noci_profile: TEAM\noci_config_file: " + file
	d := openWith(t, testOptions(&fakePrincipal{}), params, nil)
	if d.settings.region != "eu-frankfurt-1" || d.settings.compartment != "ocid1.tenancy.oc1..p" {
		t.Errorf("region %s, compartment %s", d.settings.region, d.settings.compartment)
	}
	d = openWith(t, testOptions(&fakePrincipal{}), params+"\noci_region: us-chicago-1\noci_tenancy: t", nil)
	if d.settings.region != "us-chicago-1" || d.settings.compartment != "t" {
		t.Errorf("region %s, compartment %s", d.settings.region, d.settings.compartment)
	}
}

func TestOpenPrincipal_Errors(t *testing.T) {
	tests := []struct{ params, want string }{
		{"oci_user: u\noci_tenancy: t", "oci: an API key signs, because oci_user is given, but it is not whole: there is no oci_key_file or oci_key (or OCI_KEY_FILE, OCI_KEY)"},
	}
	for _, tt := range tests {
		_, err := New(Options{}).Open(readSpec(t, "model: oci/m\n"+tt.params))
		if err == nil || err.Error() != tt.want {
			t.Errorf("%q: got %v, want %s", tt.params, err, tt.want)
		}
	}
}
