// Package presidio is the guardrail `presidio`: Microsoft Presidio's analyzer finds personal data, its anonymizer masks them. Masks
// may be numbered, so that the answer gets the data back.
package presidio

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/remote"
)

// overlap is how many characters two pieces of a long text have in common: no personal data is longer.
const overlap = 256

// passedOn are the members of a caller's extra_body that the analyzer gets. The others (entities, score_threshold, allow_list
// ...) would let the caller switch off what the operator wants found.
var passedOn = []string{"ad_hoc_recognizers", "context", "correlation_id", "return_decision_process"}

type presidio struct {
	name     string
	client   *remote.Client
	settings settings
}

var (
	_ guardrail.Guardrail = (*presidio)(nil)
	_ guardrail.Pinger    = (*presidio)(nil)
	_ guardrail.Opener    = Open
)

// Open implements guardrail.Opener.
func Open(spec guardrail.Spec) (guardrail.Guardrail, error) {
	p := &presidio{name: spec.Name, client: remote.New("Presidio", &spec), settings: readSettings(&spec)}
	return p, spec.Settings.Err()
}

// found is one thing that the analyzer found. Start and End count characters.
type found struct {
	Start  int     `json:"start"`
	End    int     `json:"end"`
	Score  float64 `json:"score"`
	Entity string  `json:"entity_type"`
}

// Check implements guardrail.Guardrail.
func (p *presidio) Check(ctx context.Context, in *guardrail.Input) (guardrail.Verdict, error) {
	if in.Phase == guardrail.PostCall && !p.settings.output || in.Phase != guardrail.PostCall && in.Phase != guardrail.LoggingOnly && !p.settings.input {
		return guardrail.Verdict{}, nil
	}
	texts := remote.Values(in.Content.Texts)
	if p.settings.mock != nil {
		for i := range texts {
			texts[i] = *p.settings.mock
		}
		return guardrail.Verdict{Action: guardrail.Mask, Texts: texts}, nil
	}
	all, err := p.analyze(ctx, in, texts)
	if err != nil {
		if p.settings.open && ctx.Err() == nil {
			return guardrail.Verdict{Findings: []guardrail.Finding{{Kind: "unreachable", Action: guardrail.Allow, Count: 1}}}, nil
		}
		return guardrail.Verdict{}, err
	}
	var tally remote.Tally
	var blocked []string
	for _, list := range all {
		for _, f := range list {
			action := p.settings.action(f.Entity)
			tally.Add(f.Entity, action, f.Score)
			if action == guardrail.Block && !slices.Contains(blocked, f.Entity) {
				blocked = append(blocked, f.Entity)
			}
		}
	}
	v := guardrail.Verdict{Findings: tally.Findings()}
	if len(blocked) > 0 {
		return p.block(v, blocked), nil
	}
	if len(v.Findings) == 0 {
		return v, nil
	}
	v.Action = guardrail.Mask
	if p.settings.restore && in.Phase == guardrail.PreCall {
		v.Texts, v.Restore = number(texts, all)
		return v, nil
	}
	v.Texts, err = p.anonymize(ctx, texts, all)
	return v, err
}

func (p *presidio) block(v guardrail.Verdict, entities []string) guardrail.Verdict {
	slices.Sort(entities)
	v.Action = guardrail.Block
	v.Reason = "Blocked PII entity detected: " + strings.Join(entities, ", ") + " by Guardrail: " + p.name + ". This entity is not allowed to be used in this request."
	v.Detail = map[string]any{"error": v.Reason, "guardrail_name": p.name, "blocked_entities": entities}
	return v
}

// analyze finds personal data in every text. A blank one is not sent: the analyzer refuses it.
func (p *presidio) analyze(ctx context.Context, in *guardrail.Input, texts []string) ([][]found, error) {
	type job struct {
		text  int
		piece remote.Piece
		found []found
	}
	var jobs []job
	for i, text := range texts {
		if strings.TrimSpace(text) == "" {
			continue
		}
		for _, piece := range remote.Cut(text, p.settings.chunk, overlap, remote.JSONBytes) {
			if strings.TrimSpace(piece.Text) != "" {
				jobs = append(jobs, job{text: i, piece: piece})
			}
		}
	}
	err := remote.Each(ctx, len(jobs), func(ctx context.Context, i int) error {
		var err error
		jobs[i].found, err = p.ask(ctx, in, jobs[i].piece.Text, texts)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := make([][]found, len(texts))
	for _, j := range jobs {
		for _, f := range j.found {
			f.Start += j.piece.At
			f.End += j.piece.At
			out[j.text] = append(out[j.text], f)
		}
	}
	for i := range out {
		out[i] = joined(out[i])
	}
	return out, nil
}

// ask analyzes one text, and drops what the thresholds and the deny list do not want. judged are what no error repeats.
func (p *presidio) ask(ctx context.Context, in *guardrail.Input, text string, judged []string) ([]found, error) {
	s := &p.settings
	body := map[string]any{"text": text, "language": s.language}
	if in.Language != "" {
		body["language"] = in.Language
	}
	if s.adHoc != nil {
		body["ad_hoc_recognizers"] = s.adHoc
	}
	if len(s.entities) > 0 {
		body["entities"] = s.entities
	}
	for _, name := range passedOn {
		if value, given := in.Extra[name]; given && body[name] == nil {
			body[name] = value
		}
	}
	var all []found
	if err := p.client.Do(ctx, remote.Call{URL: s.analyzer + "/analyze", Body: body, Judged: judged, Chosen: in.Language != "" || in.Extra != nil}, &all); err != nil {
		return nil, err
	}
	var kept []found
	for _, f := range all {
		if f.Entity == "" {
			return nil, p.client.Wrong("the analyzer found something without saying what")
		}
		if _, ok := remote.Slice(text, f.Start, f.End); !ok || f.End <= f.Start {
			return nil, p.client.Wrong("the analyzer found something outside of the text")
		}
		if s.counts(f) {
			kept = append(kept, f)
		}
	}
	return kept, nil
}

// joined sorts what was found and makes one of overlapping ones of a type, with all that they cover: neighbouring pieces of a long
// text see the same thing, perhaps one of them not whole. There may be very many, as callers like.
func joined(all []found) []found {
	slices.SortFunc(all, func(a, b found) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(b.End, a.End), cmp.Compare(a.Entity, b.Entity))
	})
	var out []found
	last := map[string]int{} // in out, by type
	for _, f := range all {
		if i, seen := last[f.Entity]; seen && f.Start < out[i].End {
			out[i].End, out[i].Score = max(out[i].End, f.End), max(out[i].Score, f.Score)
			continue
		}
		last[f.Entity] = len(out)
		out = append(out, f)
	}
	return out
}

// anonymize lets the anonymizer mask what was found. Without one the masks are those that it makes by default.
func (p *presidio) anonymize(ctx context.Context, texts []string, all [][]found) ([]string, error) {
	out := slices.Clone(texts)
	if p.settings.anonymizer == "" {
		for i := range texts {
			out[i], _ = remote.Splice(texts[i], spansOf(all[i], func(entity string) string { return "<" + entity + ">" }))
		}
		return out, nil
	}
	err := remote.Each(ctx, len(texts), func(ctx context.Context, i int) error {
		if len(all[i]) == 0 {
			return nil
		}
		var reply struct {
			Text *string `json:"text"`
		}
		body := map[string]any{"text": texts[i], "analyzer_results": all[i]}
		if err := p.client.Do(ctx, remote.Call{URL: p.settings.anonymizer + "/anonymize", Body: body, Judged: texts}, &reply); err != nil {
			return err
		}
		if reply.Text == nil || *reply.Text == texts[i] {
			return p.client.Wrong("the anonymizer masked nothing")
		}
		out[i] = *reply.Text
		return nil
	})
	return out, err
}

// Ping implements guardrail.Pinger.
func (p *presidio) Ping(ctx context.Context) error {
	for _, base := range []string{p.settings.analyzer, p.settings.anonymizer} {
		if base == "" {
			continue // masks are made here
		}
		if err := p.client.Do(ctx, remote.Call{Method: http.MethodGet, URL: base + "/health"}, nil); err != nil {
			return remote.ForOperator(err)
		}
	}
	return nil
}
