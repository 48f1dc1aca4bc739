package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"tollgate/internal/secret"
)

// credentials reads credential_list and gives its values by name.
func (l *loader) credentials(root *node, c *Config) map[string]*node {
	list := root.get("credential_list")
	values := make(map[string]*node)
	if list.isNull() {
		return values
	}
	row, _ := topLevel.find("credential_list")
	l.decode(list, row.shape, slot{path: "credential_list"})
	for i, item := range list.items {
		path := itemPath("credential_list", i)
		if item.kind != mapNode {
			continue // reported above
		}
		name := item.get("credential_name")
		if name.isNull() || name.text == "" {
			l.add(Error, item.pos, path, CodeMissingKey, "the credential has no credential_name; give it one")
			continue
		}
		if _, twice := values[name.text]; twice {
			l.add(Error, name.pos, path, CodeDuplicateKey, "the credential %s is defined twice; rename or remove one", quote(name.text))
			continue
		}
		values[name.text] = item.get("credential_values")
		c.Credentials = append(c.Credentials, Credential{Name: name.text, Pos: item.pos})
	}
	return values
}

// models decodes model_list.
func (l *loader) models(root *node, credentials map[string]*node) []Model {
	list := root.get("model_list")
	if list.isNull() {
		return nil
	}
	if list.kind != listNode {
		row, _ := topLevel.find("model_list")
		l.wrongType(list, row.shape, slot{path: "model_list"})
		return nil
	}
	var out []Model
	for i, item := range list.items {
		path := itemPath("model_list", i)
		if item.kind != mapNode {
			l.add(Error, item.pos, path, CodeWrongType, "an entry must be a mapping with model_name and litellm_params, but it is %s", item.typeName())
			continue
		}
		for _, one := range perOrganization(withCredential(item, credentials)) {
			if params := one.get("litellm_params"); params != nil && !l.count(len(params.entries)) {
				l.add(Error, item.pos, path, CodeTooLarge, "the configuration has more than %d values once credentials and organisations are put into its entries; shorten it", maxNodes)
				return out
			}
			if m, ok := l.model(one, path); ok {
				out = append(out, m)
			}
		}
	}
	return out
}

// withCredential completes an entry's parameters with the values of the
// credential that it names; its own parameters win.
func withCredential(item *node, credentials map[string]*node) *node {
	params := item.get("litellm_params")
	name := params.get("litellm_credential_name")
	if name.isNull() || credentials[name.text].isNull() || credentials[name.text].kind != mapNode {
		return item
	}
	own := make(map[string]bool, len(params.entries))
	for _, e := range params.entries {
		own[e.key] = true
	}
	completed := *params
	completed.entries = slices.Clone(params.entries)
	for _, e := range credentials[name.text].entries {
		if !own[e.key] {
			completed.entries = append(completed.entries, e)
		}
	}
	return withParams(item, &completed)
}

// perOrganization makes one entry of each organisation in a list.
func perOrganization(item *node) []*node {
	organizations := item.get("litellm_params").get("organization")
	if organizations == nil || organizations.kind != listNode || len(organizations.items) == 0 {
		return []*node{item}
	}
	out := make([]*node, 0, len(organizations.items))
	for _, organization := range organizations.items {
		params := *item.get("litellm_params")
		params.entries = slices.Clone(params.entries)
		params.set(entry{key: "organization", keyPos: organization.pos, value: organization})
		out = append(out, withParams(item, &params))
	}
	return out
}

func withParams(item, params *node) *node {
	out := *item
	out.entries = slices.Clone(item.entries)
	for i := range out.entries {
		if out.entries[i].key == "litellm_params" {
			out.entries[i].value = params
		}
	}
	return &out
}

// model decodes one entry. It reports false when the entry cannot be used or is
// not meant for this environment.
func (l *loader) model(item *node, path string) (Model, bool) {
	m := Model{Pos: item.pos, Path: path}
	l.decode(item, object(&modelEntry), slot{path: path, target: reflect.ValueOf(&m).Elem()})
	params := item.get("litellm_params")
	switch {
	case m.Name == "":
		l.add(Error, item.pos, path, CodeMissingKey, "the entry has no model_name; give it the alias that callers ask for")
		return m, false
	case params.isNull():
		l.add(Error, item.pos, path, CodeMissingKey, "the entry has no litellm_params; add them with at least model")
		return m, false
	case params.kind != mapNode:
		return m, false // reported when it was decoded
	case m.Params.Model == "":
		l.add(Error, params.pos, path+".litellm_params", CodeMissingKey, "litellm_params has no model; name the upstream model as <provider>/<id>")
		return m, false
	}
	for name, cost := range costs(item.get("model_info")) {
		if _, own := m.Params.Costs[name]; !own {
			if m.Params.Costs == nil {
				m.Params.Costs = make(map[string]Decimal)
			}
			m.Params.Costs[name] = cost
		}
	}
	if m.Info.ID == "" {
		m.Info.ID = l.deploymentID(m.Name, params)
	}
	return m, l.forThisEnvironment(&m)
}

// forThisEnvironment reports whether supported_environments, if given, holds
// LITELLM_ENVIRONMENT.
func (l *loader) forThisEnvironment(m *Model) bool {
	if len(m.Info.SupportedEnvironments) == 0 {
		return true
	}
	path := m.Path + ".model_info.supported_environments"
	current, ok := l.lookup("LITELLM_ENVIRONMENT")
	if !ok || current == "" {
		l.add(Error, l.positions[path], path, CodeMissingVariable, "supported_environments is given but the environment variable LITELLM_ENVIRONMENT is not set; set it to development, staging or production")
		return false
	}
	return slices.Contains(m.Info.SupportedEnvironments, current)
}

// deploymentID names a deployment by its alias and parameters, so that the same
// entry has the same id in every replica and after every restart. No secret goes
// into it: a value from the environment counts by the variable's name, an inline
// secret by its presence. Entries that differ in nothing else are told apart by
// their order.
func (l *loader) deploymentID(name string, params *node) string {
	canonical := make(map[string]any, len(params.entries))
	for _, e := range params.entries {
		if secretKey(&litellmParams, e.key) && e.value.variable == "" {
			canonical[e.key] = secret.Mask
			continue
		}
		canonical[e.key] = e.value.withReferences().asJSON()
	}
	// The values are texts, numbers, booleans, lists and maps: encoding cannot fail.
	data, _ := json.Marshal([]any{name, canonical})
	sum := sha256.Sum256(data)
	id := hex.EncodeToString(sum[:])
	l.ids[id]++
	if n := l.ids[id]; n > 1 {
		sum = sha256.Sum256(fmt.Appendf(nil, "%s#%d", id, n))
		id = hex.EncodeToString(sum[:])
	}
	return id
}

// withReferences is a copy in which what came from the environment is again the
// reference to it, and secrets below are masked.
func (n *node) withReferences() *node {
	out := *n
	switch {
	case n.variable != "":
		out.text, out.tag = reference+n.variable, "!!str"
	case n.kind == listNode:
		out.items = make([]*node, len(n.items))
		for i, item := range n.items {
			out.items[i] = item.withReferences()
		}
	case n.kind == mapNode:
		out.entries = slices.Clone(n.entries)
		for i, e := range n.entries {
			out.entries[i].value = e.value.withReferences()
			if SecretName(e.key) && e.value.variable == "" {
				out.entries[i].value = &node{kind: scalarNode, tag: "!!str", text: secret.Mask}
			}
		}
	}
	return &out
}

// costs are the price keys of a mapping.
func costs(n *node) map[string]Decimal {
	if n == nil || n.kind != mapNode {
		return nil
	}
	var out map[string]Decimal
	for _, e := range n.entries {
		if row, _ := litellmParams.find(e.key); row.shape.kind != decimalKind || !strings.Contains(e.key, "cost") {
			continue
		}
		if price, ok := e.value.asDecimal(); ok {
			if out == nil {
				out = make(map[string]Decimal)
			}
			out[e.key] = price
		}
	}
	return out
}
