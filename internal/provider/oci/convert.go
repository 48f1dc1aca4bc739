package oci

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
)

// A converter turns the value of a request parameter, which is valid JSON and not null, into OCI's. A nil result
// leaves the parameter out, since it asks for nothing. problem, when set, says what was expected ("a number").
type converter func(value []byte) (out []byte, problem string)

func number(v []byte) ([]byte, string) {
	if v[0] != '-' && (v[0] < '0' || v[0] > '9') {
		return nil, "a number"
	}
	return v, ""
}

func integer(v []byte) ([]byte, string) {
	f, err := strconv.ParseFloat(string(v), 64)
	if err != nil || f != float64(int64(f)) {
		return nil, "an integer"
	}
	return strconv.AppendInt(nil, int64(f), 10), ""
}

func boolean(v []byte) ([]byte, string) {
	if v[0] != 't' && v[0] != 'f' {
		return nil, "a boolean"
	}
	return v, ""
}

func stringValue(v []byte) ([]byte, string) {
	if v[0] != '"' {
		return nil, "a string"
	}
	return v, ""
}

func objectValue(v []byte) ([]byte, string) {
	if v[0] != '{' {
		return nil, "an object"
	}
	return v, ""
}

// enum puts a word into OCI's upper case. Whether the word is one of OCI's, OCI says itself: its message names
// the words it takes (oracle/wayflow#143).
func enum(v []byte) ([]byte, string) {
	if v[0] != '"' {
		return nil, "a string"
	}
	return bytes.ToUpper(v), ""
}

// effort is enum, with LiteLLM's word for none.
func effort(v []byte) ([]byte, string) {
	if string(v) == `"disable"` {
		return []byte(`"NONE"`), ""
	}
	return enum(v)
}

// stopList makes a list of a single text.
func stopList(v []byte) ([]byte, string) {
	switch {
	case v[0] == '"':
		return append(append([]byte{'['}, v...), ']'), ""
	case v[0] != '[':
		return nil, "a string or an array of strings"
	case len(bytes.TrimSpace(v[1:len(v)-1])) == 0:
		return nil, ""
	}
	return v, ""
}

// choices leaves out the 1 that every model does anyway (BerriAI/litellm#29703).
func choices(v []byte) ([]byte, string) {
	n, problem := integer(v)
	if problem != "" || string(n) == "1" {
		return nil, problem
	}
	return n, ""
}

// prediction turns {"type":"content","content": text or parts} into OCI's form.
func prediction(v []byte) ([]byte, string) {
	const want = "an object with 'content'"
	members, err := jsonscan.Object(v, nil)
	if err != nil {
		return nil, want
	}
	content, ok := jsonscan.Find(members, "content")
	if !ok {
		return nil, want
	}
	texts := [][]byte{content}
	if content[0] == '[' {
		if texts, err = jsonscan.Array(content, nil); err != nil {
			return nil, want
		}
	}
	var o jsonOut
	o.open('{')
	o.strMember("type", "CONTENT")
	o.key("content")
	o.open('[')
	for _, t := range texts {
		if t[0] == '{' {
			part, err := jsonscan.Object(t, nil)
			if err != nil {
				return nil, want
			}
			t, _ = jsonscan.Find(part, "text")
		}
		if len(t) == 0 || t[0] != '"' {
			return nil, want
		}
		appendTextPart(&o, openai.Text(t))
	}
	o.close(']')
	o.close('}')
	return o.b, ""
}

// webSearch turns OpenAI's web_search_options, whose location is nested once more, into OCI's.
func webSearch(v []byte) ([]byte, string) {
	type place struct {
		City     string `json:"city,omitempty"`
		Region   string `json:"region,omitempty"`
		Country  string `json:"country,omitempty"`
		Timezone string `json:"timezone,omitempty"`
	}
	var in struct {
		Size     string `json:"search_context_size"`
		Location *struct {
			place
			Approximate *place `json:"approximate"`
		} `json:"user_location"`
	}
	if v[0] != '{' || json.Unmarshal(v, &in) != nil {
		return nil, "an object with 'search_context_size' and 'user_location'"
	}
	var out struct {
		Size     string `json:"searchContextSize,omitempty"`
		Location *place `json:"userLocation,omitempty"`
	}
	out.Size = strings.ToUpper(in.Size)
	if in.Location != nil {
		out.Location = &in.Location.place
		if in.Location.Approximate != nil {
			out.Location = in.Location.Approximate
		}
	}
	return mustJSON(out), ""
}

// thinking turns {"type":"enabled","budget_tokens"} in its two spellings into COHEREV2's.
func thinking(v []byte) ([]byte, string) {
	var in struct {
		Type        string `json:"type"`
		Budget      *int   `json:"budget_tokens"`
		TokenBudget *int   `json:"token_budget"`
		OCIBudget   *int   `json:"tokenBudget"`
	}
	if v[0] != '{' || json.Unmarshal(v, &in) != nil {
		return nil, "an object with 'type' and 'token_budget'"
	}
	var out struct {
		Type   string `json:"type"`
		Budget *int   `json:"tokenBudget,omitempty"`
	}
	out.Type = strings.ToUpper(in.Type)
	for _, b := range []*int{in.Budget, in.TokenBudget, in.OCIBudget} {
		if b != nil {
			out.Budget = b
		}
	}
	return mustJSON(out), ""
}

// thinkingEffort turns a reasoning effort into COHEREV2's switch, which knows no degrees.
func thinkingEffort(v []byte) ([]byte, string) {
	word, problem := effort(v)
	switch {
	case problem != "":
		return nil, problem
	case string(word) == `"NONE"`:
		return []byte(`{"type":"DISABLED"}`), ""
	}
	return []byte(`{"type":"ENABLED"}`), ""
}

// safetyMode is enum, with Cohere's own word for none.
func safetyMode(v []byte) ([]byte, string) {
	word, problem := enum(v)
	if string(word) == `"NONE"` {
		return []byte(`"OFF"`), ""
	}
	return word, problem
}

// citationQuality turns COHERE's word into COHEREV2's options.
func citationQuality(v []byte) ([]byte, string) {
	word, problem := enum(v)
	if problem != "" {
		return nil, problem
	}
	var o jsonOut
	o.open('{')
	o.rawMember("mode", word)
	o.close('}')
	return o.b, ""
}

// citationMode turns {"mode":"fast"} into COHEREV2's form.
func citationMode(v []byte) ([]byte, string) {
	var in struct {
		Mode string `json:"mode"`
	}
	if v[0] != '{' || json.Unmarshal(v, &in) != nil || in.Mode == "" {
		return nil, "an object with 'mode'"
	}
	return mustJSON(map[string]string{"mode": strings.ToUpper(in.Mode)}), ""
}

// documents makes objects of string values of what callers give: texts, objects, or Cohere's {"id","data":{...}}.
func documents(v []byte) ([]byte, string) {
	const want = "an array of strings or objects"
	elements, err := jsonscan.Array(v, nil)
	if err != nil {
		return nil, want
	}
	if len(elements) == 0 {
		return nil, ""
	}
	var o jsonOut
	o.open('[')
	for _, e := range elements {
		o.open('{')
		switch e[0] {
		case '"':
			o.rawMember("snippet", e)
		case '{':
			if !appendDocument(&o, e) {
				return nil, want + " without repeated names"
			}
		default:
			return nil, want
		}
		o.close('}')
	}
	o.close(']')
	return o.b, ""
}

// appendDocument writes the members of a document; values that are no strings become their JSON text. It reports false
// for what no document can be.
func appendDocument(o *jsonOut, raw []byte) bool {
	members, err := jsonscan.Object(raw, nil)
	if err != nil {
		return false
	}
	for _, m := range members {
		switch {
		case string(m.Name) == "data" && m.Value[0] == '{':
			if !appendDocument(o, m.Value) {
				return false
			}
			continue
		case string(m.Value) == "null":
			continue
		}
		o.comma()
		o.b = append(jsonscan.AppendString(o.b, string(m.Name)), ':')
		if m.Value[0] == '"' {
			o.raw(m.Value)
		} else {
			o.str(string(m.Value))
		}
	}
	return true
}

// mustJSON marshals a value that cannot fail to.
func mustJSON(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}
