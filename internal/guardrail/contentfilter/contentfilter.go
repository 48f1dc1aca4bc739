// Package contentfilter is the guardrail `litellm_content_filter`: patterns, words and categories of words that block a call,
// are masked, or are noted only. It asks nobody.
package contentfilter

import (
	"context"
	"strings"

	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/detect"
	"tollgate/internal/guardrail/remote"
)

// actions in the order in which they are looked for: what blocks first.
var actions = []guardrail.Action{guardrail.Block, guardrail.Mask, guardrail.Allow}

// named are the actions by their names in the configuration.
var named = map[string]guardrail.Action{"BLOCK": guardrail.Block, "MASK": guardrail.Mask, "LOG": guardrail.Allow}

// filter looks for each action by itself, so that a match that is noted only hides none that blocks.
type filter struct {
	patterns   map[guardrail.Action]*detect.Scanner
	words      *detect.Words
	entries    []entry // of words, one for one
	exceptions *detect.Words
	excepted   []int // the category of each exception
	format     string
	tag        string
	overlap    int
}

// entry is a word or a phrase.
type entry struct {
	action   guardrail.Action
	word     string
	category int    // its position; -1 of blocked_words
	name     string // of the category
	severity string
	phrase   bool
}

var (
	_ guardrail.Windowed = (*filter)(nil)
	_ guardrail.Opener   = Open
)

// hit is what was found in a text.
type hit struct {
	detect.Match
	entry *entry // nil of a pattern
}

// Check implements guardrail.Guardrail.
func (f *filter) Check(_ context.Context, in *guardrail.Input) (guardrail.Verdict, error) {
	var tally remote.Tally
	texts, masked := remote.Values(in.Content.Texts), false
	for i := range texts {
		text := detect.TextOf(&in.Content.Texts[i])
		words := f.find(text.Value)
		for _, action := range actions {
			hits := words[action]
			if s := f.patterns[action]; s != nil {
				for _, m := range s.Scan(text.Value) {
					hits = append(hits, hit{Match: m})
				}
			}
			if len(hits) == 0 {
				continue
			}
			for _, h := range hits {
				tally.Add(h.Kind, action, h.Score)
			}
			switch action {
			case guardrail.Block:
				return blocked(&hits[0], tally.Findings()), nil
			case guardrail.Mask:
				texts[i], masked = f.mask(&text, hits), true
			case guardrail.Allow:
			}
		}
	}
	v := guardrail.Verdict{Findings: tally.Findings()}
	if masked {
		v.Action, v.Texts = guardrail.Mask, texts
	}
	return v, nil
}

// find are the words and phrases of a text by what is done about them.
func (f *filter) find(text string) map[guardrail.Action][]hit {
	var found map[guardrail.Action][]hit
	var excepted map[int]bool
	f.words.Find(text, func(word, start, end int) bool {
		e := &f.entries[word]
		if !e.phrase && !detect.Whole(text, start, end) {
			return true
		}
		if e.category >= 0 {
			if excepted == nil {
				excepted = f.exceptionsIn(text)
			}
			if excepted[e.category] {
				return true
			}
		}
		if found == nil {
			found = map[guardrail.Action][]hit{}
		}
		kind := "keyword"
		if e.category >= 0 {
			kind = e.name
		}
		found[e.action] = append(found[e.action], hit{detect.Match{Start: start, End: end, Kind: kind, Score: 1}, e})
		return true
	})
	return found
}

// exceptionsIn are the categories that the text holds an exception of.
func (f *filter) exceptionsIn(text string) map[int]bool {
	found := map[int]bool{}
	f.exceptions.Find(text, func(word, start, end int) bool {
		if detect.Whole(text, start, end) {
			found[f.excepted[word]] = true
		}
		return true
	})
	return found
}

// mask puts tags in the place of hits; of those that overlap the longest gives its tag.
func (f *filter) mask(text *detect.Text, hits []hit) string {
	matches := make([]detect.Match, 0, len(hits))
	for _, h := range hits {
		m := h.Match
		if m.Kind = f.tag; h.entry == nil {
			m.Kind = strings.ReplaceAll(f.format, "{pattern_name}", strings.ToUpper(h.Kind))
		}
		matches = append(matches, m)
	}
	return text.Replace(detect.Resolve(matches), func(m detect.Match, _ string) string { return m.Kind })
}

func blocked(h *hit, findings []guardrail.Finding) guardrail.Verdict {
	v := guardrail.Verdict{Action: guardrail.Block, Findings: findings, Detail: map[string]any{}}
	switch {
	case h.entry == nil:
		v.Reason = "Content blocked: " + h.Kind + " pattern detected"
		v.Detail["pattern"] = h.Kind
	case h.entry.category < 0:
		v.Reason = "Content blocked: keyword '" + h.entry.word + "' detected"
		v.Detail["keyword"] = h.entry.word
	default:
		v.Reason = "Content blocked: " + h.entry.name + " category keyword detected (severity: " + h.entry.severity + ")"
		v.Detail["category"], v.Detail["severity"] = h.entry.name, h.entry.severity
	}
	v.Detail["error"] = v.Reason
	return v
}

// Overlap implements guardrail.Windowed.
func (f *filter) Overlap() int { return f.overlap }
