package admin

import (
	"context"
	"slices"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
	"tollgate/internal/ledger"
)

// tagFields are what a request says of a tag.
type tagFields struct {
	Name        Opt[ID]       `json:"name" required:"true"`
	Description Opt[string]   `json:"description"`
	Models      Opt[[]string] `json:"models"`
	BudgetID    Opt[ID]       `json:"budget_id"`
	budgetFields
}

// write stores a tag with its budget. before is nil for a new one.
func (in *tagFields) write(ctx context.Context, tx *change, before, t *account.Tag) error {
	set(&t.Description, in.Description)
	if in.Models.Given() && len(in.Models.Value) > 0 && !slices.Equal(in.Models.Value, t.Models) {
		return notSupported("models", "a deployment names the tags of the calls that it serves: litellm_params.tags")
	}
	b, err := tx.ownBudget(ctx, t.BudgetID, in.BudgetID, &in.budgetFields)
	if err != nil {
		return err
	}
	if b != nil {
		t.BudgetID = b.BudgetID
	}
	if before == nil || before.BudgetID != t.BudgetID || in.BudgetDuration.Given() {
		if err := tx.begin(ctx, account.TagScope(t.Name), b); err != nil {
			return err
		}
	}
	if before != nil {
		return tx.replace(ctx, before, t)
	}
	// Calls may have brought the tag before it had a budget.
	if err := tx.startAt(ctx, account.TagScope(t.Name), 0); err != nil {
		return err
	}
	return tx.insert(ctx, t)
}

// newTag is POST /tag/new.
func (a *API) newTag(ctx context.Context, c *call, in tagFields) (any, error) {
	name := string(in.Name.Value)
	if name == "" {
		return nil, invalid([]problem{{Loc: []any{inBody, "name"}, Msg: "Field required", Type: "missing"}})
	}
	t := &account.Tag{Name: name}
	err := c.update(ctx, func(tx *change) error {
		if there, err := lookup[account.Tag](ctx, tx, name); err != nil || there != nil {
			return orElse(err, named("name", badRequest("Tag %s already exists", name)))
		}
		return in.write(ctx, tx, nil, t)
	})
	if err != nil {
		return nil, err
	}
	return row{"message": "Tag " + name + " created successfully", "tag": a.tagRow(t)}, nil
}

// updateTag is POST /tag/update.
func (a *API) updateTag(ctx context.Context, c *call, in tagFields) (any, error) {
	name := string(in.Name.Value)
	var t *account.Tag
	err := c.update(ctx, func(tx *change) error {
		before, err := lookup[account.Tag](ctx, tx, name)
		if err != nil || before == nil {
			return orElse(err, tagMissing(name))
		}
		t = copyOf(before)
		return in.write(ctx, tx, before, t)
	})
	if err != nil {
		return nil, err
	}
	return row{"message": "Tag " + name + " updated successfully", "tag": a.tagRow(t)}, nil
}

func tagMissing(name string) *apierr.Error {
	return named("name", notFound("Tag %s not found", name))
}

// tagRow is a tag as replies show it. What the ids of its models are called is looked up where it was not said.
func (a *API) tagRow(t *account.Tag) row {
	r := rowOf(t)
	if r["model_info"] != nil {
		return r
	}
	names := map[string]string{}
	for _, d := range a.opts.Models.Deployments() {
		info, _ := d["model_info"].(map[string]any)
		id, _ := info["id"].(string)
		if name, _ := d["model_name"].(string); slices.Contains(t.Models, id) {
			names[id] = name
		}
	}
	r["model_info"] = names
	return r
}

type tagNamesRequest struct {
	Names Opt[[]string] `json:"names" required:"true"`
}

// tagInfo is POST /tag/info.
func (a *API) tagInfo(ctx context.Context, _ *call, in tagNamesRequest) (any, error) {
	found, err := objectsOf[account.Tag](ctx, a.opts.Store, account.Tags, "name", in.Names.Value)
	if err != nil {
		return nil, err
	}
	var tags []*account.Tag
	for _, name := range in.Names.Value {
		t, ok := found[name]
		if !ok {
			return nil, tagMissing(name)
		}
		tags = append(tags, &t)
	}
	rows, err := a.tagRows(ctx, tags)
	out := row{}
	for _, r := range rows {
		out[r["name"].(string)] = r
	}
	return out, err
}

// tagRows are tags with their budgets and what was spent.
func (a *API) tagRows(ctx context.Context, tags []*account.Tag) ([]row, error) {
	var scopes []account.Scope
	var budgets []string
	for _, t := range tags {
		scopes = append(scopes, account.TagScope(t.Name))
		budgets = append(budgets, t.BudgetID)
	}
	spent, err := a.spend(ctx, scopes...)
	if err != nil {
		return nil, err
	}
	budget, err := budgetsOf(ctx, a.opts.Store, budgets)
	rows := make([]row, 0, len(tags))
	for i, t := range tags {
		rows = append(rows, a.tagRow(t).with(row{"spend": spent[scopes[i]].Spent, "litellm_budget_table": budgetRow(budget, t.BudgetID)}))
	}
	return rows, err
}

type tagNameRequest struct {
	Name Opt[ID] `json:"name" required:"true"`
}

// deleteTag is POST /tag/delete.
func (a *API) deleteTag(ctx context.Context, c *call, in tagNameRequest) (any, error) {
	name := string(in.Name.Value)
	err := c.update(ctx, func(tx *change) error {
		t, err := lookup[account.Tag](ctx, tx, name)
		if err != nil || t == nil {
			return orElse(err, tagMissing(name))
		}
		if err := tx.SetSpent(ctx, account.TagScope(name), 0); err != nil {
			return err
		}
		return tx.remove(ctx, t)
	})
	if err != nil {
		return nil, err
	}
	return row{"message": "Tag " + name + " deleted successfully"}, nil
}

// listTags is GET /tag/list: the tags that are stored, and those that calls have brought within the days.
func (a *API) listTags(ctx context.Context, c *call, in datesRequest) (any, error) {
	days, refused := in.daysOr(c)
	if refused != nil {
		return nil, refused
	}
	tags, _, err := find[account.Tag](ctx, a.opts.Store, account.Tags, account.Filter{})
	if err != nil {
		return nil, err
	}
	rows, err := a.tagRows(ctx, tags)
	if err != nil {
		return nil, err
	}
	seen, err := a.opts.Reports.Values(ctx, ledger.ByTag, days.From, days.To)
	for _, name := range seen {
		if name != "" && !slices.ContainsFunc(tags, func(t *account.Tag) bool { return t.Name == name }) {
			rows = append(rows, row{
				"name": name, "description": "A tag that calls have brought. It chooses no models and has no budget.", "models": nil, "model_info": nil,
				"created_at": nil, "updated_at": nil, "created_by": nil, "litellm_budget_table": nil,
			})
		}
	}
	return rows, err
}

type tagUsersRequest struct {
	TagFilter  Opt[ID]       `json:"tag_filter"`
	TagFilters Opt[[]string] `json:"tag_filters"`
	StartDate  Opt[ID]       `json:"start_date"`
	EndDate    Opt[ID]       `json:"end_date"`
}

// wanted are the tags that are asked for, none for all.
func (in *tagUsersRequest) wanted() []string {
	return append(slices.Clone(in.TagFilters.Value), list(in.TagFilter)...)
}

// activeSpans is how many days, weeks or months /tag/dau and its kin look back.
const activeSpans = 7

// activeUsers is /tag/dau, /tag/wau and /tag/mau: how many users a tag had in each of the last seven spans of so many days.
func (a *API) activeUsers(length int) func(ctx context.Context, c *call, in tagUsersRequest) (any, error) {
	return func(ctx context.Context, c *call, in tagUsersRequest) (any, error) {
		days := lastDays(c.now, length*activeSpans)
		q := over(days, ledger.ByTag, ledger.ByDate, ledger.ByUser)
		narrow(q.Where, ledger.ByTag, in.wanted()...)
		lines, err := a.usage(ctx, c, q)
		if err != nil {
			return nil, err
		}
		return row{"results": activeByTag(lines, days.days(), length)}, nil
	}
}

// activeByTag counts distinct users of lines by tag, date and user, over spans of length days.
func activeByTag(lines []ledger.Usage, days []string, length int) []row {
	type span struct {
		tag string
		n   int
	}
	users := map[span]map[string]bool{}
	for _, line := range lines {
		tag, user := line.Values[0], line.Values[2]
		day, found := slices.BinarySearch(days, line.Values[1])
		if tag == "" || user == "" || !found {
			continue
		}
		s := span{tag, day / length}
		if users[s] == nil {
			users[s] = map[string]bool{}
		}
		users[s][user] = true
	}
	out := []row{}
	for s, who := range users {
		out = append(out, row{
			"tag": s.tag, "active_users": len(who), "date": days[(s.n+1)*length-1],
			"period_start": days[s.n*length], "period_end": days[(s.n+1)*length-1],
		})
	}
	slices.SortFunc(out, func(x, y row) int {
		return slices.Compare([]string{y["date"].(string), x["tag"].(string)}, []string{x["date"].(string), y["tag"].(string)})
	})
	return out
}

// tagSummary is GET /tag/summary.
func (a *API) tagSummary(ctx context.Context, c *call, in tagUsersRequest) (any, error) {
	days, refused := (datesRequest{StartDate: in.StartDate, EndDate: in.EndDate}).days()
	if refused != nil {
		return nil, refused
	}
	q := over(days, ledger.ByTag, ledger.ByUser)
	narrow(q.Where, ledger.ByTag, in.wanted()...)
	lines, err := a.usage(ctx, c, q)
	out := []row{}
	var sum ledger.Metrics
	users := 0
	for i, line := range lines {
		addMetrics(&sum, line.Metrics)
		if line.Values[1] != "" {
			users++
		}
		if i+1 < len(lines) && lines[i+1].Values[0] == line.Values[0] {
			continue
		}
		if line.Values[0] != "" {
			out = append(out, row{
				"tag": line.Values[0], "unique_users": users, "total_requests": sum.Requests, "successful_requests": sum.Successful,
				"failed_requests": sum.Failed, "total_tokens": sum.TotalTokens, "total_spend": sum.Spend,
			})
		}
		sum, users = ledger.Metrics{}, 0
	}
	return row{"results": out}, err
}

// distinctTags is GET /tag/distinct.
func (a *API) distinctTags(ctx context.Context, c *call, _ nothing) (any, error) {
	names, err := a.dimensionValues(ctx, c, ledger.ByTag)
	out := []row{}
	for _, name := range names {
		out = append(out, row{"tag": name})
	}
	return row{"results": out}, err
}

type perUserRequest struct {
	tagUsersRequest
	pageRequest
}

// perUserTags is GET /tag/user-agent/per-user-analytics: what each user did under each tag in the last 30 days.
func (a *API) perUserTags(ctx context.Context, c *call, in perUserRequest) (any, error) {
	p, refused := pageOf(in.Page, in.PageSize, 50, maxActivityPage)
	if refused != nil {
		return nil, refused
	}
	q := over(lastDays(c.now, recent), ledger.ByUser, ledger.ByTag)
	narrow(q.Where, ledger.ByTag, in.wanted()...)
	lines, err := a.usage(ctx, c, q)
	if err != nil {
		return nil, err
	}
	lines = slices.DeleteFunc(lines, func(u ledger.Usage) bool { return u.Values[0] == "" || u.Values[1] == "" })
	shown := cut(lines, p)
	users, err := objectsOf[account.User](ctx, a.opts.Store, account.Users, "user_id", idsAt(shown, 0))
	out := []row{}
	for _, line := range shown {
		m := line.Metrics
		out = append(out, row{
			"user_id": line.Values[0], "user_email": orNull(users[line.Values[0]].UserEmail), "user_agent": line.Values[1], "successful_requests": m.Successful,
			"failed_requests": m.Failed, "total_requests": m.Requests, "total_tokens": m.TotalTokens, "spend": m.Spend,
		})
	}
	return row{"results": out, "total_count": len(lines), "page": p.number, "page_size": p.size, "total_pages": p.pages(len(lines))}, err
}
