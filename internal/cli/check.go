package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"tollgate/internal/app"
	"tollgate/internal/builtin"
)

func newCheck(env *Environment) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use: "check FILE", Short: "Try each integration of a configuration with a harmless call", Args: cobra.ExactArgs(1),
		Long: `Check a configuration as validate does, then call each guardrail, callback, cache and alert channel that it names, its database and its
Redis, once and harmlessly, and say what to mend. An alert channel gets a test message. Nothing is served and nothing that is
stored is touched. Exits 1 when something does not answer.`,
		RunE: func(cmd *cobra.Command, args []string) error { return tryServices(cmd, env, args[0], asJSON) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the results as JSON")
	return cmd
}

func tryServices(cmd *cobra.Command, env *Environment, file string, asJSON bool) error {
	tried, found := app.Try(cmd.Context(), app.Options{
		ConfigPath: file, Env: env.LookupEnv, Providers: builtin.Providers, Integrations: integrations(), Version: version(),
	})
	if found.HasErrors() {
		if err := printFound(env.Stdout, found); err != nil {
			return err
		}
		return exitError(1)
	}
	report := printTried
	if asJSON {
		report = printTriedJSON
	}
	if err := report(env.Stdout, file, tried); err != nil {
		return err
	}
	for _, t := range tried {
		if t.Err != nil {
			return exitError(1)
		}
	}
	return nil
}

func printTried(w io.Writer, file string, tried []app.Tried) error {
	if len(tried) == 0 {
		_, err := fmt.Fprintf(w, "%s names no guardrail, callback, cache, alert channel, database or Redis: there is nothing to try\n", file)
		return err
	}
	table := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	failed := 0
	for _, t := range tried {
		result := "answers"
		if t.Err != nil {
			failed++
			result = "FAILS"
		}
		name := t.Name
		if t.Service != t.Name {
			name += " (" + t.Service + ")"
		}
		if _, err := fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", t.Kind, name, result, t.Took.Round(time.Millisecond)); err != nil {
			return err
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, t := range tried {
		if t.Err != nil {
			if _, err := fmt.Fprintf(w, "%s %s: %v\n", t.Kind, t.Name, t.Err); err != nil {
				return err
			}
		}
	}
	_, err := fmt.Fprintf(w, "%s: %d of %d answer\n", file, len(tried)-failed, len(tried))
	return err
}

func printTriedJSON(w io.Writer, file string, tried []app.Tried) error {
	type result struct {
		Kind    string  `json:"kind"`
		Name    string  `json:"name"`
		Service string  `json:"service"`
		OK      bool    `json:"ok"`
		Error   string  `json:"error,omitempty"`
		Took    float64 `json:"duration_ms"`
	}
	results := make([]result, len(tried))
	for i, t := range tried {
		results[i] = result{Kind: t.Kind, Name: t.Name, Service: t.Service, OK: t.Err == nil, Took: float64(t.Took.Microseconds()) / 1000}
		if t.Err != nil {
			results[i].Error = t.Err.Error()
		}
	}
	text, err := json.MarshalIndent(struct {
		File    string   `json:"file"`
		Results []result `json:"results"`
	}{file, results}, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(w, string(text))
	return err
}
