package admin

import (
	"context"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
	"tollgate/internal/telemetry"
)

type mappingRequest struct {
	ID          Opt[ID]     `json:"id"`
	ClaimName   Opt[ID]     `json:"jwt_claim_name"`
	ClaimValue  Opt[ID]     `json:"jwt_claim_value"`
	Key         Opt[ID]     `json:"key"` // raw or hash
	Description Opt[string] `json:"description"`
	IsActive    Opt[bool]   `json:"is_active"`
}

func (in *mappingRequest) apply(m *account.JWTKeyMapping) {
	setID(&m.ClaimName, in.ClaimName)
	setID(&m.ClaimValue, in.ClaimValue)
	set(&m.Description, in.Description)
	set(&m.IsActive, in.IsActive)
	if in.Key.Given() {
		m.Token = hashOf(string(in.Key.Value))
	}
}

// mappingRow is a mapping as replies show it: whose key it is stays unsaid.
func mappingRow(m *account.JWTKeyMapping) row { return rowOf(m).without("token") }

// checkMapping refuses a mapping of a key that is not there, or of a claim that has one.
func (t *change) checkMapping(ctx context.Context, m *account.JWTKeyMapping) error {
	if k, err := lookup[account.Key](ctx, t, m.Token); err != nil || k == nil {
		return orElse(err, named("key", notFound("Key not found in database")))
	}
	same, _, err := find[account.JWTKeyMapping](ctx, t, account.JWTKeyMappings,
		account.Filter{Equal: map[string]any{"jwt_claim_name": m.ClaimName, "jwt_claim_value": m.ClaimValue}})
	for _, other := range same {
		if other.ID != m.ID {
			return named("jwt_claim_value", badRequest("A mapping of %s=%s exists already.", m.ClaimName, m.ClaimValue))
		}
	}
	return err
}

// newMapping is POST /jwt/key/mapping/new.
func (a *API) newMapping(ctx context.Context, c *call, in mappingRequest) (any, error) {
	if !in.ClaimName.Given() || !in.ClaimValue.Given() || !in.Key.Given() {
		return nil, badRequest("jwt_claim_name, jwt_claim_value and key are required")
	}
	m := &account.JWTKeyMapping{ID: telemetry.NewID(), IsActive: true}
	in.apply(m)
	err := c.update(ctx, func(tx *change) error {
		if err := tx.checkMapping(ctx, m); err != nil {
			return err
		}
		return tx.insert(ctx, m)
	})
	return mappingRow(m), err
}

func mappingMissing() *apierr.Error { return named("id", notFound("JWT key mapping not found")) }

// updateMapping is POST /jwt/key/mapping/update.
func (a *API) updateMapping(ctx context.Context, c *call, in mappingRequest) (any, error) {
	var m *account.JWTKeyMapping
	err := c.update(ctx, func(tx *change) error {
		before, err := lookup[account.JWTKeyMapping](ctx, tx, string(in.ID.Value))
		if err != nil || before == nil {
			return orElse(err, mappingMissing())
		}
		m = copyOf(before)
		in.apply(m)
		if err := tx.checkMapping(ctx, m); err != nil {
			return err
		}
		return tx.replace(ctx, before, m)
	})
	if err != nil {
		return nil, err
	}
	return mappingRow(m), nil
}

// deleteMapping is POST /jwt/key/mapping/delete.
func (a *API) deleteMapping(ctx context.Context, c *call, in deleteIDRequest) (any, error) {
	err := c.update(ctx, func(tx *change) error {
		m, err := lookup[account.JWTKeyMapping](ctx, tx, string(in.ID.Value))
		if err != nil || m == nil {
			return orElse(err, mappingMissing())
		}
		return tx.remove(ctx, m)
	})
	return row{"status": "success"}, err
}

// listMappings is GET /jwt/key/mapping/list.
func (a *API) listMappings(ctx context.Context, _ *call, _ nothing) (any, error) {
	all, _, err := find[account.JWTKeyMapping](ctx, a.opts.Store, account.JWTKeyMappings, account.Filter{})
	rows := make([]row, 0, len(all))
	for _, m := range all {
		rows = append(rows, mappingRow(m))
	}
	return rows, err
}

// mappingInfo is GET /jwt/key/mapping/info.
func (a *API) mappingInfo(ctx context.Context, _ *call, in deleteIDRequest) (any, error) {
	m, err := lookup[account.JWTKeyMapping](ctx, a.opts.Store, string(in.ID.Value))
	if err != nil || m == nil {
		return nil, orElse(err, mappingMissing())
	}
	return mappingRow(m), nil
}
