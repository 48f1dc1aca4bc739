package importer

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"tollgate/internal/account"
	"tollgate/internal/ledger"
)

// A page is what one query of the source reads; a batch is what one transaction of the target books.
const (
	pageRows   = 50_000
	batchRows  = 5_000
	batchBytes = 16 << 20
)

// rowColumns are what is read of a spend row, in the order of scan; with what stands for a column that a version of LiteLLM
// does not have.
var rowColumns = []struct{ name, form, absent string }{
	{"request_id", `s.%s`, `''`}, {"call_type", `coalesce(s.%s, '')`, `''`}, {"api_key", `coalesce(s.%s, '')`, `''`},
	{"spend", `coalesce(s.%s::text, '0')`, `'0'`}, {"total_tokens", `coalesce(s.%s, 0)::bigint`, `0::bigint`},
	{"prompt_tokens", `coalesce(s.%s, 0)::bigint`, `0::bigint`}, {"completion_tokens", `coalesce(s.%s, 0)::bigint`, `0::bigint`},
	{"startTime", `s.%s`, `NULL::timestamp`}, {"endTime", `s.%s`, `NULL::timestamp`}, {"request_duration_ms", `s.%s::bigint`, `NULL::bigint`},
	{"completionStartTime", `s.%s`, `NULL::timestamp`}, {"model", `coalesce(s.%s, '')`, `''`}, {"model_id", `coalesce(s.%s, '')`, `''`},
	{"model_group", `coalesce(s.%s, '')`, `''`}, {"custom_llm_provider", `coalesce(s.%s, '')`, `''`}, {"api_base", `coalesce(s.%s, '')`, `''`},
	{"user", `coalesce(s.%s, '')`, `''`}, {"metadata", `coalesce(s.%s::text, '')`, `''`}, {"cache_hit", `coalesce(s.%s, '')`, `''`},
	{"cache_key", `coalesce(s.%s, '')`, `''`}, {"request_tags", `coalesce(s.%s::text, '')`, `''`}, {"team_id", `coalesce(s.%s, '')`, `''`},
	{"organization_id", `coalesce(s.%s, '')`, `''`}, {"end_user", `coalesce(s.%s, '')`, `''`}, {"requester_ip_address", `coalesce(s.%s, '')`, `''`},
	{"messages", `coalesce(s.%s::text, '')`, `''`}, {"response", `coalesce(s.%s::text, '')`, `''`},
	{"proxy_server_request", `coalesce(s.%s::text, '')`, `''`}, {"session_id", `coalesce(s.%s, '')`, `''`}, {"status", `coalesce(s.%s, '')`, `''`},
	{"agent_id", `coalesce(s.%s, '')`, `''`}, {"mcp_namespaced_tool_name", `coalesce(s.%s, '')`, `''`},
}

// rowQuery reads a page of rows behind a row, by the index on startTime.
func rowQuery(s schema) string {
	list := make([]string, len(rowColumns))
	for i, c := range rowColumns {
		list[i] = c.absent
		if s.has(spendLogs, c.name) {
			list[i] = fmt.Sprintf(c.form, `"`+c.name+`"`)
		}
	}
	return `SELECT ` + strings.Join(list, ", ") + ` FROM ` + quoted(spendLogs) + ` s
		WHERE s."startTime" >= $1 AND (s."startTime", s.request_id) > ($1, $2) ORDER BY s."startTime", s.request_id LIMIT ` + fmt.Sprint(pageRows)
}

const spendLogs = "SpendLogs"

// rows brings the ledger. Reading and booking go on side by side.
func (r *run) rows(ctx context.Context) error {
	if !r.source.has(spendLogs, "request_id", "startTime") {
		return nil
	}
	line := r.report.line("spend rows")
	from, err := r.firstRow(ctx, line)
	if err != nil {
		return err
	}
	all, err := r.count(ctx, spendLogs, ` WHERE "startTime" >= $1`, from)
	if err != nil {
		return err
	}
	if r.dry() {
		line.Found, line.Brought = all, all
		return nil
	}
	batches := make(chan []ledger.Row, 2)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		defer close(batches)
		return r.readRows(ctx, from, batches)
	})
	group.Go(func() error {
		for rows := range batches {
			booked, err := r.o.Target.ImportRows(ctx, rows)
			if err != nil {
				return err
			}
			r.sum(rows)
			line.Found += int64(len(rows))
			line.Brought += int64(booked)
			line.There += int64(len(rows) - booked)
			r.o.Progress("spend rows", line.Found, max(all, line.Found))
		}
		return ctx.Err()
	})
	if err := group.Wait(); err != nil {
		return fmt.Errorf("%w; what was booked up to here stays, and another run goes on", err)
	}
	return nil
}

// firstRow is the time from which rows are brought.
func (r *run) firstRow(ctx context.Context, line *Line) (time.Time, error) {
	from := r.o.Since.UTC()
	if r.o.Since.IsZero() {
		from = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if r.dry() {
		return from, nil
	}
	kept, err := r.o.Target.KeptSince(ctx)
	if err != nil || !kept.After(from) {
		return from, err
	}
	n, err := r.count(ctx, spendLogs, ` WHERE "startTime" >= $1 AND "startTime" < $2`, from, kept.UTC())
	if n > 0 {
		line.Found += n
		line.Left += n
		r.report.leaveMany("spend rows before "+kept.Format(time.DateTime), "rows of that time have left the ledger already, or their days were brought as sums: they could not be told from rows that were counted before", "", n)
	}
	return kept, err
}

// readRows reads the rows in order and sends them on in batches.
func (r *run) readRows(ctx context.Context, from time.Time, to chan<- []ledger.Row) error {
	reader := &rowReader{run: r, query: rowQuery(r.source), from: from, to: to}
	for {
		n, err := reader.page(ctx)
		if err != nil {
			return err
		}
		if n < pageRows {
			return nil
		}
	}
}

// rowReader reads page after page.
type rowReader struct {
	*run
	query string
	from  time.Time // the start and the id of the last row
	last  string
	to    chan<- []ledger.Row
	batch []ledger.Row
	size  int // bytes of the batch's documents
}

// page reads a page and sends it on. It returns how many rows there were.
func (p *rowReader) page(ctx context.Context) (n int, err error) {
	rows, err := p.o.Source.Query(ctx, p.query, p.from, p.last)
	if err != nil {
		return 0, err
	}
	defer rows.Close()
	for ; rows.Next(); n++ {
		row, err := p.scanRow(rows.Scan)
		if err != nil {
			return n, err
		}
		p.from, p.last = row.StartTime, row.RequestID
		p.batch = append(p.batch, p.clean(row))
		p.size += len(row.Metadata) + len(row.Messages) + len(row.Response) + len(row.ProxyServerRequest)
		if len(p.batch) < batchRows && p.size < batchBytes {
			continue
		}
		if err := p.send(ctx); err != nil {
			return n, err
		}
	}
	if err := rows.Err(); err != nil || len(p.batch) == 0 {
		return n, err
	}
	return n, p.send(ctx)
}

// send sends the batch on and begins another.
func (p *rowReader) send(ctx context.Context) error {
	select {
	case p.to <- p.batch:
		p.batch, p.size = make([]ledger.Row, 0, batchRows), 0
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// scanRow reads a row as it stands.
func (r *run) scanRow(scan func(...any) error) (ledger.Row, error) {
	var row ledger.Row
	var spend string
	var end *time.Time
	var duration *int64
	var documents [5]string
	err := scan(&row.RequestID, &row.CallType, &row.APIKey, &spend, &row.TotalTokens, &row.PromptTokens, &row.CompletionTokens,
		&row.StartTime, &end, &duration, &row.CompletionStartTime, &row.Model, &row.ModelID, &row.ModelGroup, &row.Provider, &row.APIBase,
		&row.User, &documents[0], &row.CacheHit, &row.CacheKey, &documents[1], &row.TeamID, &row.OrganizationID, &row.EndUser, &row.RequesterIP,
		&documents[2], &documents[3], &documents[4], &row.SessionID, &row.Status, &row.AgentID, &row.MCPToolName)
	for i, to := range [...]*account.JSON{&row.Metadata, &row.RequestTags, &row.Messages, &row.Response, &row.ProxyServerRequest} {
		*to = unwrap(account.JSON(documents[i]))
	}
	row.EndTime = row.StartTime
	if end != nil {
		row.EndTime = *end
	}
	row.RequestDurationMS = row.EndTime.Sub(row.StartTime).Milliseconds()
	if duration != nil {
		row.RequestDurationMS = *duration
	}
	var known bool
	if row.Spend, known = dollars(spend); err == nil && !known {
		r.report.leave("what some calls cost", "it is no amount of money: they are booked at 0", row.RequestID)
	}
	return row, err
}

// clean makes a row of ours of one of LiteLLM's.
func (r *run) clean(row ledger.Row) ledger.Row {
	for _, text := range []*string{
		&row.RequestID, &row.CallType, &row.APIKey, &row.Model, &row.ModelID, &row.ModelGroup, &row.Provider, &row.APIBase, &row.User, &row.CacheHit,
		&row.CacheKey, &row.TeamID, &row.OrganizationID, &row.EndUser, &row.RequesterIP, &row.SessionID, &row.Status, &row.AgentID, &row.MCPToolName,
	} {
		*text = ledger.Clean(*text)
	}
	row.CallID = row.RequestID // LiteLLM's is unique
	if r.o.MasterKey != "" && row.APIKey == r.o.MasterKey {
		row.APIKey = ledger.MasterKey
	}
	if row.Status == "" {
		row.Status = statusOf(row.Metadata)
	}
	return row
}

// statusOf is how a call ended, where the row has no column for it: older versions noted it in the metadata, or not at all.
func statusOf(metadata account.JSON) string {
	var m struct {
		Status string `json:"status"`
	}
	if json.Unmarshal(metadata, &m) == nil && m.Status == ledger.StatusFailure {
		return ledger.StatusFailure
	}
	return ledger.StatusSuccess
}

// sum adds rows to the totals of who paid them.
func (r *run) sum(rows []ledger.Row) {
	for i := range rows {
		row := &rows[i]
		if row.Spend == 0 {
			continue
		}
		scopes := payers(row.APIKey, row.TeamID, row.User, row.OrganizationID, row.EndUser)
		var tags []string
		if json.Unmarshal(row.RequestTags, &tags) == nil {
			for _, tag := range tags {
				scopes = append(scopes, account.TagScope(tag))
			}
		}
		for _, scope := range scopes {
			for _, w := range r.underWay[scope] {
				if !row.StartTime.Before(w.from) && row.StartTime.Before(w.to) {
					scopes = append(scopes, w.scope)
				}
			}
		}
		r.add(row.Spend, scopes...)
	}
}

// payers are the counters of a call.
func payers(key, team, user, org, customer string) []account.Scope {
	scopes := append(make([]account.Scope, 0, 8), account.GlobalScope)
	for _, p := range [...]struct {
		id    string
		scope func(string) account.Scope
	}{{key, account.KeyScope}, {team, account.TeamScope}, {user, account.UserScope}, {org, account.OrgScope}, {customer, account.CustomerScope}} {
		if p.id != "" {
			scopes = append(scopes, p.scope(p.id))
		}
	}
	if team != "" && user != "" {
		scopes = append(scopes, account.MemberScope(team, user))
	}
	if org != "" && user != "" {
		scopes = append(scopes, account.OrgMemberScope(org, user))
	}
	return scopes
}
