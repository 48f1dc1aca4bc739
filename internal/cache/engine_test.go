package cache

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tollgate/internal/openai"
)

const rome = `{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"up","choices":[{"index":0,"message":{"role":"assistant","content":"Rome."},"finish_reason":"stop"}],"usage":{"prompt_tokens":10,"completion_tokens":2,"total_tokens":12}}`

// ask plans a call of one tenant.
func (c *Cache) ask(t *testing.T, body string, change ...func(c *Call)) *Plan {
	t.Helper()
	op := openai.OpChat
	if strings.Contains(body, `"input"`) {
		op = openai.OpEmbedding
	}
	r, err := openai.ParseRequest(op, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	call := &Call{Request: r, Header: http.Header{}, Alias: r.Model, Tenant: Tenant{Key: "k"}}
	for _, f := range change {
		f(call)
	}
	p, err := c.Plan(call)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// question is a chat with more members.
func question(more string) string {
	return `{"model":"m","messages":[{"role":"user","content":"Where?"}]` + more + `}`
}

// What one call has kept the next one finds, as it was, until its time is over.
func TestCache_Life(t *testing.T) {
	for name, tt := range map[string]struct {
		o       Options
		control string
		want    time.Duration
	}{
		"the store's own":        {Options{}, "", time.Hour},
		"configured":             {Options{TTL: time.Minute}, "", time.Minute},
		"the caller's":           {Options{TTL: time.Minute}, `,"cache":{"ttl":5}`, 5 * time.Second},
		"the caller's, in parts": {Options{}, `,"cache":{"ttl":0.25}`, 250 * time.Millisecond},
		"without end":            {Options{}, `,"cache":{"ttl":1e300}`, longestTTL},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tt.o.Store = newMemory()
				c := New(tt.o)
				defer c.Close()
				p := c.ask(t, question(tt.control))
				if p.Lookup(t.Context(), nil) != nil {
					t.Fatal("found before anything was kept")
				}
				p.Keep([]byte(rome), Served{Deployment: "d1", Cost: 7, Priced: true, Prompt: 10, Completion: 2})
				c.Settle()
				time.Sleep(tt.want - time.Nanosecond)
				p = c.ask(t, question(tt.control))
				found := p.Lookup(t.Context(), nil)
				if found == nil || string(found.Body) != rome || found.Deployment != "d1" || found.Cost != 7 || !found.Priced || found.Prompt != 10 || found.Key != p.Key() || found.Similarity != 0 {
					t.Fatalf("found %+v", found)
				}
				time.Sleep(time.Nanosecond)
				p = c.ask(t, question(tt.control))
				if p.Lookup(t.Context(), nil) != nil {
					t.Error("found after its time")
				}
				p.Drop(false)
			})
		})
	}
}

// What a call says of the cache is heeded.
func TestCache_Controls(t *testing.T) {
	header := func(value string) func(c *Call) {
		return func(c *Call) { c.Header["Cache-Control"] = []string{value} }
	}
	for name, tt := range map[string]struct {
		body          string
		change        func(c *Call)
		optIn         bool
		reads, writes bool
	}{
		"nothing":                        {"", nil, false, true, true},
		"no-cache":                       {`,"cache":{"no-cache":true}`, nil, false, false, true},
		"no-store":                       {`,"cache":{"no-store":true}`, nil, false, true, false},
		"both":                           {`,"cache":{"no-cache":true,"no-store":true}`, nil, false, false, false},
		"false":                          {`,"cache":{"no-cache":false,"no-store":false}`, nil, false, true, true},
		"ttl 0":                          {`,"cache":{"ttl":0}`, nil, false, true, false},
		"nulls":                          {`,"cache":{"ttl":null,"no-cache":null},"caching":null`, nil, false, true, true},
		"unknown ones":                   {`,"cache":{"type":"redis"}`, nil, false, true, true},
		"caching false":                  {`,"caching":false`, nil, false, false, false},
		"use-cache false":                {`,"cache":{"use-cache":false}`, nil, false, false, false},
		"default off":                    {"", nil, true, false, false},
		"default off, use-cache":         {`,"cache":{"use-cache":true}`, nil, true, true, true},
		"default off, caching":           {`,"caching":true`, nil, true, true, true},
		"default off, use-cache false":   {`,"caching":true,"cache":{"use-cache":false}`, nil, true, false, false},
		"header no-cache":                {"", header("no-cache"), false, false, true},
		"header no-store":                {"", header("No-Store, max-age=60"), false, true, false},
		"header max-age=0":               {"", header("max-age=0"), false, true, true}, // and nothing is young enough
		"header s-maxage":                {"", header("s-maxage=0"), false, true, false},
		"header nobody understands":      {"", header("max-age=soon, private, =,"), false, true, true},
		"the body counts over a header":  {`,"cache":{"no-cache":false}`, header("no-cache"), false, true, true},
		"the body's ttl over a header's": {`,"cache":{"ttl":9}`, header("s-maxage=0"), false, true, true},
	} {
		c := New(Options{Store: newMemory(), OptIn: tt.optIn})
		var change []func(c *Call)
		if tt.change != nil {
			change = append(change, tt.change)
		}
		p := c.ask(t, question(tt.body), change...)
		reads, writes := p != nil && p.reads, p != nil && p.writes
		if reads != tt.reads || writes != tt.writes {
			t.Errorf("%s: reads %v, writes %v", name, reads, writes)
		}
	}
}

func TestCache_WrongControls(t *testing.T) {
	for body, param := range map[string]string{
		`,"cache":true`: "cache", `,"cache":"no-cache"`: "cache", `,"cache":[]`: "cache", `,"caching":1`: "caching", `,"cache":{"ttl":"5"}`: "cache.ttl", `,"cache":{"ttl":-1}`: "cache.ttl",
		`,"cache":{"s-maxage":true}`: "cache.s-maxage", `,"cache":{"s-max-age":"x"}`: "cache.s-max-age", `,"cache":{"no-cache":"yes"}`: "cache.no-cache", `,"cache":{"namespace":5}`: "cache.namespace",
		`,"cache":{"namespace":"a b"}`: "cache.namespace", `,"cache":{"namespace":"` + strings.Repeat("x", 129) + `"}`: "cache.namespace", `,"metadata":{"redis_namespace":"a\nb"}`: "cache.namespace",
	} {
		r, err := openai.ParseRequest(openai.OpChat, []byte(question(body)))
		if err != nil {
			t.Fatal(err)
		}
		_, err = New(Options{Store: newMemory()}).Plan(&Call{Request: r, Alias: "m", Tenant: Tenant{Key: "k"}})
		var parse *openai.ParseError
		if !errors.As(err, &parse) || parse.Param != param {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// s-maxage takes only what is younger; what is older stays for others.
func TestCache_MaxAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Options{Store: newMemory()})
		defer c.Close()
		p := c.ask(t, question(""))
		p.Lookup(t.Context(), nil)
		p.Keep([]byte(rome), Served{})
		c.Settle()
		time.Sleep(10 * time.Second)
		for control, want := range map[string]bool{`{"s-maxage":11}`: true, `{"s-max-age":10}`: false, `{"s-maxage":0}`: false, `{"s-maxage":3600}`: true, `{}`: true} {
			p := c.ask(t, question(`,"cache":`+control))
			if found := p.Lookup(t.Context(), nil) != nil; found != want {
				t.Errorf("%s: found %v", control, found)
			}
			p.Drop(false)
		}
	})
}

// Only the configured kinds of calls are cached.
func TestCache_CallTypes(t *testing.T) {
	for _, tt := range []struct {
		types            []string
		chat, embeddings bool
	}{{nil, true, true}, {[]string{"acompletion"}, true, false}, {[]string{"embedding", "rerank"}, false, true}, {[]string{}, false, false}} {
		c := New(Options{Store: newMemory(), CallTypes: tt.types})
		if chat := c.ask(t, question("")) != nil; chat != tt.chat {
			t.Errorf("%v: chat %v", tt.types, chat)
		}
		if embeddings := c.ask(t, `{"model":"m","input":"x"}`) != nil; embeddings != tt.embeddings {
			t.Errorf("%v: embeddings %v", tt.types, embeddings)
		}
	}
}

// Equal calls that are under way at once share one answer: 64 callers, one of them goes upstream.
func TestCache_Coalescing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		c := New(Options{Store: store})
		defer c.Close()
		var upstream, shared, waited atomic.Int64
		var all sync.WaitGroup
		for range 64 {
			all.Go(func() {
				p := c.ask(t, question(""))
				if found := p.Lookup(t.Context(), func() { waited.Add(1) }); found != nil {
					if string(found.Body) != rome || !found.Shared {
						t.Errorf("found %+v", found)
					}
					shared.Add(1)
					return
				}
				upstream.Add(1)
				time.Sleep(2 * time.Second)
				p.Keep([]byte(rome), Served{})
			})
		}
		all.Wait()
		if upstream.Load() != 1 || shared.Load() != 63 || waited.Load() != 63 {
			t.Errorf("%d calls upstream, %d shared, %d waited", upstream.Load(), shared.Load(), waited.Load())
		}
		c.Settle()
		if n := len(c.flights.running); n != 0 {
			t.Errorf("%d flights are left", n)
		}
	})
}

// When the upstream of the first has failed, each of the others goes by itself, at once; when the first's caller has left, one
// of the others takes its place, and they still share.
func TestCache_LeaderFails(t *testing.T) {
	for name, tt := range map[string]struct {
		left     bool
		upstream int64
		took     time.Duration
	}{"the upstream": {false, 16, 3 * time.Second}, "the caller": {true, 2, 3 * time.Second}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := New(Options{Store: newMemory()})
				defer c.Close()
				first := c.ask(t, question(""))
				first.Lookup(t.Context(), nil)
				var upstream atomic.Int64
				upstream.Add(1)
				begun := time.Now()
				var all sync.WaitGroup
				for range 15 {
					all.Go(func() {
						p := c.ask(t, question(""))
						if p.Lookup(t.Context(), nil) != nil {
							return
						}
						upstream.Add(1)
						time.Sleep(2 * time.Second)
						p.Keep([]byte(rome), Served{})
					})
				}
				time.Sleep(time.Second)
				first.Drop(tt.left)
				first.Drop(tt.left) // once more does nothing
				all.Wait()
				if upstream.Load() != tt.upstream || time.Since(begun) != tt.took {
					t.Errorf("%d calls upstream in %v", upstream.Load(), time.Since(begun))
				}
			})
		})
	}
}

// A call waits no longer than it may: less where its caller wants a stream, and not beyond its caller's leaving.
func TestCache_WaitIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Options{Store: newMemory()})
		defer c.Close()
		leader := c.ask(t, question(""))
		leader.Lookup(t.Context(), nil)
		took := func(ctx context.Context, more string) time.Duration {
			begun := time.Now()
			p := c.ask(t, question(more))
			if p.Lookup(ctx, nil) != nil {
				t.Error("found what is not there yet")
			}
			p.Drop(false)
			return time.Since(begun)
		}
		if d := took(t.Context(), ""); d != standardWait {
			t.Errorf("waits %v for an answer in one piece", d)
		}
		if d := took(t.Context(), `,"stream":true`); d != standardStreamWait {
			t.Errorf("waits %v for a stream", d)
		}
		gone, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if d := took(gone, ""); d != time.Second {
			t.Errorf("waits %v for a caller who has left", d)
		}
		for _, alone := range []string{`,"cache":{"no-store":true}`, `,"cache":{"s-maxage":60}`, `,"cache":{"no-cache":true}`, `,"seed":1`} {
			if d := took(t.Context(), alone); d != 0 {
				t.Errorf("%s waits %v", alone, d)
			}
		}
		leader.Drop(false)
		c = New(Options{Store: newMemory(), Wait: -1, StreamWait: -1})
		defer c.Close()
		leader = c.ask(t, question(""))
		leader.Lookup(t.Context(), nil)
		if d := took(t.Context(), ""); d != 0 {
			t.Errorf("waits %v where waiting is off", d)
		}
	})
}

// Who comes while the answer is on its way into the store gets it.
func TestCache_SlowStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		store.before = func(_ context.Context, what string) error {
			if what == "set" {
				time.Sleep(time.Second)
			}
			return nil
		}
		c := New(Options{Store: store})
		defer c.Close()
		p := c.ask(t, question(""))
		p.Lookup(t.Context(), nil)
		begun := time.Now()
		p.Keep([]byte(rome), Served{})
		if time.Since(begun) > 0 {
			t.Error("the caller has waited for the store")
		}
		if found := c.ask(t, question("")).Lookup(t.Context(), nil); found == nil || !found.Shared {
			t.Errorf("found %+v", found)
		}
	})
}

// events counts what a cache tells.
type events struct {
	mu    sync.Mutex
	count map[string]int
}

func (e *events) CacheEvent(ev Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.count[string(ev.Kind)+" "+ev.Operation]++
}

// A store that fails, or hangs, is a miss within the time that a look-up may take; after five failures in a row it is not asked
// for a while, then by one call, and when that goes well by all.
func TestCache_BrokenStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, seen := newMemory(), &events{count: map[string]int{}}
		hangs := func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }
		store.before = hangs
		c := New(Options{Store: store, Observer: seen, Timeout: 100 * time.Millisecond})
		defer c.Close()
		look := func(i int) time.Duration {
			begun := time.Now()
			p := c.ask(t, question(fmt.Sprintf(`,"seed":%d,"cache":{"no-store":true}`, i)))
			if p.Lookup(t.Context(), nil) != nil {
				t.Error("found something")
			}
			return time.Since(begun)
		}
		for i := range breakerFailures {
			if d := look(i); d != 100*time.Millisecond {
				t.Errorf("look-up %d took %v", i, d)
			}
		}
		if d := look(6); d != 0 {
			t.Errorf("a store that has failed again and again is asked: %v", d)
		}
		time.Sleep(breakerPause)
		if d := look(7); d != 100*time.Millisecond {
			t.Errorf("after the pause it is not tried: %v", d)
		}
		if d := look(8); d != 0 {
			t.Errorf("after a try that failed it is asked: %v", d)
		}
		time.Sleep(breakerPause)
		store.before = nil
		look(9)
		look(10)
		if store.gets != 2 {
			t.Errorf("it works again and was asked %d times of 2", store.gets)
		}
		if seen.count["failed get"] != breakerFailures+1 || seen.count["skipped get"] != 2 || seen.count["miss exact"] != 10 {
			t.Errorf("%v", seen.count)
		}
	})
}

// What is in the store and is no answer is a miss.
func TestCache_Garbage(t *testing.T) {
	store := newMemory()
	c := New(Options{Store: store})
	defer c.Close()
	key := c.ask(t, question("")).Key()
	for _, garbage := range []string{"", "x", "{}", `{"timestamp":1}`, `{"timestamp":"now","response":"{}"}`, `{"timestamp":1,"response":{}}`, `{"timestamp":1,"response":"[1]"}`, `{"timestamp":1,"response":"{\"a\""}`,
		`{"timestamp":1e300,"response":"{}"}`, `{"timestamp":1,"response":"{}","tollgate":{"cost":"much"}}`, `{'timestamp': 1, 'response': '{}'}`,
		`{"timestamp":1,"response":"{}"}`, `{"timestamp":1,"response":"{\"choices\":[]}"}`, `{"timestamp":1,"response":"{\"choices\":[{\"message\":{\"content\":\"cut\"}}]}"}`,
		`{"timestamp":1,"response":` + strconv.Quote(rome) + `,"tollgate":{"cost":-1}}`, `{"timestamp":1,"response":` + strconv.Quote(rome) + `,"tollgate":{"prompt_tokens":-1}}`} {
		_ = store.Set(t.Context(), key, []byte(garbage), time.Hour)
		p := c.ask(t, question(""))
		if found := p.Lookup(t.Context(), nil); found != nil {
			t.Errorf("%s: found %+v", garbage, found)
		}
		p.Drop(false)
	}
	const body = `{"choices":[{"message":{"content":"of LiteLLM"},"finish_reason":"stop"}]}`
	_ = store.Set(t.Context(), key, []byte(`{"timestamp":1700000000.5,"response":`+strconv.Quote(body)+`}`), time.Hour)
	if found := c.ask(t, question("")).Lookup(t.Context(), nil); found == nil || string(found.Body) != body || found.Time.UnixMilli() != 1700000000500 {
		t.Errorf("LiteLLM's form: %+v", found)
	}
}

// What is too long is not kept, and what waits for the store is bounded.
func TestCache_Bounds(t *testing.T) {
	store, seen := newMemory(), &events{count: map[string]int{}}
	gate := make(chan struct{})
	store.before = func(_ context.Context, what string) error {
		if what == "set" {
			<-gate
		}
		return nil
	}
	c := New(Options{Store: store, Observer: seen})
	keep := func(i, size int) {
		p := c.ask(t, question(fmt.Sprintf(`,"seed":%d`, i)))
		p.Lookup(t.Context(), nil)
		p.Keep(make([]byte, size), Served{})
	}
	keep(0, standardLargestItem+1)
	for i := range 20 {
		keep(i, 4<<20)
	}
	close(gate)
	c.Settle()
	if store.sets != mostWaiting/(4<<20+waitCost) || seen.count["dropped set"] != 20-store.sets || len(c.flights.running) != 0 {
		t.Errorf("%d are stored, %v, %d flights are left", store.sets, seen.count, len(c.flights.running))
	}
	gate = make(chan struct{}) // many short ones are bounded too: each waits in a goroutine
	before, dropped := store.sets, seen.count["dropped set"]
	for i := range mostWaiting/waitCost + 100 {
		keep(100+i, 1)
	}
	close(gate)
	c.Settle()
	if got := store.sets - before; got > mostWaiting/waitCost || seen.count["dropped set"] == dropped {
		t.Errorf("%d short answers have waited at once", got)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	keep(99, 10) // after the end: nothing happens
	if len(c.flights.running) != 0 {
		t.Error("a flight is left after the end")
	}
}

// Only whole answers that say something are kept.
func TestKept(t *testing.T) {
	choice := func(message, reason string) string {
		return `{"choices":[{"index":0,"message":` + message + `,"finish_reason":` + reason + `}]}`
	}
	for name, tt := range map[string]struct {
		op      openai.Operation
		body    string
		limited bool
		want    bool
	}{
		"an answer":                 {openai.OpChat, rome, false, true},
		"a call":                    {openai.OpChat, choice(`{"content":null,"tool_calls":[{"id":"c"}]}`, `"tool_calls"`), false, true},
		"a refusal":                 {openai.OpChat, choice(`{"content":null,"refusal":"no"}`, `"stop"`), false, true},
		"empty":                     {openai.OpChat, choice(`{"content":""}`, `"stop"`), false, false},
		"null":                      {openai.OpChat, choice(`{"content":null}`, `"stop"`), false, false},
		"reasoning alone":           {openai.OpChat, choice(`{"content":"","reasoning_content":"hm"}`, `"length"`), false, false},
		"not ended":                 {openai.OpChat, choice(`{"content":"x"}`, `null`), false, false},
		"filtered":                  {openai.OpChat, choice(`{"content":"x"}`, `"content_filter"`), false, false},
		"bounded by the caller":     {openai.OpChat, choice(`{"content":"x"}`, `"length"`), false, true},
		"bounded by a budget":       {openai.OpChat, choice(`{"content":"x"}`, `"length"`), true, false},
		"within a budget's bound":   {openai.OpChat, rome, true, true},
		"no choices":                {openai.OpChat, `{"choices":[]}`, false, false},
		"null choices":              {openai.OpChat, `{"choices":null}`, false, false},
		"one of two is empty":       {openai.OpChat, `{"choices":[{"message":{"content":"x"},"finish_reason":"stop"},{"message":{"content":""},"finish_reason":"stop"}]}`, false, false},
		"an error":                  {openai.OpChat, `{"error":{"message":"x"},"choices":[{"message":{"content":"x"},"finish_reason":"stop"}]}`, false, false},
		"no JSON":                   {openai.OpChat, `{`, false, false},
		"a text":                    {openai.OpCompletion, `{"choices":[{"text":"x","finish_reason":"stop"}]}`, false, true},
		"an empty text":             {openai.OpCompletion, `{"choices":[{"text":"","finish_reason":"stop"}]}`, false, false},
		"embeddings":                {openai.OpEmbedding, `{"data":[{"embedding":[1]}]}`, false, true},
		"no embeddings":             {openai.OpEmbedding, `{"data":[]}`, false, false},
		"a ranking":                 {openai.OpRerank, `{"results":[{"index":0}]}`, false, true},
		"an empty ranking":          {openai.OpRerank, `{"results":[]}`, false, false},
		"a chat's answer elsewhere": {openai.OpRerank, rome, false, false},
	} {
		if got := Kept(tt.op, []byte(tt.body), tt.limited); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
