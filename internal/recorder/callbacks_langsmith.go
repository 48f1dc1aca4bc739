package recorder

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// LangSmith plays the intake of runs.
type LangSmith struct {
	Key    string // the x-api-key that is taken
	Tenant string // the x-tenant-id that is wanted; "" = none
	inbox
	runs map[string]LangSmithRun
}

// LangSmithRun is one run.
type LangSmithRun struct {
	ID      string         `json:"id"`
	Trace   string         `json:"trace_id"`
	Order   string         `json:"dotted_order"`
	Parent  string         `json:"parent_run_id"`
	Name    string         `json:"name"`
	Type    string         `json:"run_type"`
	Project string         `json:"session_name"`
	Start   string         `json:"start_time"`
	End     string         `json:"end_time"`
	Inputs  map[string]any `json:"inputs"`
	Outputs map[string]any `json:"outputs"`
	Error   string         `json:"error"`
	Tags    []string       `json:"tags"`
	Extra   map[string]any `json:"extra"`
}

// Runs are the runs that were taken, by id: one that came twice is one run.
func (l *LangSmith) Runs() map[string]LangSmithRun {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[string]LangSmithRun{}
	for id, r := range l.runs {
		out[id] = r
	}
	return out
}

func (l *LangSmith) problem(text string) any { return map[string]string{"detail": text} }

// ServeHTTP implements http.Handler.
func (l *LangSmith) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if l.arrive(w) {
		return
	}
	if r.Header.Get("X-Api-Key") != l.Key || r.Header.Get("X-Tenant-Id") != l.Tenant {
		l.refuse(w, http.StatusForbidden, l.problem, "the key or the tenant is wrong")
		return
	}
	if r.Method != http.MethodPost || r.URL.Path != "/runs/batch" {
		l.refuse(w, http.StatusNotFound, l.problem, "there is no %s %s", r.Method, r.URL.Path)
		return
	}
	body, long, err := unpacked(r, 20<<20)
	if err != nil || long {
		l.refuse(w, http.StatusRequestEntityTooLarge, l.problem, "the body is too large, or cannot be read")
		return
	}
	var in struct {
		Post []LangSmithRun `json:"post"`
	}
	if err := json.Unmarshal(body, &in); err != nil || len(in.Post) == 0 {
		l.refuse(w, http.StatusUnprocessableEntity, l.problem, "there are no runs: %v", err)
		return
	}
	for i := range in.Post {
		if fault := runFault(&in.Post[i]); fault != "" {
			l.refuse(w, http.StatusUnprocessableEntity, l.problem, "run %d: %s", i, fault)
			return
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.runs == nil {
		l.runs = map[string]LangSmithRun{}
	}
	for _, r := range in.Post {
		l.runs[r.ID] = r
	}
	accepted(w, "{}")
}

var (
	uuid      = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	runTypes  = []string{"llm", "chain", "tool", "retriever", "embedding", "prompt", "parser"}
	orderPart = regexp.MustCompile(`^\d{8}T\d{12}Z[0-9a-f]{8}-[0-9a-f-]{27}$`)
)

// runFault says why a run is not taken, "" when it is.
func runFault(r *LangSmithRun) string {
	start, errStart := time.Parse(time.RFC3339Nano, r.Start)
	end, errEnd := time.Parse(time.RFC3339Nano, r.End)
	parts := strings.Split(r.Order, ".")
	switch {
	case !uuid.MatchString(r.ID) || !uuid.MatchString(r.Trace):
		return "an id is no UUID"
	case r.Name == "" || r.Project == "" || !slices.Contains(runTypes, r.Type):
		return "the name, the project or the type is missing or not known"
	case errStart != nil || errEnd != nil || end.Before(start):
		return "a time is missing or wrong"
	case r.Inputs == nil || r.Outputs == nil:
		return "inputs or outputs are no object"
	case !orderPart.MatchString(parts[len(parts)-1]) || !strings.HasSuffix(r.Order, r.ID):
		return "the dotted_order does not end with the run: " + r.Order
	case !strings.Contains(parts[0], r.Trace):
		return "the dotted_order does not begin with the trace"
	case (r.Parent == "") != (len(parts) == 1):
		return "the dotted_order does not fit the parent"
	}
	return ""
}
