package gateway

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"tollgate/internal/apierr"
	"tollgate/internal/guardrail"
	"tollgate/internal/telemetry"
)

// guardrailEntry is a guardrail as LiteLLM's lists show it.
type guardrailEntry struct {
	ID     string         `json:"guardrail_id,omitempty"`
	Name   string         `json:"guardrail_name"`
	Params map[string]any `json:"litellm_params"`
	Info   map[string]any `json:"guardrail_info"`
	From   string         `json:"guardrail_definition_location,omitempty"`
}

// listGuardrails is GET /guardrails/list: what a caller needs to know to name one.
func (g *Gateway) listGuardrails(w http.ResponseWriter, _ *http.Request, _ visit) {
	g.writeGuardrails(w, func(c *guardrail.Config) guardrailEntry {
		shown := map[string]any{}
		for _, name := range [...]string{"guardrail", "mode", "default_on"} {
			if v, ok := c.Params[name]; ok {
				shown[name] = v
			}
		}
		return guardrailEntry{Name: c.Name, Params: shown, Info: c.Info}
	})
}

// listGuardrailsWhole is GET /v2/guardrails/list: with all settings, secrets masked.
func (g *Gateway) listGuardrailsWhole(w http.ResponseWriter, _ *http.Request, _ visit) {
	g.writeGuardrails(w, func(c *guardrail.Config) guardrailEntry {
		return guardrailEntry{ID: c.Name, Name: c.Name, Params: c.Params, Info: c.Info, From: "config"}
	})
}

func (g *Gateway) writeGuardrails(w http.ResponseWriter, entry func(c *guardrail.Config) guardrailEntry) {
	list := []guardrailEntry{}
	for _, c := range g.snap.Load().Guardrails.Configs() {
		list = append(list, entry(&c))
	}
	writeJSON(w, map[string]any{"guardrails": list})
}

// longestApplied bounds the body of applyGuardrail, in bytes.
const longestApplied = 4 << 20

// applyGuardrail is POST /guardrails/apply_guardrail: one guardrail looks at one text, and no model is asked.
func (g *Gateway) applyGuardrail(w http.ResponseWriter, r *http.Request, v visit) {
	var ask struct {
		Name     string   `json:"guardrail_name"`
		Text     string   `json:"text"`
		Language string   `json:"language"`
		Entities []string `json:"entities"`
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, longestApplied))
	if err == nil {
		err = json.Unmarshal(body, &ask)
	}
	if err != nil || ask.Name == "" {
		(&apierr.Error{Status: http.StatusBadRequest, Type: "invalid_request_error",
			Message: `Send {"guardrail_name": "...", "text": "...", "language": "...", "entities": [...]}; the last two may be left out.`}).Write(w)
		return
	}
	var extra map[string]any
	if len(ask.Entities) > 0 {
		extra = map[string]any{"entities": ask.Entities}
	}
	call := &guardrail.Call{ID: callID(r, telemetry.NewID()), KeyHash: v.who.KeyHash(), UserID: v.who.UserID(), TeamID: v.who.TeamID(), OrgID: v.who.OrgID(), Header: r.Header}
	text, err := g.snap.Load().Guardrails.Apply(r.Context(), ask.Name, ask.Text, ask.Language, extra, call)
	var instead *guardrail.Answered
	if errors.As(err, &instead) {
		text, err = instead.Text, nil
	}
	if err != nil {
		e := apierr.From(err)
		if e.Cause != nil && e.Status >= http.StatusInternalServerError {
			g.opts.Log.Warn("a guardrail could not be applied", "guardrail", ask.Name, "call_id", call.ID, "error", e.Cause)
		}
		e.Write(w)
		return
	}
	w.Header().Set("X-Litellm-Applied-Guardrails", ask.Name)
	writeJSON(w, map[string]string{"response_text": text})
}
