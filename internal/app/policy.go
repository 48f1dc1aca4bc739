package app

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"tollgate/internal/access"
	"tollgate/internal/account"
	"tollgate/internal/budget"
	"tollgate/internal/config"
	"tollgate/internal/gateway"
)

// policy is what the configuration says of calls of models.
func policy(cfg *config.Config) access.Policy {
	l, g, t := &cfg.Litellm, &cfg.General, &cfg.Tollgate
	return access.Policy{
		LegacyStatus: t.CompatStatus == "legacy", ModelDeniedMessage: l.ModelAccessDeniedMessage, ModelGroups: modelGroups(cfg),
		EnforceUserParam: g.EnforceUserParam, EnforcedParams: g.EnforcedParams, RejectClientTags: g.RejectClientTags,
		CustomerBudgetID: l.MaxEndUserBudgetID, CustomerBudget: account.Amount(l.MaxEndUserBudget), NoCustomers: l.DisableEndUserTracking,
		UserBudgetOnTeamKeys: !g.SkipUserBudget,
		GlobalBudget:         account.Amount(l.MaxBudget), GlobalDuration: l.BudgetDuration, GlobalForMaster: t.BudgetMasterKey,
		GlobalParallel: g.GlobalMaxParallel, KeyParallel: g.KeyMaxParallel,
	}
}

// modelGroups tells which access groups the configuration puts a model into (model_info.access_groups).
func modelGroups(cfg *config.Config) func(string) []string {
	groups := map[string][]string{}
	for i := range cfg.Models {
		m := &cfg.Models[i]
		groups[m.Name] = append(groups[m.Name], m.Info.AccessGroups...)
	}
	return func(model string) []string { return groups[model] }
}

// deploymentBudgets are the budgets of an entry and of its provider. LiteLLM's texts of its router's filters.
func deploymentBudgets(cfg *config.Config, m *config.Model, kind string) ([]budget.Scope, error) {
	var scopes []budget.Scope
	if p := &m.Params; p.MaxBudget != "" {
		if err := checkPeriod("litellm_params.budget_duration", p.BudgetDuration); err != nil {
			return nil, err
		}
		scopes = append(scopes, budget.Scope{
			Counter: account.DeploymentScope(m.Info.ID), Cap: account.Amount(p.MaxBudget).USD(), Duration: p.BudgetDuration,
			Refusal: "Exceeded budget for deployment model_name: " + m.Name + ", litellm_params.model: " + p.Model + ", model_id: " + m.Info.ID + ": {spent} >= {cap}",
		})
	}
	if b, ok := cfg.Router.ProviderBudgets[kind]; ok && b.Limit != "" {
		if err := checkPeriod("provider_budget_config."+kind+".time_period", b.Period); err != nil {
			return nil, err
		}
		scopes = append(scopes, budget.Scope{
			Counter: account.ProviderScope(kind), Cap: account.Amount(b.Limit).USD(), Duration: b.Period,
			Refusal: "Exceeded budget for provider " + kind + ": {spent} >= {cap}",
		})
	}
	return scopes, nil
}

// checkPeriod refuses a period that no budget can have.
func checkPeriod(key, period string) error {
	if period == "" {
		return nil
	}
	if _, err := budget.Next(period, time.Now(), time.UTC); err != nil {
		return fmt.Errorf("app: %s: %w", key, err)
	}
	return nil
}

// tokens reads signed bearer tokens, where the configuration switches them on; nil else.
func (a *App) tokens(b *built) (*access.Tokens, error) {
	g := &b.config.General
	if !g.EnableJWTAuth {
		return nil, nil
	}
	settings, err := access.ParseTokenSettings(g.JWTAuth)
	if err != nil {
		return nil, err
	}
	if err := decodeInto(g.RolePermissions, &settings.RolePermissions); err != nil {
		return nil, fmt.Errorf("app: general_settings.role_permissions: %w", err)
	}
	var urls []string
	for _, text := range strings.Split(b.getenv("JWT_PUBLIC_KEY_URL"), ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		if u, err := url.Parse(text); err != nil || u.Host == "" {
			return nil, fmt.Errorf("app: JWT_PUBLIC_KEY_URL: %q is no URL", text)
		}
		urls = append(urls, text)
	}
	o := access.TokenOptions{
		Settings: settings, KeyURLs: urls, Audience: b.getenv("JWT_AUDIENCE"), Issuer: b.getenv("JWT_ISSUER"),
		Way: b.egress.Transport(), Log: a.log,
	}
	if a.rooms.store != nil {
		o.Upsert = upserter{a.rooms.store}
	}
	return access.NewTokens(o)
}

// accounting fills in what the gateway is told of budgets, limits and the ledger.
func accounting(s *gateway.Snapshot, cfg *config.Config) {
	g, t := &cfg.General, &cfg.Tollgate
	s.UserHeader, s.TokenLimitType = g.UserHeaderName, g.TokenRateLimitType
	s.EstimateBudgets, s.RefuseUnpriced, s.LegacyStatus = estimates(cfg), t.RefuseUnpriced, t.CompatStatus == "legacy"
	s.SkipErrorRows, s.StorePrompts = g.DisableErrorLogs, g.StorePrompts
}
