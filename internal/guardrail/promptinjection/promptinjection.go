// Package promptinjection is the guardrail `detect_prompt_injection`: heuristics that know how people ask a model to leave the
// instructions that it has. LiteLLM slides 400 phrases over the text and compares letters; here the words of a sentence are
// compared with those of such phrases, misspelt, disguised and encoded ones included, in one pass over the text.
package promptinjection

import (
	"context"

	"tollgate/internal/content"
	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/detect"
)

// rejected is LiteLLM's text.
const rejected = "Rejected message. This is a prompt injection attack."

// likeness is how alike a misspelt word must be, as Python's difflib counts it.
const likeness = 0.8

type promptInjection struct {
	off        bool // nothing is to be looked for
	asResponse bool
	words      *vocabulary
	phrases    *detect.Words
}

var (
	_ guardrail.Guardrail = (*promptInjection)(nil)
	_ guardrail.Opener    = Open
)

// params are LiteLLM's prompt_injection_params. Those of a check that needs a model are read so that they are known.
type params struct {
	Heuristics   *bool    `json:"heuristics_check"`
	Similarity   bool     `json:"similarity_check"`
	VectorDB     bool     `json:"vector_db_check"`
	LLM          bool     `json:"llm_api_check"`
	LLMName      string   `json:"llm_api_name"`
	SystemPrompt string   `json:"llm_api_system_prompt"`
	FailString   string   `json:"llm_api_fail_call_string"`
	AsResponse   bool     `json:"reject_as_response"`
	Threshold    *float64 `json:"similarity_threshold"` // ours
}

// Open implements guardrail.Opener.
func Open(spec guardrail.Spec) (guardrail.Guardrail, error) {
	s := spec.Settings
	p := params{}
	if !s.Into("prompt_injection_params", &p) { // as a callback it has them beside each other
		if s.Has("heuristics_check") {
			p.Heuristics = new(s.Flag("heuristics_check", false))
		}
		p.Similarity, p.VectorDB, p.LLM = s.Flag("similarity_check", false), s.Flag("vector_db_check", false), s.Flag("llm_api_check", false)
		p.LLMName, p.SystemPrompt, p.FailString = s.Text("llm_api_name"), s.Text("llm_api_system_prompt"), s.Text("llm_api_fail_call_string")
		p.AsResponse = s.Flag("reject_as_response", false)
		if s.Has("similarity_threshold") {
			p.Threshold = new(s.Number("similarity_threshold", likeness))
		}
	}
	if p.LLM {
		s.Fault("llm_api_check", "asks a model of the gateway, which guardrails here do not; put the model behind generic_guardrail_api, or use lakera_v2, oci or bedrock")
	}
	if p.VectorDB && spec.Log != nil {
		spec.Log.Warn("vector_db_check has no effect: LiteLLM never wrote it", "guardrail", spec.Name)
	}
	like := likeness
	if p.Threshold != nil {
		if like = *p.Threshold; like < 0.5 || like > 1 {
			s.Fault("similarity_threshold", "must be between 0.5 and 1; at 1 only words without mistakes count")
		}
	}
	// With parameters LiteLLM looks only where heuristics_check says so; without any it looks.
	given := p.Similarity || p.VectorDB || p.LLM || p.AsResponse
	g := &promptInjection{off: p.Heuristics != nil && !*p.Heuristics && !p.Similarity, asResponse: p.AsResponse, words: newVocabulary(like), phrases: detect.NewWords(phrases)}
	if p.Heuristics == nil && given && !p.Similarity && spec.Log != nil {
		spec.Log.Info("heuristics_check is on: it is false by default in LiteLLM, where this guardrail then looks at nothing", "guardrail", spec.Name)
	}
	return g, s.Err()
}

// Check implements guardrail.Guardrail. What an operator has written, system messages and descriptions of tools, is not looked at: it
// may well say what a model must not obey.
func (p *promptInjection) Check(ctx context.Context, in *guardrail.Input) (guardrail.Verdict, error) {
	if p.off {
		return guardrail.Verdict{}, nil
	}
	for i := range in.Content.Texts {
		t := &in.Content.Texts[i]
		if t.Kind == content.Definition || t.Role == "system" || t.Role == "developer" {
			continue
		}
		if err := ctx.Err(); err != nil {
			return guardrail.Verdict{}, err
		}
		if kind := p.find(detect.TextOf(t).Value); kind != "" {
			return p.block(kind), nil
		}
	}
	return guardrail.Verdict{}, nil
}

func (p *promptInjection) block(kind string) guardrail.Verdict {
	v := guardrail.Verdict{
		Action: guardrail.Block, Reason: rejected, Detail: map[string]any{"error": rejected},
		Findings: []guardrail.Finding{{Kind: kind, Action: guardrail.Block, Count: 1}},
	}
	if p.asResponse {
		v.Response = rejected
	}
	return v
}

// find is the kind of attack that a text holds, "" for none.
func (p *promptInjection) find(text string) string {
	if kind := p.plain(text); kind != "" {
		return kind
	}
	for hidden := range encoded(text) {
		if p.plain(hidden) != "" {
			return "encoded_instruction"
		}
	}
	return ""
}

// plain is find for what is not encoded.
func (p *promptInjection) plain(text string) (kind string) {
	p.phrases.Find(text, func(_, start, end int) bool {
		if detect.Whole(text, start, end) {
			kind = "jailbreak"
		}
		return kind == ""
	})
	if kind != "" {
		return kind
	}
	return p.words.sentences(text)
}
