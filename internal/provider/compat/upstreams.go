package compat

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	"tollgate/internal/config"
)

// Upstream is one kind of OpenAI-compatible upstream: a provider prefix of LiteLLM.
type Upstream struct {
	Prefix  string   // of model in litellm_params, and custom_llm_provider: "groq"
	Base    string   // default base URL; "" where the operator must name one
	BaseEnv []string // environment variables for the base URL, the first that is set wins
	KeyEnv  []string // the same for the API key

	// PathEnd is what the base URL must end with; it is appended where it is missing.
	PathEnd string
	// ModelPath is put before a model id that has no "accounts/" of its own.
	ModelPath string
	// KeyHeader is the header that carries the bare key; "" means Authorization with Bearer.
	KeyHeader string
	// Deployments puts the model into the path and an api-version into the query, as Azure OpenAI wants it.
	Deployments bool
	// Rerank says that the upstream serves /rerank in Cohere's and Jina's common shape.
	Rerank bool
	// OpenAIModels says that OpenAI's own models answer here, with OpenAI's rules (modelRules).
	OpenAIModels bool
	// Renames are parameters that have another name here.
	Renames []Rename
	// NoStreamOptions says that the upstream refuses stream_options. It sends usage without being asked.
	NoStreamOptions bool
}

// Label is the name in error texts, made as LiteLLM makes it: "OpenAI", else the prefix with a capital: "Hosted_vllm".
func (u *Upstream) Label() string {
	if u.Prefix == "openai" {
		return "OpenAI"
	}
	return strings.ToUpper(u.Prefix[:1]) + u.Prefix[1:]
}

// oldMaxTokens is the parameter's name where only the older of OpenAI's two is known.
var oldMaxTokens = []Rename{{From: "max_completion_tokens", To: "max_tokens", Wins: true}}

// Upstreams are all prefixes that Open serves. Base URLs, environment variables and renames are LiteLLM's
// (BerriAI/litellm: get_llm_provider_logic.py and the providers' transformation.py). vllm, which there runs a model in
// LiteLLM's own process, is served as hosted_vllm; ollama's prefixes are served by Ollama's own /v1. Read only.
var Upstreams = []Upstream{
	{Prefix: "openai", Base: "https://api.openai.com/v1", BaseEnv: []string{"OPENAI_BASE_URL", "OPENAI_API_BASE"}, KeyEnv: []string{"OPENAI_API_KEY"}, OpenAIModels: true},
	{Prefix: "text-completion-openai", Base: "https://api.openai.com/v1", BaseEnv: []string{"OPENAI_BASE_URL", "OPENAI_API_BASE"}, KeyEnv: []string{"OPENAI_API_KEY"}},
	{Prefix: "custom_openai", Base: "https://api.openai.com/v1", BaseEnv: []string{"OPENAI_BASE_URL", "OPENAI_API_BASE"}, KeyEnv: []string{"OPENAI_API_KEY"}, Rerank: true},
	{Prefix: "azure", BaseEnv: []string{"AZURE_API_BASE"}, KeyEnv: []string{"AZURE_OPENAI_API_KEY", "AZURE_API_KEY"}, KeyHeader: "api-key", Deployments: true, OpenAIModels: true},
	{Prefix: "openai_like", BaseEnv: []string{"OPENAI_LIKE_API_BASE"}, KeyEnv: []string{"OPENAI_LIKE_API_KEY"}, Rerank: true, Renames: oldMaxTokens},
	{Prefix: "litellm_proxy", BaseEnv: []string{"LITELLM_PROXY_API_BASE"}, KeyEnv: []string{"LITELLM_PROXY_API_KEY"}, Rerank: true},

	// Servers of one's own.
	{Prefix: "hosted_vllm", BaseEnv: []string{"HOSTED_VLLM_API_BASE"}, KeyEnv: []string{"HOSTED_VLLM_API_KEY"}, Rerank: true},
	{Prefix: "vllm", BaseEnv: []string{"HOSTED_VLLM_API_BASE"}, KeyEnv: []string{"HOSTED_VLLM_API_KEY"}, Rerank: true},
	{Prefix: "lm_studio", BaseEnv: []string{"LM_STUDIO_API_BASE"}, KeyEnv: []string{"LM_STUDIO_API_KEY"}},
	{Prefix: "llamafile", Base: "http://127.0.0.1:8080/v1", BaseEnv: []string{"LLAMAFILE_API_BASE"}, KeyEnv: []string{"LLAMAFILE_API_KEY"}},
	{Prefix: "ollama", Base: "http://localhost:11434", BaseEnv: []string{"OLLAMA_API_BASE"}, KeyEnv: []string{"OLLAMA_API_KEY"}, PathEnd: "/v1", Renames: oldMaxTokens},
	{Prefix: "ollama_chat", Base: "http://localhost:11434", BaseEnv: []string{"OLLAMA_API_BASE"}, KeyEnv: []string{"OLLAMA_API_KEY"}, PathEnd: "/v1", Renames: oldMaxTokens},
	{Prefix: "infinity", BaseEnv: []string{"INFINITY_API_BASE"}, KeyEnv: []string{"INFINITY_API_KEY"}, Rerank: true},

	// Hosted services.
	{Prefix: "groq", Base: "https://api.groq.com/openai/v1", BaseEnv: []string{"GROQ_API_BASE"}, KeyEnv: []string{"GROQ_API_KEY"}},
	{Prefix: "deepseek", Base: "https://api.deepseek.com/beta", BaseEnv: []string{"DEEPSEEK_API_BASE"}, KeyEnv: []string{"DEEPSEEK_API_KEY"}},
	{Prefix: "mistral", Base: "https://api.mistral.ai/v1", BaseEnv: []string{"MISTRAL_AZURE_API_BASE", "MISTRAL_API_BASE"}, KeyEnv: []string{"MISTRAL_AZURE_API_KEY", "MISTRAL_API_KEY"}, PathEnd: "/v1",
		Renames: append([]Rename{{From: "seed", To: "random_seed", Wins: true}}, oldMaxTokens...), NoStreamOptions: true},
	{Prefix: "codestral", Base: "https://codestral.mistral.ai/v1", BaseEnv: []string{"CODESTRAL_API_BASE"}, KeyEnv: []string{"CODESTRAL_API_KEY"},
		Renames: append([]Rename{{From: "seed", To: "random_seed", Wins: true}}, oldMaxTokens...), NoStreamOptions: true},
	{Prefix: "together_ai", Base: "https://api.together.xyz/v1", BaseEnv: []string{"TOGETHER_AI_API_BASE"}, KeyEnv: []string{"TOGETHER_API_KEY", "TOGETHER_AI_API_KEY", "TOGETHERAI_API_KEY", "TOGETHER_AI_TOKEN"}, Rerank: true, Renames: oldMaxTokens},
	{Prefix: "fireworks_ai", Base: "https://api.fireworks.ai/inference/v1", BaseEnv: []string{"FIREWORKS_API_BASE"}, KeyEnv: []string{"FIREWORKS_API_KEY", "FIREWORKS_AI_API_KEY", "FIREWORKSAI_API_KEY", "FIREWORKS_AI_TOKEN"}, ModelPath: "accounts/fireworks/models/", Renames: oldMaxTokens},
	{Prefix: "openrouter", Base: "https://openrouter.ai/api/v1", BaseEnv: []string{"OPENROUTER_API_BASE"}, KeyEnv: []string{"OPENROUTER_API_KEY", "OR_API_KEY"}},
	{Prefix: "xai", Base: "https://api.x.ai/v1", BaseEnv: []string{"XAI_API_BASE"}, KeyEnv: []string{"XAI_API_KEY"}, Renames: oldMaxTokens},
	{Prefix: "perplexity", Base: "https://api.perplexity.ai", BaseEnv: []string{"PERPLEXITY_API_BASE"}, KeyEnv: []string{"PERPLEXITYAI_API_KEY", "PERPLEXITY_API_KEY"}, Renames: oldMaxTokens},
	{Prefix: "deepinfra", Base: "https://api.deepinfra.com/v1/openai", BaseEnv: []string{"DEEPINFRA_API_BASE"}, KeyEnv: []string{"DEEPINFRA_API_KEY"}, Renames: oldMaxTokens},
	{Prefix: "nvidia_nim", Base: "https://integrate.api.nvidia.com/v1", BaseEnv: []string{"NVIDIA_NIM_API_BASE"}, KeyEnv: []string{"NVIDIA_NIM_API_KEY"}, Renames: oldMaxTokens},
	{Prefix: "cerebras", Base: "https://api.cerebras.ai/v1", BaseEnv: []string{"CEREBRAS_API_BASE"}, KeyEnv: []string{"CEREBRAS_API_KEY"}, Renames: oldMaxTokens},
	{Prefix: "sambanova", Base: "https://api.sambanova.ai/v1", BaseEnv: []string{"SAMBANOVA_API_BASE"}, KeyEnv: []string{"SAMBANOVA_API_KEY"}, Renames: oldMaxTokens},
	{Prefix: "github", Base: "https://models.inference.ai.azure.com", BaseEnv: []string{"GITHUB_API_BASE"}, KeyEnv: []string{"GITHUB_API_KEY"}, OpenAIModels: true},
	{Prefix: "databricks", BaseEnv: []string{"DATABRICKS_API_BASE"}, KeyEnv: []string{"DATABRICKS_API_KEY"}, Renames: oldMaxTokens},
	{Prefix: "meta_llama", Base: "https://api.llama.com/compat/v1", BaseEnv: []string{"LLAMA_API_BASE"}, KeyEnv: []string{"LLAMA_API_KEY"}},
	{Prefix: "volcengine", Base: "https://ark.cn-beijing.volces.com/api/v3", BaseEnv: []string{"VOLCENGINE_API_BASE"}, KeyEnv: []string{"VOLCENGINE_API_KEY"}},
	{Prefix: "friendliai", Base: "https://api.friendli.ai/serverless/v1", BaseEnv: []string{"FRIENDLI_API_BASE"}, KeyEnv: []string{"FRIENDLIAI_API_KEY", "FRIENDLI_TOKEN"}},
	{Prefix: "moonshot", Base: "https://api.moonshot.ai/v1", BaseEnv: []string{"MOONSHOT_API_BASE"}, KeyEnv: []string{"MOONSHOT_API_KEY"}, Renames: oldMaxTokens},
	{Prefix: "jina_ai", Base: "https://api.jina.ai/v1", BaseEnv: []string{"JINA_AI_API_BASE"}, KeyEnv: []string{"JINA_AI_API_KEY"}, Rerank: true},
}

// upstreamOf finds the kind of upstream that a deployment names. A model without a prefix is OpenAI's.
func upstreamOf(p *config.Params) (*Upstream, error) {
	key, name := "custom_llm_provider", p.CustomLLMProvider
	if name == "" {
		key, name = "model", "openai"
		if prefix, _, prefixed := strings.Cut(p.Model, "/"); prefixed {
			name = prefix
		}
	}
	i := slices.IndexFunc(Upstreams, func(u Upstream) bool { return u.Prefix == name })
	if i < 0 {
		return nil, fmt.Errorf("%s: no OpenAI-compatible upstream is called %q", key, name)
	}
	return &Upstreams[i], nil
}

// baseURL is where the deployment's calls go: api_base, else the environment's, else the default.
func (u *Upstream) baseURL(p *config.Params, model string) (string, error) {
	base := p.APIBase
	if base == "" {
		base = environment(u.BaseEnv)
	}
	if base == "" {
		base = u.Base
	}
	if base == "" {
		return "", fmt.Errorf("api_base: %s/ models need one (or the environment variable %s)", u.Prefix, u.BaseEnv[0])
	}
	base = strings.TrimRight(strings.TrimSpace(base), "/")
	if !strings.HasSuffix(base, u.PathEnd) {
		base += u.PathEnd
	}
	if u.Deployments {
		return azureURL(base, model, p.APIVersion)
	}
	return base, nil
}

// azureDefaultVersion is the api-version where nothing names one; LiteLLM's default.
const azureDefaultVersion = "2025-02-01-preview"

// azureURL puts the model (Azure's deployment name) into the path and api-version into the query. A base that names a
// deployment already is kept, and so is one that ends in /openai/v1, Azure's surface without deployments and versions.
func azureURL(base, model, version string) (string, error) {
	target, err := url.Parse(base)
	if err != nil {
		return "", errors.New("api_base: not a URL") // the parser's own error would repeat a password in it
	}
	versionless := strings.HasSuffix(target.Path, "/openai/v1")
	if !versionless && !strings.Contains(target.Path, "/openai/deployments/") {
		if !fitsPath(model) {
			return "", fmt.Errorf("model: %q cannot be a deployment's name in a path", model)
		}
		target = target.JoinPath("openai", "deployments", url.PathEscape(model))
	}
	query := target.Query()
	if version == "" && !query.Has("api-version") && !versionless {
		if version = os.Getenv("AZURE_API_VERSION"); version == "" {
			version = azureDefaultVersion
		}
	}
	if version != "" {
		query.Set("api-version", version)
	}
	target.RawQuery = query.Encode()
	return target.String(), nil
}

// fitsPath reports whether a model's name stays one step of a URL's path. One that is, or holds between slashes, what a
// path takes for "here" or "up" would not, nor would none: a caller of a wildcard would choose another path of the
// upstream by it.
func fitsPath(model string) bool {
	steps := strings.FieldsFunc(model, func(r rune) bool { return r == '/' || r == '\\' })
	return model != "" && !slices.Contains(steps, ".") && !slices.Contains(steps, "..")
}

// modelID is the model's name in the body.
func (u *Upstream) modelID(model string) string {
	if u.ModelPath != "" && !strings.HasPrefix(model, "accounts/") {
		return u.ModelPath + model
	}
	return model
}

// environment is the first variable of names that is set to something.
func environment(names []string) string {
	for _, name := range names {
		if value := os.Getenv(name); value != "" {
			return value
		}
	}
	return ""
}
