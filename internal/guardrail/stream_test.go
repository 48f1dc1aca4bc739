package guardrail_test

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tollgate/internal/apierr"
	"tollgate/internal/content"
	"tollgate/internal/guardrail"
	"tollgate/internal/openai"
)

// words draws a text with some secrets among its words.
func words(t *rapid.T, label string) string {
	parts := rapid.SliceOfN(rapid.SampledFrom([]string{
		"word", " ", "  ", "\n", "é😀", "s-1234", "s-123456789012345678901", "s-", "s-12", "s-1234567890123456789012345", "x", "a longer piece of text that has no end", ", ", "\"quoted\"", "-", "s", "9999",
		"open the pod bay door", "open the ", "pod bay ", "door", "open the [abc] doors", " doors", "[", "]", "[abc]", "[abc def]", "abc",
	}), 0, 40).Draw(t, label)
	return strings.Join(parts, "")
}

// cut draws a split of a text into pieces.
func cut(t *rapid.T, text string) []string {
	runes := []rune(text)
	var pieces []string
	for len(runes) > 0 {
		n := min(rapid.IntRange(1, 60).Draw(t, "length"), len(runes))
		pieces, runes = append(pieces, string(runes[:n])), runes[n:]
	}
	return pieces
}

// answers draws an answer of several choices, each with thoughts, a text and a call of a tool, in chunks that are mixed. texts is
// what each choice says in each field.
func answers(t *rapid.T) (list []string, texts map[int]map[string]string) {
	texts = map[int]map[string]string{}
	queues := map[int][]string{}
	n := rapid.IntRange(1, 3).Draw(t, "n")
	for c := range n {
		texts[c] = map[string]string{}
		queue := []string{`{"role":"assistant","content":""}`}
		for _, field := range []string{"reasoning_content", "content"} {
			text := words(t, field)
			texts[c][field] = text
			for _, p := range cut(t, text) {
				quoted, _ := json.Marshal(p)
				queue = append(queue, `{"`+field+`":`+string(quoted)+`}`)
			}
		}
		if rapid.Bool().Draw(t, "calls") {
			args, _ := json.Marshal(map[string]string{"a": words(t, "arguments"), "b": "s-77777"})
			texts[c]["arguments"] = string(args)
			queue = append(queue, `{"tool_calls":[{"index":0,"id":"t","type":"function","function":{"name":"f","arguments":""}}]}`)
			for _, p := range cut(t, string(args)) {
				quoted, _ := json.Marshal(p)
				queue = append(queue, `{"tool_calls":[{"index":0,"function":{"arguments":`+string(quoted)+`}}]}`)
			}
		}
		queues[c] = append(queue, "END")
	}
	for len(queues) > 0 {
		c := rapid.IntRange(0, n-1).Draw(t, "next")
		queue, ok := queues[c]
		if !ok {
			continue
		}
		if queue[0] == "END" {
			list = append(list, chunk(c, `{}`, `"stop"`))
			delete(queues, c)
			continue
		}
		list, queues[c] = append(list, chunk(c, queue[0], "")), queue[1:]
	}
	return append(list, usageChunk), texts
}

// The whole of an answer is masked in the same way whether it is judged whole or in windows, whatever its pieces.
func TestStream_MasksAsTheWholeIsMasked(t *testing.T) {
	for name, g := range map[string]guardrail.Guardrail{"windows": masking(), "whole": &masking().pattern} {
		t.Run(name, func(t *testing.T) {
			set := newSet(t, on("g", g, guardrail.PostCall))
			run, _ := start(t, set, hello)
			rapid.Check(t, func(rt *rapid.T) {
				list, texts := answers(rt)
				got, err := read(t, run.Stream(t.Context(), &chunks{list: list}))
				if err != nil {
					rt.Fatal(err)
				}
				for c, fields := range texts {
					for field, text := range fields {
						if have, want := fieldOf(put(t, openai.OpChat, got), c, field), secret.ReplaceAllString(text, "[SECRET]"); have != want {
							rt.Fatalf("choice %d, %s:\n got %q\nwant %q\n was %q", c, field, have, want, text)
						}
					}
				}
				checkFrame(rt, got, len(texts))
			})
		})
	}
}

func fieldOf(b *content.Body, choice int, field string) string {
	for _, t := range b.Texts {
		if t.Index == choice && t.Field == field {
			return t.Value
		}
	}
	return ""
}

// checkFrame: every chunk has the one id, every choice ends once and says nothing behind that, and the usage comes last.
func checkFrame(t *rapid.T, list []string, choices int) {
	ended := map[int]bool{}
	for i, text := range list {
		var c struct {
			ID      string
			Choices []struct {
				Index  int
				Finish string `json:"finish_reason"`
			}
			Usage *struct{}
		}
		if err := json.Unmarshal([]byte(text), &c); err != nil || c.ID != "c1" {
			t.Fatalf("%s: %v", text, err)
		}
		if c.Usage != nil != (i == len(list)-1) {
			t.Fatalf("usage in chunk %d of %d", i, len(list))
		}
		for _, ch := range c.Choices {
			if ended[ch.Index] {
				t.Fatalf("choice %d goes on behind its end: %s", ch.Index, text)
			}
			ended[ch.Index] = ch.Finish != ""
		}
	}
	for i := range choices {
		if !ended[i] {
			t.Fatalf("choice %d has no end", i)
		}
	}
}

// What is sent before a block is clean, whatever the pieces; and a text without a secret is not blocked.
func TestStream_NothingOfABlockedTextLeaks(t *testing.T) {
	for name, g := range map[string]guardrail.Guardrail{"windows": blocking(), "whole": &blocking().pattern} {
		t.Run(name, func(t *testing.T) {
			set := newSet(t, on("g", g, guardrail.PostCall))
			run, _ := start(t, set, hello)
			rapid.Check(t, func(rt *rapid.T) {
				list, texts := answers(rt)
				inner := &chunks{list: list}
				got, err := read(t, run.Stream(t.Context(), inner))
				found := false
				sent := put(t, openai.OpChat, got)
				for c, fields := range texts {
					for field, text := range fields {
						at := secret.FindStringIndex(text)
						found = found || at != nil
						have := fieldOf(sent, c, field)
						if !strings.HasPrefix(text, have) || at != nil && len(have) > at[0] {
							rt.Fatalf("choice %d, %s: sent %q of %q", c, field, have, text)
						}
					}
				}
				if found != (err != nil) {
					rt.Fatalf("found %v, error %v", found, err)
				}
				if found && !inner.closed {
					rt.Fatal("the upstream goes on")
				}
			})
		})
	}
}

// A block before anything was said is the error of the first Next, so that the answer can have its status.
func TestStream_BlockAtOnce(t *testing.T) {
	run, _ := start(t, newSet(t, on("g", blocking(), guardrail.PostCall)), hello)
	_, err := run.Stream(t.Context(), streamOf("s-12345 ", strings.Repeat("and more ", 20))).Next()
	var e *apierr.Error
	var blocked *guardrail.Blocked
	if !errors.As(err, &e) || e.Status != 400 || !errors.As(err, &blocked) || blocked.Name != "g" || blocked.Phase != guardrail.PostCall {
		t.Fatalf("%+v", err)
	}
}

// Clean text is not held for longer than the window says.
func TestStream_Delay(t *testing.T) {
	run, _ := start(t, newSet(t, on("g", blocking(), guardrail.PostCall)), hello)
	inner := streamOf(strings.Split(strings.Repeat("word ", 200), "")...)
	s := run.Stream(t.Context(), inner)
	sent := 0
	for {
		c, err := s.Next()
		if err != nil {
			break
		}
		b := put(t, openai.OpChat, []string{string(c.Data)})
		sent += len(fieldOf(b, 0, "content"))
		if behind := inner.pulled - 1 - sent; behind > longestSecret+32 {
			t.Fatalf("%d characters behind", behind)
		}
	}
	if sent != 1000 {
		t.Errorf("%d characters sent", sent)
	}
}

// Two guardrails stand one behind the other, and the second sees what the first has left.
func TestStream_OneBehindTheOther(t *testing.T) {
	second := &windowed{pattern{re: regexp.MustCompile(`\[SECRET\]`), put: "(gone)"}, 10}
	run, _ := start(t, newSet(t, on("a", masking(), guardrail.PostCall), on("b", second, guardrail.PostCall)), hello)
	got, err := read(t, run.Stream(t.Context(), streamOf("it is s-1", "2345 ", "he said, and went on to say other things, none of which matter")))
	if err != nil || fieldOf(put(t, openai.OpChat, got), 0, "content") != "it is (gone) he said, and went on to say other things, none of which matter" {
		t.Errorf("%s, %v", got, err)
	}
}

// Arguments that would be no JSON any more are not sent.
func TestStream_ArgumentsStayJSON(t *testing.T) {
	breaking := &windowed{pattern{re: secret, put: `"`}, longestSecret}
	run, _ := start(t, newSet(t, on("g", breaking, guardrail.PostCall)), hello)
	got, err := read(t, run.Stream(t.Context(), &chunks{list: []string{
		chunk(0, `{"role":"assistant","tool_calls":[{"index":0,"id":"t","type":"function","function":{"name":"f","arguments":"{\"a\":\"s-12"}}]}`, ""),
		chunk(0, `{"tool_calls":[{"index":0,"function":{"arguments":"345\"}"}}]}`, ""),
		chunk(0, `{}`, `"tool_calls"`),
	}}))
	if err == nil || strings.Contains(strings.Join(got, ""), "345") {
		t.Errorf("%s, %v", got, err)
	}
}

// A whole call in one chunk, as some upstreams send it, with the finish reason in the same chunk.
func TestStream_CallInOneChunk(t *testing.T) {
	run, _ := start(t, newSet(t, on("g", masking(), guardrail.PostCall)), hello)
	list := []string{
		chunk(0, `{"content":"calling "}`, ""),
		chunk(0, `{"tool_calls":[{"index":0,"id":"t","type":"function","function":{"name":"f","arguments":"{\"a\":\"s-12345\"}"}},{"index":1,"id":"u","type":"function","function":{"name":"g","arguments":"{}"}}]}`, `"tool_calls"`),
		usageChunk,
	}
	got, err := read(t, run.Stream(t.Context(), &chunks{list: list}))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		chunk(0, `{"content":"calling "}`, ""),
		chunk(0, `{"tool_calls":[{"index":0,"id":"t","type":"function","function":{"name":"f","arguments":"{\"a\":\"[SECRET]\"}"}},{"index":1,"id":"u","type":"function","function":{"name":"g","arguments":"{}"}}]}`, `"tool_calls"`),
		usageChunk,
	}
	if allTexts(put(t, openai.OpChat, got)) != allTexts(put(t, openai.OpChat, want)) || got[len(got)-2] != want[1] {
		t.Errorf("\n got %s\nwant %s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Text completions are streamed in another shape.
func TestStream_TextCompletion(t *testing.T) {
	for name, g := range map[string]guardrail.Guardrail{"windows": masking(), "whole": &masking().pattern} {
		t.Run(name, func(t *testing.T) {
			set := newSet(t, on("g", g, guardrail.PostCall))
			run, err := set.Select(guardrail.Selection{Request: parse(t, openai.OpCompletion, `{"prompt":"p"}`)})
			if err != nil {
				t.Fatal(err)
			}
			text := func(s, finish string) string {
				return `{"id":"t","object":"text_completion","choices":[{"text":"` + s + `","index":0,"logprobs":{"tokens":["` + s + `"]},"finish_reason":` + finish + `}]}`
			}
			got, err := read(t, run.Stream(t.Context(), &chunks{list: []string{text("a s-12", "null"), text("345 b", "null"), text("", `"stop"`)}}))
			if err != nil || fieldOf(put(t, openai.OpCompletion, got), 0, "text") != "a [SECRET] b" {
				t.Errorf("%s, %v", got, err)
			}
			if strings.Contains(strings.Join(got, ""), "345") {
				t.Errorf("logprobs tell what was masked: %s", got)
			}
		})
	}
}

// Chunks that hold several choices are taken apart.
func TestStream_ChoicesInOneChunk(t *testing.T) {
	run, _ := start(t, newSet(t, on("g", masking(), guardrail.PostCall)), hello)
	got, err := read(t, run.Stream(t.Context(), &chunks{list: []string{
		`{"id":"c1","choices":[{"index":0,"delta":{"content":"a s-12"}},{"index":1,"delta":{"content":"b s-77"}}]}`,
		`{"id":"c1","choices":[{"index":0,"delta":{"content":"345"},"finish_reason":"stop"},{"index":1,"delta":{"content":"777"},"finish_reason":"stop"}],"usage":{"total_tokens":1}}`,
	}}))
	b := put(t, openai.OpChat, got)
	if err != nil || fieldOf(b, 0, "content") != "a [SECRET]" || fieldOf(b, 1, "content") != "b [SECRET]" || strings.Count(strings.Join(got, ""), "usage") != 1 {
		t.Errorf("%s, %v", got, err)
	}
}

// What the upstream breaks off with reaches the caller, and nothing that was not proven clean before it.
func TestStream_UpstreamFails(t *testing.T) {
	broken := errors.New("broken")
	for name, g := range map[string]guardrail.Guardrail{"windows": masking(), "whole": &masking().pattern} {
		t.Run(name, func(t *testing.T) {
			run, _ := start(t, newSet(t, on("g", g, guardrail.PostCall)), hello)
			inner := streamOf("it is s-12")
			inner.list, inner.err = inner.list[:2], broken
			got, err := read(t, run.Stream(t.Context(), inner))
			if !errors.Is(err, broken) || len(got) > 0 {
				t.Errorf("%s, %v", got, err)
			}
		})
	}
}

// An upstream that sends no finish reason ends all the same.
func TestStream_WithoutAnEnd(t *testing.T) {
	run, _ := start(t, newSet(t, on("g", masking(), guardrail.PostCall)), hello)
	got, err := read(t, run.Stream(t.Context(), &chunks{list: []string{chunk(0, contentDelta("it is s-12345"), "")}}))
	if err != nil || fieldOf(put(t, openai.OpChat, got), 0, "content") != "it is [SECRET]" {
		t.Errorf("%s, %v", got, err)
	}
}

// A guardrail's own answer takes the place of the model's.
func TestStream_Instead(t *testing.T) {
	instead := func(in *guardrail.Input) (guardrail.Verdict, error) {
		if strings.Contains(in.Content.Texts[0].Value, "s-12345") {
			return guardrail.Verdict{Action: guardrail.Block, Response: "I may not say that."}, nil
		}
		return guardrail.Verdict{}, nil
	}
	run, _ := start(t, newSet(t, on("g", &fake{verdict: instead}, guardrail.PostCall)), hello)
	got, err := read(t, run.Stream(t.Context(), streamOf("it is s-12345")))
	all := strings.Join(got, "\n")
	if err != nil || fieldOf(put(t, openai.OpChat, got), 0, "content") != "I may not say that." || strings.Contains(all, "s-12345") ||
		!strings.Contains(all, `"finish_reason":"content_filter"`) || !strings.Contains(got[len(got)-1], `"usage":{`) {
		t.Errorf("%s, %v", all, err)
	}
}

// What pre_call has taken out of the request is put back into the answer, however its stand-in is cut.
func TestStream_Restore(t *testing.T) {
	standIns := &fake{verdict: func(in *guardrail.Input) (guardrail.Verdict, error) {
		v := guardrail.Verdict{Action: guardrail.Mask, Restore: map[string]string{"<PERSON_1>": `Ann "A" O'Neil`, "<PERSON_12>": "Bob"}}
		for _, t := range in.Content.Texts {
			v.Texts = append(v.Texts, strings.NewReplacer(`Ann "A" O'Neil`, "<PERSON_1>", "Bob", "<PERSON_12>").Replace(t.Value))
		}
		return v, nil
	}}
	set := newSet(t, on("pii", standIns, guardrail.PreCall))
	run, req := start(t, set, `{"model":"m","messages":[{"role":"user","content":"I am Ann \"A\" O'Neil, with Bob"}]}`)
	if !strings.Contains(string(req.Body), `"I am <PERSON_1>, with <PERSON_12>"`) {
		t.Fatalf("%s", req.Body)
	}
	const text = "Hello <PERSON_1> and <PERSON_12>! <PERSON_ is <none>, <PERSON_2> too <PERSON_1"
	want := strings.NewReplacer("<PERSON_12>", "Bob", "<PERSON_1>", `Ann "A" O'Neil`).Replace(text)
	rapid.Check(t, func(rt *rapid.T) {
		pieces := cut(rt, text)
		got, err := read(t, run.Stream(t.Context(), streamOf(pieces...)))
		if have := fieldOf(put(t, openai.OpChat, got), 0, "content"); err != nil || have != want {
			rt.Fatalf("%q: %q, %v", pieces, have, err)
		}
	})
	rapid.Check(t, func(rt *rapid.T) {
		list := []string{chunk(0, `{"tool_calls":[{"index":0,"id":"t","type":"function","function":{"name":"f","arguments":""}}]}`, "")}
		for _, p := range cut(rt, `{"who":"<PERSON_1>","and":"\u003cPERSON_12\u003e"}`) {
			quoted, _ := json.Marshal(p)
			list = append(list, chunk(0, `{"tool_calls":[{"index":0,"function":{"arguments":`+string(quoted)+`}}]}`, ""))
		}
		got, err := read(t, run.Stream(t.Context(), &chunks{list: append(list, chunk(0, `{}`, `"tool_calls"`))}))
		var args struct{ Who, And string }
		if err != nil || json.Unmarshal([]byte(fieldOf(put(t, openai.OpChat, got), 0, "arguments")), &args) != nil || args.Who != `Ann "A" O'Neil` || args.And != "Bob" {
			rt.Fatalf("%s: %+v, %v", got, args, err)
		}
	})
}

// Citations repeat the answer: where it was masked they would tell what was.
func TestStream_Citations(t *testing.T) {
	for name, g := range map[string]guardrail.Guardrail{"windows": masking(), "whole": &masking().pattern} {
		for said, told := range map[string]bool{"s-12345": false, "nothing": true} {
			run, _ := start(t, newSet(t, on("g", g, guardrail.PostCall)), hello)
			got, err := read(t, run.Stream(t.Context(), &chunks{list: []string{
				chunk(0, contentDelta("it is "), ""), chunk(0, contentDelta(said), ""),
				chunk(0, `{"provider_specific_fields":{"citations":[{"text":"`+said+`"}]}}`, ""), chunk(0, "{}", `"stop"`),
			}}))
			if err != nil || strings.Contains(strings.Join(got, ""), "s-1") || strings.Contains(strings.Join(got, ""), "citations") != told {
				t.Errorf("%s, %s: %v %s", name, said, err, got)
			}
		}
	}
}
