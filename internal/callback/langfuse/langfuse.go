// Package langfuse tells Langfuse of calls: by its OpenTelemetry endpoint, which every Langfuse since version 3.22 has and its
// cloud takes alone, or by the older ingestion of self-hosted ones.
package langfuse

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"tollgate/internal/callback"
	"tollgate/internal/callback/otlp"
	"tollgate/internal/callback/post"
	"tollgate/internal/setting"
)

// Langfuse's cloud in Europe and in the United States: LiteLLM's langfuse goes to the one by default, its langfuse_otel to the
// other.
const (
	europe       = "https://cloud.langfuse.com"
	unitedStates = "https://us.cloud.langfuse.com"
)

// Bounds of one request, in bytes: the endpoint warns above 16 MB, the older one documents 3.5.
const (
	longestOTLP   = 8 << 20
	longestLegacy = 3400 << 10
)

// Langfuse is a project of Langfuse's. Safe for concurrent use.
type Langfuse struct {
	traces  *otlp.HTTP   // nil = the older ingestion is used
	legacy  *post.Poster // the older ingestion
	source  otlp.Source
	shape   shape
	batch   callback.Batch
	client  *http.Client
	project string // the address that tells the project, for Ping
	auth    string // the header, which is never printed
	timeout time.Duration
}

// Open opens the callback langfuse; without a host it goes to Europe.
func Open(spec callback.Spec) (callback.Callback, error) {
	return open(&spec, spec.Settings.Text("langfuse_host", "LANGFUSE_HOST"), europe)
}

// OpenOTel opens the callback langfuse_otel; without a host it goes to the United States.
func OpenOTel(spec callback.Spec) (callback.Callback, error) {
	return open(&spec, spec.Settings.Text("langfuse_host", "LANGFUSE_OTEL_HOST", "LANGFUSE_HOST"), unitedStates)
}

// open reads langfuse_public_key, langfuse_secret_key (langfuse_secret), langfuse_host, langfuse_release, langfuse_ingestion,
// langfuse_prompt_version, langfuse_default_tags, environment, timeout and flush_interval.
func open(spec *callback.Spec, host, standard string) (callback.Callback, error) {
	m := spec.Settings
	public := m.NeedSecret("langfuse_public_key", "LANGFUSE_PUBLIC_KEY").Reveal()
	secretKey := m.Text("langfuse_secret_key", "LANGFUSE_SECRET_KEY")
	if older := m.Text("langfuse_secret"); secretKey == "" {
		secretKey = older
	}
	if secretKey == "" {
		m.Fault("langfuse_secret_key", "is missing; give it here or in the environment variable LANGFUSE_SECRET_KEY")
	}
	base := address(m, host, standard)
	legacy := ingestion(m)
	l := &Langfuse{
		source: otlp.Source{Scope: "tollgate", Version: spec.Version},
		shape:  readShape(m),
		batch: callback.Batch{
			Events: m.Int("batch_size", callback.StandardBatch), Every: max(m.Seconds("flush_interval", time.Second, "LANGFUSE_FLUSH_INTERVAL"), time.Millisecond),
		},
		client: spec.Client, project: base + "/api/public/projects", timeout: m.Seconds("timeout", callback.Timeout),
		auth: "Basic " + base64.StdEncoding.EncodeToString([]byte(public+":"+secretKey)),
	}
	l.source.Resource = resource(spec.Version)
	if err := m.Err(); err != nil {
		return nil, err
	}
	header := http.Header{"Authorization": {l.auth}, "User-Agent": {"tollgate/" + spec.Version}}
	if legacy {
		header.Set("Content-Type", "application/json")
		l.legacy = &post.Poster{Client: spec.Client, URL: base + "/api/public/ingestion", Header: header, Timeout: l.timeout, Taken: judge}
		return l, nil
	}
	header.Set("X-Langfuse-Ingestion-Version", "4") // else Langfuse shows traces ten minutes late
	header.Set("X-Langfuse-Sdk-Name", "tollgate")
	header.Set("X-Langfuse-Sdk-Version", spec.Version)
	header.Set("X-Langfuse-Public-Key", public)
	l.traces = otlp.NewHTTP(otlp.Endpoint{
		Signal: otlp.Traces, URL: base + "/api/public/otel/v1/traces", Header: header, Gzip: true, Timeout: l.timeout, Log: spec.Log,
	}, spec.Client)
	return l, nil
}

// address is that of the Langfuse, without a path of its API.
func address(m *setting.Map, host, standard string) string {
	if host == "" {
		return standard
	}
	if !strings.Contains(host, "://") {
		host = "http://" + host // as LiteLLM does
	}
	u, err := url.Parse(host)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		m.Fault("langfuse_host", "must be an http or https URL")
		return standard
	}
	u.Path = strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), "/v1/traces"), "/api/public/otel")
	return strings.TrimSuffix(u.String(), "/")
}

// ingestion reports whether the older ingestion is wanted.
func ingestion(m *setting.Map) (legacy bool) {
	switch word := m.Text("langfuse_ingestion", "LANGFUSE_INGESTION"); word {
	case "", "otel", "otlp":
		return false
	case "legacy":
		return true
	default:
		m.Fault("langfuse_ingestion", "must be otel or legacy, the older ingestion of self-hosted Langfuse 3")
		return false
	}
}

func resource(version string) otlp.Attrs {
	var a otlp.Attrs
	a.Text("service.name", "litellm")
	a.Text("service.version", version)
	a.Text("telemetry.sdk.name", "tollgate")
	a.Text("telemetry.sdk.language", "go")
	a.Text("telemetry.sdk.version", version)
	return a
}

// notInEnvironment is what the name of an environment must not hold.
var notInEnvironment = regexp.MustCompile(`[^a-z0-9_-]`)

// environment is the name of an environment as Langfuse takes it.
func environment(m *setting.Map) string {
	name := m.Text("environment", "LANGFUSE_TRACING_ENVIRONMENT")
	const longest = 40
	if name == "" {
		return ""
	}
	if len(name) > longest || notInEnvironment.MatchString(name) || strings.HasPrefix(name, "langfuse") {
		m.Fault("environment", "must be at most %d of a-z, 0-9, - and _, and must not begin with langfuse", longest)
		return ""
	}
	return name
}

// Batch implements callback.Batcher.
func (l *Langfuse) Batch() callback.Batch { return l.batch }

// Deliver implements callback.Callback.
func (l *Langfuse) Deliver(ctx context.Context, batch []*callback.Event) error {
	if l.traces == nil {
		return post.Batches(batch, l.shape.ingested, post.Limits{Bytes: longestLegacy}, func(texts [][]byte) error { return l.legacy.Post(ctx, ingestBody(texts)) })
	}
	return post.Batches(batch, l.encode, post.Limits{Bytes: longestOTLP}, func(texts [][]byte) error { return l.traces.Send(ctx, otlp.Join(texts)) })
}

// encode is an event's spans as a request.
func (l *Langfuse) encode(e *callback.Event) ([]byte, error) {
	body, err := l.source.Traces(l.shape.view(e).spans())
	if err == nil && len(body) > longestOTLP {
		v := l.shape.view(e)
		v.input, v.output = tooLong, tooLong
		return l.source.Traces(v.spans())
	}
	return body, err
}

// longestProject bounds what is read of the answer to Ping, in bytes.
const longestProject = 64 << 10

// Ping asks for the project that the keys belong to.
func (l *Langfuse) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, l.project, http.NoBody)
	if err != nil {
		return errors.New("langfuse: the host is no URL")
	}
	r.Header.Set("Authorization", l.auth)
	client := *l.client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	answer, err := client.Do(r)
	if err != nil {
		return post.WithoutURL(err)
	}
	defer func() { _ = answer.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, longestProject)) // the connection is used again
	switch answer.StatusCode {
	case http.StatusOK:
		return nil
	case http.StatusUnauthorized, http.StatusForbidden:
		return fmt.Errorf("langfuse does not know the keys (%d); they belong to a project and to one of its clouds", answer.StatusCode)
	}
	return fmt.Errorf("langfuse answers %d", answer.StatusCode)
}
