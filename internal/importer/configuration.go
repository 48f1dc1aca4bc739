package importer

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"tollgate/internal/account"
	"tollgate/internal/seal"
)

// This file brings what LiteLLM has stored of its configuration. Its secrets are opened and sealed anew.

func (r *run) model(d document) (brought, error) {
	b, err := plain[account.StoredModel](r, d)
	if err != nil {
		return b, err
	}
	o := b.Object.(*account.StoredModel)
	o.Params, err = r.reseal(seal.ModelParams, o.Params)
	return b, err
}

func (r *run) credential(d document) (brought, error) {
	var values map[string]any
	if raw := unwrap(d["credential_values"]); len(raw) > 0 {
		if err := json.Unmarshal(raw, &values); err != nil {
			return brought{}, err
		}
	}
	info := orNull(unwrap(d["credential_info"]))
	delete(d, "credential_values")
	delete(d, "credential_info")
	o := &account.Credential{Values: map[string]string{}}
	if err := d.into(o); err != nil {
		return brought{}, err
	}
	if err := json.Unmarshal(info, &o.Info); err != nil {
		return brought{}, err
	}
	sealed, err := r.reseal(seal.CredentialValues, values)
	for name, v := range sealed {
		o.Values[name] = fmt.Sprint(v)
	}
	return brought{Object: o}, err
}

func orNull(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 {
		return json.RawMessage("null")
	}
	return raw
}

// fromFile are the keys of general_settings that are read before there is a database.
var fromFile = []string{"master_key", "database_url", "store_model_in_db", "database_connection_pool_limit"}

func (r *run) setting(d document) (brought, error) {
	o := &account.Setting{ParamName: d.text("param_name")}
	if !slices.Contains([]string{"general_settings", "litellm_settings", "router_settings", "environment_variables"}, o.ParamName) {
		r.report.leave("stored settings", "nothing here corresponds to this section", o.ParamName)
		return brought{}, errSkipped
	}
	var values map[string]any
	if err := json.Unmarshal(orNull(unwrap(d["param_value"])), &values); err != nil {
		return brought{}, err
	}
	if o.ParamName == "general_settings" {
		for _, name := range fromFile {
			delete(values, name)
		}
	}
	if o.ParamName == "environment_variables" {
		var err error
		if values, err = r.reseal(seal.Environment, values); err != nil {
			return brought{}, err
		}
	}
	text, err := json.Marshal(values)
	o.ParamValue = text
	return brought{Object: o}, err
}

// reseal opens the secrets of an object that LiteLLM has sealed and seals them for here.
func (r *run) reseal(p seal.Purpose, values map[string]any) (map[string]any, error) {
	if len(values) == 0 {
		return values, nil
	}
	if r.o.Opener == nil || r.o.Sealer == nil {
		return nil, seal.ErrNoKey
	}
	v, err := seal.Texts(values, func(text string) (string, error) {
		opened, err := r.o.Opener.OpenLiteLLM(text)
		if errors.Is(err, seal.ErrFormat) {
			opened, err = text, nil // what is not sealed was stored in plain text
		}
		if err != nil {
			return "", err
		}
		return r.o.Sealer.Seal(p, opened)
	})
	resealed, _ := v.(map[string]any)
	return resealed, err
}
