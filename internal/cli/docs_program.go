package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tollgate/internal/app"
	"tollgate/internal/builtin"
	"tollgate/internal/record"
	"tollgate/internal/telemetry"
)

// commandTables describes the program itself and each of its commands.
func commandTables(root *cobra.Command) string {
	var b strings.Builder
	describeCommand(&b, root)
	return b.String()
}

func describeCommand(b *strings.Builder, cmd *cobra.Command) {
	if cmd.Runnable() {
		fmt.Fprintf(b, "\n## `%s`\n\n%s\n", cmd.CommandPath(), orShort(cmd))
		fmt.Fprintf(b, "\n```text\n%s\n```\n", cmd.UseLine())
		flags := table{head: []string{"Option", "Type", "Default", "Meaning"}}
		var idle []string
		cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Name == "help" {
				return
			}
			if _, found := ineffective[f.Name]; found {
				idle = append(idle, code("--"+f.Name))
				return
			}
			flags.add(optionName(f), optionType(f), code(optionDefault(f)), prose(f.Usage))
		})
		b.WriteString(flags.String())
		if len(idle) > 0 {
			fmt.Fprintf(b, "\nTaken for LiteLLM's sake, without effect: %s.\n", strings.Join(idle, ", "))
		}
	}
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() && sub.Name() != "completion" {
			describeCommand(b, sub)
		}
	}
}

func orShort(cmd *cobra.Command) string {
	if cmd.Long != "" {
		return cmd.Long
	}
	return cmd.Short + "."
}

func optionName(f *pflag.Flag) string {
	name := code("--" + f.Name)
	if f.Shorthand != "" {
		name += ", " + code("-"+f.Shorthand)
	}
	return name
}

func optionType(f *pflag.Flag) string {
	if f.Value.Type() == "bool" {
		return ""
	}
	return f.Value.Type()
}

func optionDefault(f *pflag.Flag) string {
	if f.Value.Type() == "bool" || f.DefValue == "[]" {
		return ""
	}
	return f.DefValue
}

// alsoServed finds the route that another one repeats, in the words of the route table.
var alsoServed = regexp.MustCompile(`^As (GET|/[^ ,]*[^ ,.])`)

// operation is what the page needs of an operation of the OpenAPI description.
type operation struct {
	Summary  string `json:"summary"`
	Security []any  `json:"security"`
}

// routeTables lists the routes, each with the paths that do the same, from the gateway's own description of itself.
func routeTables() (string, error) {
	paths, err := openAPIPaths()
	if err != nil {
		return "", err
	}
	same := map[string][]string{}
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		for _, method := range slices.Sorted(maps.Keys(paths[path])) {
			if m := alsoServed.FindStringSubmatch(paths[path][method].Summary); m != nil {
				target, also := m[1], path
				if target == "GET" {
					target, also = path, strings.ToUpper(method)
				}
				same[target] = append(same[target], code(also))
			}
		}
	}
	t := table{head: []string{"Route", "Key", "What it does", "The same"}}
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		for _, method := range slices.Sorted(maps.Keys(paths[path])) {
			op := paths[path][method]
			if alsoServed.MatchString(op.Summary) {
				continue
			}
			key := "no"
			if len(op.Security) > 0 {
				key = "yes"
			}
			t.add(code(strings.ToUpper(method)+" "+path), key, op.Summary, strings.Join(same[path], ", "))
		}
	}
	return "## Routes\n" + t.String(), nil
}

// openAPIPaths asks a gateway with an empty configuration for /openapi.json.
func openAPIPaths() (map[string]map[string]operation, error) {
	a, _, err := app.Open(context.Background(), app.Options{
		Env:       func(string) (string, bool) { return "", false },
		Providers: builtin.Providers, Integrations: integrations(), Version: version(), Metrics: telemetry.NewMetrics(),
		NewLog: func(bool, bool) (*slog.Logger, slog.Level) { return slog.New(slog.DiscardHandler), slog.LevelError },
	})
	if err != nil {
		return nil, err
	}
	defer func() { _ = a.Close(context.Background()) }() // nothing was opened that could fail
	var page pageWriter
	a.Handler().ServeHTTP(&page, pageRequest("/openapi.json"))
	var description struct {
		Paths map[string]map[string]operation `json:"paths"`
	}
	if err := json.Unmarshal(page.body.Bytes(), &description); err != nil || page.status != http.StatusOK {
		return nil, fmt.Errorf("/openapi.json answered %d: %s", page.status, page.body.String())
	}
	return description.Paths, nil
}

// pageRequest asks a handler of our own for a page, as a caller on this machine would.
func pageRequest(path string) *http.Request {
	return &http.Request{
		Method: http.MethodGet, URL: &url.URL{Path: path}, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Host: "127.0.0.1", RemoteAddr: "127.0.0.1:1", Header: http.Header{}, Body: http.NoBody,
	}
}

// pageWriter keeps a page in memory.
type pageWriter struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (p *pageWriter) Header() http.Header {
	if p.header == nil {
		p.header = http.Header{}
	}
	return p.header
}

func (p *pageWriter) WriteHeader(status int) { p.status = status }

func (p *pageWriter) Write(b []byte) (int, error) {
	if p.status == 0 {
		p.status = http.StatusOK
	}
	return p.body.Write(b)
}

// metricTable lists the series. Each is made to appear once, since a series without a sample is not in the text.
func metricTable() (string, error) {
	m := telemetry.NewMetrics()
	m.CallStarted()
	for _, priced := range []bool{true, false} {
		m.CallEnded("alias", &record.Call{Outcome: record.Success, Status: http.StatusOK, UsageKnown: true, CostKnown: priced, Guardrails: []record.Guardrail{{Name: "guardrail", Mode: "pre_call", Status: "success"}}})
	}
	m.Reloaded(true)
	m.CooledDown("alias", &telemetry.Target{Model: "upstream"}, http.StatusServiceUnavailable)
	m.CacheLookup("hit")
	m.CacheBackend("get", "answered")
	m.CallbackDelivered("callback", 1)
	m.CallbackDropped("callback", "full", 1)
	m.CallbackQueues(func() []telemetry.Queue { return []telemetry.Queue{{Name: "callback"}} })
	m.Alert("type", "sent")
	if err := m.LiteLLM(&telemetry.LiteLLMOptions{}); err != nil {
		return "", err
	}
	m.Credentials(func() []telemetry.Credential { return []telemetry.Credential{{Principal: "instance_principal"}} })
	var page pageWriter
	m.Handler().ServeHTTP(&page, pageRequest("/metrics"))
	ours, err := readMetrics(&page.body)
	return ours + "\n" + litellmTable(), err
}

// litellmTable lists the series with LiteLLM's names.
func litellmTable() string {
	t := table{head: []string{"Metric", "Type", "Labels", "Meaning"}}
	all := telemetry.LiteLLMTable()
	slices.SortFunc(all, func(a, b telemetry.Series) int { return strings.Compare(a.Name, b.Name) })
	coded := func(names []string) string {
		var list []string
		for _, n := range names {
			list = append(list, code(n))
		}
		return strings.Join(list, " ")
	}
	for _, s := range all {
		help := s.Help
		if len(s.Optional) > 0 {
			help += " Where include_labels asks for them: " + coded(s.Optional) + "."
		}
		t.add(code(s.Name), s.Type, coded(s.Labels), help)
	}
	return litellmIntro + "\n" + t.String() + "\n" + litellmAbsent + coded(telemetry.LiteLLMAbsent()) + ".\n"
}

const litellmIntro = `## Series with LiteLLM's names

They are there while ` + "`prometheus`" + ` is among ` + "`litellm_settings.callbacks`, `success_callback` or `failure_callback`" + `, or ` + "`prometheus_metrics_config`" + ` is set.
A label without a value is ` + "`None`" + `; so is ` + "`end_user`" + ` unless ` + "`enable_end_user_cost_tracking_prometheus_only`" + ` is set, and ` + "`requested_model`" + ` for a name that is no
alias. Each caller, model and result has series of its own, 10,000 combinations at most; calls of further ones are counted under ` + "`other`" + `, and in
` + "`tollgate_metrics_folded_calls_total`" + `. Budgets are shown of keys, teams, organisations and users that have called, and with
` + "`prometheus_initialize_budget_metrics`" + ` of all keys and teams with a budget of their own; they are at most 15 seconds old.
` + "`prometheus_metrics_config`" + ` may name a counter with or without ` + "`_total`" + `.
`

const litellmAbsent = `LiteLLM has these, Tollgate has not; a configuration that selects them is served, with a warning: `

// sample finds the name and the labels of a sample of Prometheus' text format.
var sample = regexp.MustCompile(`^(\w+)\{([^}]*)\}`)

// readMetrics makes a table of the series of ours in a text of Prometheus' format.
func readMetrics(text io.Reader) (string, error) {
	help, kind, labels := map[string]string{}, map[string]string{}, map[string]string{}
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		words := strings.SplitN(lines.Text(), " ", 4)
		switch {
		case len(words) == 4 && words[1] == "HELP":
			help[words[2]] = words[3]
		case len(words) == 4 && words[1] == "TYPE":
			kind[words[2]] = words[3]
		default:
			if m := sample.FindStringSubmatch(lines.Text()); m != nil {
				labels[m[1]] = labelNames(m[2])
			}
		}
	}
	t := table{head: []string{"Metric", "Type", "Labels", "Meaning"}}
	for _, name := range slices.Sorted(maps.Keys(help)) {
		if !strings.HasPrefix(name, "tollgate_") {
			continue
		}
		of := labels[name]
		if kind[name] == "histogram" {
			of = labels[name+"_sum"]
		}
		t.add(code(name), kind[name], of, help[name])
	}
	return t.String(), lines.Err()
}

// labelNames are the names in `a="x",b="y"`.
func labelNames(pairs string) string {
	var names []string
	for _, m := range regexp.MustCompile(`(\w+)="`).FindAllStringSubmatch(pairs, -1) {
		names = append(names, code(m[1]))
	}
	return strings.Join(names, ", ")
}
