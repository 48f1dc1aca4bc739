package oci

import (
	"path"
	"slices"
	"strings"

	"tollgate/internal/provider/oci/schema"
)

// Format is an apiFormat of OCI: which of three request shapes a model takes.
type Format string

// The request shapes. A model that gets another than its own answers 400.
const (
	Generic  Format = "GENERIC"
	Cohere   Format = "COHERE"
	CohereV2 Format = "COHEREV2"
)

// family is what models of one kind have in common. Rules go by patterns of the model id, so that a new id works
// without a release.
type family struct {
	name    string
	vendor  string   // the id's first part where rules go by it
	match   []string // patterns of path.Match on the lower-case id
	format  Format
	capName string // the field for the bound of the answer's length
	// refuses names parameters that these models reject although the format has a field for them.
	refuses []string
	// efforts lists the values of reasoning_effort that are taken; nil means that OCI decides.
	efforts []string
	schema  schema.Dialect
	// onOpenAI says that OCI's /openai/v1 serves these models to holders of a GenAI API key.
	onOpenAI bool

	developerRole  bool // DEVELOPER exists beside SYSTEM
	textAndImages  bool // the native surface takes no other parts
	noEmptyText    bool // an empty text part makes OCI fail
	oneCallPerTurn bool // several calls in one turn of the history are refused
	thinks         bool // hidden thinking counts against the cap
	wholeWindow    bool // catalogues give the whole window as the bound of the answer
}

var (
	sampling  = []string{"temperature", "top_p", "top_k", "frequency_penalty", "presence_penalty"}
	penalties = []string{"frequency_penalty", "presence_penalty"}
)

// families is the table of rules; the first match wins. Sources: oci-wire facts on vendors' quirks, that is
// BerriAI/litellm#25177 (OpenAI's cap), oracle/ai-optimizer#504 (OpenAI's sampling), vendor documentation (xAI),
// oracle/langchain-oracle#78, #111, #157, #291 (Google), #266 (Llama 3, Cohere).
var families = []family{
	{name: "cohere-v2", match: []string{"cohere.command-a-vision*"}, format: CohereV2, capName: "maxTokens", schema: schema.Plain, refuses: []string{"reasoning_effort"}},
	{name: "cohere-v2-reasoning", match: []string{"cohere.command-a-reasoning*"}, format: CohereV2, capName: "maxTokens", schema: schema.Plain},
	{name: "cohere", match: []string{"cohere.*"}, format: Cohere, capName: "maxTokens", schema: schema.Plain},

	{name: "openai-oss", match: []string{"openai.gpt-oss*"}, format: Generic, capName: "maxTokens", schema: schema.AsIs,
		onOpenAI: true, developerRole: true},
	{name: "openai-chat", match: []string{"openai.gpt-3*", "openai.gpt-4*", "openai.gpt-audio*", "openai.chatgpt*"}, format: Generic, capName: "maxCompletionTokens", schema: schema.AsIs,
		onOpenAI: true, developerRole: true, textAndImages: true},
	{name: "openai-reasoning", match: []string{"openai.*"}, format: Generic, capName: "maxCompletionTokens", schema: schema.AsIs,
		onOpenAI: true, developerRole: true, textAndImages: true, refuses: sampling},

	{name: "xai-mini", match: []string{"xai.grok-3-mini*"}, format: Generic, capName: "maxTokens", schema: schema.Strict,
		onOpenAI: true, wholeWindow: true, refuses: append([]string{"stop"}, penalties...), efforts: []string{"LOW", "HIGH"}},
	{name: "xai-effort", match: []string{"xai.grok-4.3*", "xai.grok-4.6*"}, format: Generic, capName: "maxTokens", schema: schema.Strict,
		onOpenAI: true, wholeWindow: true, refuses: append([]string{"stop"}, penalties...)},
	{name: "xai-plain", match: []string{"xai.grok-*non-reasoning*", "xai.grok-3*"}, format: Generic, capName: "maxTokens", schema: schema.Strict,
		onOpenAI: true, wholeWindow: true, refuses: append([]string{"reasoning_effort"}, penalties...)},
	{name: "xai-reasoning", match: []string{"xai.grok-4*", "xai.grok-code*"}, format: Generic, capName: "maxTokens", schema: schema.Strict,
		onOpenAI: true, wholeWindow: true, refuses: append([]string{"stop", "reasoning_effort"}, penalties...)},
	{name: "xai", match: []string{"xai.*"}, format: Generic, capName: "maxTokens", schema: schema.Strict,
		onOpenAI: true, wholeWindow: true, refuses: penalties},

	{name: "google", match: []string{"google.*"}, format: Generic, capName: "maxTokens", schema: schema.Google,
		noEmptyText: true, oneCallPerTurn: true, thinks: true},

	{name: "meta-3", vendor: "meta", match: []string{"meta.llama-3*"}, format: Generic, capName: "maxTokens", schema: schema.Plain,
		onOpenAI: true, refuses: []string{"parallel_tool_calls"}},
	{name: "meta", vendor: "meta", match: []string{"meta.*"}, format: Generic, capName: "maxTokens", schema: schema.Plain, onOpenAI: true},

	{name: "generic", match: []string{"*"}, format: Generic, capName: "maxTokens", schema: schema.Plain},
}

// familyOf finds the rules for a model. format, when set, overrules what the id says: an endpoint's OCID says
// nothing, and an imported model may carry any name.
func familyOf(model string, format Format) *family {
	id := strings.ToLower(model)
	for i := range families {
		f := &families[i]
		if format != "" && f.format != format {
			continue
		}
		if slices.ContainsFunc(f.match, func(pattern string) bool { ok, _ := path.Match(pattern, id); return ok }) {
			return f
		}
	}
	// A format that the id contradicts: the plainest family that has it.
	for i := range families {
		if families[i].format == format {
			if format == CohereV2 { // its reasoning form takes everything that the other one does
				return &families[i+1]
			}
			return &families[i]
		}
	}
	return &families[len(families)-1]
}
