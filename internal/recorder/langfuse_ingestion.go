package recorder

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// ingestionTypes are the types of the older ingestion's events.
var ingestionTypes = []string{
	"trace-create", "span-create", "span-update", "generation-create", "generation-update", "event-create", "score-create", "sdk-log",
	"agent-create", "tool-create", "chain-create", "retriever-create", "evaluator-create", "embedding-create", "guardrail-create",
}

// ingestion takes events of the older kind, each for itself.
func (l *Langfuse) ingestion(w http.ResponseWriter, r *http.Request) {
	const longest = 4_500_000
	body, long, err := unpacked(r, longest)
	var in struct {
		Batch []LangfuseEvent `json:"batch"`
	}
	switch {
	case long:
		l.refuse(w, http.StatusRequestEntityTooLarge, l.problem, "the body has more than 4.5 MB")
		return
	case err != nil || json.Unmarshal(body, &in) != nil || in.Batch == nil:
		l.refuse(w, http.StatusBadRequest, l.problem, "the body is no batch")
		return
	}
	type fate struct {
		ID      string `json:"id"`
		Status  int    `json:"status"`
		Message string `json:"message,omitempty"`
	}
	successes, failures := []fate{}, []fate{}
	for i := range in.Batch {
		e := &in.Batch[i]
		if err := l.checkEvent(e); err != nil {
			failures = append(failures, fate{e.ID, http.StatusBadRequest, err.Error()})
			continue
		}
		successes = append(successes, fate{ID: e.ID, Status: http.StatusCreated})
		l.keep(*e)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusMultiStatus)
	_ = json.NewEncoder(w).Encode(map[string]any{"successes": successes, "errors": failures}) // the caller may be gone
}

// keep keeps an event once.
func (l *Langfuse) keep(e LangfuseEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.ContainsFunc(l.ingested, func(have LangfuseEvent) bool { return have.ID == e.ID }) {
		l.ingested = append(l.ingested, e)
	}
}

// checkEvent is what is wrong with an event.
func (l *Langfuse) checkEvent(e *LangfuseEvent) error {
	if l.EventsOnly && e.Type != "score-create" {
		return fmt.Errorf("the ingestion of %s has ended", e.Type)
	}
	err := wrong(e)
	if err != nil {
		l.fault(err.Error())
	}
	return err
}

func wrong(e *LangfuseEvent) error {
	const longestID, longestName = 800, 1000
	id, _ := e.Body["id"].(string)
	name, _ := e.Body["name"].(string)
	switch {
	case e.ID == "" || len(id) == 0 || len(id) > longestID || strings.Contains(id, "\r"):
		return fmt.Errorf("an event has no id")
	case !slices.Contains(ingestionTypes, e.Type):
		return fmt.Errorf("the type %q is not known", e.Type)
	case len(name) > longestName:
		return fmt.Errorf("the name is too long")
	case e.Type != "trace-create" && e.Body["traceId"] == nil:
		return fmt.Errorf("an observation has no trace")
	}
	if _, err := time.Parse(time.RFC3339, e.Timestamp); err != nil {
		return fmt.Errorf("the timestamp is %q", e.Timestamp)
	}
	if level, is := e.Body["level"].(string); is && !slices.Contains([]string{"DEBUG", "DEFAULT", "WARNING", "ERROR"}, level) {
		return fmt.Errorf("the level is %q", level)
	}
	if (e.Body["promptName"] == nil) != (e.Body["promptVersion"] == nil) {
		return fmt.Errorf("promptName and promptVersion come together")
	}
	for name, value := range object(e.Body["modelParameters"]) {
		switch value.(type) {
		case string, float64, bool:
		default:
			return fmt.Errorf("the parameter %s is of no kind that is taken", name)
		}
	}
	for _, list := range [...]string{"usageDetails", "costDetails"} {
		for name, value := range object(e.Body[list]) {
			if n, is := value.(float64); !is || n < 0 {
				return fmt.Errorf("%s.%s is no number", list, name)
			}
		}
	}
	return nil
}

func object(v any) map[string]any {
	o, _ := v.(map[string]any)
	return o
}
