package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/config"
	"tollgate/internal/importer"
	"tollgate/internal/rekey"
	"tollgate/internal/seal"
	"tollgate/internal/secret"
	"tollgate/internal/store"
	"tollgate/internal/telemetry"
)

// Offline is the store of a gateway without the gateway, for the commands that work on it directly. A gateway may run on
// the same store meanwhile.
type Offline struct {
	Store *store.Store // nil where none was wanted
	// MasterKey and SaltKey are those of the configuration and its environment; empty where there is none.
	MasterKey, SaltKey secret.String
}

// OfflineOptions say which store is meant.
type OfflineOptions struct {
	ConfigPath string // "" = what the environment says
	// DatabaseURL goes before the one of the configuration; DataDir is the folder of the file where no URL is given.
	DatabaseURL, DataDir string
	// File takes the file in DataDir, whatever the configuration says.
	File bool
	// NoStore opens none: the keys of the configuration are all that is wanted.
	NoStore bool
	// Existing refuses to make a database file that is not there: a folder that was misspelt is told.
	Existing bool
	Schema   Schema
	Env      func(string) (string, bool) // as os.LookupEnv
	Log      *slog.Logger
}

// Schema says what is done about migrations that are pending.
type Schema int

// What is done about them.
const (
	SchemaChecked  Schema = iota // they are an error
	SchemaMigrated               // they are applied, unless general_settings.disable_prisma_schema_update is on
	SchemaAsItIs                 // nothing
)

// ErrNoStore says that nothing names a store.
var ErrNoStore = errors.New("no store is named: set DATABASE_URL, or name the gateway's data directory with --data-dir")

// OpenOffline opens the store that a gateway with the same configuration uses.
func OpenOffline(ctx context.Context, o OfflineOptions) (*Offline, error) {
	e := newEnviron(o.Env)
	cfg, found := config.Load(o.ConfigPath, e.outside)
	if found.HasErrors() {
		return nil, fmt.Errorf("%w: %w", ErrConfig, found.Err())
	}
	salt, _ := e.with(cfg.Environment)("LITELLM_SALT_KEY")
	offline := &Offline{MasterKey: cfg.General.MasterKey, SaltKey: secret.New(salt)}
	if o.NoStore {
		return offline, nil
	}
	url := cmp.Or(o.DatabaseURL, cfg.General.DatabaseURL.Reveal())
	if o.File {
		url = ""
	}
	if url == "" && o.DataDir == "" {
		return nil, ErrNoStore
	}
	if url == "" && o.Existing {
		if err := store.FileExists(o.DataDir); err != nil {
			return nil, fmt.Errorf("there is no database file in %s; name the gateway's data directory with --data-dir, or set DATABASE_URL: %w", o.DataDir, err)
		}
	}
	zone, err := time.LoadLocation(cfg.Litellm.Timezone)
	if err != nil {
		return nil, fmt.Errorf("app: litellm_settings.timezone: %w", err)
	}
	offline.Store, err = store.Open(ctx, store.Options{URL: url, Dir: o.DataDir, Log: o.Log, Location: zone, Replica: "command-" + telemetry.NewID()})
	switch {
	case err != nil || o.Schema == SchemaAsItIs:
		return offline, err
	case o.Schema == SchemaMigrated && !cfg.General.DisableSchemaUpdate:
		err = offline.Store.Migrate(ctx)
	default:
		err = offline.Store.Check(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, offline.Close())
	}
	return offline, nil
}

// Close closes the store.
func (o *Offline) Close() error {
	if o.Store == nil {
		return nil
	}
	return o.Store.Close()
}

// sealKey is the key that secrets are sealed with: the salt key, else the master key.
func (o *Offline) sealKey() string { return cmp.Or(o.SaltKey.Reveal(), o.MasterKey.Reveal()) }

// LiteLLMImport says what is brought from LiteLLM.
type LiteLLMImport struct {
	From string // the URL of its database
	// SaltKey is LiteLLM's salt key, or its master key where it had none; "" = the same as here.
	SaltKey  string
	Since    time.Time
	Progress func(step string, done, all int64)
}

// ImportLiteLLM brings a LiteLLM database into the store; without a store it only reads what it would bring. The report says how far it came even when there is an error.
func (o *Offline) ImportLiteLLM(ctx context.Context, i LiteLLMImport) (*importer.Report, error) {
	source, err := store.Connect(ctx, i.From)
	if err != nil {
		return nil, fmt.Errorf("LiteLLM's database: %w", err)
	}
	defer func() { _ = source.Close(context.WithoutCancel(ctx)) }() // nothing was written
	opts := importer.Options{Source: source, Since: i.Since, Progress: i.Progress}
	if opts.Opener, err = sealerOf(cmp.Or(i.SaltKey, o.sealKey())); err != nil {
		return nil, err
	}
	if opts.Sealer, err = sealerOf(o.sealKey()); err != nil {
		return nil, err
	}
	if !o.MasterKey.Empty() {
		opts.MasterKey = account.HashKey(o.MasterKey.Reveal())
	}
	if o.Store != nil {
		opts.Target = o.Store
	}
	return importer.Import(ctx, opts)
}

// sealerOf is the sealer of a key, nil for none.
func sealerOf(key string) (*seal.Sealer, error) {
	if key == "" {
		return nil, nil
	}
	return seal.New(key)
}

// Rekey seals what is stored with the key next in place of old, both the operator's texts.
func (o *Offline) Rekey(ctx context.Context, old, next string, progress func(done, all int)) (rekey.Result, error) {
	before, err := seal.New(old)
	if err != nil {
		return rekey.Result{}, err
	}
	after, err := seal.New(next)
	if err != nil {
		return rekey.Result{}, err
	}
	return rekey.Run(ctx, o.Store, before, after, progress)
}
