package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/config"
	"tollgate/internal/seal"
	"tollgate/internal/store"
)

// database is where stored parts of the configuration stand in findings.
const database = "database"

// storedTimeout bounds how long a reload waits for the database.
const storedTimeout = 10 * time.Second

// stored is what was added to the configuration at run time, as a document that is merged into the file's. It is empty
// until the store is open, and when nothing was stored.
func (a *App) stored() (*config.Document, error) {
	s := a.rooms.store
	if s == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), storedTimeout)
	defer cancel()
	doc := map[string]any{}
	for _, read := range [...]func(context.Context, *store.Store, map[string]any) error{a.storedModels, a.storedCredentials, a.storedSettings} {
		if err := read(ctx, s, doc); err != nil {
			return nil, fmt.Errorf("app: what was stored of the configuration: %w", err)
		}
	}
	if len(doc) == 0 {
		return nil, nil
	}
	text, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("app: %w", err)
	}
	return &config.Document{Name: database, Data: text}, nil
}

func (a *App) storedModels(ctx context.Context, s *store.Store, doc map[string]any) error {
	var list []any
	_, err := s.Find(ctx, account.Models, account.Filter{}, func(text []byte) error {
		var m account.StoredModel
		if err := json.Unmarshal(text, &m); err != nil {
			return err
		}
		params, ok := a.open(seal.ModelParams, m.ModelName, m.Params)
		if !ok {
			return nil
		}
		info := map[string]any{}
		for k, v := range m.ModelInfo {
			if v != nil {
				info[k] = v
			}
		}
		info["id"] = m.ModelID
		if m.Blocked {
			info["blocked"] = true
		}
		delete(info, "db_model")
		list = append(list, map[string]any{"model_name": m.ModelName, "litellm_params": params, "model_info": info})
		return nil
	})
	if len(list) > 0 {
		doc["model_list"] = list
	}
	return err
}

func (a *App) storedCredentials(ctx context.Context, s *store.Store, doc map[string]any) error {
	var list []any
	_, err := s.Find(ctx, account.Credentials, account.Filter{}, func(text []byte) error {
		var c account.Credential
		if err := json.Unmarshal(text, &c); err != nil {
			return err
		}
		sealed := map[string]any{}
		for k, v := range c.Values {
			sealed[k] = v
		}
		values, ok := a.open(seal.CredentialValues, c.CredentialName, sealed)
		if ok {
			list = append(list, map[string]any{"credential_name": c.CredentialName, "credential_values": values})
		}
		return nil
	})
	if len(list) > 0 {
		doc["credential_list"] = list
	}
	return err
}

func (a *App) storedSettings(ctx context.Context, s *store.Store, doc map[string]any) error {
	_, err := s.Find(ctx, account.Settings, account.Filter{}, func(text []byte) error {
		var setting account.Setting
		if err := json.Unmarshal(text, &setting); err != nil {
			return err
		}
		var value map[string]any
		if json.Unmarshal(setting.ParamValue, &value) != nil || len(value) == 0 {
			return nil
		}
		switch setting.ParamName {
		case "environment_variables":
			if opened, ok := a.open(seal.Environment, setting.ParamName, value); ok {
				doc[setting.ParamName] = opened
			}
		case "litellm_settings", "general_settings", "router_settings", "tollgate_settings":
			doc[setting.ParamName] = value
		}
		return nil
	})
	return err
}

// open unseals the texts of a stored value. One that cannot be opened, since the salt key is another one, leaves the
// whole object out and says so: a deployment with half of its parameters would call something else.
func (a *App) open(purpose seal.Purpose, name string, sealed map[string]any) (map[string]any, bool) {
	opened, err := a.unseal(purpose, sealed)
	if err != nil {
		a.log.Error("a stored secret cannot be opened; is LITELLM_SALT_KEY, or else the master key, the one that it was sealed with?",
			"what", string(purpose), "name", name, "error", err)
		return nil, false
	}
	return opened.(map[string]any), true
}

// unseal opens every sealed text inside of a value. What is not sealed was put there by hand, and stays.
func (a *App) unseal(purpose seal.Purpose, v any) (any, error) {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for name, inner := range v {
			opened, err := a.unseal(purpose, inner)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			out[name] = opened
		}
		return out, nil
	case []any:
		out := make([]any, len(v))
		for i, inner := range v {
			opened, err := a.unseal(purpose, inner)
			if err != nil {
				return nil, err
			}
			out[i] = opened
		}
		return out, nil
	case string:
		if a.rooms.sealer == nil {
			return v, nil
		}
		plain, err := a.rooms.sealer.Open(purpose, v)
		if errors.Is(err, seal.ErrFormat) {
			return v, nil
		}
		return plain, err
	}
	return v, nil
}
