// Package bannedkeywords is the guardrail `banned_keywords`: LiteLLM's hook that refuses requests and answers with words of a list.
package bannedkeywords

import (
	"context"
	"os"
	"strings"

	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/detect"
)

// setting is a list of words, or the path of a file with one a line.
const setting = "banned_keywords_list"

type bannedKeywords struct {
	list  []string
	words *detect.Words
}

var (
	_ guardrail.Guardrail = (*bannedKeywords)(nil)
	_ guardrail.Windowed  = (*bannedKeywords)(nil)
	_ guardrail.Opener    = Open
)

// Open implements guardrail.Opener.
func Open(spec guardrail.Spec) (guardrail.Guardrail, error) {
	list := spec.Settings.Texts(setting)
	if len(list) == 1 && strings.HasSuffix(list[0], ".txt") {
		text, err := os.ReadFile(list[0])
		if err != nil {
			spec.Settings.Fault(setting, "%v", err)
			return nil, spec.Settings.Err()
		}
		list = strings.Split(string(text), "\n")
	}
	b := &bannedKeywords{}
	for _, word := range list {
		if word = strings.TrimSpace(word); detect.Fold(word) != "" {
			b.list = append(b.list, word)
		}
	}
	if len(b.list) == 0 && spec.Settings.Err() == nil {
		spec.Settings.Fault(setting, "has no words: give a list, or the path of a .txt file with one a line")
	}
	b.words = detect.NewWords(b.list)
	return b, spec.Settings.Err()
}

// Overlap implements guardrail.Windowed.
func (b *bannedKeywords) Overlap() int { return b.words.Overlap() }

// Check implements guardrail.Guardrail. As in LiteLLM a word is found inside of longer words too.
func (b *bannedKeywords) Check(_ context.Context, in *guardrail.Input) (guardrail.Verdict, error) {
	banned := -1
	for i := range in.Content.Texts {
		t := detect.TextOf(&in.Content.Texts[i])
		b.words.Find(t.Value, func(word, _, _ int) bool {
			banned = word
			return false
		})
		if banned >= 0 {
			break
		}
	}
	if banned < 0 {
		return guardrail.Verdict{}, nil
	}
	reason := "Keyword banned. Keyword=" + b.list[banned]
	return guardrail.Verdict{
		Action: guardrail.Block, Reason: reason, Detail: map[string]any{"error": reason},
		Findings: []guardrail.Finding{{Kind: "banned_keyword", Action: guardrail.Block, Count: 1}},
	}, nil
}
