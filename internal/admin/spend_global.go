package admin

import (
	"cmp"
	"context"
	"slices"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
	"tollgate/internal/ledger"
	"tollgate/internal/money"
)

// recent is how far back the reports look that take no dates: LiteLLM's views of 30 days.
const recent = 30

// ownUsage narrows a question about usage to what the caller may see: everything, or what its user has used.
func (c *call) ownUsage(q *ledger.UsageQuery) *apierr.Error {
	if q.Where == nil {
		q.Where = map[ledger.Dimension][]string{}
	}
	if c.who.seesAll() {
		return nil
	}
	if c.who.user == "" {
		return forbidden("You are not allowed to see the spend of others. Your role=%s", c.who.role)
	}
	q.Where[ledger.ByUser] = []string{c.who.user}
	return nil
}

// usage collects the lines of a question about what the caller may see, this replica's last calls included.
func (a *API) usage(ctx context.Context, c *call, q ledger.UsageQuery) ([]ledger.Usage, error) {
	if err := c.ownUsage(&q); err != nil {
		return nil, err
	}
	a.sync(ctx)
	var lines []ledger.Usage
	err := a.opts.Reports.Usage(ctx, q, func(u ledger.Usage) error {
		lines = append(lines, u)
		return nil
	})
	return lines, err
}

// over is a question about a period.
func over(p period, by ...ledger.Dimension) ledger.UsageQuery {
	return ledger.UsageQuery{From: p.From, To: p.To, Zone: p.Zone, By: by, Where: map[ledger.Dimension][]string{}}
}

type nothing struct{}

// globalSpend is GET /global/spend: what the gateway has spent. Where it has a budget the amount is the one that the budget
// is checked against, else that of the last 30 days.
func (a *API) globalSpend(ctx context.Context, c *call, _ nothing) (any, error) {
	lines, err := a.usage(ctx, c, over(lastDays(c.now, recent)))
	if err != nil {
		return nil, err
	}
	var spend money.USD
	for _, line := range lines {
		spend = addMoney(spend, line.Metrics.Spend)
	}
	if c.who.seesAll() && !c.settings.MaxBudget.None() {
		counters, err := a.opts.Store.Spend(ctx, account.GlobalScope)
		if err != nil {
			return nil, err
		}
		spend = counters[account.GlobalScope].Spent
	}
	return map[string]any{"spend": spend, "max_budget": c.settings.MaxBudget}, nil
}

type globalLogsRequest struct {
	APIKey Opt[ID] `json:"api_key"`
}

// globalSpendLogs is GET /global/spend/logs: the spend of each of the last 30 days.
func (a *API) globalSpendLogs(ctx context.Context, c *call, in globalLogsRequest) (any, error) {
	q := over(lastDays(c.now, recent), ledger.ByDate)
	narrow(q.Where, ledger.ByKey, hashOf(string(in.APIKey.Value)))
	lines, err := a.usage(ctx, c, q)
	out := []row{}
	for _, line := range lines {
		out = append(out, row{"date": line.Values[0], "spend": line.Metrics.Spend})
	}
	return out, err
}

type limitRequest struct {
	Limit Opt[int64] `json:"limit"`
}

// bounded is the limit of a list, n where none is given.
func (r limitRequest) bounded(n int64) (int, *apierr.Error) {
	limit := r.Limit.Or(n)
	if limit < 1 || limit > maxRows {
		return 0, named("limit", refuse(422, "limit: Input should be from 1 to %d", maxRows))
	}
	return int(limit), nil
}

// globalKeys is GET /global/spend/keys: the keys that spent most in the last 30 days.
func (a *API) globalKeys(ctx context.Context, c *call, in limitRequest) (any, error) {
	limit, refused := in.bounded(maxRows)
	if refused != nil {
		return nil, refused
	}
	if !c.who.seesAll() {
		limit = min(limit, 10)
	}
	q := over(lastDays(c.now, recent), ledger.ByKey)
	q.Sort, q.Desc, q.Limit = "spend", true, limit
	lines, err := a.usage(ctx, c, q)
	if err != nil {
		return nil, err
	}
	keys, err := keysOf(ctx, a.opts.Store, lines, 0)
	if err != nil {
		return nil, err
	}
	out := []row{}
	for _, line := range lines {
		hash := line.Values[0]
		if hash == "" {
			continue // refused before a key was known
		}
		key := keys[hash]
		metadata := key.Metadata
		if metadata == nil {
			metadata = map[string]any{}
		}
		out = append(out, row{
			"api_key": hash, "key_alias": orNull(key.KeyAlias), "key_name": orNull(key.KeyName), "total_spend": line.Metrics.Spend,
			"metadata": metadata, "team_id": orNull(key.TeamID), "user_id": orNull(key.UserID),
		})
	}
	return out, nil
}

// idsPerQuery is how many ids one question to the store names.
const idsPerQuery = 500

// keysOf reads the keys that stand at a place of the lines' values, by hash.
func keysOf(ctx context.Context, r account.Reader, lines []ledger.Usage, at int) (map[string]account.Key, error) {
	return objectsOf[account.Key](ctx, r, account.Keys, "token", idsAt(lines, at))
}

// idsAt lists the distinct values that are not empty at a place of the lines, sorted.
func idsAt(lines []ledger.Usage, at int) []string {
	var ids []string
	for _, line := range lines {
		if id := line.Values[at]; id != "" {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// objectsOf reads the objects of a kind that have the ids, by id. idField is the column of the id.
func objectsOf[T any, P interface {
	*T
	account.Object
}](ctx context.Context, r account.Reader, kind account.Kind, idField string, ids []string) (map[string]T, error) {
	found := map[string]T{}
	for part := range slices.Chunk(ids, idsPerQuery) {
		objects, _, err := find[T](ctx, r, kind, account.Filter{In: map[string][]string{idField: part}})
		if err != nil {
			return nil, err
		}
		for _, o := range objects {
			found[P(o).ObjectID()] = *o
		}
	}
	return found, nil
}

// globalTeams is GET /global/spend/teams.
func (a *API) globalTeams(ctx context.Context, c *call, _ nothing) (any, error) {
	lines, err := a.usage(ctx, c, over(lastDays(c.now, recent), ledger.ByDate, ledger.ByTeam))
	if err != nil {
		return nil, err
	}
	name, err := a.teamNames(ctx, lines, 1, "Unassigned")
	if err != nil {
		return nil, err
	}
	return teamSpendOf(lines, name), nil
}

// teamNames reads what the teams at a place of the lines are called. A team without an alias, or none at all, is called none.
func (a *API) teamNames(ctx context.Context, lines []ledger.Usage, at int, none string) (func(string) string, error) {
	teams, err := objectsOf[account.Team](ctx, a.opts.Store, account.Teams, "team_id", idsAt(lines, at))
	return func(id string) string { return cmp.Or(teams[id].TeamAlias, none) }, err
}

// globalModels is GET /global/spend/models: the upstream models that cost most in the last 30 days.
func (a *API) globalModels(ctx context.Context, c *call, in limitRequest) (any, error) {
	limit, refused := in.bounded(maxRows)
	if refused != nil {
		return nil, refused
	}
	q := over(lastDays(c.now, recent), ledger.ByModel)
	q.Sort, q.Desc, q.Limit = "spend", true, limit
	lines, err := a.usage(ctx, c, q)
	out := []row{}
	for _, line := range lines {
		if line.Values[0] != "" {
			out = append(out, row{"model": line.Values[0], "total_spend": line.Metrics.Spend})
		}
	}
	return out, err
}

type datesRequest struct {
	StartDate Opt[ID] `json:"start_date"`
	EndDate   Opt[ID] `json:"end_date"`
}

// days are the days that are asked for, the last one included. Both dates must be given.
func (r datesRequest) days() (period, *apierr.Error) {
	if !r.StartDate.Given() || !r.EndDate.Given() {
		return period{}, badRequest(needDates)
	}
	return inclusiveDays(string(r.StartDate.Value), string(r.EndDate.Value), nil)
}

// daysOr are the days that are asked for, the last 30 where none are.
func (r datesRequest) daysOr(c *call) (period, *apierr.Error) {
	if !r.StartDate.Given() && !r.EndDate.Given() {
		return lastDays(c.now, recent), nil
	}
	return r.days()
}

// needDates is LiteLLM's text for a report without dates.
const needDates = "Please provide start_date and end_date"

// globalProviders is GET /global/spend/provider.
func (a *API) globalProviders(ctx context.Context, c *call, in datesRequest) (any, error) {
	days, refused := in.days()
	if refused != nil {
		return nil, refused
	}
	lines, err := a.usage(ctx, c, over(days, ledger.ByProvider))
	out := []row{}
	for _, line := range lines {
		if line.Values[0] != "" {
			out = append(out, row{"provider": line.Values[0], "spend": line.Metrics.Spend})
		}
	}
	return out, err
}

type tagSpendRequest struct {
	datesRequest
	Tags Opt[ID] `json:"tags"` // "a,b"
}

// globalTags is GET /global/spend/tags.
func (a *API) globalTags(ctx context.Context, c *call, in tagSpendRequest) (any, error) {
	days, refused := in.days()
	if refused != nil {
		return nil, refused
	}
	q := over(days, ledger.ByTag)
	if tags := list(in.Tags); !slices.Contains(tags, "all-tags") {
		narrow(q.Where, ledger.ByTag, tags...)
	}
	lines, err := a.tagUsage(ctx, c, q)
	out := []row{}
	for _, line := range lines {
		out = append(out, row{"name": line.Values[0], "spend": line.Metrics.Spend, "log_count": line.Metrics.Requests})
	}
	return map[string]any{"spend_per_tag": out}, err
}

// spendTags is GET /spend/tags. Unlike LiteLLM's it heeds the dates.
func (a *API) spendTags(ctx context.Context, c *call, in datesRequest) (any, error) {
	days, refused := in.daysOr(c)
	if refused != nil {
		return nil, refused
	}
	lines, err := a.tagUsage(ctx, c, over(days, ledger.ByTag))
	out := []row{}
	for _, line := range lines {
		out = append(out, row{"individual_request_tag": line.Values[0], "log_count": line.Metrics.Requests, "total_spend": line.Metrics.Spend})
	}
	return out, err
}

// tagUsage is usage by tag, the most expensive first, without the calls that have none.
func (a *API) tagUsage(ctx context.Context, c *call, q ledger.UsageQuery) ([]ledger.Usage, error) {
	q.Sort, q.Desc = "spend", true
	lines, err := a.usage(ctx, c, q)
	return slices.DeleteFunc(lines, func(u ledger.Usage) bool { return u.Values[0] == "" }), err
}

// dimensionValues are the distinct values of a dimension that the caller may see, sorted.
func (a *API) dimensionValues(ctx context.Context, c *call, d ledger.Dimension) ([]string, error) {
	days := lastDays(c.now, maxDays)
	if c.who.seesAll() {
		a.sync(ctx)
		names, err := a.opts.Reports.Values(ctx, d, days.From, days.To)
		return orEmpty(slices.DeleteFunc(names, func(s string) bool { return s == "" })), err
	}
	lines, err := a.usage(ctx, c, over(days, d))
	return orEmpty(idsAt(lines, 0)), err
}

// allTagNames is GET /global/spend/all_tag_names.
func (a *API) allTagNames(ctx context.Context, c *call, _ nothing) (any, error) {
	names, err := a.dimensionValues(ctx, c, ledger.ByTag)
	return row{"tag_names": names}, err
}

// allEndUsers is GET /global/all_end_users.
func (a *API) allEndUsers(ctx context.Context, c *call, _ nothing) (any, error) {
	names, err := a.dimensionValues(ctx, c, ledger.ByCustomer)
	return row{"end_users": names}, err
}

type endUserSpendRequest struct {
	APIKey    Opt[ID] `json:"api_key"`
	StartTime Opt[ID] `json:"startTime"`
	EndTime   Opt[ID] `json:"endTime"`
}

// topEndUsers is how many customers /global/spend/end_users lists.
const topEndUsers = 100

// globalEndUsers is POST /global/spend/end_users.
func (a *API) globalEndUsers(ctx context.Context, c *call, in endUserSpendRequest) (any, error) {
	days := lastDays(c.now, recent)
	if in.StartTime.Given() && in.EndTime.Given() {
		from, refused := parseMoment("startTime", string(in.StartTime.Value))
		if refused != nil {
			return nil, refused
		}
		to, refused := parseMoment("endTime", string(in.EndTime.Value))
		if refused != nil {
			return nil, refused
		}
		days = quarters(from, to)
	}
	q := over(days, ledger.ByCustomer)
	narrow(q.Where, ledger.ByKey, hashOf(string(in.APIKey.Value)))
	q.Sort, q.Desc, q.Limit = "spend", true, topEndUsers+1
	lines, err := a.usage(ctx, c, q)
	out := []row{}
	for _, line := range lines {
		if line.Values[0] != "" && len(out) < topEndUsers {
			out = append(out, row{"end_user": line.Values[0], "total_count": line.Metrics.Requests, "total_spend": line.Metrics.Spend})
		}
	}
	return out, err
}

// resetSpend is POST /global/spend/reset: keys and teams have spent nothing since now. What the ledger holds stays.
func (a *API) resetSpend(ctx context.Context, c *call, _ nothing) (any, error) {
	a.sync(ctx)
	err := c.update(ctx, func(tx *change) error {
		for _, kind := range []account.Kind{account.Keys, account.Teams} {
			if err := resetAll(ctx, tx, kind); err != nil {
				return err
			}
		}
		return nil
	})
	return map[string]any{"message": "Spend for all API Keys and Teams reset successfully", "status": "success"}, err
}

func resetAll(ctx context.Context, tx *change, kind account.Kind) error {
	var scopes []account.Scope
	_, err := tx.Find(ctx, kind, account.Filter{}, func(doc []byte) error {
		o := split(doc)
		if kind == account.Keys {
			scopes = append(scopes, account.KeyScope(plainText(o["token"])))
		} else {
			scopes = append(scopes, account.TeamScope(plainText(o["team_id"])))
		}
		return nil
	})
	if err != nil {
		return err
	}
	for part := range slices.Chunk(scopes, idsPerQuery) {
		counters, err := tx.Spend(ctx, part...)
		if err != nil {
			return err
		}
		for scope, counter := range counters {
			if counter.Spent == 0 {
				continue
			}
			if err := tx.SetSpent(ctx, scope, 0); err != nil {
				return err
			}
		}
	}
	return nil
}

// refreshSpend is POST /global/spend/refresh. The sums are kept up to date by every call, so there is no view to refresh.
func (a *API) refreshSpend(ctx context.Context, _ *call, _ nothing) (any, error) {
	a.sync(ctx)
	return map[string]any{"message": "MonthlyGlobalSpend view refreshed", "status": "success"}, nil
}
