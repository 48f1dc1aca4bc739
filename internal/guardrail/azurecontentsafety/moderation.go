package azurecontentsafety

import (
	"context"
	"fmt"
	"slices"

	"tollgate/internal/content"
	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/remote"
)

// standardSeverity is from which severity on a category blocks where the configuration says nothing (LiteLLM's).
const standardSeverity = 2

// categories are Azure's.
var categories = []string{"Hate", "Sexual", "SelfHarm", "Violence"}

type moderation struct {
	service
	body       map[string]any // what every request holds besides its text
	categories []string
	general    *int           // severity_threshold
	own        map[string]int // severity_threshold_by_category
}

var (
	_ guardrail.Guardrail = (*moderation)(nil)
	_ guardrail.Pinger    = (*moderation)(nil)
	_ guardrail.Opener    = OpenModeration
)

// OpenModeration implements guardrail.Opener for azure/text_moderations.
func OpenModeration(spec guardrail.Spec) (guardrail.Guardrail, error) {
	s := spec.Settings
	m := &moderation{service: open(&spec), categories: s.Texts("categories")}
	if len(m.categories) == 0 {
		m.categories = categories
	}
	for _, name := range m.categories {
		if !slices.Contains(categories, name) {
			s.Fault("categories", "%q is no category of Azure's", name)
		}
	}
	if s.Has("severity_threshold") {
		m.general = new(s.Int("severity_threshold", standardSeverity))
	}
	s.Into("severity_threshold_by_category", &m.own)
	for name := range m.own {
		if !slices.Contains(m.categories, name) {
			s.Fault("severity_threshold_by_category", "%q is not looked for", name)
		}
	}
	if m.general == nil && m.own == nil {
		m.general = new(standardSeverity)
	}
	m.body = map[string]any{
		"categories": m.categories, "outputType": s.Choice("outputType", "FourSeverityLevels", "EightSeverityLevels"), "haltOnBlocklistHit": s.Flag("haltOnBlocklistHit", false),
	}
	if lists := s.Texts("blocklistNames"); len(lists) > 0 {
		m.body["blocklistNames"] = lists
	}
	return m, s.Err()
}

type moderationReply struct {
	Categories []struct {
		Category string `json:"category"`
		Severity *int   `json:"severity"`
	} `json:"categoriesAnalysis"`
	Blocklists []struct {
		Name string `json:"blocklistName"`
	} `json:"blocklistsMatch"`
}

// Check implements guardrail.Guardrail.
func (m *moderation) Check(ctx context.Context, in *guardrail.Input) (guardrail.Verdict, error) {
	list := pieces(in.Content.Texts, func(*content.Text) bool { return true })
	replies := make([]moderationReply, len(list))
	err := remote.Each(ctx, len(list), func(ctx context.Context, i int) error { return m.ask(ctx, list[i], list, &replies[i]) })
	if err != nil {
		return guardrail.Verdict{}, err
	}
	var tally remote.Tally
	reason := ""
	for i := range replies {
		for _, c := range replies[i].Categories {
			if limit, crossed := m.crosses(c.Category, *c.Severity); crossed {
				tally.Add(c.Category, guardrail.Block, 0)
				reason = fmt.Sprintf("Azure Content Safety Guardrail: %s crossed severity %d, Got severity: %d", c.Category, limit, *c.Severity)
			}
		}
		for _, b := range replies[i].Blocklists {
			tally.Add("blocklist "+b.Name, guardrail.Block, 0)
			reason = "Azure Content Safety Guardrail: a word of the blocklist " + b.Name
		}
	}
	if reason == "" {
		return guardrail.Verdict{}, nil
	}
	return guardrail.Verdict{Action: guardrail.Block, Reason: reason, Detail: map[string]any{"error": reason}, Findings: tally.Findings()}, nil
}

// crosses reports whether a severity is one that blocks, and from which one on it does.
func (m *moderation) crosses(category string, severity int) (limit int, crossed bool) {
	if own, ok := m.own[category]; ok && severity >= own {
		return own, true
	}
	if m.general != nil && severity >= *m.general {
		return *m.general, true
	}
	return 0, false
}

// ask makes one call; judged are what no error repeats.
func (m *moderation) ask(ctx context.Context, text string, judged []string, out *moderationReply) error {
	body := remote.Merge(map[string]any{"text": text}, m.body)
	if err := m.call(ctx, "text:analyze", body, judged, out); err != nil {
		return err
	}
	answered := 0
	for _, c := range out.Categories {
		if slices.Contains(m.categories, c.Category) && c.Severity != nil {
			answered++
		}
	}
	if answered != len(m.categories) || answered != len(out.Categories) {
		return m.client.Wrong("the reply does not tell the severity of every category")
	}
	return nil
}

// Ping implements guardrail.Pinger.
func (m *moderation) Ping(ctx context.Context) error {
	return remote.ForOperator(m.ask(ctx, "Hello", nil, &moderationReply{}))
}
