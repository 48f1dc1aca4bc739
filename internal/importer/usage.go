package importer

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate/internal/ledger"
)

// LiteLLM sums calls by the day in tables that it never prunes. Of the days before the first row of the ledger these sums
// are all that is left, and they are brought in the rows' place.

// Dimensions of the sums by user and key, and by tag.
var (
	byPayer = []ledger.Dimension{ledger.ByKey, ledger.ByUser, ledger.ByTeam, ledger.ByOrganization, ledger.ByModel, ledger.ByGroup, ledger.ByProvider, ledger.ByEndpoint, ledger.ByTag}
	tagAt   = len(byPayer) - 1
)

// errFound ends a query when the first row is there.
var errFound = errors.New("importer: found")

func (r *run) usage(ctx context.Context) error {
	if !r.source.has("DailyUserSpend", "date", "api_key", "user_id") {
		return nil
	}
	before, err := r.firstDay(ctx)
	if err != nil {
		return err
	}
	days, err := r.days(ctx, before)
	if err != nil || len(days) == 0 {
		return err
	}
	line := r.report.line("days without rows, as sums")
	for i, day := range days {
		line.Found++
		lines, err := r.linesOf(ctx, day)
		if err != nil {
			return err
		}
		if err := r.putDay(ctx, line, day, lines); err != nil {
			return err
		}
		r.o.Progress(line.What, int64(i+1), int64(len(days)))
	}
	if r.dry() || line.Brought == 0 {
		return nil
	}
	// From here on the ledger holds rows to its sums; before there are sums alone. Nothing is removed: no row is older.
	_, err = r.o.Target.Prune(ctx, before, nil)
	return err
}

// firstDay is the day (UTC) of the first row of the ledger; today where it has none.
func (r *run) firstDay(ctx context.Context) (time.Time, error) {
	first := time.Now().UTC()
	if r.dry() {
		var at *time.Time
		err := r.o.Source.QueryRow(ctx, `SELECT min("startTime") FROM `+quoted(spendLogs)).Scan(&at)
		if at != nil {
			first = *at
		}
		return first.Truncate(24 * time.Hour), err
	}
	err := r.o.Target.Rows(ctx, ledger.RowQuery{Limit: 1}, func(row *ledger.Row) error {
		first = row.StartTime.UTC()
		return errFound
	})
	if errors.Is(err, errFound) {
		err = nil
	}
	return first.Truncate(24 * time.Hour), err
}

// days are the days before a time of which there are sums.
func (r *run) days(ctx context.Context, before time.Time) ([]time.Time, error) {
	rows, err := r.o.Source.Query(ctx, `SELECT DISTINCT date FROM `+quoted("DailyUserSpend")+` WHERE date < $1 AND date >= $2 ORDER BY date`,
		before.Format(time.DateOnly), r.o.Since.UTC().Format(time.DateOnly))
	if err != nil {
		return nil, err
	}
	var days []time.Time
	var text string
	_, err = pgx.ForEachRow(rows, []any{&text}, func() error {
		day, err := time.Parse(time.DateOnly, text)
		if err == nil {
			days = append(days, day)
		}
		return nil
	})
	return days, err
}

func (r *run) putDay(ctx context.Context, line *Line, day time.Time, lines []ledger.Usage) error {
	done := true
	if !r.dry() {
		var err error
		if done, err = r.o.Target.ImportUsage(ctx, day, byPayer, lines); err != nil {
			return err
		}
	}
	if !done {
		line.There++
		return nil
	}
	line.Brought++
	for i := range lines {
		v := lines[i].Values
		if v[tagAt] == "" {
			r.add(lines[i].Metrics.Spend, payers(v[0], v[2], v[1], v[3], "")...)
		}
	}
	return nil
}

// linesOf reads the sums of a day. LiteLLM tells users, teams and tags apart in tables of their own, each of all calls;
// those by user are the basis, and the team is that of the key.
func (r *run) linesOf(ctx context.Context, day time.Time) ([]ledger.Usage, error) {
	lines, err := r.sums(ctx, day, "DailyUserSpend", `coalesce(d.user_id, '')`, `''`)
	if err != nil || !r.source.has("DailyTagSpend", "date", "tag") {
		return lines, err
	}
	tags, err := r.sums(ctx, day, "DailyTagSpend", `''`, `coalesce(d.tag, '')`)
	for i := range tags {
		if tags[i].Values[tagAt] != "" {
			lines = append(lines, tags[i])
		}
	}
	return lines, err
}

func (r *run) sums(ctx context.Context, day time.Time, table, user, tag string) ([]ledger.Usage, error) {
	text := func(column string) string {
		if r.source.has(table, column) {
			return `coalesce(d.` + column + `, '')`
		}
		return `''`
	}
	number := func(column string) string {
		if r.source.has(table, column) {
			return `coalesce(sum(d.` + column + `), 0)::bigint`
		}
		return `0::bigint`
	}
	query := `SELECT d.api_key, ` + user + `, coalesce(k.team_id, ''), coalesce(k.organization_id, ''), ` + text("model") + `, ` + text("model_group") + `, ` +
		text("custom_llm_provider") + `, ` + text("endpoint") + `, ` + tag + `,
		coalesce(sum(d.spend::text::numeric), 0)::text, ` + number("prompt_tokens") + `, ` + number("completion_tokens") + `, ` + number("cache_read_input_tokens") + `, ` +
		number("cache_creation_input_tokens") + `, ` + number("successful_requests") + `, ` + number("failed_requests") + `, ` + number("api_requests") + `
		FROM ` + quoted(table) + ` d LEFT JOIN (` + r.owners() + `) k ON k.token = d.api_key
		WHERE d.date = $1 GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9`
	rows, err := r.o.Source.Query(ctx, query, day.Format(time.DateOnly))
	if err != nil {
		return nil, err
	}
	var lines []ledger.Usage
	values := make([]string, len(byPayer))
	into := make([]any, 0, 20)
	for i := range values {
		into = append(into, &values[i])
	}
	var spend string
	var m ledger.Metrics
	into = append(into, &spend, &m.PromptTokens, &m.CompletionTokens, &m.CacheReadTokens, &m.CacheCreationTokens, &m.Successful, &m.Failed, &m.Requests)
	_, err = pgx.ForEachRow(rows, into, func() error {
		line := ledger.Usage{Values: append([]string(nil), values...), Metrics: m}
		line.Metrics.Spend, _ = dollars(spend)
		// Versions before the columns of successes and failures counted calls alone.
		if m.Successful+m.Failed == 0 {
			line.Metrics.Successful = m.Requests
		}
		if r.o.MasterKey != "" && line.Values[0] == r.o.MasterKey {
			line.Values[0] = ledger.MasterKey
		}
		lines = append(lines, line)
		return nil
	})
	return lines, err
}

// owners are the team and the organization of each key, deleted ones included.
func (r *run) owners() string {
	part := func(table string) string {
		org := `NULL::text`
		if r.source.has(table, "organization_id") {
			org = `organization_id`
		}
		return `SELECT token, team_id, ` + org + ` AS organization_id FROM ` + quoted(table)
	}
	all := part("VerificationToken")
	if r.source.has("DeletedVerificationToken", "token", "team_id") {
		all += ` UNION ALL ` + part("DeletedVerificationToken")
	}
	return `SELECT token, max(team_id) AS team_id, max(organization_id) AS organization_id FROM (` + all + `) x GROUP BY token`
}
