package cli

import (
	"context"

	"github.com/spf13/cobra"

	"tollgate/internal/account"
	"tollgate/internal/client"
	"tollgate/internal/money"
)

func newModels(env *Environment) *cobra.Command {
	cmd, r := newGroup(env, "models", "List, add and delete models", "List, add and delete models of a running gateway. Those of its configuration file are changed there.")
	cmd.AddCommand(
		newModelAdd(r),
		r.leaf("list", "List models with their prices", cobra.NoArgs, r.listModels),
		r.leaf("delete ID", "Delete a model that was added; the list shows its id", cobra.ExactArgs(1), r.deleteModel),
	)
	return cmd
}

func (r *remote) listModels(ctx context.Context, c *client.Client, _ *cobra.Command, _ []string) error {
	list, err := c.ListModels(ctx)
	if err != nil {
		return err
	}
	return r.show(list.Raw, func(c *columns) {
		c.row("ALIAS", "MODEL", "MODE", "INPUT USD/M", "OUTPUT USD/M", "FROM", "ID")
		for _, m := range list.Value.Data {
			from := "file"
			if m.Info.DBModel {
				from = "added"
			}
			c.row(m.ModelName, m.Params.Model, m.Info.Mode, million(m.Info.InputCost), million(m.Info.OutputCost), from, m.Info.ID)
		}
	})
}

// million is the price of a million units.
func million(price account.Amount) string {
	usd, err := money.ParseRounded(string(price))
	if err == nil {
		usd, err = usd.Mul(1_000_000)
	}
	if err != nil {
		return ""
	}
	return usd.String()
}

func newModelAdd(r *remote) *cobra.Command {
	var params, more, info []string
	cmd := r.leaf("add ALIAS MODEL", "Add a model: an alias and what is called for it, such as oci/xai.grok-4.3", cobra.ExactArgs(2), func(ctx context.Context, c *client.Client, _ *cobra.Command, args []string) error {
		litellm, about := client.Fields{"model": args[1]}, client.Fields{}
		if err := readPairs(litellm, "param", append(params, more...)); err != nil {
			return err
		}
		if err := readPairs(about, "info", info); err != nil {
			return err
		}
		added, err := c.AddModel(ctx, client.Fields{"model_name": args[0], "litellm_params": litellm, "model_info": about})
		if err != nil {
			return err
		}
		return r.said(added.Raw, "added %s as %s", args[0], added.Value.ModelID)
	})
	cmd.Flags().StringArrayVar(&params, "param", nil, "a field of litellm_params, as name=value with the value in JSON or as text: api_base=https://..., input_cost_per_token=0.000003; may be given again")
	cmd.Flags().StringArrayVar(&more, "set", nil, "as --param")
	cmd.Flags().StringArrayVar(&info, "info", nil, "a field of model_info, likewise")
	return cmd
}

func (r *remote) deleteModel(ctx context.Context, c *client.Client, _ *cobra.Command, args []string) error {
	deleted, err := c.DeleteModel(ctx, args[0])
	if err != nil {
		return err
	}
	return r.said(deleted.Raw, "deleted %s", args[0])
}
