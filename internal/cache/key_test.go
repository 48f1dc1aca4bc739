package cache

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tollgate/internal/openai"
)

// keyOf is the key of a body's answer, for one tenant and alias.
func keyOf(t fataler, op openai.Operation, body string, change ...func(c *Call)) string {
	p := planOf(t, op, body, change...)
	if p == nil {
		t.Fatalf("no plan for %s", body)
	}
	return p.Key()
}

// fataler is a test of either kind.
type fataler interface {
	Fatalf(format string, args ...any)
}

func planOf(t fataler, op openai.Operation, body string, change ...func(c *Call)) *Plan {
	r, err := openai.ParseRequest(op, []byte(body))
	if err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	call := Call{Request: r, Header: http.Header{}, Alias: r.Model, Tenant: Tenant{Key: "k1"}}
	for _, f := range change {
		f(&call)
	}
	p, err := New(Options{Store: newMemory()}).Plan(&call)
	if err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return p
}

const plainBody = `{"model":"m","messages":[{"role":"user","content":"Where is Rome? é"}],"temperature":0.5,"n":2,"seed":7,"stop":["a","b"],"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"number"}}}}}]}`

// Bodies that mean the same have one key, however they are written.
func TestKey_SameMeaning(t *testing.T) {
	want := keyOf(t, openai.OpChat, plainBody)
	for name, body := range map[string]string{
		"order":          `{"seed":7,"tools":[{"function":{"parameters":{"properties":{"a":{"type":"string"},"b":{"type":"number"}},"type":"object"},"name":"f"},"type":"function"}],"n":2,"stop":["a","b"],"temperature":0.5,"messages":[{"content":"Where is Rome? é","role":"user"}],"model":"m"}`,
		"white space":    strings.NewReplacer(":", " :\n ", ",", "\t,\r\n").Replace(strings.ReplaceAll(plainBody, "Where is Rome? é", "Where is Rome? é")),
		"escapes":        strings.NewReplacer("é", `\u00e9`, "Rome", `R\u006fme`, `"a"`, `"\u0061"`, "/", `\/`).Replace(plainBody),
		"numbers":        strings.NewReplacer("0.5", "5e-1", `"n":2`, `"n":2.0`, `"seed":7`, `"seed":0.7E+1`).Replace(plainBody),
		"nulls":          strings.Replace(plainBody, `"n":2`, `"n":2,"top_p":null,"user":null`, 1),
		"stream":         strings.Replace(plainBody, `"n":2`, `"n":2,"stream":true,"stream_options":{"include_usage":true}`, 1),
		"gateway fields": strings.Replace(plainBody, `"n":2`, `"n":2,"metadata":{"tags":["x"]},"tags":["y"],"num_retries":3,"timeout":9,"cache":{"ttl":5},"caching":true,"guardrails":["g"],"no-log":true,"litellm_session_id":"s","litellm_trace_id":"t"`, 1),
	} {
		if got := keyOf(t, openai.OpChat, body); got != want {
			t.Errorf("%s: another key", name)
		}
	}
}

// Whatever changes the answer changes the key, and each change in another way.
func TestKey_OtherMeaning(t *testing.T) {
	seen := map[string]string{keyOf(t, openai.OpChat, plainBody): "as it is"}
	note := func(name, key string) {
		t.Helper()
		if before, ok := seen[key]; ok {
			t.Errorf("%s has the key of %s", name, before)
		}
		seen[key] = name
	}
	for _, change := range [][2]string{
		{"Where", "where"}, {`"n":2`, `"n":3`}, {`"n":2,`, ``}, {`"seed":7`, `"seed":8`}, {"0.5", "0.51"}, {"0.5", "-0.5"}, {`["a","b"]`, `["b","a"]`}, {`["a","b"]`, `["ab"]`}, {`["a","b"]`, `"a"`},
		{`["a","b"]`, `[["a"],"b"]`}, {`"seed":7`, `"seed":"7"`}, {`"role":"user"`, `"role":"system"`}, {`"name":"f"`, `"name":"g"`}, {`"type":"number"`, `"type":"integer"`}, {`"model":"m"`, `"model":"m2"`},
		{`"n":2`, `"n":2,"user":"u"`}, {`"n":2`, `"n":2,"user":"v"`}, {`"n":2`, `"n":2,"response_format":{"type":"json_object"}`}, {`"n":2`, `"n":2,"tool_choice":"none"`}, {`"n":2`, `"n":2,"max_tokens":5`},
		{`"n":2`, `"n":2,"max_completion_tokens":5`}, {`"n":2`, `"n":2,"reasoning_effort":"low"`}, {`"n":2`, `"n":2,"thinking":{"type":"enabled"}`}, {`"n":2`, `"n":2,"logprobs":true`}, {`"n":2`, `"n":2,"top_p":0.1`},
		{`"n":2`, `"n":2,"nobody_knows_this":1`}, {`"n":2`, `"n":2,"extra_body":{"top_k":4}`}, {`"n":2`, `"n":2,"extra_body":{"top_k":5}`}, {`"n":2`, `"n":2,"drop_params":true`}, {`"n":2`, `"n":2,"service_tier":"flex"`},
		{`"n":2`, `"n":2,"mock_response":"x"`}, {`"n":2`, `"n":2,"api_key":"one"`}, {`"n":2`, `"n":2,"api_key":"two"`}, {`"n":2`, `"n":2,"api_base":"https://a"`}, {`"n":2`, `"n":2,"specific_deployment":true`},
		{"Rome", `\ud800`}, {"Rome", `\ud801`}, {"Rome", "\uFFFD"},
		{`{"a":{"type":"string"},"b":{"type":"number"}}`, `{"b":{"type":"number"},"a":{"type":"string"}}`}, // the order in which a model fills a schema
		{`{"a":{"type":"string"},"b":{"type":"number"}}`, `{"ab":{"type":"string"}}`}, {`{"a":{"type":"string"},"b":{"type":"number"}}`, `[]`},
	} {
		note(change[0]+" -> "+change[1], keyOf(t, openai.OpChat, strings.Replace(plainBody, change[0], change[1], 1)))
	}
	for name, change := range map[string]func(c *Call){
		"another alias":  func(c *Call) { c.Alias = "other" },
		"a header":       func(c *Call) { c.Also = []string{"header X: 1"} },
		"another header": func(c *Call) { c.Also = []string{"header X: 2"} },
		"two headers":    func(c *Call) { c.Also = []string{"header X: 1", "header X: 2"} },
		"another key":    func(c *Call) { c.Tenant.Key = "k2" },
		"a team":         func(c *Call) { c.Tenant.Team = "k1" },
		"a user":         func(c *Call) { c.Tenant = Tenant{User: "k1"} },
	} {
		note(name, keyOf(t, openai.OpChat, plainBody, change))
	}
	note("text completion", keyOf(t, openai.OpCompletion, `{"model":"m","prompt":"x"}`))
	note("rerank", keyOf(t, openai.OpRerank, `{"model":"m","query":"x","documents":["a"]}`))
	note("embedding", keyOf(t, openai.OpEmbedding, `{"model":"m","input":"x"}`))
	note("dimensions", keyOf(t, openai.OpEmbedding, `{"model":"m","input":"x","dimensions":8}`))
	note("base64", keyOf(t, openai.OpEmbedding, `{"model":"m","input":"x","encoding_format":"base64"}`))
	note("float", keyOf(t, openai.OpEmbedding, `{"model":"m","input":"x","encoding_format":"float"}`))
	note("tokens", keyOf(t, openai.OpEmbedding, `{"model":"m","input":[1,2]}`))
	note("two lists of tokens", keyOf(t, openai.OpEmbedding, `{"model":"m","input":[[1,2],[3]]}`))
}

// A caller who names a namespace stays in its tenant's part, and one namespace is not another.
func TestKey_Namespaces(t *testing.T) {
	in := func(namespace, tenant string) string {
		body := `{"model":"m","messages":[],"cache":{"namespace":` + strconv.Quote(namespace) + `}}`
		return keyOf(t, openai.OpChat, body, func(c *Call) { c.Tenant.Key = tenant })
	}
	seen := map[string]bool{}
	for _, tenant := range []string{"k1", "k2"} {
		for _, namespace := range []string{"", "a", "b", "a:b", "key:k2", "tollgate-cache-1", "\\u0061x"} {
			key := in(namespace, tenant)
			if seen[key] {
				t.Errorf("namespace %q of %s has another's key", namespace, tenant)
			}
			seen[key] = true
		}
	}
	if key := in("proj-1", "k1"); !strings.HasPrefix(key, "proj-1:") || len(key) != len("proj-1:")+64 {
		t.Errorf("the key is %s", key)
	}
	if got, want := keyOf(t, openai.OpChat, `{"model":"m","messages":[],"metadata":{"redis_namespace":"proj-1"}}`), in("proj-1", "k1"); got != want {
		t.Error("metadata.redis_namespace is another namespace than cache.namespace")
	}
}

// Two tenants never share an entry, whatever they are called, but for the scope in which they are one.
func TestKey_Tenants(t *testing.T) {
	tenants := []Tenant{{Key: "a"}, {Key: "b"}, {Key: "a", Team: "t"}, {Key: "b", Team: "t"}, {Key: "a", Team: "u", Org: "o"}, {Key: "b", Team: "v", Org: "o"}, {User: "a"}, {Key: "c", Team: "a"}, {Key: "d", Org: "a"}, {User: "global"}}
	for scope, same := range map[Scope][][]int{
		ScopeKey:    {{0, 2, 4}, {1, 3, 5}},
		ScopeTeam:   {{2, 3}},
		ScopeOrg:    {{2, 3}, {4, 5}},
		ScopeGlobal: {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
	} {
		c := New(Options{Store: newMemory(), Scope: scope})
		r, err := openai.ParseRequest(openai.OpChat, []byte(plainBody))
		if err != nil {
			t.Fatal(err)
		}
		keys := make([]string, len(tenants))
		for i, tenant := range tenants {
			p, err := c.Plan(&Call{Request: r, Alias: "m", Tenant: tenant})
			if err != nil || p == nil {
				t.Fatalf("%s: %v, %v", scope, p, err)
			}
			keys[i] = p.Key()
		}
		together := func(i, j int) bool {
			return i == j || slices.ContainsFunc(same, func(group []int) bool { return slices.Contains(group, i) && slices.Contains(group, j) })
		}
		for i := range keys {
			for j := range keys {
				if (keys[i] == keys[j]) != together(i, j) {
					t.Errorf("scope %s: %+v and %+v: same key %v", scope, tenants[i], tenants[j], keys[i] == keys[j])
				}
			}
		}
	}
	if p := planOf(t, openai.OpChat, plainBody, func(c *Call) { c.Tenant = Tenant{} }); p != nil {
		t.Error("a caller whom nothing tells from others has a plan")
	}
}

// Aliases of a caching group share; others do not.
func TestKey_Groups(t *testing.T) {
	c := New(Options{Store: newMemory(), Groups: [][]string{{"a", "b"}, {"c"}}})
	key := func(alias string) string {
		r, err := openai.ParseRequest(openai.OpChat, []byte(plainBody))
		if err != nil {
			t.Fatal(err)
		}
		p, err := c.Plan(&Call{Request: r, Alias: alias, Tenant: Tenant{Key: "k"}})
		if err != nil {
			t.Fatal(err)
		}
		return p.Key()
	}
	if key("a") != key("b") || key("a") == key("c") || key("c") == key("d") {
		t.Error("a and b share, c and d do not")
	}
}

// anyJSON draws a JSON value as encoding/json knows it.
func anyJSON(depth int) *rapid.Generator[any] {
	leaves := []*rapid.Generator[any]{
		rapid.Map(rapid.String(), func(s string) any { return s }),
		rapid.Map(rapid.Int32(), func(n int32) any { return float64(n) }),
		rapid.Map(rapid.Float64Range(-1e20, 1e20), func(f float64) any { return f }),
		rapid.Map(rapid.Bool(), func(b bool) any { return b }),
		rapid.Just[any](nil),
	}
	if depth > 0 {
		leaves = append(leaves,
			rapid.Map(rapid.SliceOfN(rapid.Deferred(func() *rapid.Generator[any] { return anyJSON(depth - 1) }), 0, 4), func(l []any) any { return l }),
			rapid.Map(rapid.MapOfN(rapid.String(), rapid.Deferred(func() *rapid.Generator[any] { return anyJSON(depth - 1) }), 0, 4), func(m map[string]any) any { return m }))
	}
	return rapid.OneOf(leaves...)
}

// scribble writes a value in one of the many ways in which JSON can be written.
func scribble(t *rapid.T, v any) string {
	space := func() string { return rapid.SampledFrom([]string{"", " ", "\n\t", "\r\n "}).Draw(t, "space") }
	switch v := v.(type) {
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			parts[i] = space() + scribble(t, v[i]) + space()
		}
		return "[" + strings.Join(parts, ",") + "]"
	case map[string]any:
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		slices.Sort(names)
		parts := make([]string, 0, len(v))
		for _, name := range rapid.Permutation(names).Draw(t, "order") {
			parts = append(parts, space()+scribble(t, name)+space()+":"+space()+scribble(t, v[name])+space())
		}
		return "{" + strings.Join(parts, ",") + "}"
	case string:
		if rapid.Bool().Draw(t, "escaped") {
			var b strings.Builder
			for _, unit := range v {
				if unit >= 0x10000 {
					unit -= 0x10000
					fmt.Fprintf(&b, `\u%04x\u%04X`, 0xD800+unit>>10, 0xDC00+unit&0x3FF)
				} else {
					fmt.Fprintf(&b, `\u%04x`, unit)
				}
			}
			return `"` + b.String() + `"`
		}
	case float64:
		forms := []string{strconv.FormatFloat(v, 'g', -1, 64), strconv.FormatFloat(v, 'e', -1, 64), strconv.FormatFloat(v, 'f', -1, 64)}
		if v == math.Trunc(v) && math.Abs(v) < 1e15 {
			forms = append(forms, strconv.FormatFloat(v, 'f', 0, 64)+".000", strconv.FormatFloat(v, 'f', 0, 64)+"E+00")
		}
		return rapid.SampledFrom(forms).Draw(t, "form")
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return string(text)
}

// Two bodies have one key exactly when they hold the same.
func TestKey_ExactlyWhenEqual(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := anyJSON(3).Draw(t, "a")
		b := a
		if rapid.Bool().Draw(t, "another") {
			b = anyJSON(3).Draw(t, "b")
		}
		body := func(v any) string { return `{"model":"m","messages":[` + scribble(t, v) + `]}` }
		texts := [2]string{body(a), body(b)}
		same := func() bool {
			x, _ := json.Marshal(a) // as it was scribbled
			y, _ := json.Marshal(b)
			return string(x) == string(y) || bytesEqualAsNumbers(a, b)
		}()
		if got := keyOf(t, openai.OpChat, texts[0]) == keyOf(t, openai.OpChat, texts[1]); got != same {
			t.Fatalf("same key %v, same value %v:\n%s\n%s", got, same, texts[0], texts[1])
		}
	})
}

// bytesEqualAsNumbers tells 0 and -0 to be one.
func bytesEqualAsNumbers(a, b any) bool {
	x, xok := a.(float64)
	y, yok := b.(float64)
	return xok && yok && x == y
}

func TestNumber(t *testing.T) {
	for in, want := range map[string]string{
		"0": "0", "-0": "0", "0.000": "0", "0e5": "0", "1": "1e0", "1.0": "1e0", "10": "1e1", "100e-2": "1e0", "-1.50": "-15e-1", "0.05": "5e-2", "5E-2": "5e-2", "123456789012345678901": "123456789012345678901e0",
		"1e999999999999": "1e999999999999",
	} {
		if got := string(number(nil, []byte(in))); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

// FuzzKey: no body makes a key fail, and a body that is written anew by encoding/json with sorted names has the same one.
func FuzzKey(f *testing.F) {
	f.Add(plainBody)
	f.Add(`{"model":"m","messages":["\ud800","\ud83d\ude00",1e400,{"a":1,"a":2}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		r, err := openai.ParseRequest(openai.OpChat, []byte(body))
		if err != nil {
			return
		}
		c := New(Options{Store: newMemory()})
		p, err := c.Plan(&Call{Request: r, Alias: "m", Tenant: Tenant{Key: "k"}})
		if err != nil || p == nil {
			return
		}
		if again := keyOf(t, openai.OpChat, " "+body+"\n", func(c *Call) { c.Alias = "m"; c.Tenant = Tenant{Key: "k"} }); again != p.Key() {
			t.Errorf("%s with white space around it has another key", body)
		}
	})
}

func BenchmarkKey(b *testing.B) {
	for name, size := range map[string]int{"1kB": 1 << 10, "400kB": 400 << 10} {
		b.Run(name, func(b *testing.B) {
			body := strings.Replace(plainBody, "Rome", strings.Repeat("Rome, ", size/6), 1)
			r, err := openai.ParseRequest(openai.OpChat, []byte(body))
			if err != nil {
				b.Fatal(err)
			}
			c := New(Options{Store: newMemory()})
			call := &Call{Request: r, Alias: "m", Tenant: Tenant{Key: "k"}}
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Plan(call); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// FuzzControls: no header and no body makes controls fail other than by an *openai.ParseError.
func FuzzControls(f *testing.F) {
	f.Add(`{"ttl":1,"s-maxage":2,"no-cache":true,"namespace":"a"}`, `no-cache, max-age="5", s-maxage=9`)
	f.Add(`true`, `=,,;`)
	f.Fuzz(func(t *testing.T, body, header string) {
		r, err := openai.ParseRequest(openai.OpChat, []byte(`{"model":"m","cache":`+body+`}`))
		if err != nil {
			return
		}
		c, err := readControls(&Call{Request: r, Header: http.Header{"Cache-Control": {header}}})
		var parse *openai.ParseError
		if err != nil && !errors.As(err, &parse) {
			t.Fatalf("%T: %v", err, err)
		}
		for _, d := range []*time.Duration{c.ttl, c.maxAge} {
			if d != nil && (*d < 0 || *d > longestTTL) {
				t.Errorf("%v", *d)
			}
		}
	})
}
