package admin

import (
	"context"
	"slices"

	"tollgate/internal/ledger"
)

type reportRequest struct {
	datesRequest
	GroupBy        Opt[ID] `json:"group_by"` // team (default), customer or api_key
	APIKey         Opt[ID] `json:"api_key"`
	InternalUserID Opt[ID] `json:"internal_user_id"`
	TeamID         Opt[ID] `json:"team_id"`
	CustomerID     Opt[ID] `json:"customer_id"`
}

// spendReport is GET /global/spend/report: who spent what on which model, for charge-back.
func (a *API) spendReport(ctx context.Context, c *call, in reportRequest) (any, error) {
	days, refused := in.days()
	if refused != nil {
		return nil, refused
	}
	group := in.GroupBy.Or("team")
	if !slices.Contains([]ID{"team", "customer", "api_key"}, group) {
		return nil, badParam("group_by", "Invalid group_by: "+quote(string(group))+". Must be team, customer or api_key.")
	}
	q := over(days, ledger.ByDate, ledger.ByKey, ledger.ByModel)
	narrow(q.Where, ledger.ByKey, hashOf(string(in.APIKey.Value)))
	narrow(q.Where, ledger.ByUser, string(in.InternalUserID.Value))
	narrow(q.Where, ledger.ByTeam, string(in.TeamID.Value))
	narrow(q.Where, ledger.ByCustomer, string(in.CustomerID.Value))
	switch {
	case in.APIKey.Given(), in.InternalUserID.Given(), group == "api_key":
		q.By = []ledger.Dimension{ledger.ByKey, ledger.ByModel}
		lines, err := a.usage(ctx, c, q)
		return keyReports(lines), err
	case in.TeamID.Given() && in.CustomerID.Given():
		q.By = append(q.By, ledger.ByTeam, ledger.ByCustomer)
		return a.reportByTeam(ctx, c, q, "teams_customers", func(team string, rest []string) reportParty { return reportParty{TeamName: &team, Customer: &rest[0]} })
	case group == "customer":
		q.By = append(q.By, ledger.ByCustomer)
		lines, err := a.usage(ctx, c, q)
		lines = slices.DeleteFunc(lines, func(u ledger.Usage) bool { return u.Values[3] == "" })
		return reportDays(lines, "customers", func(v []string) reportParty { return reportParty{Customer: &v[0]} }), err
	}
	q.By = append(q.By, ledger.ByTeam)
	return a.reportByTeam(ctx, c, q, "teams", func(team string, _ []string) reportParty { return reportParty{TeamName: &team} })
}

// reportByTeam makes a report of lines by date, key, model, team and what else party is told of.
func (a *API) reportByTeam(ctx context.Context, c *call, q ledger.UsageQuery, member string, party func(team string, rest []string) reportParty) (any, error) {
	lines, err := a.usage(ctx, c, q)
	if err != nil {
		return nil, err
	}
	name, err := a.teamNames(ctx, lines, 3, "Unassigned Team")
	return reportDays(lines, member, func(v []string) reportParty { return party(name(v[0]), v[1:]) }), err
}
