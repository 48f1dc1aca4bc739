package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/admin"
	"tollgate/internal/config"
	"tollgate/internal/store"
)

// database is where stored parts of the configuration stand in findings.
const database = "database"

// storedTimeout bounds how long a reload waits for the database.
const storedTimeout = 10 * time.Second

// stored is what was added to the configuration at run time, as a document that is merged into the file's; nil when
// nothing was stored, and until the store is open.
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
		params, err := admin.OpenModel(a.rooms.sealer, &m)
		if name := gatewaysOwn(params); err == nil && name != "" { // it was stored by somebody else's hand
			err = fmt.Errorf("it refers to the gateway's own secret %s", name)
		}
		if !a.unsealed(account.Models, m.ModelName, err) {
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
		values, err := admin.OpenCredential(a.rooms.sealer, &c)
		if a.unsealed(account.Credentials, c.CredentialName, err) {
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
		value, err := admin.OpenSetting(a.rooms.sealer, &setting)
		if !a.unsealed(account.Settings, setting.ParamName, err) || len(value) == 0 {
			return nil
		}
		switch setting.ParamName {
		case "environment_variables":
			for name := ofMachine(value); name != ""; name = ofMachine(value) { // it was stored by somebody else's hand
				a.log.Error("a stored variable is left out: it says where the gateway's own identity is fetched", "name", name)
				delete(value, name)
			}
			doc[setting.ParamName] = value
		case "litellm_settings", "general_settings", "router_settings", "tollgate_settings":
			doc[setting.ParamName] = value
		}
		return nil
	})
	return err
}

// unsealed reports whether a stored secret could be opened. One that cannot, since the salt key is another one, leaves the
// whole object out and says so: a deployment with half of its parameters would call something else.
func (a *App) unsealed(kind account.Kind, name string, err error) bool {
	if err != nil {
		a.log.Error("a stored object is left out; where it cannot be opened: is LITELLM_SALT_KEY, or else the master key, the one that it was sealed with?",
			"kind", string(kind), "name", name, "error", err)
	}
	return err == nil
}

// storable says what is wrong with a section of the configuration that is to be stored, or with one deployment.
func (a *App) storable(section string, value map[string]any) error {
	if name := gatewaysOwn(value); name != "" {
		return fmt.Errorf("os.environ/%s may not be referred to here: it is the gateway's own secret, and a deployment would send it to its upstream", name)
	}
	if name := ofMachine(value); section == "environment_variables" && name != "" {
		return fmt.Errorf("%s cannot be stored, because it says where the gateway's own identity is fetched; set it in the configuration file or in the environment", name)
	}
	doc := map[string]any{section: value}
	if section == "model_list" {
		doc[section] = []any{value}
	}
	text, err := json.Marshal(doc)
	if err != nil {
		return fmt.Errorf("app: %w", err)
	}
	cfg, found := config.Parse("request", text, a.environ.outside)
	if errs := found.Errors(); len(errs) > 0 {
		return errors.New(errs[0].Path + ": " + errs[0].Message)
	}
	if section != "model_list" || len(cfg.Models) == 0 {
		return nil
	}
	a.mu.Lock()
	b := &built{config: cfg, lookup: a.environ.with(cfg.Environment), egress: a.egress}
	a.mu.Unlock()
	b.providers, b.lease = a.opts.Providers(b.getenv, a.prices), a.credentials.Lease()
	defer b.lease.Release()
	for i := range cfg.Models {
		if _, _, ok := a.deployment(b, &cfg.Models[i]); !ok {
			return errors.New(b.found.Error())
		}
	}
	return nil
}

// ofMachine is the first, by name, of the variables that say where the process runs and where it fetches its identity: the
// metadata service, the auth service, the cluster, the service that vouches for the resource. Whoever could store one would
// have the gateway ask an address of his, with its service account's token, and would read the answer in GET /health. "" for
// none; a variable that is taken away (null) does no harm.
func ofMachine(values map[string]any) string {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		for _, start := range [...]string{"KUBERNETES_", "OCI_KUBERNETES_", "OCI_METADATA_", "OCI_RESOURCE_PRINCIPAL_", "OCI_SDK_"} {
			if strings.HasPrefix(name, start) && values[name] != nil {
				return name
			}
		}
	}
	return ""
}

// gatewaysOwn is the first reference in a value to a variable of the environment that holds a secret of the gateway itself;
// "" for none.
func gatewaysOwn(value any) string {
	switch v := value.(type) {
	case map[string]any:
		for _, inner := range v {
			if name := gatewaysOwn(inner); name != "" {
				return name
			}
		}
	case []any:
		for _, inner := range v {
			if name := gatewaysOwn(inner); name != "" {
				return name
			}
		}
	case string:
		name, ok := strings.CutPrefix(v, "os.environ/")
		if !ok {
			return ""
		}
		for _, own := range [...]string{"LITELLM_", "TOLLGATE_", "DATABASE_", "REDIS_", "JWT_", "UI_"} {
			if strings.HasPrefix(name, own) {
				return name
			}
		}
	}
	return ""
}
