package cli

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"tollgate/internal/account"
	"tollgate/internal/client"
)

// keyFlags are the options for the fields of a key.
var keyFlags = []fieldFlag{
	{"alias", "key_alias", textField, "name of the key, unique over all keys"},
	{"models", "models", listField, "aliases that it may call, separated by commas; none = all of its team's"},
	{"team", "team_id", textField, "team that it belongs to"},
	{"user", "user_id", textField, "user that it belongs to"},
	{"organization", "organization_id", textField, "organisation that it belongs to"},
	{"duration", "duration", textField, "how long it is valid: 30d, 12h ...; -1 = for ever"},
	{"soft-budget", "soft_budget", amountField, "dollars at which an alert is raised"},
	{"budget", "budget_id", textField, "budget that it shares"},
	{"tags", "tags", listField, "tags of its calls, separated by commas"},
	{"routes", "allowed_routes", listField, "routes that it may call, separated by commas"},
	{"metadata", "metadata", jsonField, "metadata, a JSON object"},
}

const keyArgument = "KEY is the key itself (its hash alone is sent), its hash, or its alias."

func newKeys(env *Environment) *cobra.Command {
	cmd, r := newGroup(env, "keys", "Issue and govern virtual keys", "Issue and govern virtual keys of a running gateway. "+keyArgument)
	cmd.AddCommand(
		newKeyCreate(r), newKeyList(r), newKeyUpdate(r), newKeyRotate(r), newKeyResetSpend(r),
		r.leaf("info [KEY]", "Show a key, or the one that is used to ask", cobra.MaximumNArgs(1), r.keyInfo),
		r.leaf("block KEY", "Stop a key until it is unblocked", cobra.ExactArgs(1), r.blockKey(true)),
		r.leaf("unblock KEY", "Let a blocked key work again", cobra.ExactArgs(1), r.blockKey(false)),
		r.leaf("delete KEY...", "Delete keys", cobra.MinimumNArgs(1), r.deleteKeys),
	)
	return cmd
}

// keyHash finds the hash of the key that an argument names.
func keyHash(ctx context.Context, c *client.Client, arg string) (string, error) {
	if strings.HasPrefix(arg, "sk-") {
		return account.HashKey(arg), nil
	}
	if _, err := hex.DecodeString(arg); err == nil && len(arg) == 64 {
		return strings.ToLower(arg), nil
	}
	found, err := c.ListKeys(ctx, url.Values{"key_alias": {arg}, "size": {"100"}})
	if err != nil {
		return "", err
	}
	for _, k := range found.Value.Keys {
		if k.KeyAlias == arg {
			return k.Token, nil
		}
	}
	return "", usagef("no key is called %q; `tollgate keys list` shows those that there are", arg)
}

func newKeyCreate(r *remote) *cobra.Command {
	var service, quiet bool
	cmd := r.leaf("create", "Make a key and print it, once", cobra.NoArgs, func(ctx context.Context, c *client.Client, cmd *cobra.Command, _ []string) error {
		fields, err := readFields(cmd.Flags(), keyFlags, limitFlags)
		if err != nil {
			return err
		}
		made, err := c.GenerateKey(ctx, fields, service)
		if err != nil {
			return err
		}
		return r.showNewKey(made, quiet)
	})
	addFieldFlags(cmd.Flags(), keyFlags, limitFlags)
	cmd.Flags().BoolVar(&service, "service-account", false, "a key of a team's program, not of a person; needs --team")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print the key alone")
	return cmd
}

// showNewKey prints a key that is shown this once.
func (r *remote) showNewKey(made client.Answer[client.Key], quiet bool) error {
	if quiet && !r.asJSON {
		_, err := fmt.Fprintln(r.env.Stdout, made.Value.Key)
		return err
	}
	if err := r.show(made.Raw, func(c *columns) { c.field("key", made.Value.Key); describeKey(c, &made.Value) }); err != nil || r.asJSON {
		return err
	}
	_, err := fmt.Fprintln(r.env.Stderr, "Keep the key now: it is stored as a hash and cannot be shown again.")
	return err
}

func describeKey(c *columns, k *client.Key) {
	c.field("alias", k.KeyAlias)
	c.field("name", k.KeyName)
	c.field("hash", k.Token)
	c.field("team", k.TeamID)
	c.field("user", k.UserID)
	c.field("organization", k.OrganizationID)
	c.field("models", k.Models)
	describeLimits(c, &k.Limits)
	c.field("blocked", k.Blocked)
	c.field("expires", k.Expires)
	c.field("created", k.CreatedAt)
	c.field("last used", k.LastActive)
}

func describeLimits(c *columns, l *client.Limits) {
	c.field("spent USD", l.Spend)
	c.field("budget USD", l.MaxBudget)
	c.field("budget period", l.BudgetDuration)
	c.field("budget resets", l.BudgetResetAt)
	c.field("requests a minute", l.RPMLimit)
	c.field("tokens a minute", l.TPMLimit)
	c.field("calls at once", l.MaxParallelRequests)
}

var keyQuery = []queryFlag{
	{"team", "team_id", "keys of a team"},
	{"user", "user_id", "keys of a user"},
	{"organization", "organization_id", "keys of an organisation"},
	{"alias", "key_alias", "the key of an alias"},
	{"status", "status", "deleted: keys that are gone"},
	{"sort-by", "sort_by", "column to sort by: spend, created_at, key_alias ..."},
	{"sort-order", "sort_order", "asc or desc"},
}

func newKeyList(r *remote) *cobra.Command {
	var pages pageFlags
	cmd := r.leaf("list", "List keys", cobra.NoArgs, func(ctx context.Context, c *client.Client, cmd *cobra.Command, _ []string) error {
		query := readQuery(cmd, keyQuery)
		query.Set("page", fmt.Sprint(pages.page))
		query.Set("size", fmt.Sprint(pages.size))
		list, err := c.ListKeys(ctx, query)
		if err != nil {
			return err
		}
		err = r.show(list.Raw, func(c *columns) { listKeys(c, list.Value.Keys) })
		if err != nil {
			return err
		}
		return r.more(list.Value.Page, list.Value.TotalPages, list.Value.TotalCount, "keys")
	})
	addQueryFlags(cmd, keyQuery)
	pages.add(cmd, 100)
	return cmd
}

func listKeys(c *columns, keys []client.Key) {
	c.row("ALIAS", "KEY", "HASH", "TEAM", "USER", "MODELS", "SPENT USD", "BUDGET USD", "PERIOD", "EXPIRES", "BLOCKED")
	for _, k := range keys {
		c.row(k.KeyAlias, k.KeyName, short(k.Token), k.TeamID, k.UserID, k.Models, k.Spend, k.MaxBudget, k.BudgetDuration, day(k.Expires), k.Blocked)
	}
}

func (r *remote) keyInfo(ctx context.Context, c *client.Client, _ *cobra.Command, args []string) error {
	var hash string
	if len(args) == 1 {
		var err error
		if hash, err = keyHash(ctx, c, args[0]); err != nil {
			return err
		}
	}
	info, err := c.KeyInfo(ctx, hash)
	if err != nil {
		return err
	}
	return r.show(info.Raw, func(c *columns) {
		k := info.Value.Info
		k.Token = firstOf(k.Token, hash)
		describeKey(c, &k)
	})
}

func newKeyUpdate(r *remote) *cobra.Command {
	cmd := r.leaf("update KEY", "Change a key; what no option names stays", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, cmd *cobra.Command, args []string) error {
		fields, err := readUpdate(cmd.Flags(), keyFlags, limitFlags)
		if err != nil {
			return err
		}
		if len(fields) == 0 {
			return usagef("nothing is to be changed: name a field, such as --max-budget 20")
		}
		hash, err := keyHash(ctx, c, args[0])
		if err != nil {
			return err
		}
		changed, err := c.UpdateKey(ctx, hash, fields)
		if err != nil {
			return err
		}
		return r.said(changed.Raw, "updated %s", short(hash))
	})
	cmd.Long = cmd.Short + "; " + noneUsage
	addFieldFlags(cmd.Flags(), keyFlags, limitFlags)
	return cmd
}

func newKeyRotate(r *remote) *cobra.Command {
	var grace string
	var quiet bool
	cmd := r.leaf("rotate KEY", "Give a key a new value and print it, once", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, _ *cobra.Command, args []string) error {
		hash, err := keyHash(ctx, c, args[0])
		if err != nil {
			return err
		}
		fields := client.Fields{}
		if grace != "" {
			fields["grace_period"] = grace
		}
		made, err := c.RegenerateKey(ctx, hash, fields)
		if err != nil {
			return err
		}
		return r.showNewKey(made, quiet)
	})
	cmd.Flags().StringVar(&grace, "grace-period", "", "how long the old value still works: 24h, 7d ...; it stops at once without")
	cmd.Flags().BoolVarP(&quiet, "quiet", "q", false, "print the key alone")
	return cmd
}

func newKeyResetSpend(r *remote) *cobra.Command {
	var to string
	cmd := r.leaf("reset-spend KEY", "Set what a key has spent in its period", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, _ *cobra.Command, args []string) error {
		amount, err := account.ParseAmount(to)
		if err != nil || amount.None() || amount.Negative() {
			return usagef("--to %q is not an amount of dollars", to)
		}
		hash, err := keyHash(ctx, c, args[0])
		if err != nil {
			return err
		}
		reset, err := c.ResetKeySpend(ctx, hash, amount)
		if err != nil {
			return err
		}
		return r.said(reset.Raw, "%s had spent %s and has now spent %s", short(hash), plainAmount(reset.Value.PreviousSpend), plainAmount(reset.Value.Spend))
	})
	cmd.Flags().StringVar(&to, "to", "0", "dollars")
	return cmd
}

func (r *remote) blockKey(blocked bool) func(context.Context, *client.Client, *cobra.Command, []string) error {
	return func(ctx context.Context, c *client.Client, _ *cobra.Command, args []string) error {
		hash, err := keyHash(ctx, c, args[0])
		if err != nil {
			return err
		}
		changed, err := c.BlockKey(ctx, hash, blocked)
		if err != nil {
			return err
		}
		if blocked {
			return r.said(changed.Raw, "blocked %s", short(hash))
		}
		return r.said(changed.Raw, "unblocked %s", short(hash))
	}
}

func (r *remote) deleteKeys(ctx context.Context, c *client.Client, _ *cobra.Command, args []string) error {
	hashes := make([]string, len(args))
	for i, arg := range args {
		var err error
		if hashes[i], err = keyHash(ctx, c, arg); err != nil {
			return err
		}
	}
	deleted, err := c.DeleteKeys(ctx, hashes)
	if err != nil {
		return err
	}
	return r.said(deleted.Raw, "deleted %d of %d keys", len(deleted.Value.Deleted), len(hashes))
}
