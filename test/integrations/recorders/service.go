package main

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"

	"tollgate/internal/recorder"
	"tollgate/internal/recorder/guardrails"
)

// service is one recorder with what can be asked of it.
type service struct {
	facts    map[string]string // what a client must know
	service  http.Handler
	requests func() int
	problems func() []string
	taken    func() any
	fail     func(status, retryAfter int)

	mu       sync.Mutex
	forgiven int // how many of the problems are forgotten
}

// playable are the kinds.
var playable = map[string]func() *service{
	"aporia": func() *service {
		key := rand.Text()
		return ofGuardrail(guardrails.NewAporia("project-1", key), map[string]string{"key": key, "path": "/project-1"})
	},
	"bedrock": func() *service {
		keys := guardrails.Keys{AccessKey: rand.Text()[:20], Secret: rand.Text() + rand.Text()}
		known := guardrails.BedrockOptions{Region: "eu-central-1", Guardrail: "gr1234567890", Version: "1", Keys: []guardrails.Keys{keys}}
		return ofGuardrail(guardrails.NewBedrock(known), map[string]string{"access_key": keys.AccessKey, "key": keys.Secret})
	},
	"generic_guardrail": func() *service {
		key := rand.Text()
		return ofGuardrail(guardrails.NewGeneric(key), map[string]string{"key": key})
	},
	"lakera": func() *service {
		key := rand.Text()
		return ofGuardrail(guardrails.NewLakera(key), map[string]string{"key": key})
	},
	"openai_moderation": func() *service {
		key := rand.Text()
		return ofGuardrail(guardrails.NewModeration(key), map[string]string{"key": key})
	},
	"budget_webhook": func() *service {
		b := &recorder.BudgetWebhook{}
		return ofCallback(b, "", b.Requests, b.Faults, b.Fail, func() any { return b.Events() })
	},
	"datadog": func() *service {
		d := &recorder.Datadog{Key: rand.Text()}
		return ofCallback(d, d.Key, d.Requests, d.Faults, d.Fail, func() any {
			return map[string]any{"logs": d.Logs(), "spans": d.Spans(), "series": d.Series()}
		})
	},
	"generic_api": func() *service {
		key := rand.Text()
		g := &recorder.Generic{Header: http.Header{"Authorization": {"Bearer " + key}}, Format: "json_array"}
		return ofCallback(g, key, g.Requests, g.Faults, g.Fail, func() any { return g.Payloads() })
	},
	"helicone": func() *service {
		h := &recorder.Helicone{Key: rand.Text()}
		return ofCallback(h, h.Key, h.Requests, h.Faults, h.Fail, func() any { return h.Logs() })
	},
	"langsmith": func() *service {
		l := &recorder.LangSmith{Key: rand.Text()}
		return ofCallback(l, l.Key, l.Requests, l.Faults, l.Fail, func() any { return l.Runs() })
	},
	"slack": func() *service {
		s := &recorder.Slack{Path: "/services/" + rand.Text()}
		played := ofCallback(s, "", s.Requests, s.Faults, s.Fail, func() any { return s.Texts() })
		played.facts["path"] = s.Path
		return played
	},
}

// ofGuardrail is a vendor of guardrails.
func ofGuardrail(s *guardrails.Server, facts map[string]string) *service {
	return &service{
		facts: facts, service: s, problems: s.Problems,
		requests: func() int { return len(s.Calls()) },
		taken: func() any {
			bodies := []json.RawMessage{}
			for _, c := range s.Calls() {
				if c.Status == http.StatusOK && json.Valid(c.Body) {
					bodies = append(bodies, c.Body)
				}
			}
			return bodies
		},
		fail: func(status, retryAfter int) {
			header := http.Header{}
			if retryAfter > 0 {
				header.Set("Retry-After", strconv.Itoa(retryAfter))
			}
			s.Next(guardrails.Reply{Status: status, Header: header, Body: `{"message": "trouble"}`})
		},
	}
}

// ofCallback is a service that is told of calls.
func ofCallback(h http.Handler, key string, requests func() int, problems func() []string, fail func(...recorder.Trouble), taken func() any) *service {
	return &service{
		facts: map[string]string{"key": key}, service: h, requests: requests, problems: problems, taken: taken,
		fail: func(status, retryAfter int) { fail(recorder.Trouble{Status: status, RetryAfter: retryAfter}) },
	}
}

// refused are the problems that are not forgiven.
func (s *service) refused() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.problems()[s.forgiven:]
}

// handler is the service with the routes of the recorder beside it.
func (s *service) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", s.service)
	mux.HandleFunc("GET /_recorder", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"requests": s.requests(), "refused": s.refused(), "taken": s.taken()}) // the caller may be gone
	})
	mux.HandleFunc("POST /_recorder/fail", func(w http.ResponseWriter, r *http.Request) {
		var q struct {
			Status     int `json:"status"`
			Times      int `json:"times"`
			RetryAfter int `json:"retry_after"`
		}
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil || q.Status < 400 || q.Times < 1 {
			http.Error(w, "status and times are wanted", http.StatusBadRequest)
			return
		}
		for range q.Times {
			s.fail(q.Status, q.RetryAfter)
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST /_recorder/forgive", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		s.forgiven = len(s.problems())
		s.mu.Unlock()
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}
