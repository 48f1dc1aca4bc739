package cli

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tollgate/internal/client"
	"tollgate/internal/money"
)

// payer is what a report tells spend apart by.
type payer struct {
	name  string
	kind  string // of /…/daily/activity
	parts func(a *client.Activity, day int) map[string]client.ActivityPart
	// whole says that the parts add up to everything, but for calls that have none. Tags do not: a call with two counts
	// under both.
	whole bool
}

var payers = []payer{
	{"team", "team", entities, true},
	{"key", "key", func(a *client.Activity, day int) map[string]client.ActivityPart { return a.Results[day].Breakdown.Keys }, true},
	{"user", "user", entities, true},
	{"tag", "tag", entities, false},
	{"model", "key", func(a *client.Activity, day int) map[string]client.ActivityPart {
		return a.Results[day].Breakdown.Models
	}, true},
	{"alias", "key", func(a *client.Activity, day int) map[string]client.ActivityPart {
		return a.Results[day].Breakdown.ModelGroups
	}, true},
	{"provider", "key", func(a *client.Activity, day int) map[string]client.ActivityPart {
		return a.Results[day].Breakdown.Providers
	}, true},
	{"customer", "customer", entities, true},
	{"organization", "organization", entities, true},
}

func entities(a *client.Activity, day int) map[string]client.ActivityPart {
	return a.Results[day].Breakdown.Entities
}

type reportOptions struct {
	by, from, to, month, timezone string
	daily, asCSV                  bool
}

func newSpendReport(r *remote) *cobra.Command {
	o := &reportOptions{}
	var names []string
	for _, p := range payers {
		names = append(names, p.name)
	}
	cmd := r.leaf("report", "Sum up spend, for charge-back", cobra.NoArgs, func(ctx context.Context, c *client.Client, _ *cobra.Command, _ []string) error {
		return r.spendReport(ctx, c, o)
	})
	cmd.Long = `Sum up what was spent from one day to another, both included. The amounts are exact. The line without a name is what has no team (user,
key ...), so that the lines add up to all that was spent; those of tags do not, since a call can have several.`
	f := cmd.Flags()
	f.StringVar(&o.by, "by", "team", "what to tell apart: "+strings.Join(names, ", "))
	f.StringVar(&o.from, "from", "", "first day: 2026-11-01; the first of this month when not given")
	f.StringVar(&o.to, "to", "", "last day; today when not given")
	f.StringVar(&o.month, "month", "", "a whole month in place of --from and --to: 2026-10")
	f.StringVar(&o.timezone, "timezone", "", "where days begin: Europe/Paris, or minutes behind UTC; UTC when not given")
	f.BoolVar(&o.daily, "daily", false, "a line for each day")
	f.BoolVar(&o.asCSV, "csv", false, "print CSV; a text that a spreadsheet would take for a formula gets an apostrophe before it")
	return cmd
}

// reportLine is what one payer spent, in all or on one day.
type reportLine struct {
	Date             string    `json:"date,omitzero"`
	ID               string    `json:"id"`
	Name             string    `json:"name"`
	Requests         int64     `json:"requests"`
	Successful       int64     `json:"successful_requests"`
	Failed           int64     `json:"failed_requests"`
	PromptTokens     int64     `json:"prompt_tokens"`
	CompletionTokens int64     `json:"completion_tokens"`
	TotalTokens      int64     `json:"total_tokens"`
	Spend            money.USD `json:"spend"`
}

// add adds sums to the line, or, with a sign of -1, takes them off.
func (l *reportLine) add(m client.Metrics, sign int64) error {
	spend, err := money.ParseRounded(firstOf(string(m.Spend), "0"))
	if err == nil {
		spend, err = spend.Mul(sign)
	}
	if err == nil {
		l.Spend, err = l.Spend.Add(spend)
	}
	l.Requests += sign * m.Requests
	l.Successful += sign * m.Successful
	l.Failed += sign * m.Failed
	l.PromptTokens += sign * m.PromptTokens
	l.CompletionTokens += sign * m.CompletionTokens
	l.TotalTokens += sign * m.TotalTokens
	return err
}

// report is lines by day and id.
type report struct {
	daily bool
	lines map[[2]string]*reportLine
}

func (r *report) line(date, id string) *reportLine {
	if !r.daily {
		date = ""
	}
	at := [2]string{date, id}
	if r.lines[at] == nil {
		r.lines[at] = &reportLine{Date: date, ID: id}
	}
	return r.lines[at]
}

// sorted are the lines by day, the dearest first.
func (r *report) sorted() []reportLine {
	out := []reportLine{}
	for _, l := range r.lines {
		if (*l != reportLine{Date: l.Date}) { // an empty rest
			out = append(out, *l)
		}
	}
	slices.SortFunc(out, func(a, b reportLine) int {
		switch {
		case a.Date != b.Date:
			return strings.Compare(a.Date, b.Date)
		case a.Spend > b.Spend:
			return -1
		case a.Spend < b.Spend:
			return 1
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out
}

// unassigned is the user of calls that have none, in the activity of users.
const unassigned = "Unassigned"

func (r *remote) spendReport(ctx context.Context, c *client.Client, o *reportOptions) error {
	i := slices.IndexFunc(payers, func(p payer) bool { return p.name == o.by })
	if i < 0 {
		return usagef("--by %q: nothing is told apart by that; `tollgate spend report --help` lists what is", o.by)
	}
	query, err := o.query(time.Now())
	if err != nil {
		return err
	}
	sums := &report{daily: o.daily, lines: map[[2]string]*reportLine{}}
	by := payers[i]
	err = eachPage(ctx, c, by.kind, query, func(a *client.Activity) error {
		for day := range a.Results {
			date := a.Results[day].Date
			for id, part := range by.parts(a, day) {
				if by.whole && id == unassigned {
					continue // of users; it is in what is left over
				}
				line := sums.line(date, id)
				line.Name = firstOf(line.Name, partName(&part))
				if err := line.add(part.Metrics, 1); err != nil {
					return err
				}
				if by.whole {
					if err := sums.line(date, "").add(part.Metrics, -1); err != nil {
						return err
					}
				}
			}
		}
		return nil
	})
	if err == nil && by.whole {
		err = sums.addAll(ctx, c, query)
	}
	if err != nil {
		return err
	}
	return r.printReport(o, sums.sorted())
}

// addAll adds everything to the lines without a name, from which the parts were taken off: the rest is left.
func (r *report) addAll(ctx context.Context, c *client.Client, query url.Values) error {
	return eachPage(ctx, c, "key", query, func(a *client.Activity) error {
		for _, day := range a.Results {
			if err := r.line(day.Date, "").add(day.Metrics, 1); err != nil {
				return err
			}
		}
		return nil
	})
}

// eachPage hands every page of an activity on.
func eachPage(ctx context.Context, c *client.Client, kind string, query url.Values, each func(*client.Activity) error) error {
	const size, most = 1000, 10_000 // lines of a page, as LiteLLM's; pages, lest a server count without end
	for page := 1; page <= most; page++ {
		answer, err := c.Activity(ctx, kind, query, page, size)
		if err != nil {
			var refused *client.Error
			if kind == "key" && errors.As(err, &refused) && refused.Status == http.StatusNotFound {
				return fmt.Errorf("%w (the reports of keys and models need a Tollgate: LiteLLM has no /key/daily/activity)", err)
			}
			return err
		}
		if err := each(&answer.Value); err != nil {
			return err
		}
		if !answer.Value.Metadata.HasMore {
			return nil
		}
	}
	return errors.New("the report has too many pages: ask for fewer days")
}

// partName is what a part is called, where it is called something.
func partName(p *client.ActivityPart) string {
	m := &p.Metadata
	return firstOf(m.TeamAlias, m.KeyAlias, m.UserEmail, m.UserAlias, m.OrgAlias, m.Alias)
}

// query is the period that is asked for.
func (o *reportOptions) query(now time.Time) (url.Values, error) {
	if zone, err := time.LoadLocation(o.timezone); err == nil {
		now = now.In(zone)
	}
	from, to := o.from, o.to
	if o.month != "" {
		first, err := time.Parse("2006-01", o.month)
		if err != nil || from != "" || to != "" {
			return nil, usagef("--month %q: write it as 2026-10, without --from and --to", o.month)
		}
		from, to = first.Format(time.DateOnly), first.AddDate(0, 1, -1).Format(time.DateOnly)
	}
	from = firstOf(from, now.Format("2006-01")+"-01")
	to = firstOf(to, now.Format(time.DateOnly))
	for flag, day := range map[string]string{"from": from, "to": to} {
		if _, err := time.Parse(time.DateOnly, day); err != nil {
			return nil, usagef("--%s %q is not a day: write it as 2026-11-25", flag, day)
		}
	}
	if to < from {
		return nil, usagef("--to %s is before --from %s", to, from)
	}
	query := url.Values{"start_date": {from}, "end_date": {to}}
	if o.timezone != "" {
		query.Set("timezone", o.timezone)
	}
	return query, nil
}

func (r *remote) printReport(o *reportOptions, lines []reportLine) error {
	if o.asCSV {
		return writeReport(r.env.Stdout, o, lines)
	}
	text, err := json.Marshal(lines)
	if err != nil {
		return err
	}
	return r.show(text, func(c *columns) {
		head := []any{strings.ToUpper(o.by), "NAME", "REQUESTS", "FAILED", "PROMPT", "COMPLETION", "SPEND USD"}
		if o.daily {
			head = slices.Insert(head, 0, any("DAY"))
		}
		c.row(head...)
		for _, l := range lines {
			id := l.ID
			if o.by == "key" {
				id = short(id)
			}
			cells := []any{firstOf(id, "(none)"), l.Name, l.Requests, l.Failed, l.PromptTokens, l.CompletionTokens, l.Spend}
			if o.daily {
				cells = slices.Insert(cells, 0, any(l.Date))
			}
			c.row(cells...)
		}
	})
}

func writeReport(w io.Writer, o *reportOptions, lines []reportLine) error {
	out := csv.NewWriter(w)
	head := []string{o.by, "name", "requests", "successful_requests", "failed_requests", "prompt_tokens", "completion_tokens", "total_tokens", "spend_usd"}
	if o.daily {
		head = slices.Insert(head, 0, "date")
	}
	records := [][]string{head}
	for _, l := range lines {
		record := []string{noFormula(l.ID), noFormula(l.Name)}
		for _, n := range []int64{l.Requests, l.Successful, l.Failed, l.PromptTokens, l.CompletionTokens, l.TotalTokens} {
			record = append(record, strconv.FormatInt(n, 10))
		}
		record = append(record, l.Spend.String())
		if o.daily {
			record = slices.Insert(record, 0, l.Date)
		}
		records = append(records, record)
	}
	return out.WriteAll(records)
}

// noFormula keeps a spreadsheet from running a name that a caller chose.
func noFormula(text string) string {
	if text != "" && strings.ContainsRune("=+-@\t\r", rune(text[0])) {
		return "'" + text
	}
	return text
}
