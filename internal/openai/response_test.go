package openai

import "testing"

func TestParseUsage(t *testing.T) {
	for _, c := range []struct {
		raw  string
		want Usage
		ok   bool
	}{
		{`{"prompt_tokens":3,"completion_tokens":4,"total_tokens":9}`, Usage{PromptTokens: 3, CompletionTokens: 4, TotalTokens: 9}, true},
		{`{"prompt_tokens":3,"total_tokens":3}`, Usage{PromptTokens: 3, TotalTokens: 3}, true},                           // embeddings
		{`{"prompt_tokens":3,"completion_tokens":4}`, Usage{PromptTokens: 3, CompletionTokens: 4, TotalTokens: 7}, true}, // no total
		{`{"prompt_tokens":3,"prompt_tokens_details":{"audio_tokens":0,"cached_tokens":2},"completion_tokens_details":{"reasoning_tokens":1}}`,
			Usage{PromptTokens: 3, TotalTokens: 3, CachedTokens: 2, ReasoningTokens: 1}, true},
		{`{"prompt_tokens":null,"prompt_tokens_details":null,"completion_tokens_details":{"reasoning_tokens":null}}`, Usage{}, true},
		{`{"prompt_tokens":9,"completion_tokens":5,"prompt_tokens_details":{"audio_tokens":3,"image_tokens":4,"cache_creation_tokens":2},"completion_tokens_details":{"audio_tokens":1}}`,
			Usage{PromptTokens: 9, CompletionTokens: 5, TotalTokens: 14, CacheWrittenTokens: 2, AudioInputTokens: 3, AudioOutputTokens: 1, ImageTokens: 4}, true},
		{`{"prompt_tokens":9,"cache_creation_input_tokens":7}`, Usage{PromptTokens: 9, TotalTokens: 9, CacheWrittenTokens: 7}, true}, // Anthropic's place
		{` {"prompt_tokens":3}`, Usage{}, false}, // a member's value has no space around it
		{`{}`, Usage{}, true},
		{`null`, Usage{}, false},
		{``, Usage{}, false},
		{`[1]`, Usage{}, false},
		{`{"prompt_tokens":"3"}`, Usage{}, false},
		{`{"prompt_tokens":3.5}`, Usage{}, false},
		{`{"prompt_tokens":3,"prompt_tokens_details":7}`, Usage{}, false},
		{`{"prompt_tokens":3`, Usage{}, false},
	} {
		if got, ok := ParseUsage([]byte(c.raw)); got != c.want || ok != c.ok {
			t.Errorf("ParseUsage(%s) = %+v, %v; want %+v, %v", c.raw, got, ok, c.want, c.ok)
		}
	}
}

func TestParseRequest(t *testing.T) {
	for _, c := range []struct {
		body         string
		model        string
		stream, ok   bool
		includeUsage bool
	}{
		{`{"model":"a","stream":true,"stream_options":{"include_usage":true}}`, "a", true, true, true},
		{`{"model":"a","stream":false}`, "a", false, true, false},
		{`{"model":"a\u002Db\"","stream":null}`, `a-b"`, false, true, false},
		{`{"model":"Zürich","stream_options":null}`, "Zürich", false, true, false},
		{`{"model":""}`, "", false, true, false},
		{`{"model":null}`, "", false, true, false},
		{`{"model":7}`, "", false, false, false},
		{`{"model":"a","stream":"true"}`, "", false, false, false},
		{`{"model":"a","stream":1}`, "", false, false, false},
		{`{"Model":"a"}`, "", false, false, false},
	} {
		r, err := ParseRequest(OpChat, []byte(c.body))
		if (err == nil) != c.ok {
			t.Errorf("ParseRequest(%s): %v", c.body, err)
			continue
		}
		if c.ok && (r.Model != c.model || r.Stream != c.stream || r.IncludeUsage != c.includeUsage) {
			t.Errorf("ParseRequest(%s) = model %q, stream %v, usage %v", c.body, r.Model, r.Stream, r.IncludeUsage)
		}
	}
}
