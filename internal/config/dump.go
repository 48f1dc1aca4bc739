package config

import (
	"fmt"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// Dump returns the configuration as one YAML document for people to read:
// includes merged, aliases expanded, environment references replaced (and named in
// a comment), secrets masked. Defaults are not in it.
func (c *Config) Dump() ([]byte, error) {
	root := c.root
	if root == nil {
		root = &node{kind: mapNode}
	}
	data, err := yaml.Marshal(masked(root, object(&topLevel), false).toYAML())
	if err != nil {
		return nil, fmt.Errorf("config: dump: %w", err)
	}
	return data, nil
}

// toYAML turns a node back into what the YAML library writes.
func (n *node) toYAML() *yaml.Node {
	switch n.kind {
	case listNode:
		out := &yaml.Node{Kind: yaml.SequenceNode}
		for _, item := range n.items {
			out.Content = append(out.Content, item.toYAML())
		}
		return out
	case mapNode:
		out := &yaml.Node{Kind: yaml.MappingNode}
		for _, e := range n.entries {
			out.Content = append(out.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: e.key}, e.value.toYAML())
		}
		return out
	}
	out := &yaml.Node{Kind: yaml.ScalarNode, Tag: n.tag, Value: n.text}
	if n.variable != "" {
		out.LineComment = "# " + reference + n.variable
	}
	switch n.tag {
	case "!!null":
		out.Value = "null"
	case "!!bool":
		value, _ := n.asBool()
		out.Value = strconv.FormatBool(value)
	}
	return out
}
