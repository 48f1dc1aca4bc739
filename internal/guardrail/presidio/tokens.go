package presidio

import (
	"fmt"
	"regexp"
	"slices"

	"tollgate/internal/guardrail/remote"
)

// number puts numbered tokens, <PERSON_1>, <EMAIL_ADDRESS_2> and so on from left to right, in the place of what was found, and
// says what each stands for. Equal things of a type share a token, so that the model sees that they are the same. A token that
// a text holds already is not used: it would be restored in places where it was the caller's own.
func number(texts []string, all [][]found) (out []string, restore map[string]string) {
	out, restore = slices.Clone(texts), map[string]string{}
	tokens := map[[2]string]string{} // by type and what was found
	own := map[string]bool{}         // that the texts hold already
	for _, text := range texts {
		for _, t := range token.FindAllString(text, -1) {
			own[t] = true
		}
	}
	next := 1
	for i, text := range texts {
		spans := spansOf(all[i], func(entity string) string { return entity })
		for j := range spans {
			s := &spans[j]
			value, _ := remote.Slice(text, s.Start, s.End) // inside: ask has checked it
			key := [2]string{s.With, value}
			if tokens[key] == "" {
				for tokens[key] == "" || own[tokens[key]] {
					tokens[key] = fmt.Sprintf("<%s_%d>", s.With, next)
					next++
				}
				restore[tokens[key]] = value
			}
			s.With = tokens[key]
		}
		out[i], _ = remote.Splice(text, spans) // inside, as above
	}
	return out, restore
}

// token is the form of the tokens.
var token = regexp.MustCompile(`<[^<>]+_[0-9]+>`)

// spansOf are the places of what was found; of overlapping ones their union, so that a mask stands for all of it.
func spansOf(list []found, with func(entity string) string) []remote.Span {
	spans := make([]remote.Span, 0, len(list))
	for _, f := range list {
		spans = append(spans, remote.Span{Start: f.Start, End: f.End, With: with(f.Entity)})
	}
	return remote.Disjoint(spans)
}
