package otel

import (
	"encoding/json"
	"net/url"
	"strconv"

	"tollgate/internal/callback"
	"tollgate/internal/callback/otlp"
	"tollgate/internal/record"
)

// This file has the attributes of OpenTelemetry's conventions for GenAI, as of v1.41.1.

// operation is what a call is by the conventions. They have no word for rerank.
func operation(callType string) string {
	switch callType {
	case "atext_completion", "text_completion":
		return "text_completion"
	case "aembedding", "embedding":
		return "embeddings"
	case "arerank", "rerank":
		return "rerank"
	}
	return "chat"
}

// providerName is a provider by the conventions. They have none for OCI.
func providerName(provider string) string {
	switch provider {
	case "oci":
		return "oci.generative_ai"
	case "azure":
		return "azure.ai.openai"
	case "bedrock":
		return "aws.bedrock"
	case "vertex_ai":
		return "gcp.vertex_ai"
	case "gemini":
		return "gcp.gemini"
	case "mistral":
		return "mistral_ai"
	case "xai":
		return "x_ai"
	case "watsonx":
		return "ibm.watsonx.ai"
	}
	return provider
}

// attemptAttrs are those of one attempt. Usage, cost and answer belong to the one that has answered.
func attemptAttrs(e *callback.Event, s *record.Step, answered, content bool) otlp.Attrs {
	p := &e.Payload
	var a otlp.Attrs
	a.Text("gen_ai.operation.name", operation(p.CallType))
	a.Text("gen_ai.provider.name", providerName(attr(s, "provider", p.Provider)))
	a.Text("gen_ai.request.model", attr(s, "model", p.Model))
	a.Text("gen_ai.conversation.id", e.Session)
	a.Text("litellm.call_id", p.CallID)
	a.Text("litellm.model_id", attr(s, "deployment", p.ModelID))
	a.Text("litellm.request.model", attr(s, "group", p.ModelGroup))
	serverOf(&a, attr(s, "api_base", p.APIBase))
	requestAttrs(&a, e)
	if s.Error != "" {
		a.Text("error.type", statusOf(s))
	}
	if answered {
		answerAttrs(&a, e, s)
		if content {
			return contentAttrs(a, e)
		}
	}
	return a
}

// attr is a text that a step has, else standard.
func attr(s *record.Step, name, standard string) string {
	if v, ok := s.Attrs[name].(string); ok && v != "" {
		return v
	}
	return standard
}

// statusOf is the status of an attempt that failed, as text.
func statusOf(s *record.Step) string {
	switch v := s.Attrs["status"].(type) {
	case float64: // it has been JSON
		return strconv.Itoa(int(v))
	case int:
		return strconv.Itoa(v)
	}
	return "_OTHER"
}

// serverOf is the upstream's host.
func serverOf(a *otlp.Attrs, base string) {
	u, err := url.Parse(base)
	if err != nil || u.Hostname() == "" {
		return
	}
	a.Text("server.address", u.Hostname())
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	if n, err := strconv.Atoi(port); err == nil {
		a.Int("server.port", int64(n))
	}
}

// asked are the parameters of a request that the conventions have.
var asked = [][2]string{
	{"temperature", "gen_ai.request.temperature"}, {"top_p", "gen_ai.request.top_p"}, {"top_k", "gen_ai.request.top_k"},
	{"max_tokens", "gen_ai.request.max_tokens"}, {"max_completion_tokens", "gen_ai.request.max_tokens"}, {"seed", "gen_ai.request.seed"},
	{"frequency_penalty", "gen_ai.request.frequency_penalty"}, {"presence_penalty", "gen_ai.request.presence_penalty"},
	{"dimensions", "gen_ai.embeddings.dimension.count"}, {"service_tier", "openai.request.service_tier"},
	{"reasoning_effort", "gen_ai.request.reasoning.level"},
}

// wholeNumbers are those of them that are integers by the conventions; the others are doubles, or texts.
var wholeNumbers = map[string]bool{"top_k": true, "max_tokens": true, "max_completion_tokens": true, "seed": true, "dimensions": true}

// requestAttrs are the parameters.
func requestAttrs(a *otlp.Attrs, e *callback.Event) {
	seen := map[string]bool{}
	for _, pair := range asked {
		if seen[pair[1]] {
			continue
		}
		switch v := parameter(e, pair[0]).(type) {
		case float64:
			seen[pair[1]] = true
			if wholeNumbers[pair[0]] {
				a.Int(pair[1], int64(v))
			} else {
				a.Float(pair[1], v)
			}
		case string:
			seen[pair[1]] = true
			a.Text(pair[1], v)
		}
	}
	if n, ok := parameter(e, "n").(float64); ok && n != 1 {
		a.Int("gen_ai.request.choice.count", int64(n))
	}
	if e.Payload.Stream {
		a.Bool("gen_ai.request.stream", true)
	}
	if format, ok := parameter(e, "encoding_format").(string); ok {
		a.Texts("gen_ai.request.encoding_formats", []string{format})
	}
	switch v := parameter(e, "stop").(type) {
	case string:
		a.Texts("gen_ai.request.stop_sequences", []string{v})
	case []any:
		var list []string
		for _, s := range v {
			if s, ok := s.(string); ok {
				list = append(list, s)
			}
		}
		a.Texts("gen_ai.request.stop_sequences", list)
	}
	if format, ok := parameter(e, "response_format").(map[string]any); ok {
		switch format["type"] {
		case "json_object", "json_schema":
			a.Text("gen_ai.output.type", "json")
		case "text":
			a.Text("gen_ai.output.type", "text")
		}
	}
}

// parameter is one of the request's, as encoding/json knows it.
func parameter(e *callback.Event, name string) any {
	v := e.Payload.ModelParameters[name]
	if raw, ok := v.(json.RawMessage); ok { // of an event that was not in a queue
		v = nil
		_ = json.Unmarshal(raw, &v) // it was scanned
	}
	return v
}

// answerAttrs tell of the answer, without its texts.
func answerAttrs(a *otlp.Attrs, e *callback.Event, s *record.Step) {
	p := &e.Payload
	var answer struct {
		ID          string `json:"id"`
		Model       string `json:"model"`
		Tier        string `json:"service_tier"`
		Fingerprint string `json:"system_fingerprint"`
		Choices     []struct {
			Finish string `json:"finish_reason"`
		} `json:"choices"`
	}
	_ = json.Unmarshal(p.Response, &answer) // of another shape, or not kept: then there is less to tell
	a.Text("gen_ai.response.id", answer.ID)
	a.Text("gen_ai.response.model", p.Model)
	a.Text("openai.response.service_tier", answer.Tier)
	a.Text("openai.response.system_fingerprint", answer.Fingerprint)
	var reasons []string
	for _, c := range answer.Choices {
		if c.Finish != "" {
			reasons = append(reasons, c.Finish)
		}
	}
	a.Texts("gen_ai.response.finish_reasons", reasons)
	if p.Stream && p.CompletionStartTime > 0 {
		if first := p.CompletionStartTime - float64(s.Start.UnixMicro())/1e6; first > 0 {
			a.Float("gen_ai.response.time_to_first_chunk", first)
		}
	}
	usageAttrs(a, p)
	if p.CostBreakdown != nil {
		a.Float("gen_ai.usage.cost", p.ResponseCost)
		a.Float("gen_ai.cost.input_cost", p.CostBreakdown.Input)
		a.Float("gen_ai.cost.output_cost", p.CostBreakdown.Output)
		a.Float("gen_ai.cost.total_cost", p.CostBreakdown.Total)
	}
}

// used is what the upstream has counted.
type used struct {
	Prompt     *int64 `json:"prompt_tokens"`
	Completion *int64 `json:"completion_tokens"`
	In         struct {
		Cached  int64 `json:"cached_tokens"`
		Written int64 `json:"cache_creation_tokens"`
	} `json:"prompt_tokens_details"`
	Out struct {
		Reasoning int64 `json:"reasoning_tokens"`
	} `json:"completion_tokens_details"`
}

// usage reads what the upstream has counted; its pointers are nil where nobody has.
func usage(p *callback.Payload) used {
	var u used
	_ = json.Unmarshal(p.Metadata.Usage, &u) // ours, or null
	if p.TotalTokens == 0 {
		u.Prompt, u.Completion = nil, nil
	}
	return u
}

func usageAttrs(a *otlp.Attrs, p *callback.Payload) {
	u := usage(p)
	if u.Prompt == nil || u.Completion == nil {
		return
	}
	a.Int("gen_ai.usage.input_tokens", *u.Prompt)
	a.Int("gen_ai.usage.output_tokens", *u.Completion)
	a.Int("gen_ai.usage.total_tokens", *u.Prompt+*u.Completion)
	for _, part := range [...]struct {
		name   string
		tokens int64
	}{
		{"gen_ai.usage.cache_read.input_tokens", u.In.Cached}, {"gen_ai.usage.cache_creation.input_tokens", u.In.Written},
		{"gen_ai.usage.reasoning.output_tokens", u.Out.Reasoning},
	} {
		if part.tokens > 0 {
			a.Int(part.name, part.tokens)
		}
	}
}
