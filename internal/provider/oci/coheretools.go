package oci

import (
	"encoding/json"
	"slices"
	"strings"

	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
)

// pythonTypes are COHERE's names of the JSON types. OCI answers 500 to a bare "List"
// (BerriAI/litellm#30646).
var pythonTypes = map[string]string{"string": "str", "integer": "int", "number": "float", "boolean": "bool", "array": "list", "object": "dict"}

// cohereTools writes tools with flat parameter definitions. What those cannot say of a parameter (its values, its
// bounds, what is nested in it) goes into the description.
func (t *translation) cohereTools() error {
	if len(t.tools) == 0 {
		return nil
	}
	o := &t.out
	o.key("tools")
	o.open('[')
	for _, tool := range t.tools {
		rewritten, err := t.fam.rewriteSchema("tools."+tool.Name+".parameters", tool.Parameters)
		if err != nil {
			return err
		}
		o.open('{')
		o.strMember("name", tool.Name)
		o.key("description")
		if tool.Description.Empty() {
			o.str(tool.Name)
		} else {
			o.raw(tool.Description)
		}
		o.key("parameterDefinitions")
		if err := appendDefinitions(o, rewritten); err != nil {
			return err
		}
		o.close('}')
	}
	o.close(']')
	return nil
}

func appendDefinitions(o *jsonOut, rewritten []byte) error {
	var root struct {
		Required   []string        `json:"required"`
		Properties json.RawMessage `json:"properties"`
	}
	if err := json.Unmarshal(rewritten, &root); err != nil {
		return &openai.ParseError{Param: "tools", Message: "Invalid schema in 'tools': " + err.Error() + "."}
	}
	o.open('{')
	members, err := jsonscan.Object(root.Properties, nil)
	if err == nil {
		for _, p := range members {
			o.comma()
			o.b = append(jsonscan.AppendString(o.b, string(p.Name)), ':')
			appendDefinition(o, p.Value, slices.Contains(root.Required, string(p.Name)))
		}
	}
	o.close('}')
	return nil
}

// appendDefinition writes one parameter.
func appendDefinition(o *jsonOut, raw []byte, required bool) {
	members, _ := jsonscan.Object(raw, nil)
	kind, description := "str", ""
	rest := members[:0:0]
	for _, m := range members {
		switch string(m.Name) {
		case "type":
			if python, ok := pythonTypes[openai.Text(m.Value).String()]; ok {
				kind = python
			}
		case "description":
			description = openai.Text(m.Value).String()
		default:
			rest = append(rest, m)
		}
	}
	if len(rest) > 0 {
		var more jsonOut
		more.open('{')
		for _, m := range rest {
			more.comma()
			more.b = append(jsonscan.AppendString(more.b, string(m.Name)), ':')
			more.raw(m.Value)
		}
		more.close('}')
		if string(more.b) != `{"items":{}}` && string(more.b) != `{"properties":{}}` {
			description = strings.TrimSpace(description + " JSON schema: " + string(more.b))
		}
	}
	o.open('{')
	o.strMember("type", kind)
	if description != "" {
		o.strMember("description", description)
	}
	o.rawMember("isRequired", boolText(required))
	o.close('}')
}

// cohereFormat writes responseFormat: COHERE and COHEREV2 have no JSON_SCHEMA, a schema stands beside JSON_OBJECT.
func (t *translation) cohereFormat() error {
	f := t.chat.ResponseFormat
	if f.Type == "" {
		return nil
	}
	o := &t.out
	o.key("responseFormat")
	o.open('{')
	if f.Type == openai.FormatText {
		o.strMember("type", "TEXT")
	} else {
		o.strMember("type", "JSON_OBJECT")
		if err := t.answerSchema(); err != nil {
			return err
		}
	}
	o.close('}')
	return nil
}
