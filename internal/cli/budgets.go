package cli

import (
	"context"

	"github.com/spf13/cobra"

	"tollgate/internal/client"
)

// budgetFlags are the options for the fields of a budget beside its limits.
var budgetFlags = []fieldFlag{{"soft-budget", "soft_budget", amountField, "dollars at which an alert is raised"}}

func newBudgets(env *Environment) *cobra.Command {
	cmd, r := newGroup(env, "budgets", "Make and govern budgets that several objects share",
		"Make and govern budgets of a running gateway: sets of limits that keys, customers, tags and members of teams can share by the id.")
	cmd.AddCommand(
		newBudgetCreate(r), newBudgetUpdate(r),
		r.leaf("list", "List budgets", cobra.NoArgs, r.listBudgets),
		r.leaf("info BUDGET...", "Show budgets", cobra.MinimumNArgs(1), r.budgetInfo),
		r.leaf("delete BUDGET", "Delete a budget", cobra.ExactArgs(1), r.deleteBudget),
	)
	return cmd
}

func newBudgetCreate(r *remote) *cobra.Command {
	cmd := r.leaf("create [BUDGET]", "Make a budget; its id is a random one when not given", cobra.MaximumNArgs(1), func(ctx context.Context, c *client.Client, cmd *cobra.Command, args []string) error {
		fields, err := readFields(cmd.Flags(), budgetFlags, limitFlags)
		if err != nil {
			return err
		}
		id, _ := cmd.Flags().GetString("id")
		if len(args) == 1 {
			id = args[0]
		}
		if id != "" {
			fields["budget_id"] = id
		}
		made, err := c.CreateBudget(ctx, fields)
		if err != nil {
			return err
		}
		return r.show(made.Raw, func(c *columns) { describeBudget(c, &made.Value) })
	})
	addFieldFlags(cmd.Flags(), budgetFlags, limitFlags)
	cmd.Flags().String("id", "", "id of the budget, as BUDGET")
	return cmd
}

func describeBudget(c *columns, b *client.Budget) {
	c.field("budget", b.BudgetID)
	describeLimits(c, &b.Limits)
	c.field("alert at USD", b.SoftBudget)
}

func (r *remote) listBudgets(ctx context.Context, c *client.Client, _ *cobra.Command, _ []string) error {
	list, err := c.ListBudgets(ctx)
	if err != nil {
		return err
	}
	return r.show(list.Raw, func(c *columns) { listBudgets(c, list.Value) })
}

func listBudgets(c *columns, budgets []client.Budget) {
	c.row("BUDGET", "BUDGET USD", "ALERT AT USD", "PERIOD", "RESETS", "REQUESTS/MIN", "TOKENS/MIN", "AT ONCE")
	for _, b := range budgets {
		c.row(b.BudgetID, b.MaxBudget, b.SoftBudget, b.BudgetDuration, day(b.BudgetResetAt), b.RPMLimit, b.TPMLimit, b.MaxParallelRequests)
	}
}

func (r *remote) budgetInfo(ctx context.Context, c *client.Client, _ *cobra.Command, args []string) error {
	info, err := c.Budgets(ctx, args)
	if err != nil {
		return err
	}
	return r.show(info.Raw, func(c *columns) { listBudgets(c, info.Value) })
}

func newBudgetUpdate(r *remote) *cobra.Command {
	cmd := r.leaf("update BUDGET", "Change a budget; what no option names stays", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, cmd *cobra.Command, args []string) error {
		fields, gone, err := readChanges(cmd.Flags(), budgetFlags, limitFlags)
		if err != nil {
			return err
		}
		for _, name := range gone {
			fields[name] = nil // which takes a limit of a budget away
		}
		if len(fields) == 0 {
			return usagef("nothing is to be changed: name a field, such as --max-budget 20")
		}
		changed, err := c.UpdateBudget(ctx, args[0], fields)
		if err != nil {
			return err
		}
		return r.said(changed.Raw, "updated %s", args[0])
	})
	cmd.Long = cmd.Short + "; " + noneUsage
	addFieldFlags(cmd.Flags(), budgetFlags, limitFlags)
	return cmd
}

func (r *remote) deleteBudget(ctx context.Context, c *client.Client, _ *cobra.Command, args []string) error {
	deleted, err := c.DeleteBudget(ctx, args[0])
	if err != nil {
		return err
	}
	return r.said(deleted.Raw, "deleted %s", args[0])
}
