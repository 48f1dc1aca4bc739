package admin

import (
	"context"
	"errors"
	"slices"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
)

type keyUpdateRequest struct {
	Key Opt[ID] `json:"key" required:"true"`
	keyFields
	unsetFields
	TempBudgetIncrease Opt[account.Amount] `json:"temp_budget_increase"`
	TempBudgetExpiry   Opt[time.Time]      `json:"temp_budget_expiry"`
}

// keyUpdate is POST /key/update.
func (a *API) keyUpdate(ctx context.Context, c *call, in keyUpdateRequest) (any, error) {
	var k *account.Key
	err := c.update(ctx, func(tx *change) error {
		var err error
		k, err = c.updateKey(ctx, tx, in, "/key/update")
		return err
	})
	if err != nil {
		return nil, err
	}
	full, err := a.fullKeyRow(ctx, k)
	if err != nil {
		return nil, err
	}
	return full.with(row{"key": string(in.Key.Value)}).without("token"), nil
}

// updateKey changes a key in a transaction.
func (c *call) updateKey(ctx context.Context, tx *change, in keyUpdateRequest, action string) (*account.Key, error) {
	before, err := lookup[account.Key](ctx, tx, hashOf(string(in.Key.Value)))
	if err != nil {
		return nil, err
	}
	if before == nil {
		e := named("key", notFound("Team not found, passed team_id=%s", noneIfEmpty(string(in.TeamID.Value))))
		e.Type = "auth_error" // LiteLLM's own words and type for a key that it does not know
		return nil, e
	}
	if before, err = tx.withSoftBudget(ctx, before); err != nil {
		return nil, err
	}
	k, beside, err := c.revise(ctx, tx, before, &in, action)
	if err != nil {
		return nil, err
	}
	if err := c.checkEchoes(before); err != nil {
		return nil, err
	}
	if err := tx.attach(ctx, before, k); err != nil {
		return nil, err
	}
	if err := tx.replace(ctx, before, k); err != nil {
		return nil, err
	}
	scope := account.KeyScope(k.Token)
	if slices.Contains(beside, "spend") { // an echo, which may be older than what calls have booked since, sets nothing
		if err := tx.setSpent(ctx, k, scope, in.Spend.Value); err != nil {
			return nil, err
		}
	}
	return k, tx.setPeriods(ctx, scope, before, k)
}

// setSpent sets what was spent on an object, by hand.
func (t *change) setSpent(ctx context.Context, o account.Object, s account.Scope, to account.Amount) error {
	counters, err := t.Spend(ctx, s)
	if err != nil || counters[s].Spent == to.USD() {
		return err
	}
	if err := t.SetSpent(ctx, s, to.USD()); err != nil {
		return err
	}
	return t.note(ctx, "updated", o, object("spend", counters[s].Spent), object("spend", to))
}

// noneIfEmpty is a text as Python prints it where it may be None.
func noneIfEmpty(text string) string {
	if text == "" {
		return "None"
	}
	return text
}

// revise makes the key that an update asks for, and refuses what the caller may not change. beside are the fields that differ and
// are no columns of the key.
func (c *call) revise(ctx context.Context, tx *change, before *account.Key, in *keyUpdateRequest, action string) (k *account.Key, beside []string, _ error) {
	rel, err := c.relationToKey(ctx, tx, before, action)
	if err != nil {
		return nil, nil, err
	}
	if rel == 0 {
		return nil, nil, c.keyNotYours("update")
	}
	if err := c.settings.UpperBound.bound(c, &in.keyFields, before); err != nil {
		return nil, nil, err
	}
	if err := checkRights(ctx, tx, before.ObjectPermissionID, in.ObjectPermission); err != nil {
		return nil, nil, err
	}
	k = copyOf(before)
	if err := in.apply(c, k); err != nil {
		return nil, nil, err
	}
	if err := in.applyTemporary(k); err != nil {
		return nil, nil, err
	}
	if err := in.unsetFields.empty(given(in), keyBounds(k)); err != nil {
		return nil, nil, err
	}
	beside, err = c.besideSpend(ctx, tx, account.KeyScope(k.Token), in.Spend)
	if err != nil {
		return nil, nil, err
	}
	if err := mayWrite(&c.who, rel, keyRights, before, k, beside...); err != nil {
		return nil, nil, err
	}
	team, err := c.checkMove(ctx, tx, before, k, action)
	if err != nil {
		return nil, nil, err
	}
	names := append(changed(before, k), beside...)
	if len(names) == 0 {
		return k, beside, nil
	}
	if err := c.settings.KeyGeneration.checkChange(c, k, c.teamRole(team), names); err != nil {
		return nil, nil, err
	}
	if err := c.within(ctx, tx, before, k, rel, team, names); err != nil {
		return nil, nil, err
	}
	if slices.Contains(names, "user_id") && team != nil && !c.who.isAdmin() && roleInTeam(team, k.UserID) == "" {
		return nil, nil, named("user_id", forbidden("User=%s is not a member of the team=%s. Check team members via `/team/info`.", k.UserID, k.TeamID))
	}
	if slices.Contains(names, "user_id") || slices.Contains(names, "allowed_routes") {
		if err := c.notImpersonating(k); err != nil {
			return nil, nil, err
		}
	}
	return k, beside, c.checkKey(ctx, tx, before, k, team)
}

// besideSpend names spend when a request sets another one than what is booked.
func (c *call) besideSpend(ctx context.Context, r account.Reader, scope account.Scope, spend Opt[account.Amount]) ([]string, error) {
	if !spend.Given() {
		return nil, nil
	}
	c.api.sync(ctx)
	counters, err := r.Spend(ctx, scope)
	if err != nil || counters[scope].Spent.Float64() == spend.Value.Float64() {
		return nil, err
	}
	return []string{"spend"}, nil
}

// applyTemporary writes a temporary increase of the budget, which LiteLLM keeps in metadata.
func (in *keyUpdateRequest) applyTemporary(k *account.Key) *apierr.Error {
	if in.TempBudgetIncrease.Given() != in.TempBudgetExpiry.Given() {
		return named("temp_budget_increase", badRequest("temp_budget_increase and temp_budget_expiry must be set together"))
	}
	if !in.TempBudgetIncrease.Given() {
		return nil
	}
	if in.TempBudgetIncrease.Value.Negative() {
		return named("temp_budget_increase", badRequest("temp_budget_increase cannot be negative. Received: %s", pythonFloat(in.TempBudgetIncrease.Value)))
	}
	if k.Metadata == nil {
		k.Metadata = map[string]any{}
	}
	k.Metadata["temp_budget_increase"] = in.TempBudgetIncrease.Value
	k.Metadata["temp_budget_expiry"] = in.TempBudgetExpiry.Value.Format(time.RFC3339)
	return nil
}

// checkMove finds the team of a key as it shall be, and refuses to bring it into a team that it does not fit, or that the
// caller does not lead.
func (c *call) checkMove(ctx context.Context, r account.Reader, before, k *account.Key, action string) (*account.Team, error) {
	if org := k.OrganizationID; org != before.OrganizationID && !c.who.isAdmin() {
		if leads, err := administers(ctx, r, c.who.user, org); err != nil || !leads {
			return nil, orElse(err, named("organization_id", forbidden("You are not an admin of the organization %s. Your role=%s", org, c.who.role)))
		}
	}
	team, err := lookup[account.Team](ctx, r, k.TeamID)
	if err != nil || k.TeamID == before.TeamID {
		return team, err
	}
	if team == nil {
		return nil, named("team_id", badRequest("Unable to find team object in database. Team ID: %s", k.TeamID))
	}
	for _, limit := range []struct {
		name      string
		key, most *int64
	}{{"tpm_limit", k.TPMLimit, team.TPMLimit}, {"rpm_limit", k.RPMLimit, team.RPMLimit}} {
		if limit.key != nil && limit.most != nil && *limit.key > *limit.most {
			return nil, named(limit.name, forbidden("Key=%s has a %s=%d which is greater than the team's %s=%d.", k.Token, limit.name, *limit.key, limit.name, *limit.most))
		}
	}
	if bad, ok := c.modelsWithin(k.Models, team.Models); !ok {
		return nil, named("models", forbidden("Key=%s may call %s, which the team=%s may not. The team can only access models=%s", k.Token, bad, k.TeamID, pythonList(team.Models)))
	}
	if k.UserID != "" && roleInTeam(team, k.UserID) == "" {
		return nil, named("team_id", forbidden("User=%s is not a member of the team=%s. Check team members via `/team/info`.", k.UserID, k.TeamID))
	}
	rel, err := c.relationToKey(ctx, r, &account.Key{TeamID: k.TeamID, OrganizationID: team.OrganizationID}, action)
	if err == nil && rel&(asAdmin|asOrgAdmin|asTeamAdmin) == 0 {
		err = named("team_id", forbidden("You are not allowed to move a key to the team=%s. Your role=%s", k.TeamID, c.who.role))
	}
	return team, err
}

// maxBulk is how many objects one request may change.
const maxBulk = 500

type keyBulkRequest struct {
	Keys Opt[[]keyBulkItem] `json:"keys" required:"true"`
}

type keyBulkItem struct {
	Key       string         `json:"key"`
	BudgetID  string         `json:"budget_id"`
	MaxBudget account.Amount `json:"max_budget"`
	TeamID    string         `json:"team_id"`
	Tags      []string       `json:"tags"`
}

// fields is the update that an item asks for.
func (i *keyBulkItem) fields() keyUpdateRequest {
	in := keyUpdateRequest{Key: give(ID(i.Key))}
	in.BudgetID, in.TeamID = idOf(i.BudgetID), idOf(i.TeamID)
	if !i.MaxBudget.None() {
		in.MaxBudget = give(i.MaxBudget)
	}
	if i.Tags != nil {
		in.Tags = give(i.Tags)
	}
	return in
}

// keyBulkUpdate is POST /key/bulk_update.
func (a *API) keyBulkUpdate(ctx context.Context, c *call, in keyBulkRequest) (any, error) {
	if !c.who.isAdmin() {
		return nil, forbidden("Only proxy admins can perform bulk key updates")
	}
	updates := make([]keyUpdateRequest, len(in.Keys.Value))
	for i := range in.Keys.Value {
		updates[i] = in.Keys.Value[i].fields()
	}
	return a.updateKeys(ctx, c, updates, "/key/bulk_update")
}

// updateKeys makes many updates, each for itself.
func (a *API) updateKeys(ctx context.Context, c *call, updates []keyUpdateRequest, action string) (any, error) {
	if len(updates) > maxBulk {
		return nil, named("keys", badRequest("Maximum %d keys can be updated at once. Found %d keys.", maxBulk, len(updates)))
	}
	done, failed := []row{}, []row{}
	for _, in := range updates {
		var k *account.Key
		err := c.update(ctx, func(tx *change) error {
			var err error
			k, err = c.updateKey(ctx, tx, in, action)
			return err
		})
		if err == nil {
			full, err := a.fullKeyRow(ctx, k)
			if err != nil {
				return nil, err
			}
			done = append(done, row{"key": string(in.Key.Value), "key_info": full})
			continue
		}
		if errors.Is(err, account.ErrUnavailable) || ctx.Err() != nil {
			return nil, err
		}
		failed = append(failed, row{"key": string(in.Key.Value), "failed_reason": shown(err).Message})
	}
	return row{"total_requested": len(updates), "successful_updates": done, "failed_updates": failed}, nil
}
