package admin

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"tollgate/internal/access"
	"tollgate/internal/account"
	"tollgate/internal/secret"
	"tollgate/internal/telemetry"
)

type keyRegenerateRequest struct {
	keyUpdateFields
	Key Opt[ID] `json:"key"` // the caller's own by default
}

type keyRegeneratePathRequest struct {
	keyUpdateFields
	Key Opt[ID] `json:"key" in:"path"`
}

// keyUpdateFields are what a regeneration may change besides the value.
type keyUpdateFields struct {
	keyFields
	NewKey      Opt[ID]     `json:"new_key"`      // a value of the caller's choice
	GracePeriod Opt[string] `json:"grace_period"` // how long the old value still works

	NewMasterKey Declined `json:"new_master_key" because:"the master key and the salt key are changed by a command of the gateway, which seals stored secrets anew"`
}

// keyRegenerate is POST /key/regenerate.
func (a *API) keyRegenerate(ctx context.Context, c *call, in keyRegenerateRequest) (any, error) {
	hash := hashOf(string(in.Key.Value))
	if hash == "" && c.who.key != nil {
		hash = c.who.key.Token
	}
	return a.regenerate(ctx, c, hash, in.keyUpdateFields, "/key/regenerate")
}

// keyRegeneratePath is POST /key/{key}/regenerate.
func (a *API) keyRegeneratePath(ctx context.Context, c *call, in keyRegeneratePathRequest) (any, error) {
	return a.regenerate(ctx, c, hashOf(string(in.Key.Value)), in.keyUpdateFields, "/key/{key_id}/regenerate")
}

func (a *API) regenerate(ctx context.Context, c *call, hash string, in keyUpdateFields, action string) (any, error) {
	a.sync(ctx) // what the old value has spent must be in the counter that moves
	var made *newKey
	err := c.update(ctx, func(tx *change) error {
		before, err := lookup[account.Key](ctx, tx, hash)
		if err != nil {
			return err
		}
		if before == nil {
			return orElse(err, named("key", notFound("Key not found in database")))
		}
		made, err = c.regenerateKey(ctx, tx, before, &in, action)
		return err
	})
	if err != nil {
		return nil, err
	}
	counters, err := a.spend(ctx, account.KeyScope(made.key.Token))
	if err != nil {
		return nil, err
	}
	made.spent = counters[account.KeyScope(made.key.Token)].Spent
	return made.reply(), nil
}

// regenerateKey gives a key a new value, and changes what the request names besides.
func (c *call) regenerateKey(ctx context.Context, tx *change, before *account.Key, in *keyUpdateFields, action string) (*newKey, error) {
	rel, err := c.relationToKey(ctx, tx, before, action)
	if err != nil {
		return nil, err
	}
	if rel&mayRegenerateKey == 0 {
		return nil, c.keyNotYours("regenerate")
	}
	grace, refusal := c.expiry("grace_period", in.GracePeriod.Or(c.settings.RotationGrace))
	if refusal != nil {
		return nil, refusal
	}
	if before, err = tx.withSoftBudget(ctx, before); err != nil {
		return nil, err
	}
	k := before
	if len(given(in)) > 0 {
		update := keyUpdateRequest{keyFields: in.keyFields}
		if k, _, err = c.revise(ctx, tx, before, &update, action); err != nil {
			return nil, err
		}
	}
	if err := c.notImpersonating(k); err != nil {
		return nil, err
	}
	made := &newKey{key: copyOf(k), duration: in.Duration.Value}
	if made.raw, err = c.keyValue(ctx, tx, string(in.NewKey.Value)); err != nil {
		return nil, err
	}
	if err := tx.attach(ctx, before, made.key); err != nil {
		return nil, err
	}
	return made, made.rotate(ctx, tx, before, grace)
}

// rotate stores a key under its new value. What it spent, and what refers to it, goes with it.
func (n *newKey) rotate(ctx context.Context, tx *change, before *account.Key, grace *time.Time) error {
	k, now := n.key, tx.c.now
	k.Token, k.KeyName = account.HashKey(n.raw), keyName(n.raw)
	k.KeyID = cmp.Or(k.KeyID, telemetry.NewID()) // a key that was brought from elsewhere may have none
	k.RotationCount++
	k.LastRotationAt = &now
	if refusal := scheduleRotation(tx.c, k); refusal != nil {
		return refusal
	}
	if err := tx.Delete(ctx, account.Keys, before.Token); err != nil {
		return err
	}
	k.Stamp(tx.c.who.id(), now)
	if err := tx.Insert(ctx, k); err != nil {
		return err
	}
	if err := tx.note(ctx, "rotated", k, document(before), difference(document(before), document(k))); err != nil {
		return err
	}
	from, to := account.KeyScope(before.Token), account.KeyScope(k.Token)
	if err := tx.MoveCounter(ctx, from, to); err != nil {
		return err
	}
	if err := tx.setPeriods(ctx, to, before, k); err != nil {
		return err
	}
	if err := tx.follow(ctx, before.Token, k.Token); err != nil {
		return err
	}
	if grace != nil {
		if err := tx.Insert(ctx, &account.RetiredKey{Token: before.Token, ActiveTokenID: k.Token, RevokeAt: *grace, CreatedAt: now}); err != nil {
			return err
		}
	}
	var err error
	if n.budget, err = lookup[account.Budget](ctx, tx, k.BudgetID); err != nil {
		return err
	}
	n.rights, err = lookup[account.ObjectPermission](ctx, tx, k.ObjectPermissionID)
	return err
}

// follow lets what referred to a key's old hash refer to the new one: older values in their grace period, claims of tokens,
// access groups.
func (t *change) follow(ctx context.Context, from, to string) error {
	retired, _, err := find[account.RetiredKey](ctx, t, account.RetiredKeys, account.Filter{Equal: map[string]any{"active_token_id": from}})
	if err != nil {
		return err
	}
	for _, r := range retired {
		r.ActiveTokenID = to
		if err := t.Replace(ctx, r); err != nil {
			return err
		}
	}
	mappings, _, err := find[account.JWTKeyMapping](ctx, t, account.JWTKeyMappings, account.Filter{Equal: map[string]any{"token": from}})
	if err != nil {
		return err
	}
	for _, m := range mappings {
		m.Token = to
		if err := t.Replace(ctx, m); err != nil {
			return err
		}
	}
	groups, _, err := find[account.AccessGroup](ctx, t, account.AccessGroups, account.Filter{Has: map[string]string{"assigned_key_ids": from}})
	if err != nil {
		return err
	}
	for _, g := range groups {
		for i, id := range g.AssignedKeyIDs {
			if id == from {
				g.AssignedKeyIDs[i] = to
			}
		}
		if err := t.Replace(ctx, g); err != nil {
			return err
		}
	}
	return nil
}

// Rotation is a key that RotateDue has given a new value.
type Rotation struct {
	KeyID, KeyAlias, UserID, TeamID string
	OldHash, NewHash                string
	Key                             secret.String // the new value: the only place where it is known
}

// leastGrace is how long the old value of a key works that rotates by itself, where nothing is configured. Without it whoever uses
// the key would be locked out the moment that it rotates.
const leastGrace = "24h"

// RotateDue gives every key a new value whose auto_rotate is due at now, and returns which, for whoever hands the new values on;
// an owner who was not handed its key regenerates it. The old value works for the grace period that is configured. A key that
// cannot be rotated does not keep the others from it; the errors are joined.
func (a *API) RotateDue(ctx context.Context, now time.Time) ([]Rotation, error) {
	if a.opts.Store == nil {
		return nil, nil
	}
	due, _, err := find[account.Key](ctx, a.opts.Store, account.Keys, account.Filter{
		Equal: map[string]any{"auto_rotate": true}, Before: map[string]time.Time{"key_rotation_at": now.Add(time.Microsecond)},
	})
	if err != nil {
		return nil, err
	}
	a.sync(ctx)
	c := a.inside(ctx, now)
	var done []Rotation
	var failed []error
	for _, k := range due {
		r, err := c.rotateOne(ctx, k.Token)
		if err != nil {
			failed = append(failed, err)
		} else if r != nil {
			done = append(done, *r)
		}
	}
	return done, errors.Join(failed...)
}

// rotateOne rotates a key that is still due; nil when it is not any more.
func (c *call) rotateOne(ctx context.Context, hash string) (*Rotation, error) {
	var done *Rotation
	err := c.update(ctx, func(tx *change) error {
		done = nil
		k, err := lookup[account.Key](ctx, tx, hash)
		if err != nil || k == nil || !k.AutoRotate || k.KeyRotationAt == nil || k.KeyRotationAt.After(c.now) {
			return err
		}
		grace := keyUpdateFields{GracePeriod: give(cmp.Or(c.settings.RotationGrace, leastGrace))}
		made, err := c.regenerateKey(ctx, tx, k, &grace, "")
		if err != nil {
			return err
		}
		done = &Rotation{k.KeyID, k.KeyAlias, k.UserID, k.TeamID, k.Token, made.key.Token, secret.New(made.raw)}
		return nil
	})
	return done, err
}

// systemUser is who changes objects in the background, as LiteLLM names its job account.
const systemUser = "litellm_internal_jobs"

// inside is a call that the gateway itself makes.
func (a *API) inside(ctx context.Context, now time.Time) *call {
	r := (&http.Request{Method: http.MethodPost, URL: &url.URL{}, Header: http.Header{}}).WithContext(ctx)
	return &call{
		api: a, request: r, header: http.Header{}, settings: a.opts.Settings(), now: now.UTC().Truncate(time.Microsecond),
		who: caller{role: account.ProxyAdmin, user: systemUser, hash: access.MasterKeyName},
	}
}
