package admin

import (
	"context"
	"slices"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
)

// userRights are the fields of a user. A user may write how it is called and how it logs in, and nothing of what it may do.
var userRights = []right{
	{"user_id", "A", ""},
	{"user_alias", "A", "AU"},
	{"user_email", "A", "A"},
	{"user_role", "A", "A"},
	{"sso_user_id", "A", "A"},
	{"organization_id", "A", "A"},
	{"password", "A", "AU"},
	{"teams", "A", "A"},
	{"models", "A", "A"},
	{"max_parallel_requests", "A", "A"},
	{"tpm_limit", "A", "A"},
	{"rpm_limit", "A", "A"},
	{"max_budget", "A", "A"},
	{"budget_duration", "A", "A"},
	{"soft_budget", "A", "A"},
	{"model_max_budget", "A", "A"},
	{"metadata", "A", "A"},
	{"tags", "A", "A"},
	{"guardrails", "A", "A"},
	{"model_rpm_limit", "A", "A"},
	{"model_tpm_limit", "A", "A"},
	{"allowed_cache_controls", "A", "A"},
	{"spend", "A", "A"},
	{"deactivated", "A", "A"},
}

// userRoles are the roles that a user can have in the whole gateway.
var userRoles = []account.Role{account.ProxyAdmin, account.ProxyAdminViewer, account.InternalUser, account.InternalUserViewer}

// userFields are what requests say of a user besides what they say of its key.
type userFields struct {
	UserEmail   Opt[ID]           `json:"user_email"`
	UserAlias   Opt[string]       `json:"user_alias"`
	UserRole    Opt[account.Role] `json:"user_role"`
	SSOUserID   Opt[ID]           `json:"sso_user_id"`
	Password    Opt[string]       `json:"password"`
	Deactivated Opt[bool]         `json:"deactivated"` // ours
}

// Bounds of a password, in bytes: bcrypt reads no more than 72.
const (
	minPassword = 8
	maxPassword = 72
)

// apply writes the fields of a request to a user. Null and absent ones stay.
func (in *userFields) apply(c *call, u *account.User, k *keyFields) *apierr.Error {
	if in.UserRole.Given() && !slices.Contains(userRoles, in.UserRole.Value) {
		return invalid([]problem{{Loc: []any{inBody, "user_role"}, Msg: "Input should be 'proxy_admin', 'proxy_admin_viewer', 'internal_user' or 'internal_user_viewer'", Type: "literal_error"}})
	}
	if err := k.unserved(&account.Key{}); err != nil {
		return err
	}
	setID(&u.UserEmail, in.UserEmail)
	set(&u.UserAlias, in.UserAlias)
	set(&u.UserRole, in.UserRole)
	setID(&u.SSOUserID, in.SSOUserID)
	set(&u.Deactivated, in.Deactivated)
	setID(&u.OrganizationID, k.OrganizationID)
	set(&u.Models, k.Models)
	set(&u.MaxBudget, k.MaxBudget)
	set(&u.SoftBudget, k.SoftBudget)
	setPtr(&u.MaxParallelRequests, k.MaxParallel)
	setPtr(&u.TPMLimit, k.TPMLimit)
	setPtr(&u.RPMLimit, k.RPMLimit)
	set(&u.AllowedCacheCtrl, k.AllowedCacheCtrl)
	if err := checkLimits(&u.Limits); err != nil {
		return err
	}
	if err := in.applyPassword(u); err != nil {
		return err
	}
	if err := in.applyBudget(c, u, k); err != nil {
		return err
	}
	return k.applyMetadata(c, &u.Metadata, k.Metadata)
}

func (in *userFields) applyPassword(u *account.User) *apierr.Error {
	if !in.Password.Given() || in.Password.Value == "" {
		return nil
	}
	if n := len(in.Password.Value); n < minPassword || n > maxPassword {
		return named("password", badRequest("password must have from %d to %d bytes.", minPassword, maxPassword))
	}
	if bcrypt.CompareHashAndPassword([]byte(u.PasswordHash), []byte(in.Password.Value)) == nil {
		return nil // it is the password already
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(in.Password.Value), bcrypt.DefaultCost)
	if err != nil {
		return apierr.From(err)
	}
	u.PasswordHash = string(hash)
	return nil
}

func (in *userFields) applyBudget(c *call, u *account.User, k *keyFields) *apierr.Error {
	for name, amount := range map[string]Opt[account.Amount]{"max_budget": k.MaxBudget, "soft_budget": k.SoftBudget} {
		if amount.Given() && amount.Value.Negative() {
			return named(name, badRequest("%s cannot be negative. Received: %s", name, pythonFloat(amount.Value)))
		}
	}
	if err := checkSpend(k.Spend); err != nil {
		return err
	}
	if k.BudgetDuration.Given() && k.BudgetDuration.Value != u.BudgetDuration {
		resetAt, err := c.nextReset("budget_duration", k.BudgetDuration.Value)
		if err != nil {
			return err
		}
		u.BudgetDuration, u.BudgetResetAt = k.BudgetDuration.Value, resetAt
		if resetAt == nil {
			u.BudgetDuration = ""
		}
	}
	if k.ModelMaxBudget.Given() {
		budgets, err := c.modelBudgets(k.ModelMaxBudget.Value)
		if err != nil {
			return err
		}
		u.ModelMaxBudget = budgets
	}
	return nil
}

// fill completes a new user by default_internal_user_params and max_internal_user_budget. Admins have no bounds by default.
func (d *UserDefaults) fill(s *Settings, u *account.User) {
	if u.UserRole == "" {
		u.UserRole = d.UserRole
	}
	if u.UserRole == account.ProxyAdmin {
		return
	}
	if u.MaxBudget.None() {
		u.MaxBudget = d.MaxBudget
	}
	if u.BudgetDuration == "" {
		u.BudgetDuration = d.BudgetDuration
	}
	if len(u.Models) == 0 {
		u.Models = slices.Clone(d.Models)
	}
	if u.UserRole == account.InternalUser && u.MaxBudget.None() {
		u.MaxBudget = s.UserMaxBudget
		if u.BudgetDuration == "" {
			u.BudgetDuration = s.UserDuration
		}
	}
}

// checkUser refuses a user of an organisation that is not there, and one whose e-mail address another one has. before is nil for
// a new user.
func (t *change) checkUser(ctx context.Context, before, u *account.User) error {
	if org := u.OrganizationID; org != "" && (before == nil || before.OrganizationID != org) {
		if o, err := lookup[account.Organization](ctx, t, org); err != nil || o == nil {
			return orElse(err, orgMissing(org))
		}
	}
	if u.UserEmail == "" || before != nil && strings.EqualFold(before.UserEmail, u.UserEmail) {
		return nil
	}
	other, err := userByEmail(ctx, t, u.UserEmail)
	if err != nil || other == nil || other.UserID == u.UserID {
		return err
	}
	return named("user_email", badRequest("User with email %s already exists", u.UserEmail))
}

// userByEmail finds a user by its e-mail address, whatever the case; nil where there is none.
func userByEmail(ctx context.Context, r account.Reader, email string) (*account.User, error) {
	if email == "" {
		return nil, nil
	}
	users, _, err := find[account.User](ctx, r, account.Users, account.Filter{Contains: map[string]string{"user_email": email}})
	for _, u := range users {
		if strings.EqualFold(u.UserEmail, email) {
			return u, err
		}
	}
	return nil, err
}

// userRow is a user as replies show it, with what was spent and without its password.
func userRow(u *account.User, spent account.Counter) row {
	r := rowOf(u).without("password")
	r["spend"], r["model_spend"] = spent.Spent, map[string]any{}
	if spent.ResetAt != nil && u.BudgetDuration != "" {
		r["budget_reset_at"] = spent.ResetAt.UTC()
	}
	return r
}

// userRows are users as replies show them.
func (a *API) userRows(ctx context.Context, users []*account.User) ([]row, error) {
	scopes := make([]account.Scope, len(users))
	for i, u := range users {
		scopes[i] = account.UserScope(u.UserID)
	}
	spent, err := a.spend(ctx, scopes...)
	rows := make([]row, 0, len(users))
	for i, u := range users {
		rows = append(rows, userRow(u, spent[scopes[i]]))
	}
	return rows, err
}
