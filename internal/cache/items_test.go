package cache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tollgate/internal/money"
)

// embedded answers a request for embeddings as an upstream does: an input of n bytes is [n].
func embedded(t fataler, request []byte) []byte {
	var body struct {
		Input json.RawMessage `json:"input"`
	}
	if err := json.Unmarshal(request, &body); err != nil {
		t.Fatalf("%v", err)
	}
	inputs := []json.RawMessage{body.Input}
	if body.Input[0] == '[' && body.Input[1] != '1' {
		if err := json.Unmarshal(body.Input, &inputs); err != nil {
			t.Fatalf("%v", err)
		}
	}
	var data []string
	tokens := 0
	for i, input := range inputs {
		data = append(data, fmt.Sprintf(`{"object":"embedding","index":%d,"embedding":[%d]}`, i, len(input)))
		tokens += len(input)
	}
	slices.Reverse(data) // the index tells, not the place
	return fmt.Appendf(nil, `{"object":"list","data":[%s],"model":"up","usage":{"prompt_tokens":%d,"total_tokens":%d}}`, strings.Join(data, ","), tokens, tokens)
}

// embed makes one call through the cache and returns the answer and what went upstream, nil where nothing did.
func (c *Cache) embed(t *testing.T, body string) (answer, upstream []byte, found *Found) {
	t.Helper()
	p := c.ask(t, body)
	if found := p.Lookup(t.Context(), nil); found != nil {
		return found.Body, nil, found
	}
	sent := p.call.Request
	rest := p.Rest()
	if rest != nil {
		sent = rest
	}
	reply := embedded(t, sent.Body)
	whole := reply
	if rest != nil {
		var ok bool
		if whole, ok = p.Merge(reply); !ok {
			t.Fatalf("not merged: %s", reply)
		}
	}
	p.Keep(whole, Served{Deployment: "d1", Upstream: "up", Cost: money.USD(1000 * len(sent.Body)), Priced: true, Prompt: usageOf(t, reply)})
	c.Settle()
	return whole, sent.Body, nil
}

func usageOf(t fataler, reply []byte) int {
	usage, _ := tree(t, reply)["usage"].(map[string]any)
	n, _ := usage["prompt_tokens"].(float64)
	return int(n)
}

// vectors are the embeddings of an answer, in the order of their index.
func vectors(t fataler, reply []byte) []float64 {
	data, _ := tree(t, reply)["data"].([]any)
	list := make([]float64, len(data))
	for _, e := range data {
		one, _ := e.(map[string]any)
		v, _ := one["embedding"].([]any)
		at, _ := one["index"].(float64)
		if one["object"] != "embedding" || len(v) != 1 || list[int(at)] != 0 {
			t.Fatalf("an embedding is %v", e)
		}
		list[int(at)] = v[0].(float64)
	}
	return list
}

// Each input is an entry: a call that shares some with earlier ones asks for the others alone, and gets all in its order.
func TestItems(t *testing.T) {
	c := New(Options{Store: newMemory()})
	defer c.Close()
	for _, step := range []struct {
		input    string
		upstream string // the input that goes upstream; "" = none
		want     []float64
		usage    int
	}{
		{`["a","bb","ccc"]`, `["a","bb","ccc"]`, []float64{3, 4, 5}, 12},
		{`["ccc","a"]`, ``, []float64{5, 3}, 8},
		{`"bb"`, ``, []float64{4}, 4},
		{`["dddd","a","eeeee","ccc"]`, `["dddd","eeeee"]`, []float64{6, 3, 7, 5}, 13},
		{`["a","a"]`, ``, []float64{3, 3}, 6},
		{`["f","f"]`, `["f","f"]`, []float64{3, 3}, 6},
		{`[1,22]`, `[1,22]`, []float64{6}, 6},
		{`[[1,22],"a"]`, ``, []float64{6, 3}, 9},
		{`["\u0061"]`, ``, []float64{3}, 3},
	} {
		answer, sent, _ := c.embed(t, `{"model":"m","input":`+step.input+`}`)
		var body struct{ Input json.RawMessage }
		_ = json.Unmarshal(sent, &body) // "" is no JSON, and nothing
		if string(body.Input) != step.upstream {
			t.Errorf("%s: upstream was asked for %s, want %s", step.input, body.Input, step.upstream)
		}
		if diff := cmp.Diff(step.want, vectors(t, answer)); diff != "" {
			t.Errorf("%s: %s", step.input, diff)
		}
		if got := usageOf(t, answer); got != step.usage {
			t.Errorf("%s: usage %d, want %d", step.input, got, step.usage)
		}
	}
	if _, sent, _ := c.embed(t, `{"model":"m","input":"a","dimensions":4}`); sent == nil {
		t.Error("other dimensions were found")
	}
	if _, sent, _ := c.embed(t, `{"model":"m","input":"a","encoding_format":"base64"}`); sent == nil {
		t.Error("another encoding was found")
	}
}

// For any sequence of calls each gets what the upstream would have answered, and no input that was kept is asked for twice.
func TestItems_AnyCalls(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := New(Options{Store: newMemory()})
		defer c.Close()
		kept := map[string]bool{}
		for range rapid.IntRange(1, 6).Draw(rt, "calls") {
			inputs := rapid.SliceOfN(rapid.StringMatching(`[ab]{1,3}`), 1, 5).Draw(rt, "inputs")
			text, _ := json.Marshal(inputs)
			body := `{"model":"m","input":` + string(text) + `}`
			answer, sent, _ := c.embed(t, body)
			if diff := cmp.Diff(vectors(rt, embedded(rt, []byte(body))), vectors(rt, answer)); diff != "" {
				rt.Fatalf("%s", diff)
			}
			var asked struct{ Input []string }
			_ = json.Unmarshal(sent, &asked) // nothing was sent
			for _, input := range asked.Input {
				if kept[input] {
					rt.Fatalf("%s was asked for again", input)
				}
			}
			for _, input := range inputs {
				kept[input] = true
			}
		}
	})
}

// What a call has cost is divided among its inputs without a rest, and what a hit saves is their sum.
func TestItems_Cost(t *testing.T) {
	c := New(Options{Store: newMemory()})
	defer c.Close()
	_, sent, _ := c.embed(t, `{"model":"m","input":["a","bb","cccccccccc"]}`)
	_, _, found := c.embed(t, `{"model":"m","input":["cccccccccc","bb","a"]}`)
	if want := money.USD(1000 * len(sent)); found == nil || found.Cost != want || !found.Priced || found.Prompt != 19 || found.Deployment != "d1" {
		t.Errorf("found %+v, want a cost of %v", found, want)
	}
	p := c.ask(t, `{"model":"m","input":["a","new","bb"]}`)
	p.Lookup(t.Context(), nil)
	if saved := p.Saved(); saved <= 0 || saved >= found.Cost {
		t.Errorf("a part has saved %v of %v", saved, found.Cost)
	}
	p.Drop(false)
}

func TestShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sum := rapid.Int64Range(0, 1<<62).Draw(t, "sum")
		lengths := rapid.SliceOfN(rapid.IntRange(1, 1<<20), 1, 20).Draw(t, "lengths")
		whole := 0
		for _, n := range lengths {
			whole += n
		}
		var total int64
		at := 0
		for _, n := range lengths {
			part := share(sum, at, at+n, whole)
			if part < 0 {
				t.Fatalf("a negative share")
			}
			total += part
			at += n
		}
		if total != sum {
			t.Fatalf("the shares add up to %d of %d", total, sum)
		}
	})
}

// An upstream that has not answered one embedding for each input is not merged, and nothing of it is kept.
func TestItems_WrongAnswers(t *testing.T) {
	for name, reply := range map[string]string{
		"too few": `{"data":[{"index":0,"embedding":[1]}]}`, "too many": `{"data":[{"index":0,"embedding":[1]},{"index":1,"embedding":[1]},{"index":2,"embedding":[1]}]}`,
		"one twice": `{"data":[{"index":1,"embedding":[1]},{"index":1,"embedding":[1]}]}`, "beyond": `{"data":[{"index":0,"embedding":[1]},{"index":7,"embedding":[1]}]}`,
		"empty": `{"data":[{"index":0,"embedding":[1]},{"index":1,"embedding":[]}]}`, "none": `{"data":[{"index":0},{"index":1}]}`, "no list": `{"data":{}}`, "no JSON": `{`,
		"a text for an index": `{"data":[{"index":"0","embedding":[1]},{"index":1,"embedding":[1]}]}`, "no objects": `{"data":[1,2]}`,
	} {
		store := newMemory()
		c := New(Options{Store: store})
		c.embed(t, `{"model":"m","input":"a"}`)
		p := c.ask(t, `{"model":"m","input":["b","a","c"]}`)
		p.Lookup(t.Context(), nil)
		if _, ok := p.Merge([]byte(reply)); ok {
			t.Errorf("%s: merged", name)
		}
		p.Drop(false)
		p = c.ask(t, `{"model":"m","input":["b","c"]}`)
		p.Lookup(t.Context(), nil)
		p.Keep([]byte(reply), Served{})
		c.Settle()
		if store.sets != 1 {
			t.Errorf("%s: kept", name)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// many is a store that fetches and stores many entries at once.
type many struct {
	*memory
	fetched, stored int
	short           bool // it answers for fewer keys than it was asked for
}

func (m *many) GetMany(ctx context.Context, keys []string) ([][]byte, error) {
	m.fetched++
	values := make([][]byte, len(keys))
	for i, key := range keys {
		v, err := m.Get(ctx, key)
		if err != nil && !errors.Is(err, ErrMiss) {
			return nil, err
		}
		values[i] = v
	}
	if m.short {
		values = values[:1]
	}
	return values, nil
}

func (m *many) SetMany(ctx context.Context, entries []KeyValue, ttl time.Duration) error {
	m.stored++
	for _, e := range entries {
		if err := m.Set(ctx, e.Key, e.Value, ttl); err != nil {
			return err
		}
	}
	return nil
}

// A store that can is asked once for all inputs.
func TestItems_Many(t *testing.T) {
	store := &many{memory: newMemory()}
	c := New(Options{Store: store})
	defer c.Close()
	c.embed(t, `{"model":"m","input":["a","bb","ccc"]}`)
	if _, sent, _ := c.embed(t, `{"model":"m","input":["bb","a"]}`); sent != nil || store.fetched != 2 || store.stored != 1 {
		t.Errorf("upstream was asked for %s, %d look-ups, %d writes", sent, store.fetched, store.stored)
	}
	store.short = true
	if answer, _, _ := c.embed(t, `{"model":"m","input":["bb","a"]}`); !cmp.Equal(vectors(t, answer), []float64{4, 3}) {
		t.Errorf("%s", answer)
	}
}
