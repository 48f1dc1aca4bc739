package client

import (
	"context"
	"encoding/json"

	"tollgate/internal/account"
)

// Budget is a set of limits that several objects can share.
type Budget struct {
	BudgetID   string         `json:"budget_id"`
	SoftBudget account.Amount `json:"soft_budget"`
	Limits
}

// CreateBudget makes a budget.
func (c *Client) CreateBudget(ctx context.Context, f Fields) (Answer[Budget], error) {
	return post[Budget](ctx, c, "/budget/new", f)
}

// Budgets tells of the budgets with the ids.
func (c *Client) Budgets(ctx context.Context, ids []string) (Answer[[]Budget], error) {
	return post[[]Budget](ctx, c, "/budget/info", Fields{"budgets": ids})
}

// ListBudgets gives all budgets.
func (c *Client) ListBudgets(ctx context.Context) (Answer[[]Budget], error) {
	return get[[]Budget](ctx, c, "/budget/list", nil)
}

// UpdateBudget changes the fields of a budget.
func (c *Client) UpdateBudget(ctx context.Context, id string, f Fields) (Answer[Budget], error) {
	f["budget_id"] = id
	return post[Budget](ctx, c, "/budget/update", f)
}

// DeleteBudget deletes a budget.
func (c *Client) DeleteBudget(ctx context.Context, id string) (Answer[json.RawMessage], error) {
	return post[json.RawMessage](ctx, c, "/budget/delete", Fields{"id": id})
}
