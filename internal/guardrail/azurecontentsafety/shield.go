package azurecontentsafety

import (
	"context"

	"tollgate/internal/content"
	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/remote"
)

const attacked = "Violated Azure Prompt Shield guardrail policy"

type shield struct{ service }

var (
	_ guardrail.Guardrail = (*shield)(nil)
	_ guardrail.Pinger    = (*shield)(nil)
	_ guardrail.Opener    = OpenShield
)

// OpenShield implements guardrail.Opener for azure/prompt_shield.
func OpenShield(spec guardrail.Spec) (guardrail.Guardrail, error) {
	return &shield{open(&spec)}, spec.Settings.Err()
}

type shieldReply struct {
	Prompt *struct {
		Detected *bool `json:"attackDetected"`
	} `json:"userPromptAnalysis"`
}

// Check implements guardrail.Guardrail. What users and tools say is judged, of the whole conversation: an attack may stand in any
// message. Answers attack nobody.
func (s *shield) Check(ctx context.Context, in *guardrail.Input) (guardrail.Verdict, error) {
	if in.Phase == guardrail.PostCall {
		return guardrail.Verdict{}, nil
	}
	list := pieces(in.Content.Texts, func(t *content.Text) bool {
		return t.Role != "system" && t.Role != "developer" && t.Role != "assistant"
	})
	replies := make([]shieldReply, len(list))
	err := remote.Each(ctx, len(list), func(ctx context.Context, i int) error { return s.ask(ctx, list[i], list, &replies[i]) })
	if err != nil {
		return guardrail.Verdict{}, err
	}
	found := 0
	for _, r := range replies {
		if *r.Prompt.Detected {
			found++
		}
	}
	if found == 0 {
		return guardrail.Verdict{}, nil
	}
	return guardrail.Verdict{
		Action: guardrail.Block, Reason: attacked, Findings: []guardrail.Finding{{Kind: "prompt_attack", Action: guardrail.Block, Count: found}},
		Detail: map[string]any{"error": attacked, "detection_message": "Attack detected"}, Log: map[string]any{"attackDetected": true},
	}, nil
}

// ask makes one call; judged are what no error repeats.
func (s *shield) ask(ctx context.Context, text string, judged []string, out *shieldReply) error {
	body := map[string]any{"userPrompt": text, "documents": []string{}}
	if err := s.call(ctx, "text:shieldPrompt", body, judged, out); err != nil {
		return err
	}
	if out.Prompt == nil || out.Prompt.Detected == nil {
		return s.client.Wrong("the reply does not say whether there is an attack")
	}
	return nil
}

// Ping implements guardrail.Pinger.
func (s *shield) Ping(ctx context.Context) error {
	return remote.ForOperator(s.ask(ctx, "Hello", nil, &shieldReply{}))
}
