package langfuse

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"tollgate/internal/callback"
	"tollgate/internal/callback/post"
	"tollgate/internal/record"
)

// This file is the ingestion that Langfuse had before it took OpenTelemetry: events of JSON, answered one by one. Its cloud has
// ended it in November 2026.

// ingest is one event.
type ingest struct {
	ID        string         `json:"id"`
	Timestamp string         `json:"timestamp"`
	Type      string         `json:"type"`
	Body      map[string]any `json:"body"`
}

// ingested are an event's of Langfuse's, separated by commas. Their ids are always the same ones, by which Langfuse knows what
// comes twice.
func (s *shape) ingested(e *callback.Event) ([]byte, error) {
	v := s.view(e)
	text, err := v.ingests()
	if err == nil && len(text) > longestLegacy {
		v.input, v.output = tooLong, tooLong
		return v.ingests()
	}
	return text, err
}

func (v *view) ingests() ([]byte, error) {
	list := []ingest{v.event("trace-create", v.traceIDText(), v.traceBody()), v.event("generation-create", v.rootID(), v.generationBody())}
	if v.kind != "generation" {
		list[1].Type = "span-create"
	}
	for i := range v.e.Payload.Guardrails {
		g := &v.e.Payload.Guardrails[i]
		id := hex.EncodeToString(v.ids.Child(nil, "guardrail", i))
		level, message := guardrailLevel(g)
		list = append(list, v.event("span-create", id, v.spanBody(id, g, level, message)))
	}
	var out []byte
	for i := range list {
		text, err := json.Marshal(&list[i])
		if err != nil {
			return nil, err
		}
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, text...)
	}
	return out, nil
}

// ingestBody is a batch.
func ingestBody(texts [][]byte) []byte {
	return slices.Concat([]byte(`{"batch":`), post.Array(texts), []byte("}"))
}

// event is an event whose id follows from what it is about.
func (v *view) event(kind, about string, body map[string]any) ingest {
	for name, value := range body {
		if value == "" || value == nil {
			delete(body, name)
		}
	}
	return ingest{ID: about + "-" + kind + "-" + v.e.Payload.CallID, Timestamp: stamp(at(v.e.Payload.EndTime)), Type: kind, Body: body}
}

func stamp(t time.Time) string { return t.Format("2006-01-02T15:04:05.000Z") }

// traceIDText is the trace's id: here it may be any text.
func (v *view) traceIDText() string {
	const longest = 800
	if v.traceID != "" && len(v.traceID) <= longest {
		return v.traceID
	}
	if v.e.Trace.ID == "" {
		return v.e.Payload.CallID
	}
	return hex.EncodeToString(v.ids.Trace)
}

func (v *view) rootID() string {
	if id := v.said.text("generation_id"); id != "" {
		return id
	}
	return hex.EncodeToString(v.root)
}

func (v *view) traceBody() map[string]any {
	body := map[string]any{"id": v.traceIDText(), "environment": v.environment}
	if v.updates == nil {
		body["timestamp"] = stamp(at(v.e.Payload.StartTime))
	}
	for key, value := range map[string]any{
		"name": v.traceName, "user_id": v.user, "session_id": v.session, "release": v.release, "version": v.version, "tags": v.tags, "metadata": v.traceMetadata,
		"input": raw(v.input), "output": raw(v.output),
	} {
		if v.tells(key) {
			body[map[string]string{"user_id": "userId", "session_id": "sessionId"}[key]+cut(key)] = value
		}
	}
	return body
}

// cut is a key that has the same name in an event; "" for the two that have not.
func cut(key string) string {
	if key == "user_id" || key == "session_id" {
		return ""
	}
	return key
}

// raw is JSON that is in a text; nil for nothing.
func raw(text string) any {
	if text == "" {
		return nil
	}
	return json.RawMessage(text)
}

func (v *view) generationBody() map[string]any {
	p := &v.e.Payload
	body := map[string]any{
		"id": v.rootID(), "traceId": v.traceIDText(), "name": v.name, "startTime": stamp(at(p.StartTime)), "endTime": stamp(at(p.EndTime)),
		"input": raw(v.input), "output": raw(v.output), "metadata": v.metadata, "level": v.level, "statusMessage": v.message, "version": v.version,
		"environment": v.environment, "parentObservationId": v.said.text("parent_observation_id"),
	}
	if v.kind != "generation" {
		return body
	}
	body["model"], body["modelParameters"] = p.Model, simple(v.parameters())
	if v.usage != nil {
		body["usageDetails"] = v.usage
	}
	if v.cost != nil {
		body["costDetails"] = v.cost
	}
	if streamed(p) {
		body["completionStartTime"] = stamp(at(p.CompletionStartTime))
	}
	if v.prompt != "" {
		body["promptName"], body["promptVersion"] = v.prompt, v.promptVersion
	}
	return body
}

// simple are parameters of the kinds that the ingestion takes; others are told as text.
func simple(parameters map[string]any) map[string]any {
	out := map[string]any{}
	for name, value := range parameters {
		if r, ok := value.(json.RawMessage); ok {
			value = nil
			_ = json.Unmarshal(r, &value) // it was scanned
		}
		switch value.(type) {
		case nil:
		case string, float64, bool:
			out[name] = value
		default:
			if text, err := json.Marshal(value); err == nil {
				out[name] = string(text)
			}
		}
	}
	return out
}

func (v *view) spanBody(id string, g *record.Guardrail, level, message string) map[string]any {
	return map[string]any{
		"id": id, "traceId": v.traceIDText(), "parentObservationId": v.rootID(), "name": g.Name, "startTime": stamp(at(g.Start)), "endTime": stamp(at(g.End)),
		"output": g, "level": level, "statusMessage": message, "environment": v.environment,
	}
}

// judge reads what became of each event. What Langfuse refuses of one is final; it knows by their ids what comes twice.
func judge(answer, sent []byte) error {
	var told struct {
		Errors []struct {
			Status  int    `json:"status"`
			Message string `json:"message"`
		} `json:"errors"`
	}
	if err := json.Unmarshal(answer, &told); err != nil {
		return errors.New("langfuse does not answer with the events that it has taken")
	}
	var refused *post.Refused
	for _, e := range told.Errors {
		text := post.Quotable([]byte(e.Message), sent)
		switch {
		case e.Status >= http.StatusInternalServerError, e.Status == http.StatusTooManyRequests, e.Status == http.StatusUnauthorized:
			return fmt.Errorf("langfuse could not take an event (%d): %s", e.Status, text)
		default:
			refused = &post.Refused{Status: e.Status, Text: text}
		}
	}
	if refused != nil {
		return refused
	}
	return nil
}
