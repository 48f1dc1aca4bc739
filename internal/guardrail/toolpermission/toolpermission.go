// Package toolpermission is the guardrail `tool_permission`: rules say by their names which tools may be offered to a model and called
// by it, and with which arguments.
package toolpermission

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"tollgate/internal/content"
	"tollgate/internal/guardrail"
)

type toolPermission struct {
	rules    []rule
	allow    bool   // what no rule is about
	template string // violation_message_template
}

// rule is one of the operator's, in their order.
type rule struct {
	id         string
	name, kind *regexp.Regexp // of the whole name or type; nil = any
	allow      bool
	params     []param // sorted by path
}

// param is what the values at a path of the arguments must look like.
type param struct {
	path    string
	pattern *regexp.Regexp
}

var (
	_ guardrail.Guardrail = (*toolPermission)(nil)
	_ guardrail.Windowed  = (*toolPermission)(nil)
	_ guardrail.Opener    = Open
)

// Open implements guardrail.Opener.
func Open(spec guardrail.Spec) (guardrail.Guardrail, error) {
	s := spec.Settings
	var given []struct {
		ID       string            `json:"id"`
		Name     *string           `json:"tool_name"`
		Kind     *string           `json:"tool_type"`
		Decision string            `json:"decision"`
		Params   map[string]string `json:"allowed_param_patterns"`
	}
	s.Into("rules", &given)
	g := &toolPermission{template: s.Text("violation_message_template")}
	g.allow = choice(spec, "default_action", "deny", "allow") == "allow"
	if choice(spec, "on_disallowed_action", "block", "rewrite") == "rewrite" {
		s.Fault("on_disallowed_action", "rewrite takes tools out of requests and answers, which guardrails here cannot; block refuses the call")
	}
	for i, r := range given {
		at := fmt.Sprintf("rules[%d]", i)
		out := rule{id: r.ID, allow: strings.EqualFold(r.Decision, "allow")}
		if r.ID == "" {
			s.Fault(at+".id", "is missing")
		}
		if !out.allow && !strings.EqualFold(r.Decision, "deny") {
			s.Fault(at+".decision", "must be one of allow, deny")
		}
		if r.Name == nil && r.Kind == nil {
			s.Fault(at, "has neither tool_name nor tool_type")
		}
		out.name, out.kind = whole(spec, at+".tool_name", r.Name), whole(spec, at+".tool_type", r.Kind)
		for _, path := range slices.Sorted(maps.Keys(r.Params)) {
			pattern := r.Params[path]
			out.params = append(out.params, param{path, whole(spec, at+".allowed_param_patterns."+path, &pattern)})
		}
		g.rules = append(g.rules, out)
	}
	return g, s.Err()
}

// choice reads one of a few words, in any case as LiteLLM does.
func choice(spec guardrail.Spec, name string, choices ...string) string {
	v := strings.ToLower(spec.Settings.Text(name))
	if v != "" && !slices.Contains(choices, v) {
		spec.Settings.Fault(name, "must be one of %s", strings.Join(choices, ", "))
	}
	return cmp.Or(v, choices[0])
}

// whole compiles an expression that must fit all of a text.
func whole(spec guardrail.Spec, name string, pattern *string) *regexp.Regexp {
	if pattern == nil {
		return nil
	}
	re, err := regexp.Compile(`\A(?:` + *pattern + `)\z`)
	if err != nil {
		spec.Settings.Fault(name, "is no expression of RE2 (%v): write it without look-around and back-references", err)
	}
	return re
}

// Overlap implements guardrail.Windowed: texts do not matter, and the calls of tools are judged whole in any case.
func (g *toolPermission) Overlap() int { return 0 }

// Check implements guardrail.Guardrail. Of a request it judges the tools that are offered, of an answer those that are called.
func (g *toolPermission) Check(_ context.Context, in *guardrail.Input) (guardrail.Verdict, error) {
	if in.Phase != guardrail.PostCall {
		tools, err := offered(in.Content.Tools)
		if err != nil {
			return guardrail.Verdict{}, err
		}
		for _, t := range tools {
			if d := g.decide(t); !d.allow {
				return g.block(t, d), nil
			}
		}
		return guardrail.Verdict{}, nil
	}
	for i := range in.Content.Texts {
		t, ok := called(&in.Content.Texts[i])
		if !ok {
			continue
		}
		if t.name == "" {
			return guardrail.Verdict{}, errNameless
		}
		if d := g.decide(t); !d.allow {
			return g.block(t, d), nil
		}
	}
	return guardrail.Verdict{}, nil
}

// errNameless keeps a call from passing whose tool is not known: many upstreams stream the name before the arguments, in a piece without
// a text, and then it is not among the texts of the answer.
var errNameless = errors.New("a tool is called whose name is not known, as in streams that send it before the arguments; ask without stream")

// tool is one that is offered or called.
type tool struct {
	name, kind string
	call       bool
	arguments  string // JSON; of a call
}

// offered are the tools of a request.
func offered(raw []byte) ([]tool, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	type named struct {
		Name string `json:"name"`
	}
	var list []struct {
		Type     string `json:"type"`
		Name     string `json:"name"`
		Function named  `json:"function"`
		Custom   named  `json:"custom"`
	}
	if json.Unmarshal(raw, &list) != nil {
		return nil, errors.New("the request's tools have no shape that is known")
	}
	out := make([]tool, len(list))
	for i, t := range list {
		out[i] = tool{name: cmp.Or(t.Function.Name, t.Custom.Name, t.Name), kind: t.Type}
	}
	return out, nil
}

// called is the call that a text belongs to.
func called(t *content.Text) (tool, bool) {
	switch {
	case t.Kind == content.Arguments:
		return tool{name: t.Name, kind: "function", call: true, arguments: t.Value}, true
	case t.Field == "input":
		return tool{name: t.Name, kind: "custom", call: true}, true
	}
	return tool{}, false
}

// decision is what the rules say, and which of them; "" = none.
type decision struct {
	allow bool
	rule  string
	why   string // where a rule's arguments did not fit
}

// decide finds the first rule that is about a tool and, of a call, whose arguments fit.
func (g *toolPermission) decide(t tool) decision {
	why := ""
	for _, r := range g.rules {
		if r.name != nil && !r.name.MatchString(t.name) || r.kind != nil && !r.kind.MatchString(t.kind) {
			continue
		}
		if t.call && r.name != nil && len(r.params) > 0 {
			if why = r.unfit(t); why != "" {
				continue
			}
		}
		return decision{allow: r.allow, rule: r.id}
	}
	return decision{allow: g.allow, why: why}
}

// block is the verdict on a tool that is not allowed. It does not repeat arguments.
func (g *toolPermission) block(t tool, d decision) guardrail.Verdict {
	title := cmp.Or(t.name, t.kind, "unknown_tool")
	message := fmt.Sprintf("Tool '%s' denied by default action", title)
	switch {
	case d.rule != "":
		message = fmt.Sprintf("Tool '%s' denied by rule '%s'", title, d.rule)
	case d.why != "":
		message = d.why
	}
	if g.template != "" {
		message = strings.NewReplacer("{default_message}", message, "{tool_name}", title, "{rule_id}", cmp.Or(d.rule, "None")).Replace(g.template)
	}
	return guardrail.Verdict{
		Action: guardrail.Block, Reason: message,
		Detail:   map[string]any{"error": "Violated guardrail policy", "detection_message": message, "tool_name": title, "rule_id": d.rule},
		Findings: []guardrail.Finding{{Kind: "tool_not_allowed", Action: guardrail.Block, Count: 1}},
	}
}
