package recorder

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

// Slack plays an incoming webhook of Slack: it takes POSTs of {"text": ...} at Path and answers "ok".
type Slack struct {
	inbox
	Path  string // the secret part of the address; "" = any
	texts []string
}

// mostText is how many characters Slack takes in one message.
const mostText = 40_000

// ServeHTTP implements http.Handler.
func (s *Slack) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.arrive(w) {
		return
	}
	plain := func(string) any { return "invalid_payload" }
	if s.Path != "" && r.URL.Path != s.Path {
		s.refuse(w, http.StatusForbidden, func(string) any { return "invalid_token" }, "the address %s is no webhook", r.URL.Path)
		return
	}
	if r.Method != http.MethodPost || !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		s.refuse(w, http.StatusBadRequest, plain, "it is no POST of JSON")
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		s.refuse(w, http.StatusBadRequest, plain, "the body cannot be read")
		return
	}
	var m map[string]json.RawMessage
	var text string
	if json.Unmarshal(body, &m) != nil || len(m) != 1 || json.Unmarshal(m["text"], &text) != nil {
		s.refuse(w, http.StatusBadRequest, plain, "the body is no {\"text\": ...}: %s", body)
		return
	}
	if text == "" || len([]rune(text)) > mostText {
		s.refuse(w, http.StatusBadRequest, func(string) any { return "no_text" }, "the text has %d characters", len([]rune(text)))
		return
	}
	s.mu.Lock()
	s.texts = append(s.texts, text)
	s.mu.Unlock()
	_, _ = io.WriteString(w, "ok")
}

// Texts are the messages that were taken.
func (s *Slack) Texts() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.texts...)
}

// BudgetWebhook plays the receiver of LiteLLM's budget events.
type BudgetWebhook struct {
	inbox
	events []map[string]any
}

// eventNames and eventGroups are LiteLLM's values.
var (
	eventNames  = " spend_tracked budget_crossed threshold_crossed projected_limit_exceeded soft_budget_crossed key_created internal_user_created "
	eventGroups = " customer internal_user key team organization proxy "
)

// ServeHTTP implements http.Handler.
func (b *BudgetWebhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if b.arrive(w) {
		return
	}
	plain := func(text string) any { return text }
	var e map[string]any
	if r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&e) != nil {
		b.refuse(w, http.StatusBadRequest, plain, "it is no POST of a JSON object")
		return
	}
	for _, name := range []string{
		"spend", "max_budget", "token", "customer_id", "user_id", "team_id", "user_email", "key_alias", "projected_exceeded_date", "projected_spend", "event", "event_group", "event_message",
	} {
		if _, has := e[name]; !has {
			b.refuse(w, http.StatusUnprocessableEntity, plain, "the event has no %s", name)
			return
		}
	}
	name, _ := e["event"].(string)
	group, _ := e["event_group"].(string)
	if _, number := e["spend"].(float64); !number || !strings.Contains(eventNames, " "+name+" ") || !strings.Contains(eventGroups, " "+group+" ") {
		b.refuse(w, http.StatusUnprocessableEntity, plain, "the event %q of the group %q is none of LiteLLM's", name, group)
		return
	}
	b.mu.Lock()
	b.events = append(b.events, e)
	b.mu.Unlock()
	w.WriteHeader(http.StatusOK)
}

// Events are those that were taken.
func (b *BudgetWebhook) Events() []map[string]any {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]map[string]any(nil), b.events...)
}
