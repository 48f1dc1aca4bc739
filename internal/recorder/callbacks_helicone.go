package recorder

import (
	"encoding/json"
	"net/http"
)

// Helicone plays the intake of logs.
type Helicone struct {
	Key string // the bearer key that is taken
	inbox
	logs []HeliconeLog
}

// HeliconeLog is one log, with the path that it came by.
type HeliconeLog struct {
	Path    string `json:"-"`
	Request struct {
		URL  string            `json:"url"`
		JSON map[string]any    `json:"json"`
		Meta map[string]string `json:"meta"`
	} `json:"providerRequest"`
	Response struct {
		JSON     json.RawMessage   `json:"json"`
		TextBody string            `json:"textBody"`
		Status   int               `json:"status"`
		Headers  map[string]string `json:"headers"`
	} `json:"providerResponse"`
	Timing struct {
		Start      *heliconeMoment `json:"startTime"`
		End        *heliconeMoment `json:"endTime"`
		FirstToken *int64          `json:"timeToFirstToken"`
	} `json:"timing"`
}

type heliconeMoment struct {
	Seconds      int64 `json:"seconds"`
	Milliseconds int64 `json:"milliseconds"`
}

// Logs are the logs that were taken.
func (h *Helicone) Logs() []HeliconeLog {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]HeliconeLog(nil), h.logs...)
}

func (h *Helicone) problem(text string) any { return map[string]string{"error": text} }

// ServeHTTP implements http.Handler.
func (h *Helicone) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h.arrive(w) {
		return
	}
	if r.Header.Get("Authorization") != "Bearer "+h.Key {
		h.refuse(w, http.StatusUnauthorized, h.problem, "the key is wrong")
		return
	}
	switch r.URL.Path {
	case "/oai/v1/log", "/anthropic/v1/log", "/custom/v1/log":
	default:
		h.refuse(w, http.StatusNotFound, h.problem, "there is no %s", r.URL.Path)
		return
	}
	body, long, err := unpacked(r, 10<<20)
	if err != nil || long {
		h.refuse(w, http.StatusBadRequest, h.problem, "the body cannot be read")
		return
	}
	log := HeliconeLog{Path: r.URL.Path}
	if err := json.Unmarshal(body, &log); err != nil {
		h.refuse(w, http.StatusBadRequest, h.problem, "the log cannot be read: %v", err)
		return
	}
	switch {
	case log.Request.URL == "" || log.Request.JSON == nil:
		h.refuse(w, http.StatusBadRequest, h.problem, "providerRequest is missing")
	case r.URL.Path == "/custom/v1/log" && log.Request.URL != "custom-model-nopath":
		h.refuse(w, http.StatusBadRequest, h.problem, "the url of a custom model must be custom-model-nopath")
	case log.Response.Status == 0 || log.Response.JSON == nil && log.Response.TextBody == "":
		h.refuse(w, http.StatusBadRequest, h.problem, "providerResponse is missing")
	case log.Timing.Start == nil || log.Timing.End == nil || log.Timing.End.Milliseconds > 999:
		h.refuse(w, http.StatusBadRequest, h.problem, "timing is missing or wrong")
	default:
		h.mu.Lock()
		h.logs = append(h.logs, log)
		h.mu.Unlock()
		w.WriteHeader(http.StatusOK)
	}
}
