package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"tollgate/internal/app"
)

func newLedger(env *Environment) *cobra.Command {
	return offlineGroup("ledger", "Verify the ledger, and take old rows or a customer's data out of it", newLedgerVerify(env), newLedgerPrune(env), newLedgerErase(env))
}

func newLedgerVerify(env *Environment) *cobra.Command {
	s := &storeFlags{}
	asJSON := false
	cmd := &cobra.Command{
		Use: "verify", Short: "Prove that rows, usage and totals agree", Args: cobra.NoArgs,
		Long: `Compare, as of one moment and while calls go on: the rows with the usage of every day and key, usage by the quarter of an hour with usage by the day, and
usage with the total of every counter. Exits 1 when something does not agree.`,
	}
	cmd.RunE = onStore(env, s, func(ctx context.Context, o *app.Offline) error { return verifyLedger(ctx, env, o, asJSON) })
	s.add(cmd.Flags())
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the findings as JSON")
	return cmd
}

func verifyLedger(ctx context.Context, env *Environment, o *app.Offline, asJSON bool) error {
	bar := newProgressBar(env.Stderr)
	findings, err := o.Store.Verify(ctx, func(done, all int64) { bar.show("days", done, all) })
	bar.end()
	if err != nil {
		return err
	}
	if asJSON {
		lines := make([]map[string]any, len(findings))
		for i, f := range findings {
			lines[i] = map[string]any{"scope": f.Scope, "what": f.What, "got": f.Got.String(), "expected": f.Expected.String()}
		}
		err = printedJSON(env.Stdout, map[string]any{"agrees": len(findings) == 0, "findings": lines})
	} else {
		c := newColumns(env.Stdout)
		if len(findings) > 0 {
			c.row("OF", "GOT USD", "EXPECTED USD", "WHAT")
		}
		for _, f := range findings {
			c.row(firstOf(string(f.Scope), "the ledger"), f.Got, f.Expected, f.What)
		}
		if err = c.flush(); err == nil && len(findings) == 0 {
			_, err = fmt.Fprintln(env.Stdout, "rows, usage and totals agree")
		}
	}
	if err == nil && len(findings) > 0 {
		err = exitError(exitFailed)
	}
	return err
}

func newLedgerPrune(env *Environment) *cobra.Command {
	s := &storeFlags{}
	before := ""
	cmd := &cobra.Command{
		Use: "prune --before DAY", Short: "Remove old rows; what they add up to stays", Args: cobra.NoArgs,
		Long: `Remove the rows of calls that began before a day. Usage and totals stay. A gateway does the same by itself where
general_settings.maximum_spend_logs_retention_period is set.`,
	}
	run := onStore(env, s, func(ctx context.Context, o *app.Offline) error { return pruneLedger(ctx, env, o, before) })
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if _, err := time.Parse(time.DateOnly, before); err != nil {
			return usagef("--before needs a day such as 2026-01-31, not %q", before)
		}
		return run(cmd, args)
	}
	s.add(cmd.Flags())
	cmd.Flags().StringVar(&before, "before", "", "the first day (UTC) that stays, such as 2026-01-31")
	return cmd
}

func pruneLedger(ctx context.Context, env *Environment, o *app.Offline, before string) error {
	day, err := time.Parse(time.DateOnly, before)
	if err != nil {
		return err
	}
	bar := newProgressBar(env.Stderr)
	n, err := o.Store.Prune(ctx, day, func(removed int64) { bar.show("rows removed", removed, 0) })
	bar.end()
	if err != nil {
		return fmt.Errorf("%d rows are removed; run this again for the rest: %w", n, err)
	}
	_, err = fmt.Fprintf(env.Stdout, "%d rows from before %s are removed\n", n, before)
	return err
}

func newLedgerErase(env *Environment) *cobra.Command {
	s := &storeFlags{}
	customer := ""
	cmd := &cobra.Command{
		Use: "erase --end-user ID", Short: "Take an end user's data out of the ledger; the money stays", Args: cobra.NoArgs,
		Long: `Take an end user's name, address, prompts, answers, tags and metadata off its rows and usage. Who paid, for what, how much and when stays. The customer
itself is deleted by the gateway's /customer/delete.`,
	}
	run := onStore(env, s, func(ctx context.Context, o *app.Offline) error {
		n, err := o.Store.EraseCustomer(ctx, customer)
		if err != nil {
			return fmt.Errorf("%d rows are erased; run this again for the rest: %w", n, err)
		}
		_, err = fmt.Fprintf(env.Stdout, "%d rows hold nothing of %s any more\n", n, printable(customer))
		return err
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if customer == "" {
			return usagef("--end-user names whose data goes")
		}
		return run(cmd, args)
	}
	s.add(cmd.Flags())
	cmd.Flags().StringVar(&customer, "end-user", "", "the end user's id, as calls named it")
	return cmd
}
