package admin

import (
	"encoding/json"
	"slices"
	"strings"

	"tollgate/internal/access"
	"tollgate/internal/account"
	"tollgate/internal/apierr"
)

// keyFields are what requests that make or change a key have in common.
type keyFields struct {
	KeyAlias         Opt[ID]                       `json:"key_alias"`
	Duration         Opt[string]                   `json:"duration"`
	Models           Opt[[]string]                 `json:"models"`
	Aliases          Opt[map[string]string]        `json:"aliases"`
	Spend            Opt[account.Amount]           `json:"spend"`
	MaxBudget        Opt[account.Amount]           `json:"max_budget"`
	SoftBudget       Opt[account.Amount]           `json:"soft_budget"`
	BudgetDuration   Opt[string]                   `json:"budget_duration"`
	BudgetLimits     Opt[[]account.Window]         `json:"budget_limits"`
	ModelMaxBudget   Opt[map[string]modelBudgetIn] `json:"model_max_budget"`
	BudgetID         Opt[ID]                       `json:"budget_id"`
	UserID           Opt[ID]                       `json:"user_id"`
	TeamID           Opt[ID]                       `json:"team_id"`
	OrganizationID   Opt[ID]                       `json:"organization_id"`
	ProjectID        Opt[ID]                       `json:"project_id"`
	AgentID          Opt[ID]                       `json:"agent_id"`
	MaxParallel      Opt[int64]                    `json:"max_parallel_requests"`
	TPMLimit         Opt[int64]                    `json:"tpm_limit"`
	RPMLimit         Opt[int64]                    `json:"rpm_limit"`
	Blocked          Opt[bool]                     `json:"blocked"`
	RouterSettings   Opt[map[string]any]           `json:"router_settings"`
	AllowedRoutes    Opt[[]string]                 `json:"allowed_routes"`
	KeyType          Opt[string]                   `json:"key_type"`
	AllowedCacheCtrl Opt[[]string]                 `json:"allowed_cache_controls"`
	AccessGroupIDs   Opt[[]string]                 `json:"access_group_ids"`
	ObjectPermission Opt[account.ObjectPermission] `json:"object_permission"`
	AutoRotate       Opt[bool]                     `json:"auto_rotate"`
	RotationInterval Opt[string]                   `json:"rotation_interval"`
	EnforcedParams   Opt[[]string]                 `json:"enforced_params"` // kept in metadata
	Metadata         Opt[map[string]any]           `json:"metadata"`
	folded

	Config             Declined `json:"config" because:"a key cannot bring a configuration of its own: callers never choose the upstream"`
	Permissions        Declined `json:"permissions" because:"keys have no permission flags here; use allowed_routes and guardrails"`
	Policies           Declined `json:"policies" because:"there are no policies here; use guardrails"`
	Prompts            Declined `json:"prompts" because:"this gateway stores no prompts"`
	PassthroughRoutes  Declined `json:"allowed_passthrough_routes" because:"there are no pass-through endpoints; use allowed_routes"`
	VectorStoreIndexes Declined `json:"allowed_vector_store_indexes" because:"there are no vector store indexes"`
	BudgetFallbacks    Declined `json:"budget_fallbacks" because:"a model whose budget is used up is refused and never replaced by another"`
	SendInviteEmail    Declined `json:"send_invite_email" because:"this gateway sends no mail"`
}

// folded are fields that are kept in metadata.
type folded struct {
	Tags          Opt[[]string]         `json:"tags"`
	Guardrails    Opt[[]string]         `json:"guardrails"`
	ModelRPMLimit Opt[map[string]int64] `json:"model_rpm_limit"`
	ModelTPMLimit Opt[map[string]int64] `json:"model_tpm_limit"`
	RPMLimitType  Opt[string]           `json:"rpm_limit_type"`
	TPMLimitType  Opt[string]           `json:"tpm_limit_type"`
}

// modelBudgetIn is the budget of a model in both of LiteLLM's spellings.
type modelBudgetIn struct {
	BudgetLimit    account.Amount `json:"budget_limit"`
	MaxBudget      account.Amount `json:"max_budget"`
	TimePeriod     string         `json:"time_period"`
	BudgetDuration string         `json:"budget_duration"`
}

// apply writes the given fields to a key. Null and absent ones stay.
func (in *keyFields) apply(c *call, k *account.Key) *apierr.Error {
	if err := in.unserved(k); err != nil {
		return err
	}
	rotation := rotationOf(k)
	setID(&k.KeyAlias, in.KeyAlias)
	setID(&k.BudgetID, in.BudgetID)
	setID(&k.UserID, in.UserID)
	setID(&k.TeamID, in.TeamID)
	setID(&k.OrganizationID, in.OrganizationID)
	set(&k.Models, in.Models)
	set(&k.MaxBudget, in.MaxBudget)
	set(&k.SoftBudget, in.SoftBudget)
	setPtr(&k.MaxParallelRequests, in.MaxParallel)
	setPtr(&k.TPMLimit, in.TPMLimit)
	setPtr(&k.RPMLimit, in.RPMLimit)
	setPtr(&k.Blocked, in.Blocked)
	set(&k.AllowedCacheCtrl, in.AllowedCacheCtrl)
	set(&k.AccessGroupIDs, in.AccessGroupIDs)
	setJSON(&k.Aliases, in.Aliases)
	if err := in.applyRoutes(k); err != nil {
		return err
	}
	if err := in.applyTimes(c, k); err != nil {
		return err
	}
	if err := in.applyRotation(c, k, rotation); err != nil {
		return err
	}
	if err := in.applyBudgets(c, k); err != nil {
		return err
	}
	if err := checkLimits(&k.Limits); err != nil {
		return err
	}
	if err := in.applyMetadata(c, &k.Metadata, in.Metadata); err != nil || !in.EnforcedParams.Given() {
		return err
	}
	if k.Metadata == nil {
		k.Metadata = map[string]any{}
	}
	fold(k.Metadata, "enforced_params", in.EnforcedParams)
	return nil
}

// beside are the fields of a request that are not columns of the key.
func (in *keyFields) beside() []string {
	var names []string
	if in.Spend.Given() && in.Spend.Value.Float64() != 0 {
		names = append(names, "spend")
	}
	return names
}

func (in *keyFields) applyRoutes(k *account.Key) *apierr.Error {
	if in.KeyType.Given() {
		routes, known := access.RoutesOfKeyType(in.KeyType.Value)
		if !known {
			return invalid([]problem{{Loc: []any{inBody, "key_type"}, Msg: "Input should be 'llm_api', 'management', 'read_only' or 'default'", Type: "enum"}})
		}
		if len(routes) > 0 || !in.AllowedRoutes.Given() {
			k.AllowedRoutes = routes
		}
	}
	if !in.AllowedRoutes.Given() || len(in.AllowedRoutes.Value) == 0 && in.KeyType.Given() {
		return nil
	}
	for _, entry := range in.AllowedRoutes.Value {
		if !slices.Contains(k.AllowedRoutes, entry) && !strings.HasPrefix(entry, "/") && entry != "*" && !access.IsRouteGroup(entry) {
			return named("allowed_routes", badRequest("allowed_routes: %s is neither a path, such as /v1/chat/completions or /spend/*, nor a group of routes, such as llm_api_routes. The key could call nothing by it.", quote(entry)))
		}
	}
	k.AllowedRoutes = in.AllowedRoutes.Value
	return nil
}

func (in *keyFields) applyTimes(c *call, k *account.Key) *apierr.Error {
	if in.Duration.Given() && in.Duration.Value != "" {
		expires, err := c.expiry("duration", in.Duration.Value)
		if err != nil {
			return err
		}
		k.Expires = expires
	}
	if in.BudgetDuration.Given() && in.BudgetDuration.Value != k.BudgetDuration {
		resetAt, err := c.nextReset("budget_duration", in.BudgetDuration.Value)
		if err != nil {
			return err
		}
		k.BudgetDuration, k.BudgetResetAt = in.BudgetDuration.Value, resetAt
		if resetAt == nil {
			k.BudgetDuration = ""
		}
	}
	return nil
}

// rotation is how a key rotates by itself.
type rotation struct {
	auto     bool
	interval string
}

func rotationOf(k *account.Key) rotation { return rotation{k.AutoRotate, k.RotationInterval} }

// applyRotation writes how the key rotates by itself. Unless that differs from before the next time stays: else whoever writes
// the key again and again, as Terraform does, would put it off for ever.
func (in *keyFields) applyRotation(c *call, k *account.Key, before rotation) *apierr.Error {
	set(&k.AutoRotate, in.AutoRotate)
	if in.RotationInterval.Given() {
		if _, err := c.expiry("rotation_interval", in.RotationInterval.Value); err != nil {
			return err
		}
		k.RotationInterval = in.RotationInterval.Value
	}
	if k.AutoRotate && noDuration(k.RotationInterval) {
		return named("rotation_interval", badRequest("rotation_interval is required when auto_rotate is true"))
	}
	if rotationOf(k) == before {
		return nil
	}
	return scheduleRotation(c, k)
}

// scheduleRotation computes when a key is rotated next.
func scheduleRotation(c *call, k *account.Key) *apierr.Error {
	k.KeyRotationAt = nil
	if !k.AutoRotate {
		return nil
	}
	at, err := c.expiry("rotation_interval", k.RotationInterval)
	k.KeyRotationAt = at
	return err
}

func (in *keyFields) applyBudgets(c *call, k *account.Key) *apierr.Error {
	for _, given := range []struct {
		name   string
		amount Opt[account.Amount]
	}{{"max_budget", in.MaxBudget}, {"soft_budget", in.SoftBudget}} {
		if given.amount.Given() && given.amount.Value.Negative() {
			return named(given.name, badRequest("%s cannot be negative. Received: %s", given.name, pythonFloat(given.amount.Value)))
		}
	}
	if err := checkSpend(in.Spend); err != nil {
		return err
	}
	if in.BudgetLimits.Given() {
		windows, err := c.windows(in.BudgetLimits.Value, k.BudgetLimits)
		if err != nil {
			return err
		}
		k.BudgetLimits = windows
	}
	if in.ModelMaxBudget.Given() {
		budgets, err := c.modelBudgets(in.ModelMaxBudget.Value)
		if err != nil {
			return err
		}
		k.ModelMaxBudget = budgets
	}
	return nil
}

// windows checks budget_limits. A window that is there already keeps its reset.
func (c *call) windows(given, before []account.Window) ([]account.Window, *apierr.Error) {
	var windows []account.Window
	for _, w := range given {
		switch {
		case w.MaxBudget.None() || noDuration(w.BudgetDuration):
			return nil, named("budget_limits", badRequest("budget_limits: each entry needs budget_duration and max_budget"))
		case w.MaxBudget.Negative():
			return nil, named("budget_limits", badRequest("max_budget cannot be negative. Received: %s", pythonFloat(w.MaxBudget)))
		case slices.ContainsFunc(windows, func(o account.Window) bool { return o.BudgetDuration == w.BudgetDuration }):
			return nil, named("budget_limits", badRequest("budget_limits: duplicate budget_duration %q", w.BudgetDuration))
		}
		resetAt, err := c.nextReset("budget_limits", w.BudgetDuration)
		if err != nil {
			return nil, err
		}
		if i := slices.IndexFunc(before, func(o account.Window) bool { return o.BudgetDuration == w.BudgetDuration }); i >= 0 {
			resetAt = before[i].ResetAt
		}
		w.ResetAt = resetAt
		windows = append(windows, w)
	}
	return windows, nil
}

// modelBudgets folds the two spellings of model_max_budget into one.
func (c *call) modelBudgets(given map[string]modelBudgetIn) (map[string]account.ModelBudget, *apierr.Error) {
	budgets := map[string]account.ModelBudget{}
	for model, in := range given {
		b := account.ModelBudget{BudgetLimit: in.BudgetLimit, TimePeriod: in.TimePeriod}
		if b.BudgetLimit.None() {
			b.BudgetLimit = in.MaxBudget
		}
		if b.TimePeriod == "" {
			b.TimePeriod = in.BudgetDuration
		}
		if b.BudgetLimit.None() {
			return nil, named("model_max_budget", badRequest("model_max_budget: %q needs budget_limit (or max_budget)", model))
		}
		if b.BudgetLimit.Negative() {
			return nil, named("model_max_budget", badRequest("max_budget cannot be negative. Received: %s", pythonFloat(b.BudgetLimit)))
		}
		if _, err := c.nextReset("model_max_budget", b.TimePeriod); err != nil {
			return nil, err
		}
		budgets[model] = b
	}
	return budgets, nil
}

// applyMetadata writes the folded fields into metadata. A metadata that is given replaces what was there but for the folded
// fields, which stay unless it names them: they are fields of their own.
func (in *folded) applyMetadata(c *call, to *map[string]any, given Opt[map[string]any]) *apierr.Error {
	m, before := map[string]any{}, *to
	for name, v := range before {
		if !given.Given() || slices.Contains(foldedFields, name) {
			m[name] = v
		}
	}
	for name, v := range given.Value {
		m[name] = v
	}
	fold(m, "tags", in.Tags)
	fold(m, "guardrails", in.Guardrails)
	fold(m, "model_rpm_limit", in.ModelRPMLimit)
	fold(m, "model_tpm_limit", in.ModelTPMLimit)
	fold(m, "rpm_limit_type", in.RPMLimitType)
	fold(m, "tpm_limit_type", in.TPMLimitType)
	*to = m
	if len(m) == 0 {
		*to = nil
	}
	changed := map[string]any{}
	for _, name := range foldedFields {
		if v := m[name]; !same(object(name, v), object(name, before[name])) {
			changed[name] = v
		}
	}
	return c.checkMetadata(changed)
}

// checkMetadata refuses folded fields that would not be followed, wherever they were written. m has those that change.
func (c *call) checkMetadata(m map[string]any) *apierr.Error {
	if err := c.checkLogging(m["logging"]); err != nil {
		return err
	}
	if err := c.checkCallbackSettings(m["callback_settings"]); err != nil {
		return err
	}
	for _, name := range []string{"rpm_limit_type", "tpm_limit_type"} {
		switch m[name] {
		case nil, "", "guaranteed_throughput", "best_effort_throughput":
		case "dynamic":
			return named(name, badRequest("%q is not supported as \"dynamic\", because limits do not follow the errors of upstreams here", name))
		default:
			return invalid([]problem{{Loc: []any{inBody, name}, Msg: "Input should be 'guaranteed_throughput', 'best_effort_throughput' or 'dynamic'", Type: "literal_error"}})
		}
	}
	for _, name := range []string{"model_rpm_limit", "model_tpm_limit"} {
		if err := checkModelLimits(name, m[name]); err != nil {
			return err
		}
	}
	var names []string
	if _, permission := m["guardrails"].(map[string]any); !permission { // {"modify_guardrails": false} keeps callers from choosing
		var err *apierr.Error
		if names, err = texts("guardrails", m["guardrails"]); err != nil {
			return err
		}
	}
	for _, name := range names {
		if !slices.Contains(c.settings.Guardrails, name) {
			return named("guardrails", badRequest("guardrails: %q is not a guardrail of the configuration. A key that names it would not be guarded.", name))
		}
	}
	for _, name := range []string{"tags", "enforced_params"} {
		if _, err := texts(name, m[name]); err != nil {
			return err
		}
	}
	return nil
}

// texts reads a list of texts that came in metadata.
func texts(name string, v any) ([]string, *apierr.Error) {
	var list []string
	if text, err := json.Marshal(v); err != nil || json.Unmarshal(text, &list) != nil {
		return nil, invalid([]problem{{Loc: []any{inBody, name}, Msg: "Input should be a valid list", Type: "list_type"}})
	}
	return list, nil
}

func checkModelLimits(name string, v any) *apierr.Error {
	limits, ok := modelLimits(v)
	if !ok {
		return invalid([]problem{{Loc: []any{inBody, name}, Msg: "Input should be a valid dictionary of integers", Type: "dict_type"}})
	}
	for model, n := range limits {
		if n < 0 {
			return named(name, badRequest("%s of %q cannot be negative. Received: %d", name, model, n))
		}
	}
	return nil
}

// modelLimits reads model_rpm_limit or model_tpm_limit of metadata.
func modelLimits(v any) (map[string]int64, bool) {
	var limits map[string]int64
	text, err := json.Marshal(v)
	return limits, err == nil && json.Unmarshal(text, &limits) == nil
}

// checkLimits refuses limits below zero.
func checkLimits(l *account.Limits) *apierr.Error {
	for _, limit := range []struct {
		name string
		n    *int64
	}{{"max_parallel_requests", l.MaxParallelRequests}, {"tpm_limit", l.TPMLimit}, {"rpm_limit", l.RPMLimit}} {
		if limit.n != nil && *limit.n < 0 {
			return named(limit.name, badRequest("%s cannot be negative. Received: %d", limit.name, *limit.n))
		}
	}
	return nil
}

func set[T any](to *T, from Opt[T]) {
	if from.Given() {
		*to = from.Value
	}
}

func setID(to *string, from Opt[ID]) {
	if from.Given() {
		*to = string(from.Value)
	}
}

func setPtr[T any](to **T, from Opt[T]) {
	if from.Given() {
		*to = &from.Value
	}
}

func setJSON[T any](to *account.JSON, from Opt[T]) {
	if !from.Given() {
		return
	}
	text, err := json.Marshal(from.Value)
	if err != nil {
		panic(err) // it was decoded from JSON
	}
	*to = text
}

// fold writes a field into metadata; an empty one leaves it.
func fold[T any](m map[string]any, name string, from Opt[T]) {
	if !from.Given() {
		return
	}
	var raw json.RawMessage
	setJSON((*account.JSON)(&raw), from)
	if hollow(raw) {
		delete(m, name)
		return
	}
	m[name] = from.Value
}
