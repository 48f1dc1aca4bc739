package artifacts_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// aliasLike is whatever looks like an alias of ours: oci- and a vendor or one of its models. Names of pages, secrets and
// binaries (oci-key, oci-gateway.md, oci-worker) are none.
var aliasLike = regexp.MustCompile(`\boci-(?:cohere|command|grok|xai|gpt|openai|llama|meta|gemini|google|embed|rerank|claude|anthropic|mistral|broken)[A-Za-z0-9.-]*`)

// upstreamLike is an id of one of OCI's vendors behind the prefix oci/.
var upstreamLike = regexp.MustCompile(`\boci/(?:cohere|xai|openai|meta|google)\.[A-Za-z0-9.-]+`)

func matches(pattern *regexp.Regexp, text string) []string {
	found := map[string]bool{}
	for _, m := range pattern.FindAllString(text, -1) {
		found[strings.TrimRight(m, ".-")] = true
	}
	return slices.Sorted(maps.Keys(found))
}

// Every file that a reader may copy from names aliases that the sample has, and no others.
func TestNoFileNamesAnUnknownAlias(t *testing.T) {
	known := decode[sample](t, config).aliases()
	known[brokenAlias] = brokenUpstream
	for _, file := range under(t, "README.md", "docs", "examples", "deploy", "test/live", "test/costs", "test/locus", "test/tutorials", "test/clients", "test/kubernetes", "internal/cli/demo.yaml", "internal/cli/demo.txt") {
		for _, alias := range matches(aliasLike, read(t, file)) {
			if _, ok := known[alias]; !ok {
				t.Errorf("%s names %s, which %s does not have", file, alias, config)
			}
		}
	}
}

// What shows the sample as a whole names all six.
func TestEveryAliasIsShown(t *testing.T) {
	diagrams := under(t, "docs/diagrams")
	if len(diagrams) == 0 {
		t.Error("there is no diagram")
	}
	for _, file := range append([]string{howTo, sampleReadme, "README.md", demo, "internal/cli/demo.txt"}, diagrams...) {
		t.Run(file, func(t *testing.T) {
			text := read(t, file)
			for alias := range decode[sample](t, config).aliases() {
				if !slices.Contains(matches(aliasLike, text), alias) {
					t.Errorf("it does not name %s", alias)
				}
			}
		})
	}
}

// The how-to and the sample's page show the very models of the configuration.
func TestUpstreamsAreTheConfigurations(t *testing.T) {
	aliases := decode[sample](t, config).aliases()
	known := slices.Collect(maps.Values(aliases))
	known = append(known, brokenUpstream)
	for _, file := range []string{howTo, sampleReadme, demo, helmValues, chart + "/files/config.yaml", chart + "/values.yaml"} {
		text := read(t, file)
		for _, upstream := range matches(upstreamLike, text) {
			if !slices.Contains(known, upstream) {
				t.Errorf("%s shows %s, which %s does not have", file, upstream, config)
			}
		}
		for line := range strings.Lines(text) {
			checkPair(t, file, line, aliases)
		}
	}
}

// vendorLike is a model id with its vendor, with the prefix or without.
var vendorLike = regexp.MustCompile(`\b(?:cohere|xai|openai|meta|google)\.[a-z0-9][A-Za-z0-9.-]*`)

// checkPair looks at lines that show an alias beside a model, such as the rows of a table.
func checkPair(t *testing.T, file, line string, aliases map[string]string) {
	t.Helper()
	shown, ids := matches(aliasLike, line), matches(vendorLike, line)
	if len(shown) != 1 || len(ids) != 1 || shown[0] == brokenAlias {
		return
	}
	if want := strings.TrimPrefix(aliases[shown[0]], "oci/"); ids[0] != want {
		t.Errorf("%s shows %s as %s, and it is %s: %s", file, shown[0], ids[0], want, strings.TrimSpace(line))
	}
}

// The demo serves the sample's aliases from the simulator: same models, same fallbacks.
func TestDemoServesTheSample(t *testing.T) {
	want, got := decode[sample](t, config), decode[sample](t, demo)
	served := got.aliases()
	for alias, upstream := range want.aliases() {
		if served[alias] != upstream {
			t.Errorf("the demo's %s is %q, the sample's %q", alias, served[alias], upstream)
		}
	}
	delete(served, brokenAlias)
	if len(served) != len(want.aliases()) {
		t.Errorf("the demo serves %q", slices.Sorted(maps.Keys(served)))
	}
	for _, chain := range want.RouterSettings.Fallbacks {
		if !slices.ContainsFunc(got.RouterSettings.Fallbacks, func(other map[string][]string) bool {
			return maps.EqualFunc(chain, other, slices.Equal)
		}) {
			t.Errorf("the demo has no fallback %v", chain)
		}
	}
}

// The chart without a configuration of yours serves the sample.
func TestChartCarriesTheSample(t *testing.T) {
	if read(t, chart+"/files/config.yaml") != read(t, config) {
		t.Errorf("%s/files/config.yaml is not %s", chart, config)
	}
}

// Where LITELLM_GATEWAY_MODEL is not set, companions and suites take an alias that exists.
func TestDefaultModelsAreAliases(t *testing.T) {
	known := decode[sample](t, config).aliases()
	fallback := regexp.MustCompile(`LITELLM_GATEWAY_MODEL(?:_B)?"?[^\n]*?["'](oci-[A-Za-z0-9.-]+)["']|(?:DEFAULT|default)[A-Za-z_]*\s*:?=\s*["'](oci-[A-Za-z0-9.-]+)["']`)
	for _, folder := range []string{"examples/agent/python", "examples/agent/go", "examples/costs/python", "examples/costs/go", "test/live"} {
		t.Run(folder, func(t *testing.T) {
			defaults := 0
			for _, file := range under(t, folder) {
				for _, m := range fallback.FindAllStringSubmatch(read(t, file), -1) {
					defaults++
					alias := m[1] + m[2]
					if _, ok := known[alias]; !ok {
						t.Errorf("%s takes %s, which is no alias", file, alias)
					}
				}
			}
			if defaults == 0 {
				t.Error("no default was found")
			}
		})
	}
}

// variableLike is the name of a variable of the sample or of its clients.
var variableLike = regexp.MustCompile(`\b(?:LITELLM|OCI|TOLLGATE)_[A-Z0-9_]+\b`)

// The pages that are followed step by step, and the clients, name variables that something reads: those of .env.example,
// and these.
func TestVariablesExist(t *testing.T) {
	known := []string{
		// clients and suites
		"LITELLM_GATEWAY_URL", "LITELLM_GATEWAY_KEY", "LITELLM_GATEWAY_MODEL", "LITELLM_GATEWAY_MODEL_B", "LITELLM_SPEND_FLUSH_WAIT", "LITELLM_VIRTUAL_KEY",
		// the gateway, beside what the compose file gives it
		"LITELLM_SALT_KEY", "LITELLM_LOG", "OCI_KEY", "OCI_AUTH", "OCI_CONFIG_FILE", "OCI_RESOURCE_PRINCIPAL_VERSION", "OCI_RESOURCE_PRINCIPAL_RPST",
	}
	known = append(known, matches(variableLike, read(t, dotEnv))...)
	for _, file := range under(t, howTo, sampleReadme, "examples/agent", "examples/costs", "test/live", "test/costs") {
		for _, variable := range matches(variableLike, read(t, file)) {
			if !slices.Contains(known, variable) {
				t.Errorf("%s names %s, which nothing reads", file, variable)
			}
		}
	}
}
