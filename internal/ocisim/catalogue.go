package ocisim

import (
	"fmt"
	"net/http"
	"sort"
	"strings"
	"sync"
	"time"
)

// Formats of chat requests on the native API.
const (
	formatGeneric  = "GENERIC"
	formatCohere   = "COHERE"
	formatCohereV2 = "COHEREV2"
)

// Capabilities as the management API names them.
const (
	capabilityChat   = "CHAT"
	capabilityEmbed  = "TEXT_EMBEDDINGS"
	capabilityRerank = "TEXT_RERANK"
)

// Model is one entry of the catalogue; a scenario adds its own.
type Model struct {
	// ID is the name that callers ask for, "vendor.name".
	ID string `json:"id"`
	// Capability is CHAT (also when empty), TEXT_EMBEDDINGS or TEXT_RERANK.
	Capability string `json:"capability"`
	// Context is the most tokens of prompt and reply together, zero for no limit; MaxOutput the cap of the reply.
	Context   int `json:"context"`
	MaxOutput int `json:"max_output"`
	// Dimensions is the length of an embedding model's vectors.
	Dimensions int `json:"dimensions"`
	// ReasoningTokens is what the model thinks at medium effort before it answers; zero for a model that does not reason.
	ReasoningTokens int `json:"reasoning_tokens"`
	// Version is the modelVersion of replies.
	Version string `json:"version"`
	// DedicatedOnly models answer 404 unless asked through an endpoint.
	DedicatedOnly bool `json:"dedicated_only"`
	// ResponsesOnly models refuse the chat actions.
	ResponsesOnly bool `json:"responses_only"`
	// Deprecated models say so in a header.
	Deprecated bool `json:"deprecated"`
	// OnDemandRetired is when the model stopped answering on demand; zero for never.
	OnDemandRetired time.Time `json:"on_demand_retired"`

	ocid string
}

// vendor is the part of the id before the first dot.
func (m *Model) vendor() string {
	v, _, _ := strings.Cut(m.ID, ".")
	return v
}

// formats lists the apiFormats that the model takes. Cohere's vision and reasoning models also take COHERE: the vision
// model then drops images without a word.
func (m *Model) formats() []string {
	switch {
	case m.vendor() != "cohere":
		return []string{formatGeneric}
	case strings.HasPrefix(m.ID, "cohere.command-a-vision"), strings.HasPrefix(m.ID, "cohere.command-a-reasoning"):
		return []string{formatCohereV2, formatCohere}
	}
	return []string{formatCohere}
}

// isOpenAIReasoning reports the models of OpenAI that want maxCompletionTokens: gpt-5* and o*, not gpt-oss.
func (m *Model) isOpenAIReasoning() bool {
	return strings.HasPrefix(m.ID, "openai.gpt-5") || (strings.HasPrefix(m.ID, "openai.o") && len(m.ID) > 8 && m.ID[8] >= '0' && m.ID[8] <= '9')
}

// hidesReasoning reports whether the model thinks without showing it, at the expense of the output cap.
func (m *Model) hidesReasoning() bool { return m.isOpenAIReasoning() || m.vendor() == "google" }

// onDemand reports whether the model answers on demand in a region at a time. xAI's and Google's models are not offered
// everywhere.
func (m *Model) onDemand(region string, now time.Time) bool {
	offered := true
	switch m.vendor() {
	case "xai":
		offered = strings.HasPrefix(region, "us-")
	case "google":
		offered = strings.HasPrefix(region, "us-") || region == "eu-frankfurt-1" || region == "uk-london-1" || region == "ap-hyderabad-1"
	}
	return offered && !m.DedicatedOnly && (m.OnDemandRetired.IsZero() || now.Before(m.OnDemandRetired))
}

// Endpoint is a dedicated endpoint that serves one model.
type Endpoint struct {
	// ID is the endpoint's OCID.
	ID string `json:"id"`
	// Model is the id of the catalogue model that it serves.
	Model string `json:"model"`
	// NoStream makes the endpoint refuse isStream, as some do.
	NoStream bool `json:"no_stream"`
}

// embedV3Retired is when the v3 embedding models stopped answering on demand.
var embedV3Retired = time.Date(2026, time.September, 30, 0, 0, 0, 0, time.UTC)

// builtin is the catalogue of facts: contexts and caps in tokens.
var builtin = []Model{
	{ID: "cohere.command-a-03-2025", Context: 256_000, MaxOutput: 4_000, Version: "1.0"},
	{ID: "cohere.command-latest", Context: 128_000, MaxOutput: 4_000, Version: "1.0"},
	{ID: "cohere.command-plus-latest", Context: 128_000, MaxOutput: 4_000, Version: "1.0"},
	{ID: "cohere.command-r-08-2024", Context: 128_000, MaxOutput: 4_000, Version: "1.7"},
	{ID: "cohere.command-r-plus-08-2024", Context: 128_000, MaxOutput: 4_000, Version: "1.6"},
	{ID: "cohere.command-a-vision-07-2025", Context: 128_000, MaxOutput: 4_000, Version: "1.0"},
	{ID: "cohere.command-a-reasoning-08-2025", Context: 256_000, MaxOutput: 32_000, Version: "1.0", ReasoningTokens: 40, DedicatedOnly: true},

	{ID: "cohere.embed-v4.0", Capability: capabilityEmbed, Context: 128_000, Dimensions: 1536, Version: "4.0"},
	{ID: "cohere.embed-english-v3.0", Capability: capabilityEmbed, Context: 512, Dimensions: 1024, Version: "3.0", OnDemandRetired: embedV3Retired},
	{ID: "cohere.embed-english-light-v3.0", Capability: capabilityEmbed, Context: 512, Dimensions: 384, Version: "3.0", OnDemandRetired: embedV3Retired},
	{ID: "cohere.embed-english-image-v3.0", Capability: capabilityEmbed, Context: 512, Dimensions: 1024, Version: "3.0", OnDemandRetired: embedV3Retired},
	{ID: "cohere.embed-english-light-image-v3.0", Capability: capabilityEmbed, Context: 512, Dimensions: 384, Version: "3.0", OnDemandRetired: embedV3Retired},
	{ID: "cohere.embed-multilingual-v3.0", Capability: capabilityEmbed, Context: 512, Dimensions: 1024, Version: "3.0", OnDemandRetired: embedV3Retired},
	{ID: "cohere.embed-multilingual-light-v3.0", Capability: capabilityEmbed, Context: 512, Dimensions: 384, Version: "3.0", OnDemandRetired: embedV3Retired},
	{ID: "cohere.embed-multilingual-image-v3.0", Capability: capabilityEmbed, Context: 512, Dimensions: 1024, Version: "3.0", OnDemandRetired: embedV3Retired},
	{ID: "cohere.embed-multilingual-light-image-v3.0", Capability: capabilityEmbed, Context: 512, Dimensions: 384, Version: "3.0", OnDemandRetired: embedV3Retired},

	{ID: "cohere.rerank-v3.5", Capability: capabilityRerank, Version: "3.5", Deprecated: true},
	{ID: "cohere.rerank-v4.0-fast", Capability: capabilityRerank, Version: "4.0"},
	{ID: "cohere.rerank-v4.0-pro", Capability: capabilityRerank, Version: "4.0"},

	{ID: "meta.llama-3.3-70b-instruct", Context: 128_000, MaxOutput: 4_000, Version: "1.0.0"},
	{ID: "meta.llama-4-maverick-17b-128e-instruct-fp8", Context: 512_000, MaxOutput: 8_000, Version: "1.0.0"},
	{ID: "meta.llama-4-scout-17b-16e-instruct", Context: 192_000, MaxOutput: 8_000, Version: "1.0.0"},
	{ID: "meta.llama-3.2-90b-vision-instruct", Context: 128_000, MaxOutput: 4_000, Version: "1.0.0"},
	{ID: "meta.llama-3.1-405b-instruct", Context: 128_000, MaxOutput: 4_000, Version: "1.0.0", Deprecated: true},

	{ID: "xai.grok-4", Context: 128_000, MaxOutput: 16_000, Version: "1.0.0", ReasoningTokens: 24},
	{ID: "xai.grok-3", Context: 131_072, MaxOutput: 16_000, Version: "1.0.0"},
	{ID: "xai.grok-3-fast", Context: 131_072, MaxOutput: 16_000, Version: "1.0.0"},
	{ID: "xai.grok-3-mini", Context: 131_072, MaxOutput: 16_000, Version: "1.0.0", ReasoningTokens: 384},
	{ID: "xai.grok-3-mini-fast", Context: 131_072, MaxOutput: 16_000, Version: "1.0.0", ReasoningTokens: 384},
	{ID: "xai.grok-4-fast-reasoning", Context: 2_000_000, MaxOutput: 131_072, Version: "1.0.0", ReasoningTokens: 24},
	{ID: "xai.grok-4-fast-non-reasoning", Context: 2_000_000, MaxOutput: 131_072, Version: "1.0.0"},
	{ID: "xai.grok-4-1-fast-reasoning", Context: 2_000_000, MaxOutput: 131_072, Version: "1.0.0", ReasoningTokens: 24},
	{ID: "xai.grok-4-1-fast-non-reasoning", Context: 2_000_000, MaxOutput: 131_072, Version: "1.0.0"},
	{ID: "xai.grok-4.20", Context: 2_000_000, MaxOutput: 131_072, Version: "1.0.0", ReasoningTokens: 24},
	{ID: "xai.grok-4.20-reasoning", Context: 2_000_000, MaxOutput: 131_072, Version: "1.0.0", ReasoningTokens: 24},
	{ID: "xai.grok-4.20-0309-reasoning", Context: 2_000_000, MaxOutput: 131_072, Version: "1.0.0", ReasoningTokens: 24},
	{ID: "xai.grok-4.20-non-reasoning", Context: 2_000_000, MaxOutput: 131_072, Version: "1.0.0"},
	{ID: "xai.grok-4.20-0309-non-reasoning", Context: 2_000_000, MaxOutput: 131_072, Version: "1.0.0"},
	{ID: "xai.grok-4.20-multi-agent-0309", Context: 2_000_000, Version: "1.0.0", ResponsesOnly: true},
	{ID: "xai.grok-4.20-multi-agent", Context: 2_000_000, Version: "1.0.0", ResponsesOnly: true},
	{ID: "xai.grok-4.3", Context: 1_000_000, MaxOutput: 131_072, Version: "1.0.0", ReasoningTokens: 24},
	{ID: "xai.grok-4.6", Context: 1_000_000, MaxOutput: 131_072, Version: "1.0.0", ReasoningTokens: 24},
	{ID: "xai.grok-code-fast-1", Context: 256_000, MaxOutput: 16_000, Version: "1.0.0", ReasoningTokens: 24},

	{ID: "openai.gpt-oss-120b", Context: 128_000, MaxOutput: 16_000, Version: "1.0.0", ReasoningTokens: 24},
	{ID: "openai.gpt-oss-20b", Context: 128_000, MaxOutput: 16_000, Version: "1.0.0", ReasoningTokens: 24},
	{ID: "openai.gpt-5", Context: 400_000, MaxOutput: 128_000, Version: "2025-08-07", ReasoningTokens: 128},
	{ID: "openai.gpt-5-mini", Context: 400_000, MaxOutput: 128_000, Version: "2025-08-07", ReasoningTokens: 64},
	{ID: "openai.gpt-5-nano", Context: 400_000, MaxOutput: 128_000, Version: "2025-08-07", ReasoningTokens: 64},
	{ID: "openai.gpt-5.1", Context: 400_000, MaxOutput: 128_000, Version: "1.0", ReasoningTokens: 64},
	{ID: "openai.gpt-5.1-chat-latest", Context: 400_000, MaxOutput: 128_000, Version: "1.0"},
	{ID: "openai.gpt-5.2", Context: 400_000, MaxOutput: 128_000, Version: "1.0", ReasoningTokens: 64},
	{ID: "openai.gpt-5.2-chat-latest", Context: 400_000, MaxOutput: 128_000, Version: "1.0"},
	{ID: "openai.gpt-5.4", Context: 400_000, MaxOutput: 128_000, Version: "1.0", ReasoningTokens: 64},
	{ID: "openai.gpt-5.5", Context: 400_000, MaxOutput: 128_000, Version: "1.0", ReasoningTokens: 64},
	{ID: "openai.gpt-5.5-pro", Context: 400_000, MaxOutput: 128_000, Version: "1.0", ResponsesOnly: true},
	{ID: "openai.gpt-4.1", Context: 1_000_000, MaxOutput: 32_768, Version: "1.0"},
	{ID: "openai.gpt-4.1-mini", Context: 1_000_000, MaxOutput: 32_768, Version: "1.0"},
	{ID: "openai.gpt-4.1-nano", Context: 1_000_000, MaxOutput: 32_768, Version: "1.0"},
	{ID: "openai.gpt-4o", Context: 128_000, MaxOutput: 16_384, Version: "1.0"},
	{ID: "openai.gpt-4o-mini", Context: 128_000, MaxOutput: 16_384, Version: "1.0"},
	{ID: "openai.o1", Context: 200_000, MaxOutput: 100_000, Version: "1.0", ReasoningTokens: 128},
	{ID: "openai.o3", Context: 200_000, MaxOutput: 100_000, Version: "1.0", ReasoningTokens: 128},
	{ID: "openai.o3-mini", Context: 200_000, MaxOutput: 100_000, Version: "1.0", ReasoningTokens: 64},
	{ID: "openai.o4-mini", Context: 200_000, MaxOutput: 100_000, Version: "1.0", ReasoningTokens: 64},

	{ID: "google.gemini-2.5-pro", Context: 1_048_576, MaxOutput: 65_536, Version: "1.0", ReasoningTokens: 96},
	{ID: "google.gemini-2.5-flash", Context: 1_048_576, MaxOutput: 65_536, Version: "1.0", ReasoningTokens: 32},
	{ID: "google.gemini-2.5-flash-lite", Context: 1_048_576, MaxOutput: 65_536, Version: "1.0"},
}

// catalogue holds models and dedicated endpoints. It is safe for concurrent use.
type catalogue struct {
	region string

	mu        sync.RWMutex
	models    map[string]*Model // by id and by OCID; entries are never changed
	endpoints map[string]Endpoint
}

func newCatalogue(region string) *catalogue {
	c := &catalogue{region: region, models: make(map[string]*Model), endpoints: make(map[string]Endpoint)}
	for _, m := range builtin {
		c.put(m)
	}
	return c
}

// put stores a model under its id and its OCID.
func (c *catalogue) put(m Model) {
	if m.Capability == "" {
		m.Capability = capabilityChat
	}
	if m.Version == "" {
		m.Version = "1.0"
	}
	m.ocid = "ocid1.generativeaimodel.oc1." + c.region + ".amaaaaaa" + shortHash(m.ID) + shortHash(m.ID+"/2")
	c.mu.Lock()
	defer c.mu.Unlock()
	c.models[m.ID], c.models[m.ocid] = &m, &m
}

// add takes a scenario's model.
func (c *catalogue) add(m Model) error {
	switch {
	case !strings.Contains(m.ID, "."):
		return fmt.Errorf("model id %q is not of the form vendor.name", m.ID)
	case m.Capability == capabilityEmbed && m.Dimensions <= 0:
		return fmt.Errorf("model %s embeds but has no dimensions", m.ID)
	}
	c.put(m)
	return nil
}

func (c *catalogue) addEndpoint(e Endpoint) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.ID == "" {
		return fmt.Errorf("an endpoint for %s has no id", e.Model)
	}
	if _, ok := c.models[e.Model]; !ok {
		return fmt.Errorf("endpoint %s serves the unknown model %q", e.ID, e.Model)
	}
	c.endpoints[e.ID] = e
	return nil
}

func (c *catalogue) endpoint(id string) (Endpoint, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	e, ok := c.endpoints[id]
	return e, ok
}

func (c *catalogue) model(idOrOCID string) (*Model, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	m, ok := c.models[idOrOCID]
	return m, ok
}

// list returns every model once, by id.
func (c *catalogue) list() []*Model {
	c.mu.RLock()
	defer c.mu.RUnlock()
	var all []*Model
	for key, m := range c.models {
		if key == m.ID {
			all = append(all, m)
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].ID < all[j].ID })
	return all
}

func (c *catalogue) listEndpoints() []Endpoint {
	c.mu.RLock()
	defer c.mu.RUnlock()
	all := make([]Endpoint, 0, len(c.endpoints))
	for _, e := range c.endpoints {
		all = append(all, e)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].ID < all[j].ID })
	return all
}

// servingMode names the model of a call, on demand or through an endpoint.
type servingMode struct {
	ServingType string `json:"servingType"`
	ModelID     string `json:"modelId"`
	EndpointID  string `json:"endpointId"`
}

// target is the model that a call reached.
type target struct {
	*Model
	endpoint *Endpoint // nil when on demand
	asked    string    // what replies repeat as modelId
}

// resolve finds the model of a call. What is unknown, retired or served in another way is 404, as if it did not exist.
func (s *Server) resolve(mode servingMode, capability string) (target, error) {
	if mode.ServingType == "DEDICATED" {
		e, ok := s.models.endpoint(mode.EndpointID)
		if !ok {
			return target{}, s.notFound()
		}
		m, ok := s.models.model(e.Model)
		if !ok || m.Capability != capability {
			return target{}, s.notFound()
		}
		return target{Model: m, endpoint: &e, asked: mode.EndpointID}, nil
	}
	m, ok := s.models.model(mode.ModelID)
	if !ok || m.Capability != capability || !m.onDemand(s.region, s.clock()) {
		return target{}, s.notFound()
	}
	return target{Model: m, asked: mode.ModelID}, nil
}

// authorize checks that the caller may use the compartment. The service answers 404 and never 403.
func (s *Server) authorize(compartment string) error {
	known := s.compartments[compartment]
	if len(s.compartments) == 0 {
		known = strings.HasPrefix(compartment, "ocid1.compartment.") || strings.HasPrefix(compartment, "ocid1.tenancy.")
	}
	if !known {
		return s.notFound()
	}
	return nil
}

func (s *Server) notFound() *serviceError {
	return &serviceError{status: http.StatusNotFound, code: "NotAuthorizedOrNotFound", message: s.Variants().Message404}
}

func (s *Server) unauthenticated() *serviceError {
	return &serviceError{status: http.StatusUnauthorized, code: "NotAuthenticated", message: s.Variants().Message401}
}
