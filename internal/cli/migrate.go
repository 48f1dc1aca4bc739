package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"tollgate/internal/app"
)

type migrateOptions struct {
	store  storeFlags
	status bool
	to     int
	yes    bool
}

func newMigrate(env *Environment) *cobra.Command {
	o := &migrateOptions{}
	cmd := &cobra.Command{
		Use: "migrate", Short: "Bring the database's schema up to date, or back", Args: cobra.NoArgs,
		Long: `Apply the migrations of the schema that this version has and the database has not. A gateway does so itself when it starts, unless
general_settings.disable_prisma_schema_update is on. Any number of processes may do it at once.

--to takes later migrations back, with all that only they had stored: the way back to an older version.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return migrate(cmd, env, o) },
	}
	o.store.add(cmd.Flags())
	f := cmd.Flags()
	f.BoolVar(&o.status, "status", false, "list the migrations and change nothing; exits 1 while some are pending")
	f.IntVar(&o.to, "to", 0, "take back every migration after this number; needs --yes")
	f.BoolVar(&o.yes, "yes", false, "with --to: what only those migrations had stored may go")
	return cmd
}

func migrate(cmd *cobra.Command, env *Environment, o *migrateOptions) error {
	back := cmd.Flags().Changed("to")
	if back && !o.yes {
		return usagef("--to removes what only the later migrations had stored: make a backup, stop the gateways, and add --yes")
	}
	s, err := o.store.open(cmd, env, func(open *app.OfflineOptions) { open.Schema, open.Existing = app.SchemaAsItIs, o.status || back })
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }() // what was written is committed
	switch {
	case o.status:
	case back:
		err = s.Store.Rollback(cmd.Context(), o.to)
	default:
		err = s.Store.Migrate(cmd.Context())
	}
	if err != nil {
		return err
	}
	all, err := s.Store.Status(cmd.Context())
	if err != nil {
		return err
	}
	pending := 0
	c := newColumns(env.Stdout)
	c.row("MIGRATION", "APPLIED (UTC)", "")
	for _, m := range all {
		applied, note := "", ""
		if m.Applied.IsZero() {
			pending++
			note = "pending"
		} else {
			applied = m.Applied.UTC().Format(time.DateTime)
		}
		if !m.Known {
			note = "of a newer version"
		}
		c.row(fmt.Sprintf("%04d %s", m.Version, m.Name), applied, note)
	}
	if err := c.flush(); err != nil {
		return err
	}
	if o.status && pending > 0 {
		return exitError(exitFailed)
	}
	return nil
}
