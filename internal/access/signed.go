package access

import (
	"context"
	"errors"
	"net/http"

	"github.com/golang-jwt/jwt/v5"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
)

// token finds whom a signed bearer token stands for.
func (g *Gate) token(ctx context.Context, text string, h keyHash) (Identity, *apierr.Error) {
	t := g.opts.Tokens
	token, err := t.verify(ctx, text, h)
	if err != nil {
		return Identity{}, refuseToken(err)
	}
	d := g.opts.Directory
	if d == nil || d.reader == nil {
		return g.notFound(text, errNoStore)
	}
	if token.claims.key != "" {
		who, found, err := d.mapped(ctx, t.opts.Settings.VirtualKey, token.claims.key)
		if err != nil {
			return g.notFound(text, err)
		}
		if found {
			who.Token = &Claims{EndUser: token.claims.EndUser}
			return who, nil
		}
		if t.opts.Settings.Unregistered == "reject" {
			return Identity{}, forbidden("Authentication Error, No virtual key is registered for the token's " + t.opts.Settings.VirtualKey + " claim.")
		}
	}
	record := token.record.Load()
	if record == nil || !d.inForce(record, d.moment()) {
		if record, err = g.compileToken(ctx, token.claims); err != nil {
			return g.refuseClaims(token.claims, err)
		}
		token.record.Store(record)
	}
	return record.identity, nil
}

// compileToken makes the record of a token: of the operator's it is an empty one. Of several teams the first that exists
// stands for the caller until the model is known (chooseTeam).
func (g *Gate) compileToken(ctx context.Context, c *Claims) (*Record, error) {
	d := g.opts.Directory
	if err := g.upsert(ctx, c); err != nil {
		return nil, err
	}
	team := c.TeamID
	if team == "" && c.TeamAlias != "" {
		id, err := d.teamNamed(ctx, c.TeamAlias)
		if err != nil {
			return nil, err
		}
		team = id
	}
	if team == "" && !c.admin() {
		for _, id := range c.TeamIDs {
			if _, t, err := object[account.Team](ctx, d, id); err != nil {
				return nil, err
			} else if t != nil {
				team = id
				break
			}
		}
		if team == "" && len(c.TeamIDs) > 0 {
			return nil, &missingTeam{c.TeamIDs[0]}
		}
	}
	r, err := d.compileIDs(ctx, c.UserID, team, c.OrgID)
	if err != nil {
		return nil, err
	}
	who := &r.identity
	if !c.admin() {
		switch {
		case c.OrgID != "" && who.Org == nil:
			return nil, refusal("Organization doesn't exist in db. Organization=" + c.OrgID + ". Create organization via `/organization/new` call.")
		case who.User == nil && who.Team == nil:
			return nil, refusal("User doesn't exist in db. 'user_id'=" + c.UserID + ". Create user via `/user/new` call.")
		}
	}
	switch {
	case c.Role != "":
		who.Role = c.Role
	case who.User == nil:
		who.Role = account.TeamRole
	}
	who.Token, who.Name = c, c.name(team)
	return r, nil
}

// name is what the log calls the caller.
func (c *Claims) name(team string) string {
	switch {
	case c.UserID != "":
		return "user:" + clip(c.UserID)
	case c.admin():
		return "admin token"
	}
	return "team:" + clip(team)
}

// upsert makes the user and the team that the token names, where the operator wants that and they are not known.
func (g *Gate) upsert(ctx context.Context, c *Claims) error {
	s, d, up := &g.opts.Tokens.opts.Settings, g.opts.Directory, g.opts.Tokens.opts.Upsert
	if up == nil {
		return nil
	}
	if s.UserUpsert && c.UserID != "" {
		if _, u, err := object[account.User](ctx, d, c.UserID); err != nil {
			return err
		} else if u == nil {
			// Never more than an internal user: what a scope of this token opens is not for the user's later ones.
			if err := up.UpsertUser(ctx, &account.User{UserID: c.UserID, UserEmail: c.Email, UserRole: account.InternalUser}); err != nil {
				return err
			}
			d.Apply([]account.Change{{Kind: account.Users, ID: c.UserID}})
		}
	}
	if s.TeamUpsert && c.TeamID != "" {
		if _, t, err := object[account.Team](ctx, d, c.TeamID); err != nil {
			return err
		} else if t == nil {
			if err := up.UpsertTeam(ctx, &account.Team{TeamID: c.TeamID}); err != nil {
				return err
			}
			d.Apply([]account.Change{{Kind: account.Teams, ID: c.TeamID}})
		}
	}
	return nil
}

// chooseTeam gives a caller whose token names several teams the first of them that may call the model.
func (g *Gate) chooseTeam(ctx context.Context, id *Identity, call *ModelCall) *apierr.Error {
	if id.Token == nil || id.Token.TeamID != "" || len(id.Token.TeamIDs) < 2 || id.record == nil {
		return nil
	}
	for _, team := range id.Token.TeamIDs {
		claims := *id.Token
		claims.TeamID = team
		r, err := g.compileToken(ctx, &claims)
		if err != nil {
			continue // of the teams of an identity provider not all need be here
		}
		if r.identity.checkTeam() == nil && newAdmission(g, &r.identity, call).checkTeamModels(ctx) == nil {
			*id = r.identity
			return nil
		}
	}
	return forbidden("No team has access to the requested model: " + clip(call.Model) + ". Checked teams=" + pythonList(id.Token.TeamIDs) + ". Check `/models` to see all available models.")
}

// mapped finds the virtual key that a claim stands for (JWTKeyMapping).
func (d *Directory) mapped(ctx context.Context, claimName, value string) (Identity, bool, error) {
	found, err := d.search(ctx, account.JWTKeyMappings, claimName+"\x00"+value, account.Filter{
		Equal: map[string]any{"jwt_claim_name": claimName, "jwt_claim_value": value, "is_active": true}, Limit: 1,
	}, func() account.Object { return new(account.JWTKeyMapping) })
	if err != nil || found == nil {
		return Identity{}, false, err
	}
	r, err := d.Lookup(ctx, found.(*account.JWTKeyMapping).Token)
	if err != nil {
		return Identity{}, false, err
	}
	return r.identity, true, nil
}

// teamNamed finds a team by its alias.
func (d *Directory) teamNamed(ctx context.Context, alias string) (string, error) {
	found, err := d.search(ctx, account.Teams, alias, account.Filter{Equal: map[string]any{"team_alias": alias}, Limit: 1}, func() account.Object { return new(account.Team) })
	if err != nil {
		return "", err
	}
	if found == nil {
		return "", &missingTeam{alias}
	}
	return found.ObjectID(), nil
}

// refuseClaims answers a genuine token that opens nothing here.
func (g *Gate) refuseClaims(c *Claims, err error) (Identity, *apierr.Error) {
	var why refusal
	if errors.As(err, &why) {
		return Identity{}, forbidden(string(why))
	}
	var missing *missingTeam
	if errors.As(err, &missing) {
		return Identity{}, &apierr.Error{Status: http.StatusForbidden, Type: "auth_error", Message: "Team doesn't exist in db. Team=" + clip(missing.id) + ". Create team via `/team/new` call."}
	}
	if c.admin() { // nothing of the operator's token is in the store
		return Identity{Role: account.ProxyAdmin, Name: c.name(""), Token: c}, nil
	}
	return g.notFound("", err)
}

// refuseToken answers a token that is not genuine. It says nothing of the token.
func refuseToken(err error) *apierr.Error {
	var why refusal
	switch {
	case errors.As(err, &why):
		return forbidden(string(why))
	case errors.Is(err, errNoKeys):
		e := &apierr.Error{Status: http.StatusServiceUnavailable, Type: "auth_error", Message: "Authentication Error, The token issuer's keys cannot be fetched. Please retry shortly.", Cause: err}
		return e.WithRetryAfter(refetchKeys)
	case errors.Is(err, jwt.ErrTokenExpired):
		return unauthorized("Authentication Error, Token Expired")
	case errors.Is(err, errNoSuchKey):
		return unauthorized("Authentication Error, No matching public key found.")
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		return unauthorized("Authentication Error, Validation fails: Audience doesn't match")
	case errors.Is(err, jwt.ErrTokenInvalidIssuer):
		return unauthorized("Authentication Error, Validation fails: Invalid issuer")
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		return unauthorized("Authentication Error, Validation fails: The token is not yet valid")
	case errors.Is(err, jwt.ErrTokenSignatureInvalid):
		return unauthorized("Authentication Error, Validation fails: Signature verification failed")
	}
	return unauthorized("Authentication Error, Validation fails: The token is not a valid JSON web token")
}
