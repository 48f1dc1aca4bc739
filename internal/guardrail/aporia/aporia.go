// Package aporia is the guardrail `aporia`: Aporia judges prompts and answers by the policies of a project, and may rephrase them.
package aporia

import (
	"context"
	"net/http"

	"tollgate/internal/content"
	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/remote"
	"tollgate/internal/secret"
)

const violated = "Violated guardrail policy"

type aporia struct {
	client *remote.Client
	url    string
	key    secret.String
}

var (
	_ guardrail.Guardrail = (*aporia)(nil)
	_ guardrail.Pinger    = (*aporia)(nil)
	_ guardrail.Opener    = Open
)

// Open implements guardrail.Opener. The environment variables have two spellings: LiteLLM reads APORIO_..., its documents say APORIA_....
func Open(spec guardrail.Spec) (guardrail.Guardrail, error) {
	a := &aporia{
		url: remote.Base(&spec, "api_base", "", "APORIO_API_BASE", "APORIA_API_BASE") + "/validate",
		key: spec.Settings.NeedSecret("api_key", "APORIO_API_KEY", "APORIA_API_KEY"),
	}
	a.client = remote.New("Aporia", &spec, a.key)
	return a, spec.Settings.Err()
}

type reply struct {
	Action          string  `json:"action"`
	RevisedResponse *string `json:"revised_response"`
	RevisedPrompt   *string `json:"revised_prompt"`
	ExplainLog      []any   `json:"explain_log"`
	Policies        *struct {
		Log    []any `json:"policy_log"`
		Action *struct {
			Type    string  `json:"type"`
			Revised *string `json:"revised_message"`
		} `json:"action"`
	} `json:"policy_execution_result"`
}

// Check implements guardrail.Guardrail. An answer of several texts is judged text by text, because a revision is of one.
func (a *aporia) Check(ctx context.Context, in *guardrail.Input) (guardrail.Verdict, error) {
	if len(in.Content.Texts) == 0 {
		return guardrail.Verdict{}, nil
	}
	if in.Phase != guardrail.PostCall {
		return a.prompt(ctx, in)
	}
	var asked []content.Text
	if in.Request != nil {
		asked = in.Request.Texts
	}
	replies := make([]reply, len(in.Content.Texts))
	err := remote.Each(ctx, len(replies), func(ctx context.Context, i int) error {
		body := map[string]any{"messages": messages(asked), "response": in.Content.Texts[i].Value, "validation_target": "response"}
		judged := append(remote.Values(asked), in.Content.Texts[i].Value)
		return a.call(ctx, in, body, judged, &replies[i])
	})
	if err != nil {
		return guardrail.Verdict{}, err
	}
	v := guardrail.Verdict{Texts: remote.Values(in.Content.Texts)}
	for i := range replies {
		one, revised, err := a.verdict(&replies[i], replies[i].RevisedResponse)
		if err != nil || one.Action == guardrail.Block {
			return one, err
		}
		if one.Action == guardrail.Mask {
			v.Action, v.Texts[i] = guardrail.Mask, revised
		}
		v.Findings = append(v.Findings, one.Findings...)
	}
	if v.Action != guardrail.Mask {
		v.Texts = nil
	}
	return v, nil
}

// prompt judges a request. A revised prompt takes the place of the last text of the user, which is what Aporia revises.
func (a *aporia) prompt(ctx context.Context, in *guardrail.Input) (guardrail.Verdict, error) {
	var out reply
	body := map[string]any{"messages": messages(in.Content.Texts), "validation_target": "prompt"}
	if err := a.call(ctx, in, body, remote.Values(in.Content.Texts), &out); err != nil {
		return guardrail.Verdict{}, err
	}
	v, revised, err := a.verdict(&out, out.RevisedPrompt)
	if err != nil || v.Action != guardrail.Mask {
		return v, err
	}
	v.Texts = remote.Values(in.Content.Texts)
	for i := len(v.Texts) - 1; i >= 0; i-- {
		if r := in.Content.Texts[i].Role; (r == "user" || r == "") && in.Content.Texts[i].Kind == content.Plain {
			v.Texts[i] = revised
			return v, nil
		}
	}
	return guardrail.Verdict{}, a.client.Wrong("it revises a prompt that no user has written")
}

// verdict reads a reply. LiteLLM acts on block alone; a revision is put in place here, and one without words is an error.
func (a *aporia) verdict(out *reply, revised *string) (guardrail.Verdict, string, error) {
	switch out.Action {
	case "passthrough":
		return guardrail.Verdict{}, "", nil
	case "block":
		return guardrail.Verdict{
			Action: guardrail.Block, Reason: violated,
			Detail:   map[string]any{"error": violated, "aporia_ai_response": out.shown()},
			Findings: []guardrail.Finding{{Kind: "block", Action: guardrail.Block, Count: 1}}, Log: out.shown(),
		}, "", nil
	case "modify", "rephrase":
		if revised == nil && out.Policies != nil && out.Policies.Action != nil {
			revised = out.Policies.Action.Revised
		}
		if revised == nil {
			return guardrail.Verdict{}, "", a.client.Wrong("its action is %s, but there are no revised words", out.Action)
		}
		return guardrail.Verdict{
			Action: guardrail.Mask, Findings: []guardrail.Finding{{Kind: out.Action, Action: guardrail.Mask, Count: 1}}, Log: out.shown(),
		}, *revised, nil
	}
	return guardrail.Verdict{}, "", a.client.Wrong("its action is none of passthrough, block, modify and rephrase")
}

// shown is what of a reply can be shown: no revised words and no explanations, which repeat what was found.
func (r *reply) shown() map[string]any { return map[string]any{"action": r.Action} }

// messages are the texts in Aporia's form.
func messages(texts []content.Text) []remote.Message {
	return remote.Messages(texts, "other", "user", "assistant", "system")
}

func (a *aporia) call(ctx context.Context, in *guardrail.Input, body map[string]any, judged []string, out *reply) error {
	if in.Call != nil && in.Call.EndUser != "" {
		body["user"] = in.Call.EndUser
	}
	return a.client.Do(ctx, remote.Call{
		URL: a.url, Header: http.Header{"X-Aporia-Api-Key": {a.key.Reveal()}}, Body: remote.Merge(body, in.Extra), Judged: judged, Chosen: in.Extra != nil,
	}, out)
}

// Ping implements guardrail.Pinger.
func (a *aporia) Ping(ctx context.Context) error {
	body := map[string]any{"messages": []remote.Message{{Role: "user", Content: "Hello"}}, "validation_target": "prompt"}
	return remote.ForOperator(a.call(ctx, &guardrail.Input{}, body, nil, &reply{}))
}
