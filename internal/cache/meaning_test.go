package cache

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tollgate/internal/money"
	"tollgate/internal/openai"
)

// shelf keeps vectors for tests: the last one of a scope.
type shelf struct {
	mu     sync.Mutex
	values map[string][]byte
	placed map[string][]float32
	err    error
	ids    []string
}

func newShelf() *shelf { return &shelf{values: map[string][]byte{}, placed: map[string][]float32{}} }

func (s *shelf) Nearest(_ context.Context, scope string, v []float32, threshold float64) ([]byte, float64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, 0, s.err
	}
	at, ok := s.placed[scope]
	if !ok {
		return nil, 0, ErrMiss
	}
	similarity := float64(v[0]*at[0] + v[1]*at[1])
	if similarity < threshold {
		return nil, 0, ErrMiss
	}
	return s.values[scope], similarity, nil
}

func (s *shelf) Put(_ context.Context, scope, id string, v []float32, value []byte, _ time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values[scope], s.placed[scope] = value, v
	s.ids = append(s.ids, id)
	return nil
}

func (s *shelf) Delete(context.Context, ...string) error { return nil }
func (s *shelf) Flush(context.Context) error             { return nil }
func (s *shelf) Ping(context.Context) error              { return nil }
func (s *shelf) Close() error                            { return nil }

// angle embeds a text by its number of question marks, five degrees each; it costs 3.
func angle(_ context.Context, _, text string) ([]float32, money.USD, error) {
	a := float64(strings.Count(text, "?")) * 5 * math.Pi / 180
	return []float32{float32(math.Cos(a)), float32(math.Sin(a))}, 3, nil
}

// semantic makes a cache by meaning, and look, which looks a body up and keeps an answer on a miss.
func semantic(t *testing.T, o Semantic, embed Embed) (c *Cache, look func(body string, change ...func(c *Call)) *Found) {
	t.Helper()
	c = New(Options{Semantic: &o})
	return c, func(body string, change ...func(c *Call)) *Found {
		t.Helper()
		op := openai.OpChat
		if strings.Contains(body, `"prompt"`) {
			op = openai.OpCompletion
		}
		r, err := openai.ParseRequest(op, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		call := &Call{Request: r, Alias: r.Model, Tenant: Tenant{Key: "k", EndUser: "e"}, Embed: embed}
		for _, f := range change {
			f(call)
		}
		p, err := c.Plan(call)
		if err != nil {
			t.Fatal(err)
		}
		found := p.Lookup(t.Context(), nil)
		if found == nil {
			p.Keep([]byte(rome), Served{Deployment: "d1"})
			c.Settle()
		}
		return found
	}
}

func TestMeaning(t *testing.T) {
	const first = `{"model":"m","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Where is Rome?"}],"temperature":0.5}`
	for name, tt := range map[string]struct {
		body   string
		change func(c *Call)
		want   float64 // how similar; 0 = a miss
	}{
		"the same":                  {first, nil, 1},
		"similar":                   {strings.Replace(first, "Where is Rome?", "Rome, where is it??", 1), nil, math.Cos(5 * math.Pi / 180)},
		"less similar":              {strings.Replace(first, "Where is Rome?", "????", 1), nil, 0},
		"other instructions":        {strings.Replace(first, "brief", "long", 1), nil, 0},
		"no instructions":           {strings.Replace(first, `{"role":"system","content":"Be brief."},`, "", 1), nil, 0},
		"another temperature":       {strings.Replace(first, "0.5", "0.6", 1), nil, 0},
		"the temperature otherwise": {strings.Replace(first, "0.5", "5e-1", 1), nil, 1},
		"another model":             {strings.Replace(first, `"m"`, `"n"`, 1), nil, 0},
		"tools":                     {strings.Replace(first, `"temperature"`, `"tools":[],"temperature"`, 1), nil, 0},
		"a format":                  {strings.Replace(first, `"temperature"`, `"response_format":{"type":"json_object"},"temperature"`, 1), nil, 0},
		"another tenant":            {first, func(c *Call) { c.Tenant.Key = "other" }, 0},
		"another speaker":           {strings.Replace(first, `"user"`, `"assistant"`, 1), nil, 0},
		"an image":                  {strings.Replace(first, `"Where is Rome?"`, `[{"type":"text","text":"Where is Rome?"},{"type":"image_url","image_url":{"url":"https://x/1.png"}}]`, 1), nil, 0},
		"a file":                    {strings.Replace(first, `"Where is Rome?"`, `[{"type":"text","text":"Where is Rome?"},{"type":"file","file":{"file_id":"f1"}}]`, 1), nil, 0},
		"in parts":                  {strings.Replace(first, `"Where is Rome?"`, `[{"type":"text","text":"Where is Rome?"}]`, 1), nil, 1},
		"a namespace":               {strings.Replace(first, `"temperature"`, `"cache":{"namespace":"x"},"temperature"`, 1), nil, 0},
		"another customer":          {first, func(c *Call) { c.Tenant.EndUser = "other" }, 1},
		"too old":                   {strings.Replace(first, `"temperature"`, `"cache":{"s-maxage":0},"temperature"`, 1), nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			c, look := semantic(t, Semantic{Vectors: newShelf(), Model: "embedder", Threshold: 0.98}, angle)
			defer c.Close()
			if look(first) != nil {
				t.Fatal("found before anything was kept")
			}
			change := tt.change
			if change == nil {
				change = func(*Call) {}
			}
			found := look(tt.body, change)
			if (found == nil) != (tt.want == 0) {
				t.Fatalf("found %+v", found)
			}
			if found != nil && (math.Abs(found.Similarity-tt.want) > 1e-6 || found.Deployment != "d1") {
				t.Errorf("similar by %v, want %v", found.Similarity, tt.want)
			}
		})
	}
	for name, pair := range map[string][2]string{
		"the name of who speaks":       {`{"role":"user","name":"%s","content":"Who am I?"}`, "ann|bob"},
		"the tool that was called":     {`{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"%s","arguments":"{}"}}]},{"role":"tool","tool_call_id":"1","content":"ok"}`, "read_file|delete_file"},
		"how an image is looked at":    {`{"role":"user","content":[{"type":"text","text":"What?"},{"type":"image_url","image_url":{"url":"https://x/1.png","detail":"%s"}}]}`, "low|high"},
		"what is in a file of a part":  {`{"role":"user","content":[{"type":"text","text":"What?"},{"type":"file","file":{"file_data":"%s"}}]}`, "AAAA|BBBB"},
		"which image comes first":      {`{"role":"user","content":[%s,{"type":"text","text":"What?"}]}`, `{"type":"image_url","image_url":{"url":"https://x/1"}},{"type":"image_url","image_url":{"url":"https://x/2"}}|{"type":"image_url","image_url":{"url":"https://x/2"}},{"type":"image_url","image_url":{"url":"https://x/1"}}`},
		"who has spoken in what order": {`{"role":"%s","content":"?"}`, "user|assistant"},
	} {
		c, look := semantic(t, Semantic{Vectors: newShelf(), Threshold: 0.9}, angle)
		one, other, _ := strings.Cut(pair[1], "|")
		body := func(s string) string {
			return `{"model":"m","messages":[{"role":"user","content":"Hello."},` + strings.Replace(pair[0], "%s", s, 1) + `]}`
		}
		look(body(one))
		if look(body(one)) == nil || look(body(other)) != nil {
			t.Errorf("%s must be the same, and decides nothing", name)
		}
		_ = c.Close()
	}
	c, look := semantic(t, Semantic{Vectors: newShelf(), ByEndUser: true, Threshold: 0.9}, angle)
	defer c.Close()
	look(first)
	if look(first, func(c *Call) { c.Tenant.EndUser = "other" }) != nil {
		t.Error("another customer's answer was found where customers are told apart")
	}
}

// What it costs to look is told, once; what has no text, or too much, is not looked for.
func TestMeaning_Cost(t *testing.T) {
	asked := 0
	embed := func(ctx context.Context, model, text string) ([]float32, money.USD, error) {
		if asked++; model != "embedder" {
			t.Errorf("asked %s", model)
		}
		return angle(ctx, model, text)
	}
	c := New(Options{Semantic: &Semantic{Vectors: newShelf(), Model: "embedder", Threshold: 0.9, MostTokens: 10}})
	defer c.Close()
	spent := func(op openai.Operation, body string) money.USD {
		r, err := openai.ParseRequest(op, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		p, err := c.Plan(&Call{Request: r, Alias: "m", Tenant: Tenant{Key: "k"}, Embed: embed})
		if err != nil {
			t.Fatal(err)
		}
		if p == nil {
			return 0
		}
		p.Lookup(t.Context(), nil)
		p.Keep([]byte(rome), Served{})
		return p.Spent()
	}
	for name, tt := range map[string]struct {
		op   openai.Operation
		body string
		want money.USD
	}{
		"a chat":               {openai.OpChat, question(""), 3},
		"a text":               {openai.OpCompletion, `{"model":"m","prompt":"Where?"}`, 3},
		"tokens":               {openai.OpCompletion, `{"model":"m","prompt":[1,2]}`, 0},
		"no text":              {openai.OpChat, `{"model":"m","messages":[{"role":"user","content":""}]}`, 0},
		"instructions alone":   {openai.OpChat, `{"model":"m","messages":[{"role":"system","content":"x"}]}`, 0},
		"too long":             {openai.OpChat, `{"model":"m","messages":[{"role":"user","content":"` + strings.Repeat("x", 41) + `"}]}`, 0},
		"kept without a look":  {openai.OpChat, question(`,"cache":{"no-cache":true}`), 3},
		"an embedding":         {openai.OpEmbedding, `{"model":"m","input":"x"}`, 0},
		"a call for a ranking": {openai.OpRerank, `{"model":"m","query":"x","documents":["a"]}`, 0},
	} {
		before := asked
		if got := spent(tt.op, tt.body); got != tt.want || (asked > before) != (tt.want > 0) {
			t.Errorf("%s: %v, asked %d times", name, got, asked-before)
		}
	}
}

// A model that is too late again and again is not waited for by every call, and is tried again after a while.
func TestMeaning_SlowModel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := true
		c, look := semantic(t, Semantic{Vectors: newShelf(), Threshold: 0.9, Timeout: time.Second}, func(ctx context.Context, model, text string) ([]float32, money.USD, error) {
			if away {
				<-ctx.Done()
				return nil, 0, ctx.Err()
			}
			return angle(ctx, model, text)
		})
		defer c.Close()
		begun := time.Now()
		for i := range 3 * breakerFailures {
			look(question(fmt.Sprintf(`,"seed":%d`, i)))
		}
		if took := time.Since(begun); took != breakerFailures*time.Second {
			t.Errorf("calls have waited %v for a model that does not answer", took)
		}
		away = false
		time.Sleep(breakerPause)
		look(question(""))
		if look(question("")) == nil {
			t.Error("the model is there again, and nothing is found")
		}
	})
}

// A model or a store that fails, or is too late, is a miss; a store that fails again and again costs no more embeddings.
func TestMeaning_Broken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		vectors := newShelf()
		asked := 0
		var broken error
		embed := func(ctx context.Context, model, text string) ([]float32, money.USD, error) {
			if asked++; broken != nil {
				<-ctx.Done()
				return nil, 0, broken
			}
			return angle(ctx, model, text)
		}
		c, look := semantic(t, Semantic{Vectors: vectors, Threshold: 0.9, Timeout: time.Second}, embed)
		defer c.Close()
		broken = errors.New("away")
		begun := time.Now()
		if look(question("")) != nil || time.Since(begun) != time.Second || len(vectors.ids) != 0 {
			t.Errorf("a model that does not answer: %v, %d entries", time.Since(begun), len(vectors.ids))
		}
		broken, vectors.err = nil, errors.New("away")
		for range 3 * breakerFailures {
			if p := c.ask(t, question(`,"cache":{"no-store":true}`), func(c *Call) { c.Embed = embed }); p.Lookup(t.Context(), nil) != nil {
				t.Error("found something")
			}
		}
		if asked != 1+breakerFailures {
			t.Errorf("%d prompts were embedded, want %d", asked, 1+breakerFailures)
		}
	})
}
