package content_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"tollgate/internal/content"
	"tollgate/internal/openai"
)

func request(t testing.TB, op openai.Operation, body string) *content.Body {
	t.Helper()
	r, err := openai.ParseRequest(op, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	b, err := content.Request(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func reply(t testing.TB, op openai.Operation, body string) *content.Body {
	t.Helper()
	b, err := content.Reply(op, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// said are the texts of a body, each as kind/role/index/name: value.
func said(b *content.Body) []string {
	var list []string
	for _, t := range b.Texts {
		list = append(list, strings.Join([]string{string(t.Kind), t.Role, t.Field, t.Name, t.Value}, "|"))
	}
	return list
}

func texts(b *content.Body) []string {
	var list []string
	for _, t := range b.Texts {
		list = append(list, t.Value)
	}
	return list
}

func TestRequest_Texts(t *testing.T) {
	tests := []struct {
		name string
		op   openai.Operation
		body string
		want []string
	}{
		{"roles and forms of content", openai.OpChat,
			`{"model":"m","messages":[{"role":"system","content":"S"},{"role":"user","name":"ann","content":[{"type":"text","text":"a\n"},"bare",{"type":"image_url","image_url":{"url":"https://e/x"}}]},
			{"role":"assistant","content":null,"reasoning_content":"hm","refusal":"no"},{"role":"tool","tool_call_id":"1","content":"r"},{"role":"developer","content":"D"}]}`,
			[]string{"text|system|content||S", "text|user|name||ann", "text|user|content||a\n", "text|user|content||bare", "reasoning|assistant|reasoning_content||hm", "refusal|assistant|refusal||no", "text|tool|content||r", "text|developer|content||D"}},
		{"tool calls", openai.OpChat,
			`{"messages":[{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"arguments":"{\"a\":1}","name":"f"}},{"id":"2","type":"custom","custom":{"name":"g","input":"free"}},{"function":{"name":"h","arguments":{"b":2}}}]},
			{"role":"assistant","function_call":{"name":"old","arguments":"{}"}}]}`,
			[]string{`arguments|assistant|arguments|f|{"a":1}`, "text|assistant|input|g|free", `arguments|assistant|arguments|h|{"b":2}`, "arguments|assistant|function_call|old|{}"}},
		{"an unknown kind of part is searched whole", openai.OpChat,
			`{"messages":[{"role":"user","content":[{"type":"tool_result","content":[{"type":"text","text":"x"}],"note":{"deep":["y"]}}]}]}`,
			[]string{"text|user|content||x", "text|user|content||y"}},
		{"thinking blocks", openai.OpChat, `{"messages":[{"role":"assistant","content":"c","thinking_blocks":[{"type":"thinking","thinking":"t","signature":"sig"},{"type":"redacted_thinking","data":"d"}]}]}`,
			[]string{"text|assistant|content||c", "reasoning|assistant|thinking_blocks||t"}},
		{"definitions", openai.OpChat, `{"messages":[{"role":"user","content":"u"}],"tools":[{"type":"function","function":{"name":"f","description":"d1","parameters":{"type":"object","properties":{"description":{"type":"string","description":"d2"}}}}}],
			"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"description":"d3"}}}}`,
			[]string{"text|user|content||u", "definition|system|tools||d1", "definition|system|tools||d2", "definition|system|response_format||d3"}},
		{"prediction", openai.OpChat, `{"messages":[],"prediction":{"type":"content","content":[{"type":"text","text":"p"}]}}`, []string{"text|assistant|prediction||p"}},
		{"prompt", openai.OpCompletion, `{"prompt":"p","suffix":"s"}`, []string{"text||prompt||p", "text||suffix||s"}},
		{"prompts", openai.OpCompletion, `{"prompt":["p","q"]}`, []string{"text||prompt||p", "text||prompt||q"}},
		{"input", openai.OpEmbedding, `{"input":["a","",{"type":"text","text":"b"}]}`, []string{"text||input||a", "text||input||b"}},
		{"rerank", openai.OpRerank, `{"query":"q","documents":["d",{"text":"e","title":"t"}]}`, []string{"text||query||q", "text||documents||d", "text||documents||e", "text||documents||t"}},
		{"a document's own members", openai.OpRerank, `{"query":"q","documents":[{"type":"t","text":"d"}]}`, []string{"text||query||q", "text||documents||t", "text||documents||d"}},
		{"the words of a schema", openai.OpChat, `{"messages":[],"tools":[{"type":"function","function":{"name":"f","parameters":{"title":"t","properties":{"enum":{"type":"string","enum":["e1","e2"],"default":"d"},
			"b":{"const":"c","examples":["x"]}}}}}]}`,
			[]string{"definition|system|tools||t", "definition|system|tools||e1", "definition|system|tools||e2", "definition|system|tools||d", "definition|system|tools||c", "definition|system|tools||x"}},
		{"an upstream's own members", openai.OpChat, `{"messages":[],"preamble":"p","chatHistory":[{"role":"r","message":"m"}],"allowed_openai_params":["chatHistory"],"top_k":5,"service_tier":"auto",
			"web_search_options":{"user_location":{"city":"c"}},"metadata":{"a":"b"}}`,
			[]string{"text||preamble||p", "text||chatHistory||r", "text||chatHistory||m", "text||web_search_options||c"}},
		{"members of messages and of parts that an upstream may read", openai.OpChat,
			`{"messages":[{"role":"user","tool_call_id":"1","parts":[{"text":"p"}],"content":[{"type":"image_url","image_url":{"url":"u","alt":"a"},"caption":"c"},{"type":"file","file":{"filename":"f","file_data":"data:"},"text":"t"}]}]}`,
			[]string{"text|user|parts||p", "text|user|content||a", "text|user|content||c", "text|user|content||f", "text|user|content||t"}},
		{"extra_body", openai.OpChat, `{"messages":[],"extra_body":{"preambleOverride":"p","top_k":5,"reasoning_effort":"low","chat_template":"{{x}}"}}`,
			[]string{"text||preambleOverride||p", "text||chat_template||{{x}}"}},
		{"nothing", openai.OpChat, `{"messages":null}`, nil},
		{"escapes", openai.OpCompletion, `{"prompt":"\u00e9\ud83d\ude00\""}`, []string{`text||prompt||é😀"`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := said(request(t, tt.op, tt.body)); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("\n got %q\nwant %q", got, tt.want)
			}
		})
	}
}

func TestRequest_Place(t *testing.T) {
	b := request(t, openai.OpChat, `{"messages":[{"role":"user","content":"a"},{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{}"}},{"function":{"name":"g","arguments":"[]"}}]}]}`)
	if got := b.Texts[2]; got.Index != 1 || got.Call != 1 || got.Name != "g" {
		t.Errorf("the second call: %+v", got)
	}
	b = request(t, openai.OpChat, `{"messages":[{"role":"user","content":[{"type":"image_url","image_url":"data:x"},{"type":"image_url","image_url":{"url":"https:\/\/e"}}]}]}`)
	if want := []string{"data:x", "https://e"}; !reflect.DeepEqual(b.Images, want) {
		t.Errorf("images %q", b.Images)
	}
}

// Token numbers are no text: who looks must know that there is something that he has not seen.
func TestRequest_Tokens(t *testing.T) {
	for _, body := range []string{`{"input":[1,2]}`, `{"input":[[1],[2]]}`, `{"input":["a",[3]]}`} {
		if !request(t, openai.OpEmbedding, body).Tokens {
			t.Errorf("%s: no tokens seen", body)
		}
	}
	if request(t, openai.OpEmbedding, `{"input":["1"]}`).Tokens {
		t.Error("a text was taken for tokens")
	}
}

// Who sees a body in another way than an upstream does guards nothing.
func TestRequest_RefusesWhatHasTwoReadings(t *testing.T) {
	for _, body := range []string{
		`{"messages":[{"role":"user","content":"good","content":"bad"}]}`,
		`{"messages":[{"role":"user","content":"good","Content":"bad"}]}`,
		`{"messages":[],"Messages":[{"role":"user","content":"bad"}]}`,
		`{"messages":[{"role":"user","content":[{"type":"text","text":"good","TEXT":"bad"}]}]}`,
		`{"messages":{"role":"user"}}`, `{"messages":[5]}`, `{"messages":[{"role":"user","content":5}]}`,
	} {
		r, err := openai.ParseRequest(openai.OpChat, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		_, err = content.Request(r)
		var parse *openai.ParseError
		if !errors.As(err, &parse) {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestUnknownSurface(t *testing.T) {
	r, err := openai.ParseRequest("/images", []byte(`{"prompt":"a cat"}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := content.Request(r); !errors.Is(err, content.ErrUnknownSurface) {
		t.Errorf("request: %v", err)
	}
	if _, err := content.Reply("/images", []byte(`{}`)); !errors.Is(err, content.ErrUnknownSurface) {
		t.Errorf("reply: %v", err)
	}
}

func TestReply_Texts(t *testing.T) {
	b := reply(t, openai.OpChat, `{"id":"1","choices":[{"index":1,"message":{"role":"assistant","content":"b","reasoning_content":"r","tool_calls":[{"id":"1","function":{"name":"f","arguments":"{}"}}],"audio":{"id":"a","transcript":"heard"}},"logprobs":null},
		{"index":0,"message":{"content":null,"refusal":"no"}}],"usage":{"prompt_tokens":1}}`)
	want := []string{"text|assistant|content||b", "reasoning|assistant|reasoning_content||r", "arguments|assistant|arguments|f|{}", "text|assistant|audio||heard", "refusal|assistant|refusal||no"}
	if got := said(b); !reflect.DeepEqual(got, want) {
		t.Errorf("\n got %q\nwant %q", got, want)
	}
	if b.Texts[0].Index != 1 || b.Texts[4].Index != 0 {
		t.Errorf("indexes %+v", b.Texts)
	}
	if got := said(reply(t, openai.OpCompletion, `{"choices":[{"text":"x","index":0},{"text":"y","index":1}]}`)); !reflect.DeepEqual(got, []string{"text|assistant|text||x", "text|assistant|text||y"}) {
		t.Errorf("completions: %q", got)
	}
	if got := said(reply(t, openai.OpRerank, `{"results":[{"index":0,"relevance_score":1,"document":{"text":"d"}}]}`)); !reflect.DeepEqual(got, []string{"text||document||d"}) {
		t.Errorf("rerank: %q", got)
	}
	if got := said(reply(t, openai.OpEmbedding, `{"data":[{"embedding":[1,2]}]}`)); got != nil {
		t.Errorf("embeddings: %q", got)
	}
}

func TestWith(t *testing.T) {
	const body = `{ "messages" : [ {"role":"user","content":"one\u0041"}, {"role":"user","content":[{"type":"text", "text":"two"}]}, {"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{\"a\":\"x\"}"}},{"function":{"name":"f","arguments":{"b":"y"}}}]} ],"x":1.50 }`
	b := request(t, openai.OpChat, body)
	same, err := b.With(texts(b))
	if err != nil || &same[0] != &[]byte(same)[0] || string(same) != body {
		t.Fatalf("%s, %v", same, err)
	}
	got, err := b.With([]string{"one\u0041", "zwei \"\n", `{"a":"[M]"}`, `{"b":"[N]"}`})
	want := `{ "messages" : [ {"role":"user","content":"one\u0041"}, {"role":"user","content":[{"type":"text", "text":"zwei \"\n"}]}, {"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{\"a\":\"[M]\"}"}},{"function":{"name":"f","arguments":{"b":"[N]"}}}]} ],"x":1.50 }`
	if err != nil || string(got) != want {
		t.Errorf("%v\n got %s\nwant %s", err, got, want)
	}
	for _, bad := range []string{`{"a":"M"`, "M", ""} {
		if _, err := b.With([]string{"a", "b", bad, `{}`}); !errors.Is(err, content.ErrArguments) {
			t.Errorf("arguments %s: %v", bad, err)
		}
	}
	if _, err := b.With([]string{"a"}); err == nil {
		t.Error("one text for four")
	}
}

// Citations repeat what they cite.
func TestWith_Citations(t *testing.T) {
	b := reply(t, openai.OpChat, `{"choices":[{"message":{"content":"secret","provider_specific_fields":{"citations":[{"text":"secret"}]}}}]}`)
	got, err := b.With([]string{"[M]"})
	if want := `{"choices":[{"message":{"content":"[M]","provider_specific_fields":null}}]}`; err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
}

// Logprobs repeat a text token by token: where the text was masked they would tell it.
func TestWith_Logprobs(t *testing.T) {
	b := reply(t, openai.OpChat, `{"choices":[{"index":0,"message":{"content":"secret"},"logprobs":{"content":[{"token":"secret"}]}},{"index":1,"message":{"content":"fine"},"logprobs":{"content":[{"token":"fine"}]}}]}`)
	got, err := b.With([]string{"[M]", "fine"})
	want := `{"choices":[{"index":0,"message":{"content":"[M]"},"logprobs":null},{"index":1,"message":{"content":"fine"},"logprobs":{"content":[{"token":"fine"}]}}]}`
	if err != nil || string(got) != want {
		t.Errorf("%v\n got %s\nwant %s", err, got, want)
	}
}

func FuzzWith(f *testing.F) {
	for _, seed := range []string{
		`{"messages":[{"role":"user","content":"a"},{"role":"assistant","tool_calls":[{"function":{"arguments":"{}"}}]}],"tools":[{"description":"d"}]}`,
		`{"messages":[{"content":[{"type":"text","text":"\ud800"},{"type":"x","y":[["z"]]}]}],"prompt":["a",[1]],"input":"i","documents":[{"t":"u"}]}`,
		`{"choices":[{"index":0,"message":{"content":"a","reasoning_content":"b"},"logprobs":{"content":[]}}]}`,
	} {
		f.Add([]byte(seed), "new \"text\"\n")
	}
	f.Fuzz(func(t *testing.T, body []byte, text string) {
		for _, op := range []openai.Operation{openai.OpChat, openai.OpCompletion, openai.OpEmbedding, openai.OpRerank} {
			if r, err := openai.ParseRequest(op, body); err == nil {
				if b, err := content.Request(r); err == nil {
					checkWith(t, b, body, text, func(out []byte) (*content.Body, error) {
						r, err := openai.ParseRequest(op, out)
						if err != nil {
							return nil, err
						}
						return content.Request(r)
					})
				}
			}
			if b, err := content.Reply(op, body); err == nil {
				checkWith(t, b, body, text, func(out []byte) (*content.Body, error) { return content.Reply(op, out) })
			}
			_, _ = content.Pieces(op, body)
		}
	})
}

// checkWith: unchanged texts leave the body as it is, and changed ones are what is found in it then.
func checkWith(t *testing.T, b *content.Body, body []byte, text string, parse func([]byte) (*content.Body, error)) {
	t.Helper()
	same, err := b.With(texts(b))
	if err != nil || string(same) != string(body) {
		t.Fatalf("unchanged: %q became %q, %v", body, same, err)
	}
	want := texts(b)
	for i := range want {
		if b.Texts[i].Kind == content.Arguments {
			want[i] = `{"masked":true}`
		} else if text = strings.ToValidUTF8(text, "\uFFFD"); text != "" {
			want[i] = text
		}
	}
	out, err := b.With(want)
	if err != nil {
		t.Fatalf("%q: %v", body, err)
	}
	if !json.Valid(out) {
		t.Fatalf("%q became %q, which is no JSON", body, out)
	}
	again, err := parse(out)
	if err != nil {
		t.Fatalf("%q became %q: %v", body, out, err)
	}
	if got := texts(again); !reflect.DeepEqual(got, want) {
		t.Fatalf("%q became %q:\n got %q\nwant %q", body, out, got, want)
	}
}

func BenchmarkRequest400kB(b *testing.B) {
	body := `{"model":"m","messages":[{"role":"user","content":"` + strings.Repeat(`All work and no play.\n`, 18000) + `"}]}`
	r, err := openai.ParseRequest(openai.OpChat, []byte(body))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := content.Request(r); err != nil {
			b.Fatal(err)
		}
	}
}

// Arguments are shown as whoever reads their JSON sees them.
func TestUnescaped(t *testing.T) {
	for text, want := range map[string]string{
		`{"a":"\u0073ecret"}`: `{"a":"secret"}`, `{"a":"\\u0073"}`: `{"a":"\\u0073"}`, `{"a":"\u0022\u005c\n\u000a"}`: `{"a":"\u0022\u005c\n\u000a"}`,
		`{"a":"\ud83d\ude00 \ud83d"}`: `{"a":"😀 \ud83d"}`, `{"a":"https:\/\/e"}`: `{"a":"https://e"}`, `no \u0073 JSON`: `no \u0073 JSON`,
	} {
		if got := content.Unescaped(text); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
	b := request(t, openai.OpChat, `{"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":"{\"a\":\"\\u0073ecret\"}"}}]}]}`)
	if got := texts(b); len(got) != 1 || got[0] != `{"a":"secret"}` {
		t.Errorf("got %q", got)
	}
	if same, err := b.With(texts(b)); err != nil || !strings.Contains(string(same), `\\u0073`) {
		t.Errorf("%s, %v", same, err)
	}
}
