package recorder

import (
	"bytes"
	"encoding/json"
	"net/http"
)

// Generic plays an endpoint that LiteLLM's generic_api sends payloads to.
type Generic struct {
	Header http.Header // headers that every request must have
	Format string      // json_array, ndjson or single
	inbox
	payloads []map[string]any
}

// Payloads are the payloads that were taken.
func (g *Generic) Payloads() []map[string]any {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]map[string]any(nil), g.payloads...)
}

func (g *Generic) problem(text string) any { return map[string]string{"error": text} }

// payloadMembers are what a StandardLoggingPayload has at least.
var payloadMembers = []string{"id", "call_type", "status", "startTime", "endTime", "model", "metadata", "messages", "response", "response_cost", "hidden_params"}

// ServeHTTP implements http.Handler.
func (g *Generic) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if g.arrive(w) {
		return
	}
	for name := range g.Header {
		if r.Header.Get(name) != g.Header.Get(name) {
			g.refuse(w, http.StatusUnauthorized, g.problem, "the header %s is missing or wrong", name)
			return
		}
	}
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" {
		g.refuse(w, http.StatusBadRequest, g.problem, "it is no POST of JSON")
		return
	}
	body, long, err := unpacked(r, 16<<20)
	if err != nil || long {
		g.refuse(w, http.StatusBadRequest, g.problem, "the body cannot be read")
		return
	}
	payloads, err := g.read(body)
	if err != nil || len(payloads) == 0 {
		g.refuse(w, http.StatusBadRequest, g.problem, "the body is no %s: %v", g.Format, err)
		return
	}
	for _, p := range payloads {
		for _, name := range payloadMembers {
			if _, has := p[name]; !has {
				g.refuse(w, http.StatusUnprocessableEntity, g.problem, "a payload has no %s", name)
				return
			}
		}
	}
	g.mu.Lock()
	g.payloads = append(g.payloads, payloads...)
	g.mu.Unlock()
	w.WriteHeader(http.StatusOK)
}

// read takes the payloads out of a body of the format.
func (g *Generic) read(body []byte) ([]map[string]any, error) {
	var payloads []map[string]any
	switch g.Format {
	case "ndjson":
		for line := range bytes.SplitSeq(bytes.TrimSpace(body), []byte("\n")) {
			var p map[string]any
			if err := json.Unmarshal(line, &p); err != nil {
				return nil, err
			}
			payloads = append(payloads, p)
		}
		return payloads, nil
	case "single":
		var p map[string]any
		err := json.Unmarshal(body, &p)
		return append(payloads, p), err
	}
	err := json.Unmarshal(body, &payloads)
	return payloads, err
}
