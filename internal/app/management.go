package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"time"

	"go.yaml.in/yaml/v3"

	"tollgate/internal/account"
	"tollgate/internal/admin"
	"tollgate/internal/config"
	"tollgate/internal/gateway"
	"tollgate/internal/price"
)

// adminOptions are what the management API works with. It asks the gateway for the models, which is made after it.
func (a *App) adminOptions() admin.Options {
	o := admin.Options{
		Settings: func() *admin.Settings { return a.settings.Load() }, Models: models{a}, Catalog: models{a},
		Sealer: a.rooms.sealer, Log: a.log, Check: a.storable, IsSecret: config.SecretName,
	}
	if s := a.rooms.store; s != nil {
		o.Reports, o.Maintenance, o.Sync = s, s, a.rooms.ledger.Sync
		o.Store = alertingStore{appliedStore{s, a.applied}, a.rooms.alerts}
		o.Reload = func(context.Context) error {
			found, err := a.Reload()
			if err != nil {
				return errors.Join(err, errors.New(found.Error()))
			}
			return nil
		}
	}
	return o
}

// models are those of the gateway in force.
type models struct{ a *App }

func (m models) catalog() gateway.Catalog { return m.a.gw.Catalog() }

// Aliases implements admin.Models.
func (m models) Aliases() []string { return m.catalog().Aliases() }

// AccessGroups implements admin.Models.
func (m models) AccessGroups() map[string][]string { return m.catalog().AccessGroups() }

// Deployments implements admin.Models.
func (m models) Deployments() []map[string]any { return m.catalog().Deployments() }

// Rates implements admin.Catalog. A model that no deployment calls has the table's price.
func (m models) Rates(model string) (price.Rates, bool) {
	if r, known := m.catalog().Rates(model); known {
		return r, true
	}
	entry, listed := m.a.prices.Lookup(model)
	return entry.Rates, listed
}

// Upstream implements admin.Catalog.
func (m models) Upstream(model string) (id, provider string) { return m.catalog().Upstream(model) }

// CountTokens implements admin.Catalog.
func (m models) CountTokens(model, text string) (int64, string) {
	return m.catalog().CountTokens(model, text)
}

// SupportedParams implements admin.Catalog.
func (m models) SupportedParams(model string) []string { return m.catalog().SupportedParams(model) }

// adminSettings are the parts of a configuration that management calls follow.
func adminSettings(b *built) (*admin.Settings, error) {
	l, g, t := &b.config.Litellm, &b.config.General, &b.config.Tollgate
	s := &admin.Settings{
		MaxBudget: account.Amount(l.MaxBudget), BudgetDuration: l.BudgetDuration,
		UserMaxBudget: account.Amount(l.MaxInternalUserBudget), UserDuration: l.InternalUserBudgetDuration,
		EndUserBudgetID: l.MaxEndUserBudgetID, CheckAliases: l.CheckKeyAliasFormat, NoPersonalKeys: g.DefaultTeamDisabled,
		StoreModels: g.StoreModelInDB, StrictManagementAPI: t.StrictManagementAPI, RotationGrace: b.getenv("LITELLM_KEY_ROTATION_GRACE_PERIOD"),
		ProviderBudgets: map[string]account.ModelBudget{}, Guardrails: b.guardrails.Names(),
	}
	for name, p := range b.config.Router.ProviderBudgets {
		s.ProviderBudgets[name] = account.ModelBudget{BudgetLimit: account.Amount(p.Limit), TimePeriod: p.Period}
	}
	var err error
	if s.Zone, err = time.LoadLocation(l.Timezone); err != nil {
		return nil, fmt.Errorf("app: litellm_settings.timezone: %w", err)
	}
	for key, part := range map[string]struct {
		from map[string]any
		to   any
	}{
		"default_key_generate_params": {l.DefaultKeyParams, &s.DefaultKey}, "upperbound_key_generate_params": {l.UpperboundKeyParams, &s.UpperBound},
		"key_generation_settings": {l.KeyGenerationSettings, &s.KeyGeneration}, "default_team_params": {l.DefaultTeamParams, &s.DefaultTeam},
		"default_internal_user_params": {l.DefaultInternalUserParams, &s.DefaultUser},
	} {
		if err := decodeInto(part.from, part.to); err != nil {
			return nil, fmt.Errorf("app: litellm_settings.%s: %w", key, err)
		}
	}
	s.Files, err = masked(b.config)
	return s, err
}

// decodeInto reads a value of the configuration into one with JSON names; what the configuration does not give stays.
func decodeInto(from, to any) error {
	if v := reflect.ValueOf(from); !v.IsValid() || v.Kind() == reflect.Map && v.Len() == 0 {
		return nil
	}
	text, err := json.Marshal(from)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, to)
}

// masked is the configuration as it was read, without its secrets.
func masked(cfg *config.Config) (map[string]any, error) {
	text, err := cfg.Dump()
	if err != nil {
		return nil, fmt.Errorf("app: %w", err)
	}
	out := map[string]any{}
	if err := yaml.Unmarshal(text, &out); err != nil {
		return nil, fmt.Errorf("app: %w", err)
	}
	return out, nil
}
