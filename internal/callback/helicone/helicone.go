// Package helicone logs finished calls at Helicone.
package helicone

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"strings"
	"time"

	"tollgate/internal/callback"
	"tollgate/internal/callback/post"
	"tollgate/internal/secret"
)

// standardBase is where LiteLLM's documentation sends logs.
const standardBase = "https://api.helicone.ai"

// atOnce is how many logs are on their way at once: Helicone takes no batches.
const atOnce = 8

// customModel is the address that Helicone wants for models of no vendor that it knows.
const customModel = "custom-model-nopath"

// Logger sends each call as one log.
type Logger struct {
	openai post.Poster
	custom post.Poster
	key    secret.String
}

// Open reads helicone_api_key (HELICONE_API_KEY), helicone_api_base (HELICONE_API_BASE) and timeout.
func Open(spec callback.Spec) (callback.Callback, error) {
	m := spec.Settings
	var keyEnv, baseEnv []string
	if !spec.Own { // nothing of the gateway's goes to another account
		keyEnv, baseEnv = []string{"HELICONE_API_KEY"}, []string{"HELICONE_API_BASE"}
	}
	l := &Logger{key: m.NeedSecret("helicone_api_key", keyEnv...)}
	base := strings.TrimSuffix(m.Text("helicone_api_base", baseEnv...), "/")
	if base == "" {
		base = standardBase
	}
	if !strings.HasPrefix(base, "https://") && !strings.HasPrefix(base, "http://") {
		m.Fault("helicone_api_base", "must be an http or https URL")
	}
	to := post.Poster{Client: spec.Client, Timeout: m.Seconds("timeout", callback.Timeout), Header: http.Header{
		"Content-Type": {"application/json"}, "User-Agent": {"tollgate/" + spec.Version}, "Authorization": {"Bearer " + l.key.Reveal()},
	}}
	if err := m.Err(); err != nil {
		return nil, err
	}
	l.openai, l.custom = to, to
	l.openai.URL, l.custom.URL = base+"/oai/v1/log", base+"/custom/v1/log"
	return l, nil
}

// entry is one log.
type entry struct {
	Request  asked    `json:"providerRequest"`
	Response answered `json:"providerResponse"`
	Timing   timing   `json:"timing"`
}

type asked struct {
	URL  string            `json:"url"`
	JSON map[string]any    `json:"json"`
	Meta map[string]string `json:"meta"`
}

type answered struct {
	JSON    any               `json:"json"`
	Status  int               `json:"status"`
	Headers map[string]string `json:"headers"`
}

type timing struct {
	Start      moment `json:"startTime"`
	End        moment `json:"endTime"`
	FirstToken *int64 `json:"timeToFirstToken,omitempty"` // milliseconds
}

type moment struct {
	Seconds      int64 `json:"seconds"`
	Milliseconds int64 `json:"milliseconds"`
}

func at(seconds float64) moment {
	whole, rest := math.Modf(seconds)
	return moment{int64(whole), int64(rest * 1000)}
}

// Deliver implements callback.Callback.
func (l *Logger) Deliver(ctx context.Context, batch []*callback.Event) error {
	return post.Each(batch, atOnce, func(e *callback.Event) error { return l.send(ctx, e) })
}

func (l *Logger) send(ctx context.Context, e *callback.Event) error {
	to := &l.custom
	known := speaksOpenAI(&e.Payload)
	if known {
		to = &l.openai
	}
	body, err := json.Marshal(l.entry(e, known))
	if err != nil {
		return &post.Refused{Text: err.Error()}
	}
	return to.Post(ctx, body)
}

// speaksOpenAI reports whether Helicone knows the model as one of OpenAI's. All others are logged as models of no vendor:
// LiteLLM reports them as gpt-3.5-turbo, which prices them wrongly.
func speaksOpenAI(p *callback.Payload) bool {
	return p.Provider == "openai" || p.Provider == "azure"
}

func (l *Logger) entry(e *callback.Event, known bool) entry {
	p := &e.Payload
	url := customModel
	if known {
		url = strings.TrimSuffix(p.APIBase, "/")
	}
	body := map[string]any{}
	for name, v := range p.ModelParameters {
		body[name] = v
	}
	body["model"], body["messages"] = p.Model, p.Messages
	var reply any = p.Response
	if e.Failed() {
		reply = map[string]any{"error": p.ErrorInformation}
	}
	out := entry{
		Request:  asked{URL: url, JSON: body, Meta: l.meta(e)},
		Response: answered{JSON: reply, Status: e.HTTPStatus, Headers: map[string]string{}},
		Timing:   timing{Start: at(p.StartTime), End: at(p.EndTime)},
	}
	if p.Stream {
		first := int64(p.ResponseTime * 1000)
		out.Timing.FirstToken = &first
	}
	return out
}

// meta are Helicone's properties: who called, and what the caller's helicone_* headers and metadata say.
func (l *Logger) meta(e *callback.Event) map[string]string {
	p := &e.Payload
	meta := map[string]string{}
	put := func(name, value string) {
		if value != "" {
			meta[name] = value
		}
	}
	put("Helicone-User-Id", p.EndUser)
	if p.EndUser == "" {
		put("Helicone-User-Id", p.Metadata.UserID)
	}
	put("Helicone-Session-Id", e.Session)
	put("Helicone-Property-Key-Alias", p.Metadata.KeyAlias)
	put("Helicone-Property-Team", p.Metadata.TeamAlias)
	put("Helicone-Property-Model-Group", p.ModelGroup)
	put("Helicone-Request-Id", p.CallID)
	var said map[string]any
	_ = json.Unmarshal(p.Metadata.Requester, &said) // null mostly
	for name, v := range said {
		if text, ok := v.(string); ok && isHelicone(name) {
			put(title(name), text)
		}
	}
	for name, v := range p.Metadata.RequesterHeaders { // headers win
		if isHelicone(name) {
			put(title(name), v)
		}
	}
	meta["Helicone-Auth"] = "Bearer " + l.key.Reveal()
	return meta
}

func isHelicone(name string) bool {
	name = strings.ToLower(name)
	return strings.HasPrefix(name, "helicone_") || strings.HasPrefix(name, "helicone-")
}

// title is the name of a property as Helicone writes it: Helicone-Property-App of helicone_property_app.
func title(name string) string {
	return http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-"))
}

// Ping logs a call that says that it is a test.
func (l *Logger) Ping(ctx context.Context) error {
	now := float64(time.Now().UnixMilli()) / 1000
	e := &callback.Event{HTTPStatus: http.StatusOK}
	e.Payload = callback.Payload{
		CallID: "tollgate-check", Status: callback.StatusSuccess, Model: "tollgate-check", StartTime: now, EndTime: now,
		Messages: json.RawMessage(`[{"role":"user","content":"check"}]`), Response: json.RawMessage(`{"choices":[]}`),
	}
	return l.send(ctx, e)
}
