package admin

import (
	"context"
	"log/slog"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/ledger"
	"tollgate/internal/seal"
)

// Models is what the management API must know of the deployments that are live. Safe for concurrent use.
type Models interface {
	// Aliases lists the names that callers may ask for.
	Aliases() []string
	// AccessGroups maps each model access group to the aliases in it.
	AccessGroups() map[string][]string
	// Deployments describes every deployment as /model/info shows it: model_name, litellm_params without secrets, model_info.
	Deployments() []map[string]any
}

// Options are what an API works with.
type Options struct {
	Store       account.Store               // nil = no database: every call that needs one says so
	Reports     ledger.Reports              // nil exactly when Store is
	Maintenance ledger.Maintenance          // nil exactly when Store is
	Sync        func(context.Context) error // writes this replica's finished calls to the ledger; nil = nothing to wait for
	Settings    func() *Settings            // of the configuration in force; never returns nil
	Models      Models                      // of the configuration in force
	Catalog     Catalog                     // prices, tokens and parameters of the models in force
	Reload      func(context.Context) error // takes stored models, credentials and settings into force; nil = there is nothing to do
	// Check says what is wrong with a section of the configuration that is to be stored: general_settings and its like, or
	// model_list for one entry of it. nil = nothing is checked.
	Check func(section string, value map[string]any) error
	// IsSecret reports whether a key of the configuration holds a secret, by its name. nil = each may.
	IsSecret func(key string) bool
	Sealer   *seal.Sealer     // seals stored secrets; nil = neither LITELLM_SALT_KEY nor a master key is set
	Now      func() time.Time // nil = time.Now
	Log      *slog.Logger     // nil = slog.Default
	MaxBody  int64            // bytes of a request; 0 = 4 MiB
}

// API is the management API. It is safe for concurrent use.
type API struct {
	opts Options
}

// New makes an API.
func New(opts Options) *API {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	if opts.MaxBody == 0 {
		opts.MaxBody = 4 << 20
	}
	return &API{opts: opts}
}

// now is the time that is stored: UTC, in the microseconds that both stores keep.
func (a *API) now() time.Time { return a.opts.Now().UTC().Truncate(time.Microsecond) }

// sync makes what has been spent up to now visible in the store. Where it fails the answer is as old as the last batch, which
// is better than none.
func (a *API) sync(ctx context.Context) {
	if a.opts.Sync == nil {
		return
	}
	if err := a.opts.Sync(ctx); err != nil {
		a.opts.Log.Warn("admin: spend may be a few seconds old", "error", err)
	}
}

// reload takes what was stored into force on this replica; the others see the change in the store. The change stands where that
// fails: the configuration before it goes on being served, and the log says why.
func (a *API) reload(ctx context.Context) {
	if a.opts.Reload == nil {
		return
	}
	if err := a.opts.Reload(ctx); err != nil {
		a.opts.Log.Error("admin: the stored configuration could not be taken into force", "error", err)
	}
}

// spend returns the counters of scopes, this replica's last calls included.
func (a *API) spend(ctx context.Context, scopes ...account.Scope) (map[account.Scope]account.Counter, error) {
	a.sync(ctx)
	return a.opts.Store.Spend(ctx, scopes...)
}
