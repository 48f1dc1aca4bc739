package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tollgate/internal/app"
)

type importOptions struct {
	store       storeFlags
	from, since string
	saltFile    string
	dryRun      bool
	asJSON      bool
}

func newImport(env *Environment) *cobra.Command {
	return offlineGroup("import", "Bring what another gateway has stored", newImportLiteLLM(env))
}

func newImportLiteLLM(env *Environment) *cobra.Command {
	o := &importOptions{}
	cmd := &cobra.Command{
		Use: "litellm --from URL", Short: "Bring a LiteLLM database", Args: cobra.NoArgs,
		Long: `Bring keys, teams, users, organizations, customers, budgets, tags, stored models, credentials, settings, what was spent, the audit log and the
spend rows from the PostgreSQL database of a LiteLLM proxy, which is only read. Callers' keys go on working.

Secrets that LiteLLM has stored are opened with LITELLM_SALT_KEY (or the master key, where LiteLLM had no salt key) and sealed anew. It may be ended at any
moment and run again: what is there already stays as it is, and nothing is counted twice.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return importLiteLLM(cmd, env, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.from, "from", "", "LiteLLM's database, a postgres:// URL, or os.environ/NAME for the variable that holds it [TOLLGATE_IMPORT_FROM]")
	f.StringVar(&o.store.url, "to", "", "the gateway's "+databaseURLUsage)
	f.StringVar(&o.store.dataDir, "data-dir", "", "bring it into the database file of this data directory, whatever DATABASE_URL is; "+dataDirUsage)
	f.StringVarP(&o.store.config, "config", "c", "", storeConfigUsage)
	f.StringVar(&o.saltFile, "litellm-salt-key-file", "", "file with LiteLLM's salt key, where it is another than the gateway's [TOLLGATE_LITELLM_SALT_KEY]")
	f.StringVar(&o.since, "since", "", "bring spend rows from this day on, such as 2026-01-31 (UTC)")
	f.BoolVar(&o.dryRun, "dry-run", false, "read everything, open every secret, and write nothing")
	f.BoolVar(&o.asJSON, "json", false, "print the report as JSON")
	return cmd
}

// source is the URL of LiteLLM's database.
func (o *importOptions) source(env *Environment) (string, error) {
	from := o.from
	if from == "" {
		from, _ = env.LookupEnv("TOLLGATE_IMPORT_FROM")
	}
	if name, ok := strings.CutPrefix(from, "os.environ/"); ok {
		if from, _ = env.LookupEnv(name); from == "" {
			return "", usagef("the environment variable %s, which --from names, is not set", name)
		}
	}
	if from == "" {
		return "", usagef("say where LiteLLM's database is: --from postgres://user@host/name, or TOLLGATE_IMPORT_FROM")
	}
	return from, nil
}

func importLiteLLM(cmd *cobra.Command, env *Environment, o *importOptions) error {
	in := app.LiteLLMImport{}
	var err error
	if in.From, err = o.source(env); err != nil {
		return err
	}
	if o.since != "" {
		if in.Since, err = time.Parse(time.DateOnly, o.since); err != nil {
			return usagef("--since %q is no day such as 2026-01-31", o.since)
		}
	}
	if in.SaltKey, err = secretFrom(env, o.saltFile, "TOLLGATE_LITELLM_SALT_KEY"); err != nil {
		return err
	}
	file := cmd.Flags().Changed("data-dir") && o.store.url == ""
	to, err := o.store.open(cmd, env, func(open *app.OfflineOptions) {
		open.File, open.NoStore, open.Existing, open.Schema = file, o.dryRun, false, app.SchemaMigrated
	})
	if err != nil {
		return err
	}
	defer func() { _ = to.Close() }() // what was written is committed
	bar := newProgressBar(env.Stderr)
	in.Progress = bar.show
	report, failed := to.ImportLiteLLM(cmd.Context(), in)
	bar.end()
	if report == nil {
		return failed
	}
	if o.asJSON {
		err = printedJSON(env.Stdout, report)
	} else {
		c := newColumns(env.Stdout)
		c.row("WHAT", "FOUND", "BROUGHT", "THERE BEFORE", "LEFT BEHIND")
		for _, l := range report.Lines {
			if l.Found == 0 {
				continue
			}
			c.row(l.What, l.Found, l.Brought, l.There, l.Left)
		}
		if err = c.flush(); err == nil {
			err = printLeft(env.Stdout, report.Left)
		}
	}
	switch {
	case failed != nil:
		return failed
	case err != nil:
		return err
	case report.Unopened > 0:
		return fmt.Errorf("%d objects stay behind because their secrets cannot be opened; set the key that LiteLLM had, and run this again", report.Unopened)
	case o.dryRun:
		_, err = fmt.Fprintln(env.Stderr, "nothing was written (--dry-run)")
	}
	return err
}

// printLeft tells what has no place here, and why.
func printLeft[T fmt.Stringer](w io.Writer, left []T) error {
	if len(left) == 0 {
		return nil
	}
	if _, err := fmt.Fprintln(w, "\nWhat has no place here:"); err != nil {
		return err
	}
	for _, l := range left {
		if _, err := fmt.Fprintln(w, "  "+printable(l.String())); err != nil {
			return err
		}
	}
	return nil
}
