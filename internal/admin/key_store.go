package admin

import (
	"context"
	"slices"

	"tollgate/internal/account"
	"tollgate/internal/money"
	"tollgate/internal/telemetry"
)

// store writes a new key with what belongs to it.
func (n *newKey) store(ctx context.Context, tx *change) error {
	n.key.Token, n.key.KeyName = account.HashKey(n.raw), keyName(n.raw)
	if err := tx.attach(ctx, nil, n.key); err != nil {
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

// attach stores the budget of a soft_budget, where LiteLLM keeps it, and keeps the two in agreement. before is nil for a new key.
func (t *change) attach(ctx context.Context, before, k *account.Key) error {
	if before != nil && before.SoftBudget == k.SoftBudget {
		return nil
	}
	if k.BudgetID == "" {
		if k.SoftBudget.None() {
			return nil
		}
		b := &account.Budget{BudgetID: telemetry.NewID(), SoftBudget: k.SoftBudget}
		k.BudgetID = b.BudgetID
		return t.insert(ctx, b)
	}
	if before == nil || before.BudgetID != k.BudgetID {
		return nil // of a budget that others have, too: the key's own alert goes before
	}
	b, err := t.softBudget(ctx, k.BudgetID)
	if err != nil || b == nil {
		return err
	}
	was := copyOf(b)
	b.SoftBudget = k.SoftBudget
	return t.replace(ctx, was, b)
}

// softBudget is the budget of an id when it holds the soft_budget of one object and nothing else; else nil.
func (t *change) softBudget(ctx context.Context, id string) (*account.Budget, error) {
	b, err := lookup[account.Budget](ctx, t, id)
	if err != nil || b == nil || len(changed(&account.Budget{BudgetID: id, SoftBudget: b.SoftBudget}, b)) > 0 {
		return nil, err
	}
	if shared, err := t.shared(ctx, id); err != nil || shared {
		return nil, err
	}
	return b, nil
}

// withSoftBudget is a key that tells its soft_budget itself: keys that were brought from LiteLLM have it in their budget alone.
func (t *change) withSoftBudget(ctx context.Context, k *account.Key) (*account.Key, error) {
	if !k.SoftBudget.None() || k.BudgetID == "" {
		return k, nil
	}
	b, err := t.softBudget(ctx, k.BudgetID)
	if err != nil || b == nil {
		return k, err
	}
	k = copyOf(k)
	k.SoftBudget = b.SoftBudget
	return k, nil
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
