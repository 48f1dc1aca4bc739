package admin

import (
	"cmp"
	"context"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
)

// customerFields are what a request says of a customer.
type customerFields struct {
	UserID           Opt[ID]                       `json:"user_id" required:"true"`
	Alias            Opt[string]                   `json:"alias"`
	Blocked          Opt[bool]                     `json:"blocked"`
	BudgetID         Opt[ID]                       `json:"budget_id"`
	Spend            Opt[account.Amount]           `json:"spend"`
	Region           Opt[string]                   `json:"allowed_model_region"`
	DefaultModel     Opt[string]                   `json:"default_model"`
	Models           Opt[[]string]                 `json:"models"` // ours
	ObjectPermission Opt[account.ObjectPermission] `json:"object_permission"`
	budgetFields
}

func (in *customerFields) apply(cu *account.Customer) *apierr.Error {
	if v := in.Region.Value; v != "" && v != cu.AllowedModelRegion {
		return notSupported("allowed_model_region", "deployments are not told apart by region; name those that the customer may call in models")
	}
	if v := in.DefaultModel.Value; v != "" && v != cu.DefaultModel {
		return notSupported("default_model", "every call names its model")
	}
	if err := checkSpend(in.Spend); err != nil {
		return err
	}
	set(&cu.Alias, in.Alias)
	set(&cu.Blocked, in.Blocked)
	set(&cu.Models, in.Models)
	return nil
}

// write stores a customer with its budget, its permissions and the spend that the request names. before is nil for a new one.
func (in *customerFields) write(ctx context.Context, tx *change, before, cu *account.Customer) error {
	if err := in.apply(cu); err != nil {
		return err
	}
	b, err := tx.ownBudget(ctx, cu.BudgetID, in.BudgetID, &in.budgetFields)
	if err != nil {
		return err
	}
	if b != nil {
		cu.BudgetID = b.BudgetID
	}
	if err := checkRights(ctx, tx, cu.ObjectPermissionID, in.ObjectPermission); err != nil {
		return err
	}
	scope := account.CustomerScope(cu.UserID)
	if in.Spend.Given() {
		if err := tx.SetSpent(ctx, scope, in.Spend.Value.USD()); err != nil {
			return err
		}
	}
	if before == nil || before.BudgetID != cu.BudgetID || in.BudgetDuration.Given() {
		if err := tx.begin(ctx, scope, b); err != nil {
			return err
		}
	}
	if before == nil {
		return tx.insert(ctx, cu)
	}
	return tx.replace(ctx, before, cu)
}

// newCustomer is POST /customer/new and /end_user/new.
func (a *API) newCustomer(ctx context.Context, c *call, in customerFields) (any, error) {
	if !in.UserID.Given() {
		return nil, invalid([]problem{{Loc: []any{inBody, "user_id"}, Msg: "Field required", Type: "missing"}})
	}
	id := string(in.UserID.Value)
	if err := c.update(ctx, func(tx *change) error {
		if there, err := lookup[account.Customer](ctx, tx, id); err != nil || there != nil {
			return orElse(err, named("user_id", badRequest("Customer already exists, passed user_id=%s. Please pass a new user_id.", id)))
		}
		return in.write(ctx, tx, nil, &account.Customer{UserID: id})
	}); err != nil {
		return nil, err
	}
	return a.oneCustomer(ctx, id)
}

// updateCustomer is POST /customer/update.
func (a *API) updateCustomer(ctx context.Context, c *call, in customerFields) (any, error) {
	id := string(in.UserID.Value)
	if err := c.update(ctx, func(tx *change) error {
		before, err := lookup[account.Customer](ctx, tx, id)
		if err != nil {
			return err
		}
		if before != nil {
			return in.write(ctx, tx, before, copyOf(before))
		}
		known, err := hasSpent(ctx, tx, id)
		if err != nil || !known {
			return orElse(err, customerMissing(id))
		}
		return in.write(ctx, tx, nil, &account.Customer{UserID: id})
	}); err != nil {
		return nil, err
	}
	return a.oneCustomer(ctx, id)
}

func customerMissing(id string) *apierr.Error {
	return named("end_user_id", notFound("End User Id=%s does not exist in db", id))
}

// hasSpent reports whether calls have named a customer. Such a one is known without anybody having made it, as LiteLLM makes it
// on its first call.
func hasSpent(ctx context.Context, r account.Reader, id string) (bool, error) {
	scope := account.CustomerScope(id)
	counters, err := r.Spend(ctx, scope)
	_, known := counters[scope]
	return known, err
}

// oneCustomer is the reply that shows one customer.
func (a *API) oneCustomer(ctx context.Context, id string) (any, error) {
	cu, err := lookup[account.Customer](ctx, a.opts.Store, id)
	if err != nil {
		return nil, err
	}
	if cu == nil {
		a.sync(ctx)
		known, err := hasSpent(ctx, a.opts.Store, id)
		if err != nil || !known {
			return nil, orElse(err, customerMissing(id))
		}
		cu = &account.Customer{UserID: id}
	}
	rows, err := a.customerRows(ctx, []*account.Customer{cu})
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}

// customerRows are the customers as replies show them: what was spent, their budgets and permissions joined.
func (a *API) customerRows(ctx context.Context, customers []*account.Customer) ([]row, error) {
	var scopes []account.Scope
	var budgets, permissions []string
	common := a.opts.Settings().EndUserBudgetID // which binds those that have none
	for _, cu := range customers {
		scopes = append(scopes, account.CustomerScope(cu.UserID))
		budgets = append(budgets, cmp.Or(cu.BudgetID, common))
		permissions = append(permissions, cu.ObjectPermissionID)
	}
	spent, err := a.spend(ctx, scopes...)
	if err != nil {
		return nil, err
	}
	budget, err := budgetsOf(ctx, a.opts.Store, budgets)
	if err != nil {
		return nil, err
	}
	permission, err := permissionsByID(ctx, a.opts.Store, permissions)
	if err != nil {
		return nil, err
	}
	out := make([]row, 0, len(customers))
	for i, cu := range customers {
		r := rowOf(cu).with(row{
			"spend": spent[scopes[i]].Spent, "litellm_budget_table": budgetRow(budget, budgets[i]), "object_permission": permission[cu.ObjectPermissionID],
		})
		out = append(out, r)
	}
	return out, nil
}

type customerInfoRequest struct {
	EndUserID Opt[ID] `json:"end_user_id" required:"true"`
}

// customerInfo is GET /customer/info.
func (a *API) customerInfo(ctx context.Context, _ *call, in customerInfoRequest) (any, error) {
	return a.oneCustomer(ctx, string(in.EndUserID.Value))
}

// listCustomers is GET /customer/list: those that are stored. Whom calls have named besides is in /global/all_end_users.
func (a *API) listCustomers(ctx context.Context, c *call, in pageRequest) (any, error) {
	p, refused := pageOf(in.Page, in.PageSize, maxRows, maxRows)
	if refused != nil {
		return nil, refused
	}
	customers, total, err := find[account.Customer](ctx, a.opts.Store, account.Customers, account.Filter{Limit: p.size, Offset: p.offset()})
	if err != nil {
		return nil, err
	}
	if total > p.offset()+len(customers) {
		c.header.Set(truncatedHeader, "true")
	}
	return a.customerRows(ctx, customers)
}

// pageRequest asks for one page of a list.
type pageRequest struct {
	Page     Opt[int64] `json:"page"`
	PageSize Opt[int64] `json:"page_size"`
}

type customerIDsRequest struct {
	UserIDs Opt[[]string] `json:"user_ids" required:"true"`
}

// blockCustomers is POST /customer/block. A customer that nobody knows yet is made, so that its first call is refused.
func (a *API) blockCustomers(ctx context.Context, c *call, in customerIDsRequest) (any, error) {
	if err := a.blockAll(ctx, c, in.UserIDs.Value, true); err != nil {
		return nil, err
	}
	rows, err := a.customersByID(ctx, in.UserIDs.Value)
	return map[string]any{"blocked_users": rows}, err
}

// unblockCustomers is POST /customer/unblock. LiteLLM's needs a callback to be configured; here blocking always works.
func (a *API) unblockCustomers(ctx context.Context, c *call, in customerIDsRequest) (any, error) {
	if err := a.blockAll(ctx, c, in.UserIDs.Value, false); err != nil {
		return nil, err
	}
	blocked, _, err := find[account.Customer](ctx, a.opts.Store, account.Customers, account.Filter{Equal: map[string]any{"blocked": true}, Limit: maxRows})
	ids := []string{}
	for _, cu := range blocked {
		ids = append(ids, cu.UserID)
	}
	return map[string]any{"blocked_users": ids}, err
}

func (a *API) blockAll(ctx context.Context, c *call, ids []string, blocked bool) error {
	action := "unblocked"
	if blocked {
		action = "blocked"
	}
	return c.update(ctx, func(tx *change) error {
		for _, id := range ids {
			before, err := lookup[account.Customer](ctx, tx, id)
			switch {
			case err != nil:
				return err
			case id == "", before == nil && !blocked:
				continue
			case before == nil:
				err = tx.insert(ctx, &account.Customer{UserID: id, Blocked: true})
			default:
				after := copyOf(before)
				after.Blocked = blocked
				err = tx.replaceAs(ctx, action, before, after)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

func (a *API) customersByID(ctx context.Context, ids []string) ([]row, error) {
	found, err := objectsOf[account.Customer](ctx, a.opts.Store, account.Customers, "user_id", ids)
	if err != nil {
		return nil, err
	}
	var customers []*account.Customer
	for _, id := range ids {
		if cu, ok := found[id]; ok {
			customers = append(customers, &cu)
		}
	}
	return a.customerRows(ctx, customers)
}

// deleteCustomers is POST /customer/delete. What a customer has spent stays in the ledger.
func (a *API) deleteCustomers(ctx context.Context, c *call, in customerIDsRequest) (any, error) {
	err := c.update(ctx, func(tx *change) error {
		for _, id := range in.UserIDs.Value {
			cu, err := lookup[account.Customer](ctx, tx, id)
			if err != nil || cu == nil {
				return orElse(err, customerMissing(id))
			}
			if err := tx.remove(ctx, cu); err != nil {
				return err
			}
			if err := tx.SetSpent(ctx, account.CustomerScope(id), 0); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return map[string]any{"deleted_customers": len(in.UserIDs.Value), "message": "Successfully deleted customers with ids: " + pythonList(in.UserIDs.Value)}, nil
}

type eraseRequest struct {
	UserID Opt[ID] `json:"user_id" required:"true"`
}

// eraseCustomer is POST /customer/erase, which is ours: the customer and all that the ledger knows of what it said are gone,
// and the money stays on the books.
func (a *API) eraseCustomer(ctx context.Context, c *call, in eraseRequest) (any, error) {
	id := string(in.UserID.Value)
	if id == "" {
		return nil, badParam("user_id", "user_id is required.")
	}
	a.sync(ctx)
	rows, err := a.opts.Maintenance.EraseCustomer(ctx, id)
	if err != nil {
		return nil, err
	}
	err = c.update(ctx, func(tx *change) error {
		cu, err := lookup[account.Customer](ctx, tx, id)
		if err == nil && cu != nil {
			// The audit log must not keep what is to be erased, so this is no remove.
			err = tx.Delete(ctx, account.Customers, id)
		}
		if err != nil {
			return err
		}
		if err := tx.DropCounter(ctx, account.CustomerScope(id)); err != nil {
			return err
		}
		return tx.note(ctx, "erased", &account.Customer{UserID: "erased"}, nil, nil)
	})
	return map[string]any{"erased_rows": rows, "message": "The customer's name, prompts and metadata are erased; its spend is kept."}, err
}
