package admin

import (
	"context"
	"slices"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
	"tollgate/internal/telemetry"
)

// budgetFields are what a request says of a budget, whether it stands alone or belongs to an organisation, a customer or a tag.
type budgetFields struct {
	MaxBudget      Opt[account.Amount]           `json:"max_budget"`
	SoftBudget     Opt[account.Amount]           `json:"soft_budget"`
	MaxParallel    Opt[int64]                    `json:"max_parallel_requests"`
	TPMLimit       Opt[int64]                    `json:"tpm_limit"`
	RPMLimit       Opt[int64]                    `json:"rpm_limit"`
	BudgetDuration Opt[string]                   `json:"budget_duration"`
	BudgetResetAt  Opt[time.Time]                `json:"budget_reset_at"`
	ModelMaxBudget Opt[map[string]modelBudgetIn] `json:"model_max_budget"`
	AllowedModels  Opt[[]string]                 `json:"allowed_models"`
}

// given reports whether the request says anything of a budget.
func (in *budgetFields) given() bool {
	return in.MaxBudget.Given() || in.SoftBudget.Given() || in.MaxParallel.Given() || in.TPMLimit.Given() || in.RPMLimit.Given() ||
		in.BudgetDuration.Given() && in.BudgetDuration.Value != "" || in.BudgetResetAt.Given() || len(in.ModelMaxBudget.Value) > 0 || len(in.AllowedModels.Value) > 0
}

// apply writes the fields to a budget. Null takes a limit away, absent ones stay.
func (in *budgetFields) apply(c *call, b *account.Budget) *apierr.Error {
	for name, amount := range map[string]Opt[account.Amount]{"max_budget": in.MaxBudget, "soft_budget": in.SoftBudget} {
		if amount.Given() && amount.Value.Negative() {
			return named(name, badRequest("%s must be a non-negative finite number. Received: %s", name, pythonFloat(amount.Value)))
		}
	}
	renew(&b.MaxBudget, in.MaxBudget)
	renew(&b.SoftBudget, in.SoftBudget)
	renewPtr(&b.MaxParallelRequests, in.MaxParallel)
	renewPtr(&b.TPMLimit, in.TPMLimit)
	renewPtr(&b.RPMLimit, in.RPMLimit)
	renew(&b.AllowedModels, in.AllowedModels)
	if err := checkLimits(&b.Limits); err != nil {
		return err
	}
	if in.ModelMaxBudget.Set {
		budgets, err := c.modelBudgets(in.ModelMaxBudget.Value)
		if err != nil {
			return err
		}
		b.ModelMaxBudget = budgets
	}
	if in.BudgetDuration.Set && in.BudgetDuration.Value != b.BudgetDuration {
		resetAt, err := c.nextReset("budget_duration", in.BudgetDuration.Value)
		if err != nil {
			return err
		}
		b.BudgetDuration, b.BudgetResetAt = in.BudgetDuration.Value, resetAt
		if resetAt == nil {
			b.BudgetDuration = ""
		}
	}
	if in.BudgetResetAt.Given() && b.BudgetDuration != "" {
		b.BudgetResetAt = in.BudgetResetAt.Ptr()
	}
	return nil
}

// renew writes a field that null empties.
func renew[T any](to *T, from Opt[T]) {
	if from.Set {
		*to = from.Value
	}
}

// renewPtr writes a field that null takes away.
func renewPtr[T any](to **T, from Opt[T]) {
	if from.Set {
		*to = from.Ptr()
	}
}

type budgetRequest struct {
	BudgetID Opt[ID] `json:"budget_id"`
	budgetFields
}

// newBudget is POST /budget/new.
func (a *API) newBudget(ctx context.Context, c *call, in budgetRequest) (any, error) {
	b := &account.Budget{BudgetID: string(in.BudgetID.Or(ID(telemetry.NewID())))}
	if err := in.apply(c, b); err != nil {
		return nil, err
	}
	err := c.update(ctx, func(tx *change) error {
		if there, err := lookup[account.Budget](ctx, tx, b.BudgetID); err != nil || there != nil {
			return orElse(err, badRequest("Budget with id '%s' already exists.", b.BudgetID))
		}
		return tx.insert(ctx, b)
	})
	return rowOf(b), err
}

// updateBudget is POST /budget/update.
func (a *API) updateBudget(ctx context.Context, c *call, in budgetRequest) (any, error) {
	if !in.BudgetID.Given() {
		return nil, named("budget_id", badRequest("budget_id is required"))
	}
	var b *account.Budget
	err := c.update(ctx, func(tx *change) error {
		before, err := lookup[account.Budget](ctx, tx, string(in.BudgetID.Value))
		if err != nil || before == nil {
			return orElse(err, budgetMissing(string(in.BudgetID.Value)))
		}
		b = copyOf(before)
		if err := in.apply(c, b); err != nil {
			return err
		}
		if err := tx.replace(ctx, before, b); err != nil {
			return err
		}
		return tx.followSoftBudget(ctx, before, b)
	})
	if err != nil {
		return nil, err
	}
	return rowOf(b), nil
}

// followSoftBudget changes the soft_budget of keys that tell the same as their budget told.
func (t *change) followSoftBudget(ctx context.Context, before, b *account.Budget) error {
	if before.SoftBudget == b.SoftBudget || before.SoftBudget.None() {
		return nil
	}
	keys, _, err := find[account.Key](ctx, t, account.Keys, account.Filter{Equal: map[string]any{"budget_id": b.BudgetID}})
	if err != nil {
		return err
	}
	for _, k := range keys {
		if k.SoftBudget != before.SoftBudget {
			continue
		}
		was := copyOf(k)
		k.SoftBudget = b.SoftBudget
		if err := t.replace(ctx, was, k); err != nil {
			return err
		}
	}
	return nil
}

func budgetMissing(id string) *apierr.Error {
	return named("budget_id", notFound("Budget not found, passed budget_id=%s", id))
}

type budgetInfoRequest struct {
	Budgets Opt[[]string] `json:"budgets" required:"true"`
}

// budgetInfo is POST /budget/info.
func (a *API) budgetInfo(ctx context.Context, _ *call, in budgetInfoRequest) (any, error) {
	if len(in.Budgets.Value) == 0 {
		return nil, named("budgets", badRequest("Specify list of budget id's to query. Passed in=%s", pythonList(in.Budgets.Value)))
	}
	found, err := objectsOf[account.Budget](ctx, a.opts.Store, account.Budgets, "budget_id", in.Budgets.Value)
	out := []row{}
	for _, id := range in.Budgets.Value {
		if b, ok := found[id]; ok {
			out = append(out, rowOf(&b))
		}
	}
	return out, err
}

// listBudgets is GET /budget/list.
func (a *API) listBudgets(ctx context.Context, _ *call, _ nothing) (any, error) {
	all, _, err := find[account.Budget](ctx, a.opts.Store, account.Budgets, account.Filter{})
	return rowsOf(all), err
}

// rowsOf makes the rows of objects.
func rowsOf[T any, P interface {
	*T
	account.Object
}](objects []P) []row {
	out := make([]row, 0, len(objects))
	for _, o := range objects {
		out = append(out, rowOf(o))
	}
	return out
}

type budgetIDRequest struct {
	BudgetID Opt[ID] `json:"budget_id" required:"true"`
}

// budgetSettings is GET /budget/settings: what a budget can be told, and what one is.
func (a *API) budgetSettings(ctx context.Context, _ *call, in budgetIDRequest) (any, error) {
	b, err := lookup[account.Budget](ctx, a.opts.Store, string(in.BudgetID.Value))
	if err != nil || b == nil {
		return nil, orElse(err, budgetMissing(string(in.BudgetID.Value)))
	}
	values := rowOf(b)
	out := []row{}
	for _, f := range []struct{ name, kind, sentence string }{
		{"max_parallel_requests", "Integer", "The calls that may run at once."},
		{"tpm_limit", "Integer", "The tokens of a minute."},
		{"rpm_limit", "Integer", "The requests of a minute."},
		{"budget_duration", "String", "How long a period of the budget is, such as 30d."},
		{"max_budget", "Float", "The dollars of a period."},
		{"soft_budget", "Float", "The dollars over which an alert is raised."},
	} {
		out = append(out, row{
			"field_name": f.name, "field_type": f.kind, "field_description": f.sentence, "field_value": values[f.name],
			"stored_in_db": values[f.name] != nil, "field_default_value": nil,
		})
	}
	return out, nil
}

type deleteIDRequest struct {
	ID Opt[ID] `json:"id" required:"true"`
}

// deleteBudget is POST /budget/delete. A budget that something still counts on stays.
func (a *API) deleteBudget(ctx context.Context, c *call, in deleteIDRequest) (any, error) {
	id := string(in.ID.Value)
	var b *account.Budget
	err := c.update(ctx, func(tx *change) error {
		var err error
		if b, err = lookup[account.Budget](ctx, tx, id); err != nil || b == nil {
			return orElse(err, budgetMissing(id))
		}
		for _, kind := range budgeted {
			n, err := tx.Find(ctx, kind, account.Filter{Equal: map[string]any{"budget_id": id}, Limit: 1}, func([]byte) error { return nil })
			if err != nil {
				return err
			}
			if n > 0 {
				return named("id", badRequest("Budget %s is in use by %d of %s. Give them another budget first.", id, n, tableName(kind)))
			}
		}
		return tx.remove(ctx, b)
	})
	if err != nil {
		return nil, err
	}
	return rowOf(b), nil
}

// budgeted are the kinds of objects that refer to a budget.
var budgeted = []account.Kind{account.Keys, account.Organizations, account.Customers, account.TeamMembers, account.OrgMembers, account.Tags}

// ownBudget gives an object its budget: the one that is named, which must exist, or, where the request speaks of limits, one of
// its own, made or changed. current is the id that the object has. The result is the budget that it shall have, nil for none.
func (t *change) ownBudget(ctx context.Context, current string, wanted Opt[ID], in *budgetFields) (*account.Budget, error) {
	id := current
	if wanted.Given() {
		id = string(wanted.Value)
	}
	before, err := lookup[account.Budget](ctx, t, id)
	if err != nil {
		return nil, err
	}
	if before == nil && wanted.Given() {
		return nil, budgetMissing(id)
	}
	if !in.given() {
		return before, nil
	}
	shared, err := t.shared(ctx, id)
	if err != nil {
		return nil, err
	}
	if before == nil || shared {
		b := &account.Budget{BudgetID: telemetry.NewID()}
		if before != nil {
			b = copyOf(before)
			b.BudgetID, b.Stamps = telemetry.NewID(), account.Stamps{}
		}
		if err := in.apply(t.c, b); err != nil {
			return nil, err
		}
		return b, t.insert(ctx, b)
	}
	b := copyOf(before)
	if err := in.apply(t.c, b); err != nil {
		return nil, err
	}
	return b, t.replace(ctx, before, b)
}

// shared reports whether more than one object counts on a budget, so that a change of one must not change it.
func (t *change) shared(ctx context.Context, id string) (bool, error) {
	if id == "" || id == t.c.settings.EndUserBudgetID {
		return id != "", nil
	}
	users := 0
	for _, kind := range budgeted {
		n, err := t.Find(ctx, kind, account.Filter{Equal: map[string]any{"budget_id": id}, Limit: 2}, func([]byte) error { return nil })
		if err != nil {
			return false, err
		}
		users += n
	}
	return users > 1, nil
}

// begin starts the period of a scope's counter when its object gets a budget.
func (t *change) begin(ctx context.Context, s account.Scope, b *account.Budget) error {
	if b == nil {
		return nil
	}
	return t.SetPeriod(ctx, s, b.BudgetDuration, b.BudgetResetAt)
}

// budgetsOf reads budgets by their ids.
func budgetsOf(ctx context.Context, r account.Reader, ids []string) (map[string]account.Budget, error) {
	ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return id == "" })
	slices.Sort(ids)
	return objectsOf[account.Budget](ctx, r, account.Budgets, "budget_id", slices.Compact(ids))
}

// budgetRow is the row of a budget, null where there is none.
func budgetRow(found map[string]account.Budget, id string) any {
	if b, ok := found[id]; ok {
		return rowOf(&b)
	}
	return nil
}

// permissionsByID are the rows of object permissions by their ids; of an id that has none it is null.
func permissionsByID(ctx context.Context, r account.Reader, ids []string) (map[string]any, error) {
	ids = slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return id == "" })
	slices.Sort(ids)
	found, err := objectsOf[account.ObjectPermission](ctx, r, account.ObjectPermissions, "object_permission_id", slices.Compact(ids))
	rows := map[string]any{}
	for id, p := range found {
		rows[id] = rowOf(&p)
	}
	return rows, err
}
