package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tollgate/internal/ledger"
)

var (
	_ ledger.Sink        = (*Store)(nil)
	_ ledger.Reports     = (*Store)(nil)
	_ ledger.Maintenance = (*Store)(nil)
)

// reportTimeout is how long a report may take to its first row.
const reportTimeout = 2 * time.Minute

// conditions are the WHERE of a query as it is put together.
type conditions struct {
	parts []string
	args  []any
}

// add adds a condition; every %s in it is the placeholder of the argument at its place.
func (c *conditions) add(condition string, args ...any) {
	places := make([]any, len(args))
	for i, a := range args {
		places[i] = c.arg(a)
	}
	c.parts = append(c.parts, fmt.Sprintf(condition, places...))
}

// arg adds an argument and returns its placeholder.
func (c *conditions) arg(a any) string {
	c.args = append(c.args, a)
	return fmt.Sprintf("$%d", len(c.args))
}

func (c *conditions) where() string {
	if len(c.parts) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(c.parts, " AND ")
}

// Rows implements ledger.Reports.
func (s *Store) Rows(ctx context.Context, q ledger.RowQuery, each func(*ledger.Row) error) error {
	order, err := rowOrder(q)
	if err != nil {
		return err
	}
	c, ok, err := s.rowConditions(ctx, q)
	if err != nil || !ok {
		return err
	}
	if !q.AfterTime.IsZero() {
		compare := ">"
		if q.Desc {
			compare = "<"
		}
		// start_time alone decides mostly, and is what the index knows.
		c.add(`start_time `+compare+`= %s`, q.AfterTime.UTC())
		c.add(`(start_time, call_id) `+compare+` (%s, %s)`, q.AfterTime.UTC(), q.AfterCall)
	}
	text := `SELECT ` + rowList() + ` FROM spend_logs` + c.where() + ` ORDER BY ` + order
	if q.Limit > 0 {
		text += ` LIMIT ` + c.arg(q.Limit)
	}
	if q.Offset > 0 && q.AfterTime.IsZero() {
		if q.Limit == 0 && s.pool == nil {
			text += ` LIMIT -1` // SQLite knows no OFFSET without it
		}
		text += ` OFFSET ` + c.arg(q.Offset)
	}
	return s.readSlow(reportTimeout).rows(ctx, text, c.args, func(scan func(...any) error) error {
		r, err := scanRow(scan)
		if err != nil {
			return err
		}
		return each(r)
	})
}

// rowOrder is the order of rows; ties are broken by the call.
func rowOrder(q ledger.RowQuery) (string, error) {
	column := map[string]string{
		"": "start_time", "startTime": "start_time", "endTime": "end_time", "spend": "spend", "total_tokens": "total_tokens",
		"request_duration_ms": "request_duration_ms", "model": "model",
	}[q.Sort]
	if column == "" {
		return "", fmt.Errorf("%w: rows cannot be sorted by %q", ErrField, q.Sort)
	}
	direction := ""
	if q.Desc {
		direction = " DESC"
	}
	return column + direction + ", call_id" + direction, nil
}

// rowConditions narrows rows. It reports false for a query that no row can match.
func (s *Store) rowConditions(ctx context.Context, q ledger.RowQuery) (*conditions, bool, error) {
	c := &conditions{}
	if q.KeyAlias != "" && storable(q.KeyAlias) { // by the keys that have had it: an alias lies deep in the row
		keys, all, err := s.keysOfAlias(ctx, q.KeyAlias)
		if err != nil || len(keys) == 0 {
			return nil, false, err
		}
		if all {
			c.add(s.dialect.anyOf(`api_key`, `%s`), s.dialect.list(keys))
		}
	}
	// The second conditions repeat what a partial index is limited to: the planner does not see it in an argument.
	for _, f := range []struct{ value, condition string }{
		{q.RequestID, `request_id = %s`},
		{q.CallID, `call_id = %s`},
		{q.SessionID, `session_id = %s AND (session_id <> call_id OR call_id = %[1]s)`},
		{q.APIKey, `api_key = %s`},
		{q.User, `user_id = %s AND user_id <> ''`},
		{q.TeamID, `team_id = %s AND team_id <> ''`},
		{q.OrganizationID, `organization_id = %s`},
		{q.EndUser, `end_user = %s AND end_user <> ''`},
		{q.Model, `model = %s`},
		{q.ModelID, `model_id = %s`},
		{q.ModelGroup, `model_group = %s`},
		{q.CacheHit, `cache_hit = %s`},
		{q.ErrorCode, `metadata->'error_information'->>'error_code' = %s AND status = 'failure'`},
	} {
		if f.value == "" {
			continue
		}
		if !storable(f.value) {
			return nil, false, nil
		}
		c.add(f.condition, f.value)
	}
	for _, f := range []struct{ value, field string }{
		{q.KeyAlias, `metadata->>'user_api_key_alias'`},
		{q.ErrorMessage, `metadata->'error_information'->>'error_message'`},
	} {
		if f.value == "" {
			continue
		}
		if !storable(f.value) {
			return nil, false, nil
		}
		c.add(`lower(`+f.field+`) LIKE %s ESCAPE '!'`, containing(f.value))
	}
	if q.ErrorMessage != "" {
		c.parts = append(c.parts, `status = 'failure'`)
	}
	switch q.Status { // as literals, which a partial index can be chosen by
	case "":
	case ledger.StatusSuccess:
		c.parts = append(c.parts, `status = 'success'`)
	case ledger.StatusFailure:
		c.parts = append(c.parts, `status = 'failure'`)
	default:
		return nil, false, nil
	}
	if q.MinSpend != nil {
		c.add(s.moneyAtLeast(`spend`), s.dialect.money(*q.MinSpend))
	}
	if q.MaxSpend != nil {
		c.add(s.moneyAtMost(`spend`), s.dialect.money(*q.MaxSpend))
	}
	if !q.From.IsZero() {
		c.add(`start_time >= %s`, q.From.UTC())
	}
	if !q.To.IsZero() {
		c.add(`start_time < %s`, q.To.UTC())
	}
	return c, true, nil
}

func (s *Store) moneyAtLeast(column string) string {
	return column + ` >= CAST(%s AS ` + s.moneyType() + `)`
}
func (s *Store) moneyAtMost(column string) string {
	return column + ` <= CAST(%s AS ` + s.moneyType() + `)`
}

// moneyType is the type of amounts of money, for casts.
func (s *Store) moneyType() string {
	if s.pool == nil {
		return "INTEGER"
	}
	return "NUMERIC"
}

// likeText is text inside of a LIKE pattern with ESCAPE '!'.
func likeText(text string) string {
	return strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(text)
}

// CountRows implements ledger.Reports. Where only dimensions of usage and the time narrow the rows, they are counted in
// the usage, which is exact and fast over millions; only at the ends of the time, within quarters of an hour, they are
// counted one by one.
func (s *Store) CountRows(ctx context.Context, q ledger.RowQuery) (int64, error) {
	where, ok := usageOf(q)
	if !ok {
		return s.countEach(ctx, q)
	}
	pruned, err := s.prunedBefore(ctx, s.read())
	if err != nil {
		return 0, err
	}
	if pruned.After(q.From) {
		q.From = pruned
	}
	u := ledger.UsageQuery{From: slotUp(q.From), To: slotDown(q.To), Where: where}
	if !u.To.IsZero() && !u.From.Before(u.To) {
		return s.countEach(ctx, q)
	}
	var n int64
	err = s.Usage(ctx, u, func(line ledger.Usage) error {
		switch q.Status {
		case ledger.StatusSuccess:
			n += line.Metrics.Successful
		case ledger.StatusFailure:
			n += line.Metrics.Failed
		default:
			n += line.Metrics.Requests
		}
		return nil
	})
	ends := [...]ledger.RowQuery{q, q}
	ends[0].To, ends[1].From = u.From, u.To
	for _, end := range ends {
		if err == nil && end.From.Before(end.To) && !end.From.IsZero() {
			var m int64
			m, err = s.countEach(ctx, end)
			n += m
		}
	}
	return n, err
}

// usageOf is the part of a query that usage can answer, and whether that is all of it. model is left out: what a caller
// asks for that is none of ours is in its row, but not in the usage.
func usageOf(q ledger.RowQuery) (map[ledger.Dimension][]string, bool) {
	rest := q
	rest.APIKey, rest.User, rest.TeamID, rest.OrganizationID, rest.EndUser, rest.ModelID, rest.ModelGroup, rest.Status = "", "", "", "", "", "", "", ""
	rest.From, rest.To, rest.Sort, rest.Desc, rest.Limit, rest.Offset = time.Time{}, time.Time{}, "", false, 0, 0
	rest.AfterTime, rest.AfterCall = time.Time{}, ""
	where := map[ledger.Dimension][]string{}
	for d, value := range map[ledger.Dimension]string{
		ledger.ByKey: q.APIKey, ledger.ByUser: q.User, ledger.ByTeam: q.TeamID, ledger.ByOrganization: q.OrganizationID,
		ledger.ByCustomer: q.EndUser, ledger.ByModelID: q.ModelID, ledger.ByGroup: q.ModelGroup,
	} {
		if value != "" {
			where[d] = []string{value}
		}
	}
	return where, rest == ledger.RowQuery{}
}

func (s *Store) countEach(ctx context.Context, q ledger.RowQuery) (n int64, err error) {
	c, ok, err := s.rowConditions(ctx, q)
	if err != nil || !ok {
		return 0, err
	}
	err = s.readSlow(reportTimeout).row(ctx, `SELECT count(*) FROM spend_logs`+c.where(), c.args, &n)
	return n, err
}

// prunedBefore is the time before which rows are gone; zero = none are.
func (s *Store) prunedBefore(ctx context.Context, r runner) (before time.Time, err error) {
	err = r.row(ctx, `SELECT pruned_before FROM ledger_state`, nil, scanTime{&before})
	return before, err
}

// slotDown is the beginning of the quarter of an hour of t, slotUp the first one not before t. Zero stays zero.
func slotDown(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return time.Unix(floorDiv(t.Unix(), secondsPerSlot)*secondsPerSlot, 0).UTC()
}

func slotUp(t time.Time) time.Time {
	down := slotDown(t)
	if down.Before(t) {
		return down.Add(secondsPerSlot * time.Second)
	}
	return down
}
