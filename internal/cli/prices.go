package cli

import (
	"encoding/json"
	"fmt"
	"path"
	"strings"

	"github.com/spf13/cobra"

	"tollgate/internal/price"
)

type pricesOptions struct {
	dataDir, model string
	asJSON         bool
}

const dataDirUsage = "the gateway's data directory; ~/.local/state/tollgate when nothing names one [TOLLGATE_DATA_DIR]"

func newPrices(env *Environment) *cobra.Command {
	o := &pricesOptions{}
	cmd := &cobra.Command{
		Use: "prices", Short: "List the prices in force, or replace them", Args: cobra.NoArgs,
		Long: `List the prices in force with a data directory: those of its prices.csv, which "prices update" writes, else the built-in ones. Where one model
is left its prices are listed whole.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := applyEnvironment(cmd.Flags(), env); err != nil {
				return err
			}
			return listPrices(env, o)
		},
	}
	cmd.Flags().StringVar(&o.dataDir, "data-dir", "", dataDirUsage)
	cmd.Flags().StringVar(&o.model, "model", "", `models to list: a part of the id ("grok"), or a pattern of all of it ("oci/xai.*")`)
	cmd.Flags().BoolVar(&o.asJSON, "json", false, "print JSON, with LiteLLM's names")
	cmd.AddCommand(newPricesUpdate(env))
	strictUsage(cmd)
	return cmd
}

func listPrices(env *Environment, o *pricesOptions) error {
	dir := firstOf(o.dataDir, stateDir(env))
	table, own, err := price.Load(dir)
	if err != nil {
		return err
	}
	models, err := matching(table.Models(), o.model)
	if err != nil {
		return err
	}
	if o.asJSON {
		text, err := json.MarshalIndent(models, "", "  ")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(env.Stdout, string(text))
		return err
	}
	c := newColumns(env.Stdout)
	if len(models) == 1 {
		describePrice(c, &models[0])
		return c.flush()
	}
	c.row("MODEL", "MODE", "UNIT", "INPUT USD/M", "OUTPUT USD/M", "CACHED USD/M", "MORE", "SOURCE")
	for i := range models {
		priceRow(c, &models[i])
	}
	if err := c.flush(); err != nil {
		return err
	}
	from := "built in"
	if own {
		from = "of " + dir
	}
	_, err = fmt.Fprintf(env.Stderr, "%d models, %s; USD for a million units. --model with one id lists all of its prices.\n", len(models), from)
	return err
}

// matching are the entries whose id holds a text, or fits a pattern; one that is the text is all that is meant.
func matching(models []price.Entry, text string) ([]price.Entry, error) {
	out := []price.Entry{}
	for _, e := range models {
		if e.ID == text {
			return []price.Entry{e}, nil
		}
		fits := strings.Contains(e.ID, text)
		if strings.ContainsAny(text, "*?[") {
			var err error
			// A slash is a character as any other here.
			if fits, err = path.Match(strings.ReplaceAll(text, "/", "\x00"), strings.ReplaceAll(e.ID, "/", "\x00")); err != nil {
				return nil, usagef("--model %q is not a pattern: %w", text, err)
			}
		}
		if fits {
			out = append(out, e)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no model is called %q; without --model all are listed", text)
	}
	return out, nil
}

func priceRow(c *columns, e *price.Entry) {
	unit, input, output := "tokens", e.Input, e.Output
	switch {
	case e.InputChar.Known:
		unit, input, output = "characters", e.InputChar, e.OutputChar
	case e.Query.Known:
		unit, input, output = "searches", e.Query, price.Rate{}
	}
	more := 0
	for name := range e.All() {
		if !strings.HasSuffix(name, "_per_token") && !strings.HasSuffix(name, "_per_character") && name != "cache_read_input_token_cost" && name != "input_cost_per_query" {
			more++
		}
	}
	text := ""
	if more > 0 {
		text = fmt.Sprintf("+%d", more)
	}
	c.row(e.ID, e.Mode, unit, perMillion(input), perMillion(output), perMillion(e.CacheRead), text, source(e))
}

func source(e *price.Entry) string {
	if e.Date == "" {
		return e.Source
	}
	return e.Source + " (" + e.Date + ")"
}

func describePrice(c *columns, e *price.Entry) {
	c.field("model", e.ID)
	c.field("mode", e.Mode)
	c.field("context", count(e.MaxInputTokens))
	c.field("longest answer", count(e.MaxOutputTokens))
	c.field("dimensions", count(e.OutputVectorSize))
	c.field("abilities", strings.Join(e.Words(), ", "))
	for name, rate := range e.All() {
		c.row(name+":", rate.USD.String(), perMillion(rate)+" a million")
	}
	if (e.Rates == price.Rates{}) {
		c.row("prices:", "none is known: calls cost 0 until the deployment says what they cost")
	}
	c.field("source", source(e))
}
