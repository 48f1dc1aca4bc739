package gateway

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"tollgate/internal/access"
	"tollgate/internal/apierr"
	"tollgate/internal/budget"
	"tollgate/internal/dispatch"
	"tollgate/internal/price"
)

// Model is what the gateway tells of one deployment and needs to price its calls.
type Model struct {
	ID         string
	Alias      string
	Provider   string // "oci"
	UpstreamID string
	APIBase    string // without a query; "" = the provider's own
	Mode       string // chat, embedding, rerank ...
	DropParams bool   // parameters that the upstream does not take are dropped
	ModeKnown  bool   // Mode is said by the configuration or the price table, and no guess
	Rates      price.Rates
	// Opened prices the models that a pattern opens, by their upstream id; nil on an entry that is no pattern.
	Opened    func(upstreamID string) price.Rates
	Entry     price.Entry    // the price table's line; zero when it has none
	Params    map[string]any // litellm_params, secrets masked
	Info      map[string]any // model_info as the configuration gives it
	RPM, TPM  int64
	Supported []string // OpenAI parameters that the upstream takes; nil = not known

	// ClientParams are the credential fields that bodies may carry for this deployment, with the pattern that the
	// value must match (configurable_clientside_auth_params).
	ClientParams      map[string]*regexp.Regexp
	Keepalive         *time.Duration // keepalive_seconds; nil = the gateway's
	KeepaliveOverride bool           // allow_client_keepalive_override
	MergeReasoning    bool           // merge_reasoning_content_in_choices
	HealthTimeout     time.Duration  // 0 = the gateway's
	HealthTokens      int            // 0 = 5
	HealthModel       string         // what a wildcard is probed with

	Budgets      []budget.Scope // of the deployment and of its provider
	AccessGroups []string       // model_info.access_groups
	Stored       bool           // it was added at run time
	MayThink     bool           // it may bill tokens that it does not show
	Defaults     Defaults       // what the deployment adds to calls
	Guardrails   []string       // those that its calls have (litellm_params.guardrails)
}

// Defaults are the parameters of a deployment that the size of an answer depends on.
type Defaults struct {
	Choices  int64 // n or best_of where the caller gives none; 0 = none
	Output   int64 // max_tokens where the caller gives none; 0 = none
	DropsCap bool  // caps do not reach the upstream (additional_drop_params)
}

// Models are the deployments in the order of the configuration. Immutable.
type Models struct {
	list    []Model
	index   map[string]int
	guarded bool // one has guardrails of its own
}

// NewModels indexes the deployments by id.
func NewModels(list []Model) *Models {
	m := &Models{list: list, index: make(map[string]int, len(list))}
	for i := range list {
		m.index[list[i].ID] = i
		m.guarded = m.guarded || len(list[i].Guardrails) > 0
	}
	return m
}

// byID returns the deployment, nil when there is none. A name that was opened from a pattern has the pattern's id, and
// so its entry: what depends on the model rather than on the entry must be asked of the name's own (rates).
func (m *Models) byID(id string) *Model {
	if i, ok := m.index[id]; ok {
		return &m.list[i]
	}
	return nil
}

// budgetsOf are the budgets of a deployment and its provider.
func (m *Models) budgetsOf(d *dispatch.Deployment) []budget.Scope {
	if entry := m.byID(d.ID); entry != nil {
		return entry.Budgets
	}
	return nil
}

// rates are the prices of the model that a deployment calls; nothing is known of a deployment that has no entry.
func (m *Models) rates(d *dispatch.Deployment) price.Rates {
	entry := m.byID(d.ID)
	switch {
	case entry == nil:
		return price.Rates{}
	case entry.Opened != nil:
		return entry.Opened(d.UpstreamID)
	}
	return entry.Rates
}

// modelCreated is the creation time of every model in LiteLLM's lists (DEFAULT_MODEL_CREATED_AT_TIME).
const modelCreated = 1677610602

type modelEntry struct {
	ID              string         `json:"id"`
	Object          string         `json:"object"`
	Created         int64          `json:"created"`
	OwnedBy         string         `json:"owned_by"`
	Mode            string         `json:"mode,omitempty"`
	MaxInputTokens  int            `json:"max_input_tokens,omitzero"`
	MaxOutputTokens int            `json:"max_output_tokens,omitzero"`
	Metadata        map[string]any `json:"metadata,omitempty"`
}

// listModels is GET /v1/models.
func (g *Gateway) listModels(w http.ResponseWriter, r *http.Request, v visit) {
	snap := g.snap.Load()
	query := r.URL.Query()
	if scope := query.Get("scope"); scope != "" && scope != "expand" {
		badQuery("scope", "Invalid scope parameter. Only 'expand' is currently supported. Received: "+clip(scope)).Write(w)
		return
	}
	fallbacks, err := fallbackLister(snap.Router, query.Get("include_metadata") == "true", query.Get("fallback_type"))
	if err != nil {
		err.Write(w)
		return
	}
	data := []modelEntry{}
	for _, name := range snap.shownTo(&v.who) {
		data = append(data, snap.entry(name, "openai", fallbacks))
	}
	if query.Get("return_wildcard_routes") == "true" {
		for _, d := range snap.Router.All() {
			if strings.Contains(d.Alias, "*") {
				data = append(data, modelEntry{ID: d.Alias, Object: "model", Created: modelCreated, OwnedBy: "openai"})
			}
		}
	}
	writeJSON(w, struct {
		Data   []modelEntry `json:"data"`
		Object string       `json:"object"`
	}{data, "list"})
}

// shownTo are the names that a caller may call.
func (s *Snapshot) shownTo(who *access.Identity) []string {
	return s.Gate.CallerModels(who, s.Router.Names(), func(name string) bool { _, known := s.Router.Resolve(name); return known })
}

// fallbackLister answers include_metadata: what a name falls back to, by kind of failure.
func fallbackLister(r *dispatch.Router, wanted bool, kind string) (func(name string) map[string]any, *apierr.Error) {
	if !wanted {
		return func(string) map[string]any { return nil }, nil
	}
	if kind == "" {
		kind = "general"
	}
	if !slices.Contains([]string{"general", "context_window", "content_policy"}, kind) {
		return nil, badQuery("fallback_type", "Invalid fallback_type parameter. Supported: general, context_window, content_policy. Received: "+clip(kind))
	}
	return func(name string) map[string]any {
		targets := []string{}
		for _, f := range r.FallbacksOf(name, kind) {
			targets = append(targets, f.Model)
		}
		return map[string]any{"fallbacks": targets}
	}, nil
}

func badQuery(param, message string) *apierr.Error {
	return &apierr.Error{Status: http.StatusBadRequest, Type: "invalid_request_error", Param: param, Message: message}
}

func (s *Snapshot) entry(name, owner string, metadata func(string) map[string]any) modelEntry {
	e := modelEntry{ID: name, Object: "model", Created: modelCreated, OwnedBy: owner, Metadata: metadata(name)}
	for _, d := range s.Router.Deployments(name) {
		if m := s.Models.byID(d.ID); m != nil {
			e.MaxInputTokens = max(e.MaxInputTokens, m.Entry.MaxInputTokens)
			e.MaxOutputTokens = max(e.MaxOutputTokens, m.Entry.MaxOutputTokens)
			if m.ModeKnown {
				e.Mode = m.Mode
			}
		}
	}
	return e
}

// oneModel is GET /v1/models/{id}; there owned_by is the real provider.
func (g *Gateway) oneModel(w http.ResponseWriter, _ *http.Request, v visit) {
	snap, name := g.snap.Load(), v.model
	res, ok := snap.Router.Resolve(name)
	known := ok && len(res.Deployments) > 0 && (res.Group == name || slices.Contains(snap.Router.Names(), name))
	if !known || len(snap.Gate.CallerModels(&v.who, []string{name}, nil)) == 0 {
		(&apierr.Error{Status: http.StatusNotFound, Type: "invalid_request_error", Param: "model", Code: "model_not_found",
			Message: fmt.Sprintf("The model '%s' does not exist. Call `/v1/models` to view available models for your key.", clip(name))}).Write(w)
		return
	}
	writeJSON(w, snap.entry(name, res.Deployments[0].Provider, func(string) map[string]any { return nil }))
}

// publicParams are the litellm_params that every caller may see: what the deployment is called, how much it takes, and
// the request parameters that it sets. All others, such as key files, OCIDs and headers, are the operator's alone.
var publicParams = []string{
	"model", "custom_llm_provider", "tags", "rpm", "tpm", "max_parallel_requests", "order", "weight", "timeout", "stream_timeout",
	"dimensions", "encoding_format", "frequency_penalty", "input_type", "logprobs", "max_completion_tokens", "max_tokens", "modalities", "n",
	"parallel_tool_calls", "presence_penalty", "reasoning_effort", "response_format", "seed", "stop", "temperature", "thinking", "tool_choice",
	"top_k", "top_logprobs", "top_n", "top_p", "truncate", "verbosity",
}

// params are the litellm_params as a caller may see them, secrets masked in either case.
func (m *Model) params(admin bool) map[string]any {
	if admin {
		return m.Params
	}
	shown := map[string]any{}
	for _, name := range publicParams {
		if value, ok := m.Params[name]; ok {
			shown[name] = value
		}
	}
	if m.APIBase != "" {
		shown["api_base"] = m.APIBase
	}
	return shown
}

// modelInfo is GET /model/info: each deployment with its parameters and what is known of its model.
func (g *Gateway) modelInfo(w http.ResponseWriter, r *http.Request, v visit) {
	snap := g.snap.Load()
	wanted := r.URL.Query().Get("litellm_model_id")
	admin, shown := snap.Gate.IsAdmin(r), snap.shownTo(&v.who) // the route may be open to everybody
	data := []map[string]any{}
	for i := range snap.Models.list {
		m := &snap.Models.list[i]
		if !admin && !slices.Contains(shown, m.Alias) && !strings.Contains(m.Alias, "*") {
			continue
		}
		if wanted == "" || wanted == m.ID {
			data = append(data, m.show(admin))
		}
	}
	if wanted != "" && len(data) == 0 {
		(&apierr.Error{Status: http.StatusNotFound, Type: "invalid_request_error", Param: "litellm_model_id",
			Message: fmt.Sprintf("Model id = %s not found. Call `/model/info` without it to see all ids.", clip(wanted))}).Write(w)
		return
	}
	writeJSON(w, map[string]any{"data": data})
}

// show is the deployment as /model/info has it.
func (m *Model) show(admin bool) map[string]any {
	return map[string]any{"model_name": m.Alias, "litellm_params": m.params(admin), "model_info": m.describe()}
}

// describe joins the price table's line with the operator's model_info, which wins.
func (m *Model) describe() map[string]any {
	info := map[string]any{}
	if m.Entry.ID != "" {
		info = asMap(m.Entry)
	}
	for k, v := range asMap(m.Rates) {
		info[k] = v
	}
	for k, v := range m.Info {
		info[k] = v
	}
	info["id"], info["db_model"], info["mode"], info["litellm_provider"] = m.ID, m.Stored, m.Mode, m.Provider
	return info
}

func asMap(v any) map[string]any {
	text, err := json.Marshal(v)
	if err != nil {
		return map[string]any{}
	}
	out := map[string]any{}
	_ = json.Unmarshal(text, &out) // what Marshal wrote as an object
	return out
}

type modelGroup struct {
	ModelGroup      string     `json:"model_group"`
	Providers       []string   `json:"providers"`
	MaxInputTokens  int        `json:"max_input_tokens,omitzero"`
	MaxOutputTokens int        `json:"max_output_tokens,omitzero"`
	InputCost       price.Rate `json:"input_cost_per_token"`
	OutputCost      price.Rate `json:"output_cost_per_token"`
	Mode            string     `json:"mode"`
	TPM             int64      `json:"tpm,omitzero"`
	RPM             int64      `json:"rpm,omitzero"`
	Supports        price.Caps `json:"-"`
	SupportedParams []string   `json:"supported_openai_params"`
}

// modelGroupInfo is GET /model_group/info: each alias with the best of its deployments' bounds and abilities.
func (g *Gateway) modelGroupInfo(w http.ResponseWriter, r *http.Request, v visit) {
	snap := g.snap.Load()
	wanted := r.URL.Query().Get("model_group")
	data := []map[string]any{}
	for _, name := range snap.shownTo(&v.who) {
		if wanted == "" || wanted == name {
			data = append(data, snap.group(name))
		}
	}
	writeJSON(w, map[string]any{"data": data})
}

func (s *Snapshot) group(name string) map[string]any {
	grp := modelGroup{ModelGroup: name, Providers: []string{}, SupportedParams: []string{}}
	for _, d := range s.Router.Deployments(name) {
		m := s.Models.byID(d.ID)
		if m == nil {
			continue
		}
		grp.add(m)
	}
	out := asMap(grp)
	for k, v := range asMap(grp.Supports) {
		out[k] = v
	}
	return out
}

func (grp *modelGroup) add(m *Model) {
	if !slices.Contains(grp.Providers, m.Provider) {
		grp.Providers = append(grp.Providers, m.Provider)
	}
	grp.MaxInputTokens = max(grp.MaxInputTokens, m.Entry.MaxInputTokens)
	grp.MaxOutputTokens = max(grp.MaxOutputTokens, m.Entry.MaxOutputTokens)
	if m.Rates.Input.Known && m.Rates.Input.USD >= grp.InputCost.USD {
		grp.InputCost = m.Rates.Input
	}
	if m.Rates.Output.Known && m.Rates.Output.USD >= grp.OutputCost.USD {
		grp.OutputCost = m.Rates.Output
	}
	grp.Mode = m.Mode
	grp.TPM, grp.RPM = grp.TPM+m.TPM, grp.RPM+m.RPM
	c := m.Entry.Caps
	grp.Supports.FunctionCalling = grp.Supports.FunctionCalling || c.FunctionCalling
	grp.Supports.Vision = grp.Supports.Vision || c.Vision
	grp.Supports.Reasoning = grp.Supports.Reasoning || c.Reasoning
	grp.Supports.ResponseSchema = grp.Supports.ResponseSchema || c.ResponseSchema
	grp.Supports.AudioInput = grp.Supports.AudioInput || c.AudioInput
	grp.Supports.PDFInput = grp.Supports.PDFInput || c.PDFInput
	for _, p := range m.Supported {
		if !slices.Contains(grp.SupportedParams, p) {
			grp.SupportedParams = append(grp.SupportedParams, p)
		}
	}
}

func writeJSON(w http.ResponseWriter, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		apierr.From(err).Write(w)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(text) // the caller may have gone; there is nobody left to tell
}
