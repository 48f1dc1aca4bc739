package cli

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tollgate/internal/client"
)

func newSpend(env *Environment) *cobra.Command {
	cmd, r := newGroup(env, "spend", "Show calls and what they cost", "Show calls of a running gateway and what they cost.")
	cmd.AddCommand(newSpendLogs(r), newSpendReport(r))
	return cmd
}

var logQuery = []queryFlag{
	{"team", "team_id", "calls of a team"},
	{"user", "user_id", "calls of a user"},
	{"customer", "end_user", "calls for a customer"},
	{"model", "model", "calls that a model answered"},
	{"request-id", "request_id", "the call with an id"},
	{"status", "status_filter", "success or failure"},
	{"min-spend", "min_spend", "calls that cost as much, in dollars"},
	{"sort-by", "sort_by", "startTime, spend, total_tokens or request_duration_ms"},
	{"sort-order", "sort_order", "asc or desc"},
}

type logOptions struct {
	from, to, of string
	since        time.Duration
	pages        pageFlags
}

func newSpendLogs(r *remote) *cobra.Command {
	o := &logOptions{}
	cmd := r.leaf("logs", "List calls, the newest first", cobra.NoArgs, func(ctx context.Context, c *client.Client, cmd *cobra.Command, _ []string) error {
		return r.spendLogs(ctx, c, cmd, o)
	})
	addQueryFlags(cmd, logQuery)
	cmd.Flags().StringVar(&o.of, "of", "", "calls of a key: the key itself, its hash, or its alias")
	cmd.Flags().StringVar(&o.from, "from", "", `first moment, in UTC: 2026-11-25, or "2026-11-25 14:00:00"`)
	cmd.Flags().StringVar(&o.to, "to", "", "moment behind the last, likewise; now when not given")
	cmd.Flags().DurationVar(&o.since, "since", 24*time.Hour, "how far back to look when --from is not given")
	o.pages.add(cmd, 50)
	return cmd
}

func (r *remote) spendLogs(ctx context.Context, c *client.Client, cmd *cobra.Command, o *logOptions) error {
	query := readQuery(cmd, logQuery)
	from, to, err := o.period(time.Now())
	if err != nil {
		return err
	}
	query.Set("start_date", from)
	query.Set("end_date", to)
	if o.of != "" {
		hash, err := keyHash(ctx, c, o.of)
		if err != nil {
			return err
		}
		query.Set("api_key", hash)
	}
	list, err := c.SpendLogs(ctx, query, o.pages.page, o.pages.size)
	if err != nil {
		return err
	}
	err = r.show(list.Raw, func(c *columns) {
		c.row("TIME (UTC)", "KEY", "TEAM", "USER", "MODEL", "STATUS", "PROMPT", "COMPLETION", "SPEND USD", "REQUEST")
		for _, row := range list.Value.Data {
			at, _, _ := strings.Cut(strings.Replace(row.StartTime, "T", " ", 1), ".")
			c.row(strings.TrimSuffix(at, "Z"), firstOf(row.Metadata.KeyAlias, short(row.APIKey)), row.TeamID, row.User, row.Model, row.Status,
				row.PromptTokens, row.CompletionTokens, row.Spend, row.RequestID)
		}
	})
	if err != nil {
		return err
	}
	return r.more(list.Value.Page, list.Value.TotalPages, list.Value.Total, "calls")
}

// period is the time that is asked for, in the API's form.
func (o *logOptions) period(now time.Time) (from, to string, err error) {
	start, end := now.Add(-o.since), now.Add(time.Second)
	for _, p := range []struct {
		flag, text string
		at         *time.Time
	}{{"from", o.from, &start}, {"to", o.to, &end}} {
		if p.text == "" {
			continue
		}
		layout := time.DateTime
		if len(p.text) == len(time.DateOnly) {
			layout = time.DateOnly
		}
		if *p.at, err = time.Parse(layout, p.text); err != nil {
			return "", "", usagef(`--%s %q is neither a day (2026-11-25) nor a moment ("2026-11-25 14:00:00")`, p.flag, p.text)
		}
	}
	return start.UTC().Format(time.DateTime), end.UTC().Format(time.DateTime), nil
}
