package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"tollgate/internal/client"
)

// userFlags are the options for the fields of a user.
var userFlags = []fieldFlag{
	{"email", "user_email", textField, "mail address"},
	{"alias", "user_alias", textField, "name"},
	{"role", "user_role", textField, "proxy_admin, proxy_admin_viewer, internal_user or internal_user_viewer"},
	{"models", "models", listField, "aliases that the user's keys may call, separated by commas; none = all"},
	{"metadata", "metadata", jsonField, "metadata, a JSON object"},
}

func newUsers(env *Environment) *cobra.Command {
	cmd, r := newGroup(env, "users", "Make and govern users", "Make and govern users of a running gateway.")
	cmd.AddCommand(
		newUserCreate(r), newUserList(r), newUserUpdate(r),
		r.leaf("info USER", "Show a user with its keys and teams", cobra.ExactArgs(1), r.userInfo),
		r.leaf("delete USER...", "Delete users with their keys and memberships", cobra.MinimumNArgs(1), r.deleteUsers),
	)
	return cmd
}

func newUserCreate(r *remote) *cobra.Command {
	var withKey bool
	cmd := r.leaf("create", "Make a user", cobra.NoArgs, func(ctx context.Context, c *client.Client, cmd *cobra.Command, _ []string) error {
		fields, err := readFields(cmd.Flags(), userFlags, limitFlags)
		if err != nil {
			return err
		}
		if id, _ := cmd.Flags().GetString("id"); id != "" {
			fields["user_id"] = id
		}
		if teams, _ := cmd.Flags().GetStringSlice("teams"); len(teams) > 0 {
			fields["teams"] = teams
		}
		fields["auto_create_key"] = withKey
		made, err := c.CreateUser(ctx, fields)
		if err != nil {
			return err
		}
		err = r.show(made.Raw, func(c *columns) { c.field("key", made.Value.Key); describeUser(c, &made.Value) })
		if err == nil && withKey && !r.asJSON {
			_, err = fmt.Fprintln(r.env.Stderr, "Keep the key now: it is stored as a hash and cannot be shown again.")
		}
		return err
	})
	addFieldFlags(cmd.Flags(), userFlags, limitFlags)
	cmd.Flags().String("id", "", "id of the user; a random one when not given")
	cmd.Flags().StringSlice("teams", nil, "teams that the user joins, separated by commas")
	cmd.Flags().BoolVar(&withKey, "with-key", false, "make a key for the user as well")
	return cmd
}

func describeUser(c *columns, u *client.User) {
	c.field("user", u.UserID)
	c.field("email", u.UserEmail)
	c.field("alias", u.UserAlias)
	c.field("role", u.UserRole)
	c.field("models", u.Models)
	describeLimits(c, &u.Limits)
}

var userQuery = []queryFlag{
	{"role", "role", "users of a role"},
	{"email", "user_email", "users whose mail address holds this"},
	{"id", "user_ids", "users of these ids, separated by commas"},
	{"team", "team", "users of a team"},
	{"sort-by", "sort_by", "column to sort by"},
	{"sort-order", "sort_order", "asc or desc"},
}

func newUserList(r *remote) *cobra.Command {
	var pages pageFlags
	cmd := r.leaf("list", "List users", cobra.NoArgs, func(ctx context.Context, c *client.Client, cmd *cobra.Command, _ []string) error {
		list, err := c.ListUsers(ctx, readQuery(cmd, userQuery), pages.page, pages.size)
		if err != nil {
			return err
		}
		err = r.show(list.Raw, func(c *columns) {
			c.row("USER", "EMAIL", "ALIAS", "ROLE", "KEYS", "SPENT USD", "BUDGET USD", "PERIOD")
			for _, u := range list.Value.Users {
				c.row(u.UserID, u.UserEmail, u.UserAlias, u.UserRole, u.KeyCount, u.Spend, u.MaxBudget, u.BudgetDuration)
			}
		})
		if err != nil {
			return err
		}
		return r.more(list.Value.Page, list.Value.TotalPages, list.Value.Total, "users")
	})
	addQueryFlags(cmd, userQuery)
	pages.add(cmd, 100)
	return cmd
}

func (r *remote) userInfo(ctx context.Context, c *client.Client, _ *cobra.Command, args []string) error {
	info, err := c.UserInfo(ctx, args[0])
	if err != nil {
		return err
	}
	return r.show(info.Raw, func(c *columns) {
		u := info.Value.Info
		u.UserID = firstOf(u.UserID, info.Value.UserID)
		describeUser(c, &u)
		if len(info.Value.Teams) > 0 {
			c.row("")
			listTeams(c, info.Value.Teams)
		}
		if len(info.Value.Keys) > 0 {
			c.row("")
			listKeys(c, info.Value.Keys)
		}
	})
}

func newUserUpdate(r *remote) *cobra.Command {
	cmd := r.leaf("update USER", "Change a user; what no option names stays", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, cmd *cobra.Command, args []string) error {
		fields, err := readUpdate(cmd.Flags(), userFlags, limitFlags)
		if err != nil {
			return err
		}
		if len(fields) == 0 {
			return usagef("nothing is to be changed: name a field, such as --role proxy_admin")
		}
		changed, err := c.UpdateUser(ctx, args[0], fields)
		if err != nil {
			return err
		}
		return r.said(changed.Raw, "updated %s", args[0])
	})
	cmd.Long = cmd.Short + "; " + noneUsage
	addFieldFlags(cmd.Flags(), userFlags, limitFlags)
	return cmd
}

func (r *remote) deleteUsers(ctx context.Context, c *client.Client, _ *cobra.Command, args []string) error {
	deleted, err := c.DeleteUsers(ctx, args)
	if err != nil {
		return err
	}
	return r.said(deleted.Raw, "deleted %d users with their keys", len(args))
}
