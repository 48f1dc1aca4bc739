package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tollgate/internal/app"
)

// storeFlags say which store a command works on that needs no running gateway: the same that serve would use.
type storeFlags struct {
	config, dataDir, url string
}

const (
	storeConfigUsage = "the gateway's configuration file: its general_settings.database_url and keys count [CONFIG_FILE_PATH]"
	databaseURLUsage = "PostgreSQL database; other users of the machine can see options, so leave the password to PGPASSWORD or ~/.pgpass, or set the variable [DATABASE_URL]"
)

func (s *storeFlags) add(f *pflag.FlagSet) {
	f.StringVarP(&s.config, "config", "c", "", storeConfigUsage)
	f.StringVar(&s.dataDir, "data-dir", "", dataDirUsage)
	f.StringVar(&s.url, "database-url", "", databaseURLUsage)
}

// open opens the store that the options, the environment and the configuration name. change may alter what is asked for.
func (s *storeFlags) open(cmd *cobra.Command, env *Environment, change func(*app.OfflineOptions)) (*app.Offline, error) {
	if err := applyEnvironment(cmd.Flags(), env); err != nil {
		return nil, err
	}
	o := app.OfflineOptions{
		ConfigPath: s.config, DatabaseURL: s.url, DataDir: firstOf(s.dataDir, stateDir(env)), Existing: true, Env: env.LookupEnv,
		Log: slog.New(slog.NewTextHandler(env.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
	if change != nil {
		change(&o)
	}
	return app.OpenOffline(cmd.Context(), o)
}

// onStore makes a command of a function that works on the store.
func onStore(env *Environment, s *storeFlags, run func(ctx context.Context, o *app.Offline) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, _ []string) error {
		o, err := s.open(cmd, env, nil)
		if err != nil {
			return err
		}
		defer func() { _ = o.Close() }() // what was written is committed
		return run(cmd.Context(), o)
	}
}

// offlineGroup makes a command that holds others.
func offlineGroup(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs, RunE: func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usagef("%s has no command %q; `%s --help` lists those that it has", cmd.CommandPath(), args[0], cmd.CommandPath())
		}
		return cmd.Help()
	}}
	cmd.AddCommand(commands...)
	return cmd
}

// secretFrom is a secret from a file, else from the first of the variables that is set; "" when there is none. It never
// comes from an option, which other users of the machine can see.
func secretFrom(env *Environment, file string, variables ...string) (string, error) {
	if file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		secret := strings.TrimRight(string(text), "\r\n")
		if secret == "" {
			return "", fmt.Errorf("%s is empty", file)
		}
		return secret, nil
	}
	for _, name := range variables {
		if value, _ := env.LookupEnv(name); value != "" {
			return value, nil
		}
	}
	return "", nil
}

// printedJSON prints a value for machines.
func printedJSON(w io.Writer, v any) error {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, string(text))
	return err
}
