package gateway

import (
	"encoding/json"

	"tollgate/internal/jsonscan"
)

// This file serves merge_reasoning_content_in_choices: clients that know no reasoning_content get it inside the
// content, between think tags, as LiteLLM writes them.

const thinkOpen, thinkClose = "<think>", "</think>"

// mergeReasoning rewrites the choices of an answer in one piece.
func mergeReasoning(choices []byte) ([]byte, error) {
	return rewriteChoices(choices, "message", func(_ int, reasoning, content string) string {
		if reasoning == "" {
			return content
		}
		return thinkOpen + reasoning + thinkClose + content
	})
}

// thinking tells which choices of a stream are between the tags.
type thinking map[int]bool

// merge rewrites the choices of one chunk.
func (t thinking) merge(choices []byte) ([]byte, error) {
	return rewriteChoices(choices, "delta", func(index int, reasoning, content string) string {
		text := ""
		if reasoning != "" {
			if !t[index] {
				text = thinkOpen
			}
			t[index] = true
			text += reasoning
		}
		if content != "" && t[index] {
			t[index] = false
			text += thinkClose
		}
		return text + content
	})
}

// rewriteChoices replaces content, and takes reasoning_content away, in the part (message or delta) of each choice
// that has any reasoning or content. Everything else stays as it was written.
func rewriteChoices(choices []byte, part string, join func(index int, reasoning, content string) string) ([]byte, error) {
	var list []json.RawMessage
	if err := json.Unmarshal(choices, &list); err != nil {
		return nil, err
	}
	for i, raw := range list {
		members, err := jsonscan.Object(raw, nil)
		if err != nil {
			return nil, err
		}
		var choice struct {
			Index int `json:"index"`
		}
		if err := json.Unmarshal(raw, &choice); err != nil {
			return nil, err
		}
		inner, ok := jsonscan.Find(members, part)
		if !ok {
			continue
		}
		inner, err = rewritePart(inner, func(reasoning, content string) string { return join(choice.Index, reasoning, content) })
		if err != nil {
			return nil, err
		}
		list[i] = jsonscan.Splice(raw, members, []jsonscan.Field{{Name: part, Value: inner}}, nil).Bytes()
	}
	return joinArray(list), nil
}

func rewritePart(part []byte, join func(reasoning, content string) string) ([]byte, error) {
	var texts struct {
		Reasoning string  `json:"reasoning_content"`
		Content   *string `json:"content"`
	}
	if err := json.Unmarshal(part, &texts); err != nil {
		return nil, err
	}
	if texts.Reasoning == "" && texts.Content == nil {
		return part, nil
	}
	content := ""
	if texts.Content != nil {
		content = *texts.Content
	}
	members, err := jsonscan.Object(part, nil)
	if err != nil {
		return nil, err
	}
	set := []jsonscan.Field{{Name: "content", Value: jsonscan.Text(join(texts.Reasoning, content))}}
	return jsonscan.Splice(part, members, set, func(name []byte) bool { return string(name) == "reasoning_content" }).Bytes(), nil
}

// mergesReasoning reports whether the deployment that answered wants its reasoning in the content.
func (q *request) mergesReasoning() bool {
	m := q.snap.Models.byID(q.out.Deployment.ID)
	return m != nil && m.MergeReasoning
}
