package ocimoderation

import (
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"tollgate/internal/content"
	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/remote"
)

// judgement gathers what the calls of one check found.
type judgement struct {
	checks  *checks
	texts   []content.Text
	spans   [][]remote.Span // to mask, by text
	tally   remote.Tally
	blocked []string // what blocks: categories, prompt_injection, types of personal data
	version string
}

func (j *judgement) note(kind string, action guardrail.Action, score float64) {
	j.tally.Add(kind, action, score)
	if action == guardrail.Block && !slices.Contains(j.blocked, kind) {
		j.blocked = append(j.blocked, kind)
	}
}

// judge reads one reply. A check that was asked for and is not answered is an error: nobody knows then.
func (m *moderation) judge(j *judgement, b *batched, r *reply) error {
	j.version = r.Version.Version
	if c := j.checks.content; c != nil {
		if r.Results.Content == nil {
			return m.client.Wrong("the reply holds no contentModeration")
		}
		for _, name := range c.categories {
			i := slices.IndexFunc(r.Results.Content.Categories, func(got category) bool { return got.Name == name })
			if i < 0 || r.Results.Content.Categories[i].Score == nil {
				return m.client.Wrong("the reply holds no score of %s", name)
			}
			if score := *r.Results.Content.Categories[i].Score; score > 0 && score >= c.threshold {
				j.note(name, c.action, score)
			}
		}
	}
	if c := j.checks.injection; c != nil {
		if r.Results.Injection == nil || r.Results.Injection.Score == nil {
			return m.client.Wrong("the reply holds no promptInjection")
		}
		if score := *r.Results.Injection.Score; score > 0 && score >= c.threshold {
			j.note("PROMPT_INJECTION", c.action, score)
		}
	}
	if j.checks.personal != nil {
		for i := range r.Results.Personal {
			if err := m.found(j, b, &r.Results.Personal[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// found notes personal data, and where it is masked.
func (m *moderation) found(j *judgement, b *batched, p *personal) error {
	c := j.checks.personal
	action, wanted := c.actions[p.Label]
	if !wanted || p.Score < c.threshold {
		return nil
	}
	j.note(p.Label, action, p.Score)
	if action != guardrail.Mask {
		return nil
	}
	places := locate(b.content, p)
	if len(places) == 0 {
		return m.client.Wrong("personal data is reported outside of the text")
	}
	with := strings.ReplaceAll(c.redaction, "{type}", p.Label)
	for _, place := range places {
		for _, part := range b.parts {
			start, end := max(place.Start, part.offset), min(place.End, part.offset+part.length)
			if start < end {
				shift := part.at - part.offset
				j.spans[part.text] = append(j.spans[part.text], remote.Span{Start: start + shift, End: end + shift, With: with})
			}
		}
	}
	return nil
}

// locate finds where something reported stands in a text, in characters. OCI's documents do not say what offset and length
// count, so each unit is tried against the text that is reported with them; where none fits, every place that holds the text is
// taken.
func locate(text string, p *personal) []remote.Span {
	if p.Text == "" {
		if _, ok := remote.Slice(text, p.Offset, p.Offset+p.Length); ok && p.Length > 0 {
			return []remote.Span{{Start: p.Offset, End: p.Offset + p.Length}}
		}
		return nil
	}
	length := utf8.RuneCountInString(p.Text)
	if piece, ok := remote.Slice(text, p.Offset, p.Offset+p.Length); ok && piece == p.Text {
		return []remote.Span{{Start: p.Offset, End: p.Offset + length}}
	}
	if units := utf16.Encode([]rune(text)); p.Offset >= 0 && p.Length > 0 && p.Offset+p.Length <= len(units) &&
		string(utf16.Decode(units[p.Offset:p.Offset+p.Length])) == p.Text {
		start := len(utf16.Decode(units[:p.Offset]))
		return []remote.Span{{Start: start, End: start + length}}
	}
	var out []remote.Span
	for at := 0; ; {
		i := strings.Index(text[at:], p.Text)
		if i < 0 {
			return out
		}
		start := utf8.RuneCountInString(text[:at+i])
		out = append(out, remote.Span{Start: start, End: start + length})
		at += i + len(p.Text)
	}
}

func (m *moderation) verdict(j *judgement) (guardrail.Verdict, error) {
	v := guardrail.Verdict{Findings: j.tally.Findings(), Log: map[string]any{"guardrail_version": j.version}}
	if len(j.blocked) > 0 {
		slices.Sort(j.blocked)
		v.Action, v.Reason = guardrail.Block, violated+": "+strings.Join(j.blocked, ", ")
		v.Detail = map[string]any{"error": violated, "oci_guardrail_response": map[string]any{"violations": j.blocked, "guardrail_version": j.version}}
		return v, nil
	}
	texts, changed := remote.Values(j.texts), false
	for i, spans := range j.spans {
		if len(spans) == 0 {
			continue
		}
		masked, ok := remote.Splice(texts[i], spans)
		if !ok {
			return guardrail.Verdict{}, m.client.Wrong("personal data is reported outside of the text")
		}
		texts[i], changed = masked, true
	}
	if changed {
		v.Action, v.Texts = guardrail.Mask, texts
	}
	return v, nil
}
