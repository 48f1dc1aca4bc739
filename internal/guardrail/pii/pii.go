// Package pii is the guardrail `pii`: personal data by Presidio's names, found by shape and check digits, without a service. It
// asks nobody. Names of people and places are not found: that takes a model of language.
package pii

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/detect"
	"tollgate/internal/guardrail/remote"
)

type entities struct {
	scanners map[guardrail.Action]*detect.Scanner
	parse    bool // output_parse_pii
	overlap  int
}

var (
	_ guardrail.Windowed = (*entities)(nil)
	_ guardrail.Opener   = Open
)

// needsModel are entities of Presidio that no shape tells.
var needsModel = []string{"PERSON", "LOCATION", "NRP", "ORGANIZATION", "MEDICAL_LICENSE", "AGE", "ID"}

var named = map[string]guardrail.Action{"MASK": guardrail.Mask, "BLOCK": guardrail.Block, "LOG": guardrail.Allow}

// Open implements guardrail.Opener.
func Open(spec guardrail.Spec) (guardrail.Guardrail, error) {
	s := spec.Settings
	p := &entities{scanners: map[guardrail.Action]*detect.Scanner{}, parse: s.Flag("output_parse_pii", false)}
	all := detect.Entities()
	kinds := detect.Kinds(all)
	config := map[string]string{}
	if !s.Into("pii_entities_config", &config) || len(config) == 0 {
		for _, kind := range kinds {
			config[kind] = "MASK"
		}
	}
	threshold := s.Number("score_threshold", 0)
	rules := map[guardrail.Action][]detect.Rule{}
	for _, kind := range kinds {
		text, ok := config[kind]
		if !ok {
			continue
		}
		delete(config, kind)
		action, ok := named[strings.ToUpper(text)]
		if !ok {
			s.Fault("pii_entities_config", "%s: %q is none of MASK, BLOCK, LOG", kind, text)
			continue
		}
		for _, r := range detect.Of(all, kind, kind) {
			if r.Score == 0 || r.Score >= threshold {
				rules[action] = append(rules[action], r)
			}
		}
	}
	for kind := range config {
		if slices.Contains(needsModel, kind) {
			s.Fault("pii_entities_config", "%s takes a model of language to find; use the guardrail presidio, or oci, for it", kind)
			continue
		}
		s.Fault("pii_entities_config", "there is no entity %s; there are %s", kind, strings.Join(kinds, ", "))
	}
	for action, list := range rules {
		scanner, err := detect.New(list)
		if err != nil {
			return nil, err
		}
		p.scanners[action] = scanner
		p.overlap = max(p.overlap, scanner.Overlap())
	}
	return p, s.Err()
}

// Check implements guardrail.Guardrail.
func (p *entities) Check(_ context.Context, in *guardrail.Input) (guardrail.Verdict, error) {
	var tally remote.Tally
	texts := make([]detect.Text, len(in.Content.Texts))
	for i := range texts {
		texts[i] = detect.TextOf(&in.Content.Texts[i])
	}
	found := make([][]detect.Match, len(texts))
	blocks, masks := false, false
	for action, scanner := range p.scanners {
		for i := range texts {
			list := scanner.Scan(texts[i].Value)
			for _, m := range list {
				tally.Add(m.Kind, action, m.Score)
			}
			if len(list) == 0 {
				continue
			}
			switch action {
			case guardrail.Block:
				blocks = true
			case guardrail.Mask:
				masks, found[i] = true, list
			case guardrail.Allow:
			}
		}
	}
	v := guardrail.Verdict{Findings: tally.Findings()}
	switch {
	case blocks:
		v.Action, v.Reason = guardrail.Block, "Personal data must not be sent: "+strings.Join(blockedKinds(v.Findings), ", ")
	case masks:
		v.Action = guardrail.Mask
		if in.Phase != guardrail.PreCall {
			v.Texts = unnumbered(texts, found)
			break
		}
		var restore map[string]string
		if v.Texts, restore = number(texts, found); p.parse {
			v.Restore = restore
		}
	}
	return v, nil
}

// blockedKinds are the kinds of what blocks, each once, sorted.
func blockedKinds(findings []guardrail.Finding) []string {
	var kinds []string
	for _, f := range findings {
		if f.Action == guardrail.Block && !slices.Contains(kinds, f.Kind) {
			kinds = append(kinds, f.Kind)
		}
	}
	slices.Sort(kinds)
	return kinds
}

// Overlap implements guardrail.Windowed.
func (p *entities) Overlap() int { return max(p.overlap, 1) }

// number puts <EMAIL_ADDRESS_1>, <EMAIL_ADDRESS_2> and so on in the place of what was found, counted for each entity, and says what
// each stands for. Equal things share one, so that a model sees that they are the same. One that a text holds already is not used: it
// would be restored in places where it was the caller's own.
func number(texts []detect.Text, found [][]detect.Match) (out []string, restore map[string]string) {
	out, restore = make([]string, len(texts)), map[string]string{}
	holders, next := map[[2]string]string{}, map[string]int{}
	marked := held(texts, "<")
	for i := range texts {
		out[i] = texts[i].Replace(found[i], func(m detect.Match, value string) string {
			key := [2]string{m.Kind, value}
			for holders[key] == "" {
				next[m.Kind]++
				holder := fmt.Sprintf("<%s_%d>", m.Kind, next[m.Kind])
				if !marked || !held(texts, holder) {
					holders[key], restore[holder] = holder, value
				}
			}
			return holders[key]
		})
	}
	return out, restore
}

// unnumbered puts <EMAIL_ADDRESS> and so on in the place of what was found. Nothing is put back into an answer, and the pieces of a
// stream must read the same however it is cut.
func unnumbered(texts []detect.Text, found [][]detect.Match) []string {
	out := make([]string, len(texts))
	for i := range texts {
		out[i] = texts[i].Replace(found[i], func(m detect.Match, _ string) string { return "<" + m.Kind + ">" })
	}
	return out
}

func held(texts []detect.Text, s string) bool {
	return slices.ContainsFunc(texts, func(t detect.Text) bool { return strings.Contains(t.Value, s) })
}
