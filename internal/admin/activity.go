package admin

import (
	"context"
	"maps"
	"slices"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
	"tollgate/internal/ledger"
)

// activityRequest is what /user/daily/activity and its kin take. Each of them reads the ids of its own kind and ignores the
// others'.
type activityRequest struct {
	StartDate Opt[ID]    `json:"start_date"`
	EndDate   Opt[ID]    `json:"end_date"`
	Model     Opt[ID]    `json:"model"`
	APIKey    Opt[ID]    `json:"api_key"`
	Page      Opt[int64] `json:"page"`
	PageSize  Opt[int64] `json:"page_size"`
	Timezone  Opt[ID]    `json:"timezone"`
}

func (in *activityRequest) common() *activityRequest { return in }

type userActivityRequest struct {
	activityRequest
	UserID Opt[ID] `json:"user_id"`
}

type teamActivityRequest struct {
	activityRequest
	IDs     Opt[ID] `json:"team_ids"`
	Exclude Opt[ID] `json:"exclude_team_ids"`
}

type tagActivityRequest struct {
	activityRequest
	IDs     Opt[ID] `json:"tags"`
	Exclude Opt[ID] `json:"exclude_tags"`
}

type orgActivityRequest struct {
	activityRequest
	IDs     Opt[ID] `json:"organization_ids"`
	Exclude Opt[ID] `json:"exclude_organization_ids"`
}

type customerActivityRequest struct {
	activityRequest
	IDs     Opt[ID] `json:"end_user_ids"`
	Exclude Opt[ID] `json:"exclude_end_user_ids"`
}

type keyActivityRequest struct {
	activityRequest
	Exclude Opt[ID] `json:"exclude_api_keys"`
}

// activitySubject says whose activity is asked for.
type activitySubject struct {
	dimension    ledger.Dimension
	ids, exclude []string
	pageSize     int64 // where none is asked for; 0 = everything in one page
}

// maxActivityPage is how many lines a page of activity has at most, as LiteLLM's.
const maxActivityPage = 1000

func (a *API) userActivity(ctx context.Context, c *call, in userActivityRequest) (any, error) {
	return a.dailyActivity(ctx, c, in.common(), activitySubject{dimension: ledger.ByUser, ids: list(in.UserID), pageSize: 50})
}

func (a *API) userActivityAggregated(ctx context.Context, c *call, in userActivityRequest) (any, error) {
	return a.dailyActivity(ctx, c, in.common(), activitySubject{dimension: ledger.ByUser, ids: list(in.UserID)})
}

// teamActivity shows team admins, and members whom the team grants it, the whole team.
func (a *API) teamActivity(ctx context.Context, c *call, in teamActivityRequest) (any, error) {
	s := activitySubject{dimension: ledger.ByTeam, ids: list(in.IDs), exclude: list(in.Exclude), pageSize: 10}
	whole, err := a.seesTeams(ctx, c, s.ids)
	if err != nil {
		return nil, err
	}
	if whole {
		return a.activityOf(ctx, in.common(), s, nil)
	}
	return a.dailyActivity(ctx, c, in.common(), s)
}

// seesTeams reports whether the caller, who does not see everything, may see all of the named teams' usage.
func (a *API) seesTeams(ctx context.Context, c *call, ids []string) (bool, error) {
	me := c.who.user
	if c.who.seesAll() || me == "" || len(ids) == 0 {
		return false, nil
	}
	teams, err := objectsOf[account.Team](ctx, a.opts.Store, account.Teams, "team_id", ids)
	if err != nil {
		return false, err
	}
	for _, id := range ids {
		team, ok := teams[id]
		if !ok {
			return false, nil
		}
		isOrgAdmin, err := administers(ctx, a.opts.Store, me, team.OrganizationID)
		if err != nil || !isOrgAdmin && relationInTeam(&team, me, "/team/daily/activity") == 0 {
			return false, err
		}
	}
	return true, nil
}

func (a *API) tagActivity(ctx context.Context, c *call, in tagActivityRequest) (any, error) {
	return a.dailyActivity(ctx, c, in.common(), activitySubject{dimension: ledger.ByTag, ids: list(in.IDs), exclude: list(in.Exclude), pageSize: 10})
}

// orgActivity shows the admins of organisations the whole of them.
func (a *API) orgActivity(ctx context.Context, c *call, in orgActivityRequest) (any, error) {
	s := activitySubject{dimension: ledger.ByOrganization, ids: list(in.IDs), exclude: list(in.Exclude), pageSize: 10}
	for _, id := range s.ids {
		ok, err := administers(ctx, a.opts.Store, c.who.user, id)
		if err != nil {
			return nil, err
		}
		if !ok {
			return a.dailyActivity(ctx, c, in.common(), s)
		}
	}
	if len(s.ids) == 0 {
		return a.dailyActivity(ctx, c, in.common(), s)
	}
	return a.activityOf(ctx, in.common(), s, nil)
}

func (a *API) customerActivity(ctx context.Context, c *call, in customerActivityRequest) (any, error) {
	return a.dailyActivity(ctx, c, in.common(), activitySubject{dimension: ledger.ByCustomer, ids: list(in.IDs), exclude: list(in.Exclude), pageSize: 10})
}

// keyActivity is ours: LiteLLM breaks keys down inside of the others alone. A key without a user sees itself.
func (a *API) keyActivity(ctx context.Context, c *call, in keyActivityRequest) (any, error) {
	s := activitySubject{dimension: ledger.ByKey, exclude: hashes(list(in.Exclude)), pageSize: 10}
	if !c.who.seesAll() && c.who.user == "" && c.who.key != nil {
		return a.activityOf(ctx, in.common(), s, map[ledger.Dimension][]string{ledger.ByKey: {c.who.hash}})
	}
	return a.dailyActivity(ctx, c, in.common(), s)
}

// dailyActivity answers with what the caller may see of the subjects: all, or what its user did.
func (a *API) dailyActivity(ctx context.Context, c *call, in *activityRequest, s activitySubject) (any, error) {
	var q ledger.UsageQuery
	if err := c.ownUsage(&q); err != nil {
		return nil, err
	}
	return a.activityOf(ctx, in, s, q.Where)
}

// activityOf answers with the activity of the subjects that bounds leaves.
func (a *API) activityOf(ctx context.Context, in *activityRequest, s activitySubject, bounds map[ledger.Dimension][]string) (any, error) {
	q, p, refused := in.query(s)
	if refused != nil {
		return nil, refused
	}
	for d, values := range bounds {
		q.Where[d] = values
	}
	a.sync(ctx)
	var sum activitySum
	lines, err := 0, error(nil)
	if p.size == 0 {
		err = a.activityLines(ctx, q, func(u ledger.Usage) { sum.add(u); lines++ })
		p.size = max(lines, 1)
	} else {
		lines, err = a.activityPage(ctx, q, p, &sum)
	}
	if err != nil {
		return nil, err
	}
	labels, err := a.activityLabels(ctx, &sum, s.dimension)
	if err != nil {
		return nil, err
	}
	reply := sum.reply(labels)
	reply.Metadata.Page, reply.Metadata.TotalPages = p.number, p.pages(lines)
	reply.Metadata.HasMore = p.number < reply.Metadata.TotalPages
	return reply, nil
}

// activityLines walks over the lines of a question that have an entity. Of users it is every line: LiteLLM's table has a row for
// each call, its usage page adds them up to what the whole gateway has spent, and calls of keys without a user are among them.
func (a *API) activityLines(ctx context.Context, q ledger.UsageQuery, each func(ledger.Usage)) error {
	all := q.By[len(q.By)-1] == ledger.ByUser
	return a.opts.Reports.Usage(ctx, q, func(u ledger.Usage) error {
		if len(u.Values) == len(activityDimensions) {
			u.Values = append(slices.Clone(u.Values), u.Values[1]) // of keys, which are told apart anyway
		}
		if all || u.Values[len(u.Values)-1] != "" {
			each(u)
		}
		return nil
	})
}

// activityPage adds the lines of one page and returns how many lines there are. It looks through them twice and holds those
// of the days alone that the page touches.
func (a *API) activityPage(ctx context.Context, q ledger.UsageQuery, p page, sum *activitySum) (lines int, err error) {
	perDay := map[string]int{}
	if err := a.activityLines(ctx, q, func(u ledger.Usage) { perDay[u.Values[0]]++; lines++ }); err != nil {
		return 0, err
	}
	newer := 0 // lines of days after the page
	var touched []string
	position := 0
	for _, date := range slices.Backward(slices.Sorted(maps.Keys(perDay))) {
		switch {
		case position+perDay[date] <= p.offset():
			newer += perDay[date]
		case position < p.offset()+p.size:
			touched = append(touched, date)
		}
		position += perDay[date]
	}
	if len(touched) == 0 {
		return lines, nil
	}
	days, refused := inclusiveDays(touched[len(touched)-1], touched[0], q.Zone)
	if refused != nil {
		return 0, refused
	}
	q.From, q.To = days.From, days.To
	var held []ledger.Usage
	err = a.activityLines(ctx, q, func(u ledger.Usage) { held = append(held, u) })
	slices.SortFunc(held, newestFirst)
	from := min(p.offset()-newer, len(held))
	for _, line := range held[from:min(from+p.size, len(held))] {
		sum.add(line)
	}
	return lines, err
}

func (in *activityRequest) query(s activitySubject) (ledger.UsageQuery, page, *apierr.Error) {
	var q ledger.UsageQuery
	if !in.StartDate.Given() || !in.EndDate.Given() {
		return q, page{}, badRequest(needDates)
	}
	zone, err := parseZone(string(in.Timezone.Value))
	if err != nil {
		return q, page{}, err
	}
	days, err := inclusiveDays(string(in.StartDate.Value), string(in.EndDate.Value), zone)
	if err != nil {
		return q, page{}, err
	}
	p := page{number: 1}
	if s.pageSize != 0 {
		if p, err = pageOf(in.Page, in.PageSize, s.pageSize, maxActivityPage); err != nil {
			return q, page{}, err
		}
	}
	q = over(days, activityDimensions...)
	if s.dimension != ledger.ByKey {
		q.By = append(q.By, s.dimension)
	}
	q.Exclude = map[ledger.Dimension][]string{}
	narrow(q.Where, s.dimension, s.ids...)
	narrow(q.Exclude, s.dimension, s.exclude...)
	narrow(q.Where, ledger.ByModel, string(in.Model.Value))
	if in.APIKey.Given() {
		q.Where[ledger.ByKey] = hashes(list(in.APIKey))
	}
	return q, p, nil
}

// hashes are the hashes of keys that may be raw.
func hashes(keys []string) []string {
	out := make([]string, len(keys))
	for i, key := range keys {
		out[i] = hashOf(key)
	}
	return out
}

// activityLabels reads what the ids of a sum stand for.
func (a *API) activityLabels(ctx context.Context, sum *activitySum, d ledger.Dimension) (activityLabels, error) {
	hashes, ids := sum.ids()
	keys, err := objectsOf[account.Key](ctx, a.opts.Store, account.Keys, "token", hashes)
	if err != nil {
		return activityLabels{}, err
	}
	labels := activityLabels{keys: keys, entities: map[string]map[string]any{}}
	switch d {
	case ledger.ByTeam:
		var teams map[string]account.Team
		teams, err = objectsOf[account.Team](ctx, a.opts.Store, account.Teams, "team_id", ids)
		for id, t := range teams {
			labels.entities[id] = map[string]any{"team_alias": orNull(t.TeamAlias)}
		}
	case ledger.ByOrganization:
		var orgs map[string]account.Organization
		orgs, err = objectsOf[account.Organization](ctx, a.opts.Store, account.Organizations, "organization_id", ids)
		for id, o := range orgs {
			labels.entities[id] = map[string]any{"organization_alias": orNull(o.OrganizationAlias)}
		}
	case ledger.ByUser:
		var users map[string]account.User
		users, err = objectsOf[account.User](ctx, a.opts.Store, account.Users, "user_id", ids)
		for id, u := range users {
			labels.entities[id] = map[string]any{"user_email": orNull(u.UserEmail), "user_alias": orNull(u.UserAlias)}
		}
	case ledger.ByCustomer:
		var customers map[string]account.Customer
		customers, err = objectsOf[account.Customer](ctx, a.opts.Store, account.Customers, "user_id", ids)
		for id, cu := range customers {
			labels.entities[id] = map[string]any{"alias": orNull(cu.Alias)}
		}
	}
	return labels, err
}

// agentActivity is the answer for agents, which the gateway does not have: nothing, over the days that were asked for.
func (a *API) agentActivity(_ context.Context, c *call, in activityRequest) (any, error) {
	if _, _, err := in.query(activitySubject{dimension: ledger.ByKey, pageSize: 10}); err != nil {
		return nil, err
	}
	reply := new(activitySum).reply(activityLabels{})
	reply.Metadata.Page = 1
	return reply, nil
}
