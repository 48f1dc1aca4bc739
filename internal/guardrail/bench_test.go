package guardrail_test

import (
	"encoding/json"
	"strings"
	"testing"

	"tollgate/internal/guardrail"
	"tollgate/internal/openai"
)

// FuzzStream: whatever an upstream sends, a guarded stream ends, and what it gives is JSON.
func FuzzStream(f *testing.F) {
	f.Add([]byte(chunk(0, contentDelta("a s-12"), "")), []byte(chunk(0, contentDelta("345 b"), `"stop"`)))
	f.Add([]byte(chunk(1, `{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"a\":\"s-12345\"}"}}]}`, "")), []byte(usageChunk))
	f.Add([]byte(`{"choices":[{"delta":{"thinking_blocks":[{"thinking":"s-12345"}],"audio":{"transcript":"t"}}},{"index":2,"text":"x"}],"usage":{}}`), []byte(`{"choices":[{"delta":{"function_call":{"arguments":"{}"}}}]}`))
	windows := newSet(f, on("w", masking(), guardrail.PostCall))
	whole := newSet(f, on("w", &masking().pattern, guardrail.PostCall))
	f.Fuzz(func(t *testing.T, one, two []byte) {
		if !json.Valid(one) || !json.Valid(two) {
			return
		}
		for _, s := range []*guardrail.Set{windows, whole} {
			run, _ := start(t, s, hello)
			_, _ = read(t, run.Stream(t.Context(), &chunks{list: []string{string(one), string(two), string(one), string(two)}}))
		}
	})
}

func BenchmarkStreamInWindows(b *testing.B) {
	g := masking()
	g.overlap = 100
	s := newSet(b, on("g", g, guardrail.PostCall))
	run, err := s.Select(guardrail.Selection{Request: parse(b, openai.OpChat, hello)})
	if err != nil {
		b.Fatal(err)
	}
	list := streamOf(strings.SplitAfter(strings.Repeat("all work and no play ", 100), " ")...).list
	b.ReportAllocs()
	for b.Loop() {
		stream := run.Stream(b.Context(), &chunks{list: list})
		for {
			if _, err := stream.Next(); err != nil {
				break
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(list)), "ns/chunk")
}

func BenchmarkPre400kB(b *testing.B) {
	s := newSet(b, on("g", masking(), guardrail.PreCall))
	req := parse(b, openai.OpChat, `{"model":"m","messages":[{"role":"user","content":"`+strings.Repeat(`All work and no play.\n`, 18000)+` s-12345"}]}`)
	b.SetBytes(int64(len(req.Body)))
	b.ReportAllocs()
	for b.Loop() {
		run, err := s.Select(guardrail.Selection{Request: req})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := run.Pre(b.Context(), req); err != nil {
			b.Fatal(err)
		}
	}
}
