package callback

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"

	"tollgate/internal/jsonscan"
	"tollgate/internal/record"
)

// Rules say what an event must not hold.
type Rules struct {
	Redact     bool // neither what was asked nor what was answered
	MaskInput  bool // not what was asked
	MaskOutput bool // not what was answered
	HideCaller bool // nothing that says who called (redact_user_api_key_info)
}

// NewEvent makes the event of a call. c must not change any more; the event shares its bytes.
func NewEvent(c *record.Call, rules Rules) *Event {
	rules.MaskInput = rules.MaskInput || rules.Redact
	rules.MaskOutput = rules.MaskOutput || rules.Redact
	e := &Event{
		Trace: c.Trace, Steps: c.Steps, Session: c.SessionID, Route: c.Route, HTTPStatus: c.Status, Attempts: len(c.Attempts),
		Redacted: rules.MaskInput || rules.MaskOutput,
	}
	p := &e.Payload
	p.fillCall(c)
	p.fillMetadata(c, rules)
	request, _ := jsonscan.Object(c.Request, nil) // nil where nothing is kept
	p.fillRequest(request, rules)
	if len(c.Response) > 0 {
		p.Response = json.RawMessage(c.Response)
		if rules.MaskOutput {
			p.Response = redactResponse(c.Response)
		}
	}
	p.fillError(c, rules)
	if !rules.MaskInput {
		e.Tools = firstOf(request, "tools", "functions")
	} else {
		e.Steps = redactSteps(c.Steps)
	}
	return e
}

// fillCall fills in what the call was and how it went.
func (p *Payload) fillCall(c *record.Call) {
	p.ID, p.CallID = c.RequestID, c.SentID
	if p.ID == "" {
		p.ID = c.SentID
	}
	if c.CacheHit { // else a hit has the id of the call that it repeats
		p.ID += "_cache_hit" + strconv.FormatFloat(record.Seconds(c.Started), 'f', 6, 64)
	}
	p.TraceID = c.SessionID
	if p.TraceID == "" {
		p.TraceID = c.SentID
	}
	p.CallType, p.Stream, p.Status = c.CallType, c.Stream, StatusFailure
	if c.Outcome == record.Success {
		p.Status = StatusSuccess
	}
	p.ResponseCost, p.SavedCacheCost = c.Cost.Float64(), c.SavedCost.Float64()
	p.CostBreakdown = breakdown(c)
	p.Provider, p.Model, p.ModelID, p.ModelGroup, p.APIBase = c.Provider, c.Upstream, c.Deployment, c.Group, c.APIBase
	if p.Model == "" {
		p.Model = c.Alias
	}
	if p.ModelGroup == "" {
		p.ModelGroup = c.Alias
	}
	p.ModelMap = map[string]any{"model_map_key": p.Model, "model_map_value": nil}
	p.PromptTokens, p.CompletionTokens, p.TotalTokens = c.PromptTokens, c.CompletionTokens, c.PromptTokens+c.CompletionTokens
	p.fillTimes(c)
	p.CacheHit = c.CacheHit
	if c.CacheKey != "" {
		p.CacheKey = &c.CacheKey
	}
	p.RequestTags, p.EndUser, p.RequesterIP, p.UserAgent = orEmpty(c.Tags), c.EndUser, c.ClientIP, c.UserAgent
	p.Guardrails = c.Guardrails
	p.StatusFields = statusFields(c)
	usage := usageObject(c)
	p.Metadata.Usage = usage
	p.HiddenParams = HiddenParams{
		ModelID: c.Deployment, CacheKey: p.CacheKey, APIBase: c.APIBase, ResponseCost: p.ResponseCost, ModelName: p.Model, Usage: usage,
		OverheadMS: float64(max(c.Duration()-c.Upstreams, 0).Microseconds()) / 1000, AdditionalHeaders: map[string]string{},
	}
}

func (p *Payload) fillTimes(c *record.Call) {
	p.StartTime, p.EndTime = record.Seconds(c.Started), record.Seconds(c.Ended)
	p.CompletionStartTime, p.ResponseTime = p.EndTime, c.Duration().Seconds()
	if c.Stream && c.FirstByte > 0 {
		p.CompletionStartTime, p.ResponseTime = record.Seconds(c.Started.Add(c.FirstByte)), c.FirstByte.Seconds()
	}
}

func breakdown(c *record.Call) *CostBreakdown {
	if !c.CostKnown {
		return nil
	}
	total := c.Cost.Float64()
	return &CostBreakdown{Input: c.Split.Input.Float64(), Output: c.Split.Output.Float64(), Total: total, Original: total}
}

// statusFields are LiteLLM's words for how model and guardrails have fared.
func statusFields(c *record.Call) StatusFields {
	f := StatusFields{LLMAPI: StatusSuccess, Guardrail: "not_run"}
	for i := range c.Guardrails {
		switch s := c.Guardrails[i].Status; {
		case s == "guardrail_intervened", f.Guardrail == "guardrail_intervened":
			f.Guardrail = "guardrail_intervened"
		case s == "guardrail_failed_to_respond", f.Guardrail == "guardrail_failed_to_respond":
			f.Guardrail = "guardrail_failed_to_respond"
		case s == "success":
			f.Guardrail = s
		}
	}
	if c.Outcome != record.Success {
		f.LLMAPI = StatusFailure
		if f.Guardrail == "guardrail_intervened" {
			f.LLMAPI = "guardrail_intervened"
		}
	}
	return f
}

// usageObject is OpenAI's usage, null when nothing is known of it.
func usageObject(c *record.Call) json.RawMessage {
	if !c.UsageKnown && !c.Estimated {
		return nil
	}
	type details map[string]int
	text, _ := json.Marshal(struct { // numbers alone
		Completion        int     `json:"completion_tokens"`
		Prompt            int     `json:"prompt_tokens"`
		Total             int     `json:"total_tokens"`
		PromptDetails     details `json:"prompt_tokens_details"`
		CompletionDetails details `json:"completion_tokens_details"`
	}{
		c.CompletionTokens, c.PromptTokens, c.PromptTokens + c.CompletionTokens,
		details{"cached_tokens": c.CachedTokens, "cache_creation_tokens": c.CacheWrittenTokens}, details{"reasoning_tokens": c.ReasoningTokens},
	})
	return text
}

// fillMetadata fills in who called and what they said.
func (p *Payload) fillMetadata(c *record.Call, rules Rules) {
	m := &p.Metadata
	m.SpendLogs, m.Requester = withoutCredentials(c.Metadata), withoutCredentials(c.RequestMetadata)
	m.RequesterIP, m.UserAgent, m.RequesterHeaders = c.ClientIP, c.UserAgent, maps.Clone(c.RequesterHeaders)
	m.AppliedGuardrails = []string{}
	for i := range c.Guardrails {
		if c.Guardrails[i].Status != "not_run" && !slices.Contains(m.AppliedGuardrails, c.Guardrails[i].Name) { // one entry for each mode
			m.AppliedGuardrails = append(m.AppliedGuardrails, c.Guardrails[i].Name)
		}
	}
	if rules.HideCaller {
		return
	}
	m.KeyHash, m.KeyAlias, m.UserID, m.UserEmail = c.KeyHash, c.KeyAlias, c.UserID, c.UserEmail
	m.TeamID, m.TeamAlias, m.OrgID, m.OrgAlias, m.EndUser, m.Route = c.TeamID, c.TeamAlias, c.OrgID, c.OrgAlias, c.EndUser, c.Route
}

// object is a JSON object, null in place of anything else.
func object(raw []byte) json.RawMessage {
	if len(raw) == 0 || raw[0] != '{' {
		return nil
	}
	return raw
}

// credential tells the names of members that hold what must not be told.
var credential = regexp.MustCompile(`(?i)(api_?key|secret|password|passwd|authorization|access_?token|auth_?token|cookie|private_?key|credential)`)

// withoutCredentials is an object without the members, at any depth, that are named like a credential; null when there is no
// object.
func withoutCredentials(raw []byte) json.RawMessage {
	raw = object(raw)
	if !credential.Match(raw) && bytes.IndexByte(raw, '\\') < 0 {
		return raw
	}
	text, err := plainJSON(withoutNamed(decode(raw)))
	if err != nil {
		return nil
	}
	return object(text)
}

func withoutNamed(tree any) any {
	switch v := tree.(type) {
	case map[string]any:
		maps.DeleteFunc(v, func(name string, _ any) bool { return credential.MatchString(name) })
		for name := range v {
			v[name] = withoutNamed(v[name])
		}
	case []any:
		for i := range v {
			v[i] = withoutNamed(v[i])
		}
	}
	return tree
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// parameters are the members of a request that are neither texts nor credentials, and go into model_parameters. What is
// not here is left out: a body may hold anything.
var parameters = []string{
	"temperature", "top_p", "top_k", "min_p", "n", "best_of", "stream", "stream_options", "stop", "max_tokens", "max_completion_tokens", "presence_penalty",
	"frequency_penalty", "repetition_penalty", "logit_bias", "user", "response_format", "seed", "tool_choice", "parallel_tool_calls",
	"function_call", "logprobs", "top_logprobs", "reasoning_effort", "thinking", "modalities", "audio", "service_tier", "store", "verbosity",
	"web_search_options", "dimensions", "encoding_format", "input_type", "truncate", "top_n", "return_documents", "max_chunks_per_doc",
	"max_tokens_per_doc", "echo", "safety_mode", "citation_quality",
}

// wordy are parameters that may hold texts, and go with them.
var wordy = []string{"tools", "functions", "response_format", "stop", "logit_bias", "web_search_options"}

// fillRequest fills in what was asked.
func (p *Payload) fillRequest(request []jsonscan.Member, rules Rules) {
	p.ModelParameters = map[string]any{}
	if request == nil {
		return
	}
	take := func(name string) {
		if value, ok := jsonscan.Find(request, name); ok {
			p.ModelParameters[name] = json.RawMessage(value)
		}
	}
	for _, name := range parameters {
		take(name)
	}
	take("tools")
	take("functions")
	p.BuiltInTools.WebSearch = firstOf(request, "web_search_options")
	if !rules.MaskInput {
		p.Messages = messages(request)
		return
	}
	p.Messages = json.RawMessage(redactedMessages)
	for _, name := range wordy {
		delete(p.ModelParameters, name)
	}
	p.BuiltInTools = BuiltInTools{}
}

// messages is what was asked, in the shape in which it was asked.
func messages(request []jsonscan.Member) json.RawMessage {
	if query, ok := jsonscan.Find(request, "query"); ok {
		documents, ok := jsonscan.Find(request, "documents")
		if !ok {
			documents = []byte("null")
		}
		text := append([]byte(`{"query":`), query...)
		text = append(append(text, `,"documents":`...), documents...)
		return append(text, '}')
	}
	return firstOf(request, "messages", "prompt", "input")
}

// firstOf is the first of some members that is there, null without any.
func firstOf(members []jsonscan.Member, names ...string) json.RawMessage {
	for _, name := range names {
		if value, ok := jsonscan.Find(members, name); ok {
			return value
		}
	}
	return nil
}

// fillError fills in what went wrong.
func (p *Payload) fillError(c *record.Call, rules Rules) {
	if c.Outcome == record.Success {
		return
	}
	text := c.Error
	if rules.MaskInput && mayQuote(c) {
		text = "The error's text is " + Placeholder
	}
	p.ErrorStr = &text
	info := &ErrorInformation{Code: strconv.Itoa(c.Status), Class: errorClass(c), Provider: c.Provider, Message: text}
	if c.Status == http.StatusTooManyRequests {
		info.Category, info.Limit = rateLimit(c)
	}
	p.ErrorInformation = info
}

// rateLimit says who has limited a call, and by what (LiteLLM's words).
func rateLimit(c *record.Call) (category, limit string) {
	if len(c.Attempts) > 0 {
		return "vendor_rate_limit", "requests"
	}
	if c.ErrorType == "budget_exceeded" {
		return "litellm_rate_limit", "budget"
	}
	return "litellm_rate_limit", "requests"
}

// errorClass is the name of LiteLLM's exception for what happened.
func errorClass(c *record.Call) string {
	switch c.ErrorType {
	case "budget_exceeded":
		return "BudgetExceededError"
	case "context_window_exceeded", "context_length_exceeded":
		return "ContextWindowExceededError"
	}
	if c.Outcome == record.Refused && len(c.Attempts) == 0 {
		return "ProxyException"
	}
	if name, ok := classes[c.Status]; ok {
		return name
	}
	if c.Status >= http.StatusInternalServerError {
		return "InternalServerError"
	}
	return "APIError"
}

// classes are LiteLLM's exceptions by status.
var classes = map[int]string{
	http.StatusBadRequest: "BadRequestError", http.StatusUnauthorized: "AuthenticationError", http.StatusForbidden: "PermissionDeniedError",
	http.StatusNotFound: "NotFoundError", http.StatusRequestTimeout: "Timeout", http.StatusGatewayTimeout: "Timeout",
	http.StatusUnprocessableEntity: "UnprocessableEntityError", http.StatusTooManyRequests: "RateLimitError",
	http.StatusBadGateway: "BadGatewayError", http.StatusServiceUnavailable: "ServiceUnavailableError", 499: "ClientDisconnected",
}
