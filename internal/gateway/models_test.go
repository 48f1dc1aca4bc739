package gateway_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
)

// TestParametersAreTheOperators: who has not shown the master key learns names, prices and the parameters of calls, and
// nothing of credentials, files and accounts.
func TestParametersAreTheOperators(t *testing.T) {
	const list = `
model_list:
  - model_name: fast
    litellm_params:
      model: openai/gpt-up
      api_base: http://up.example/v1?token=secret
      api_key: sk-upstream-secret
      organization: org-1
      oci_key_file: /home/me/.oci/key.pem
      oci_compartment_id: ocid1.compartment.oc1..x
      extra_headers: {x-team: blue}
      extra_body: {account: acme}
      some_future_key: whatever
      tags: [a]
      rpm: 7
      temperature: 0.5
      input_cost_per_token: 0.001
`
	params := func(s, path string, header ...string) map[string]any {
		t.Helper()
		got := do(t, "GET", s+path, "", header...)
		var body struct {
			Data []struct {
				Params map[string]any `json:"litellm_params"`
				Info   map[string]any `json:"model_info"`
			}
		}
		if err := json.Unmarshal([]byte(got.text), &body); err != nil || len(body.Data) != 1 {
			t.Fatalf("%d %v: %s", got.status, err, got.text)
		}
		if body.Data[0].Info["input_cost_per_token"] != 0.001 {
			t.Errorf("no price: %s", got.text)
		}
		if strings.Contains(got.text, "sk-upstream-secret") {
			t.Errorf("a key: %s", got.text)
		}
		return body.Data[0].Params
	}
	u := newUpstream(t)
	keyless := open(t, u, list).URL
	keyed := open(t, u, list+"general_settings: {master_key: "+masterKey+", public_routes: [/model/info], allowed_routes: [llm_api_routes]}\n").URL
	public := []string{"api_base", "model", "rpm", "tags", "temperature"}
	for _, who := range []struct {
		name, server, path string
		header             []string
	}{
		{"a caller of a gateway without keys", keyless, "/model/info", []string{"X-None", "1"}},
		{"the same, with some key", keyless, "/v1/model/info", nil},
		{"a stranger, where the route is public", keyed, "/model/info", []string{"X-None", "1"}},
	} {
		shown := params(who.server, who.path, who.header...)
		if got := slices.Sorted(maps.Keys(shown)); !slices.Equal(got, public) {
			t.Errorf("%s sees %v, want %v", who.name, got, public)
		}
		if shown["api_base"] != "http://up.example/v1" {
			t.Errorf("%s sees the address %v", who.name, shown["api_base"])
		}
	}
	for _, path := range []string{"/model/info", "/v1/model/info"} {
		shown := params(keyed, path)
		for _, name := range []string{"oci_key_file", "oci_compartment_id", "extra_headers", "extra_body", "some_future_key", "organization"} {
			if _, ok := shown[name]; !ok {
				t.Errorf("%s: the operator does not see %s: %v", path, name, shown)
			}
		}
	}
}
