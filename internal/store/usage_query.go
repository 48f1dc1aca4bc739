package store

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"tollgate/internal/ledger"
)

// usageColumns are the columns of usage_dims by their dimension.
var usageColumns = map[ledger.Dimension]string{
	ledger.ByKey: "api_key", ledger.ByUser: "user_id", ledger.ByTeam: "team_id", ledger.ByOrganization: "organization_id",
	ledger.ByCustomer: "end_user", ledger.ByTag: "tag", ledger.ByModel: "model", ledger.ByGroup: "model_group", ledger.ByModelID: "model_id",
	ledger.ByProvider: "custom_llm_provider", ledger.ByEndpoint: "endpoint",
}

// modelDimensions are those that the usage of models is told apart by.
var modelDimensions = []ledger.Dimension{ledger.ByModel, ledger.ByGroup, ledger.ByModelID, ledger.ByProvider, ledger.ByEndpoint}

// usageQuery is the SQL of a UsageQuery as it is put together.
type usageQuery struct {
	conditions
	s             *Store
	q             ledger.UsageQuery
	fine, coarse  string // tables: of slots, of days
	unit          int64  // seconds of what time is told apart by; 0 = it is not
	lo, hi        int64  // slots, [lo, hi)
	offsetCase    string // seconds that the zone is ahead of UTC at a slot
	alignedToDays bool   // days in the zone are days of UTC
}

// Usage implements ledger.Reports. Whole days (UTC) are read from the tables of days, what is left over from the quarters
// of an hour; a report by hour, or by day in another zone than UTC, from the quarters alone. A report by customer has the
// calls that have one, a report by tag those that have tags; usage is not kept by tag and customer together.
func (s *Store) Usage(ctx context.Context, q ledger.UsageQuery, each func(ledger.Usage) error) error {
	u := &usageQuery{s: s, q: q}
	if err := u.choose(); err != nil {
		return err
	}
	if err := u.bounds(ctx); err != nil {
		return err
	}
	text, err := u.text()
	if err != nil {
		return err
	}
	return s.readSlow(reportTimeout).rows(ctx, text, u.args, func(scan func(...any) error) error {
		line, err := u.scan(scan)
		if err != nil {
			return err
		}
		return each(line)
	})
}

// choose finds the tables that hold what is asked for in the fewest rows.
func (u *usageQuery) choose() error {
	table := usageOfModels
	for d := range usageColumns {
		if u.by(d) && !slices.Contains(modelDimensions, d) {
			table = usageOfKeys
		}
	}
	switch customer, tag := u.by(ledger.ByCustomer), u.by(ledger.ByTag); {
	case customer && tag:
		return fmt.Errorf("%w: usage is not kept by tag and customer together", ErrField)
	case customer:
		table = usageOfCustomers
	case tag:
		table = usageOfTags
	}
	u.fine, u.coarse = factTables[table], factTables[table+1]
	return nil
}

// by reports whether the query tells usage apart by d, or narrows it by d.
func (u *usageQuery) by(d ledger.Dimension) bool {
	return slices.Contains(u.q.By, d) || len(u.q.Where[d]) > 0 || len(u.q.Exclude[d]) > 0
}

// bounds finds the slots, and how the time is told apart.
func (u *usageQuery) bounds(ctx context.Context) error {
	u.lo, u.hi = math.MinInt32, math.MaxInt32
	if !u.q.From.IsZero() {
		u.lo = floorDiv(u.q.From.Unix(), secondsPerSlot)
	}
	if !u.q.To.IsZero() {
		u.hi = -floorDiv(-u.q.To.Unix(), secondsPerSlot)
	}
	for _, d := range u.q.By {
		switch d {
		case ledger.ByHour:
			u.unit = 60 * 60
		case ledger.ByDate:
			u.unit = cmp.Or(u.unit, 24*60*60)
		}
	}
	u.offsetCase, u.alignedToDays = "0", u.unit != 60*60
	if u.unit == 0 || u.q.Zone == nil || u.q.Zone == time.UTC {
		return nil
	}
	from, to := u.lo, u.hi
	if from == math.MinInt32 || to == math.MaxInt32 { // only offsets of times that there are
		err := u.s.read().row(ctx, `SELECT coalesce(min(slot), 0), coalesce(max(slot), 0) + 1 FROM `+u.coarse, nil, &from, &to)
		if err != nil {
			return err
		}
		from, to = max(u.lo, from*slotsPerDay), min(u.hi, to*slotsPerDay)
	}
	u.offsets(from, to)
	return nil
}

// offsets writes the offset of the zone as SQL: one case for each stretch of time between the changes of its clocks.
func (u *usageQuery) offsets(from, to int64) {
	var cases strings.Builder
	all := map[int]bool{}
	for slot := from; ; {
		t := time.Unix(slot*secondsPerSlot, 0).In(u.q.Zone)
		_, offset := t.Zone()
		all[offset] = true
		_, end := t.ZoneBounds()
		if end.IsZero() || end.Unix() >= to*secondsPerSlot {
			fmt.Fprintf(&cases, "ELSE %d END", offset)
			break
		}
		slot = -floorDiv(-end.Unix(), secondsPerSlot)
		fmt.Fprintf(&cases, "WHEN f.at < %d THEN %d ", slot, offset)
	}
	u.offsetCase = "CASE " + cases.String()
	if strings.HasPrefix(u.offsetCase, "CASE ELSE") {
		u.offsetCase = strings.TrimSuffix(strings.TrimPrefix(u.offsetCase, "CASE ELSE "), " END")
	}
	u.alignedToDays = u.alignedToDays && len(all) == 1 && all[0]
}

const sumList = `sum(f.spend) AS spend, CAST(sum(f.prompt) AS bigint) AS prompt, CAST(sum(f.completion) AS bigint) AS completion,
	CAST(sum(f.cache_read) AS bigint) AS cache_read, CAST(sum(f.cache_creation) AS bigint) AS cache_creation,
	CAST(sum(f.successful) AS bigint) AS successful, CAST(sum(f.failed) AS bigint) AS failed`

// text sums in two steps: by dim and time, which are narrow, then by the columns that are asked for.
func (u *usageQuery) text() (string, error) {
	var columns []string
	for _, d := range u.q.By {
		switch column, ok := usageColumns[d]; {
		case d == ledger.ByDate:
			columns = append(columns, fmt.Sprintf("f.t / %d", 24*60*60/u.unit))
		case d == ledger.ByHour:
			columns = append(columns, "f.t")
		case ok:
			columns = append(columns, "d."+column)
		default:
			return "", fmt.Errorf("%w: usage is not told apart by %q", ErrField, d)
		}
	}
	facts, err := u.facts()
	if err != nil {
		return "", err
	}
	t := "0"
	if u.unit > 0 {
		t = fmt.Sprintf("(CAST(f.at AS bigint) * %d + %s) / %d", secondsPerSlot, u.offsetCase, u.unit)
	}
	list, group := "", ""
	for i, c := range columns {
		list += fmt.Sprintf("%s AS c%d, ", c, i+1)
	}
	if len(columns) > 0 {
		group = " GROUP BY " + strings.Join(columns, ", ")
	}
	text := `WITH f AS (SELECT f.dim, ` + t + ` AS t, ` + sumList + ` FROM (` + facts + `) AS f GROUP BY 1, 2)
		SELECT ` + list + sumList + ` FROM f JOIN usage_dims d ON d.id = f.dim` + u.ofSort() + group
	if len(columns) == 0 {
		text += ` HAVING count(*) > 0`
	}
	order, err := u.order(len(columns))
	if err != nil {
		return "", err
	}
	text += order
	if u.q.Limit > 0 {
		text += ` LIMIT ` + u.arg(u.q.Limit)
	}
	return text, nil
}

// ofSort repeats of what sort the dims are, so that a partial index finds them among all.
func (u *usageQuery) ofSort() string {
	switch u.fine {
	case factTables[usageOfTags]:
		return ` AND d.tag <> ''`
	case factTables[usageOfCustomers]:
		return ` AND d.end_user <> ''`
	default:
		return ""
	}
}

func (u *usageQuery) order(columns int) (string, error) {
	var keys []string
	direction := ""
	if u.q.Desc {
		direction = " DESC"
	}
	switch u.q.Sort {
	case "":
	case "spend":
		keys = append(keys, "spend"+direction)
	case "requests":
		keys = append(keys, "sum(f.successful) + sum(f.failed)"+direction)
	default:
		return "", fmt.Errorf("%w: usage cannot be sorted by %q", ErrField, u.q.Sort)
	}
	for i := range columns {
		if u.q.Sort == "" {
			keys = append(keys, fmt.Sprintf("%d%s", i+1, direction))
			continue
		}
		keys = append(keys, fmt.Sprint(i+1))
	}
	if len(keys) == 0 {
		return "", nil
	}
	return " ORDER BY " + strings.Join(keys, ", "), nil
}

// facts selects the rows of usage that are summed: dim, at (a slot) and the sums.
func (u *usageQuery) facts() (string, error) {
	filter, err := u.filter()
	if err != nil {
		return "", err
	}
	part := func(table string, lo, hi int64, at string) string {
		return `SELECT u.dim, ` + at + ` AS at, u.spend, u.prompt, u.completion, u.cache_read, u.cache_creation, u.successful, u.failed
			FROM ` + table + fmt.Sprintf(` u WHERE u.slot >= %d AND u.slot < %d`, lo, hi) + filter
	}
	firstDay, endDay := -floorDiv(-u.lo, slotsPerDay), floorDiv(u.hi, slotsPerDay)
	if !u.alignedToDays || firstDay >= endDay {
		return part(u.fine, u.lo, u.hi, "u.slot"), nil
	}
	parts := []string{part(u.coarse, firstDay, endDay, fmt.Sprintf("u.slot * %d", slotsPerDay))}
	if u.lo > math.MinInt32 && u.lo < firstDay*slotsPerDay {
		parts = append(parts, part(u.fine, u.lo, firstDay*slotsPerDay, "u.slot"))
	}
	if u.hi < math.MaxInt32 && u.hi > endDay*slotsPerDay {
		parts = append(parts, part(u.fine, endDay*slotsPerDay, u.hi, "u.slot"))
	}
	return strings.Join(parts, " UNION ALL "), nil
}

// filter narrows by dimensions.
func (u *usageQuery) filter() (string, error) {
	var all []string
	for _, side := range [...]struct {
		values map[ledger.Dimension][]string
		not    string
	}{{u.q.Where, ""}, {u.q.Exclude, "NOT "}} {
		for d, values := range side.values {
			column, ok := usageColumns[d]
			if !ok {
				return "", fmt.Errorf("%w: usage cannot be narrowed by %q", ErrField, d)
			}
			values = slices.DeleteFunc(slices.Clone(values), func(v string) bool { return !storable(v) })
			condition := side.not + `(` + u.s.dialect.anyOf("x."+column, u.arg(u.s.dialect.list(values))) + `)`
			if side.not == "" && !slices.Contains(values, "") && d != ledger.ByKey {
				condition += ` AND x.` + column + ` <> ''` // the partial index
			}
			all = append(all, condition)
		}
	}
	if len(all) == 0 {
		return "", nil
	}
	return ` AND u.dim IN (SELECT x.id FROM usage_dims x WHERE ` + strings.Join(all, " AND ") + `)`, nil
}

// scan reads a line.
func (u *usageQuery) scan(scan func(...any) error) (ledger.Usage, error) {
	line := ledger.Usage{Values: make([]string, len(u.q.By))}
	times := make([]int64, len(u.q.By))
	dest := make([]any, 0, len(u.q.By)+7)
	for i, d := range u.q.By {
		if d == ledger.ByDate || d == ledger.ByHour {
			dest = append(dest, &times[i])
			continue
		}
		dest = append(dest, &line.Values[i])
	}
	m := &line.Metrics
	dest = append(dest, scanUSD{&m.Spend}, &m.PromptTokens, &m.CompletionTokens, &m.CacheReadTokens, &m.CacheCreationTokens, &m.Successful, &m.Failed)
	err := scan(dest...)
	m.TotalTokens, m.Requests = m.PromptTokens+m.CompletionTokens, m.Successful+m.Failed
	for i, d := range u.q.By {
		switch d {
		case ledger.ByDate:
			line.Values[i] = time.Unix(times[i]*24*60*60, 0).UTC().Format("2006-01-02")
		case ledger.ByHour:
			line.Values[i] = time.Unix(times[i]*60*60, 0).UTC().Format("2006-01-02T15")
		}
	}
	return line, err
}

// Values implements ledger.Reports. The time is looked at by whole days (UTC).
func (s *Store) Values(ctx context.Context, d ledger.Dimension, from, to time.Time) ([]string, error) {
	column, ok := usageColumns[d]
	if !ok {
		return nil, fmt.Errorf("%w: %q has no list of values", ErrField, d)
	}
	u := &usageQuery{q: ledger.UsageQuery{By: []ledger.Dimension{d}}}
	if err := u.choose(); err != nil {
		return nil, err
	}
	c := &conditions{}
	c.parts = append(c.parts, `u.dim = d.id`)
	if !from.IsZero() {
		c.add(`u.slot >= CAST(%s AS integer)`, floorDiv(from.Unix(), 24*60*60))
	}
	if !to.IsZero() {
		c.add(`u.slot < CAST(%s AS integer)`, -floorDiv(-to.Unix(), 24*60*60))
	}
	var values []string
	err := s.readSlow(reportTimeout).rows(ctx, `SELECT DISTINCT d.`+column+` FROM usage_dims d WHERE d.`+column+` <> ''
		AND EXISTS (SELECT 1 FROM `+u.coarse+` u`+c.where()+`) ORDER BY 1`, c.args, func(scan func(...any) error) error {
		var v string
		err := scan(&v)
		values = append(values, v)
		return err
	})
	return values, err
}
