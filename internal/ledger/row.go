package ledger

import (
	"bytes"
	"cmp"
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/jsonscan"
	"tollgate/internal/money"
	"tollgate/internal/record"
)

// Names that LiteLLM gives to calls of the master key.
const (
	MasterKey   = "litellm_proxy_master_key" // api_key
	DefaultUser = "default_user_id"          // user
)

// The statuses of a row.
const (
	StatusSuccess = "success"
	StatusFailure = "failure"
)

// empty are the columns of prompts that are not kept, as LiteLLM writes them.
var empty = account.JSON("{}")

// RowOf makes the row of a call, by the rules of LiteLLM's spend rows. It is a pure function: the same call always gives
// the same row. Times are cut to microseconds, which is what the stores hold. Texts and JSON that came from outside are
// freed of what a database refuses (NUL, broken UTF-8, half surrogates), so that no caller can make a row that cannot be
// written. The store replaces RequestID where another row has it.
func RowOf(c *record.Call) Row {
	r := Row{
		CallID: Clean(c.ID), CallType: c.CallType, APIKey: APIKeyOf(c), Spend: c.Cost,
		PromptTokens: int64(c.PromptTokens), CompletionTokens: int64(c.CompletionTokens),
		TotalTokens: int64(c.PromptTokens) + int64(c.CompletionTokens),
		StartTime:   micros(c.Started), EndTime: micros(c.Ended), RequestDurationMS: c.Duration().Milliseconds(),
		Model: modelOf(c), ModelID: Clean(c.Deployment), ModelGroup: Clean(cmp.Or(c.Group, c.Alias)), Provider: c.Provider, APIBase: Clean(c.APIBase),
		User: Clean(c.UserID), TeamID: Clean(c.TeamID), OrganizationID: Clean(c.OrgID), EndUser: Clean(c.EndUser),
		RequesterIP: Clean(c.ClientIP), SessionID: Clean(cmp.Or(c.SessionID, c.ID)),
		CacheHit: "None", CacheKey: "Cache OFF", Status: StatusFailure,
		Messages: empty, Response: empty, ProxyServerRequest: empty,
		RequestID: Clean(cmp.Or(c.RequestID, c.ID)),
	}
	first := r.EndTime
	if c.FirstByte > 0 {
		first = micros(c.Started.Add(c.FirstByte))
	}
	r.CompletionStartTime = &first
	if c.Outcome == record.Success {
		r.Status = StatusSuccess
	}
	if r.APIKey == MasterKey && r.User == "" {
		r.User = DefaultUser
	}
	if r.APIKey == "" {
		// Whoever has no key can invent models and customers without end; what is summed must not grow with them.
		r.ModelGroup, r.EndUser = Clean(c.Group), ""
	}
	if p := cleanJSON(c.Prompt); p != nil {
		r.ProxyServerRequest = p // LiteLLM keeps the body here and leaves messages empty
	}
	if p := cleanJSON(c.Reply); p != nil {
		r.Response = p
	}
	if c.CacheKey != "" {
		r.CacheHit, r.CacheKey = "False", Clean(c.CacheKey)
	}
	if c.CacheHit {
		r.CacheHit = "True"
	}
	r.RequestTags = jsonOf(TagsOf(c))
	r.Metadata = metadataOf(c, &r)
	return r
}

// APIKeyOf is the api_key of a call: the key's hash, MasterKey, or "" when nobody was identified.
func APIKeyOf(c *record.Call) string {
	if c.KeyHash == "" && c.Caller == "master" {
		return MasterKey
	}
	return c.KeyHash
}

// modelOf is "provider/upstream id"; of a call that reached no deployment the alias that was asked.
func modelOf(c *record.Call) string {
	switch {
	case c.Upstream == "":
		return Clean(c.Alias)
	case c.Provider == "" || strings.HasPrefix(c.Upstream, c.Provider+"/"):
		return Clean(c.Upstream)
	}
	return Clean(c.Provider + "/" + c.Upstream)
}

// longestTag bounds what a User-Agent adds to a row.
const longestTag = 256

// TagsOf are the tags of a call, each once, in order: its own, then "User-Agent: curl" and "User-Agent: curl/8.5.0".
func TagsOf(c *record.Call) []string {
	tags := make([]string, 0, len(c.Tags)+2)
	add := func(tag string) {
		if tag = Clean(tag); tag != "" && !slices.Contains(tags, tag) {
			tags = append(tags, tag)
		}
	}
	for _, tag := range c.Tags {
		add(tag)
	}
	if agent := c.UserAgent; agent != "" {
		agent = agent[:min(len(agent), longestTag)]
		if product, _, found := strings.Cut(agent, "/"); found {
			add("User-Agent: " + product)
		}
		add("User-Agent: " + agent)
	}
	return tags
}

// metadata is the metadata of a row: LiteLLM's names, then ours.
type metadata struct {
	APIKey            string             `json:"user_api_key"`
	KeyAlias          string             `json:"user_api_key_alias"`
	TeamID            string             `json:"user_api_key_team_id"`
	TeamAlias         string             `json:"user_api_key_team_alias"`
	OrgID             string             `json:"user_api_key_org_id"`
	UserID            string             `json:"user_api_key_user_id"`
	SpendLogsMetadata account.JSON       `json:"spend_logs_metadata"`
	RequesterIP       string             `json:"requester_ip_address"`
	AppliedGuardrails []string           `json:"applied_guardrails"`
	Guardrails        []record.Guardrail `json:"guardrail_information,omitempty"`
	Usage             usageObject        `json:"usage_object"`
	AdditionalUsage   usageDetails       `json:"additional_usage_values"`
	CostBreakdown     *costBreakdown     `json:"cost_breakdown"`
	Status            string             `json:"status"`
	Error             *errorInfo         `json:"error_information"`
	AttemptedRetries  int                `json:"attempted_retries"`
	OverheadMS        float64            `json:"litellm_overhead_time_ms"`

	CallID            string           `json:"tollgate_call_id"`
	Route             string           `json:"tollgate_route"`
	Outcome           record.Outcome   `json:"tollgate_outcome"`
	ModelAsked        string           `json:"tollgate_model_asked"`
	Stream            bool             `json:"tollgate_stream"`
	FirstByteMS       float64          `json:"tollgate_first_byte_ms"`
	UpstreamMS        float64          `json:"tollgate_upstream_ms"`
	UpstreamRequestID string           `json:"tollgate_upstream_request_id,omitempty"`
	Fallbacks         int              `json:"tollgate_fallbacks,omitempty"`
	Attempts          []record.Attempt `json:"tollgate_attempts,omitempty"`
	Estimated         bool             `json:"tollgate_tokens_estimated,omitempty"`
	PriceUnknown      bool             `json:"tollgate_price_unknown,omitempty"`
	Replica           string           `json:"tollgate_replica,omitempty"`
	CacheSimilarity   float64          `json:"tollgate_cache_similarity,omitempty"`
	SavedCost         money.USD        `json:"tollgate_saved_cost,omitempty"`
}

type usageObject struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	TotalTokens      int `json:"total_tokens"`
	usageDetails
}

type usageDetails struct {
	Prompt        promptDetails     `json:"prompt_tokens_details"`
	Completion    completionDetails `json:"completion_tokens_details"`
	CacheRead     int               `json:"cache_read_input_tokens"`
	CacheCreation int               `json:"cache_creation_input_tokens"`
}

type promptDetails struct {
	Cached int `json:"cached_tokens"`
}

type completionDetails struct {
	Reasoning int `json:"reasoning_tokens"`
}

type costBreakdown struct {
	Total    json.RawMessage `json:"total_cost"`
	Original json.RawMessage `json:"original_cost"`
}

type errorInfo struct {
	Code      string `json:"error_code"`
	Class     string `json:"error_class"`
	Provider  string `json:"llm_provider"`
	Message   string `json:"error_message"`
	Traceback string `json:"traceback"`
}

// metadataOf builds the metadata. The key's own metadata stands at the top level beside it, where nothing else has the
// name, so that a report can group by what the key was labelled with.
func metadataOf(c *record.Call, r *Row) account.JSON {
	details := usageDetails{
		Prompt: promptDetails{c.CachedTokens}, Completion: completionDetails{c.ReasoningTokens},
		CacheRead: c.CachedTokens, CacheCreation: c.CacheWrittenTokens,
	}
	m := metadata{
		APIKey: r.APIKey, KeyAlias: Clean(c.KeyAlias), TeamID: r.TeamID, TeamAlias: Clean(c.TeamAlias), OrgID: r.OrganizationID, UserID: r.User,
		SpendLogsMetadata: cleanJSON(c.Metadata), RequesterIP: r.RequesterIP, AppliedGuardrails: applied(c.Guardrails), Guardrails: cleanGuardrails(c.Guardrails),
		Usage: usageObject{c.PromptTokens, c.CompletionTokens, c.PromptTokens + c.CompletionTokens, details}, AdditionalUsage: details,
		Status: r.Status, AttemptedRetries: c.Retries, OverheadMS: milliseconds(c.Duration() - c.Upstreams),
		CallID: r.CallID, Route: c.Route, Outcome: c.Outcome, ModelAsked: Clean(c.Alias), Stream: c.Stream,
		FirstByteMS: milliseconds(c.FirstByte), UpstreamMS: milliseconds(c.Upstreams), UpstreamRequestID: Clean(c.UpstreamRequestID),
		Fallbacks: c.Fallbacks, Attempts: cleanAttempts(c), Estimated: c.Estimated,
		PriceUnknown: c.UsageKnown && !c.CostKnown, Replica: c.Replica, CacheSimilarity: c.CacheSimilarity, SavedCost: c.SavedCost,
	}
	if c.CostKnown {
		cost := json.RawMessage(c.Cost.String())
		m.CostBreakdown = &costBreakdown{cost, cost}
	}
	if c.Outcome != record.Success {
		m.Error = &errorInfo{Code: strconv.Itoa(c.Status), Class: Clean(c.ErrorType), Provider: c.Provider, Message: clean(c.Error)}
	}
	return withKeyMetadata(jsonOf(m), c.KeyMetadata)
}

// controls are fields of a key's metadata that are no labels: they configure the gateway, or hold secrets of callbacks.
var controls = []string{"logging", "callback_settings", "secret_manager_settings"}

// metadataNames are the fields of metadata, which a key's own do not replace.
var metadataNames = func() map[string]bool {
	names := map[string]bool{}
	for f := range reflect.TypeFor[metadata]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		names[name] = true
	}
	return names
}()

// withKeyMetadata adds the fields of a key's metadata to an object, without replacing any.
func withKeyMetadata(object, key account.JSON) account.JSON {
	key = cleanJSON(key)
	fields, err := jsonscan.Object(key, nil)
	if err != nil || len(fields) == 0 {
		return object
	}
	out := object[: len(object)-1 : len(object)-1]
	for i := range fields {
		if name := string(fields[i].Name); !metadataNames[name] && !slices.Contains(controls, name) {
			out = append(append(out, ','), fields[i].Text(key)...)
		}
	}
	return append(out, '}')
}

// cleanAttempts are the attempts of a call, unless there was one that answered: the row says all of it.
func cleanAttempts(c *record.Call) []record.Attempt {
	if len(c.Attempts) == 1 && c.Outcome == record.Success {
		return nil
	}
	out := slices.Clone(c.Attempts)
	for i := range out {
		out[i].Error = clean(out[i].Error)
	}
	return out
}

// applied are the names of the guardrails that ran, each once.
func applied(list []record.Guardrail) []string {
	names := []string{}
	for i := range list {
		if name := Clean(list[i].Name); list[i].Status != "not_run" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// mostGuardrails and longestGuardrail, in bytes, bound what a row tells of guardrails; a stream may have many runs.
const (
	mostGuardrails   = 50
	longestGuardrail = 8 << 10
)

// cleanGuardrails are the runs of guardrails as stores take them. A vendor's reply that is too long is left out.
func cleanGuardrails(list []record.Guardrail) []record.Guardrail {
	list = list[:min(len(list), mostGuardrails)]
	out := make([]record.Guardrail, 0, len(list))
	for _, g := range list {
		text := cleanJSON(jsonOf(g))
		if len(text) > longestGuardrail {
			g.Response = nil
			text = cleanJSON(jsonOf(g))
		}
		var safe record.Guardrail
		if json.Unmarshal(text, &safe) == nil {
			out = append(out, safe)
		}
	}
	return out
}

// longestName bounds what a column may hold: an index of PostgreSQL takes no more than 2,700 bytes.
const longestName = 1000

// Clean makes text that every store takes: valid UTF-8 without NUL, cut at 1,000 bytes.
func Clean(s string) string {
	if len(s) > longestName {
		s = s[:longestName]
	}
	return clean(s)
}

// clean is Clean without an end.
func clean(s string) string {
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "\uFFFD")
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// suspicious is what PostgreSQL may refuse: escapes, and numbers of a hundred digits.
var suspicious = regexp.MustCompile(`\\u|\d[eE][+-]?\d{3}`)

// cleanJSON is the JSON as PostgreSQL's jsonb takes it, which knows no NUL, no half of a surrogate pair and no number
// without bounds; nil where it is no JSON, or nested beyond reason.
func cleanJSON(raw account.JSON) account.JSON {
	if len(raw) == 0 || jsonscan.Valid(raw) != nil {
		return nil
	}
	if !suspicious.Match(raw) {
		return raw
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var tree any
	if d.Decode(&tree) != nil {
		return nil
	}
	return jsonOf(cleanTree(tree))
}

// cleanTree cleans every text of decoded JSON, in place where it can. Decoding has replaced half surrogates already.
func cleanTree(v any) any {
	switch v := v.(type) {
	case string:
		return clean(v)
	case json.Number:
		mantissa, _, _ := strings.Cut(strings.ToLower(string(v)), "e")
		if f, err := v.Float64(); err != nil || (f == 0 && strings.ContainsAny(mantissa, "123456789")) {
			return string(v)
		}
	case []any:
		for i := range v {
			v[i] = cleanTree(v[i])
		}
	case map[string]any:
		for name, field := range v {
			if safe := clean(name); safe != name {
				delete(v, name)
				name = safe
			}
			v[name] = cleanTree(field)
		}
	}
	return v
}

// jsonOf encodes what cannot fail to be encoded.
func jsonOf(v any) account.JSON {
	b, err := json.Marshal(v)
	if err != nil {
		return account.JSON("null")
	}
	return b
}

// micros is a time as the stores hold it.
func micros(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
