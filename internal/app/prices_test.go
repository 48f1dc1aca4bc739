package app_test

import (
	"fmt"
	"strings"
	"testing"
)

// Ten tokens of a prompt without text, at 1.56e-06, and an answer of 140 characters, at 3.9e-07: Cohere is billed by character.
func TestModelsThatAPatternOpensArePriced(t *testing.T) {
	const cost = "X-Litellm-Response-Cost"
	w, _ := open(t, "model_list:\n"+
		model("oci/*", "oci/*", "")+
		model("dear/*", "oci/*", ", input_cost_per_token: 0.001, output_cost_per_token: 0.002")+
		model("all/*", "oci/cohere.command-latest", "")+
		"  - model_name: based/*\n    litellm_params: {model: oci/*}\n    model_info: {base_model: oci/cohere.command-latest}\n"+master)
	for name, want := range map[string]string{
		"oci/cohere.command-latest":     "7.02e-05",
		"oci/nobody.knows-it":           "",
		"dear/cohere.command-latest":    "0.014",
		"dear/nobody.knows-it":          "0.014",
		"all/whatever":                  "7.02e-05",
		"based/nobody.knows-it":         "7.02e-05",
		"oci/nobody.knows-it-either":    "",
		"oci/meta.llama-3.3-70b-nobody": "",
	} {
		for range 2 {
			if rec, _ := w.chat(name); rec.Code != 200 || rec.Header().Get(cost) != want {
				t.Errorf("%s: %d, costs %q, want %q", name, rec.Code, rec.Header().Get(cost), want)
			}
		}
	}
	for _, unknown := range []string{"nobody.knows-it", "nobody.knows-it-either", "meta.llama-3.3-70b-nobody"} {
		if said := strings.Count(w.log.String(), fmt.Sprintf("no price is known for oci/%s,", unknown)); said != 1 {
			t.Errorf("that %s has no price was said %d times: %s", unknown, said, w.log)
		}
	}
	if strings.Contains(w.log.String(), "no price is known for oci/cohere") {
		t.Errorf("%s", w.log)
	}
}

// A star in the upstream's id alone opens nothing: the name is the upstream's own business.
func TestAStarThatNothingFills(t *testing.T) {
	w, _ := open(t, "model_list:\n"+model("all", "oci/*", "")+master)
	if rec, asked := w.chat("all"); rec.Code != 200 || asked[0].model != "*" {
		t.Errorf("%d %s, asked %v", rec.Code, rec.Body, asked)
	}
}

// Routing by cost knows the price of an opened model.
func TestOpenedModelsAreRoutedByTheirPrice(t *testing.T) {
	w, _ := open(t, "model_list:\n"+model("fast-*", "oci/cohere.command-*", "")+model("fast-*", "oci/unlisted-*", "")+master+
		"router_settings: {routing_strategy: cost-based-routing}\n")
	for range 20 {
		if _, asked := w.chat("fast-latest"); len(asked) != 1 || asked[0].model != "cohere.command-latest" {
			t.Fatalf("asked %v", asked)
		}
	}
}
