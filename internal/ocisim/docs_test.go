package ocisim_test

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tollgate/internal/ocisim"
)

// members lists the JSON names of a struct's fields.
func members(v any) []string {
	var names []string
	for _, f := range reflect.VisibleFields(reflect.TypeOf(v)) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// The reference page names every variant, every member of a rule and of a model.
func TestReferencePageIsComplete(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "reference", "simulator.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, m := range regexp.MustCompile("`([a-z0-9_]+)`").FindAllStringSubmatch(string(page), -1) {
		named[m[1]] = true
	}
	for _, list := range [][]string{members(ocisim.Variants{}), members(ocisim.Rule{}), members(ocisim.Model{}), members(ocisim.Scenario{})} {
		for _, name := range list {
			if !named[name] {
				t.Errorf("docs/reference/simulator.md does not name %q", name)
			}
		}
	}
	known := members(ocisim.Variants{})
	table := string(page)[strings.Index(string(page), "## Variants"):strings.Index(string(page), "## What is verified")]
	told := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`.*?`) \\|").FindAllStringSubmatch(table, -1) {
		for _, m := range regexp.MustCompile("`([a-z0-9_]+)`").FindAllStringSubmatch(row[1], -1) {
			told[m[1]] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(told)) {
		if !slices.Contains(known, name) {
			t.Errorf("the page tells of the variant %q, which does not exist", name)
		}
	}
}
