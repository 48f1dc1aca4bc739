// Package bounds is the guardrail `length`: how long requests and answers may be. It asks nobody.
package bounds

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"tollgate/internal/content"
	"tollgate/internal/guardrail"
)

// units are what is counted, in the order in which it is told.
var units = []string{"characters", "words", "tokens", "messages"}

// bounds are the limits of one direction by unit; 0 = none.
type bounds struct{ least, most map[string]int }

type length struct {
	input, output bounds
}

var (
	_ guardrail.Guardrail = (*length)(nil)
	_ guardrail.Opener    = Open
)

// Open implements guardrail.Opener.
func Open(spec guardrail.Spec) (guardrail.Guardrail, error) {
	l := &length{}
	given := false
	for prefix, b := range map[string]*bounds{"input_": &l.input, "output_": &l.output} {
		b.least, b.most = map[string]int{}, map[string]int{}
		for _, unit := range units {
			if unit == "messages" && prefix == "output_" {
				continue
			}
			b.least[unit] = spec.Settings.Int(prefix+"min_"+unit, spec.Settings.Int("min_"+unit, 0))
			b.most[unit] = spec.Settings.Int(prefix+"max_"+unit, spec.Settings.Int("max_"+unit, 0))
			given = given || b.least[unit] > 0 || b.most[unit] > 0
			if b.most[unit] > 0 && b.least[unit] > b.most[unit] {
				spec.Settings.Fault(prefix+"min_"+unit, "is greater than the maximum")
			}
		}
	}
	if !given && spec.Settings.Err() == nil {
		spec.Settings.Fault("", "give a limit: min_ or max_ with characters, words, tokens or messages, such as max_tokens; input_ or output_ before it limits one direction alone")
	}
	return l, spec.Settings.Err()
}

// Check implements guardrail.Guardrail. Of an answer each choice is measured by itself.
func (l *length) Check(_ context.Context, in *guardrail.Input) (guardrail.Verdict, error) {
	if in.Phase != guardrail.PostCall {
		return l.input.judge("The request", in.Content.Texts), nil
	}
	var choices []int
	for _, t := range in.Content.Texts {
		if !slices.Contains(choices, t.Index) {
			choices = append(choices, t.Index)
		}
	}
	for _, choice := range choices {
		var texts []content.Text
		for _, t := range in.Content.Texts {
			if t.Index == choice && t.Kind != content.Reasoning {
				texts = append(texts, t)
			}
		}
		if v := l.output.judge("The answer", texts); v.Action == guardrail.Block {
			return v, nil
		}
	}
	return guardrail.Verdict{}, nil
}

func (b *bounds) judge(what string, texts []content.Text) guardrail.Verdict {
	sizes := measure(texts)
	for _, unit := range units {
		n, least, most := sizes[unit], b.least[unit], b.most[unit]
		switch {
		case most > 0 && n > most:
			return refuse("max_"+unit, fmt.Sprintf("%s has %d %s; at most %d are allowed.", what, n, unit, most))
		case n < least:
			return refuse("min_"+unit, fmt.Sprintf("%s has %d %s; at least %d are needed.", what, n, unit, least))
		}
	}
	return guardrail.Verdict{}
}

func refuse(kind, reason string) guardrail.Verdict {
	return guardrail.Verdict{Action: guardrail.Block, Reason: reason, Findings: []guardrail.Finding{{Kind: kind, Action: guardrail.Block, Score: 1, Count: 1}}}
}

// measure counts what texts hold. Tokens are estimated: four bytes of Latin letters are one, and each character of a script without
// spaces.
func measure(texts []content.Text) map[string]int {
	sizes := map[string]int{}
	messages := map[int]bool{}
	bytes, dense := 0, 0
	for _, t := range texts {
		sizes["characters"] += utf8.RuneCountInString(t.Value)
		sizes["words"] += len(strings.Fields(t.Value))
		if t.Kind != content.Definition {
			messages[t.Index] = true
		}
		for _, r := range t.Value {
			if r >= 0x2e80 && unicode.IsLetter(r) {
				dense++
			} else {
				bytes += utf8.RuneLen(r)
			}
		}
	}
	sizes["tokens"] = (bytes+3)/4 + dense
	sizes["messages"] = len(messages)
	return sizes
}
