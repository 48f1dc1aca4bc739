package gateway_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/internal/cache"
	"tollgate/internal/cache/local"
	"tollgate/internal/cache/memoryvectors"
	"tollgate/internal/gateway"
)

// withCache gives a gateway a cache in memory.
func withCache(t testing.TB, h http.Handler, o cache.Options) *cache.Cache {
	t.Helper()
	if o.Semantic == nil {
		store, err := local.New(local.Options{})
		if err != nil {
			t.Fatal(err)
		}
		o.Store = store
	}
	c := cache.New(o)
	h.(*gateway.Gateway).SetCache(c)
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// cached is a gateway with a cache whose upstream says Rome.
func cached(t *testing.T) (g *governed, c *cache.Cache, times *atomic.Int64) {
	t.Helper()
	g = govern(t, "")
	c = withCache(t, g.handler, cache.Options{})
	times, _ = g.says("Rome is in Italy, and has been there for a while.")
	return g, c, times
}

// hit fails the test unless the answer came out of the cache, or did not.
func hit(t *testing.T, r reply, want bool) {
	t.Helper()
	if key := r.header.Get("X-Litellm-Cache-Key"); r.status != http.StatusOK || (key != "") != want {
		t.Fatalf("status %d, cache key %q, want a hit: %v: %s", r.status, key, want, r.text)
	}
}

// The second of two equal calls is answered from the cache: the same answer, for nothing, with the headers of who served it.
func TestCache_Hit(t *testing.T) {
	g, c, times := cached(t)
	key := g.key(t, `{}`)
	first := g.chat(t, key, ask("Where?", ""))
	hit(t, first, false)
	c.Settle()
	spent := g.spend(t, key)
	second := g.chat(t, key, ask("Where?", ""))
	hit(t, second, true)
	if times.Load() != 1 || second.text != first.text {
		t.Errorf("upstream was asked %d times: %s, then %s", times.Load(), first.text, second.text)
	}
	for _, name := range []string{"X-Litellm-Model-Id", "X-Litellm-Model-Group", "X-Litellm-Model-Api-Base", "X-Tollgate-Served-Model"} {
		if first.header.Get(name) != second.header.Get(name) || second.header.Get(name) == "" {
			t.Errorf("%s is %q, of a hit %q", name, first.header.Get(name), second.header.Get(name))
		}
	}
	if cost := second.header.Get("X-Litellm-Response-Cost"); cost != "0.0" {
		t.Errorf("a hit costs %s", cost)
	}
	if again := g.spend(t, key); again != spent || spent == 0 {
		t.Errorf("the key has spent %v, and %v after a hit", spent, again)
	}
	rows := g.rows(t, key)
	if len(rows) != 2 {
		t.Fatalf("%d rows", len(rows))
	}
	for _, row := range rows {
		metadata, _ := row["metadata"].(map[string]any)
		id, _ := row["request_id"].(string)
		switch row["cache_hit"] {
		case "True":
			if row["spend"] != 0.0 || !strings.HasPrefix(id, "chatcmpl-1_cache_hit") || metadata["tollgate_saved_cost"] != spent || row["completion_tokens"] != 100.0 || row["cache_key"] != second.header.Get("X-Litellm-Cache-Key") {
				t.Errorf("the row of the hit: %v", row)
			}
		case "False":
			if row["spend"] != spent || id != "chatcmpl-1" || row["cache_key"] != second.header.Get("X-Litellm-Cache-Key") {
				t.Errorf("the row of the miss: %v", row)
			}
		default:
			t.Errorf("cache_hit is %v", row["cache_hit"])
		}
	}
}

// A stream fills the cache for callers who want one piece, and one piece for those who want a stream.
func TestCache_Streams(t *testing.T) {
	for name, fill := range map[string]string{"out of a stream": `,"stream":true`, "out of one piece": ""} {
		t.Run(name, func(t *testing.T) {
			g, c, times := cached(t)
			key := g.key(t, `{}`)
			hit(t, g.chat(t, key, ask("Where?", fill)), false)
			c.Settle()
			const want = "Rome is in Italy, and has been there for a while."
			whole := g.chat(t, key, ask("Where?", ""))
			hit(t, whole, true)
			choices, _ := whole.json(t)["choices"].([]any)
			choice, _ := choices[0].(map[string]any)
			message, _ := choice["message"].(map[string]any)
			usage, _ := whole.json(t)["usage"].(map[string]any)
			if message["content"] != want || choice["finish_reason"] != "stop" || usage["completion_tokens"] != 100.0 || whole.json(t)["model"] != "plain" || whole.json(t)["object"] != "chat.completion" {
				t.Errorf("in one piece: %s", whole.text)
			}
			stream := g.chat(t, key, ask("Where?", `,"stream":true,"stream_options":{"include_usage":true}`))
			hit(t, stream, true)
			said, failed := streamed(t, stream.text)
			if said != want || failed != "" || strings.Count(stream.text, `"delta":{"content":`) < 2 || strings.Count(stream.text, `"finish_reason":"stop"`) != 1 ||
				!strings.HasSuffix(stream.text, "data: [DONE]\n\n") || strings.Count(stream.text, `"completion_tokens":100`) != 1 || !strings.Contains(stream.text, `"model":"plain"`) {
				t.Errorf("as a stream: %s", stream.text)
			}
			if cost := stream.header.Get("X-Litellm-Response-Cost"); cost != "0.0" || stream.header.Get("Content-Type") != "text/event-stream" {
				t.Errorf("headers %v", stream.header)
			}
			if bare := g.chat(t, key, ask("Where?", `,"stream":true`)); strings.Contains(bare.text, "usage") {
				t.Errorf("usage that nobody has asked for: %s", bare.text)
			}
			if times.Load() != 1 {
				t.Errorf("upstream was asked %d times", times.Load())
			}
		})
	}
}

// A stream that breaks off, that its caller leaves, or that a budget cuts, fills nothing.
func TestCache_BrokenStreams(t *testing.T) {
	g := govern(t, "")
	c := withCache(t, g.handler, cache.Options{})
	key := g.key(t, `{}`)
	g.upstream(func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
		w.Header().Set("Content-Type", "text/event-stream")
		chunk(w, `{"content":"Ro"}`)
	})
	g.chat(t, key, ask("Where?", `,"stream":true`))
	g.upstream(func(w http.ResponseWriter, _ *http.Request, _ map[string]any) {
		w.Header().Set("Content-Type", "text/event-stream")
		for chunk(w, `{"content":"Ro"}`) {
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	w := &leavingCaller{ResponseRecorder: httptest.NewRecorder(), cancel: cancel}
	g.serve(ctx, w, "POST", "/v1/chat/completions", ask("Where?", `,"stream":true`), key)
	c.Settle()
	times, _ := g.says("Rome.")
	hit(t, g.chat(t, key, ask("Where?", "")), false)
	if times.Load() != 1 {
		t.Error("a stream that was not whole was kept")
	}
}

// leavingCaller is a caller who leaves after the first event.
type leavingCaller struct {
	*httptest.ResponseRecorder
	cancel func()
}

func (l *leavingCaller) Write(b []byte) (int, error) {
	l.cancel()
	return l.ResponseRecorder.Write(b)
}

// Errors are not kept, nor what a fallback has said in another model's name.
func TestCache_NotKept(t *testing.T) {
	g := govern(t, "")
	c := withCache(t, g.handler, cache.Options{})
	key := g.key(t, `{}`)
	falls := strings.Replace(ask("Where?", ""), "plain", "falls", 1)
	broken := strings.Replace(ask("Where?", ""), "plain", "broken", 1)
	for range 2 {
		if r := g.chat(t, key, broken); r.status != http.StatusInternalServerError || r.header.Get("X-Litellm-Cache-Key") != "" {
			t.Errorf("status %d", r.status)
		}
		r := g.chat(t, key, falls)
		hit(t, r, false)
		if r.header.Get("X-Litellm-Attempted-Fallbacks") != "1" {
			t.Errorf("fallbacks %s", r.header.Get("X-Litellm-Attempted-Fallbacks"))
		}
		c.Settle()
	}
	g.says("")
	hit(t, g.chat(t, key, ask("Nothing?", "")), false)
	c.Settle()
	hit(t, g.chat(t, key, ask("Nothing?", "")), false)
}

// Keys of a team share, others do not, whatever namespace they name; the master key is by itself.
func TestCache_Tenants(t *testing.T) {
	g, c, times := cached(t)
	team := g.post(t, "/team/new", `{"team_alias":"a"}`, masterKey).json(t)["team_id"]
	one, two := g.key(t, fmt.Sprintf(`{"team_id":%q}`, team)), g.key(t, fmt.Sprintf(`{"team_id":%q}`, team))
	alone, other := g.key(t, `{}`), g.key(t, `{}`)
	for i, step := range []struct {
		key string
		hit bool
	}{{one, false}, {two, true}, {alone, false}, {other, false}, {masterKey, false}, {one, true}, {alone, true}, {masterKey, true}} {
		for _, namespace := range []string{"", `,"cache":{"namespace":"shared"}`} {
			r := g.chat(t, step.key, ask("Where?", namespace))
			if got := r.header.Get("X-Litellm-Cache-Key") != ""; got != step.hit {
				t.Errorf("step %d%s: hit %v", i, namespace, got)
			}
			c.Settle()
		}
	}
	if times.Load() != 8 {
		t.Errorf("upstream was asked %d times", times.Load())
	}
	// The keys of logins have one team in LiteLLM's tables, and are strangers to each other.
	if gateway.SharingTeam("litellm-dashboard") != "" || gateway.SharingTeam("a") != "a" {
		t.Error("logins share answers, or a team does not")
	}
}

// A hit is a call: it counts as a request, and a key that may not call is refused before. Its tokens count nowhere.
func TestCache_Admission(t *testing.T) {
	g, c, times := cached(t)
	body := `{"model":"plain","max_tokens":4,"messages":[{"role":"user","content":"Where?"}]}`
	key := g.key(t, `{"rpm_limit":3}`)
	for i, want := range []int{200, 200, 200, 429} {
		if r := g.chat(t, key, body); r.status != want {
			t.Errorf("call %d: status %d: %s", i, r.status, r.text)
		}
		c.Settle()
	}
	key = g.key(t, `{"tpm_limit":300}`)
	for i := range 6 {
		if r := g.chat(t, key, body); r.status != http.StatusOK {
			t.Errorf("call %d of a key with a limit on tokens: status %d: %s", i, r.status, r.text)
		}
		c.Settle()
	}
	if times.Load() != 2 {
		t.Errorf("upstream was asked %d times", times.Load())
	}
	team := g.post(t, "/team/new", `{}`, masterKey).json(t)["team_id"]
	rich, poor := g.key(t, fmt.Sprintf(`{"team_id":%q}`, team)), g.key(t, fmt.Sprintf(`{"team_id":%q,"max_budget":0.0000001}`, team))
	narrow := g.key(t, fmt.Sprintf(`{"team_id":%q,"models":["free"]}`, team))
	hit(t, g.chat(t, rich, body), false)
	c.Settle()
	hit(t, g.chat(t, rich, body), true)
	if r := g.chat(t, poor, body); r.status != http.StatusTooManyRequests || r.errorField(t, "type") != "budget_exceeded" {
		t.Errorf("a key whose budget does not bear the call: %d %s", r.status, r.text)
	}
	if r := g.chat(t, narrow, body); r.status != http.StatusForbidden {
		t.Errorf("a key without the model: %d %s", r.status, r.text)
	}
}

// What guardrails have masked is what is looked for and kept; those of after the call look at hits too.
func TestCache_Guardrails(t *testing.T) {
	g := guarded(t, "", nil, "mask pre_call")
	c := withCache(t, g.handler, cache.Options{})
	times, _ := g.says("Rome.")
	key := g.key(t, `{}`)
	hit(t, g.chat(t, key, ask("Where is s-1?", "")), false)
	c.Settle()
	hit(t, g.chat(t, key, ask("Where is s-2?", "")), true) // the model would be asked the same
	if times.Load() != 1 {
		t.Errorf("upstream was asked %d times", times.Load())
	}
	for _, stream := range []string{"", `,"stream":true`} {
		g = guarded(t, "", nil, "mask post_call")
		c = withCache(t, g.handler, cache.Options{})
		times, _ = g.says("It is s-1.")
		key = g.key(t, `{}`)
		hit(t, g.chat(t, key, ask("Which?", stream)), false)
		c.Settle()
		if r := g.chat(t, key, ask("Which?", stream)); !strings.Contains(r.text, "[SECRET]") && !strings.Contains(r.text, "SECRET") || strings.Contains(r.text, "s-1") || times.Load() != 1 {
			t.Errorf("a hit past the guardrail: %s", r.text)
		} else {
			hit(t, r, true)
		}
	}
}

// What a guardrail keeps from one caller is not kept for another, and a hit that is blocked costs nothing.
func TestCache_Blocked(t *testing.T) {
	g := guarded(t, "", nil, "block post_call")
	c := withCache(t, g.handler, cache.Options{})
	times, _ := g.says("It is s-1.")
	key := g.key(t, `{}`)
	for range 2 {
		if r := g.chat(t, key, ask("Which?", "")); r.status != http.StatusBadRequest {
			t.Errorf("status %d: %s", r.status, r.text)
		}
		c.Settle()
	}
	if times.Load() != 2 {
		t.Errorf("upstream was asked %d times: a blocked answer was kept", times.Load())
	}
}

// A boolean is refused with what to write instead, and a key may be held to some controls.
func TestCache_Controls(t *testing.T) {
	g, c, times := cached(t)
	key := g.key(t, `{}`)
	if r := g.chat(t, key, ask("Where?", `,"cache":true`)); r.status != http.StatusBadRequest || r.errorField(t, "param") != "cache" || !strings.Contains(r.text, "no-cache") {
		t.Errorf("%d %s", r.status, r.text)
	}
	held := g.key(t, `{"allowed_cache_controls":["no-cache"]}`)
	if r := g.chat(t, held, ask("Where?", `,"cache":{"no-cache":true,"ttl":5}`)); r.status != http.StatusForbidden || !strings.Contains(r.text, "cache.ttl") {
		t.Errorf("%d %s", r.status, r.text)
	}
	hit(t, g.chat(t, held, ask("Where?", `,"cache":{"no-cache":true}`)), false)
	c.Settle()
	hit(t, g.chat(t, held, ask("Where?", `,"cache":{"no-cache":true}`)), false)
	hit(t, g.chat(t, held, ask("Where?", ""), "Cache-Control", "no-cache"), false)
	hit(t, g.chat(t, held, ask("Where?", `,"caching":false`)), false)
	hit(t, g.chat(t, held, ask("Where?", "")), true)
	if times.Load() != 4 {
		t.Errorf("upstream was asked %d times", times.Load())
	}
	// What the key may not say in the body it may not say elsewhere.
	held = g.key(t, `{"allowed_cache_controls":["ttl"]}`)
	hit(t, g.chat(t, held, ask("Where?", "")), false)
	c.Settle()
	for _, header := range []string{"no-cache", "no-store, no-cache", "max-age=0"} {
		hit(t, g.chat(t, held, ask("Where?", ""), "Cache-Control", header), true)
	}
	if r := g.chat(t, held, ask("Where?", `,"metadata":{"redis_namespace":"mine"}`)); r.status != http.StatusForbidden || !strings.Contains(r.text, "cache.namespace") {
		t.Errorf("%d %s", r.status, r.text)
	}
}

// Equal calls at once are one call of the upstream, in one piece or as streams; each has a row, and one of them a cost.
func TestCache_Coalescing(t *testing.T) {
	for _, stream := range []string{"", `,"stream":true`} {
		g := govern(t, "")
		withCache(t, g.handler, cache.Options{})
		key := g.key(t, `{}`)
		var times atomic.Int64
		gate := make(chan struct{})
		g.upstream(func(w http.ResponseWriter, _ *http.Request, body map[string]any) {
			times.Add(1)
			<-gate
			if body["stream"] == true {
				w.Header().Set("Content-Type", "text/event-stream")
				chunk(w, `{"content":"Rome."}`)
				endStream(w, 100)
				return
			}
			billed(w, "Rome.", 100)
		})
		const callers = 32
		var all sync.WaitGroup
		var hits atomic.Int64
		for range callers {
			all.Go(func() {
				r := g.chat(t, key, ask("Where?", stream))
				if r.status != http.StatusOK || !strings.Contains(r.text, "Rome.") {
					t.Errorf("%d %s", r.status, r.text)
				}
				if r.header.Get("X-Litellm-Cache-Key") != "" {
					hits.Add(1)
				}
			})
		}
		time.AfterFunc(300*time.Millisecond, func() { close(gate) }) // whoever comes later finds the answer
		all.Wait()
		if times.Load() != 1 || hits.Load() != callers-1 {
			t.Errorf("stream %q: upstream was asked %d times, %d hits", stream, times.Load(), hits.Load())
		}
		paid := 0
		for _, row := range g.rows(t, key) {
			if row["spend"] != 0.0 {
				paid++
			}
		}
		if paid != 1 {
			t.Errorf("%d calls have cost something", paid)
		}
	}
}

// When the caller who is waited for leaves, one of the others asks the upstream, and all get an answer.
func TestCache_LeaderLeaves(t *testing.T) {
	g := govern(t, "")
	withCache(t, g.handler, cache.Options{})
	key := g.key(t, `{}`)
	var times atomic.Int64
	arrived := make(chan struct{}, 99)
	g.upstream(func(w http.ResponseWriter, r *http.Request, _ map[string]any) {
		arrived <- struct{}{}
		if times.Add(1) == 1 {
			<-r.Context().Done()
			return
		}
		billed(w, "Rome.", 100)
	})
	ctx, leave := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { g.serve(ctx, httptest.NewRecorder(), "POST", "/v1/chat/completions", ask("Where?", ""), key) })
	<-arrived
	for range 8 {
		all.Go(func() {
			if r := g.chat(t, key, ask("Where?", "")); r.status != http.StatusOK {
				t.Errorf("%d %s", r.status, r.text)
			}
		})
	}
	time.AfterFunc(200*time.Millisecond, leave)
	all.Wait()
	if times.Load() != 2 {
		t.Errorf("upstream was asked %d times, want 2", times.Load())
	}
}

// embeds is an upstream that embeds each text as its first letter, and remembers what it was asked.
func (g *governed) embeds() *sync.Map {
	var asked sync.Map
	g.upstream(func(w http.ResponseWriter, _ *http.Request, body map[string]any) {
		inputs, ok := body["input"].([]any)
		if !ok {
			inputs = []any{body["input"]}
		}
		text, _ := json.Marshal(inputs)
		asked.Store(string(text), true)
		var data []string
		for i, input := range inputs {
			data = append(data, fmt.Sprintf(`{"object":"embedding","index":%d,"embedding":[%d,1]}`, i, input.(string)[0]))
		}
		fmt.Fprintf(w, `{"object":"list","model":"up","data":[%s],"usage":{"prompt_tokens":%d,"total_tokens":1}}`, strings.Join(data, ","), 1000*len(inputs))
	})
	return &asked
}

// A call for embeddings asks the upstream for what the cache does not have, pays for that alone, and is answered in its order.
func TestCache_Embeddings(t *testing.T) {
	g := govern(t, "")
	c := withCache(t, g.handler, cache.Options{})
	asked := g.embeds()
	key := g.key(t, `{}`)
	embed := func(input string) reply {
		r := g.post(t, "/v1/embeddings", `{"model":"plain","input":`+input+`}`, key)
		c.Settle()
		return r
	}
	hit(t, embed(`["aa","bb"]`), false)
	spent := g.spend(t, key)
	part := embed(`["cc","aa","dd","bb"]`)
	hit(t, part, false)
	if _, ok := asked.Load(`["cc","dd"]`); !ok {
		t.Error("upstream was not asked for the missing inputs alone")
	}
	if again := g.spend(t, key); again != 2*spent || spent == 0 {
		t.Errorf("two inputs cost %v, two more %v", spent, again-spent)
	}
	var answer struct {
		Data []struct {
			Index     int
			Embedding []float64
		}
		Model string
		Usage struct {
			Prompt int `json:"prompt_tokens"`
		}
	}
	if err := json.Unmarshal([]byte(part.text), &answer); err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{'c', 'a', 'd', 'b'} {
		if answer.Data[i].Index != i || answer.Data[i].Embedding[0] != want {
			t.Errorf("embedding %d: %+v", i, answer.Data[i])
		}
	}
	if answer.Usage.Prompt != 2000 || answer.Model != "plain" {
		t.Errorf("usage %+v, model %s", answer.Usage, answer.Model)
	}
	whole := embed(`["dd","bb"]`)
	hit(t, whole, true)
	if whole.header.Get("X-Litellm-Response-Cost") != "0.0" || whole.header.Get("X-Litellm-Model-Id") != "plain-1" || !strings.Contains(whole.text, `"prompt_tokens":2000`) || !strings.Contains(whole.text, `"model":"plain"`) {
		t.Errorf("%v %s", whole.header, whole.text)
	}
	if again := g.spend(t, key); again != 2*spent {
		t.Errorf("a hit has cost %v", again-2*spent)
	}
	var saved float64
	for _, row := range g.rows(t, key) {
		metadata, _ := row["metadata"].(map[string]any)
		if s, ok := metadata["tollgate_saved_cost"].(float64); ok {
			saved += s
		}
	}
	if saved != 2*spent {
		t.Errorf("%v saved, want %v", saved, 2*spent)
	}
}

// A cache by meaning asks one of the gateway's own models; what that costs is on the call, be it a hit or not.
func TestCache_Semantic(t *testing.T) {
	g := govern(t, "")
	c := withCache(t, g.handler, cache.Options{Semantic: &cache.Semantic{Vectors: memoryvectors.New(memoryvectors.Options{}), Model: "undescribed", Threshold: 0.9}})
	var times atomic.Int64
	g.upstream(func(w http.ResponseWriter, _ *http.Request, body map[string]any) {
		if input, ok := body["input"].(string); ok {
			if body["model"] != "undescribed-up" || !strings.HasPrefix(input, "Where") {
				t.Errorf("embedding of %q by %v", input, body["model"])
			}
			fmt.Fprintf(w, `{"object":"list","model":"up","data":[{"object":"embedding","index":0,"embedding":[10,%d]}],"usage":{"prompt_tokens":50,"total_tokens":50}}`, strings.Count(input, "?"))
			return
		}
		times.Add(1)
		billed(w, "Rome.", 100)
	})
	key := g.key(t, `{}`)
	first := g.chat(t, key, ask("Where?", ""))
	hit(t, first, false)
	c.Settle()
	if got := first.header.Get("X-Litellm-Response-Cost"); got != "0.00026" { // 10 + 2x100 of the model, 50 of the embedding
		t.Errorf("a miss costs %s", got)
	}
	second := g.chat(t, key, ask("Where is it??", ""))
	hit(t, second, true)
	if similarity, err := strconv.ParseFloat(second.header.Get("X-Litellm-Semantic-Similarity"), 64); err != nil || similarity < 0.99 || similarity >= 1 {
		t.Errorf("similarity %s", second.header.Get("X-Litellm-Semantic-Similarity"))
	}
	if got := second.header.Get("X-Litellm-Response-Cost"); got != "5e-05" || times.Load() != 1 {
		t.Errorf("a hit costs %s, upstream was asked %d times", got, times.Load())
	}
	if got := g.spend(t, key); got != 0.00031 {
		t.Errorf("the key has spent %v", got)
	}
	hit(t, g.chat(t, key, ask("Where"+strings.Repeat("?", 30), "")), false)
	for _, row := range g.rows(t, key) {
		metadata, _ := row["metadata"].(map[string]any)
		if row["cache_hit"] == "True" && (row["spend"] != 0.00005 || metadata["tollgate_cache_similarity"] == nil || metadata["tollgate_saved_cost"] != 0.00021 || metadata["tollgate_tokens_estimated"] != nil) {
			t.Errorf("the row of the hit: %v", row)
		}
	}
}

// A cache that fails is a miss.
func TestCache_Broken(t *testing.T) {
	g := govern(t, "")
	store, err := local.New(local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := cache.New(cache.Options{Store: awayStore{store}})
	g.handler.(*gateway.Gateway).SetCache(c)
	defer c.Close()
	times, _ := g.says("Rome.")
	key := g.key(t, `{}`)
	for range 12 {
		hit(t, g.chat(t, key, ask("Where?", "")), false)
		c.Settle()
	}
	if times.Load() != 12 {
		t.Errorf("upstream was asked %d times", times.Load())
	}
	if r := g.serveGet(t, "/cache/ping", masterKey); r.status != http.StatusServiceUnavailable || r.errorField(t, "type") != "cache_ping_error" || strings.Contains(r.text, "10.9.8.7") {
		t.Errorf("%d %s", r.status, r.text)
	}
}

// awayStore is a store that does not answer.
type awayStore struct{ *local.Store }

type awayError struct{}

func (awayError) Error() string { return "dial 10.9.8.7: refused" }

func (awayStore) Get(context.Context, string) ([]byte, error) { return nil, awayError{} }
func (awayStore) Set(context.Context, string, []byte, time.Duration) error {
	return awayError{}
}
func (awayStore) Ping(context.Context) error { return awayError{} }

// serveGet is a GET whose answer may be an error.
func (g *governed) serveGet(t *testing.T, path, key string) reply {
	t.Helper()
	w := httptest.NewRecorder()
	g.serve(t.Context(), w, "GET", path, "", key)
	return reply{w.Code, w.Header(), w.Body.String()}
}

// The pages of the cache are for administrators, and tell when there is none.
func TestCache_Pages(t *testing.T) {
	g := govern(t, "")
	if r := g.serveGet(t, "/cache/ping", masterKey); r.status != http.StatusServiceUnavailable || r.errorField(t, "type") != "cache_ping_error" {
		t.Errorf("without a cache: %d %s", r.status, r.text)
	}
	c := withCache(t, g.handler, cache.Options{About: cache.About{Type: "local", Settings: map[string]any{"ttl": 60}}})
	times, _ := g.says("Rome.")
	key := g.key(t, `{}`)
	for _, path := range []string{"/cache/delete", "/cache/flushall"} {
		if r := g.post(t, path, `{"keys":["x"]}`, key); r.status != http.StatusUnauthorized && r.status != http.StatusForbidden {
			t.Errorf("%s with a plain key: %d", path, r.status)
		}
	}
	ping := g.get(t, "/cache/ping").json(t)
	if ping["status"] != "healthy" || ping["cache_type"] != "local" || ping["ping_response"] != true || ping["set_cache_response"] != "success" || ping["litellm_cache_params"] != `{"ttl":60}` {
		t.Errorf("%v", ping)
	}
	fill := func() string {
		g.chat(t, key, ask("Where?", ""))
		c.Settle()
		r := g.chat(t, key, ask("Where?", ""))
		hit(t, r, true)
		return r.header.Get("X-Litellm-Cache-Key")
	}
	entry := fill()
	if r := g.post(t, "/cache/delete", `{"keys":["absent","`+entry+`"]}`, masterKey); r.status != http.StatusOK || r.json(t)["status"] != "success" {
		t.Errorf("%d %s", r.status, r.text)
	}
	hit(t, g.chat(t, key, ask("Where?", "")), false)
	c.Settle()
	fill()
	if r := g.post(t, "/cache/flushall", ``, masterKey); r.status != http.StatusOK || r.json(t)["status"] != "success" {
		t.Errorf("%d %s", r.status, r.text)
	}
	hit(t, g.chat(t, key, ask("Where?", "")), false)
	if times.Load() != 3 {
		t.Errorf("upstream was asked %d times", times.Load())
	}
	for _, bad := range []string{``, `{}`, `{"keys":[]}`, `{"keys":"x"}`} {
		if r := g.post(t, "/cache/delete", bad, masterKey); r.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", bad, r.status, r.text)
		}
	}
	if r := g.serveGet(t, "/cache/redis/info", masterKey); r.status != http.StatusBadRequest {
		t.Errorf("%d %s", r.status, r.text)
	}
}

// BenchmarkCacheHit is BenchmarkHandler for an answer out of the cache.
func BenchmarkCacheHit(b *testing.B) {
	for name, size := range map[string]int{"1kB": 1 << 10, "400kB": 400 << 10} {
		b.Run(name, func(b *testing.B) {
			h := handler(b)
			c := withCache(b, h, cache.Options{})
			body := []byte(`{"model":"m","messages":[{"role":"user","content":"` + strings.Repeat("x", size) + `"}]}`)
			call(h, body)
			c.Settle()
			b.ReportAllocs()
			for b.Loop() {
				call(h, body)
			}
		})
	}
}
