package artifacts_test

import (
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// documented are the series of docs/reference/metrics.md. A histogram is read by its parts.
func documented(t *testing.T) map[string]bool {
	t.Helper()
	series := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (gauge|counter|histogram|summary) ").FindAllStringSubmatch(read(t, "docs/reference/metrics.md"), -1) {
		series[m[1]] = true
		if m[2] == "histogram" {
			for _, part := range []string{"_bucket", "_sum", "_count"} {
				series[m[1]+part] = true
			}
		}
	}
	if len(series) < 10 {
		t.Fatalf("the reference has %d series", len(series))
	}
	return series
}

// outsiders are series that every Go program or Prometheus itself has.
var outsiders = regexp.MustCompile(`^(up|(go|process|promhttp)_[a-z_]+)$`)

var (
	quoted   = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'`)
	selector = regexp.MustCompile(`\{[^}]*\}|\[[^\]]*\]`)
	grouping = regexp.MustCompile(`\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)`)
	name     = regexp.MustCompile(`[a-zA-Z_:][a-zA-Z0-9_:]*(\s*\()?`)
	words    = regexp.MustCompile(`^(and|or|unless|bool|offset|by|without|on|ignoring|group_left|group_right|inf|nan|e[0-9]+)$`)
)

// seriesOf are the names of series in a PromQL expression: what is left without texts, selectors, groupings, functions.
func seriesOf(expression string) []string {
	for _, noise := range []*regexp.Regexp{quoted, selector, grouping} {
		expression = noise.ReplaceAllString(expression, " ")
	}
	found := map[string]bool{}
	for _, n := range name.FindAllString(expression, -1) {
		if !strings.HasSuffix(n, "(") && !words.MatchString(strings.ToLower(n)) {
			found[n] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

func TestSeriesOf(t *testing.T) {
	for expression, want := range map[string][]string{
		`sum by (model) (rate(a_total{outcome="failure"}[5m])) / sum by (model) (rate(b_total[5m])) > 0.05`: {"a_total", "b_total"},
		`histogram_quantile(0.95, sum by (le) (rate(d_bucket{model=~"$model"}[$__rate_interval])))`:         {"d_bucket"},
		`up{job=~".*tollgate.*"} == 0`:                                  {"up"},
		`a > 50e6 and deriv(b[15m]) > 0 unless c`:                       {"a", "b", "c"},
		`label_values(tollgate_requests_total, model)`:                  {"model", "tollgate_requests_total"},
		`avg_over_time(sum(increase(spend_total[1h]))[7d:1h]) - time()`: {"spend_total"},
	} {
		if got := seriesOf(expression); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", expression, got, want)
		}
	}
}

func checkSeries(t *testing.T, where, expression string, known map[string]bool) {
	t.Helper()
	for _, series := range seriesOf(expression) {
		if !known[series] && !outsiders.MatchString(series) {
			t.Errorf("%s: docs/reference/metrics.md has no %s: %s", where, series, expression)
		}
	}
}

// rules is a file of Prometheus' rules.
type rules struct {
	Groups []struct {
		Name  string
		Rules []struct {
			Alert, Record, Expr, For string
			Labels, Annotations      map[string]string
		}
	}
}

func TestAlertsNameDocumentedSeries(t *testing.T) {
	known := documented(t)
	seen := 0
	for _, group := range decode[rules](t, "deploy/prometheus/alerts.yml").Groups {
		for _, rule := range group.Rules {
			seen++
			checkSeries(t, rule.Alert, rule.Expr, known)
			if rule.Alert == "" || rule.Labels["severity"] == "" || rule.Annotations["summary"] == "" {
				t.Errorf("%s: the rule %q lacks a severity or a summary", group.Name, rule.Alert)
			}
		}
	}
	if seen == 0 {
		t.Error("there is no alert")
	}
}

// Prometheus is told the gateway's service of the compose file, and the files that are mounted.
func TestPrometheusScrapesTheGateway(t *testing.T) {
	p := decode[struct {
		RuleFiles     []string `yaml:"rule_files"`
		ScrapeConfigs []struct {
			JobName       string                       `yaml:"job_name"`
			StaticConfigs []struct{ Targets []string } `yaml:"static_configs"`
		} `yaml:"scrape_configs"`
	}](t, "deploy/prometheus/prometheus.yml")
	if len(p.ScrapeConfigs) != 1 || p.ScrapeConfigs[0].JobName != "tollgate" || len(p.ScrapeConfigs[0].StaticConfigs) != 1 ||
		!slices.Equal(p.ScrapeConfigs[0].StaticConfigs[0].Targets, []string{"gateway:4000"}) {
		t.Errorf("it scrapes %+v", p.ScrapeConfigs)
	}
	for _, file := range p.RuleFiles {
		if !slices.ContainsFunc(decode[composeFile](t, monitoring).Services["prometheus"].Volumes, func(v string) bool {
			return strings.HasSuffix(v, "/etc/prometheus/"+file+":ro")
		}) {
			t.Errorf("the rules %s are not mounted", file)
		}
	}
}

func TestDashboardNamesDocumentedSeries(t *testing.T) {
	known := documented(t)
	var dashboard any
	if err := json.Unmarshal([]byte(read(t, "deploy/grafana/tollgate.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	queries := 0
	walk(dashboard, func(key, text string) {
		switch key {
		case "expr":
			queries++
			checkSeries(t, "the dashboard", text, known)
		case "query", "definition": // of a variable: label_values(series, label)
			if m := regexp.MustCompile(`^label_values\(([^,{)]+)[^,]*,`).FindStringSubmatch(text); m != nil {
				checkSeries(t, "the dashboard's variable", m[1], known)
			}
		}
	})
	if queries < 5 {
		t.Errorf("the dashboard has %d queries", queries)
	}
}

// walk shows every text of a JSON document with the key that holds it.
func walk(value any, show func(key, text string)) {
	switch v := value.(type) {
	case map[string]any:
		for key, inner := range v {
			if text, ok := inner.(string); ok {
				show(key, text)
			}
			walk(inner, show)
		}
	case []any:
		for _, inner := range v {
			walk(inner, show)
		}
	}
}
