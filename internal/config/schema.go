package config

import (
	"encoding/json"
	"regexp"
	"strings"
)

// Schema returns the JSON schema (draft 2020-12) of the configuration file, made
// from the table of keys, so that editors complete and check it. It is as lax as
// Load: texts for numbers, references to environment variables and unknown keys
// pass.
func Schema() []byte {
	b := schemaBuilder{}
	for name, def := range scalarSchemas() {
		b[name] = def
	}
	root := b.section(&topLevel)
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "Tollgate configuration"
	root["$defs"] = b
	// The tree holds maps, lists and texts only: encoding cannot fail.
	data, _ := json.MarshalIndent(root, "", "  ")
	return append(data, '\n')
}

// schema is a JSON schema in the making.
type schema = map[string]any

// schemaBuilder holds the $defs: one per section, and one per kind of scalar.
type schemaBuilder map[string]any

// environment is the pattern of a whole-value reference.
const environment = `os\.environ/.+`

// scalarSchemas are the definitions of the kinds that many keys share.
func scalarSchemas() map[string]any {
	lax := func(types []string, pattern string) schema {
		return schema{"anyOf": []any{
			schema{"type": types},
			schema{"type": "string", "pattern": "^(" + pattern + "|" + environment + ")$"},
		}}
	}
	const digits = `\s*\+?[0-9][0-9_]*(\.[0-9]*)?([eE][+-]?[0-9]+)?\s*|\.[0-9]+`
	positive := func(kind string) schema {
		s := lax([]string{kind, "null"}, digits)
		s["minimum"] = 0
		return s
	}
	alias := schema{"type": "string", "minLength": 1}
	target := schema{"anyOf": []any{alias, schema{"type": "object", "required": []string{"model"}}}}
	targets := schema{"anyOf": []any{alias, schema{"type": "null"}, schema{"type": "array", "items": target}}}
	return map[string]any{
		"text":    schema{"type": []string{"string", "number", "boolean", "null"}},
		"boolean": lax([]string{"boolean", "null"}, "[Tt]rue|TRUE|[Ff]alse|FALSE|[Yy]es|YES|[Nn]o|NO|[Oo]n|ON|[Oo]ff|OFF"),
		"integer": positive("integer"),
		"signed":  lax([]string{"integer", "null"}, `-?`+digits),
		"number":  positive("number"),
		"targets": targets,
		"fallbacks": schema{"type": []string{"array", "null"}, "items": schema{
			"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": targets,
		}},
		"groupAlias": schema{"anyOf": []any{
			schema{"type": []string{"string", "null"}},
			schema{"type": "object", "required": []string{"model"}, "properties": schema{
				"model":  schema{"$ref": "#/$defs/text"},
				"hidden": schema{"$ref": "#/$defs/boolean"},
			}},
		}},
		"clientParam": schema{"anyOf": []any{
			schema{"$ref": "#/$defs/text"},
			schema{"type": "object", "minProperties": 1, "maxProperties": 1, "additionalProperties": schema{"type": "string"}},
		}},
	}
}

func ref(name string) schema { return schema{"$ref": "#/$defs/" + name} }

// section is the schema of a mapping with a section's keys.
func (b schemaBuilder) section(s *section) schema {
	properties, byPattern := schema{}, schema{}
	for _, k := range s.keys {
		p := b.shape(k.shape)
		p["title"] = k.name
		p["description"] = k.doc
		if !k.effective {
			p["description"] = k.doc + " Accepted, no effect."
		}
		if k.standard != "" {
			p["default"] = defaultValue(k)
		}
		if k.isPattern() {
			byPattern["^"+strings.ReplaceAll(regexp.QuoteMeta(k.name), `\*`, ".+")+"$"] = p
		} else {
			properties[k.name] = p
		}
	}
	def := schema{
		"type": []string{"object", "null"}, "description": s.doc,
		"properties": properties, "additionalProperties": true,
	}
	if len(byPattern) > 0 {
		def["patternProperties"] = byPattern
	}
	if len(s.required) > 0 {
		def["required"] = s.required
	}
	return def
}

// shape is the schema of one value.
func (b schemaBuilder) shape(s shape) schema {
	switch s.kind {
	case anyKind:
		return schema{}
	case booleanKind:
		return ref("boolean")
	case integerKind:
		return ref("integer")
	case signedKind:
		return ref("signed")
	case numberKind, secondsKind, decimalKind:
		return ref("number")
	case choiceKind:
		return schema{"anyOf": []any{schema{"enum": s.choices}, schema{"type": "null"}, schema{"type": "string", "pattern": "^" + environment + "$"}}}
	case hintKind:
		return schema{"anyOf": []any{schema{"enum": s.choices}, ref("text")}}
	case listKind:
		return schema{"type": []string{"array", "null"}, "items": b.shape(*s.elem)}
	case oneOrMoreKind:
		return schema{"anyOf": []any{b.shape(*s.elem), schema{"type": "array", "items": b.shape(*s.elem)}}}
	case mappingKind:
		return schema{"type": []string{"object", "null"}, "additionalProperties": b.shape(*s.elem)}
	case sectionKind:
		return b.sectionRef(s.section)
	case fallbacksKind:
		return ref("fallbacks")
	case targetsKind:
		return ref("targets")
	case aliasKind:
		return ref("groupAlias")
	case clientParamKind:
		return ref("clientParam")
	default:
		return ref("text")
	}
}

// definitionName turns a section's name into one that needs no escaping in a $ref.
var definitionName = strings.NewReplacer("[]", "_item", ".*", "_item", ".", "_")

func (b schemaBuilder) sectionRef(s *section) schema {
	name := definitionName.Replace(s.name)
	if _, have := b[name]; !have {
		b[name] = nil // sections may hold each other
		b[name] = b.section(s)
	}
	return ref(name)
}

// defaultValue is a default in the type that the key takes.
func defaultValue(k key) any {
	n := &node{kind: scalarNode, text: k.standard}
	switch k.shape.kind {
	case booleanKind:
		value, _ := n.asBool()
		return value
	case integerKind, signedKind, numberKind, secondsKind, decimalKind:
		return json.Number(k.standard)
	default:
		return k.standard
	}
}
