package account

import "time"

// Key is a virtual key. Of the key itself only its SHA-256 is kept.
type Key struct {
	Token    string     `json:"token"`     // lower-case hex SHA-256 of the raw key
	KeyID    string     `json:"key_id"`    // stable over rotations; ours
	KeyName  string     `json:"key_name"`  // "sk-...abcd"
	KeyAlias string     `json:"key_alias"` // unique when not empty
	Expires  *time.Time `json:"expires"`
	Models   []string   `json:"models"` // empty = all that the team, or the gateway, has
	Aliases  JSON       `json:"aliases"`
	Config   JSON       `json:"config"`
	UserID   string     `json:"user_id"`
	TeamID   string     `json:"team_id"`
	AgentID  string     `json:"agent_id"`
	// ProjectID is kept for reports; there are no project budgets.
	ProjectID      string `json:"project_id"`
	OrganizationID string `json:"organization_id"`
	BudgetID       string `json:"budget_id"`
	Limits
	Spending
	SoftBudget         Amount                 `json:"soft_budget"`
	BudgetLimits       []Window               `json:"budget_limits"`
	ModelMaxBudget     map[string]ModelBudget `json:"model_max_budget"`
	Blocked            *bool                  `json:"blocked"`
	Permissions        JSON                   `json:"permissions"`
	Metadata           map[string]any         `json:"metadata"` // tags, model_rpm_limit, model_tpm_limit, guardrails ... live in it, as LiteLLM's
	RouterSettings     JSON                   `json:"router_settings"`
	AllowedRoutes      []string               `json:"allowed_routes"`
	AllowedCacheCtrl   []string               `json:"allowed_cache_controls"`
	Policies           []string               `json:"policies"`
	AccessGroupIDs     []string               `json:"access_group_ids"`
	ObjectPermissionID string                 `json:"object_permission_id"`
	LastActive         *time.Time             `json:"last_active"`
	RotationCount      int64                  `json:"rotation_count"`
	AutoRotate         bool                   `json:"auto_rotate"`
	RotationInterval   string                 `json:"rotation_interval"`
	LastRotationAt     *time.Time             `json:"last_rotation_at"`
	KeyRotationAt      *time.Time             `json:"key_rotation_at"`
	Stamps
}

// Member is one entry of a team's or organisation's list of members.
type Member struct {
	Role      string `json:"role"` // MemberAdmin or MemberUser
	UserID    string `json:"user_id"`
	UserEmail string `json:"user_email"`
}

// Team is a group of users that shares models, limits and a budget.
type Team struct {
	TeamID           string         `json:"team_id"`
	TeamAlias        string         `json:"team_alias"`
	OrganizationID   string         `json:"organization_id"`
	Admins           []string       `json:"admins"`
	Members          []string       `json:"members"`
	MembersWithRoles []Member       `json:"members_with_roles"`
	Metadata         map[string]any `json:"metadata"`
	Models           []string       `json:"models"`
	Limits
	Spending
	SoftBudget              Amount                 `json:"soft_budget"`
	BudgetLimits            []Window               `json:"budget_limits"`
	ModelMaxBudget          map[string]ModelBudget `json:"model_max_budget"`
	Blocked                 bool                   `json:"blocked"`
	ModelAliases            map[string]string      `json:"model_aliases"`
	RouterSettings          JSON                   `json:"router_settings"`
	TeamMemberPermissions   []string               `json:"team_member_permissions"`
	AccessGroupIDs          []string               `json:"access_group_ids"`
	Policies                []string               `json:"policies"`
	DefaultTeamMemberModels []string               `json:"default_team_member_models"`
	ObjectPermissionID      string                 `json:"object_permission_id"`
	Stamps
}

// User is a person or service that owns keys.
type User struct {
	UserID         string   `json:"user_id"`
	UserAlias      string   `json:"user_alias"`
	UserEmail      string   `json:"user_email"`
	UserRole       Role     `json:"user_role"`
	SSOUserID      string   `json:"sso_user_id"`
	OrganizationID string   `json:"organization_id"`
	PasswordHash   string   `json:"password"` // never shown
	Teams          []string `json:"teams"`
	Models         []string `json:"models"`
	Limits
	Spending
	SoftBudget         Amount                 `json:"soft_budget"`
	ModelMaxBudget     map[string]ModelBudget `json:"model_max_budget"`
	Metadata           map[string]any         `json:"metadata"`
	Policies           []string               `json:"policies"`
	AllowedCacheCtrl   []string               `json:"allowed_cache_controls"`
	ObjectPermissionID string                 `json:"object_permission_id"`
	Deactivated        bool                   `json:"deactivated"` // ours: keys of the user stop
	Stamps
}

// Organization groups teams. Its limits and budget are those of its Budget.
type Organization struct {
	OrganizationID     string         `json:"organization_id"`
	OrganizationAlias  string         `json:"organization_alias"`
	BudgetID           string         `json:"budget_id"`
	Metadata           map[string]any `json:"metadata"`
	Models             []string       `json:"models"`
	ObjectPermissionID string         `json:"object_permission_id"`
	Stamps
}

// Customer is an end user of an application, known by the user field of its calls.
type Customer struct {
	UserID             string   `json:"user_id"`
	Alias              string   `json:"alias"`
	AllowedModelRegion string   `json:"allowed_model_region"`
	DefaultModel       string   `json:"default_model"`
	Models             []string `json:"models"`
	BudgetID           string   `json:"budget_id"`
	ObjectPermissionID string   `json:"object_permission_id"`
	Blocked            bool     `json:"blocked"`
	Stamps
}

// TeamMember is a user in a team, with the budget and the models that it has there.
type TeamMember struct {
	UserID   string `json:"user_id"`
	TeamID   string `json:"team_id"`
	BudgetID string `json:"budget_id"`
	Stamps
}

// OrgMember is a user in an organisation.
type OrgMember struct {
	UserID         string `json:"user_id"`
	OrganizationID string `json:"organization_id"`
	UserRole       Role   `json:"user_role"`
	BudgetID       string `json:"budget_id"`
	Stamps
}

// Budget is a set of limits that several objects can share.
type Budget struct {
	BudgetID   string `json:"budget_id"`
	SoftBudget Amount `json:"soft_budget"`
	Limits
	Spending
	ModelMaxBudget map[string]ModelBudget `json:"model_max_budget"`
	AllowedModels  []string               `json:"allowed_models"` // of a team member; empty = the team's
	Stamps
}

// Tag is a label of calls that has a budget or models.
type Tag struct {
	Name        string   `json:"name"`
	Description string   `json:"description"`
	Models      []string `json:"models"`
	ModelInfo   JSON     `json:"model_info"`
	BudgetID    string   `json:"budget_id"`
	Stamps
}

// StoredModel is a deployment that was added at run time. The strings of Params are sealed.
type StoredModel struct {
	ModelID   string         `json:"model_id"`
	ModelName string         `json:"model_name"`
	Params    map[string]any `json:"litellm_params"`
	ModelInfo map[string]any `json:"model_info"`
	Blocked   bool           `json:"blocked"`
	Stamps
}

// Credential is a named set of provider credentials. The values are sealed.
type Credential struct {
	CredentialName string            `json:"credential_name"`
	Values         map[string]string `json:"credential_values"`
	Info           map[string]any    `json:"credential_info"`
	Stamps
}

// Setting is one section of the stored configuration (litellm_settings, general_settings, router_settings,
// environment_variables; the last one's values are sealed).
type Setting struct {
	ParamName  string `json:"param_name"`
	ParamValue JSON   `json:"param_value"`
	Stamps
}

// AccessGroup is a named set of models that keys and teams refer to.
type AccessGroup struct {
	AccessGroupID    string   `json:"access_group_id"`
	AccessGroupName  string   `json:"access_group_name"`
	Description      string   `json:"description"`
	AccessModelNames []string `json:"access_model_names"`
	AssignedTeamIDs  []string `json:"assigned_team_ids"`
	AssignedKeyIDs   []string `json:"assigned_key_ids"`
	Stamps
}

// ObjectPermission is kept for the clients that set it: MCP servers, vector stores, agents.
type ObjectPermission struct {
	ObjectPermissionID string   `json:"object_permission_id"`
	MCPServers         []string `json:"mcp_servers"`
	MCPAccessGroups    []string `json:"mcp_access_groups"`
	MCPToolPermissions JSON     `json:"mcp_tool_permissions"`
	VectorStores       []string `json:"vector_stores"`
	Agents             []string `json:"agents"`
	AgentAccessGroups  []string `json:"agent_access_groups"`
	Models             []string `json:"models"`
	BlockedTools       []string `json:"blocked_tools"`
}

// RetiredKey is the hash of a key that was rotated and still works for a while.
type RetiredKey struct {
	Token         string    `json:"token"`           // the old hash
	ActiveTokenID string    `json:"active_token_id"` // the new hash
	RevokeAt      time.Time `json:"revoke_at"`
	CreatedAt     time.Time `json:"created_at"`
}

// DeletedKey is what is left of a key.
type DeletedKey struct {
	ID string `json:"id"`
	Key
	DeletedAt       time.Time `json:"deleted_at"`
	DeletedBy       string    `json:"deleted_by"`
	DeletedByAPIKey string    `json:"deleted_by_api_key"`
	ChangedBy       string    `json:"litellm_changed_by"`
}

// DeletedTeam is what is left of a team.
type DeletedTeam struct {
	ID string `json:"id"`
	Team
	DeletedAt       time.Time `json:"deleted_at"`
	DeletedBy       string    `json:"deleted_by"`
	DeletedByAPIKey string    `json:"deleted_by_api_key"`
	ChangedBy       string    `json:"litellm_changed_by"`
}

// JWTKeyMapping lets a claim of a token stand for a virtual key.
type JWTKeyMapping struct {
	ID          string `json:"id"`
	ClaimName   string `json:"jwt_claim_name"`
	ClaimValue  string `json:"jwt_claim_value"`
	Token       string `json:"token"` // hash of the key
	Description string `json:"description"`
	IsActive    bool   `json:"is_active"`
	Stamps
}
