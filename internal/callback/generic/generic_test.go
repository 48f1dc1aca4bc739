package generic_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"tollgate/internal/callback"
	"tollgate/internal/callback/callbacktest"
	"tollgate/internal/callback/generic"
	"tollgate/internal/record"
	"tollgate/internal/recorder"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func ids(g *recorder.Generic) []string {
	var list []string
	for _, p := range g.Payloads() {
		list = append(list, p["litellm_call_id"].(string))
	}
	slices.Sort(list)
	return list
}

func TestDeliver(t *testing.T) {
	for name, c := range map[string]struct {
		settings map[string]any
		env      map[string]string
		format   string
		requests int
		want     []string
	}{
		"array":   {map[string]any{"headers": map[string]any{"Authorization": "Bearer os.environ/TOKEN"}}, map[string]string{"TOKEN": "t"}, "json_array", 1, []string{"call-0", "call-1", "call-2"}},
		"lines":   {map[string]any{"log_format": "ndjson", "headers": map[string]any{"Authorization": "os.environ/TOKEN"}}, map[string]string{"TOKEN": "Bearer t"}, "ndjson", 1, []string{"call-0", "call-1", "call-2"}},
		"single":  {map[string]any{"log_format": "single"}, map[string]string{"GENERIC_LOGGER_HEADERS": "Authorization=Bearer t,X-A=b"}, "single", 3, []string{"call-0", "call-1", "call-2"}},
		"success": {map[string]any{"event_types": []any{"llm_api_success"}, "headers": "Authorization=Bearer t"}, nil, "json_array", 1, []string{"call-0", "call-2"}},
		"failure": {map[string]any{"event_types": []any{"llm_api_failure"}, "headers": map[string]any{"authorization": "Bearer t"}}, nil, "json_array", 1, []string{"call-1"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := &recorder.Generic{Header: http.Header{"Authorization": {"Bearer t"}}, Format: c.format}
			s := httptest.NewServer(g)
			defer s.Close()
			env := map[string]string{"GENERIC_LOGGER_ENDPOINT": s.URL}
			for k, v := range c.env {
				env[k] = v
			}
			cb, err := generic.Open(callbacktest.Spec(t, c.settings, env))
			if err != nil {
				t.Fatal(err)
			}
			events := callbacktest.Events(t, 3, func(i int, call *record.Call) {
				if i == 1 {
					call.Outcome = record.Failure
				}
			})
			if err := cb.Deliver(t.Context(), events); err != nil {
				t.Fatal(err)
			}
			if len(g.Faults()) > 0 || !slices.Equal(ids(g), c.want) || g.Requests() != c.requests {
				t.Errorf("faults %v, got %v in %d requests", g.Faults(), ids(g), g.Requests())
			}
			if err := cb.Ping(t.Context()); err != nil || len(g.Faults()) > 0 {
				t.Errorf("ping: %v %v", err, g.Faults())
			}
		})
	}
}

// picky is an endpoint that refuses bodies that hold a word, quoting them.
type picky struct {
	mu    sync.Mutex
	taken []string
}

func (p *picky) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var payloads []callback.Payload
	if err := json.NewDecoder(r.Body).Decode(&payloads); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	for i := range payloads {
		if strings.Contains(string(payloads[i].Messages), "poison") {
			http.Error(w, "not taken: "+string(payloads[i].Messages), http.StatusUnprocessableEntity)
			return
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range payloads {
		p.taken = append(p.taken, payloads[i].CallID)
	}
}

// Poison is found by halving, and told of without its text.
func TestDeliver_Poison(t *testing.T) {
	p := &picky{}
	s := httptest.NewServer(p)
	defer s.Close()
	cb, err := generic.Open(callbacktest.Spec(t, map[string]any{"endpoint": s.URL}, nil))
	if err != nil {
		t.Fatal(err)
	}
	events := callbacktest.Events(t, 50, func(i int, c *record.Call) {
		if i == 3 || i == 41 {
			c.Request = []byte(`{"messages":[{"role":"user","content":"a poison that nobody may see"}]}`)
		}
	})
	err = cb.Deliver(t.Context(), events)
	var rejected *callback.Rejected
	if !errors.As(err, &rejected) || !slices.Equal(rejected.Events, []int{3, 41}) {
		t.Fatalf("%v", err)
	}
	if strings.Contains(err.Error(), "nobody may see") || !strings.Contains(err.Error(), "422") {
		t.Errorf("the error is %q", err)
	}
	if len(p.taken) != 48 || !slices.IsSortedFunc(p.taken, func(a, b string) int {
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	}) {
		t.Errorf("%d were taken: %v", len(p.taken), p.taken)
	}
}

// Who refuses everything is set up wrongly: nothing is thrown away.
func TestDeliver_RefusesEverything(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) }))
	defer s.Close()
	cb, err := generic.Open(callbacktest.Spec(t, map[string]any{"endpoint": s.URL}, nil))
	if err != nil {
		t.Fatal(err)
	}
	err = cb.Deliver(t.Context(), callbacktest.Events(t, 50, nil))
	var rejected *callback.Rejected
	var partial *callback.Partial
	if err == nil || errors.As(err, &rejected) || errors.As(err, &partial) && partial.Done > 0 {
		t.Errorf("%v", err)
	}
}

// A credential does not follow a redirect.
func TestDeliver_NoRedirect(t *testing.T) {
	var elsewhere int
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere++ }))
	defer other.Close()
	s := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer s.Close()
	cb, err := generic.Open(callbacktest.Spec(t, map[string]any{"endpoint": s.URL}, nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := cb.Deliver(t.Context(), callbacktest.Events(t, 2, nil)); err == nil || !strings.Contains(err.Error(), "redirect") || elsewhere > 0 {
		t.Errorf("%v, %d requests elsewhere", err, elsewhere)
	}
}

func TestOpen(t *testing.T) {
	for name, c := range map[string]struct {
		settings map[string]any
		want     string
	}{
		"nothing":        {nil, "GENERIC_LOGGER_ENDPOINT"},
		"no URL":         {map[string]any{"endpoint": "somewhere"}, "must be an http or https URL"},
		"unknown format": {map[string]any{"endpoint": "https://x", "log_format": "xml"}, "must be one of"},
		"unknown event":  {map[string]any{"endpoint": "https://x", "event_types": []any{"all"}}, "llm_api_success"},
		"headers":        {map[string]any{"endpoint": "https://x", "headers": []any{1}}, "headers"},
	} {
		if _, err := generic.Open(callbacktest.Spec(t, c.settings, nil)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
