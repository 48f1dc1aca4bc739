// Package jsonschema is the guardrail `json_schema`: an answer must be JSON that fits a schema, the operator's or the one that the
// request asks for in response_format.
package jsonschema

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"

	"tollgate/internal/content"
	"tollgate/internal/guardrail"
)

type jsonSchema struct {
	own    any // the operator's schema; nil = the request's
	action guardrail.Action
}

var (
	_ guardrail.Guardrail = (*jsonSchema)(nil)
	_ guardrail.Opener    = Open
)

// Open implements guardrail.Opener.
func Open(spec guardrail.Spec) (guardrail.Guardrail, error) {
	s := spec.Settings
	g := &jsonSchema{action: guardrail.Block}
	if s.Choice("action", "block", "log") == "log" {
		g.action = guardrail.Allow
	}
	name := "schema"
	g.own = s.Any(name)
	if path := s.Text("schema_file"); path != "" {
		if g.own != nil {
			s.Fault("schema_file", "stands beside schema: give one of them")
		}
		name = "schema_file"
		text, err := os.ReadFile(path)
		if err == nil {
			g.own, err = parse(text)
		}
		if err != nil {
			s.Fault(name, "%v", err)
			return nil, s.Err()
		}
	}
	if g.own != nil {
		own, err := parse(marshal(g.own)) // numbers as texts, whoever has read them
		if err == nil {
			err = lint(own)
		}
		if err != nil {
			s.Fault(name, "%v", err)
		}
		g.own = own
	}
	return g, s.Err()
}

func marshal(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		return nil // of a value that was read from JSON or YAML: there is none
	}
	return text
}

// parse reads one JSON value.
func parse(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, errors.New("is no JSON")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("is more than one JSON value")
	}
	return v, nil
}

// Check implements guardrail.Guardrail. Answers that call tools or refuse have no text to check.
func (g *jsonSchema) Check(ctx context.Context, in *guardrail.Input) (guardrail.Verdict, error) {
	if in.Phase != guardrail.PostCall {
		return guardrail.Verdict{}, nil
	}
	schema, object := g.own, false
	if schema == nil {
		if schema, object = requested(in.Request); schema == nil && !object {
			return guardrail.Verdict{}, nil
		}
	}
	for _, a := range answers(in.Content) {
		where, err := check(ctx, schema, object, a.text)
		if err != nil {
			return guardrail.Verdict{}, err
		}
		if where != "" {
			return g.verdict(a.choice, where), nil
		}
	}
	return guardrail.Verdict{}, nil
}

// notJSON is where an answer fails that is no JSON at all.
const notJSON = "not_json"

// check tells where in the schema an answer fails, "" where it fits.
func check(ctx context.Context, schema any, object bool, text string) (where string, err error) {
	value, err := parse([]byte(text))
	if err != nil {
		return notJSON, nil //nolint:nilerr // that is the verdict
	}
	if object {
		if _, ok := value.(map[string]any); !ok {
			return notJSON, nil
		}
		return "", nil
	}
	c := newChecker(ctx, schema)
	c.check(schema, value, nil, 0)
	return c.where, c.err
}

func (g *jsonSchema) verdict(choice int, where string) guardrail.Verdict {
	v := guardrail.Verdict{Action: g.action, Findings: []guardrail.Finding{{Kind: "json_schema", Action: g.action, Count: 1}}}
	if g.action != guardrail.Block {
		return v
	}
	v.Reason = "The answer does not fit the JSON schema: it fails at " + where + "."
	if where == notJSON {
		v.Reason = "The answer does not fit the JSON schema: it is not the JSON that was asked for."
	}
	v.Detail = map[string]any{"error": v.Reason, "schema_location": where, "choice": choice}
	return v
}

type answer struct {
	choice int
	text   string
}

// answers are the texts of the choices that say something.
func answers(body *content.Body) (list []answer) {
	for i := range body.Texts {
		t := &body.Texts[i]
		if t.Kind != content.Plain || t.Field != "content" && t.Field != "text" {
			continue
		}
		if n := len(list); n > 0 && list[n-1].choice == t.Index {
			list[n-1].text += t.Value // the next part
			continue
		}
		list = append(list, answer{t.Index, t.Value})
	}
	return list
}

// requested is the schema that a request asks for; object = any object will do.
func requested(request *content.Body) (schema any, object bool) {
	if request == nil {
		return nil, false
	}
	texts := make([]string, len(request.Texts))
	for i := range texts {
		texts[i] = request.Texts[i].Value
	}
	raw, err := request.With(texts) // as it stands
	if err != nil || !bytes.Contains(raw, []byte(`"response_format"`)) {
		return nil, false
	}
	var asked struct {
		Format struct {
			Type   string `json:"type"`
			Schema struct {
				Schema json.RawMessage `json:"schema"`
			} `json:"json_schema"`
		} `json:"response_format"`
	}
	if json.Unmarshal(raw, &asked) != nil {
		return nil, false // the upstream refuses what has another shape
	}
	switch asked.Format.Type {
	case "json_object":
		return nil, true
	case "json_schema":
		schema, err = parse(asked.Format.Schema.Schema)
		return schema, err == nil && schema == nil
	}
	return nil, false
}
