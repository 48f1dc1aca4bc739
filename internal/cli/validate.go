package cli

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"tollgate/internal/app"
	"tollgate/internal/builtin"
	"tollgate/internal/config"
)

func newValidate(env *Environment) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "validate FILE", Short: "Check a configuration without a network", Args: cobra.ExactArgs(1),
		Long: `Check everything about a configuration that can be checked without a network: keys and types, aliases and fallbacks, environment
variables, prices, key files and their fingerprints. Exits 1 when there are errors; warnings and notices leave 0.`,
		RunE: func(_ *cobra.Command, args []string) error { return validate(env, args[0], asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the findings as JSON")
	return cmd
}

func validate(env *Environment, file string, asJSON bool) error {
	found := app.Check(app.Options{ConfigPath: file, Env: env.LookupEnv, Providers: builtin.Providers, Integrations: integrations(), Version: version()})
	report := printVerdict
	if asJSON {
		report = printJSON
	}
	if err := report(env.Stdout, file, found); err != nil {
		return err
	}
	if found.HasErrors() {
		return exitError(1)
	}
	return nil
}

func printJSON(w io.Writer, file string, found config.Diagnostics) error {
	text, err := json.MarshalIndent(struct {
		File     string             `json:"file"`
		Valid    bool               `json:"valid"`
		Findings config.Diagnostics `json:"findings"`
	}{file, !found.HasErrors(), found}, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, string(text))
	return err
}

func printVerdict(w io.Writer, file string, found config.Diagnostics) error {
	if err := printFound(w, found); err != nil {
		return err
	}
	counts := map[config.Severity]int{}
	for _, d := range found {
		counts[d.Severity]++
	}
	verdict := "is valid"
	if found.HasErrors() {
		verdict = "is not valid"
	}
	_, err := fmt.Fprintf(w, "%s %s: %d errors, %d warnings, %d notices\n", file, verdict, counts[config.Error], counts[config.Warning], counts[config.Notice])
	return err
}

func printFound(w io.Writer, found config.Diagnostics) error {
	for _, d := range found {
		if _, err := fmt.Fprintln(w, d.String()); err != nil {
			return err
		}
	}
	return nil
}

func newConfig(env *Environment) *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Show a configuration, or the schema of its file"}
	cmd.AddCommand(&cobra.Command{
		Use: "schema", Short: "Print the JSON schema of the configuration file, for editors", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := env.Stdout.Write(config.Schema())
			return err
		},
	}, &cobra.Command{
		Use: "show FILE", Short: "Print a configuration as it is understood, secrets masked", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			cfg, found := config.Load(args[0], env.LookupEnv)
			if err := found.Err(); err != nil {
				return err
			}
			text, err := cfg.Dump()
			if err != nil {
				return err
			}
			_, err = env.Stdout.Write(text)
			return err
		},
	})
	return cmd
}
