package admin

import (
	"context"
	"encoding/json"
	"reflect"
	"slices"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
	"tollgate/internal/telemetry"
)

type userNewRequest struct {
	keyFields
	userFields
	Key           Opt[ID]       `json:"key"`
	Teams         Opt[teamList] `json:"teams"`
	Organizations Opt[[]string] `json:"organizations"`
	AutoCreateKey Opt[bool]     `json:"auto_create_key"`
}

// teamEntry is a team that a user shall be in.
type teamEntry struct {
	TeamID   string         `json:"team_id"`
	Budget   account.Amount `json:"max_budget_in_team"`
	UserRole string         `json:"user_role"` // user or admin
}

// teamList is the teams of a user: ids, or objects.
type teamList []teamEntry

// UnmarshalJSON reads a list of both forms.
func (l *teamList) UnmarshalJSON(b []byte) error {
	var items []json.RawMessage
	if err := json.Unmarshal(b, &items); err != nil {
		return err
	}
	for _, raw := range items {
		e := teamEntry{TeamID: plainText(raw)}
		if e.TeamID == "" {
			if err := json.Unmarshal(raw, &e); err != nil {
				return err
			}
		}
		*l = append(*l, e)
	}
	return nil
}

// newUser is what /user/new has made.
type newUser struct {
	user  *account.User
	key   *newKey // nil when none was wanted
	spent account.Counter
}

// newUser is POST /user/new.
func (a *API) newUser(ctx context.Context, c *call, in userNewRequest) (any, error) {
	var made *newUser
	err := c.update(ctx, func(tx *change) error {
		var err error
		made, err = tx.makeUser(ctx, in)
		return err
	})
	if err != nil {
		return nil, err
	}
	return made.reply(), nil
}

// makeUser makes a user, its memberships and, unless the request says no, its first key.
func (t *change) makeUser(ctx context.Context, in userNewRequest) (*newUser, error) {
	c := t.c
	u := &account.User{UserID: string(in.UserID.Or(ID(telemetry.NewID())))}
	if err := in.userFields.apply(c, u, &in.keyFields); err != nil {
		return nil, err
	}
	if err := mayWrite(&c.who, c.relationToUser(u), userRights, nil, u); err != nil {
		return nil, err
	}
	if there, err := lookup[account.User](ctx, t, u.UserID); err != nil || there != nil {
		return nil, orElse(err, named("user_id", badRequest("User with id %s already exists", u.UserID)))
	}
	if err := t.checkUser(ctx, nil, u); err != nil {
		return nil, err
	}
	c.settings.DefaultUser.fill(c.settings, u)
	if err := c.startPeriod(u); err != nil {
		return nil, err
	}
	if err := checkRights(ctx, t, "", in.ObjectPermission); err != nil {
		return nil, err
	}
	made := &newUser{user: u}
	if err := t.storeUser(ctx, made, &in); err != nil {
		return nil, err
	}
	var err error
	if in.AutoCreateKey.Or(true) {
		made.key, err = t.firstKey(ctx, u, in)
	}
	return made, err
}

// startPeriod computes when a budget starts anew whose duration came from the defaults.
func (c *call) startPeriod(u *account.User) *apierr.Error {
	if u.BudgetDuration == "" || u.BudgetResetAt != nil {
		return nil
	}
	at, err := c.nextReset("budget_duration", u.BudgetDuration)
	u.BudgetResetAt = at
	return err
}

// storeUser writes a new user with its teams and organisations.
func (t *change) storeUser(ctx context.Context, made *newUser, in *userNewRequest) error {
	u := made.user
	teams := in.Teams.Value
	if len(teams) == 0 && u.UserRole != account.ProxyAdmin {
		if err := json.Unmarshal(orNullJSON(t.c.settings.DefaultUser.Teams), &teams); err != nil {
			return err
		}
	}
	if err := t.insert(ctx, u); err != nil {
		return err
	}
	for _, e := range teams {
		if err := t.joinTeam(ctx, u, e); err != nil {
			return err
		}
	}
	for _, org := range in.Organizations.Value {
		if o, err := lookup[account.Organization](ctx, t, org); err != nil || o == nil {
			return orElse(err, orgMissing(org))
		}
		if err := t.insert(ctx, &account.OrgMember{UserID: u.UserID, OrganizationID: org, UserRole: account.InternalUser}); err != nil {
			return err
		}
	}
	scope := account.UserScope(u.UserID)
	if in.Spend.Given() {
		if err := t.startAt(ctx, scope, in.Spend.Value.USD()); err != nil {
			return err
		}
		made.spent.Spent = in.Spend.Value.USD()
	}
	return t.setUserPeriods(ctx, nil, u)
}

// orNullJSON is the value, or null where there is none.
func orNullJSON(v account.JSON) account.JSON {
	if len(v) == 0 {
		return account.JSON("null")
	}
	return v
}

// setUserPeriods tells the counters of a user when they start anew, where that differs from before.
func (t *change) setUserPeriods(ctx context.Context, before, u *account.User) error {
	if before == nil {
		before = &account.User{}
	}
	scope := account.UserScope(u.UserID)
	if before.BudgetDuration != u.BudgetDuration {
		if err := t.SetPeriod(ctx, scope, u.BudgetDuration, u.BudgetResetAt); err != nil {
			return err
		}
	}
	return t.setModelPeriods(ctx, scope, before.ModelMaxBudget, u.ModelMaxBudget)
}

// firstKey makes the key that a new user gets. The budget is the user's: the key has none of its own.
func (t *change) firstKey(ctx context.Context, u *account.User, in userNewRequest) (*newKey, error) {
	fields := in.keyFields
	fields.UserID = give(ID(u.UserID))
	fields.MaxBudget, fields.SoftBudget, fields.BudgetDuration, fields.Spend = Opt[account.Amount]{}, Opt[account.Amount]{}, Opt[string]{}, Opt[account.Amount]{}
	fields.ModelMaxBudget, fields.ObjectPermission, fields.OrganizationID = Opt[map[string]modelBudgetIn]{}, Opt[account.ObjectPermission]{}, Opt[ID]{}
	return t.c.makeKey(ctx, t, keyGenerateRequest{keyFields: fields, Key: in.Key}, "/key/generate", "")
}

// reply is LiteLLM's NewUserResponse: the key's reply with the user's fields over it.
func (n *newUser) reply() row {
	r := row{"key": "", "key_name": nil, "key_alias": nil, "expires": nil, "token": nil, "token_id": nil}
	if n.key != nil {
		r = n.key.reply()
	}
	user := userRow(n.user, n.spent)
	for _, name := range []string{
		"user_id", "user_email", "user_alias", "user_role", "teams", "models", "max_budget", "soft_budget", "budget_duration", "budget_reset_at", "spend",
		"model_max_budget", "max_parallel_requests", "tpm_limit", "rpm_limit", "metadata", "organization_id", "sso_user_id", "allowed_cache_controls",
		"created_at", "created_by", "updated_at", "updated_by",
	} {
		r[name] = user[name]
	}
	return r
}

type userUpdateRequest struct {
	keyFields
	userFields
	unsetFields
	Teams Opt[teamList] `json:"teams"`
}

// updateUser is POST /user/update. As LiteLLM's it makes a user that is not there yet, when the operator asks for it.
func (a *API) updateUser(ctx context.Context, c *call, in userUpdateRequest) (any, error) {
	u, err := a.changeUser(ctx, c, &in)
	if err != nil {
		return nil, err
	}
	rows, err := a.userRows(ctx, []*account.User{u})
	if err != nil {
		return nil, err
	}
	return row{"user_id": u.UserID, "data": rows[0]}, nil
}

func (a *API) changeUser(ctx context.Context, c *call, in *userUpdateRequest) (*account.User, error) {
	if !in.UserID.Given() && !in.UserEmail.Given() {
		return nil, badRequest("Either user id or user email must be provided")
	}
	var u *account.User
	err := c.update(ctx, func(tx *change) error {
		before, err := tx.findUser(ctx, string(in.UserID.Value), string(in.UserEmail.Value))
		if err != nil {
			return err
		}
		if before == nil && in.UserID.Given() && c.who.isAdmin() {
			no := give(false)
			made, err := tx.makeUser(ctx, userNewRequest{keyFields: in.keyFields, userFields: in.userFields, Teams: in.Teams, AutoCreateKey: no})
			if err == nil {
				u = made.user
			}
			return err
		}
		if before == nil {
			return userMissing(string(in.UserID.Or(in.UserEmail.Value)))
		}
		u = copyOf(before)
		return tx.rewriteUser(ctx, before, u, in)
	})
	return u, err
}

func userMissing(id string) *apierr.Error {
	return named("user_id", notFound("User not found, passed user_id=%s", id))
}

// rewriteUser writes what a request says of a user that is there.
func (t *change) rewriteUser(ctx context.Context, before, u *account.User, in *userUpdateRequest) error {
	c := t.c
	if err := in.userFields.apply(c, u, &in.keyFields); err != nil {
		return err
	}
	if err := in.unsetFields.empty(given(in), userBounds(u)); err != nil {
		return err
	}
	rel := c.relationToUser(before)
	if rel == 0 {
		return forbidden("You are not allowed to update this user. Your role=%s", c.who.role)
	}
	beside, err := c.besideSpend(ctx, t, account.UserScope(u.UserID), in.Spend)
	if err != nil {
		return err
	}
	if in.addsTeams(u) {
		beside = append(beside, "teams")
	}
	if err := mayWrite(&c.who, rel, userRights, before, u, beside...); err != nil {
		return err
	}
	if err := t.checkUser(ctx, before, u); err != nil {
		return err
	}
	if err := c.checkEchoes(before); err != nil {
		return err
	}
	if err := checkRights(ctx, t, u.ObjectPermissionID, in.ObjectPermission); err != nil {
		return err
	}
	if slices.Contains(beside, "spend") {
		if err := t.setSpent(ctx, u, account.UserScope(u.UserID), in.Spend.Value); err != nil {
			return err
		}
	}
	if err := t.setUserPeriods(ctx, before, u); err != nil {
		return err
	}
	if err := t.replace(ctx, before, u); err != nil {
		return err
	}
	for _, e := range in.Teams.Value {
		if !slices.Contains(u.Teams, e.TeamID) {
			if err := t.joinTeam(ctx, u, e); err != nil {
				return err
			}
		}
	}
	return nil
}

// addsTeams reports whether a request names a team that the user is not in.
func (in *userUpdateRequest) addsTeams(u *account.User) bool {
	return slices.ContainsFunc(in.Teams.Value, func(e teamEntry) bool { return !slices.Contains(u.Teams, e.TeamID) })
}

// relationToUser says what the caller is to a user.
func (c *call) relationToUser(u *account.User) relation {
	switch {
	case c.who.isAdmin():
		return asAdmin
	case c.who.user != "" && c.who.user == u.UserID && c.who.mayManage():
		return asOwner
	}
	return 0
}

type userBulkRequest struct {
	Users    Opt[[]json.RawMessage] `json:"users"`
	AllUsers Opt[bool]              `json:"all_users"`
	Updates  Opt[json.RawMessage]   `json:"user_updates"`
}

// bulkUpdateUsers is POST /user/bulk_update: each user for itself.
func (a *API) bulkUpdateUsers(ctx context.Context, c *call, in userBulkRequest) (any, error) {
	changes, err := a.bulkChanges(ctx, c, &in)
	if err != nil {
		return nil, err
	}
	results := []row{}
	done := 0
	for _, change := range changes {
		id, email := string(change.UserID.Value), string(change.UserEmail.Value)
		r := row{"user_id": orNull(id), "user_email": orNull(email), "success": true, "error": nil, "updated_user": nil}
		u, err := a.changeUser(ctx, c, change)
		if err != nil {
			r["success"], r["error"] = false, shown(err).Message
		} else {
			r["updated_user"] = userRow(u, account.Counter{}).without("spend")
			done++
		}
		results = append(results, r)
	}
	return row{"results": results, "total_requested": len(changes), "successful_updates": done, "failed_updates": len(changes) - done}, nil
}

// bulkChanges lists what a bulk request asks for, user by user.
func (a *API) bulkChanges(ctx context.Context, c *call, in *userBulkRequest) ([]*userUpdateRequest, error) {
	raws := in.Users.Value
	if in.AllUsers.Value {
		if !in.Updates.Given() {
			return nil, badRequest("user_updates must be provided when all_users is true")
		}
		users, _, err := find[account.User](ctx, a.opts.Store, account.Users, account.Filter{})
		if err != nil {
			return nil, err
		}
		raws = nil
		for _, u := range users {
			one := split(account.JSON(in.Updates.Value))
			one["user_id"], _ = json.Marshal(u.UserID) // texts always marshal
			raws = append(raws, join(one))
		}
	}
	if len(raws) == 0 {
		return nil, badRequest("Must specify either 'users' for individual updates or 'all_users=True' with 'user_updates' for bulk updates")
	}
	if len(raws) > maxBulk && !in.AllUsers.Value {
		return nil, badRequest("Maximum %d users can be updated at once", maxBulk)
	}
	var out []*userUpdateRequest
	for _, raw := range raws {
		change, err := decodeObject[userUpdateRequest](c, raw)
		if err != nil {
			return nil, err
		}
		out = append(out, change)
	}
	c.echoes = nil // they are of the last one alone
	return out, nil
}

// decodeObject reads one object of a list as a request of its own.
func decodeObject[T any](c *call, raw json.RawMessage) (*T, error) {
	to := new(T)
	fields := fieldsOf(reflect.TypeFor[T](), inBody)
	return to, c.decodeMembers(reflect.ValueOf(to).Elem(), fields, split(account.JSON(raw)))
}
