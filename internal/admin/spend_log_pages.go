package admin

import (
	"context"
	"slices"
	"strconv"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
	"tollgate/internal/ledger"
	"tollgate/internal/money"
)

// maxPage is how many things a page of rows has at most, as LiteLLM's.
const maxPage = 100

type logPageRequest struct {
	APIKey       Opt[ID]             `json:"api_key"`
	UserID       Opt[ID]             `json:"user_id"`
	RequestID    Opt[ID]             `json:"request_id"`
	SessionID    Opt[ID]             `json:"session_id"`
	TeamID       Opt[ID]             `json:"team_id"`
	OrgID        Opt[ID]             `json:"organization_id"` // ours
	MinSpend     Opt[account.Amount] `json:"min_spend"`
	MaxSpend     Opt[account.Amount] `json:"max_spend"`
	StartDate    Opt[ID]             `json:"start_date"`
	EndDate      Opt[ID]             `json:"end_date"`
	Page         Opt[int64]          `json:"page"`
	PageSize     Opt[int64]          `json:"page_size"`
	StatusFilter Opt[ID]             `json:"status_filter"`
	Model        Opt[ID]             `json:"model"`
	ModelID      Opt[ID]             `json:"model_id"`
	ModelGroup   Opt[ID]             `json:"model_group"`
	KeyAlias     Opt[ID]             `json:"key_alias"`
	EndUser      Opt[ID]             `json:"end_user"`
	ErrorCode    Opt[ID]             `json:"error_code"`
	ErrorMessage Opt[ID]             `json:"error_message"`
	SortBy       Opt[ID]             `json:"sort_by"`
	SortOrder    Opt[ID]             `json:"sort_order"`
}

// logSorts are the columns that rows can be sorted by.
var logSorts = []string{"startTime", "spend", "total_tokens", "request_duration_ms"}

// logPage is GET /spend/logs/v2 and /spend/logs/ui: one page of rows without what was said in the calls.
func (a *API) logPage(ctx context.Context, c *call, in logPageRequest) (any, error) {
	if !in.StartDate.Given() || !in.EndDate.Given() {
		return nil, badRequest("Start date and end date are required")
	}
	p, err := pageOf(in.Page, in.PageSize, 50, maxPage)
	if err != nil {
		return nil, err
	}
	q, err := in.query()
	if err != nil {
		return nil, err
	}
	if err := a.ownOrTeamRows(ctx, c, q); err != nil {
		return nil, err
	}
	a.sync(ctx)
	total, failed := a.opts.Reports.CountRows(ctx, *q)
	if failed != nil {
		return nil, failed
	}
	q.Limit, q.Offset = p.size, p.offset()
	data := []ledger.Row{}
	failed = a.opts.Reports.Rows(ctx, *q, func(r *ledger.Row) error {
		r.Messages, r.Response, r.ProxyServerRequest = emptyObject, emptyObject, emptyObject
		data = append(data, *r)
		return nil
	})
	return map[string]any{"data": data, "total": total, "page": p.number, "page_size": p.size, "total_pages": p.pages(int(total))}, failed
}

// emptyObject stands for what a list of rows leaves out.
var emptyObject = account.JSON("{}")

func (in *logPageRequest) query() (*ledger.RowQuery, *apierr.Error) {
	from, err := parseMoment("start_date", string(in.StartDate.Value))
	if err != nil {
		return nil, err
	}
	to, err := parseMoment("end_date", string(in.EndDate.Value))
	if err != nil {
		return nil, err
	}
	if len(in.EndDate.Value) == len(dayLayout) {
		to = to.AddDate(0, 0, 1) // a plain day is meant whole here
	}
	sort := string(in.SortBy.Or("startTime"))
	if sort == "endTime" {
		sort = "startTime"
	}
	if !slices.Contains(logSorts, sort) {
		return nil, badParam("sort_by", "Invalid sort_by field: "+quote(sort)+". Must be one of: startTime, endTime, spend, total_tokens, request_duration_ms")
	}
	order := in.SortOrder.Or("desc")
	if order != "asc" && order != "desc" {
		return nil, badParam("sort_order", "sort_order must be asc or desc.")
	}
	if s := in.StatusFilter.Value; s != "" && s != "success" && s != "failure" {
		return nil, badParam("status_filter", "status_filter must be success or failure.")
	}
	return &ledger.RowQuery{
		APIKey: hashOf(string(in.APIKey.Value)), User: string(in.UserID.Value), RequestID: string(in.RequestID.Value), SessionID: string(in.SessionID.Value),
		TeamID: string(in.TeamID.Value), OrganizationID: string(in.OrgID.Value), EndUser: string(in.EndUser.Value),
		Model: string(in.Model.Value), ModelID: string(in.ModelID.Value), ModelGroup: string(in.ModelGroup.Value), KeyAlias: string(in.KeyAlias.Value),
		ErrorCode: string(in.ErrorCode.Value), ErrorMessage: string(in.ErrorMessage.Value), Status: string(in.StatusFilter.Value),
		MinSpend: dollars(in.MinSpend), MaxSpend: dollars(in.MaxSpend), From: from, To: to, Sort: sort, Desc: order == "desc",
	}, nil
}

func dollars(o Opt[account.Amount]) *money.USD {
	if !o.Given() {
		return nil
	}
	usd := o.Value.USD()
	return &usd
}

// pageOf reads which page of a list is asked for.
func pageOf(number, size Opt[int64], usual, most int64) (page, *apierr.Error) {
	n, s := number.Or(1), size.Or(usual)
	switch {
	case n < 1 || n > 1<<31:
		return page{}, badParam("page", "page must be 1 or more.")
	case s < 1 || s > most:
		return page{}, badParam("page_size", "page_size must be from 1 to "+strconv.FormatInt(most, 10)+".")
	}
	return page{number: int(n), size: int(s)}, nil
}

// ownOrTeamRows narrows as ownRows does, but lets a team's admin, and its members where the team grants them /spend/logs, see
// the rows of the whole team when they ask for it.
func (a *API) ownOrTeamRows(ctx context.Context, c *call, q *ledger.RowQuery) error {
	if q.TeamID != "" && !c.who.seesAll() && c.who.user != "" {
		team, err := lookup[account.Team](ctx, a.opts.Store, q.TeamID)
		if err != nil {
			return err
		}
		if team != nil && relationInTeam(team, c.who.user, "/spend/logs") != 0 {
			return nil
		}
	}
	if err := c.ownRows(q); err != nil {
		return err
	}
	return nil
}

type logDetailRequest struct {
	RequestID Opt[ID] `json:"request_id" in:"path"`
	StartDate Opt[ID] `json:"start_date"`
	EndDate   Opt[ID] `json:"end_date"`
}

// logDetail is GET /spend/logs/ui/{request_id}: what was said in one call, where it is kept.
func (a *API) logDetail(ctx context.Context, c *call, in logDetailRequest) (any, error) {
	q := ledger.RowQuery{RequestID: string(in.RequestID.Value), Limit: 1}
	if err := c.ownRows(&q); err != nil {
		return nil, err
	}
	a.sync(ctx)
	var found map[string]any
	err := a.opts.Reports.Rows(ctx, q, func(r *ledger.Row) error {
		found = map[string]any{"messages": r.Messages, "response": r.Response, "proxy_server_request": r.ProxyServerRequest}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if found == nil {
		return nil, notFound("No call has the request id %s.", quote(q.RequestID))
	}
	return found, nil
}

type sessionRequest struct {
	SessionID Opt[ID] `json:"session_id" required:"true"`
}

// sessionLogs is GET /spend/logs/session/ui: the calls of one session, the oldest first.
func (a *API) sessionLogs(ctx context.Context, c *call, in sessionRequest) (any, error) {
	if !in.SessionID.Given() {
		return nil, badParam("session_id", "session_id is required.")
	}
	q := ledger.RowQuery{SessionID: string(in.SessionID.Value)}
	if err := c.ownRows(&q); err != nil {
		return nil, err
	}
	a.sync(ctx)
	return a.rows(ctx, c, q, maxRows, Opt[ID]{})
}
