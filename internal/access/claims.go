package access

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"tollgate/internal/account"
)

// TokenSettings are litellm_jwtauth, by LiteLLM's names. The names of claims may be nested with dots; a dot of a name
// itself is written `\.`.
type TokenSettings struct {
	AdminScope   string   `json:"admin_jwt_scope"`
	AdminRoutes  []string `json:"admin_allowed_routes"`
	TeamRoutes   []string `json:"team_allowed_routes"`
	UserRoutes   []string `json:"internal_user_allowed_routes"`
	UserID       string   `json:"user_id_jwt_field"`
	UserEmail    string   `json:"user_email_jwt_field"`
	UserDomain   string   `json:"user_allowed_email_domain"`
	UserUpsert   bool     `json:"user_id_upsert"`
	UserRoles    string   `json:"user_roles_jwt_field"`
	UserAllowed  []string `json:"user_allowed_roles"`
	TeamID       string   `json:"team_id_jwt_field"`
	TeamIDs      string   `json:"team_ids_jwt_field"`
	TeamAlias    string   `json:"team_alias_jwt_field"`
	TeamDefault  string   `json:"team_id_default"`
	TeamUpsert   bool     `json:"team_id_upsert"`
	OrgID        string   `json:"org_id_jwt_field"`
	EndUser      string   `json:"end_user_id_jwt_field"`
	ObjectID     string   `json:"object_id_jwt_field"`
	Roles        string   `json:"roles_jwt_field"`
	EnforceRBAC  bool     `json:"enforce_rbac"`
	EnforceScope bool     `json:"enforce_scope_based_access"`
	EnforceTeam  bool     `json:"enforce_team_based_model_access"`
	PublicKeyTTL float64  `json:"public_key_ttl"` // seconds; 0 = 600
	VirtualKey   string   `json:"virtual_key_claim_field"`
	// Unregistered says what becomes of a token without a virtual key of its own: "reject", or "" to go by its other claims.
	Unregistered string `json:"unregistered_jwt_client_behavior"`

	RoleMappings  []RoleMapping  `json:"role_mappings"`
	ScopeMappings []ScopeMapping `json:"scope_mappings"`
	RoleMap       []RoleOfClaim  `json:"jwt_litellm_role_map"`
	SyncRoles     bool           `json:"sync_user_role_and_teams"`
	MappingTTL    float64        `json:"virtual_key_mapping_cache_ttl"` // taken and not needed: changes are told

	// RolePermissions are general_settings.role_permissions, which count with enforce_rbac.
	RolePermissions []RolePermission `json:"-"`
}

// RoleMapping gives a role of the token's a role here: internal_user, team or proxy_admin.
type RoleMapping struct {
	Role         string       `json:"role"`
	InternalRole account.Role `json:"internal_role"`
}

// ScopeMapping says what a scope of the token's opens.
type ScopeMapping struct {
	Scope  string   `json:"scope"`
	Models []string `json:"models"`
	Routes []string `json:"routes"`
}

// RoleOfClaim gives a role of the token's, which may have wildcards, a user's role here.
type RoleOfClaim struct {
	JWTRole string       `json:"jwt_role"`
	Role    account.Role `json:"litellm_role"`
}

// RolePermission says what a role may use.
type RolePermission struct {
	Role   account.Role `json:"role"`
	Models []string     `json:"models"`
	Routes []string     `json:"routes"`
}

// ParseTokenSettings reads litellm_jwtauth as the configuration has it. A name that is not served is an error that says so.
func ParseTokenSettings(values map[string]any) (TokenSettings, error) {
	s := TokenSettings{
		AdminScope:  "litellm_proxy_admin",
		AdminRoutes: []string{"management_routes", "spend_tracking_routes", "global_spend_tracking_routes", "info_routes"},
		TeamRoutes:  []string{"openai_routes", "info_routes"},
	}
	text, err := json.Marshal(values)
	if err != nil {
		return s, fmt.Errorf("access: litellm_jwtauth: %w", err)
	}
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil {
		return s, fmt.Errorf("access: litellm_jwtauth is not supported as written: %w", err)
	}
	if s.Unregistered != "" && s.Unregistered != "reject" {
		return s, fmt.Errorf("access: litellm_jwtauth.unregistered_jwt_client_behavior: %q is not supported; use \"reject\", or leave it out", s.Unregistered)
	}
	if s.SyncRoles {
		return s, errors.New("access: litellm_jwtauth.sync_user_role_and_teams is not supported: roles and teams are taken from each token as it comes")
	}
	return s, nil
}

func (s *TokenSettings) keyTTL() time.Duration {
	if s.PublicKeyTTL <= 0 {
		return 600 * time.Second
	}
	return time.Duration(s.PublicKeyTTL * float64(time.Second))
}

// Claims are what a signed bearer token says of its caller, after the operator's settings. Immutable.
type Claims struct {
	Role      account.Role // "" = the user's own
	UserID    string
	Email     string
	TeamID    string   // the one team that is named
	TeamIDs   []string // the teams of which one is chosen by the model
	TeamAlias string
	OrgID     string
	EndUser   string
	// Models and Routes bound what the token may use; nil = no bound of its own.
	Models []string
	Routes []string

	key string // the value that stands for a virtual key
}

// admin reports whether the token is the operator's.
func (c *Claims) admin() bool { return c.Role == account.ProxyAdmin }

// refusal is why a token that is genuine opens nothing: a text of LiteLLM's.
type refusal string

func (r refusal) Error() string { return string(r) }

// read applies the settings to the claims of a genuine token.
func (s *TokenSettings) read(claims map[string]any) (*Claims, error) {
	text := func(field string) string { return claimText(claim(claims, field)) }
	c := &Claims{
		UserID: text(s.UserID), Email: text(s.UserEmail), TeamID: text(s.TeamID), TeamIDs: claimTexts(claim(claims, s.TeamIDs)),
		TeamAlias: text(s.TeamAlias), OrgID: text(s.OrgID), EndUser: text(s.EndUser), key: text(s.VirtualKey),
	}
	scopes := claimTexts(claims["scope"])
	roles := claimTexts(claim(claims, s.Roles))
	s.assignRole(c, scopes, roles, claimTexts(claim(claims, s.UserRoles)))
	if object := text(s.ObjectID); object != "" {
		switch c.Role {
		case account.TeamRole:
			c.TeamID = object
		case account.InternalUser:
			c.UserID = object
		}
	}
	if c.TeamID == "" && len(c.TeamIDs) == 0 && c.TeamAlias == "" && !c.admin() {
		c.TeamID = s.TeamDefault
	}
	if err := s.checkUser(c, claimTexts(claim(claims, s.UserRoles))); err != nil {
		return nil, err
	}
	if err := s.bound(c, scopes); err != nil {
		return nil, err
	}
	for _, id := range append([]string{c.UserID, c.Email, c.TeamID, c.TeamAlias, c.OrgID, c.key}, c.TeamIDs...) {
		if !storable(id, longestID) {
			return nil, refusal("Authentication Error, a claim of the token that names who calls is longer than 400 bytes, or no text that can be stored.")
		}
	}
	return c, nil
}

// longestID bounds the ids that a token names, in bytes: two of them, escaped, are the name of a counter, which stores index.
const longestID = 400

// assignRole finds the token's role: the operator's scope, else a mapping of its roles.
func (s *TokenSettings) assignRole(c *Claims, scopes, roles, userRoles []string) {
	if s.AdminScope != "" && slices.Contains(scopes, s.AdminScope) {
		c.Role = account.ProxyAdmin
		return
	}
	for _, m := range s.RoleMappings {
		if slices.Contains(roles, m.Role) {
			c.Role = m.InternalRole
			return
		}
	}
	for _, m := range s.RoleMap {
		for _, role := range slices.Concat(roles, userRoles) {
			if ok, err := path.Match(m.JWTRole, role); ok && err == nil {
				c.Role = m.Role
				return
			}
		}
	}
}

func (s *TokenSettings) checkUser(c *Claims, userRoles []string) error {
	if len(s.UserAllowed) > 0 && !c.admin() && !slices.ContainsFunc(s.UserAllowed, func(role string) bool { return slices.Contains(userRoles, role) }) {
		return refusal("User role not allowed. Allowed roles=" + pythonList(s.UserAllowed))
	}
	if s.UserDomain == "" || c.admin() || c.UserID == "" && c.Email == "" {
		return nil
	}
	if _, domain, _ := strings.Cut(c.Email, "@"); !strings.EqualFold(domain, s.UserDomain) {
		return refusal("User's email domain is not allowed. Allowed domain=" + s.UserDomain)
	}
	return nil
}

// bound says which models and routes the token may use.
func (s *TokenSettings) bound(c *Claims, scopes []string) error {
	switch {
	case c.admin():
		c.Routes = s.AdminRoutes
		return nil
	case c.TeamID != "" || len(c.TeamIDs) > 0 || c.TeamAlias != "":
		c.Routes = s.TeamRoutes
	case len(s.UserRoutes) > 0:
		c.Routes = s.UserRoutes
	}
	if s.EnforceRBAC {
		at := slices.IndexFunc(s.RolePermissions, func(p RolePermission) bool { return p.Role == c.Role })
		switch {
		case c.Role == "":
			return refusal("Unmatched token passed in. enforce_rbac is set to True. Token must belong to a proxy admin, team, or user.")
		case at >= 0:
			p := s.RolePermissions[at]
			c.Models = narrower(c.Models, p.Models)
			if len(p.Routes) > 0 {
				c.Routes = p.Routes
			}
		}
	}
	if s.EnforceScope {
		s.boundByScope(c, scopes)
	}
	if s.EnforceTeam && c.TeamID == "" && len(c.TeamIDs) == 0 && c.TeamAlias == "" {
		c.Models = []string{account.NoDefaultModels}
	}
	return nil
}

// boundByScope opens the models and routes of the token's scopes, and nothing else.
func (s *TokenSettings) boundByScope(c *Claims, scopes []string) {
	models := []string{account.NoDefaultModels} // which no model is called, so that the list is never an open one
	var routes []string
	for _, m := range s.ScopeMappings {
		if slices.Contains(scopes, m.Scope) {
			models, routes = append(models, m.Models...), append(routes, m.Routes...)
		}
	}
	c.Models = models
	if len(routes) > 0 {
		c.Routes = routes
	}
}

func narrower(old, list []string) []string {
	if len(list) == 0 {
		return old
	}
	return list
}

// claim finds a claim by its name, nested with dots.
func claim(claims map[string]any, field string) any {
	if field == "" {
		return nil
	}
	var at any = claims
	for _, name := range splitField(field) {
		object, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = object[name]
	}
	return at
}

// splitField splits at the dots that are not escaped.
func splitField(field string) []string {
	const dot = "\x00"
	parts := strings.Split(strings.ReplaceAll(field, `\.`, dot), ".")
	for i := range parts {
		parts[i] = strings.ReplaceAll(parts[i], dot, ".")
	}
	return parts
}

// claimText is a claim that is a text or a number; of a list the first.
func claimText(v any) string {
	switch t := v.(type) {
	case string:
		return t
	case json.Number:
		return t.String()
	case []any:
		if len(t) > 0 {
			return claimText(t[0])
		}
	}
	return ""
}

// claimTexts is a claim that is a list, or a text of several words (RFC 8693, section 4.2: scope).
func claimTexts(v any) []string {
	switch t := v.(type) {
	case string:
		return strings.Fields(t)
	case []any:
		out := make([]string, 0, len(t))
		for _, e := range t {
			if s := claimText(e); s != "" {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}
