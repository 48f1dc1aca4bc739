// Package openaimoderation is the guardrail `openai_moderation`: OpenAI's moderation endpoint, or another one of its shape.
package openaimoderation

import (
	"context"
	"maps"
	"slices"
	"strings"

	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/remote"
	"tollgate/internal/secret"
)

const (
	standardBase  = "https://api.openai.com/v1"
	standardModel = "omni-moderation-latest"
	violated      = "Violated OpenAI moderation policy"
	// textsPerCall bounds how many texts one call judges.
	textsPerCall = 32
)

type moderation struct {
	client *remote.Client
	url    string
	key    secret.String
	model  string
}

var (
	_ guardrail.Guardrail = (*moderation)(nil)
	_ guardrail.Pinger    = (*moderation)(nil)
	_ guardrail.Opener    = Open
)

// Open implements guardrail.Opener.
func Open(spec guardrail.Spec) (guardrail.Guardrail, error) {
	s := spec.Settings
	m := &moderation{
		url:   strings.TrimSuffix(remote.Base(&spec, "api_base", standardBase, "OPENAI_API_BASE", "OPENAI_BASE_URL"), "/moderations") + "/moderations",
		key:   s.NeedSecret("api_key", "OPENAI_API_KEY"),
		model: s.Text("model"),
	}
	if m.model == "" {
		m.model = standardModel
	}
	m.client = remote.New("OpenAI moderation", &spec, m.key)
	return m, s.Err()
}

type reply struct {
	Results []result `json:"results"`
}

type result struct {
	Flagged    *bool              `json:"flagged"`
	Categories map[string]bool    `json:"categories"`
	Scores     map[string]float64 `json:"category_scores"`
}

// Check implements guardrail.Guardrail. Images are judged too where the model takes them, one per call as the endpoint wants it.
func (m *moderation) Check(ctx context.Context, in *guardrail.Input) (guardrail.Verdict, error) {
	values := remote.Values(in.Content.Texts)
	var inputs []any
	for texts := range slices.Chunk(values, textsPerCall) {
		inputs = append(inputs, texts)
	}
	if strings.HasPrefix(m.model, "omni-") {
		for _, image := range in.Content.Images {
			inputs = append(inputs, []any{map[string]any{"type": "image_url", "image_url": map[string]any{"url": image}}})
		}
	}
	replies := make([]reply, len(inputs))
	err := remote.Each(ctx, len(inputs), func(ctx context.Context, i int) error {
		body := remote.Merge(map[string]any{"model": m.model, "input": inputs[i]}, in.Extra)
		if err := m.client.Do(ctx, remote.Call{URL: m.url, Header: remote.Bearer(m.key), Body: body, Judged: values, Chosen: in.Extra != nil}, &replies[i]); err != nil {
			return err
		}
		if texts, many := inputs[i].([]string); many && len(replies[i].Results) != len(texts) || len(replies[i].Results) == 0 {
			return m.client.Wrong("the reply holds %d results", len(replies[i].Results))
		}
		return nil
	})
	if err != nil {
		return guardrail.Verdict{}, err
	}
	return m.verdict(replies)
}

func (m *moderation) verdict(replies []reply) (guardrail.Verdict, error) {
	var tally remote.Tally
	flagged, scores, violations := false, map[string]float64{}, map[string]bool{}
	for _, out := range replies {
		for _, r := range out.Results {
			if r.Flagged == nil {
				return guardrail.Verdict{}, m.client.Wrong("the reply does not say whether it flags")
			}
			if !*r.Flagged {
				continue
			}
			flagged = true
			for name, score := range r.Scores {
				scores[name] = max(scores[name], score)
			}
			for name, is := range r.Categories {
				if is {
					violations[name] = true
					tally.Add(name, guardrail.Block, r.Scores[name])
				}
			}
		}
	}
	if !flagged {
		return guardrail.Verdict{}, nil
	}
	result := map[string]any{"violated_categories": slices.Sorted(maps.Keys(violations)), "category_scores": scores}
	return guardrail.Verdict{
		Action: guardrail.Block, Reason: violated, Findings: tally.Findings(), Log: result,
		Detail: map[string]any{"error": violated, "moderation_result": result},
	}, nil
}

// Ping implements guardrail.Pinger.
func (m *moderation) Ping(ctx context.Context) error {
	body := map[string]any{"model": m.model, "input": "Hello"}
	return remote.ForOperator(m.client.Do(ctx, remote.Call{URL: m.url, Header: remote.Bearer(m.key), Body: body}, &reply{}))
}
