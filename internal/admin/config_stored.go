package admin

import (
	"context"
	"encoding/json"
	"maps"
	"slices"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
	"tollgate/internal/seal"
	"tollgate/internal/secret"
)

// environment is the section whose values are sealed.
const environment = "environment_variables"

// storedSections are the sections of the configuration that can be stored.
var storedSections = []string{"general_settings", "litellm_settings", "router_settings", environment}

// fileOnly are the keys of general_settings that are read before there is a database, or that guard it.
var fileOnly = []string{"master_key", "database_url", "store_model_in_db", "database_connection_pool_limit"}

type configUpdateRequest struct {
	General     Opt[map[string]any] `json:"general_settings"`
	Litellm     Opt[map[string]any] `json:"litellm_settings"`
	Router      Opt[map[string]any] `json:"router_settings"`
	Environment Opt[map[string]any] `json:"environment_variables"`
	ModelList   Declined            `json:"model_list" because:"deployments are added with /model/new"`
}

// updateConfig is POST /config/update: what is given replaces the stored keys of the same names.
func (a *API) updateConfig(ctx context.Context, c *call, in configUpdateRequest) (any, error) {
	given := map[string]map[string]any{}
	for i, section := range []Opt[map[string]any]{in.General, in.Litellm, in.Router, in.Environment} {
		if section.Given() {
			given[storedSections[i]] = section.Value
		}
	}
	if err := a.storeConfig(ctx, c, given); err != nil {
		return nil, err
	}
	return row{"message": "Config updated successfully"}, nil
}

// storeConfig merges keys into the stored sections and takes them into force. A key that is null is taken away.
func (a *API) storeConfig(ctx context.Context, c *call, given map[string]map[string]any) error {
	if err := c.mayStore(); err != nil {
		return err
	}
	err := c.update(ctx, func(tx *change) error {
		for _, section := range slices.Sorted(maps.Keys(given)) {
			if err := tx.storeSection(ctx, section, given[section]); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		a.reload(ctx)
	}
	return err
}

func (t *change) storeSection(ctx context.Context, section string, given map[string]any) error {
	if section == "general_settings" {
		for _, name := range fileOnly {
			if _, ok := given[name]; ok {
				return named(name, badRequest("%q cannot be stored, because it must be known before the database is. Set it in the configuration file or the environment.", name))
			}
		}
	}
	before, err := lookup[account.Setting](ctx, t, section)
	if err != nil {
		return err
	}
	values, err := sectionValues(before)
	if err != nil {
		return err
	}
	if err := t.c.mergeSection(section, values, given); err != nil {
		return err
	}
	s := &account.Setting{ParamName: section, ParamValue: encoded(values)}
	if before == nil {
		return t.insert(ctx, s)
	}
	s.Stamps = before.Stamps
	return t.replace(ctx, before, s)
}

// sectionValues are the keys of a stored section, which may be nil.
func sectionValues(s *account.Setting) (map[string]any, error) {
	values := map[string]any{}
	if s == nil || len(s.ParamValue) == 0 {
		return values, nil
	}
	err := json.Unmarshal(s.ParamValue, &values)
	return values, err
}

// mergeSection writes given keys over values. Secrets are sealed, and one that is the mask of what is there stays.
func (c *call) mergeSection(section string, values, given map[string]any) *apierr.Error {
	if err := c.check(section, given); err != nil {
		return err
	}
	if err := checkVariables(section, given); err != nil {
		return err
	}
	for name, v := range given {
		if v == nil {
			delete(values, name)
			continue
		}
		sealed, err := c.sealSecrets(v, values[name], section == environment || c.isSecret(name))
		if err != nil {
			return err
		}
		values[name] = sealed
	}
	return nil
}

// isSecret reports whether a key of the configuration holds a secret, by its name.
func (c *call) isSecret(name string) bool {
	return c.api.opts.IsSecret == nil || c.api.opts.IsSecret(name)
}

// sealSecrets seals the secrets in a value: all of it where it is one. old is what is stored in its place.
func (c *call) sealSecrets(v, old any, isSecret bool) (any, *apierr.Error) {
	switch v := v.(type) {
	case string:
		if !isSecret {
			return v, nil
		}
		if v == secret.Mask && old != nil {
			return old, nil
		}
		return c.sealValue(seal.Environment, v)
	case []any:
		olds, _ := old.([]any)
		out := make([]any, len(v))
		for i := range v {
			var was any
			if i < len(olds) {
				was = olds[i]
			}
			var err *apierr.Error
			if out[i], err = c.sealSecrets(v[i], was, isSecret); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		olds, _ := old.(map[string]any)
		out := make(map[string]any, len(v))
		for name := range v {
			var err *apierr.Error
			if out[name], err = c.sealSecrets(v[name], olds[name], isSecret || c.isSecret(name)); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
	return v, nil
}

// masked is a section without its secrets.
func (c *call) masked(v any, isSecret bool) any {
	switch v := v.(type) {
	case string:
		if isSecret && v != "" {
			return secret.Mask
		}
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = c.masked(v[i], isSecret)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for name := range v {
			out[name] = c.masked(v[name], isSecret || c.isSecret(name))
		}
		return out
	}
	return v
}

type fieldRequest struct {
	FieldName  Opt[ID]           `json:"field_name" required:"true"`
	FieldValue Opt[account.JSON] `json:"field_value"`
	ConfigType Opt[ID]           `json:"config_type"`
}

// section is the section that a request for one field is about; LiteLLM's know general_settings alone.
func (in *fieldRequest) section() (string, *apierr.Error) {
	section := string(in.ConfigType.Or("general_settings"))
	if !slices.Contains(storedSections, section) || section == environment {
		return "", badParam("config_type", "Invalid config_type: "+quote(section)+". Must be general_settings, litellm_settings or router_settings.")
	}
	return section, nil
}

// updateField is POST /config/field/update.
func (a *API) updateField(ctx context.Context, c *call, in fieldRequest) (any, error) {
	section, refused := in.section()
	if refused != nil {
		return nil, refused
	}
	var v any
	if err := json.Unmarshal(orNullJSON(in.FieldValue.Value), &v); err != nil {
		return nil, badParam("field_value", "field_value is no JSON.")
	}
	name := string(in.FieldName.Value)
	if err := a.storeConfig(ctx, c, map[string]map[string]any{section: {name: v}}); err != nil {
		return nil, err
	}
	return a.storedSection(ctx, c, section)
}

// storedSection is the reply that shows what is stored of a section.
func (a *API) storedSection(ctx context.Context, c *call, section string) (any, error) {
	s, err := lookup[account.Setting](ctx, a.opts.Store, section)
	if err != nil {
		return nil, err
	}
	values, err := sectionValues(s)
	return row{"param_name": section, "param_value": c.masked(values, section == environment)}, err
}

// deleteField is POST /config/field/delete: what the file says is in force again.
func (a *API) deleteField(ctx context.Context, c *call, in fieldRequest) (any, error) {
	section, refused := in.section()
	if refused != nil {
		return nil, refused
	}
	name := string(in.FieldName.Value)
	s, err := lookup[account.Setting](ctx, a.opts.Store, section)
	if err != nil {
		return nil, err
	}
	values, err := sectionValues(s)
	if err != nil {
		return nil, err
	}
	if _, ok := values[name]; !ok {
		return nil, badParam("field_name", "Field name="+name+" not in config")
	}
	if err := a.storeConfig(ctx, c, map[string]map[string]any{section: {name: nil}}); err != nil {
		return nil, err
	}
	return a.storedSection(ctx, c, section)
}

// inForce are the keys of a section as the file and the store have them, the store's word before the file's, secrets masked.
// stored tells which of them are in the store.
func (a *API) inForce(ctx context.Context, c *call, section string) (values, stored map[string]any, err error) {
	values = map[string]any{}
	if file, ok := c.settings.Files[section].(map[string]any); ok {
		maps.Copy(values, file)
	}
	if a.opts.Store == nil {
		return values, nil, nil
	}
	s, err := lookup[account.Setting](ctx, a.opts.Store, section)
	if err != nil {
		return nil, nil, err
	}
	stored, err = sectionValues(s)
	for name, v := range stored {
		values[name] = c.masked(v, section == environment || c.isSecret(name))
	}
	return values, stored, err
}

// fieldInfo is GET /config/field/info.
func (a *API) fieldInfo(ctx context.Context, c *call, in fieldRequest) (any, error) {
	section, refused := in.section()
	if refused != nil {
		return nil, refused
	}
	values, _, err := a.inForce(ctx, c, section)
	if err != nil {
		return nil, err
	}
	name := string(in.FieldName.Value)
	v, ok := values[name]
	if !ok {
		return nil, badParam("field_name", "Field name="+name+" not in DB")
	}
	return row{"field_name": name, "field_value": v}, nil
}

type configListRequest struct {
	ConfigType Opt[ID] `json:"config_type"`
}

// listConfig is GET /config/list: the keys that are set.
func (a *API) listConfig(ctx context.Context, c *call, in configListRequest) (any, error) {
	section := string(in.ConfigType.Or("general_settings"))
	if !slices.Contains(storedSections, section) {
		return nil, badParam("config_type", "Invalid config_type: "+quote(section)+".")
	}
	values, stored, err := a.inForce(ctx, c, section)
	out := []row{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		_, inStore := stored[name]
		out = append(out, row{
			"field_name": name, "field_type": kindOf(values[name]), "field_description": "", "field_value": values[name],
			"stored_in_db": inStore, "field_default_value": nil, "premium_field": false, "nested_fields": nil,
		})
	}
	return out, err
}

// kindOf is LiteLLM's name of the type of a value.
func kindOf(v any) string {
	switch v := v.(type) {
	case bool:
		return "Boolean"
	case float64:
		if v == float64(int64(v)) {
			return "Integer"
		}
		return "Float"
	case int, int64:
		return "Integer"
	case []any:
		return "List"
	case map[string]any:
		return "Dict"
	}
	return "String"
}

// configYAML is GET /config/yaml: the configuration as it was read, secrets masked.
func (a *API) configYAML(_ context.Context, c *call, _ nothing) (any, error) {
	if c.settings.Files == nil {
		return row{}, nil
	}
	shown := maps.Clone(c.settings.Files)
	if list, ok := shown["credential_list"].([]any); ok {
		shown["credential_list"] = maskedCredentials(list)
	}
	return shown, nil
}

// maskedCredentials are credentials without their values: whatever they are called, they are secret.
func maskedCredentials(list []any) []any {
	out := make([]any, 0, len(list))
	for _, one := range list {
		cr, _ := one.(map[string]any)
		cr = maps.Clone(cr)
		if values, ok := cr["credential_values"].(map[string]any); ok {
			masks := make(map[string]any, len(values))
			for name := range values {
				masks[name] = secret.Mask
			}
			cr["credential_values"] = masks
		}
		out = append(out, cr)
	}
	return out
}

// routerSettings is GET /router/settings.
func (a *API) routerSettings(ctx context.Context, c *call, _ nothing) (any, error) {
	values, _, err := a.inForce(ctx, c, "router_settings")
	fields := []row{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		fields = append(fields, row{"field_name": name, "field_type": kindOf(values[name]), "field_value": values[name], "field_default": nil})
	}
	return row{"fields": fields, "current_values": values, "routing_strategy_descriptions": map[string]any{}}, err
}

// reloadPrices is POST /reload/model_cost_map: the price table is read anew with the rest of the configuration.
func (a *API) reloadPrices(ctx context.Context, c *call, _ nothing) (any, error) {
	if a.opts.Reload != nil {
		if err := a.opts.Reload(ctx); err != nil {
			return nil, err
		}
	}
	return row{"status": "success", "message": "Price data reloaded successfully!", "timestamp": c.now}, nil
}
