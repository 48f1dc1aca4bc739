package oci

import "testing"

// What each kind of parameter makes of a value: OCI's form, nothing, or what was expected.
func TestConverters(t *testing.T) {
	tests := []struct {
		name    string
		convert converter
		in      string
		want    string // "" leaves the parameter out
		problem string
	}{
		{"number", number, `0.5`, `0.5`, ""}, {"number", number, `-1e3`, `-1e3`, ""}, {"number", number, `"1"`, "", "a number"},
		{"integer", integer, `7`, `7`, ""}, {"integer", integer, `7.0`, `7`, ""}, {"integer", integer, `7.5`, "", "an integer"}, {"integer", integer, `true`, "", "an integer"},
		{"boolean", boolean, `true`, `true`, ""}, {"boolean", boolean, `1`, "", "a boolean"},
		{"string", stringValue, `"a"`, `"a"`, ""}, {"string", stringValue, `5`, "", "a string"},
		{"object", objectValue, `{"1":2}`, `{"1":2}`, ""}, {"object", objectValue, `[]`, "", "an object"},
		{"enum", enum, `"low"`, `"LOW"`, ""}, {"enum", enum, `1`, "", "a string"},
		{"effort", effort, `"disable"`, `"NONE"`, ""}, {"effort", effort, `"minimal"`, `"MINIMAL"`, ""},
		{"stop", stopList, `"x"`, `["x"]`, ""}, {"stop", stopList, `["x","y"]`, `["x","y"]`, ""}, {"stop", stopList, `[ ]`, "", ""}, {"stop", stopList, `1`, "", "a string or an array of strings"},
		{"n", choices, `1`, "", ""}, {"n", choices, `3`, `3`, ""}, {"n", choices, `"x"`, "", "an integer"},
		{"logprobs", sampledLogprobs, `true`, `1`, ""}, {"logprobs", sampledLogprobs, `false`, "", ""}, {"logprobs", sampledLogprobs, `5`, "", "a boolean"},
		{"prediction", prediction, `{"type":"content","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}`, `{"type":"CONTENT","content":[{"type":"TEXT","text":"a"},{"type":"TEXT","text":"b"}]}`, ""},
		{"prediction", prediction, `"a"`, "", "an object with 'content'"}, {"prediction", prediction, `{"content":[{"text":1}]}`, "", "an object with 'content'"}, {"prediction", prediction, `{"content":[5]}`, "", "an object with 'content'"},
		{"web search", webSearch, `{}`, `{}`, ""}, {"web search", webSearch, `{"user_location":{"city":"Brest"}}`, `{"userLocation":{"city":"Brest"}}`, ""}, {"web search", webSearch, `[]`, "", "an object with 'search_context_size' and 'user_location'"},
		{"thinking", thinking, `{"type":"enabled","token_budget":5}`, `{"type":"ENABLED","tokenBudget":5}`, ""}, {"thinking", thinking, `{"type":"disabled"}`, `{"type":"DISABLED"}`, ""}, {"thinking", thinking, `5`, "", "an object with 'type' and 'token_budget'"},
		{"effort as a switch", thinkingEffort, `"high"`, `{"type":"ENABLED"}`, ""}, {"effort as a switch", thinkingEffort, `"disable"`, `{"type":"DISABLED"}`, ""}, {"effort as a switch", thinkingEffort, `5`, "", "a string"},
		{"citations", citationMode, `{"mode":"accurate"}`, `{"mode":"ACCURATE"}`, ""}, {"citations", citationMode, `{}`, "", "an object with 'mode'"},
		{"safety", safetyMode, `"none"`, `"OFF"`, ""}, {"safety", safetyMode, `"strict"`, `"STRICT"`, ""}, {"safety", safetyMode, `1`, "", "a string"},
		{"citation quality", citationQuality, `"off"`, `{"mode":"OFF"}`, ""}, {"citation quality", citationQuality, `1`, "", "a string"},
		{"documents", documents, `[]`, "", ""}, {"documents", documents, `["a",{"b":null,"c":[1]}]`, `[{"snippet":"a"},{"c":"[1]"}]`, ""}, {"documents", documents, `[5]`, "", "an array of strings or objects"}, {"documents", documents, `{}`, "", "an array of strings or objects"},
	}
	for _, tt := range tests {
		got, problem := tt.convert([]byte(tt.in))
		if string(got) != tt.want || problem != tt.problem {
			t.Errorf("%s of %s: %s, %q; want %s, %q", tt.name, tt.in, got, problem, tt.want, tt.problem)
		}
	}
}
