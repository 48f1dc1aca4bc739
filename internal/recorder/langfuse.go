package recorder

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Langfuse plays a project of Langfuse's: its OpenTelemetry endpoint, the older ingestion, and the route that tells which
// project the keys belong to. A span that comes twice is a fault: Langfuse shows it twice.
type Langfuse struct {
	Public, Secret string
	// EventsOnly plays Langfuse 4, which takes no traces by the older ingestion any more.
	EventsOnly bool
	inbox
	store    spanStore
	ingested []LangfuseEvent
}

// LangfuseEvent is one event of the older ingestion.
type LangfuseEvent struct {
	ID        string         `json:"id"`
	Timestamp string         `json:"timestamp"`
	Type      string         `json:"type"`
	Body      map[string]any `json:"body"`
}

// Spans are the spans that were taken, in order.
func (l *Langfuse) Spans() []Span {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	return append([]Span(nil), l.store.spans...)
}

// Events are what was taken by the older ingestion, each once.
func (l *Langfuse) Events() []LangfuseEvent {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]LangfuseEvent(nil), l.ingested...)
}

func (l *Langfuse) problem(text string) any { return map[string]string{"error": text, "message": text} }

// ServeHTTP implements http.Handler.
func (l *Langfuse) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if l.arrive(w) {
		return
	}
	public, secret, ok := r.BasicAuth()
	if !ok || subtle.ConstantTimeCompare([]byte(public+":"+secret), []byte(l.Public+":"+l.Secret)) != 1 {
		l.refuse(w, http.StatusUnauthorized, l.problem, "the keys are wrong")
		return
	}
	switch r.Method + " " + r.URL.Path {
	case "GET /api/public/projects":
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"data":[{"id":"project-1","name":"gateway"}]}`)
	case "POST /api/public/otel/v1/traces":
		l.traces(w, r)
	case "POST /api/public/ingestion":
		l.ingestion(w, r)
	default:
		l.refuse(w, http.StatusNotFound, l.problem, "there is no %s %s", r.Method, r.URL.Path)
	}
}

// traces takes spans in protobuf.
func (l *Langfuse) traces(w http.ResponseWriter, r *http.Request) {
	if kind := r.Header.Get("Content-Type"); !strings.Contains(kind, "application/x-protobuf") {
		l.refuse(w, http.StatusBadRequest, l.problem, "the content type is %q", kind)
		return
	}
	if v := r.Header.Get("X-Langfuse-Ingestion-Version"); v != "" {
		if n, err := strconv.Atoi(v); err != nil || n > 4 {
			l.refuse(w, http.StatusBadRequest, l.problem, "the ingestion version is %q", v)
			return
		}
	}
	const longest = 16 << 20
	body, long, err := unpacked(r, longest)
	var in coltrace.ExportTraceServiceRequest
	if err != nil || long || proto.Unmarshal(body, &in) != nil {
		l.refuse(w, http.StatusBadRequest, l.problem, "the body cannot be read, or is too long")
		return
	}
	strange, err := l.store.addTraces(&in)
	for _, text := range strange {
		l.fault(text)
	}
	if err == nil {
		err = l.checkObservations(&in)
	}
	if err != nil {
		l.refuse(w, http.StatusBadRequest, l.problem, "%v", err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{}`)
}

// observations are the types that Langfuse knows.
var observations = []string{"span", "generation", "event", "embedding", "agent", "tool", "chain", "retriever", "guardrail", "evaluator"}

// environmentName is what Langfuse takes as an environment.
var environmentName = regexp.MustCompile(`^[a-z0-9_-]{1,40}$`)

// checkObservations looks at what Langfuse makes of spans.
func (l *Langfuse) checkObservations(in *coltrace.ExportTraceServiceRequest) error {
	for _, r := range in.GetResourceSpans() {
		for _, scope := range r.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				a := plain(s.GetAttributes())
				if kind, _ := a["langfuse.observation.type"].(string); !slices.Contains(observations, kind) {
					return fmt.Errorf("the type %q of an observation is not known", kind)
				}
				if e, is := a["langfuse.environment"].(string); is && (!environmentName.MatchString(e) || strings.HasPrefix(e, "langfuse")) {
					return fmt.Errorf("the environment %q is none", e)
				}
				for _, name := range [...]string{"langfuse.observation.usage_details", "langfuse.observation.cost_details"} {
					if text, is := a[name].(string); is {
						var numbers map[string]float64
						if json.Unmarshal([]byte(text), &numbers) != nil {
							return fmt.Errorf("%s is no object of numbers", name)
						}
					}
				}
				if text, is := a["langfuse.observation.completion_start_time"].(string); is {
					if _, err := time.Parse(time.RFC3339Nano, text); err != nil {
						return fmt.Errorf("the completion start time is %q", text)
					}
				}
			}
		}
	}
	return nil
}
