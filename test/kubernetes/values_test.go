// Package kubernetes holds the chart and what is written about it to each other. The tests with the build tag kubernetes
// install it on a real node: `run` beside this file.
package kubernetes

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

const folder = "../../deploy/helm/tollgate/"

var update = flag.Bool("update", false, "write the table of the chart's README anew")

// value is one value of the chart that a user may set.
type value struct {
	path, standard, meaning string
}

// TestValuesAreExplained: every value has a comment, and the README's table is made of them.
func TestValuesAreExplained(t *testing.T) {
	var b strings.Builder
	b.WriteString("| Value | Default | Meaning |\n| --- | --- | --- |\n")
	for _, v := range values(t) {
		if v.meaning == "" {
			t.Errorf("%s has no comment in values.yaml", v.path)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", v.path, v.standard, v.meaning)
	}
	const begin, end = "<!-- values: begin -->\n\n", "\n<!-- values: end -->"
	readme := read(t, folder+"README.md")
	head, rest, found := strings.Cut(readme, begin)
	table, tail, closed := strings.Cut(rest, end)
	if !found || !closed {
		t.Fatal("README.md has no place for the table")
	}
	if table == b.String() {
		return
	}
	if *update {
		if err := os.WriteFile(folder+"README.md", []byte(head+begin+b.String()+end+tail), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Error("the table in README.md is not that of values.yaml: go test ./test/kubernetes -update")
}

// TestSchemaKnowsTheValues: the schema has exactly the values of values.yaml, and lets nothing else in.
func TestSchemaKnowsTheValues(t *testing.T) {
	var schema node
	if err := json.Unmarshal([]byte(read(t, folder+"values.schema.json")), &schema); err != nil {
		t.Fatal(err)
	}
	known := schema.paths(t, "", schema.Defs)
	known = slices.DeleteFunc(known, func(path string) bool { return path == "global" }) // Helm hands it to every chart
	var written []string
	for _, v := range values(t) {
		written = append(written, v.path)
	}
	// A value of the chart may be an object of Kubernetes', and then only one of the two knows its members.
	same := func(a, b string) bool { return a == b || strings.HasPrefix(a, b+".") || strings.HasPrefix(b, a+".") }
	for _, path := range known {
		if !slices.ContainsFunc(written, func(w string) bool { return same(w, path) }) {
			t.Errorf("the schema has %s, which values.yaml does not have", path)
		}
	}
	for _, path := range written {
		if !slices.ContainsFunc(known, func(k string) bool { return same(k, path) }) {
			t.Errorf("the schema does not have %s", path)
		}
	}
}

// TestChartHasTheSample: the configuration that the chart brings is the sample's.
func TestChartHasTheSample(t *testing.T) {
	if read(t, folder+"files/config.yaml") != read(t, "../../examples/oci/config.yaml") {
		t.Error("deploy/helm/tollgate/files/config.yaml differs from examples/oci/config.yaml: copy it")
	}
}

// node is as much of a JSON schema as the tests read.
type node struct {
	Ref                  string           `json:"$ref"`
	Defs                 map[string]*node `json:"$defs"`
	Properties           map[string]*node `json:"properties"`
	AdditionalProperties json.RawMessage  `json:"additionalProperties"`
}

// paths lists what may be set below a node. A node with names of its own must take no other.
func (n *node) paths(t *testing.T, prefix string, defs map[string]*node) []string {
	if name, ok := strings.CutPrefix(n.Ref, "#/$defs/"); ok {
		if n = defs[name]; n == nil {
			t.Fatalf("the schema defines no %s", name)
		}
	}
	if n.Properties == nil {
		return []string{prefix}
	}
	if string(n.AdditionalProperties) != "false" {
		t.Errorf("the schema takes unknown names in %q", prefix)
	}
	var all []string
	for name, below := range n.Properties {
		all = append(all, below.paths(t, strings.TrimPrefix(prefix+"."+name, "."), defs)...)
	}
	return all
}

// freeform are the mappings with members of the user's choice.
var freeform = map[string]bool{"envVars": true}

// values lists the values of values.yaml in its order.
func values(t *testing.T) []value {
	t.Helper()
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(read(t, folder+"values.yaml")), &document); err != nil {
		t.Fatal(err)
	}
	return below(t, "", document.Content[0])
}

// below lists the values in a mapping. A mapping whose name is explained and whose members are not is one value.
func below(t *testing.T, prefix string, mapping *yaml.Node) []value {
	t.Helper()
	var all []value
	for i := 0; i < len(mapping.Content); i += 2 {
		key, content := mapping.Content[i], mapping.Content[i+1]
		path := strings.TrimPrefix(prefix+"."+key.Value, ".")
		if content.Kind == yaml.MappingNode && len(content.Content) > 0 && content.Content[0].HeadComment != "" && !freeform[path] {
			all = append(all, below(t, path, content)...)
			continue
		}
		all = append(all, value{path, standard(t, content), meaning(key.HeadComment)})
	}
	return all
}

// meaning is the last paragraph of a comment: a paragraph above it belongs to the file or to what follows as a whole.
func meaning(comment string) string {
	paragraphs := strings.Split(comment, "\n\n")
	var words []string
	for line := range strings.Lines(paragraphs[len(paragraphs)-1]) {
		words = append(words, strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "#")))
	}
	return strings.ReplaceAll(strings.TrimSpace(strings.Join(words, " ")), "|", `\|`)
}

// standard is a default as it stands in the table.
func standard(t *testing.T, content *yaml.Node) string {
	t.Helper()
	var v any
	if err := content.Decode(&v); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return "`" + strings.ReplaceAll(string(text), "|", `\|`) + "`"
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
