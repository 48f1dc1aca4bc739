// Package blockcode is the guardrail `block_code_execution`: it blocks or masks fenced blocks of code, of certain languages or of all; in
// requests only where they ask for the code to be run, unless it is told otherwise.
package blockcode

import (
	"context"
	"slices"
	"strings"

	"tollgate/internal/content"
	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/detect"
	"tollgate/internal/guardrail/remote"
)

// masked is LiteLLM's text in the place of a block.
const masked = "[CODE_BLOCK_REDACTED]"

type blockCode struct {
	languages []string // normalised; empty = all
	mask      bool
	threshold float64
	intent    bool
	phrases   *detect.Words // of intents; the first ones ask for a run, the others say that nothing is to be run
}

var (
	_ guardrail.Guardrail = (*blockCode)(nil)
	_ guardrail.Opener    = Open
)

// Open implements guardrail.Opener.
func Open(spec guardrail.Spec) (guardrail.Guardrail, error) {
	s := spec.Settings
	b := &blockCode{
		mask: s.Choice("action", "block", "mask") == "mask", threshold: s.Number("confidence_threshold", 0.5), intent: s.Flag("detect_execution_intent", true),
		phrases: detect.NewWords(append(slices.Clone(runs), rests...)),
	}
	if b.threshold < 0 || b.threshold > 1 {
		s.Fault("confidence_threshold", "must be between 0 and 1")
	}
	for _, tag := range s.Texts("blocked_languages") {
		b.languages = append(b.languages, language(tag))
	}
	return b, s.Err()
}

// language is a language by one of its names.
func language(tag string) string {
	tag = strings.ToLower(strings.TrimSpace(tag))
	switch tag {
	case "js":
		return "javascript"
	case "py", "python3":
		return "python"
	case "sh", "shell", "zsh":
		return "bash"
	case "ts":
		return "typescript"
	case "ps1", "pwsh":
		return "powershell"
	case "rb":
		return "ruby"
	case "c++":
		return "cpp"
	}
	return tag
}

// inert are languages that nothing runs: LiteLLM is half as sure of those.
var inert = []string{"text", "plaintext", "plain", "markdown", "md", "output", "result"}

// confidence is how sure a block is one that is to be blocked.
func (b *blockCode) confidence(tag string) float64 {
	name := language(tag)
	switch {
	case len(b.languages) > 0 && !slices.Contains(b.languages, name):
		return 0
	case len(b.languages) == 0 && slices.Contains(inert, name):
		return 0.5
	}
	return 1
}

// Check implements guardrail.Guardrail.
func (b *blockCode) Check(_ context.Context, in *guardrail.Input) (guardrail.Verdict, error) {
	answer := in.Phase == guardrail.PostCall
	texts := remote.Values(in.Content.Texts)
	var tally remote.Tally
	blocked := ""
	for i := range in.Content.Texts {
		t := &in.Content.Texts[i]
		if t.Kind == content.Arguments || t.Kind == content.Definition || !answer && (t.Role == "system" || t.Role == "developer") {
			continue
		}
		out := b.look(t.Value, answer, &tally)
		texts[i] = out.text
		if blocked == "" {
			blocked = out.blocked
		}
	}
	v := guardrail.Verdict{Findings: tally.Findings()}
	switch {
	case blocked != "" && !b.mask:
		v.Action = guardrail.Block
		v.Reason = "Content blocked: executable code block detected (language: " + blocked + ")"
		if blocked == request {
			v.Reason = "Content blocked: execution request detected"
		}
		v.Detail = map[string]any{"error": v.Reason, "language": blocked}
	case blocked != "":
		v.Action, v.Texts = guardrail.Mask, texts
	}
	return v, nil
}

// request is what stands in the place of a language where a run is asked for without code.
const request = "execution_request"

// outcome is what becomes of a text.
type outcome struct {
	text    string // with masks
	blocked string // the language of the first block that must not pass; "" = none
}

// look finds the blocks of a text.
func (b *blockCode) look(text string, answer bool, tally *remote.Tally) outcome {
	out := outcome{text: text}
	action := guardrail.Block
	if b.mask {
		action = guardrail.Mask
	}
	blocks := fenced(text)
	if !answer && b.intent {
		run, rest := b.asked(text)
		switch {
		case !run:
			return out // to explain code, or to change it
		case len(blocks) == 0 && !rest && !b.mask:
			tally.Add(request, action, 1)
			out.blocked = request
			return out
		}
	}
	var found []detect.Match
	for _, f := range blocks {
		sure := b.confidence(f.tag)
		if sure == 0 {
			continue
		}
		if sure < b.threshold {
			tally.Add("code_block", guardrail.Allow, sure)
			continue
		}
		tally.Add("code_block", action, sure)
		found = append(found, detect.Match{Start: f.start, End: f.end})
		if out.blocked == "" {
			if out.blocked = f.tag; f.tag == "" {
				out.blocked = "(none)"
			}
		}
	}
	out.text = detect.Replace(text, found, func(detect.Match, string) string { return masked })
	return out
}

// asked reports whether a text asks for something to be run, and whether it says as well that something is not to be run.
func (b *blockCode) asked(text string) (run, rest bool) {
	b.phrases.Find(text, func(phrase, start, end int) bool {
		switch {
		case !detect.Whole(text, start, end):
		case phrase >= len(runs):
			rest = true
		case !denied(text[:start]):
			run = true
		}
		return !run || !rest
	})
	return run, rest
}

// denied reports whether what stands before a phrase takes it back: "do not run this".
func denied(before string) bool {
	words := strings.Fields(detect.Fold(before[max(0, len(before)-24):]))
	for _, w := range words[max(0, len(words)-2):] {
		if w == "not" || w == "never" || w == "don't" || w == "dont" || w == "without" {
			return true
		}
	}
	return false
}

// block is a fenced block of code, fences included.
type block struct {
	start, end int
	tag        string
}

// fenced finds the blocks of a text as Markdown has them: a line of at least three ` or ~ with the language behind it opens one, a line
// of at least as many closes it, and so does the end of the text.
func fenced(text string) (blocks []block) {
	var open block
	var fence string // "" = none is open
	for at := 0; at < len(text); {
		end := len(text)
		if i := strings.IndexByte(text[at:], '\n'); i >= 0 {
			end = at + i
		}
		line := strings.Trim(text[at:end], " \t\r>")
		mark := marks(line)
		switch {
		case fence == "" && mark != "":
			fence, open = mark, block{start: at, tag: tag(line[len(mark):])}
			if i := strings.Index(line[len(mark):], mark); i >= 0 { // all on one line
				fence = ""
				if code := line[len(mark) : len(mark)+i]; strings.ContainsAny(code, " \t") {
					open.end = end
					blocks = append(blocks, open)
				}
			}
		case fence != "" && strings.HasPrefix(mark, fence) && mark == line:
			open.end, fence = end, ""
			blocks = append(blocks, open)
		}
		at = end + 1
	}
	if fence != "" {
		open.end = len(text)
		blocks = append(blocks, open)
	}
	return blocks
}

// marks is the fence that a line begins with.
func marks(line string) string {
	for _, c := range []string{"`", "~"} {
		if rest := strings.TrimLeft(line, c); len(line)-len(rest) >= 3 {
			return line[:len(line)-len(rest)]
		}
	}
	return ""
}

// tag is the language in what stands behind a fence: python, {.python .numberLines}, python title="x".
func tag(info string) string {
	info = strings.TrimLeft(info, " \t{.")
	if i := strings.IndexAny(info, " \t{},:=`"); i >= 0 {
		info = info[:i]
	}
	return strings.ToLower(info)
}
