package jsonschema_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	reference "github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"tollgate/internal/content"
	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/jsonschema"
	"tollgate/internal/guardrail/remote/remotetest"
	"tollgate/internal/openai"
)

const person = `{"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer","minimum":0},"tags":{"type":"array","items":{"enum":["a","b"]}}},"required":["name"],"additionalProperties":false}`

// verdict is what a guardrail says of the answers to a request with this schema.
func verdict(t *testing.T, settings, format string, answers ...string) guardrail.Verdict {
	t.Helper()
	g := remotetest.Open(t, jsonschema.Open, settings, nil)
	asked := remotetest.Chat(t, `[{"role":"user","content":"x"}]`)
	if format != "" {
		asked = remotetest.Chat(t, `[{"role":"user","content":"x"}]`, `"response_format":`+format)
	}
	return remotetest.Post(t, g, asked, remotetest.Answer(t, answers...))
}

func TestCheck(t *testing.T) {
	asked := `{"type":"json_schema","json_schema":{"name":"p","strict":true,"schema":` + person + `}}`
	tests := []struct {
		name, settings, format string
		answers                []string
		where                  string
	}{
		{"fits", `{}`, asked, []string{`{"name":"Ann","age":3,"tags":["a"]}`}, ""},
		{"blanks around it", `{}`, asked, []string{"\n {\"name\":\"Ann\"}\n"}, ""},
		{"another type", `{}`, asked, []string{`{"name":1}`}, "#/properties/name/type"},
		{"no integer", `{}`, asked, []string{`{"name":"Ann","age":1.5}`}, "#/properties/age/type"},
		{"an integer in another form", `{}`, asked, []string{`{"name":"Ann","age":1.0}`}, ""},
		{"too small", `{}`, asked, []string{`{"name":"Ann","age":-1}`}, "#/properties/age/minimum"},
		{"in a list", `{}`, asked, []string{`{"name":"Ann","tags":["a","c"]}`}, "#/properties/tags/items/enum"},
		{"missing", `{}`, asked, []string{`{}`}, "#/required/0"},
		{"too much", `{}`, asked, []string{`{"name":"Ann","secret":1}`}, "#/additionalProperties/false"},
		{"words around it", `{}`, asked, []string{"```json\n{\"name\":\"Ann\"}\n```"}, "not_json"},
		{"cut off", `{}`, asked, []string{`{"name":"An`}, "not_json"},
		{"two values", `{}`, asked, []string{`{"name":"Ann"}{}`}, "not_json"},
		{"the second choice", `{}`, asked, []string{`{"name":"Ann"}`, `[]`}, "#/type"},
		{"no schema", `{}`, "", []string{"Hello"}, ""},
		{"any object", `{}`, `{"type":"json_object"}`, []string{`{"a":1}`}, ""},
		{"no object", `{}`, `{"type":"json_object"}`, []string{`[1]`}, "not_json"},
		{"text", `{}`, `{"type":"text"}`, []string{"Hello"}, ""},
		{"the operator's own", `{"schema":{"type":"array"}}`, "", []string{`[]`}, ""},
		{"the operator's wins", `{"schema":{"type":"array"}}`, asked, []string{`{"name":"Ann"}`}, "#/type"},
		{"numbers of a file", `{"schema":{"maximum":3}}`, "", []string{`4`}, "#/maximum"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v := verdict(t, test.settings, test.format, test.answers...)
			if test.where == "" {
				if v.Action != "" {
					t.Errorf("%+v", v)
				}
				return
			}
			if v.Action != guardrail.Block || v.Detail["schema_location"] != test.where || !strings.HasPrefix(v.Reason, "The answer does not fit the JSON schema: it ") {
				t.Errorf("%+v, want %s", v, test.where)
			}
			for _, said := range []string{"Ann", "secret"} {
				if strings.Contains(fmt.Sprint(v), said) {
					t.Errorf("%+v shows what was said", v)
				}
			}
		})
	}
}

func TestCheck_Log(t *testing.T) {
	v := verdict(t, `{"schema":{"type":"array"},"action":"log"}`, "", `{}`)
	if v.Action != guardrail.Allow || len(v.Findings) != 1 || v.Findings[0].Kind != "json_schema" {
		t.Errorf("%+v", v)
	}
}

func TestCheck_OnlyAnswers(t *testing.T) {
	g := remotetest.Open(t, jsonschema.Open, `{"schema":{"type":"array"}}`, nil)
	if v := remotetest.Pre(t, g, remotetest.User(t, "hello")); v.Action != "" {
		t.Errorf("%+v", v)
	}
}

// A schema is a caller's, and may be made to keep the gateway busy.
func TestCheck_Bounds(t *testing.T) {
	doubled := `{"$defs":{"d0":{"type":"object"}`
	for i := range 40 {
		doubled += fmt.Sprintf(`,"d%d":{"allOf":[{"$ref":"#/$defs/d%d"},{"$ref":"#/$defs/d%d"}]}`, i+1, i, i)
	}
	for name, schema := range map[string]string{
		"doubled": doubled + `},"$ref":"#/$defs/d40"}`,
		"endless": `{"$ref":"#"}`,
		"nowhere": `{"$ref":"https://example.com/schema"}`,
		"a file":  `{"$ref":"file:///etc/passwd"}`,
	} {
		t.Run(name, func(t *testing.T) {
			g := remotetest.Open(t, jsonschema.Open, `{}`, nil)
			asked := remotetest.Chat(t, `[{"role":"user","content":"x"}]`, `"response_format":{"type":"json_schema","json_schema":{"schema":`+schema+`}}`)
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			v, err := g.Check(ctx, &guardrail.Input{Phase: guardrail.PostCall, Content: remotetest.Answer(t, `{}`), Request: asked, Call: &guardrail.Call{}})
			if err == nil || ctx.Err() != nil {
				t.Errorf("%+v, %v, %v", v, err, ctx.Err())
			}
		})
	}
}

func TestOpen_Faults(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.json")
	if err := os.WriteFile(bad, []byte(`{"type":`), 0o600); err != nil {
		t.Fatal(err)
	}
	for settings, want := range map[string]string{
		`{"schema":"object"}`:                               "schema: is no schema",
		`{"schema":{"$ref":"#/x"}}`:                         `schema: refers to "#/x"`,
		`{"schema":{"pattern":"(?=a)"}}`:                    "schema: has a pattern that RE2 does not know",
		`{"schema":{"anyOf":[{"unevaluatedItems":false}]}}`: "schema: has unevaluatedItems",
		`{"schema_file":"/nowhere.json"}`:                   "schema_file: open /nowhere.json",
		`{"schema_file":"` + bad + `"}`:                     "schema_file: is no JSON",
		`{"schema":{},"schema_file":"` + bad + `"}`:         "schema_file: stands beside schema",
		`{"action":"mask"}`:                                 "action: must be one of",
	} {
		if _, err := jsonschema.Open(remotetest.Spec(t, settings, nil)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", settings, err)
		}
	}
}

// schemas draws a schema of the keywords that are known.
func schemas(depth int) *rapid.Generator[map[string]any] {
	return rapid.Custom(func(t *rapid.T) map[string]any {
		s := map[string]any{}
		small := rapid.IntRange(0, 3)
		for range rapid.IntRange(0, 3).Draw(t, "keywords") {
			keyword := rapid.SampledFrom([]string{
				"type", "types", "enum", "const", "minLength", "maxLength", "pattern", "minimum", "exclusiveMaximum", "multipleOf", "minItems", "maxItems", "uniqueItems", "required",
				"minProperties", "maxProperties", "properties", "additionalProperties", "patternProperties", "propertyNames", "items", "prefixItems", "contains", "allOf", "anyOf", "oneOf", "not",
				"if", "dependentRequired", "dependentSchemas", "$ref",
			}).Draw(t, "keyword")
			sub := func(label string) any {
				if depth == 0 {
					return rapid.Bool().Draw(t, label)
				}
				return schemas(depth-1).Draw(t, label)
			}
			types := rapid.SampledFrom([]any{"string", "integer", "number", "object", "array", "boolean", "null"})
			switch keyword {
			case "type":
				s["type"] = types.Draw(t, "type")
			case "types":
				s["type"] = rapid.SliceOfNDistinct(types, 1, 3, func(v any) any { return v }).Draw(t, "types")
			case "enum":
				s["enum"] = []any{values(1).Draw(t, "one"), values(1).Draw(t, "other")}
			case "const":
				s["const"] = values(1).Draw(t, "const")
			case "pattern":
				s["pattern"] = "^a|b$"
			case "multipleOf":
				s["multipleOf"] = small.Draw(t, "n") + 1
			case "uniqueItems":
				s["uniqueItems"] = true
			case "required":
				s["required"] = []any{"a"}
			case "properties", "patternProperties", "dependentSchemas":
				s[keyword] = map[string]any{"a": sub("a")}
			case "dependentRequired":
				s[keyword] = map[string]any{"a": []any{"b"}}
			case "prefixItems", "allOf", "anyOf", "oneOf":
				s[keyword] = []any{sub("first"), sub("second")}
			case "if":
				s["if"], s["then"], s["else"] = sub("if"), sub("then"), sub("else")
			case "additionalProperties", "propertyNames", "items", "contains", "not":
				s[keyword] = sub("sub")
			case "$ref":
				s["$ref"] = "#/$defs/d~1d"
			default:
				s[keyword] = small.Draw(t, "n")
			}
		}
		return s
	})
}

// values draws a JSON value.
func values(depth int) *rapid.Generator[any] {
	return rapid.Custom(func(t *rapid.T) any {
		kind := rapid.IntRange(0, 8).Draw(t, "kind")
		switch {
		case kind == 0:
			return nil
		case kind == 1:
			return rapid.Bool().Draw(t, "bool")
		case kind == 2:
			return rapid.IntRange(-1, 4).Draw(t, "int")
		case kind == 3:
			return rapid.SampledFrom([]float64{0.5, 1.5, 2, 3.25}).Draw(t, "float")
		case kind == 4 || depth == 0:
			return rapid.StringOfN(rapid.SampledFrom([]rune("abé")), 0, 4, -1).Draw(t, "string")
		case kind <= 6:
			return rapid.SliceOfN(values(depth-1), 0, 3).Draw(t, "array")
		}
		return rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "c"}), values(depth-1), 0, 3).Draw(t, "object")
	})
}

// An answer passes where a validator of JSON Schema says that it is valid.
func TestCheck_AgreesWithAValidator(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		schema := schemas(2).Draw(rt, "schema")
		schema["$defs"] = map[string]any{"d/d": schemas(0).Filter(func(s map[string]any) bool { return s["$ref"] == nil }).Draw(rt, "definition")}
		text, _ := json.Marshal(schema)
		answer, _ := json.Marshal(values(2).Draw(rt, "value"))
		c := reference.NewCompiler()
		document, err := reference.UnmarshalJSON(strings.NewReader(string(text)))
		if err != nil {
			rt.Fatal(err)
		}
		if err := c.AddResource("s.json", document); err != nil {
			rt.Fatal(err)
		}
		compiled, err := c.Compile("s.json")
		if err != nil {
			rt.Fatal(err)
		}
		value, _ := reference.UnmarshalJSON(strings.NewReader(string(answer)))
		want := compiled.Validate(value)
		v := verdict(t, `{"schema":`+string(text)+`}`, "", string(answer))
		if (v.Action == guardrail.Block) != (want != nil) {
			rt.Fatalf("%s for %s: %+v, want %v", text, answer, v, want)
		}
	})
}

func FuzzCheck(f *testing.F) {
	f.Add(person, `{"name":"Ann"}`)
	f.Add(`{"items":[{"$ref":"#"}],"additionalItems":{"not":{}}}`, `[[],1e999,-0]`)
	g := remotetest.Open(f, jsonschema.Open, `{}`, nil)
	f.Fuzz(func(t *testing.T, schema, answer string) {
		if !json.Valid([]byte(schema)) || answer == "" {
			return
		}
		r, err := openai.ParseRequest(openai.OpChat, []byte(`{"model":"m","messages":[],"response_format":{"type":"json_schema","json_schema":{"schema":`+schema+`}}}`))
		if err != nil {
			return
		}
		asked, err := content.Request(r)
		if err != nil {
			return // refused before, as where a member stands twice
		}
		in := &guardrail.Input{Phase: guardrail.PostCall, Content: remotetest.Answer(t, answer), Request: asked, Call: &guardrail.Call{}}
		first, err := g.Check(t.Context(), in)
		again, err2 := g.Check(t.Context(), in)
		if first.Reason != again.Reason || (err == nil) != (err2 == nil) {
			t.Fatalf("%+v, %v, then %+v, %v", first, err, again, err2)
		}
	})
}
