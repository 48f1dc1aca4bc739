package admin

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
	"tollgate/internal/money"
	"tollgate/internal/telemetry"
)

type keyGenerateRequest struct {
	keyFields
	Key Opt[ID] `json:"key"` // a value of the caller's choice
}

// newKey is a key that was made, with its value: the only place where that is known.
type newKey struct {
	raw      string
	key      *account.Key
	duration string // as it was asked for
	spent    money.USD
	budget   *account.Budget
	rights   *account.ObjectPermission
}

// keyGenerate is POST /key/generate.
func (a *API) keyGenerate(ctx context.Context, c *call, in keyGenerateRequest) (any, error) {
	if a.opts.Store == nil {
		e := noDatabase()
		e.Message = "Connect Proxy to database to generate keys - https://docs.litellm.ai/docs/proxy/virtual_keys "
		return nil, e
	}
	return a.generate(ctx, c, in, "/key/generate", "")
}

type serviceAccountRequest struct {
	keyGenerateRequest
	ServiceAccountID Opt[ID] `json:"service_account_id"`
}

// keyServiceAccount is POST /key/service-account/generate: the key belongs to a team and to no user.
func (a *API) keyServiceAccount(ctx context.Context, c *call, in serviceAccountRequest) (any, error) {
	if a.opts.Store == nil {
		return nil, noDatabase()
	}
	if !in.TeamID.Given() {
		return nil, named("team_id", badRequest("team_id is required for service account keys. Please specify `team_id` in the request body."))
	}
	in.UserID = Opt[ID]{}
	name := string(in.ServiceAccountID.Or(in.KeyAlias.Value))
	if name == "" {
		name = telemetry.NewID()
	}
	return a.generate(ctx, c, in.keyGenerateRequest, "/key/service-account/generate", name)
}

func (a *API) generate(ctx context.Context, c *call, in keyGenerateRequest, action, serviceAccount string) (any, error) {
	var made *newKey
	err := c.update(ctx, func(tx *change) error {
		var err error
		made, err = c.makeKey(ctx, tx, in, action, serviceAccount)
		return err
	})
	if err != nil {
		return nil, err
	}
	return made.reply(), nil
}

// reply is LiteLLM's GenerateKeyResponse.
func (n *newKey) reply() row {
	r := keyRow(n.key, account.Counter{Spent: n.spent}).with(row{
		"key": n.raw, "token_id": n.key.Token, "litellm_budget_table": optional(n.budget), "object_permission": optional(n.rights),
	})
	for _, name := range echoedFields {
		r[name] = n.key.Metadata[name]
	}
	r["duration"] = nil
	if n.duration != "" {
		r["duration"] = n.duration
	}
	return r
}

// echoedFields are the fields of LiteLLM's reply that are no columns: null, or what metadata has.
var echoedFields = []string{
	"guardrails", "prompts", "tags", "enforced_params", "allowed_passthrough_routes", "allowed_vector_store_indexes", "rpm_limit_type", "tpm_limit_type",
	"model_rpm_limit", "model_tpm_limit", "budget_fallbacks",
}

// makeKey makes a key as a request asks for it: what the caller may set, then the defaults, then the bounds. A service account
// is the name of one, "" for a key that may belong to a user.
func (c *call) makeKey(ctx context.Context, tx *change, in keyGenerateRequest, action, serviceAccount string) (*newKey, error) {
	if !c.who.mayManage() {
		return nil, forbidden("You are not allowed to create keys. Your role=%s. Keys are created by a user or an admin.", c.who.role)
	}
	if err := checkRights(ctx, tx, "", in.ObjectPermission); err != nil {
		return nil, err
	}
	asked := &account.Key{}
	if err := in.apply(c, asked); err != nil {
		return nil, err
	}
	c.own(&in, asked, serviceAccount)
	team, rel, err := c.placeKey(ctx, tx, asked, action, serviceAccount != "")
	if err != nil {
		return nil, err
	}
	names := changed(&account.Key{}, asked)
	if err := mayWrite(&c.who, rel, keyRights, nil, asked, in.beside()...); err != nil {
		return nil, err
	}
	if err := c.settings.KeyGeneration.check(c, asked, c.teamRole(team), given(&in)); err != nil {
		return nil, err
	}
	if err := c.within(ctx, tx, nil, asked, rel, team, append(names, in.beside()...)); err != nil {
		return nil, err
	}
	if err := c.mayMultiply(ctx, tx, asked, team); err != nil {
		return nil, err
	}
	k, err := c.completeKey(&in, asked, team)
	if err != nil {
		return nil, err
	}
	if err := c.notImpersonating(k); err != nil {
		return nil, err
	}
	if err := c.checkKey(ctx, tx, nil, k, team); err != nil {
		return nil, err
	}
	made := &newKey{key: k, duration: in.Duration.Value, spent: in.Spend.Value.USD()}
	if made.raw, err = c.keyValue(ctx, tx, string(in.Key.Value)); err != nil {
		return nil, err
	}
	return made, made.store(ctx, tx)
}

// own fills in whose the key is where the request is silent: a person's own, or whom the defaults name.
func (c *call) own(in *keyGenerateRequest, k *account.Key, serviceAccount string) {
	d := &c.settings.DefaultKey
	if k.TeamID == "" {
		k.TeamID = d.TeamID
	}
	switch {
	case serviceAccount != "":
		if k.Metadata == nil {
			k.Metadata = map[string]any{}
		}
		k.Metadata["service_account_id"] = serviceAccount
	case k.UserID != "":
	case c.who.isAdmin():
		k.UserID = d.UserID
	default:
		k.UserID = c.who.user
	}
	in.TeamID, in.UserID = idOf(k.TeamID), idOf(k.UserID)
}

func idOf(text string) Opt[ID] { return Opt[ID]{Set: text != "", Value: ID(text)} }

// placeKey finds the team of a key that is to be made, and what the caller is to it.
func (c *call) placeKey(ctx context.Context, r account.Reader, k *account.Key, action string, serviceAccount bool) (*account.Team, relation, error) {
	team, err := lookup[account.Team](ctx, r, k.TeamID)
	if err != nil {
		return nil, 0, err
	}
	if k.TeamID != "" && team == nil {
		if serviceAccount {
			return nil, 0, named("team_id", badRequest("team_id does not exist in the database. Please specify a valid `team_id` in the request body."))
		}
		return nil, 0, named("team_id", badRequest("Unable to find team object in database. Team ID: %s", k.TeamID))
	}
	rel, err := c.relationToKey(ctx, r, k, action)
	if err != nil || c.who.isAdmin() {
		return team, rel, err
	}
	leads := rel&(asOrgAdmin|asTeamAdmin) != 0
	switch {
	case team != nil && k.OrganizationID != "" && k.OrganizationID != team.OrganizationID:
		return nil, 0, named("organization_id", badRequest("organization_id=%s is not the organization of the team=%s", k.OrganizationID, k.TeamID))
	case k.UserID != "" && k.UserID != c.who.user && !leads:
		return nil, 0, named("user_id", forbidden("User can only create keys for themselves. Got user_id=%s, Your ID=%s", k.UserID, c.who.user))
	case team != nil && !leads && roleInTeam(team, c.who.user) == "":
		return nil, 0, named("team_id", badRequest("User=%s not assigned to team=%s", c.who.user, k.TeamID))
	case team != nil && k.UserID != "" && roleInTeam(team, k.UserID) == "" && k.UserID != c.who.user:
		return nil, 0, named("user_id", badRequest("User=%s not assigned to team=%s", k.UserID, k.TeamID))
	case team == nil && k.UserID != "" && k.UserID != c.who.user:
		if err := c.checkOrgUser(ctx, r, k); err != nil {
			return nil, 0, err
		}
	case team != nil && !leads && rel&asMember == 0:
		return nil, 0, noTeamPermission(team, action)
	}
	return team, rel, nil
}

// checkOrgUser refuses a key of an organisation for a user that is no member of it.
func (c *call) checkOrgUser(ctx context.Context, r account.Reader, k *account.Key) error {
	m, err := lookup[account.OrgMember](ctx, r, account.MemberID(k.OrganizationID, k.UserID))
	if err != nil || m == nil {
		return orElse(err, named("user_id", badRequest("User=%s is not a member of the organization=%s", k.UserID, k.OrganizationID)))
	}
	return nil
}

// noTeamPermission refuses a member of a team whom the team does not let do a thing to its keys.
func noTeamPermission(t *account.Team, action string) *apierr.Error {
	return &apierr.Error{
		Status: http.StatusUnauthorized, Type: "team_member_permission_error", Param: action,
		Message: "Team member does not have permissions for endpoint: " + action + ". You only have access to the following endpoints: " +
			pythonList(permissionsOf(t)) + " for team " + t.TeamID + ". Ask an admin of the team to grant it with /team/permissions_update.",
	}
}

func (c *call) teamRole(t *account.Team) string {
	if t == nil {
		return ""
	}
	return roleInTeam(t, c.who.user)
}

// completeKey applies the key that calls, the team, the defaults and the bounds, in this order, and makes the whole key.
func (c *call) completeKey(in *keyGenerateRequest, asked *account.Key, team *account.Team) (*account.Key, error) {
	c.inherit(&in.keyFields)
	if team != nil && !in.Duration.Given() && asked.UserID != "" {
		if d, _ := team.Metadata["team_member_key_duration"].(string); d != "" && roleInTeam(team, asked.UserID) != "" {
			in.Duration = give(d)
		}
	}
	c.settings.DefaultKey.fill(&in.keyFields)
	if c.standsFor(asked) && len(in.AllowedRoutes.Value) == 0 && in.KeyType.Or("default") == "default" {
		in.AllowedRoutes = give(slices.Clone(callingRoutes))
	}
	if err := c.settings.UpperBound.bound(c, &in.keyFields, nil); err != nil {
		return nil, err
	}
	k := &account.Key{KeyID: telemetry.NewID(), UserID: asked.UserID, TeamID: asked.TeamID}
	if err := in.apply(c, k); err != nil {
		return nil, err
	}
	if err := c.tighten(k); err != nil {
		return nil, err
	}
	if v, ok := asked.Metadata["service_account_id"]; ok {
		if k.Metadata == nil {
			k.Metadata = map[string]any{}
		}
		k.Metadata["service_account_id"] = v
	}
	return k, nil
}

// aliasForm is the form of key aliases that enable_key_alias_format_validation demands.
var aliasForm = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_\-/\.@]{0,253}[a-zA-Z0-9]$`)

// checkKey refuses a key that contradicts what is stored. before is nil for a new key.
func (c *call) checkKey(ctx context.Context, r account.Reader, before, k *account.Key, team *account.Team) error {
	if k.KeyAlias != "" && (before == nil || before.KeyAlias != k.KeyAlias) {
		if c.settings.CheckAliases && !aliasForm.MatchString(k.KeyAlias) {
			return named("key_alias", badRequest("Invalid key_alias format. Must be 2-255 characters, start/end with alphanumeric, and only contain a-zA-Z0-9_-/.@."))
		}
		others, _, err := find[account.Key](ctx, r, account.Keys, account.Filter{Equal: map[string]any{"key_alias": k.KeyAlias}})
		if err != nil {
			return err
		}
		if slices.ContainsFunc(others, func(o *account.Key) bool { return before == nil || o.Token != before.Token }) {
			return named("key_alias", badRequest("Key with alias '%s' already exists. Unique key aliases across all keys are required.", k.KeyAlias))
		}
	}
	if err := c.checkReferences(ctx, r, before, k); err != nil {
		return err
	}
	return c.checkThroughput(ctx, r, k, team)
}

// checkReferences refuses a budget, an organisation or an access group that does not exist.
func (c *call) checkReferences(ctx context.Context, r account.Reader, before, k *account.Key) error {
	if before == nil {
		before = &account.Key{}
	}
	if k.BudgetID != "" && k.BudgetID != before.BudgetID {
		if b, err := lookup[account.Budget](ctx, r, k.BudgetID); err != nil || b == nil {
			return orElse(err, named("budget_id", badRequest("Budget not found, passed budget_id=%s", k.BudgetID)))
		}
	}
	if k.OrganizationID != "" && k.OrganizationID != before.OrganizationID {
		if o, err := lookup[account.Organization](ctx, r, k.OrganizationID); err != nil || o == nil {
			return orElse(err, named("organization_id", badRequest("Organization not found for organization_id=%s", k.OrganizationID)))
		}
	}
	for _, id := range k.AccessGroupIDs {
		if slices.Contains(before.AccessGroupIDs, id) {
			continue
		}
		if g, err := lookup[account.AccessGroup](ctx, r, id); err != nil || g == nil {
			return orElse(err, named("access_group_ids", badRequest("Access group not found, passed access_group_id=%s", id)))
		}
	}
	return nil
}

// keyBytes is how much randomness a key has (LENGTH_OF_LITELLM_GENERATED_KEY): 16 bytes, 22 characters.
const keyBytes = 16

// keyValue is the value of a new key: a random one, or the custom one when it is a key that nobody has.
func (c *call) keyValue(ctx context.Context, r account.Reader, custom string) (string, error) {
	if custom == "" {
		var b [keyBytes]byte
		_, _ = rand.Read(b[:]) // never fails; it ends the program where the system has no randomness
		return "sk-" + base64.RawURLEncoding.EncodeToString(b[:]), nil
	}
	if !strings.HasPrefix(custom, "sk-") || len(custom) == len("sk-") {
		return "", named("key", badRequest("Invalid key format. LiteLLM Virtual Key must start with 'sk-'. Received: %s", ends(custom)))
	}
	if c.who.isMaster != nil && c.who.isMaster(custom) {
		return "", named("key", badRequest("This is the master key, which no other key can be. Choose another value for `key`."))
	}
	hash := account.HashKey(custom)
	for _, o := range []account.Object{&account.Key{}, &account.RetiredKey{}} {
		err := r.Get(ctx, hash, o)
		if err == nil {
			return "", named("key", badRequest("Key with this value already exists. Choose another value for `key`."))
		}
		if !errors.Is(err, account.ErrNotFound) {
			return "", err
		}
	}
	return custom, nil
}

// ends shows the ends of a long text that was sent as a key, and nothing of a short one.
func ends(text string) string {
	if len(text) <= 8 {
		return "****"
	}
	return text[:4] + "****" + text[len(text)-4:]
}

// keyName is how a key is shown.
func keyName(raw string) string { return "sk-..." + raw[max(len(raw)-4, len("sk-")):] }
