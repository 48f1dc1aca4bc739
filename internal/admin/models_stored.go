package admin

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
	"tollgate/internal/seal"
	"tollgate/internal/secret"
	"tollgate/internal/telemetry"
)

// modelFields are what a request says of a deployment.
type modelFields struct {
	ModelName Opt[string]         `json:"model_name"`
	Params    Opt[map[string]any] `json:"litellm_params"`
	Info      Opt[map[string]any] `json:"model_info"`
	Blocked   Opt[bool]           `json:"blocked"`
}

// id is the id that model_info names.
func (in *modelFields) id() string {
	id, _ := in.Info.Value["id"].(string)
	return id
}

// mayStore refuses to store configuration where the operator has not allowed it, or where nothing can be sealed.
func (c *call) mayStore() *apierr.Error {
	if !c.settings.StoreModels {
		return refuse(http.StatusInternalServerError, "Set 'STORE_MODEL_IN_DB='True'' in your env to enable this feature.")
	}
	if c.api.opts.Sealer == nil {
		return c.noSealer()
	}
	return nil
}

// newModel is POST /model/new.
func (a *API) newModel(ctx context.Context, c *call, in modelFields) (any, error) {
	if err := c.mayStore(); err != nil {
		return nil, err
	}
	if in.ModelName.Value == "" {
		return nil, invalid([]problem{{Loc: []any{inBody, "model_name"}, Msg: "Field required", Type: "missing"}})
	}
	m := &account.StoredModel{ModelID: in.id()}
	if m.ModelID == "" {
		m.ModelID = telemetry.NewID()
	}
	if err := c.applyModel(ctx, a.opts.Store, &in, m); err != nil {
		return nil, err
	}
	err := c.update(ctx, func(tx *change) error {
		there, err := lookup[account.StoredModel](ctx, tx, m.ModelID)
		if err != nil || there != nil || a.configured(m.ModelID) {
			return orElse(err, named("model_info", badRequest("Model with id=%s already exists", m.ModelID)))
		}
		return tx.insert(ctx, m)
	})
	if err != nil {
		return nil, err
	}
	a.reload(ctx)
	return rowOf(m), nil
}

// configured reports whether a deployment stands in the configuration file.
func (a *API) configured(id string) bool {
	return slices.ContainsFunc(a.opts.Models.Deployments(), func(d map[string]any) bool {
		info, _ := d["model_info"].(map[string]any)
		stored, _ := info["db_model"].(bool)
		return info["id"] == id && !stored
	})
}

// applyModel writes a request to a stored model: a parameter that is null goes, one that is absent stays.
// The texts of the parameters are sealed.
func (c *call) applyModel(ctx context.Context, r account.Reader, in *modelFields, m *account.StoredModel) *apierr.Error {
	for _, name := range []string{"team_id", "team_public_model_name"} {
		if v, ok := in.Info.Value[name]; ok && v != nil && v != "" {
			return named(name, badRequest("%q is not supported, because a deployment belongs to no team; name the model in the models of the team instead", name))
		}
	}
	set(&m.ModelName, in.ModelName)
	set(&m.Blocked, in.Blocked)
	params, failed := OpenModel(c.api.opts.Sealer, m)
	if failed != nil {
		return apierr.From(failed)
	}
	sealed := maps.Clone(m.Params)
	if sealed == nil {
		sealed = map[string]any{}
	}
	for name, v := range in.Params.Value {
		switch {
		case v == nil:
			delete(params, name)
			delete(sealed, name)
		case echoed(v, m.Params[name]):
		default:
			if err := checkVariables(name, v); err != nil {
				return err
			}
			params[name] = v
			text, err := c.sealValue(seal.ModelParams, v)
			if err != nil {
				return err
			}
			sealed[name] = text
		}
	}
	info := maps.Clone(m.ModelInfo)
	if info == nil {
		info = map[string]any{}
	}
	maps.Copy(info, in.Info.Value)
	info["id"], info["db_model"] = m.ModelID, true
	if model, _ := params["model"].(string); model == "" {
		return invalid([]problem{{Loc: []any{inBody, "litellm_params", "model"}, Msg: "Field required", Type: "missing"}})
	}
	m.Params, m.ModelInfo = sealed, info
	if name, _ := params["litellm_credential_name"].(string); name != "" && in.Params.Value["litellm_credential_name"] == name && !c.knowsCredential(ctx, r, name) {
		return named("litellm_credential_name", badRequest("Credential %s is neither stored nor in the configuration", quote(name)))
	}
	return c.check("model_list", map[string]any{"model_name": m.ModelName, "litellm_params": params, "model_info": info})
}

// knowsCredential reports whether a credential is stored, or stands in the configuration file. Where that cannot be found out it is
// believed.
func (c *call) knowsCredential(ctx context.Context, r account.Reader, name string) bool {
	if cr, err := lookup[account.Credential](ctx, r, name); err != nil || cr != nil {
		return true
	}
	list, _ := c.settings.Files["credential_list"].([]any)
	return slices.ContainsFunc(list, func(one any) bool {
		cr, _ := one.(map[string]any)
		return cr["credential_name"] == name
	})
}

// echoed reports whether a value is what a reply has shown of the stored one: itself sealed, or the mask.
func echoed(v, stored any) bool {
	if stored == nil {
		return false
	}
	return v == secret.Mask || string(encoded(v)) == string(encoded(stored))
}

// check asks whether a section can be taken into force, before it is stored.
func (c *call) check(section string, value map[string]any) *apierr.Error {
	if c.api.opts.Check == nil {
		return nil
	}
	if err := c.api.opts.Check(section, value); err != nil {
		return badRequest("%s: %s", section, err)
	}
	return nil
}

// sealValue seals the texts in a value, however deep they stand.
func (c *call) sealValue(p seal.Purpose, v any) (any, *apierr.Error) {
	sealed, err := seal.Texts(v, func(text string) (string, error) { return c.api.opts.Sealer.Seal(p, text) })
	if err != nil {
		return nil, apierr.From(err)
	}
	return sealed, nil
}

// encoded is a value as JSON.
func encoded(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // it came from JSON
	}
	return text
}

// updateModel is POST /model/update: the id stands in model_info.
func (a *API) updateModel(ctx context.Context, c *call, in modelFields) (any, error) {
	return a.changeModel(ctx, c, in.id(), &in)
}

type modelPatchRequest struct {
	ModelID Opt[ID] `json:"model_id" in:"path"`
	modelFields
}

// patchModel is PATCH /model/{model_id}/update.
func (a *API) patchModel(ctx context.Context, c *call, in modelPatchRequest) (any, error) {
	return a.changeModel(ctx, c, string(in.ModelID.Value), &in.modelFields)
}

func (a *API) changeModel(ctx context.Context, c *call, id string, in *modelFields) (any, error) {
	if err := c.mayStore(); err != nil {
		return nil, err
	}
	var m *account.StoredModel
	err := c.update(ctx, func(tx *change) error {
		before, err := lookup[account.StoredModel](ctx, tx, id)
		if err != nil || before == nil {
			return orElse(err, a.modelMissing(id))
		}
		m = copyOf(before)
		if err := c.applyModel(ctx, tx, in, m); err != nil {
			return err
		}
		return tx.replace(ctx, before, m)
	})
	if err != nil {
		return nil, err
	}
	a.reload(ctx)
	return rowOf(m), nil
}

// modelMissing answers for a model that is not stored.
func (a *API) modelMissing(id string) *apierr.Error {
	e := named("model_id", badRequest("Model with id=%s not found in db", id))
	if a.configured(id) {
		e.Message += ". It stands in the configuration file and is changed there."
	}
	return e
}

// deleteModel is POST /model/delete.
func (a *API) deleteModel(ctx context.Context, c *call, in deleteIDRequest) (any, error) {
	if err := c.mayStore(); err != nil {
		return nil, err
	}
	id := string(in.ID.Value)
	err := c.update(ctx, func(tx *change) error {
		m, err := lookup[account.StoredModel](ctx, tx, id)
		if err != nil || m == nil {
			return orElse(err, a.modelMissing(id))
		}
		return tx.remove(ctx, m)
	})
	if err != nil {
		return nil, err
	}
	a.reload(ctx)
	return row{"message": "Model: " + id + " deleted successfully"}, nil
}

type modelIDRequest struct {
	ModelID Opt[ID] `json:"model_id" required:"true"`
}

// blockModel is POST /model/block, and with false /model/unblock.
func (a *API) blockModel(blocked bool) func(ctx context.Context, c *call, in modelIDRequest) (any, error) {
	return func(ctx context.Context, c *call, in modelIDRequest) (any, error) {
		return a.changeModel(ctx, c, string(in.ModelID.Value), &modelFields{Blocked: give(blocked)})
	}
}
