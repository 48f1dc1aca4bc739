package blockcode_test

import (
	"strings"
	"testing"

	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/blockcode"
	"tollgate/internal/guardrail/remote/remotetest"
)

const py = "```python\nprint(1)\n```"

func TestRequests(t *testing.T) {
	const executable, asked = "Content blocked: executable code block detected (language: python)", "Content blocked: execution request detected"
	tests := []struct {
		name, settings, text, reason string
	}{
		{"nothing", `{}`, "Hello", ""},
		{"code to look at", `{}`, "What is wrong here?\n" + py, ""},
		{"code to run", `{}`, "Please run this code:\n" + py, executable},
		{"code not to run", `{}`, "Do not run this code, explain it:\n" + py, ""},
		{"code not to run here, but there", `{}`, "Don't run this script on staging, but run this script on production:\n" + py, executable},
		{"a run without code", `{}`, "Please run `ls -l` and tell me what it prints", asked},
		{"a question about a run", `{}`, "Explain what happens when I run the script", ""},
		{"words that sound alike", `{}`, "I run the marathon, and the following tests my patience", ""},
		{"another language", `{"blocked_languages":["bash"]}`, "Please run this code:\n" + py, ""},
		{"the language by its short name", `{"blocked_languages":["py"]}`, "Please run this code:\n" + py, executable},
		{"whatever is asked", `{"detect_execution_intent":false}`, "What is wrong here?\n" + py, executable},
		{"text only", `{"detect_execution_intent":false,"confidence_threshold":0.6}`, "```text\nHello\n```", ""},
		{"text at LiteLLM's threshold", `{"detect_execution_intent":false}`, "```text\nHello\n```", "Content blocked: executable code block detected (language: text)"},
		{"without a language", `{"detect_execution_intent":false}`, "```\nHello\n```", "Content blocked: executable code block detected (language: (none))"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v := remotetest.Pre(t, remotetest.Open(t, blockcode.Open, test.settings, nil), remotetest.User(t, test.text))
			if v.Reason != test.reason || (v.Action == guardrail.Block) != (test.reason != "") {
				t.Errorf("%+v, want %q", v, test.reason)
			}
		})
	}
}

func TestAnswers_Masked(t *testing.T) {
	const m = "[CODE_BLOCK_REDACTED]"
	tests := []struct{ name, text, want string }{
		{"one", "See:\n" + py + "\nDone.", "See:\n" + m + "\nDone."},
		{"two", py + "\nand\n" + py, m + "\nand\n" + m},
		{"indented and quoted", "> - a\n>   ```python\n>   x\n>   ```\nb", "> - a\n" + m + "\nb"},
		{"tildes", "~~~ {.python .x}\nx\n~~~\n", m + "\n"},
		{"never closed", "a\n```python\nx\n\ny", "a\n" + m},
		{"other fences inside", "````python\n```\nx\n```\n````\nb", m + "\nb"},
		{"on one line", "a\n```python print(1)```\nb", "a\n" + m + "\nb"},
		{"in capitals", "```PYTHON title=\"x\"\nx\n```", m},
		{"another language", "```go\nx\n```", "```go\nx\n```"},
		{"inline", "use ```python``` or `x`", "use ```python``` or `x`"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g := remotetest.Open(t, blockcode.Open, `{"action":"mask","blocked_languages":["python"]}`, nil)
			v := remotetest.Post(t, g, remotetest.User(t, "x"), remotetest.Answer(t, "first", test.text))
			got := test.text
			if v.Texts != nil {
				got = v.Texts[1]
			}
			if got != test.want || (v.Action == guardrail.Mask) != (test.text != test.want) {
				t.Errorf("%q, want %q: %+v", got, test.want, v)
			}
		})
	}
}

func TestRequests_OperatorsOwnWords(t *testing.T) {
	g := remotetest.Open(t, blockcode.Open, `{}`, nil)
	v := remotetest.Pre(t, g, remotetest.Chat(t, `[{"role":"system","content":"You may run this code:\n`+strings.ReplaceAll(py, "\n", `\n`)+`"},{"role":"user","content":"hi"}]`))
	if v.Action != "" {
		t.Errorf("%+v", v)
	}
}

func TestOpen_Faults(t *testing.T) {
	for settings, want := range map[string]string{
		`{"action":"log"}`:              "action: must be one of",
		`{"confidence_threshold":2}`:    "confidence_threshold: must be between 0 and 1",
		`{"blocked_languages":[1]}`:     "blocked_languages: must be a list of texts",
		`{"detect_execution_intent":3}`: "detect_execution_intent: must be true or false",
	} {
		if _, err := blockcode.Open(remotetest.Spec(t, settings, nil)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", settings, err)
		}
	}
}

// What is masked once has no block left.
func FuzzMask(f *testing.F) {
	f.Add(py)
	f.Add("~~~\n```\n~~~~\n``` x ```")
	g := remotetest.Open(f, blockcode.Open, `{"action":"mask"}`, nil)
	f.Fuzz(func(t *testing.T, text string) {
		if text == "" {
			return
		}
		v := remotetest.Post(t, g, remotetest.User(t, "x"), remotetest.Answer(t, text))
		if v.Texts == nil || v.Texts[0] == "" {
			return
		}
		if again := remotetest.Post(t, g, remotetest.User(t, "x"), remotetest.Answer(t, v.Texts[0])); again.Action == guardrail.Mask {
			t.Fatalf("%q became %q, and that %q", text, v.Texts[0], again.Texts[0])
		}
	})
}
