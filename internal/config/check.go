package config

import (
	"maps"
	"net/url"
	"slices"
	"strings"
)

// Check looks at what Load cannot see entry by entry: names that refer to other
// entries, and values that are legal but surely not meant. Its errors say that a
// part of the configuration cannot work, not that the rest cannot be served:
// LiteLLM starts with all of them. What needs prices or key files is checked by
// the rooms that own those.
func Check(c *Config) Diagnostics {
	k := &checker{Config: c, models: make(map[string]bool), unknown: Error}
	if c.General.StoreModelInDB {
		// The name may be that of a model which the database holds.
		k.unknown = Warning
	}
	for _, m := range c.Models {
		k.models[m.Name] = true
		k.models[m.Info.ID] = true
		k.models[m.Params.Model] = true
		if strings.Contains(m.Name, "*") {
			k.wildcards = append(k.wildcards, m.Name)
		}
	}
	k.deployments()
	k.fallbackLists()
	k.aliases()
	k.general()
	return k.sorted(c.Files)
}

type checker struct {
	*Config
	report
	models    map[string]bool
	wildcards []string
	unknown   Severity // of a name that nothing here has
}

// exists reports whether a request for name would find a deployment.
func (k *checker) exists(name string) bool {
	if k.models[name] {
		return true
	}
	if _, alias := k.Router.ModelGroupAlias[name]; alias {
		return true
	}
	if _, alias := k.Litellm.ModelAliasMap[name]; alias {
		return true
	}
	return slices.ContainsFunc(k.wildcards, func(pattern string) bool { return matchesWildcard(pattern, name) })
}

// matchesWildcard reports whether each * of the pattern can stand for some run of
// characters so that the pattern is the name.
func matchesWildcard(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	name, ok := strings.CutPrefix(name, parts[0])
	if !ok {
		return false
	}
	last := len(parts) - 1
	for _, part := range parts[1:last] {
		_, after, found := strings.Cut(name, part)
		if !found {
			return false
		}
		name = after
	}
	return strings.HasSuffix(name, parts[last])
}

// near is "; did you mean x?" for a name that nearly is an alias.
func (k *checker) near(name string) string {
	names := make([]string, 0, len(k.Models))
	for _, m := range k.Models {
		names = append(names, m.Name)
	}
	return k.didYouMean(name, append(names, slices.Sorted(maps.Keys(k.Router.ModelGroupAlias))...))
}

func (k *checker) deployments() {
	ids := make(map[string]Model)
	for _, m := range k.Models {
		if first, twice := ids[m.Info.ID]; twice {
			k.add(Error, m.Pos, m.Path+".model_info.id", CodeDuplicateID, "the id %s is already that of %s (line %d); ids name one deployment each, so change one", quote(m.Info.ID), quote(first.Name), first.Pos.Line)
		}
		ids[m.Info.ID] = m
		k.credential(m)
		if base := m.Params.APIBase; base != "" && m.Params.MockResponse == "" {
			if u, err := url.Parse(base); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
				path := m.Path + ".litellm_params.api_base"
				k.add(Error, k.place(path, m.Pos), path, CodeBadValue, "api_base is no URL of http or https; write it in full, such as https://host/path")
			}
		}
	}
}

func (k *checker) credential(m Model) {
	name := m.Params.CredentialName
	if name == "" || slices.ContainsFunc(k.Credentials, func(c Credential) bool { return c.Name == name }) {
		return
	}
	path := m.Path + ".litellm_params.litellm_credential_name"
	k.add(k.unknown, k.place(path, m.Pos), path, CodeUnknownCred, "credential_list has no %s; add it there or correct the name", quote(name))
}

// place is the position of a path, or of what is around it.
func (k *checker) place(path string, around Position) Position {
	if pos := k.Pos(path); pos != (Position{}) {
		return pos
	}
	return around
}

func (k *checker) fallbackLists() {
	for _, fallbacks := range [][]Fallback{k.Router.Fallbacks, k.Router.ContextWindowFallbacks, k.Router.ContentPolicyFallbacks} {
		seen := make(map[string]bool)
		for _, f := range fallbacks {
			switch {
			case f.Model != "*" && !k.exists(f.Model):
				k.add(k.unknown, f.Pos, f.Path, CodeUnknownModel, "the fallback source %s is no alias of model_list%s", quote(f.Model), k.near(f.Model))
			case seen[f.Model]:
				k.add(Warning, f.Pos, f.Path, CodeUnused, "%s has a fallback list above, and only that one is used; join the two", quote(f.Model))
			case len(f.Targets) == 0:
				k.add(Warning, f.Pos, f.Path, CodeUnused, "the fallback list of %s is empty; add an alias or remove it", quote(f.Model))
			}
			seen[f.Model] = true
			k.targets(f.Targets, f.Model)
		}
	}
	k.targets(k.Router.DefaultFallbacks, "")
}

func (k *checker) targets(targets []FallbackTarget, source string) {
	for _, t := range targets {
		switch {
		case !k.exists(t.Model):
			k.add(k.unknown, t.Pos, t.Path, CodeUnknownModel, "the fallback target %s is no alias of model_list%s", quote(t.Model), k.near(t.Model))
		case t.Model == source:
			k.add(Warning, t.Pos, t.Path, CodeUnused, "%s falls back to itself, which is skipped; remove it", quote(t.Model))
		}
	}
}

func (k *checker) aliases() {
	for _, name := range slices.Sorted(maps.Keys(k.Router.ModelGroupAlias)) {
		alias := k.Router.ModelGroupAlias[name]
		path := "router_settings.model_group_alias." + name
		if !k.exists(alias.Model) {
			k.add(k.unknown, alias.Pos, path, CodeUnknownModel, "the alias %s stands for %s, which is not in model_list%s", quote(name), quote(alias.Model), k.near(alias.Model))
		}
		if k.models[name] {
			k.add(Warning, alias.Pos, path, CodeUnused, "the alias hides the model_list entry %s; rename one", quote(name))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(k.Litellm.ModelAliasMap)) {
		path := "litellm_settings.model_alias_map." + name
		if target := k.Litellm.ModelAliasMap[name]; !k.exists(target) {
			k.add(k.unknown, k.Pos(path), path, CodeUnknownModel, "the alias %s stands for %s, which is not in model_list%s", quote(name), quote(target), k.near(target))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(k.Router.ModelGroupRetryPolicy)) {
		path := "router_settings.model_group_retry_policy." + name
		if !k.exists(name) {
			k.add(Warning, k.Pos(path), path, CodeUnused, "the retry policy is for %s, which is no alias of model_list%s", quote(name), k.near(name))
		}
	}
}

func (k *checker) general() {
	for _, override := range []struct{ path, model string }{
		{"general_settings.completion_model", k.General.CompletionModel},
		{"general_settings.embedding_model", k.General.EmbeddingModel},
	} {
		if override.model != "" && !k.exists(override.model) {
			k.add(k.unknown, k.Pos(override.path), override.path, CodeUnknownModel, "every request would go to %s, which is no alias of model_list%s", quote(override.model), k.near(override.model))
		}
	}
	if key := k.General.MasterKey; !key.Empty() && !strings.HasPrefix(key.Reveal(), "sk-") {
		const path = "general_settings.master_key"
		k.add(Warning, k.Pos(path), path, CodeMasterKey, "the master key does not begin with sk-; clients and the management API expect that it does")
	}
}
