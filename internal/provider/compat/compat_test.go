package compat_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/apierr"
	"tollgate/internal/config"
	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
	"tollgate/internal/provider"
	"tollgate/internal/provider/compat"
	"tollgate/internal/secret"
)

// received is what the upstream saw of a call.
type received struct {
	path   string
	header http.Header
	body   string
}

// upstream records the last call and gives a fixed answer: a stream to those who want one.
func upstream(t testing.TB, got *received) string {
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		*got = received{path: r.URL.RequestURI(), header: r.Header, body: string(body)}
		if strings.Contains(string(body), `"stream":true`) {
			answer(200, "text/event-stream", events(chunkStop, "[DONE]"))(w, r)
			return
		}
		answer(200, "application/json", `{"id":"1"}`)(w, r)
	}).URL
}

// unset clears the environment variables of all upstreams.
func unset(t *testing.T) {
	t.Helper()
	t.Setenv("AZURE_API_VERSION", "")
	for _, u := range compat.Upstreams {
		for _, name := range slices.Concat(u.BaseEnv, u.KeyEnv) {
			t.Setenv(name, "")
		}
	}
}

// open makes the provider of a deployment; the prefix is stripped from the model as the gateway does it.
func open(t testing.TB, p config.Params, change ...func(*provider.Spec)) provider.Chatter {
	t.Helper()
	c, err := compat.Open(newSpec(t, p, change...))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func newSpec(t testing.TB, p config.Params, change ...func(*provider.Spec)) provider.Spec {
	s := provider.Spec{ID: "d1", Alias: "alias", Model: p.Model, Params: p, Egress: newEgress(t, nil)}
	if _, model, ok := strings.Cut(p.Model, "/"); ok && p.CustomLLMProvider == "" {
		s.Model = model
	}
	for _, f := range change {
		f(&s)
	}
	return s
}

func request(t testing.TB, op openai.Operation, body string) *openai.Request {
	t.Helper()
	r, err := openai.ParseRequest(op, []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// call makes the call that the request is for and returns what the answer tells beside its text.
func call(ctx context.Context, p provider.Chatter, r *openai.Request) (openai.Meta, error) {
	unary := func(resp *openai.Response, err error) (openai.Meta, error) {
		if err != nil {
			return openai.Meta{}, err
		}
		return resp.Meta, nil
	}
	streamed := func(s openai.Stream, err error) (openai.Meta, error) {
		if err != nil {
			return openai.Meta{}, err
		}
		defer s.Close()
		for err == nil {
			_, err = s.Next()
		}
		if err != io.EOF {
			return openai.Meta{}, err
		}
		return s.Meta(), nil
	}
	switch r.Operation {
	case openai.OpChat:
		if r.Stream {
			return streamed(p.ChatStream(ctx, r))
		}
		return unary(p.Chat(ctx, r))
	case openai.OpCompletion:
		if r.Stream {
			return streamed(p.(provider.Completer).CompleteStream(ctx, r))
		}
		return unary(p.(provider.Completer).Complete(ctx, r))
	case openai.OpEmbedding:
		return unary(p.(provider.Embedder).Embed(ctx, r))
	}
	return unary(p.(provider.Reranker).Rerank(ctx, r))
}

func field(name, value string) jsonscan.Field {
	return jsonscan.Field{Name: name, Value: []byte(value)}
}

func TestOpen_BodiesForTheUpstream(t *testing.T) {
	unset(t)
	dropping := func(s *provider.Spec) { s.DropParams = true }
	omitting := func(names ...string) func(*provider.Spec) { return func(s *provider.Spec) { s.Omit = names } }
	defaults := func(fields ...jsonscan.Field) func(*provider.Spec) {
		return func(s *provider.Spec) { s.Defaults = fields }
	}
	tests := []struct {
		name    string
		model   string
		change  []func(*provider.Spec)
		op      openai.Operation
		body    string
		path    string
		want    string
		dropped []string
	}{
		{name: "all passes but the model", model: "openai/gpt-4o", op: openai.OpChat,
			body: `{ "model":"alias", "messages" : [ {"role":"user","content":"ä\u00e4"} ],"max_tokens":5,"temperature":0.2,"unknown_field":{"a":[1,2.50,1e3]},"top_k":4 }`,
			path: "/v1/chat/completions",
			want: `{"model":"gpt-4o","messages" : [ {"role":"user","content":"ä\u00e4"} ],"max_tokens":5,"temperature":0.2,"unknown_field":{"a":[1,2.50,1e3]},"top_k":4}`},
		{name: "what is meant for the gateway stays here", model: "openai/gpt-4o", op: openai.OpChat,
			body: `{"model":"alias","metadata":{"tags":["a"]},"messages":[],"num_retries":3,"extra_body":{"repetition_penalty":1.1,"api_base":"http://evil.test"}}`,
			path: "/v1/chat/completions",
			want: `{"model":"gpt-4o","messages":[],"repetition_penalty":1.1}`},
		{name: "additional_drop_params", model: "openai/gpt-4o", op: openai.OpChat, change: []func(*provider.Spec){omitting("seed", "user")},
			body: `{"model":"alias","seed":1,"messages":[],"user":"u"}`, path: "/v1/chat/completions",
			want: `{"model":"gpt-4o","messages":[]}`},
		{name: "a deployment's defaults", model: "openai/gpt-4o", op: openai.OpChat, change: []func(*provider.Spec){defaults(field("temperature", "0"), field("max_tokens", "9"))},
			body: `{"model":"alias","messages":[],"max_tokens":3}`, path: "/v1/chat/completions",
			want: `{"model":"gpt-4o","messages":[],"max_tokens":3,"temperature":0}`},

		{name: "a stream asks for usage", model: "openai/gpt-4o", op: openai.OpChat,
			body: `{"model":"alias","messages":[],"stream":true}`, path: "/v1/chat/completions",
			want: `{"model":"gpt-4o","messages":[],"stream":true,"stream_options":{"include_usage":true}}`},
		{name: "a stream keeps the other stream options", model: "openai/gpt-4o", op: openai.OpChat,
			body: `{"model":"alias","stream":true,"stream_options":{"include_obfuscation":false, "include_usage":false},"messages":[]}`, path: "/v1/chat/completions",
			want: `{"model":"gpt-4o","stream":true,"stream_options":{"include_obfuscation":false,"include_usage":true},"messages":[]}`},
		{name: "null stream options (BerriAI/litellm#15080)", model: "openai/gpt-4o", op: openai.OpChat,
			body: `{"model":"alias","stream":true,"stream_options":null,"messages":[]}`, path: "/v1/chat/completions",
			want: `{"model":"gpt-4o","stream":true,"stream_options":{"include_usage":true},"messages":[]}`},
		{name: "stream options of the deployment", model: "openai/gpt-4o", op: openai.OpChat, change: []func(*provider.Spec){defaults(field("stream_options", `{"x":1}`))},
			body: `{"model":"alias","stream":true,"messages":[]}`, path: "/v1/chat/completions",
			want: `{"model":"gpt-4o","stream":true,"messages":[],"stream_options":{"x":1,"include_usage":true}}`},
		{name: "stream options that are never to go", model: "openai/gpt-4o", op: openai.OpChat, change: []func(*provider.Spec){omitting("stream_options")},
			body: `{"model":"alias","stream":true,"stream_options":{},"messages":[]}`, path: "/v1/chat/completions",
			want: `{"model":"gpt-4o","stream":true,"messages":[]}`},
		{name: "Mistral takes no stream options", model: "mistral/mistral-small", op: openai.OpChat,
			body: `{"model":"alias","stream":true,"stream_options":{"include_usage":true},"messages":[],"seed":7,"max_completion_tokens":8}`, path: "/v1/chat/completions",
			want: `{"model":"mistral-small","stream":true,"messages":[],"random_seed":7,"max_tokens":8}`},

		{name: "o-series: max_tokens is renamed", model: "openai/o3-mini", op: openai.OpChat,
			body: `{"model":"alias","max_tokens":50,"messages":[],"temperature":0.5}`, path: "/v1/chat/completions",
			want: `{"model":"o3-mini","messages":[],"temperature":0.5,"max_completion_tokens":50}`},
		{name: "o-series: max_completion_tokens wins", model: "openai/o1", op: openai.OpChat,
			body: `{"model":"alias","max_tokens":50,"messages":[],"max_completion_tokens":60}`, path: "/v1/chat/completions",
			want: `{"model":"o1","messages":[],"max_completion_tokens":60}`},
		{name: "o-series: a null is no value", model: "openai/o1", op: openai.OpChat,
			body: `{"model":"alias","max_tokens":50,"messages":[],"max_completion_tokens":null}`, path: "/v1/chat/completions",
			want: `{"model":"o1","messages":[],"max_completion_tokens":50}`},
		{name: "o-series: sampling is dropped and named", model: "openai/o4-mini", op: openai.OpChat, change: []func(*provider.Spec){dropping},
			body: `{"model":"alias","top_p":0.9,"messages":[],"temperature":0.7,"frequency_penalty":0,"presence_penalty":0,"logprobs":true,"top_logprobs":2,"seed":1,"stop":"x"}`, path: "/v1/chat/completions",
			want:    `{"model":"o4-mini","messages":[],"seed":1,"stop":"x"}`,
			dropped: []string{"frequency_penalty", "logprobs", "presence_penalty", "temperature", "top_logprobs", "top_p"}},
		{name: "o-series: temperature 1 may go", model: "openai/o1", op: openai.OpChat, change: []func(*provider.Spec){dropping},
			body: `{"model":"alias","messages":[],"temperature":1.0}`, path: "/v1/chat/completions",
			want: `{"model":"o1","messages":[],"temperature":1.0}`},
		{name: "gpt-5: as a client of older models calls it", model: "openai/gpt-5-mini", op: openai.OpChat, change: []func(*provider.Spec){dropping},
			body: `{"model":"alias","messages":[],"max_tokens":4096,"temperature":0.7,"top_p":0.9,"stop":["a"],"stream":true}`, path: "/v1/chat/completions",
			want:    `{"model":"gpt-5-mini","messages":[],"stream":true,"max_completion_tokens":4096,"stream_options":{"include_usage":true}}`,
			dropped: []string{"stop", "temperature", "top_p"}},
		{name: "gpt-5.2 without reasoning samples", model: "openai/gpt-5.2", op: openai.OpChat, change: []func(*provider.Spec){dropping},
			body: `{"model":"alias","messages":[],"temperature":0.7,"top_p":0.9,"reasoning_effort":"none"}`, path: "/v1/chat/completions",
			want: `{"model":"gpt-5.2","messages":[],"temperature":0.7,"top_p":0.9,"reasoning_effort":"none"}`},
		{name: "gpt-5.2 with reasoning does not", model: "openai/gpt-5.2", op: openai.OpChat, change: []func(*provider.Spec){dropping},
			body: `{"model":"alias","messages":[],"temperature":0.7,"top_p":0.9,"reasoning_effort":"high"}`, path: "/v1/chat/completions",
			want:    `{"model":"gpt-5.2","messages":[],"reasoning_effort":"high"}`,
			dropped: []string{"temperature", "top_p"}},
		{name: "gpt-5-chat is an ordinary model", model: "openai/gpt-5-chat-latest", op: openai.OpChat, change: []func(*provider.Spec){dropping},
			body: `{"model":"alias","messages":[],"temperature":0.7,"max_tokens":5}`, path: "/v1/chat/completions",
			want: `{"model":"gpt-5-chat-latest","messages":[],"temperature":0.7,"max_tokens":5}`},
		{name: "defaults are renamed and dropped too", model: "openai/gpt-5", op: openai.OpChat, change: []func(*provider.Spec){dropping, defaults(field("max_tokens", "7"), field("temperature", "0"))},
			body: `{"model":"alias","messages":[]}`, path: "/v1/chat/completions",
			want: `{"model":"gpt-5","messages":[],"max_completion_tokens":7}`, dropped: []string{"temperature"}},
		{name: "an omitted parameter does not come back under its other name", model: "openai/gpt-5", op: openai.OpChat, change: []func(*provider.Spec){omitting("max_tokens")},
			body: `{"model":"alias","messages":[],"max_tokens":7}`, path: "/v1/chat/completions",
			want: `{"model":"gpt-5","messages":[]}`},
		{name: "a local model with such a name keeps its parameters", model: "hosted_vllm/o1-open", op: openai.OpChat, change: []func(*provider.Spec){dropping},
			body: `{"model":"alias","messages":[],"temperature":0.7,"max_tokens":5}`, path: "/v1/chat/completions",
			want: `{"model":"o1-open","messages":[],"temperature":0.7,"max_tokens":5}`},

		{name: "Fireworks' full model names", model: "fireworks_ai/llama-v3p1-8b-instruct", op: openai.OpChat,
			body: `{"model":"alias","messages":[]}`, path: "/v1/chat/completions",
			want: `{"model":"accounts/fireworks/models/llama-v3p1-8b-instruct","messages":[]}`},
		{name: "a model id with slashes", model: "openrouter/anthropic/claude-sonnet-4", op: openai.OpChat,
			body: `{"model":"alias","messages":[]}`, path: "/v1/chat/completions",
			want: `{"model":"anthropic/claude-sonnet-4","messages":[]}`},
		{name: "completions", model: "hosted_vllm/m", op: openai.OpCompletion,
			body: `{"model":"alias","prompt":[1,2],"stream":true}`, path: "/v1/completions",
			want: `{"model":"m","prompt":[1,2],"stream":true,"stream_options":{"include_usage":true}}`},
		{name: "embeddings of tokens", model: "openai/text-embedding-3-small", op: openai.OpEmbedding,
			body: `{"model":"alias","input":[[1,2],[3]],"encoding_format":"base64","dimensions":64}`, path: "/v1/embeddings",
			want: `{"model":"text-embedding-3-small","input":[[1,2],[3]],"encoding_format":"base64","dimensions":64}`},
		{name: "rerank", model: "jina_ai/jina-reranker-v2", op: openai.OpRerank,
			body: `{"model":"alias","query":"q","documents":["a","b"],"top_n":1}`, path: "/v1/rerank",
			want: `{"model":"jina-reranker-v2","query":"q","documents":["a","b"],"top_n":1}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got received
			p := open(t, config.Params{Model: tt.model, APIBase: upstream(t, &got) + "/v1"}, tt.change...)
			meta, err := call(t.Context(), p, request(t, tt.op, tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if got.path != tt.path {
				t.Errorf("path = %s, want %s", got.path, tt.path)
			}
			if diff := cmp.Diff(tt.want, got.body); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.dropped, meta.Dropped); diff != "" {
				t.Errorf("dropped (-want +got):\n%s", diff)
			}
			if meta.Header.Get("Content-Type") == "" {
				t.Error("the upstream's headers are lost")
			}
		})
	}
}

func TestOpen_StreamFollowsTheMethodCalled(t *testing.T) {
	unset(t)
	var got received
	p := open(t, config.Params{Model: "openai/gpt-4o", APIBase: upstream(t, &got)})
	if _, err := p.Chat(t.Context(), request(t, openai.OpChat, `{"model":"a","stream":true,"stream_options":{"include_usage":true}}`)); err != nil {
		t.Fatal(err)
	}
	if want := `{"model":"gpt-4o","stream":false}`; got.body != want {
		t.Errorf("Chat sent %s, want %s", got.body, want)
	}
	s, err := p.ChatStream(t.Context(), request(t, openai.OpChat, `{"model":"a"}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := collect(t, s); err != nil {
		t.Error(err)
	}
	if want := `{"model":"gpt-4o","stream_options":{"include_usage":true},"stream":true}`; got.body != want {
		t.Errorf("ChatStream sent %s, want %s", got.body, want)
	}
}

func TestWithUsage_KeepsTheCallersOptions(t *testing.T) {
	for options, want := range map[string]string{
		`{}`:                           `{"include_usage":true}`,
		`null`:                         `{"include_usage":true}`,
		`{"include_usage": false}`:     `{"include_usage":true}`,
		`{"a":[1],"b":{"c":"\u00e4"}}`: `{"a":[1],"b":{"c":"\u00e4"},"include_usage":true}`,
	} {
		f := compat.WithUsage(request(t, openai.OpChat, `{"stream_options":`+options+`}`))
		if f.Name != "stream_options" || string(f.Value) != want {
			t.Errorf("%s: %s = %s, want %s", options, f.Name, f.Value, want)
		}
	}
	if f := compat.WithUsage(request(t, openai.OpChat, `{}`)); string(f.Value) != `{"include_usage":true}` {
		t.Errorf("without options: %s", f.Value)
	}
}

func TestOpen_WhereAndAsWhom(t *testing.T) {
	var got received
	base := upstream(t, &got)
	tests := []struct {
		name   string
		params config.Params
		env    map[string]string
		path   string
		header map[string]string // "" where there must be none
	}{
		{name: "base as given, without /v1", params: config.Params{Model: "openai/m", APIBase: base},
			path: "/chat/completions", header: map[string]string{"Authorization": "", "Api-Key": "", "Openai-Organization": ""}},
		{name: "base with a slash at its end", params: config.Params{Model: "openai/m", APIBase: base + "/v1/", APIKey: secret.New("k1\n"), Organization: "org-1"},
			path: "/v1/chat/completions", header: map[string]string{"Authorization": "Bearer k1", "Openai-Organization": "org-1"}},
		{name: "environment", params: config.Params{Model: "groq/m"}, env: map[string]string{"GROQ_API_BASE": base + "/openai/v1", "GROQ_API_KEY": "k2"},
			path: "/openai/v1/chat/completions", header: map[string]string{"Authorization": "Bearer k2"}},
		{name: "the first variable that is set", params: config.Params{Model: "together_ai/m", APIBase: base}, env: map[string]string{"TOGETHERAI_API_KEY": "k3", "TOGETHER_AI_TOKEN": "k4"},
			path: "/chat/completions", header: map[string]string{"Authorization": "Bearer k3"}},
		{name: "the configuration wins", params: config.Params{Model: "groq/m", APIBase: base, APIKey: secret.New("k5")}, env: map[string]string{"GROQ_API_BASE": "http://elsewhere.test", "GROQ_API_KEY": "k6"},
			path: "/chat/completions", header: map[string]string{"Authorization": "Bearer k5"}},
		{name: "extra headers win", params: config.Params{Model: "hosted_vllm/m", APIBase: base, APIKey: secret.New("k7"), ExtraHeaders: map[string]secret.String{"authorization": secret.New("Basic x"), "X-Team": secret.New("t"), "Accept-Encoding": secret.New("zstd")}},
			path: "/chat/completions", header: map[string]string{"Authorization": "Basic x", "X-Team": "t", "Accept-Encoding": "identity"}},
		{name: "a prefix by custom_llm_provider", params: config.Params{Model: "meta/llama", CustomLLMProvider: "openai_like", APIBase: base},
			path: "/chat/completions"},
		{name: "a model without prefix", params: config.Params{Model: "gpt-4o", APIBase: base}, path: "/chat/completions"},
		{name: "a path that must be there", params: config.Params{Model: "ollama_chat/m", APIBase: base}, path: "/v1/chat/completions"},
		{name: "a path that is there", params: config.Params{Model: "mistral/m", APIBase: base + "/v1"}, path: "/v1/chat/completions"},
		{name: "Azure", params: config.Params{Model: "azure/my dep", APIBase: base, APIKey: secret.New("k8"), APIVersion: "2024-10-21"},
			path: "/openai/deployments/my%20dep/chat/completions?api-version=2024-10-21", header: map[string]string{"Api-Key": "k8", "Authorization": ""}},
		{name: "Azure, a slash in the deployment's name", params: config.Params{Model: "azure/a/b", APIBase: base, APIVersion: "1"},
			path: "/openai/deployments/a%2Fb/chat/completions?api-version=1"},
		{name: "Azure's default version", params: config.Params{Model: "azure/dep", APIBase: base + "/"},
			path: "/openai/deployments/dep/chat/completions?api-version=2025-02-01-preview"},
		{name: "Azure's version by environment", params: config.Params{Model: "azure/dep", APIBase: base}, env: map[string]string{"AZURE_API_VERSION": "2023-05-15"},
			path: "/openai/deployments/dep/chat/completions?api-version=2023-05-15"},
		{name: "Azure, a deployment in the base", params: config.Params{Model: "azure/dep", APIBase: base + "/openai/deployments/other?api-version=1"},
			path: "/openai/deployments/other/chat/completions?api-version=1"},
		{name: "Azure's surface without deployments", params: config.Params{Model: "azure/dep", APIBase: base + "/openai/v1/"},
			path: "/openai/v1/chat/completions"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			unset(t)
			for name, value := range tt.env {
				t.Setenv(name, value)
			}
			p := open(t, tt.params)
			if _, err := p.Chat(t.Context(), request(t, openai.OpChat, `{"model":"a","messages":[]}`)); err != nil {
				t.Fatal(err)
			}
			if got.path != tt.path {
				t.Errorf("path = %s, want %s", got.path, tt.path)
			}
			for name, want := range tt.header {
				if value := got.header.Get(name); value != want {
					t.Errorf("%s = %q, want %q", name, value, want)
				}
			}
		})
	}
}

func TestOpen_RefusesWhatTheOperatorMustMend(t *testing.T) {
	unset(t)
	tests := []struct {
		params config.Params
		want   string
	}{
		{config.Params{Model: "hosted_vllm/m"}, "api_base: hosted_vllm/ models need one (or the environment variable HOSTED_VLLM_API_BASE)"},
		{config.Params{Model: "nobody/m"}, `model: no OpenAI-compatible upstream is called "nobody"`},
		{config.Params{Model: "m", CustomLLMProvider: "nobody"}, `custom_llm_provider: no OpenAI-compatible upstream is called "nobody"`},
		{config.Params{Model: "openai/m", APIBase: "localhost:8000/v1"}, "api_base: base URL: expected http:// or https:// and a host"},
		{config.Params{Model: "azure/m", APIBase: "http://[::1"}, "api_base: not a URL"},
		{config.Params{Model: "openai/m", APIBase: "https://user:hush@host/v1"}, "api_base: base URL: must not hold a user name or password; use api_key or extra_headers"},
		{config.Params{Model: "openai/m", APIKey: secret.New("hush\nhush")}, "api_key: holds a character that no HTTP header can carry"},
		{config.Params{Model: "openai/m", ExtraHeaders: map[string]secret.String{"X Y": secret.New("hush")}}, `extra_headers: "X Y" is no header that HTTP can carry`},
		{config.Params{Model: "openai/m", ExtraHeaders: map[string]secret.String{"X": secret.New("hush\r\nA: b")}}, `extra_headers: "X" is no header that HTTP can carry`},
	}
	for _, tt := range tests {
		if _, err := compat.Open(newSpec(t, tt.params)); err == nil || err.Error() != tt.want {
			t.Errorf("error = %v\n want %s", err, tt.want)
		}
	}
}

func TestOpen_EveryUpstream(t *testing.T) {
	unset(t)
	labels := map[string]string{"openai": "OpenAI", "azure": "Azure", "hosted_vllm": "Hosted_vllm", "together_ai": "Together_ai"}
	seen := map[string]bool{}
	for _, u := range compat.Upstreams {
		if seen[u.Prefix] {
			t.Errorf("%s stands twice", u.Prefix)
		}
		seen[u.Prefix] = true
		if want, ok := labels[u.Prefix]; ok && u.Label() != want {
			t.Errorf("%s: label = %s", u.Prefix, u.Label())
		}
		p := config.Params{Model: u.Prefix + "/m"}
		if u.Base == "" {
			p.APIBase = "http://upstream.test"
		}
		chatter := open(t, p)
		if _, ok := chatter.(provider.Completer); !ok {
			t.Errorf("%s: no Completer", u.Prefix)
		}
		if _, ok := chatter.(provider.Embedder); !ok {
			t.Errorf("%s: no Embedder", u.Prefix)
		}
		if _, ok := chatter.(provider.Reranker); ok != u.Rerank {
			t.Errorf("%s: Reranker %v, want %v", u.Prefix, ok, u.Rerank)
		}
	}
}

func TestOpen_ErrorsNameTheUpstream(t *testing.T) {
	unset(t)
	s := serve(t, answer(400, "application/json", `{"error":{"message":"Unsupported parameter: 'max_tokens'","type":"invalid_request_error","param":"max_tokens","code":"unsupported_parameter"}}`))
	p := open(t, config.Params{Model: "groq/m", APIBase: s.URL})
	want := "litellm.BadRequestError: GroqException - Unsupported parameter: 'max_tokens'"
	for _, body := range []string{`{"model":"a"}`, `{"model":"a","stream":true}`} {
		_, err := call(t.Context(), p, request(t, openai.OpChat, body))
		var got *provider.UpstreamError
		if !errors.As(err, &got) || got.Error() != want || got.Param != "max_tokens" || got.Billed != provider.NotBilled {
			t.Errorf("error = %v", err)
		}
	}
	for _, op := range []openai.Operation{openai.OpChat, openai.OpCompletion, openai.OpEmbedding} {
		_, err := call(t.Context(), p, request(t, op, `{"model":"a","extra_body":[]}`))
		var refused *apierr.Error
		if !errors.As(err, &refused) || refused.Status != 400 || refused.Param != "extra_body" {
			t.Errorf("%s: error = %v", op, err)
		}
	}
}

// TestOpen_CallsInParallel lets one provider serve many calls at once; each must get its own answer.
func TestOpen_CallsInParallel(t *testing.T) {
	unset(t)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r2, err := openai.ParseRequest(openai.OpChat, body)
		if err != nil {
			t.Error(err)
			return
		}
		user, _ := r2.Get("user")
		if r2.Stream {
			answer(200, "text/event-stream", strings.Repeat(events(fmt.Sprintf(`{"u":%s}`, user)), 50)+events("[DONE]"))(w, r)
			return
		}
		answer(200, "application/json", fmt.Sprintf(`{"u":%s}`, user))(w, r)
	})
	p := open(t, config.Params{Model: "openai/o3", APIBase: s.URL}, func(s *provider.Spec) { s.DropParams = true })
	done := make(chan error)
	const callers = 32
	for i := range callers {
		go func() {
			want := fmt.Sprintf(`{"u":"%d"}`, i)
			body := fmt.Sprintf(`{"model":"a","user":"%d","max_tokens":1,"temperature":0,"stream":%v}`, i, i%2 == 0)
			r, err := openai.ParseRequest(openai.OpChat, []byte(body))
			if err != nil {
				done <- err
				return
			}
			if i%2 == 1 {
				resp, err := p.Chat(t.Context(), r)
				if err == nil && string(resp.Body) != want {
					err = fmt.Errorf("caller %d got %s", i, resp.Body)
				}
				done <- err
				return
			}
			st, err := p.ChatStream(t.Context(), r)
			if err != nil {
				done <- err
				return
			}
			defer st.Close()
			for {
				c, err := st.Next()
				if err == io.EOF {
					done <- nil
					return
				}
				if err == nil && string(c.Data) != want {
					err = fmt.Errorf("caller %d got %s", i, c.Data)
				}
				if err != nil {
					done <- err
					return
				}
			}
		}()
	}
	for range callers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
