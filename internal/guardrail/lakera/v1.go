package lakera

import (
	"context"

	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/remote"
	"tollgate/internal/secret"
)

// violatedSafety is LiteLLM's word for a block of the older interface.
const violatedSafety = "Violated content safety policy"

// kinds are the categories of the older interface.
var kinds = []string{"prompt_injection", "jailbreak"}

type guardV1 struct {
	client     *remote.Client
	url        string
	key        secret.String
	thresholds map[string]float64 // by category; they decide in place of Lakera's own
}

var (
	_ guardrail.Guardrail = (*guardV1)(nil)
	_ guardrail.Pinger    = (*guardV1)(nil)
	_ guardrail.Opener    = OpenV1
)

// OpenV1 implements guardrail.Opener for lakera.
func OpenV1(spec guardrail.Spec) (guardrail.Guardrail, error) {
	s := spec.Settings
	g := &guardV1{
		url: remote.Base(&spec, "api_base", standardBase, "LAKERA_API_BASE") + "/v1/prompt_injection",
		key: s.NeedSecret("api_key", "LAKERA_API_KEY"),
	}
	var given struct {
		Injection *float64 `json:"prompt_injection"`
		Jailbreak *float64 `json:"jailbreak"`
	}
	s.Into("category_thresholds", &given)
	for i, t := range []*float64{given.Injection, given.Jailbreak} {
		if t == nil {
			continue
		}
		if *t < 0 || *t > 1 {
			s.Fault("category_thresholds", "%s must be between 0 and 1", kinds[i])
		}
		if g.thresholds == nil {
			g.thresholds = map[string]float64{}
		}
		g.thresholds[kinds[i]] = *t
	}
	g.client = remote.New("Lakera", &spec, g.key)
	return g, s.Err()
}

type replyV1 struct {
	Model   string `json:"model"`
	Results []struct {
		Categories map[string]bool    `json:"categories"`
		Scores     map[string]float64 `json:"category_scores"`
		Flagged    *bool              `json:"flagged"`
	} `json:"results"`
	DevInfo map[string]any `json:"dev_info"`
}

// Check implements guardrail.Guardrail.
func (g *guardV1) Check(ctx context.Context, in *guardrail.Input) (guardrail.Verdict, error) {
	if len(in.Content.Texts) == 0 {
		return guardrail.Verdict{}, nil
	}
	body := remote.Merge(map[string]any{"input": remote.Messages(in.Content.Texts, "user", "user", "assistant", "system")}, in.Extra)
	var out replyV1
	call := remote.Call{URL: g.url, Header: remote.Bearer(g.key), Body: body, Judged: remote.Values(in.Content.Texts), Chosen: in.Extra != nil}
	if err := g.client.Do(ctx, call, &out); err != nil {
		return guardrail.Verdict{}, err
	}
	if len(out.Results) == 0 {
		return guardrail.Verdict{}, g.client.Wrong("the reply holds no result")
	}
	var tally remote.Tally
	for _, r := range out.Results {
		if g.thresholds == nil {
			if r.Flagged == nil {
				return guardrail.Verdict{}, g.client.Wrong("the reply does not say whether it flags")
			}
			if !*r.Flagged {
				continue
			}
			tally.Add("flagged", guardrail.Block, 0)
		}
		for _, kind := range kinds {
			score, scored := r.Scores[kind]
			limit, limited := g.thresholds[kind]
			switch {
			case limited && !scored:
				return guardrail.Verdict{}, g.client.Wrong("the reply has no score of %s, which has a threshold", kind)
			case limited && score >= limit, g.thresholds == nil && r.Categories[kind]:
				tally.Add(kind, guardrail.Block, score)
			}
		}
	}
	findings := tally.Findings()
	log := map[string]any{"model": out.Model, "results": results(&out)}
	if len(findings) == 0 {
		return guardrail.Verdict{Log: log}, nil
	}
	return guardrail.Verdict{
		Action: guardrail.Block, Reason: violatedSafety, Findings: findings, Log: log,
		Detail: map[string]any{"error": violatedSafety, "lakera_ai_response": log},
	}, nil
}

// results are what of the reply can be shown.
func results(out *replyV1) []map[string]any {
	var list []map[string]any
	for _, r := range out.Results {
		list = append(list, map[string]any{"categories": r.Categories, "category_scores": r.Scores, "flagged": r.Flagged != nil && *r.Flagged})
	}
	return list
}

// Ping implements guardrail.Pinger.
func (g *guardV1) Ping(ctx context.Context) error {
	call := remote.Call{URL: g.url, Header: remote.Bearer(g.key), Body: map[string]any{"input": "Hello"}}
	return remote.ForOperator(g.client.Do(ctx, call, &replyV1{}))
}
