package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tollgate/internal/config"
)

// jsonSchema is what the page needs of a JSON schema.
type jsonSchema struct {
	Ref         string                 `json:"$ref"`
	Defs        map[string]*jsonSchema `json:"$defs"`
	Title       string                 `json:"title"`
	Description string                 `json:"description"`
	Default     json.RawMessage        `json:"default"`
	Enum        []any                  `json:"enum"`
	Type        any                    `json:"type"` // a text or a list of texts
	Items       *jsonSchema            `json:"items"`
	AnyOf       []*jsonSchema          `json:"anyOf"`
	Required    []string               `json:"required"`
	Properties  map[string]*jsonSchema `json:"properties"`
	Patterns    map[string]*jsonSchema `json:"patternProperties"`
	// Additional is true or a schema.
	Additional json.RawMessage `json:"additionalProperties"`
}

// withoutEffect ends the description of a key that is known and not served.
const withoutEffect = " Accepted, no effect."

// sectionsFirst are the sections that a reader looks for; the others follow in the order of their names.
var sectionsFirst = []string{"", "model_list_item", "litellm_params", "model_info", "router_settings", "litellm_settings", "general_settings", "tollgate_settings"}

// configurationTables lists every key of the configuration, section by section, from the schema of the file.
func configurationTables() (string, error) {
	var root jsonSchema
	if err := json.Unmarshal(config.Schema(), &root); err != nil {
		return "", err
	}
	sections := map[string]*jsonSchema{"": &root}
	for name, def := range root.Defs {
		if def.Properties != nil && name != "groupAlias" {
			sections[name] = def
		}
	}
	names := slices.SortedFunc(maps.Keys(sections), func(a, b string) int {
		return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(a, b))
	})
	var b strings.Builder
	for _, name := range names {
		if err := sections[name].describe(&b, sectionTitle(name)); err != nil {
			return "", err
		}
	}
	return b.String(), nil
}

// place is where a section stands among those that come first.
func place(name string) int {
	if i := slices.Index(sectionsFirst, name); i >= 0 {
		return i
	}
	return len(sectionsFirst)
}

// sectionTitle is a definition's name as the file would have it.
func sectionTitle(name string) string {
	if name == "" {
		return "The file"
	}
	for _, entry := range []string{"guardrails_item_litellm_params", "guardrails_item", "model_list_item", "routing_groups_item", "credential_list_item", "files_settings_item"} {
		if name == entry {
			return code(strings.Replace(name, "_item", "[]", 1))
		}
	}
	return code(strings.Replace(name, "_item", ".*", 1))
}

// describe writes a section: the keys that are served, then those that are only known.
func (s *jsonSchema) describe(b *strings.Builder, title string) error {
	served := table{head: []string{"Key", "Type", "Default", "Meaning"}}
	known := table{head: []string{"Key", "Type", "Meaning in LiteLLM"}}
	all := maps.Clone(s.Properties)
	maps.Copy(all, s.Patterns)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		p := all[name]
		kind, err := p.kind()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if doc, found := strings.CutSuffix(p.Description, withoutEffect); found {
			known.add(code(p.Title), kind, prose(doc))
			continue
		}
		doc := p.Description
		if slices.Contains(s.Required, p.Title) {
			doc += " Required."
		}
		served.add(code(p.Title), kind, code(strings.Trim(string(p.Default), `"`)), prose(doc))
	}
	fmt.Fprintf(b, "\n## %s\n\n%s\n%s", title, s.Description, served.String())
	if len(known.rows) > 0 {
		fmt.Fprintf(b, "\nAccepted, no effect:\n%s", known.String())
	}
	return nil
}

// kind is the type of a value in words.
func (s *jsonSchema) kind() (string, error) {
	switch {
	case s.Ref != "":
		return refKind(strings.TrimPrefix(s.Ref, "#/$defs/")), nil
	case len(s.AnyOf) > 0:
		first, err := s.AnyOf[0].kind()
		if err != nil || len(s.AnyOf) < 2 || s.AnyOf[1].Items == nil {
			return first, err
		}
		return first + ", or a list of it", nil
	case len(s.Enum) > 0:
		var values []string
		for _, v := range s.Enum {
			values = append(values, code(fmt.Sprint(v)))
		}
		return strings.Join(values, ", "), nil
	case s.Items != nil:
		of, err := s.Items.kind()
		return "list of " + of, err
	case len(s.Additional) > 0 && string(s.Additional) != "{}" && string(s.Additional) != "true":
		var of jsonSchema
		if err := json.Unmarshal(s.Additional, &of); err != nil {
			return "", err
		}
		kind, err := of.kind()
		return "mapping to " + kind, err
	case len(s.Additional) > 0:
		return "mapping", nil
	default:
		return "any", nil
	}
}

// refKind names a definition: a link for a section, a word for the rest.
func refKind(name string) string {
	switch name {
	case "text", "boolean", "integer", "number":
		return name
	case "signed":
		return "integer"
	case "targets":
		return "alias, or a list of aliases"
	case "fallbacks":
		return "list of `{alias: [alias, ...]}`"
	case "groupAlias":
		return "alias or `{model, hidden}`"
	case "clientParam":
		return "name or `{name: pattern}`"
	default:
		title := sectionTitle(name)
		anchor := strings.NewReplacer("`", "", "[", "", "]", "", ".", "", "*", "", " ", "-").Replace(strings.ToLower(title))
		return "[" + title + "](#" + anchor + ")"
	}
}
