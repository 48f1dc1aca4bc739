// Command integrations measures what each integration adds to a call: the gateway with it on against the gateway with all
// of them off, in one run, in turns, so that whatever else the machine does strikes all alike. The gateways run inside this
// process and are called without a network in between; what they call (a guardrail's vendor, a callback's backend) answers at
// once on loopback, and its work is in the figures, as is the work in the background.
//
//	go run ./bench/integrations [-quick] [-only REGEXP]
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"tollgate/internal/app"
	"tollgate/internal/builtin"
	"tollgate/internal/telemetry"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "integrations:", err)
		os.Exit(1)
	}
}

// integration is one line of the table: what the configuration says besides the model.
type integration struct{ name, settings string }

// integrations are what is measured; BACKEND stands for the server on loopback.
var integrations = []integration{
	{"none", ""},
	{"prometheus", "litellm_settings: {callbacks: [prometheus]}"},
	{"cache local, hits", "litellm_settings: {cache: true, cache_params: {type: local}}"},
	{"cache local, misses", "litellm_settings: {cache: true, cache_params: {type: local}}"},
	{"content filter, before", guard("litellm_content_filter", "pre_call", "patterns: [{pattern_type: prebuilt, pattern_name: us_ssn, action: BLOCK}, {pattern_type: prebuilt, pattern_name: email, action: MASK}]")},
	{"content filter, before and behind", guard("litellm_content_filter", "[pre_call, post_call]", "patterns: [{pattern_type: prebuilt, pattern_name: us_ssn, action: BLOCK}, {pattern_type: prebuilt, pattern_name: email, action: MASK}]")},
	{"personal data, before and behind", guard("pii", "[pre_call, post_call]", "output_parse_pii: true")},
	{"secrets, before", guard("hide-secrets", "pre_call", "")},
	{"prompt injection, before", guard("detect_prompt_injection", "pre_call", "")},
	{"a vendor, before", guard("generic_guardrail_api", "pre_call", `api_base: "BACKEND"`)},
	{"a vendor, beside", guard("generic_guardrail_api", "during_call", `api_base: "BACKEND"`)},
	{"callback, webhook", "litellm_settings: {callbacks: [generic_api]}\ncallback_settings: {generic_api: {endpoint: \"BACKEND/logs\"}}"},
	{"callback, OpenTelemetry", "litellm_settings: {callbacks: [otel]}\ncallback_settings: {otel: {exporter: otlp_http, endpoint: \"BACKEND\"}}"},
	{"callback, Langfuse", "litellm_settings: {callbacks: [langfuse]}\ncallback_settings: {langfuse: {langfuse_host: \"BACKEND\", langfuse_public_key: pk-bench, langfuse_secret_key: sk-bench}}"},
}

func guard(kind, mode, settings string) string {
	return "guardrails: [{guardrail_name: g, litellm_params: {guardrail: " + kind + ", mode: " + mode + ", default_on: true" + strings.TrimSuffix(", "+settings, ", ") + "}}]"
}

const masterKey = "sk-bench"

// model answers without an upstream: what is measured is the gateway's own part.
const model = `model_list: [{model_name: m, litellm_params: {model: openai/bench, mock_response: "` +
	"The gateway answers this in one piece or as a stream, and none of it is anything that a guardrail looks for." + `"}}]
general_settings: {master_key: ` + masterKey + "}\n"

func run(ctx context.Context, args []string, out io.Writer) error {
	f := flag.NewFlagSet("integrations", flag.ContinueOnError)
	quick := f.Bool("quick", false, "fewer rounds, with more noise")
	only := f.String("only", "", "regular expression of the lines to run, beside none")
	if err := f.Parse(args); err != nil {
		return err
	}
	match, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	backend := httptest.NewServer(http.HandlerFunc(answer))
	defer backend.Close()
	var list []*gateway
	defer func() {
		for _, g := range list {
			g.close()
		}
	}()
	for _, i := range integrations {
		if i.name != "none" && !match.MatchString(i.name) {
			continue
		}
		g, err := open(ctx, i, backend.URL)
		if err != nil {
			return fmt.Errorf("%s: %w", i.name, err)
		}
		list = append(list, g)
	}
	rounds, length := 12, 150*time.Millisecond
	if *quick {
		rounds, length = 4, 80*time.Millisecond
	}
	for r := range rounds {
		order := slices.Clone(list)
		if r%2 == 1 {
			slices.Reverse(order)
		}
		for _, g := range order {
			for k := range kinds {
				if err := g.drive(ctx, k, length); err != nil {
					return fmt.Errorf("%s: %w", g.name, err)
				}
			}
		}
	}
	return report(out, list)
}

// answer is every backend: a guardrail that allows, a callback's that takes.
func answer(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/json")
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/x-protobuf") {
		w.Header().Set("Content-Type", "application/x-protobuf")
		return
	}
	_, _ = io.WriteString(w, `{"action":"NONE"}`)
}

// kinds are the calls that are made of every gateway.
var kinds = []struct {
	name   string
	size   int // of the prompt, in bytes
	stream bool
}{{"1 kB", 1 << 10, false}, {"32 kB", 32 << 10, false}, {"stream 1 kB", 1 << 10, true}}

// gateway is one that is measured.
type gateway struct {
	name    string
	app     *app.App
	dir     string
	samples [][]float64 // by kind: microseconds of CPU per call, a round each
	asked   int
}

func open(ctx context.Context, i integration, backend string) (*gateway, error) {
	dir, err := os.MkdirTemp("", "tollgate-bench-")
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(file, []byte(model+strings.ReplaceAll(i.settings, "BACKEND", backend)+"\n"), 0o600); err != nil {
		return nil, err
	}
	quiet := slog.New(slog.DiscardHandler)
	a, found, err := app.Open(ctx, app.Options{
		ConfigPath: file, Env: func(string) (string, bool) { return "", false }, Providers: builtin.Providers, Version: "bench", DataDir: dir, Metrics: telemetry.NewMetrics(),
		Integrations: app.Integrations{Guardrails: builtin.Guardrails, Callbacks: builtin.Callbacks(), Caches: builtin.Caches()},
		NewLog:       func(bool, bool) (*slog.Logger, slog.Level) { return quiet, slog.LevelInfo },
	})
	if err != nil {
		return nil, errors.Join(err, found.Err(), os.RemoveAll(dir))
	}
	return &gateway{name: i.name, app: a, dir: dir, samples: make([][]float64, len(kinds))}, nil
}

func (g *gateway) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_ = errors.Join(g.app.Close(ctx), os.RemoveAll(g.dir)) // the figures are there
}

// drive makes calls of a kind for a while, and notes what each has cost.
func (g *gateway) drive(ctx context.Context, kind int, length time.Duration) error {
	k := kinds[kind]
	prompt := strings.Repeat("What is the capital of Italy, and why? ", k.size/39+1)[:k.size]
	begun, spent, calls := time.Now(), cpu(), 0
	for time.Since(begun) < length && ctx.Err() == nil {
		number := 0 // equal calls, of which the cache has all but the first
		if !strings.HasSuffix(g.name, "hits") {
			g.asked++
			number = g.asked
		}
		body := fmt.Appendf(nil, `{"model":"m","stream":%t,"user":"%d","messages":[{"role":"user","content":"%s"}]}`, k.stream, number, prompt)
		w := &discard{header: http.Header{}}
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://gateway/v1/chat/completions", bytes.NewReader(body))
		if err != nil {
			return err
		}
		r.RemoteAddr = "127.0.0.1:1"
		r.Header.Set("Authorization", "Bearer "+masterKey)
		r.Header.Set("Content-Type", "application/json")
		g.app.Handler().ServeHTTP(w, r)
		if w.status != http.StatusOK {
			return fmt.Errorf("a call was answered with %d: %s", w.status, w.first)
		}
		calls++
	}
	if calls > 0 {
		g.samples[kind] = append(g.samples[kind], float64((cpu()-spent).Microseconds())/float64(calls))
	}
	return ctx.Err()
}

// discard is a ResponseWriter that keeps the status and how an answer begins.
type discard struct {
	header http.Header
	status int
	first  string
}

func (d *discard) Header() http.Header    { return d.header }
func (d *discard) WriteHeader(status int) { d.status = status }
func (d *discard) Flush()                 {}
func (d *discard) Write(b []byte) (int, error) {
	if d.first == "" {
		d.first = string(b[:min(len(b), 300)])
	}
	return len(b), nil
}

// cpu is what the process has used, user and system.
func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func median(list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	if len(list) == 0 {
		return 0
	}
	return list[len(list)/2]
}

func report(out io.Writer, list []*gateway) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "integration\t")
	for _, k := range kinds {
		fmt.Fprintf(w, "%s µs\t/none\t", k.name)
	}
	fmt.Fprintln(w)
	for _, g := range list {
		fmt.Fprintf(w, "%s\t", g.name)
		for k := range kinds {
			us := median(g.samples[k])
			fmt.Fprintf(w, "%.0f\t%.2f\t", us, us/median(list[0].samples[k]))
		}
		fmt.Fprintln(w)
	}
	return w.Flush()
}
