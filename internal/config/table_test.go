package config

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// allSections walks the table from the top.
func allSections() map[string]*section {
	found := make(map[string]*section)
	var visit func(s shape)
	visit = func(s shape) {
		if s.elem != nil {
			visit(*s.elem)
		}
		if s.section == nil || found[s.section.name] != nil {
			return
		}
		found[s.section.name] = s.section
		for _, k := range s.section.keys {
			visit(k.shape)
		}
	}
	visit(object(&topLevel))
	return found
}

// contractKeys reads testdata/keys.txt.
func contractKeys(t *testing.T) map[string][]string {
	t.Helper()
	data, err := os.ReadFile("testdata/keys.txt")
	if err != nil {
		t.Fatal(err)
	}
	out := make(map[string][]string)
	var current string
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "["):
			current = line[1 : len(line)-1]
		default:
			out[current] = append(out[current], strings.Fields(strings.TrimPrefix(line, "= ours:"))...)
		}
	}
	return out
}

func TestTable_HoldsEveryKey(t *testing.T) {
	want := contractKeys(t)
	got := make(map[string][]string)
	for name, s := range allSections() {
		for _, k := range s.keys {
			got[name] = append(got[name], k.name)
		}
	}
	for _, names := range want {
		slices.Sort(names)
	}
	for _, names := range got {
		slices.Sort(names)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("keys of the contract and of the table (-contract +table):\n%s", diff)
	}
}

func TestTable_RowsAreSound(t *testing.T) {
	for name, s := range allSections() {
		if s.doc == "" || !strings.HasSuffix(s.doc, ".") {
			t.Errorf("section %s has no sentence", name)
		}
		for _, k := range s.keys {
			if len(k.doc) < 10 || !strings.HasSuffix(k.doc, ".") {
				t.Errorf("%s.%s has no sentence: %q", name, k.name, k.doc)
			}
			if k.isPattern() {
				continue
			}
			if found, _ := s.find(k.name); found.doc != k.doc {
				t.Errorf("%s.%s is hidden by another row", name, k.name)
			}
			if SecretName(k.name) && !k.masked && k.shape.kind == textKind && !strings.HasSuffix(k.name, "_name") {
				t.Errorf("%s.%s looks like a secret and is not marked as one", name, k.name)
			}
		}
	}
}

// readElsewhere are served keys without a field: providers read them through
// Params.Provider, prices become Params.Costs, other names are merged in, and what
// model_info says is echoed.
func readElsewhere(section, key string) bool {
	switch section {
	case "file":
		return true // each section is decoded by name
	case "litellm_params":
		return strings.HasPrefix(key, "oci_") || strings.Contains(key, "cost") || key == "base_url" || key == "headers"
	case "model_info":
		return strings.Contains(key, "cost") || strings.HasPrefix(key, "created_") || strings.HasPrefix(key, "updated_") || key == "db_model" || key == "supports_*"
	case "credential_list[]", "credential_info", "cache_params":
		return true
	case "guardrails[].litellm_params":
		return key == "api_key" || key == "api_base"
	case "litellm_settings":
		return slices.ContainsFunc(shared, func(s struct{ section, name, as string }) bool { return s.section == section && s.name == key })
	}
	return false
}

// TestTable_FieldsMatch holds the structs of types.go against the table: what is
// served can be reached, and every field belongs to a key of a fitting type.
func TestTable_FieldsMatch(t *testing.T) {
	structs := map[string]reflect.Type{
		"model_list[]":          reflect.TypeFor[Model](),
		"litellm_params":        reflect.TypeFor[Params](),
		"model_info":            reflect.TypeFor[ModelInfo](),
		"litellm_settings":      reflect.TypeFor[LitellmSettings](),
		"general_settings":      reflect.TypeFor[GeneralSettings](),
		"router_settings":       reflect.TypeFor[RouterSettings](),
		"tollgate_settings":     reflect.TypeFor[TollgateSettings](),
		"routing_strategy_args": reflect.TypeFor[RoutingStrategyArgs](),
		"routing_groups[]":      reflect.TypeFor[RoutingGroup](),
		"retry_policy":          reflect.TypeFor[ErrorCounts](),
		"allowed_fails_policy":  reflect.TypeFor[ErrorCounts](),

		"guardrails[]":                reflect.TypeFor[Guardrail](),
		"guardrails[].litellm_params": reflect.TypeFor[GuardrailParams](),
		"provider_budget_config.*":    reflect.TypeFor[ProviderBudget](),
	}
	sections := allSections()
	for name, s := range sections {
		typ, ok := structs[name]
		for _, k := range s.keys {
			if !k.effective || readElsewhere(name, k.name) {
				continue
			}
			if !ok || !fieldFor(reflect.New(typ).Elem(), k.name).IsValid() {
				t.Errorf("%s.%s is served but no field holds it", name, k.name)
			}
		}
		if !ok {
			continue
		}
		for i := range typ.NumField() {
			tag := typ.Field(i).Tag.Get("key")
			if tag == "" {
				continue
			}
			known := false
			for other, otherType := range structs {
				for key := range strings.SplitSeq(tag, ",") {
					_, has := sections[other].find(key)
					known = known || has && otherType == typ
				}
			}
			if k, _ := s.find(tag); k.name != "" && !k.effective {
				t.Errorf("%s.%s is accepted without effect, yet there is a field for it", name, tag)
			}
			if !known {
				t.Errorf("%s.%s is tagged %s, which is no key", name, typ.Field(i).Name, tag)
			}
		}
	}
}

// TestTable_FullFileUsesEveryKey keeps testdata/good/full.yaml complete, so that
// the tests that read it have seen each key of the contract.
func TestTable_FullFileUsesEveryKey(t *testing.T) {
	data, err := os.ReadFile("testdata/good/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := string(data)
	for section, names := range contractKeys(t) {
		for _, name := range names {
			if !strings.Contains(name, "*") && !strings.Contains(file, name+":") {
				t.Errorf("%s.%s is not in full.yaml", section, name)
			}
		}
	}
}

// TestTable_NoticesEveryAcceptedKey reads a file that uses every key: each key
// without effect, and no other, is named once.
func TestTable_NoticesEveryAcceptedKey(t *testing.T) {
	env := func(name string) (string, bool) { return "value-of-" + name, true }
	_, found := Load("testdata/good/full.yaml", env)
	said := make(map[string]int)
	for _, d := range found {
		if d.Code != CodeAccepted {
			continue
		}
		said[d.Path]++
	}
	for _, name := range []string{"litellm_settings", "general_settings", "router_settings", "tollgate_settings", "file"} {
		for _, k := range allSections()[name].keys {
			path := keyPath(strings.TrimPrefix(name, "file"), k.name)
			if k.isPattern() {
				continue
			}
			if want := map[bool]int{true: 0, false: 1}[k.effective]; said[path] != want {
				t.Errorf("%s is named %d times, want %d", path, said[path], want)
			}
		}
	}
}
