package recorder

import (
	"encoding/json"
	"net/http"
	"time"
)

// OpenMeter plays the intake of events.
type OpenMeter struct {
	Key string // the bearer key that is taken
	inbox
	events map[string]OpenMeterEvent
}

// OpenMeterEvent is one CloudEvent.
type OpenMeterEvent struct {
	Version string         `json:"specversion"`
	Type    string         `json:"type"`
	ID      string         `json:"id"`
	Time    string         `json:"time"`
	Subject string         `json:"subject"`
	Source  string         `json:"source"`
	Data    map[string]any `json:"data"`
}

// Events are the events that were taken, by id: one that came twice counts once.
func (o *OpenMeter) Events() map[string]OpenMeterEvent {
	o.mu.Lock()
	defer o.mu.Unlock()
	out := map[string]OpenMeterEvent{}
	for id, e := range o.events {
		out[id] = e
	}
	return out
}

func (o *OpenMeter) problem(text string) any {
	return map[string]any{"type": "about:blank", "title": "Bad Request", "detail": text}
}

// ServeHTTP implements http.Handler.
func (o *OpenMeter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if o.arrive(w) {
		return
	}
	if r.Header.Get("Authorization") != "Bearer "+o.Key {
		o.refuse(w, http.StatusUnauthorized, o.problem, "the key is wrong")
		return
	}
	if r.Method != http.MethodPost || r.URL.Path != "/api/v1/events" {
		o.refuse(w, http.StatusNotFound, o.problem, "there is no %s %s", r.Method, r.URL.Path)
		return
	}
	body, long, err := unpacked(r, 1<<20)
	var events []OpenMeterEvent
	if err != nil || long || r.Header.Get("Content-Type") != "application/cloudevents-batch+json" || json.Unmarshal(body, &events) != nil || len(events) == 0 {
		o.refuse(w, http.StatusBadRequest, o.problem, "it is no batch of CloudEvents")
		return
	}
	for i, e := range events {
		if _, err := time.Parse(time.RFC3339Nano, e.Time); err != nil || e.Version != "1.0" || e.Type == "" || e.ID == "" || e.Subject == "" || e.Source == "" {
			o.refuse(w, http.StatusBadRequest, o.problem, "event %d lacks a member that CloudEvents have", i)
			return
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.events == nil {
		o.events = map[string]OpenMeterEvent{}
	}
	for _, e := range events {
		o.events[e.Source+" "+e.ID] = e
	}
	w.WriteHeader(http.StatusNoContent)
}
