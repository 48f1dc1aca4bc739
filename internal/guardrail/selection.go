package guardrail

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"tollgate/internal/apierr"
	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
)

// Selection is what decides which guardrails a call has.
type Selection struct {
	Request *openai.Request
	// Key and Team are their metadata; nil without one.
	Key, Team map[string]any
	// Model are the guardrails that the deployments name which may serve the call (litellm_params.guardrails).
	Model []string
	Tags  []string // of the request
	Call  *Call
}

// Select finds the guardrails of a call. Nil, of which every method does nothing, means that there are none. The error, an
// *apierr.Error, refuses the call: it names a guardrail that does not exist (400), or may not choose (403).
func (s *Set) Select(sel Selection) (*Run, error) {
	asked, err := askedFor(sel.Request)
	if err != nil {
		return nil, err
	}
	if asked.present && (forbids(sel.Key) || forbids(sel.Team)) {
		return nil, mayNotModify()
	}
	if len(s.all()) == 0 && len(asked.names) == 0 && len(listed(sel.Key)) == 0 && len(listed(sel.Team)) == 0 && len(sel.Model) == 0 {
		return nil, nil
	}
	known := s.Names()
	if unknown := missing(slices.Sorted(maps.Keys(asked.names)), known); len(unknown) > 0 {
		return nil, unknownNames(unknown, known)
	}
	for _, from := range [...]struct {
		who   string
		names []string
	}{{"key", listed(sel.Key)}, {"team", listed(sel.Team)}, {"model", sel.Model}} {
		if unknown := missing(from.names, known); len(unknown) > 0 {
			return nil, unguarded(from.who, unknown)
		}
		for _, name := range from.names {
			asked.add(name)
		}
	}
	return s.run(&sel, &asked), nil
}

// unguarded refuses a call whose key, team or model names a guardrail that is gone: it would not be guarded.
func unguarded(who string, unknown []string) error {
	return &apierr.Error{
		Status: http.StatusInternalServerError, Type: "internal_server_error",
		Message: fmt.Sprintf("The %s of this call names the guardrail '%s', which the configuration does not have (any more). The operator of this gateway must configure it, or take the name away.",
			who, strings.Join(unknown, "', '")),
	}
}

// run makes the run of a call, nil where no guardrail is left.
func (s *Set) run(sel *Selection, asked *asked) *Run {
	r := &Run{set: s, call: sel.Call, surface: sel.Request.Operation}
	if r.call == nil {
		r.call = &Call{}
	}
	tags := withAgent(sel.Tags, r.call.Header)
	now := time.Now()
	for _, p := range s.all() {
		extra, named := asked.names[p.name]
		m := p.pick(now)
		on := m.Mode.of(tags)
		if !named && !p.defaultOn() { // the copy for the log is made all the same
			if !slices.Contains(on, LoggingOnly) {
				continue
			}
			on = []Phase{LoggingOnly}
		}
		if len(on) == 0 {
			continue
		}
		u := &unit{member: m, phases: on, extra: extra, language: asked.language, skipSystem: s.options.SkipSystem, definitions: *m.Definitions}
		if m.SkipSystem != nil {
			u.skipSystem = *m.SkipSystem
		}
		r.units = append(r.units, u)
	}
	if len(r.units) == 0 {
		return nil
	}
	return r
}

// withAgent adds the tags that LiteLLM makes of the caller's user agent.
func withAgent(tags []string, h http.Header) []string {
	agent := h.Get("User-Agent")
	if agent == "" {
		return tags
	}
	product, _, _ := strings.Cut(agent, "/")
	return append(slices.Clone(tags), "User-Agent: "+agent, "User-Agent: "+product)
}

// missing are the names that are not known.
func missing(names, known []string) []string {
	var unknown []string
	for _, name := range names {
		if !slices.Contains(known, name) {
			unknown = append(unknown, name)
		}
	}
	return unknown
}

// listed are the guardrails that the metadata of a key or a team name.
func listed(metadata map[string]any) []string {
	var names []string
	switch v := metadata["guardrails"].(type) {
	case []any:
		for _, e := range v {
			if name, ok := e.(string); ok {
				names = append(names, name)
			}
		}
	case []string:
		names = v
	}
	return names
}

// forbids reports whether the metadata of a key or a team keep its callers from choosing guardrails.
func forbids(metadata map[string]any) bool {
	v, ok := metadata["guardrails"].(map[string]any)
	allowed, is := v["modify_guardrails"].(bool)
	return ok && is && !allowed
}

// asked is what a request says of guardrails.
type asked struct {
	present  bool                      // it says anything, be it empty
	names    map[string]map[string]any // with the parameters that it has for each
	language string
}

// modifying are the members by which a request chooses, whatever their values.
var modifying = []string{"guardrails", "guardrail_config", "disable_global_guardrail", "disable_global_guardrails", "opted_out_global_guardrails"}

// askedFor reads a request's guardrails: its own, and those in its metadata.
func askedFor(r *openai.Request) (asked, error) {
	var a asked
	if err := a.read("", r.Members); err != nil {
		return a, err
	}
	for _, name := range [...]string{"metadata", "litellm_metadata"} {
		raw, ok := r.Get(name)
		if !ok || !bytes.Contains(raw, []byte("guardrail")) {
			continue
		}
		if raw[0] == '"' { // form-minded clients send it as a JSON text
			raw = []byte(openai.Text(raw).String())
		}
		members, err := jsonscan.Object(raw, nil)
		if err != nil {
			return a, wrongForm(name)
		}
		if err := a.read(name+".", members); err != nil {
			return a, err
		}
	}
	return a, nil
}

func (a *asked) read(path string, members []jsonscan.Member) error {
	for i := range members {
		if !bytes.Contains(members[i].Name, []byte("guardrail")) {
			continue
		}
		name, value := string(members[i].Name), members[i].Value
		a.present = a.present || slices.Contains(modifying, name)
		if string(value) == "null" {
			continue
		}
		switch name {
		case "guardrails":
			if !a.list(value) {
				return wrongForm(path + name)
			}
		case "guardrail_config":
			var config struct {
				Language string `json:"language"`
			}
			if json.Unmarshal(value, &config) != nil {
				return wrongForm(path + name)
			}
			a.language = config.Language
		}
	}
	return nil
}

// list reads ["name"], {"name": {"extra_body": {}}}, and a list of both. It reports whether value is one of them.
func (a *asked) list(value []byte) bool {
	var entries []json.RawMessage
	if json.Unmarshal(value, &entries) != nil {
		entries = []json.RawMessage{value}
	}
	for _, e := range entries {
		var name string
		if json.Unmarshal(e, &name) == nil {
			a.add(name)
			continue
		}
		var objects map[string]json.RawMessage
		if json.Unmarshal(e, &objects) != nil {
			return false
		}
		for name, params := range objects {
			if !a.object(name, params) {
				return false
			}
		}
	}
	return true
}

// object reads what a request says to one guardrail: its parameters, or the older switch.
func (a *asked) object(name string, params []byte) bool {
	var on bool
	if json.Unmarshal(params, &on) == nil { // null leaves it off, as false does
		if on {
			a.add(name)
		}
		return true
	}
	var p struct {
		ExtraBody map[string]any `json:"extra_body"`
	}
	if json.Unmarshal(params, &p) != nil {
		return false
	}
	a.add(name)
	a.names[name] = p.ExtraBody
	return true
}

// add notes a name; what was said to it before stays.
func (a *asked) add(name string) {
	if a.names == nil {
		a.names = map[string]map[string]any{}
	}
	if _, ok := a.names[name]; !ok {
		a.names[name] = nil
	}
}

func wrongForm(param string) error {
	return &apierr.Error{
		Status: http.StatusBadRequest, Type: "invalid_request_error", Param: param,
		Message: fmt.Sprintf(`Invalid type for '%s': give a list of names, or {"NAME": {"extra_body": {...}}}; guardrail_config is an object.`, param),
	}
}
