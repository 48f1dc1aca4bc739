// Package language is the guardrail `language`: which languages requests and answers may be written in. It tells them by their
// scripts and by their commonest words, and asks nobody.
package language

import (
	"context"
	"maps"
	"slices"
	"strings"
	"unicode"

	"tollgate/internal/content"
	"tollgate/internal/guardrail"
)

const (
	standardConfidence = 0.6
	// standardLeast is how many letters a text has at least that is judged.
	standardLeast = 40
	// sample bounds what is looked at of a text, in letters.
	sample = 20_000
)

type languages struct {
	allowed, blocked []string
	confidence       float64
	least            int
}

var (
	_ guardrail.Guardrail = (*languages)(nil)
	_ guardrail.Opener    = Open
)

// Open implements guardrail.Opener.
func Open(spec guardrail.Spec) (guardrail.Guardrail, error) {
	s := spec.Settings
	l := &languages{
		allowed: s.Texts("allowed_languages"), blocked: s.Texts("blocked_languages"),
		confidence: s.Number("min_confidence", standardConfidence), least: s.Int("min_letters", standardLeast),
	}
	if len(l.allowed) == 0 && len(l.blocked) == 0 && s.Err() == nil {
		s.Fault("", "give allowed_languages or blocked_languages, codes such as en or de")
	}
	known := Known()
	for name, list := range map[string][]string{"allowed_languages": l.allowed, "blocked_languages": l.blocked} {
		for i, code := range list {
			list[i] = strings.ToLower(code)
			if !slices.Contains(known, list[i]) {
				s.Fault(name, "%q is not told apart; there are %s", code, strings.Join(known, ", "))
			}
		}
	}
	if l.confidence <= 0 || l.confidence > 1 {
		s.Fault("min_confidence", "must be above 0 and at most 1")
	}
	return l, s.Err()
}

// Known are the languages that are told apart, as ISO 639-1 codes.
func Known() []string {
	codes := slices.Collect(maps.Keys(common))
	for _, s := range scripts {
		if !slices.Contains(codes, s.code) {
			codes = append(codes, s.code)
		}
	}
	slices.Sort(codes)
	return codes
}

// Check implements guardrail.Guardrail. Short texts, code and numbers are in no language, and pass.
func (l *languages) Check(_ context.Context, in *guardrail.Input) (guardrail.Verdict, error) {
	for _, t := range in.Content.Texts {
		if t.Kind != content.Plain && t.Kind != content.Reasoning || t.Role == "system" && in.Phase != guardrail.PostCall {
			continue
		}
		code, confidence := Detect(t.Value, l.least)
		if code == "" || confidence < l.confidence {
			continue
		}
		if slices.Contains(l.blocked, code) || len(l.allowed) > 0 && !slices.Contains(l.allowed, code) {
			const reason = "The language of the text is not allowed."
			return guardrail.Verdict{
				Action: guardrail.Block, Reason: reason, Detail: map[string]any{"language": code},
				Findings: []guardrail.Finding{{Kind: "language_" + code, Action: guardrail.Block, Score: confidence, Count: 1}},
			}, nil
		}
	}
	return guardrail.Verdict{}, nil
}

// Detect says which language a text is in and how sure that is, from 0 to 1; "" for one with fewer letters than least, and for one in
// which no language's words are.
func Detect(text string, least int) (code string, confidence float64) {
	letters, byScript := 0, map[string]int{}
	for _, r := range text {
		if !unicode.IsLetter(r) {
			continue
		}
		if letters++; letters > sample {
			break
		}
		if r >= 0x250 {
			for _, s := range scripts {
				if unicode.Is(s.table, r) {
					byScript[s.code]++
					break
				}
			}
		}
	}
	for s, n := range byScript {
		byScript[s] = n * weight(s)
		letters += n * (weight(s) - 1)
	}
	if letters < least {
		return "", 0
	}
	if byScript["ja"] > 0 && byScript["ja"]*10 > byScript["zh"] { // Japanese has Han characters too
		byScript["ja"] += byScript["zh"]
		byScript["zh"] = 0
	}
	script, most := "", 0
	for _, s := range slices.Sorted(maps.Keys(byScript)) {
		if byScript[s] > most {
			script, most = s, byScript[s]
		}
	}
	if most*2 <= letters {
		return byWords(text)
	}
	share := float64(most) / float64(letters)
	if script == "ru" && strings.ContainsAny(text, "їєґіЇЄҐІ") {
		script = "uk"
	}
	return script, share
}

// weight is how many letters of Latin script a character says as much as.
func weight(code string) int {
	if code == "zh" || code == "ja" || code == "ko" {
		return 3
	}
	return 1
}

// byWords tells languages in Latin letters by their commonest words.
func byWords(text string) (code string, confidence float64) {
	hits, words := map[string]int{}, 0
	for word := range strings.FieldsFuncSeq(text[:min(len(text), 4*sample)], func(r rune) bool { return !unicode.IsLetter(r) && r != '\'' }) {
		words++
		for _, c := range owners[strings.ToLower(word)] {
			hits[c]++
		}
	}
	first, second := 0, 0
	for _, c := range slices.Sorted(maps.Keys(hits)) {
		switch n := hits[c]; {
		case n > first:
			code, first, second = c, n, first
		case n > second:
			second = n
		}
	}
	if first < 3 || first*12 < words {
		return "", 0
	}
	return code, float64(first) / float64(first+second/2)
}
