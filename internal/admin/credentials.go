package admin

import (
	"context"
	"maps"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
	"tollgate/internal/seal"
	"tollgate/internal/secret"
)

type credentialRequest struct {
	Name    Opt[ID]                `json:"credential_name"`
	Info    Opt[map[string]any]    `json:"credential_info"`
	Values  Opt[map[string]string] `json:"credential_values"`
	ModelID Opt[ID]                `json:"model_id"`
}

type credentialPathRequest struct {
	PathName Opt[ID] `json:"name" in:"path"`
	credentialRequest
}

// newCredential is POST /credentials: values that are given, or those of a stored model.
func (a *API) newCredential(ctx context.Context, c *call, in credentialRequest) (any, error) {
	if c.api.opts.Sealer == nil {
		return nil, c.noSealer()
	}
	if !in.Name.Given() {
		return nil, invalid([]problem{{Loc: []any{inBody, "credential_name"}, Msg: "Field required", Type: "missing"}})
	}
	if !in.Values.Given() && !in.ModelID.Given() {
		return nil, badRequest("Either credential_values or model_id must be given")
	}
	err := c.update(ctx, func(tx *change) error {
		name := string(in.Name.Value)
		if there, err := lookup[account.Credential](ctx, tx, name); err != nil || there != nil {
			return orElse(err, named("credential_name", badRequest("Credential %s already exists", name)))
		}
		cr := &account.Credential{CredentialName: name, Values: map[string]string{}, Info: in.Info.Value}
		if in.ModelID.Given() {
			values, err := tx.credentialOf(ctx, string(in.ModelID.Value))
			if err != nil {
				return err
			}
			cr.Values = values
		}
		if err := c.sealInto(cr.Values, in.Values.Value); err != nil {
			return err
		}
		return tx.insert(ctx, cr)
	})
	if err != nil {
		return nil, err
	}
	a.reload(ctx)
	return row{"success": true, "message": "Credential created successfully"}, nil
}

func (c *call) noSealer() *apierr.Error {
	return badRequest("Secrets cannot be stored, because there is no key to seal them with. Set LITELLM_SALT_KEY or a master key.")
}

// sealAll seals values.
func (c *call) sealAll(to, values map[string]string) *apierr.Error {
	for name, v := range values {
		sealed, err := c.api.opts.Sealer.Seal(seal.CredentialValues, v)
		if err != nil {
			return apierr.From(err)
		}
		to[name] = sealed
	}
	return nil
}

// sealInto seals values that are not the mask of what is there.
func (c *call) sealInto(to, values map[string]string) *apierr.Error {
	for name, v := range values {
		if _, there := to[name]; there && v == secret.Mask {
			continue
		}
		if err := checkVariables(name, v); err != nil {
			return err
		}
		if err := c.sealAll(to, map[string]string{name: v}); err != nil {
			return err
		}
	}
	return nil
}

// credentialOf takes the credential out of a stored model: all of its texts but the model's name, sealed as a credential.
func (t *change) credentialOf(ctx context.Context, modelID string) (map[string]string, error) {
	m, err := lookup[account.StoredModel](ctx, t, modelID)
	if err != nil || m == nil {
		return nil, orElse(err, t.c.api.modelMissing(modelID))
	}
	params, err := OpenModel(t.c.api.opts.Sealer, m)
	if err != nil {
		return nil, err
	}
	plain := map[string]string{}
	for name, v := range params {
		if text, ok := v.(string); ok && name != "model" && name != "custom_llm_provider" {
			plain[name] = text
		}
	}
	values := map[string]string{}
	if refused := t.c.sealAll(values, plain); refused != nil {
		return nil, refused
	}
	return values, nil
}

// credentialRow is a credential as replies show it: its values masked.
func credentialRow(cr *account.Credential) row {
	masks := map[string]string{}
	for name := range cr.Values {
		masks[name] = secret.Mask
	}
	info := cr.Info
	if info == nil {
		info = map[string]any{}
	}
	return row{"credential_name": cr.CredentialName, "credential_values": masks, "credential_info": info}
}

// listCredentials is GET /credentials.
func (a *API) listCredentials(ctx context.Context, _ *call, _ nothing) (any, error) {
	all, _, err := find[account.Credential](ctx, a.opts.Store, account.Credentials, account.Filter{})
	rows := make([]row, 0, len(all))
	for _, cr := range all {
		rows = append(rows, credentialRow(cr))
	}
	return row{"success": true, "credentials": rows}, err
}

func credentialMissing(name string) *apierr.Error {
	return named("credential_name", notFound("Credential not found. Got credential name: %s", name))
}

// credentialByName is GET /credentials/by_name/{name}.
func (a *API) credentialByName(ctx context.Context, _ *call, in credentialPathRequest) (any, error) {
	cr, err := lookup[account.Credential](ctx, a.opts.Store, string(in.PathName.Value))
	if err != nil || cr == nil {
		return nil, orElse(err, credentialMissing(string(in.PathName.Value)))
	}
	return credentialRow(cr), nil
}

type credentialModelRequest struct {
	ModelID Opt[ID] `json:"model_id" in:"path"`
}

// credentialByModel is GET /credentials/by_model/{model_id}: which credential parameters a model has, masked.
func (a *API) credentialByModel(ctx context.Context, _ *call, in credentialModelRequest) (any, error) {
	id := string(in.ModelID.Value)
	m, err := lookup[account.StoredModel](ctx, a.opts.Store, id)
	if err != nil {
		return nil, err
	}
	if m == nil {
		if m = a.configuredModel(id); m == nil {
			return nil, a.modelMissing(id)
		}
	}
	values := map[string]string{}
	for name, v := range m.Params {
		if _, ok := v.(string); ok && name != "model" && name != "custom_llm_provider" {
			values[name] = secret.Mask
		}
	}
	return row{"credential_name": m.ModelName + "-credential-" + id, "credential_values": values, "credential_info": map[string]any{}}, nil
}

// configuredModel is a deployment of the configuration file as it is shown; nil where there is none.
func (a *API) configuredModel(id string) *account.StoredModel {
	for _, d := range a.opts.Models.Deployments() {
		if info, _ := d["model_info"].(map[string]any); info["id"] == id {
			name, _ := d["model_name"].(string)
			params, _ := d["litellm_params"].(map[string]any)
			return &account.StoredModel{ModelID: id, ModelName: name, Params: params}
		}
	}
	return nil
}

// updateCredential is PATCH /credentials/{name}: values that are given replace, the others stay.
func (a *API) updateCredential(ctx context.Context, c *call, in credentialPathRequest) (any, error) {
	if c.api.opts.Sealer == nil {
		return nil, c.noSealer()
	}
	name := string(in.PathName.Value)
	if in.Name.Given() && string(in.Name.Value) != name {
		return nil, named("credential_name", badRequest("A credential keeps its name: models refer to it. Make a new one instead."))
	}
	err := c.update(ctx, func(tx *change) error {
		before, err := lookup[account.Credential](ctx, tx, name)
		if err != nil || before == nil {
			return orElse(err, credentialMissing(name))
		}
		cr := copyOf(before)
		if cr.Values == nil {
			cr.Values = map[string]string{}
		}
		if err := c.sealInto(cr.Values, in.Values.Value); err != nil {
			return err
		}
		if cr.Info == nil {
			cr.Info = map[string]any{}
		}
		maps.Copy(cr.Info, in.Info.Value)
		return tx.replace(ctx, before, cr)
	})
	if err != nil {
		return nil, err
	}
	a.reload(ctx)
	return row{"success": true, "message": "Credential updated successfully"}, nil
}

// deleteCredential is DELETE /credentials/{name}.
func (a *API) deleteCredential(ctx context.Context, c *call, in credentialPathRequest) (any, error) {
	name := string(in.PathName.Value)
	err := c.update(ctx, func(tx *change) error {
		cr, err := lookup[account.Credential](ctx, tx, name)
		if err != nil || cr == nil {
			return orElse(err, credentialMissing(name))
		}
		return tx.remove(ctx, cr)
	})
	if err != nil {
		return nil, err
	}
	a.reload(ctx)
	return row{"success": true, "message": "Credential deleted successfully"}, nil
}
