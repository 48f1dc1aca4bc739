package admin

import (
	"context"
	"slices"

	"tollgate/internal/account"
	"tollgate/internal/money"
	"tollgate/internal/telemetry"
)

// store writes a new key with what belongs to it.
func (n *newKey) store(ctx context.Context, tx *change, in *keyFields) error {
	n.key.Token, n.key.KeyName = account.HashKey(n.raw), keyName(n.raw)
	if err := tx.attach(ctx, n.key, in); err != nil {
		return err
	}
	if err := tx.insert(ctx, n.key); err != nil {
		return err
	}
	scope := account.KeyScope(n.key.Token)
	if err := tx.startAt(ctx, scope, n.spent); err != nil {
		return err
	}
	if err := tx.setPeriods(ctx, scope, nil, n.key); err != nil {
		return err
	}
	var err error
	if n.budget, err = lookup[account.Budget](ctx, tx, n.key.BudgetID); err != nil {
		return err
	}
	n.rights, err = lookup[account.ObjectPermission](ctx, tx, n.key.ObjectPermissionID)
	return err
}

// startAt sets what is spent on a scope whose object is new. A scope may have been spent on before: by a key of the same value
// that was deleted.
func (t *change) startAt(ctx context.Context, s account.Scope, spent money.USD) error {
	counters, err := t.Spend(ctx, s)
	if err != nil || counters[s].Spent == spent {
		return err
	}
	return t.SetSpent(ctx, s, spent)
}

// attach stores what a key refers to: the budget of a soft_budget, as LiteLLM keeps it, and the object permission.
func (t *change) attach(ctx context.Context, k *account.Key, in *keyFields) error {
	if in.SoftBudget.Given() && k.BudgetID == "" {
		b := &account.Budget{BudgetID: telemetry.NewID(), SoftBudget: k.SoftBudget}
		if err := t.insert(ctx, b); err != nil {
			return err
		}
		k.BudgetID = b.BudgetID
	}
	id, err := t.attachRights(ctx, k.ObjectPermissionID, in.ObjectPermission)
	k.ObjectPermissionID = id
	return err
}

// attachRights stores an object permission and returns its id.
func (t *change) attachRights(ctx context.Context, id string, given Opt[account.ObjectPermission]) (string, error) {
	if !given.Given() {
		return id, nil
	}
	p := given.Value
	p.ObjectPermissionID = id
	before, err := lookup[account.ObjectPermission](ctx, t, id)
	if err != nil {
		return "", err
	}
	if before == nil {
		p.ObjectPermissionID = telemetry.NewID()
		if err := t.Insert(ctx, &p); err != nil {
			return "", err
		}
		return p.ObjectPermissionID, t.note(ctx, "created", &p, nil, document(&p))
	}
	was, is := document(before), document(&p)
	if len(changed(before, &p)) == 0 {
		return id, nil
	}
	if err := t.Replace(ctx, &p); err != nil {
		return "", err
	}
	return id, t.note(ctx, "updated", &p, was, difference(was, is))
}

// setPeriods tells the counters of a key when they start anew, where that differs from before.
func (t *change) setPeriods(ctx context.Context, s account.Scope, before, k *account.Key) error {
	if before == nil {
		before = &account.Key{}
	}
	was, err := t.period(ctx, before)
	if err != nil {
		return err
	}
	is, err := t.period(ctx, k)
	if err != nil {
		return err
	}
	if was.BudgetDuration != is.BudgetDuration {
		if err := t.SetPeriod(ctx, s, is.BudgetDuration, is.BudgetResetAt); err != nil {
			return err
		}
	}
	if err := t.setWindows(ctx, s, before.BudgetLimits, k.BudgetLimits); err != nil {
		return err
	}
	return t.setModelPeriods(ctx, s, before.ModelMaxBudget, k.ModelMaxBudget)
}

// period is when a key's counter starts anew: the key's own, or that of the budget it refers to.
func (t *change) period(ctx context.Context, k *account.Key) (account.Spending, error) {
	if k.BudgetDuration != "" {
		return k.Spending, nil
	}
	b, err := lookup[account.Budget](ctx, t, k.BudgetID)
	if err != nil || b == nil {
		return account.Spending{}, err
	}
	return b.Spending, nil
}

func (t *change) setWindows(ctx context.Context, s account.Scope, before, after []account.Window) error {
	for _, w := range after {
		if slices.ContainsFunc(before, func(o account.Window) bool { return o.BudgetDuration == w.BudgetDuration }) {
			continue
		}
		if err := t.SetPeriod(ctx, s.Window(w.BudgetDuration), w.BudgetDuration, w.ResetAt); err != nil {
			return err
		}
	}
	return nil
}

func (t *change) setModelPeriods(ctx context.Context, s account.Scope, before, after map[string]account.ModelBudget) error {
	for model, b := range after {
		if before[model].TimePeriod == b.TimePeriod {
			continue
		}
		resetAt, refusal := t.c.nextReset("model_max_budget", b.TimePeriod)
		if refusal != nil {
			return refusal
		}
		if err := t.SetPeriod(ctx, s.Model(model), b.TimePeriod, resetAt); err != nil {
			return err
		}
	}
	return nil
}
