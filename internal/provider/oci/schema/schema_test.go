package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// Sources: oci-wire facts 6, rows 9, 16, 18, 22; langchain-oracle#37, #39, #45, #100, #157, #291.
func TestRewrite(t *testing.T) {
	tests := []struct {
		name    string
		dialect Dialect
		in      string
		want    string
	}{
		{"nothing", Plain, ``, `{"type":"object","properties":{}}`},
		{"an empty schema is malformed for xAI", Strict, ` {} `, `{"type":"object","properties":{}}`},
		{"an empty one as it is", AsIs, `{}`, `{"type":"object","properties":{}}`},
		{"as it is", AsIs, `{"$ref":"#/$defs/A","title":"t"}`, `{"$ref":"#/$defs/A","title":"t"}`},
		{"an object without properties", Plain, `{"type":"object"}`, `{"type":"object","properties":{}}`},
		{"no type", Plain, `{"properties":{"a":{}}}`, `{"type":"object","properties":{"a":{}}}`},
		{"order stays", Plain, `{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"string"}}}`, `{"type":"object","properties":{"z":{"type":"string"},"a":{"type":"string"}}}`},
		{"a property called title stays", Plain, `{"type":"object","title":"T","properties":{"title":{"type":"string","title":"X"},"const":{"type":"string"}}}`, `{"type":"object","properties":{"title":{"type":"string"},"const":{"type":"string"}}}`},
		{"constants", Plain, `{"type":"object","properties":{"k":{"const":5}}}`, `{"type":"object","properties":{"k":{"enum":[5]}}}`},
		{"extensions and null defaults", Plain, `{"type":"object","properties":{"k":{"type":"string","x-order":1,"default":null},"l":{"type":"string","default":"d"}}}`, `{"type":"object","properties":{"k":{"type":"string"},"l":{"type":"string","default":"d"}}}`},
		{"lists of types", Plain, `{"type":"object","properties":{"k":{"type":["null","string"]}}}`, `{"type":"object","properties":{"k":{"type":"string"}}}`},
		{"any", Plain, `{"type":"object","properties":{"k":{"type":"any"}}}`, `{"type":"object","properties":{"k":{"type":"object"}}}`},
		{"items", Plain, `{"type":"object","properties":{"k":{"type":"array"},"n":{"type":"array","items":{"type":"array"}}}}`, `{"type":"object","properties":{"k":{"type":"array","items":{}},"n":{"type":"array","items":{"type":"array","items":{}}}}}`},
		{"items for Google", Google, `{"type":"object","properties":{"k":{"type":"array"}}}`, `{"type":"object","properties":{"k":{"type":"array","items":{"type":"string"}}}}`},
		{"references", Plain, `{"type":"object","properties":{"a":{"$ref":"#/$defs/A","description":"mine"},"b":{"$ref":"#/definitions/B~1C"}},"$defs":{"A":{"type":"string","description":"theirs","title":"A"}},"definitions":{"B/C":{"$ref":"#/$defs/A"}}}`,
			`{"type":"object","properties":{"a":{"type":"string","description":"mine"},"b":{"type":"string","description":"theirs"}}}`},
		{"a reference to nowhere", Plain, `{"type":"object","properties":{"a":{"$ref":"#/$defs/X"},"b":{"$ref":"https://e.org/s"}}}`, `{"type":"object","properties":{"a":{"type":"object"},"b":{"type":"object"}}}`},
		{"a recursive type ends", Plain, `{"$ref":"#/$defs/N","$defs":{"N":{"type":"object","properties":{"next":{"$ref":"#/$defs/N"}}}}}`, `{"type":"object","properties":{"next":{"type":"object"}}}`},
		{"a recursive type inside allOf ends", Plain, `{"$ref":"#/$defs/N","$defs":{"N":{"type":"object","properties":{"next":{"allOf":[{"$ref":"#/$defs/N"}]}}}}}`, `{"type":"object","properties":{"next":{"type":"object"}}}`},
		{"a recursive type inside anyOf ends", Plain, `{"$ref":"#/$defs/N","$defs":{"N":{"type":"object","properties":{"next":{"anyOf":[{"$ref":"#/$defs/N"},{"type":"null"}]}}}}}`, `{"type":"object","properties":{"next":{"type":"object"}}}`},
		{"nullable", Plain, `{"type":"object","properties":{"a":{"anyOf":[{"type":"integer"},{"type":"null"}],"default":null,"description":"d"}}}`, `{"type":"object","properties":{"a":{"type":"integer","description":"d"}}}`},
		{"true unions stay", Plain, `{"type":"object","properties":{"a":{"anyOf":[{"type":"integer","title":"I"},{"type":"string"}]}}}`, `{"type":"object","properties":{"a":{"anyOf":[{"type":"integer"},{"type":"string"}]}}}`},
		{"but not for Google", Google, `{"type":"object","properties":{"a":{"anyOf":[{"type":"integer"},{"type":"string"}],"description":"d"}}}`,
			`{"type":"object","properties":{"a":{"type":"integer","description":"d Alternatively a value of this JSON schema: {\"type\":\"string\"}"}}}`},
		{"unions of constants for Google", Google, `{"type":"object","properties":{"a":{"oneOf":[{"const":"x","type":"string"},{"enum":["y","z"]}]}}}`, `{"type":"object","properties":{"a":{"type":"string","enum":["x","y","z"]}}}`},
		{"exclusive bounds for Google", Google, `{"type":"object","properties":{"i":{"type":"integer","exclusiveMinimum":0,"exclusiveMaximum":10},"n":{"type":"number","exclusiveMinimum":0.5},"o":{"type":"number","minimum":1,"exclusiveMinimum":true}}}`,
			`{"type":"object","properties":{"i":{"type":"integer","minimum":1,"maximum":9},"n":{"type":"number","minimum":0.5},"o":{"type":"number","minimum":1}}}`},
		{"closed objects for Google", Google, `{"type":"object","properties":{"a":{"type":"object","additionalProperties":false,"properties":{"b":{"type":"string"}}}},"additionalProperties":false}`, `{"type":"object","properties":{"a":{"type":"object","properties":{"b":{"type":"string"}}}}}`},
		{"allOf adds up", Plain, `{"type":"object","properties":{"a":{"allOf":[{"$ref":"#/$defs/A"},{"properties":{"y":{"type":"string"}},"required":["y"]}],"description":"d"}},"$defs":{"A":{"type":"object","properties":{"x":{"type":"string"}},"required":["x"]}}}`,
			`{"type":"object","properties":{"a":{"type":"object","properties":{"x":{"type":"string"},"y":{"type":"string"}},"required":["x","y"],"description":"d"}}}`},
		{"rare keywords for xAI", Strict, `{"$schema":"s","type":"object","properties":{"a":{"type":"string","not":{"const":"x"}}},"if":{},"then":{},"unevaluatedProperties":false}`, `{"type":"object","properties":{"a":{"type":"string"}}}`},
		{"true and false", Plain, `{"type":"object","properties":{"a":true},"additionalProperties":false}`, `{"type":"object","properties":{"a":{}},"additionalProperties":false}`},
		{"a value that looks like a schema", Plain, `{"type":"object","properties":{"a":{"type":"object","default":{"title":"kept","$ref":"kept"}}}}`, `{"type":"object","properties":{"a":{"type":"object","default":{"title":"kept","$ref":"kept"}}}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Rewrite(tt.dialect, []byte(tt.in))
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != tt.want {
				t.Errorf("\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

// References that each hold two further ones double at every level.
func TestRewrite_Bomb(t *testing.T) {
	var defs []string
	for i := range 40 {
		next := fmt.Sprintf(`{"$ref":"#/$defs/D%d"}`, i+1)
		defs = append(defs, fmt.Sprintf(`"D%d":{"type":"object","properties":{"a":%s,"b":%s}}`, i, next, next))
	}
	bomb := `{"$ref":"#/$defs/D0","$defs":{` + strings.Join(defs, ",") + `}}`
	for _, d := range []Dialect{Plain, Strict, Google} {
		if _, err := Rewrite(d, []byte(bomb)); !errors.Is(err, ErrTooLarge) {
			t.Errorf("dialect %d: %v", d, err)
		}
	}
	var uses []string
	for i := range 1000 {
		uses = append(uses, fmt.Sprintf(`"p%d":{"$ref":"#/$defs/E"}`, i))
	}
	wide := `{"type":"object","properties":{` + strings.Join(uses, ",") + `},"$defs":{"E":{"enum":["` + strings.Repeat("x", 100_000) + `"]}}}`
	if _, err := Rewrite(Plain, []byte(wide)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("wide: %v", err)
	}
	deep := strings.Repeat(`{"items":`, 200) + `{}` + strings.Repeat(`}`, 200)
	if _, err := Rewrite(Plain, []byte(deep)); !errors.Is(err, ErrTooDeep) {
		t.Errorf("deep: %v", err)
	}
}

// FuzzRewrite: whatever comes, the result is a JSON object or an error, and never larger than the bound allows.
func FuzzRewrite(f *testing.F) {
	f.Add([]byte(`{"$ref":"#","allOf":[{"$ref":"#/allOf/0"}],"anyOf":[{"$ref":"#/anyOf/0"},true]}`))
	f.Add([]byte(`{"type":["null"],"properties":[],"required":{},"items":5,"anyOf":{}}`))
	f.Add([]byte(`{"oneOf":[{"const":1},{"enum":5}],"exclusiveMinimum":"x","exclusiveMaximum":1e400}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		var object map[string]any
		if json.Unmarshal(in, &object) != nil {
			return
		}
		for d := range Google + 1 {
			out, err := Rewrite(d, in)
			if err != nil {
				continue
			}
			if err := json.Unmarshal(out, &object); err != nil {
				t.Fatalf("dialect %d made %q: %v", d, out, err)
			}
		}
	})
}
