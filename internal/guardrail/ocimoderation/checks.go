package ocimoderation

import (
	"maps"
	"slices"
	"strings"

	"tollgate/internal/guardrail"
)

// OCI's categories of content moderation.
var categories = []string{"OVERALL", "BLOCKLIST"}

// personalTypes are the types of personal data that are looked for when the configuration names none.
var personalTypes = []string{"PERSON", "EMAIL", "TELEPHONE_NUMBER"}

// threshold is from which score on something counts where the configuration does not say. OCI's scores of content and injection
// are 0 or 1.
const threshold = 0.5

// checks are what is looked for; nil for what is not.
type checks struct {
	content   *contentCheck
	injection *injectionCheck
	personal  *personalCheck
}

type contentCheck struct {
	categories []string
	threshold  float64
	action     guardrail.Action
}

type injectionCheck struct {
	threshold float64
	action    guardrail.Action
}

type personalCheck struct {
	actions   map[string]guardrail.Action // by type
	threshold float64
	redaction string
}

func (c *checks) none() bool { return c.content == nil && c.injection == nil && c.personal == nil }

// at are the checks of a phase: a model's answer injects nothing into the prompt that it answers.
func (c *checks) at(p guardrail.Phase) checks {
	out := *c
	if p == guardrail.PostCall {
		out.injection = nil
	}
	return out
}

// rule is how one check is written down: true, false, or an object.
type rule struct {
	Categories []string          `json:"categories"`
	Types      []string          `json:"types"`
	Actions    map[string]string `json:"actions"`
	Action     string            `json:"action"`
	Threshold  *float64          `json:"threshold"`
	Redaction  string            `json:"redaction"`
}

// readChecks reads content_moderation, prompt_injection and pii. Where none of them is given, the first two block.
func readChecks(spec *guardrail.Spec) checks {
	s := spec.Settings
	none := !s.Has("content_moderation") && !s.Has("prompt_injection") && !s.Has("pii")
	var c checks
	if r, on := readRule(spec, "content_moderation", none); on {
		c.content = &contentCheck{categories: categories, threshold: *r.Threshold, action: readAction(spec, "content_moderation", r.Action, "block", "log")}
		if len(r.Categories) > 0 {
			c.content.categories = r.Categories
		}
		for _, name := range c.content.categories {
			if !slices.Contains(categories, name) {
				s.Fault("content_moderation", "%q is no category; %s are", name, strings.Join(categories, " and "))
			}
		}
		r.unfit(spec, "content_moderation", "categories")
	}
	if r, on := readRule(spec, "prompt_injection", none); on {
		c.injection = &injectionCheck{threshold: *r.Threshold, action: readAction(spec, "prompt_injection", r.Action, "block", "log")}
		r.unfit(spec, "prompt_injection")
	}
	if r, on := readRule(spec, "pii", false); on {
		c.personal = readPersonal(spec, r)
		r.unfit(spec, "pii", "types", "actions", "redaction")
	}
	if c.none() {
		s.Fault("", "nothing is checked: turn on content_moderation, prompt_injection or pii")
	}
	return c
}

func readPersonal(spec *guardrail.Spec, r rule) *personalCheck {
	p := &personalCheck{actions: map[string]guardrail.Action{}, threshold: *r.Threshold, redaction: r.Redaction}
	if p.redaction == "" {
		p.redaction = "[{type}]"
	}
	types := r.Types
	if types == nil && r.Actions == nil {
		types = personalTypes
	}
	standard := readAction(spec, "pii", r.Action, "mask", "block", "log")
	for _, name := range types {
		p.actions[name] = standard
	}
	for name, action := range r.Actions {
		p.actions[name] = readAction(spec, "pii", action, "mask", "block", "log")
	}
	return p
}

// readRule reads one check; on is false where it is off.
func readRule(spec *guardrail.Spec, name string, standard bool) (r rule, on bool) {
	s := spec.Settings
	if _, object := s.Any(name).(map[string]any); object {
		on = s.Into(name, &r)
	} else {
		on = s.Flag(name, standard)
	}
	if r.Threshold == nil {
		t := threshold
		r.Threshold = &t
	}
	if *r.Threshold < 0 || *r.Threshold > 1 {
		s.Fault(name, "threshold must be between 0 and 1")
	}
	return r, on
}

// readAction reads a word; the first of allowed is what an absent one means.
func readAction(spec *guardrail.Spec, name, word string, allowed ...string) guardrail.Action {
	word = strings.ToLower(word)
	if word == "" {
		word = allowed[0]
	}
	if !slices.Contains(allowed, word) {
		spec.Settings.Fault(name, "action must be one of %s", strings.Join(allowed, ", "))
	}
	return map[string]guardrail.Action{"mask": guardrail.Mask, "block": guardrail.Block, "log": guardrail.Allow}[word]
}

// unfit faults members that belong to another check.
func (r *rule) unfit(spec *guardrail.Spec, name string, fit ...string) {
	given := map[string]bool{"categories": r.Categories != nil, "types": r.Types != nil, "actions": r.Actions != nil, "redaction": r.Redaction != ""}
	for _, member := range slices.Sorted(maps.Keys(given)) {
		if given[member] && !slices.Contains(fit, member) {
			spec.Settings.Fault(name, "has no %s", member)
		}
	}
}

// configs are the checks as OCI is asked for them.
func (c *checks) configs() configs {
	var out configs
	if c.content != nil {
		out.Content = &contentConfig{c.content.categories}
	}
	if c.injection != nil {
		out.Injection = &struct{}{}
	}
	if c.personal != nil {
		out.Personal = &personalConfig{slices.Sorted(maps.Keys(c.personal.actions))}
	}
	return out
}
