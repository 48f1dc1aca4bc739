package cli

import (
	"context"

	"github.com/spf13/cobra"

	"tollgate/internal/client"
)

// teamFlags are the options for the fields of a team.
var teamFlags = []fieldFlag{
	{"alias", "team_alias", textField, "name of the team"},
	{"organization", "organization_id", textField, "organisation that it belongs to"},
	{"models", "models", listField, "aliases that it may call, separated by commas; none = all"},
	{"soft-budget", "soft_budget", amountField, "dollars at which an alert is raised"},
	{"metadata", "metadata", jsonField, "metadata, a JSON object"},
}

// memberFlags are the options for what a member may do in a team.
var memberFlags = []fieldFlag{
	{"max-budget", "max_budget_in_team", amountField, "dollars that the member may spend in the team"},
	{"budget-duration", "budget_duration", textField, "the period of that budget"},
	{"models", "allowed_models", listField, "aliases that the member may call, separated by commas"},
}

func newTeams(env *Environment) *cobra.Command {
	cmd, r := newGroup(env, "teams", "Make and govern teams", "Make and govern teams of a running gateway.")
	cmd.AddCommand(
		newTeamCreate(r), newTeamList(r), newTeamUpdate(r), newMemberAdd(r), newMemberUpdate(r), newMemberRemove(r),
		r.leaf("info TEAM", "Show a team with its members and keys", cobra.ExactArgs(1), r.teamInfo),
		r.leaf("block TEAM", "Stop a team's keys until it is unblocked", cobra.ExactArgs(1), r.blockTeam(true)),
		r.leaf("unblock TEAM", "Let a blocked team's keys work again", cobra.ExactArgs(1), r.blockTeam(false)),
		r.leaf("delete TEAM...", "Delete teams with their keys", cobra.MinimumNArgs(1), r.deleteTeams),
	)
	return cmd
}

func newTeamCreate(r *remote) *cobra.Command {
	cmd := r.leaf("create", "Make a team", cobra.NoArgs, func(ctx context.Context, c *client.Client, cmd *cobra.Command, _ []string) error {
		fields, err := readFields(cmd.Flags(), teamFlags, limitFlags)
		if err != nil {
			return err
		}
		if id, _ := cmd.Flags().GetString("id"); id != "" {
			fields["team_id"] = id
		}
		made, err := c.CreateTeam(ctx, fields)
		if err != nil {
			return err
		}
		return r.show(made.Raw, func(c *columns) { describeTeam(c, &made.Value) })
	})
	addFieldFlags(cmd.Flags(), teamFlags, limitFlags)
	cmd.Flags().String("id", "", "id of the team; a random one when not given")
	return cmd
}

func describeTeam(c *columns, t *client.Team) {
	c.field("team", t.TeamID)
	c.field("alias", t.TeamAlias)
	c.field("organization", t.OrganizationID)
	c.field("models", t.Models)
	describeLimits(c, &t.Limits)
	c.field("blocked", t.Blocked)
	for _, m := range t.Members {
		c.field(m.Role, firstOf(m.UserID, m.UserEmail))
	}
}

var teamQuery = []queryFlag{
	{"organization", "organization_id", "teams of an organisation"},
	{"user", "user_id", "teams of a user"},
	{"alias", "team_alias", "teams of an alias"},
}

func newTeamList(r *remote) *cobra.Command {
	var pages pageFlags
	cmd := r.leaf("list", "List teams", cobra.NoArgs, func(ctx context.Context, c *client.Client, cmd *cobra.Command, _ []string) error {
		list, err := c.ListTeams(ctx, readQuery(cmd, teamQuery), pages.page, pages.size)
		if err != nil {
			return err
		}
		err = r.show(list.Raw, func(c *columns) { listTeams(c, list.Value.Teams) })
		if err != nil {
			return err
		}
		return r.more(list.Value.Page, list.Value.TotalPages, list.Value.Total, "teams")
	})
	addQueryFlags(cmd, teamQuery)
	pages.add(cmd, 100)
	return cmd
}

func listTeams(c *columns, teams []client.Team) {
	c.row("TEAM", "ALIAS", "ORGANIZATION", "MEMBERS", "MODELS", "SPENT USD", "BUDGET USD", "PERIOD", "BLOCKED")
	for _, t := range teams {
		c.row(t.TeamID, t.TeamAlias, t.OrganizationID, len(t.Members), t.Models, t.Spend, t.MaxBudget, t.BudgetDuration, t.Blocked)
	}
}

func (r *remote) teamInfo(ctx context.Context, c *client.Client, _ *cobra.Command, args []string) error {
	info, err := c.TeamInfo(ctx, args[0])
	if err != nil {
		return err
	}
	return r.show(info.Raw, func(c *columns) {
		t := info.Value.Info
		t.TeamID = firstOf(t.TeamID, info.Value.TeamID)
		describeTeam(c, &t)
		if len(info.Value.Keys) > 0 {
			c.row("")
			listKeys(c, info.Value.Keys)
		}
	})
}

func newTeamUpdate(r *remote) *cobra.Command {
	cmd := r.leaf("update TEAM", "Change a team; what no option names stays", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, cmd *cobra.Command, args []string) error {
		fields, err := readUpdate(cmd.Flags(), teamFlags, limitFlags)
		if err != nil {
			return err
		}
		if len(fields) == 0 {
			return usagef("nothing is to be changed: name a field, such as --max-budget 200")
		}
		changed, err := c.UpdateTeam(ctx, args[0], fields)
		if err != nil {
			return err
		}
		return r.said(changed.Raw, "updated %s", args[0])
	})
	cmd.Long = cmd.Short + "; " + noneUsage
	addFieldFlags(cmd.Flags(), teamFlags, limitFlags)
	return cmd
}

func (r *remote) blockTeam(blocked bool) func(context.Context, *client.Client, *cobra.Command, []string) error {
	return func(ctx context.Context, c *client.Client, _ *cobra.Command, args []string) error {
		changed, err := c.BlockTeam(ctx, args[0], blocked)
		if err != nil {
			return err
		}
		if blocked {
			return r.said(changed.Raw, "blocked %s", args[0])
		}
		return r.said(changed.Raw, "unblocked %s", args[0])
	}
}

func (r *remote) deleteTeams(ctx context.Context, c *client.Client, _ *cobra.Command, args []string) error {
	deleted, err := c.DeleteTeams(ctx, args)
	if err != nil {
		return err
	}
	return r.said(deleted.Raw, "deleted %d teams with their keys", len(args))
}

// memberFields makes fields of the options for a member, who is named by id or by mail.
func memberFields(cmd *cobra.Command) (client.Fields, client.Member, error) {
	flags := cmd.Flags()
	m := client.Member{}
	m.UserID, _ = flags.GetString("user")
	m.UserEmail, _ = flags.GetString("email")
	m.Role, _ = flags.GetString("role")
	if (m.UserID == "") == (m.UserEmail == "") {
		return nil, m, usagef("name the member by --user or by --email")
	}
	fields, err := readFields(flags, memberFlags)
	return fields, m, err
}

// naming puts the member into the fields of a request.
func naming(m client.Member, fields client.Fields) client.Fields {
	if m.UserID != "" {
		fields["user_id"] = m.UserID
	} else {
		fields["user_email"] = m.UserEmail
	}
	return fields
}

func addMemberFlags(cmd *cobra.Command, role string) {
	cmd.Flags().String("user", "", "id of the user")
	cmd.Flags().String("email", "", "mail address of the user")
	cmd.Flags().String("role", role, "role in the team: user or admin")
	addFieldFlags(cmd.Flags(), memberFlags)
}

func newMemberAdd(r *remote) *cobra.Command {
	cmd := r.leaf("add-member TEAM", "Add a user to a team", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, cmd *cobra.Command, args []string) error {
		fields, member, err := memberFields(cmd)
		if err != nil {
			return err
		}
		added, err := c.AddTeamMember(ctx, args[0], member, fields)
		if err != nil {
			return err
		}
		return r.said(added.Raw, "added %s to %s as %s", firstOf(member.UserID, member.UserEmail), args[0], member.Role)
	})
	addMemberFlags(cmd, "user")
	return cmd
}

func newMemberUpdate(r *remote) *cobra.Command {
	cmd := r.leaf("update-member TEAM", "Change a member's role, budget or models in a team", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, cmd *cobra.Command, args []string) error {
		fields, member, err := memberFields(cmd)
		if err != nil {
			return err
		}
		if member.Role != "" {
			fields["role"] = member.Role
		}
		if len(fields) == 0 {
			return usagef("nothing is to be changed: name a field, such as --max-budget 20")
		}
		changed, err := c.UpdateTeamMember(ctx, args[0], naming(member, fields))
		if err != nil {
			return err
		}
		return r.said(changed.Raw, "updated %s in %s", firstOf(member.UserID, member.UserEmail), args[0])
	})
	addMemberFlags(cmd, "")
	return cmd
}

func newMemberRemove(r *remote) *cobra.Command {
	cmd := r.leaf("remove-member TEAM", "Take a user out of a team", cobra.ExactArgs(1), func(ctx context.Context, c *client.Client, cmd *cobra.Command, args []string) error {
		user, _ := cmd.Flags().GetString("user")
		mail, _ := cmd.Flags().GetString("email")
		if (user == "") == (mail == "") {
			return usagef("name the member by --user or by --email")
		}
		removed, err := c.RemoveTeamMember(ctx, args[0], naming(client.Member{UserID: user, UserEmail: mail}, client.Fields{}))
		if err != nil {
			return err
		}
		return r.said(removed.Raw, "removed %s from %s", firstOf(user, mail), args[0])
	})
	cmd.Flags().String("user", "", "id of the user")
	cmd.Flags().String("email", "", "mail address of the user")
	return cmd
}
