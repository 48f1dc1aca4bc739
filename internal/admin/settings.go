package admin

import (
	"time"

	"tollgate/internal/account"
)

// Settings are the parts of the configuration that management calls follow. The JSON names are the configuration's, so that its
// mappings decode into these types as they are. A Settings is never changed once it is in force.
type Settings struct {
	DefaultKey      KeyDefaults    `json:"default_key_generate_params"`
	UpperBound      KeyBounds      `json:"upperbound_key_generate_params"`
	KeyGeneration   KeyGeneration  `json:"key_generation_settings"`
	DefaultTeam     TeamDefaults   `json:"default_team_params"`
	DefaultUser     UserDefaults   `json:"default_internal_user_params"`
	Guardrails      []string       `json:"-"`                             // the names of the configured guardrails
	MaxBudget       account.Amount `json:"max_budget"`                    // of the whole gateway; "" and 0 = none
	BudgetDuration  string         `json:"budget_duration"`               // of MaxBudget
	UserMaxBudget   account.Amount `json:"max_internal_user_budget"`      // "" = none
	UserDuration    string         `json:"internal_user_budget_duration"` // of UserMaxBudget
	EndUserBudgetID string         `json:"max_end_user_budget_id"`        // the budget of customers that have none
	CheckAliases    bool           `json:"enable_key_alias_format_validation"`
	NoPersonalKeys  bool           `json:"default_team_disabled"` // every key must belong to a team
	StoreModels     bool           `json:"store_model_in_db"`

	ProviderBudgets map[string]account.ModelBudget `json:"provider_budget_config"`

	StrictManagementAPI bool `json:"strict_management_api"` // refuse fields that nobody knows

	RotationGrace string `json:"-"` // how long a rotated key's old value works (LITELLM_KEY_ROTATION_GRACE_PERIOD); "" = not at all

	Zone *time.Location `json:"-"` // litellm_settings.timezone, in which budget periods begin; nil = UTC

	// Files are the sections of the configuration as it was read, secrets masked, for /config/yaml and /config/list. May be nil.
	Files map[string]any `json:"-"`
}

// KeyDefaults fill what a request for a key leaves out.
type KeyDefaults struct {
	account.Limits
	MaxBudget      account.Amount `json:"max_budget"`
	BudgetDuration string         `json:"budget_duration"`
	Duration       string         `json:"duration"`
	UserID         string         `json:"user_id"`
	TeamID         string         `json:"team_id"`
	Models         []string       `json:"models"`
	Metadata       map[string]any `json:"metadata"`
}

// KeyBounds are what a request for a key may not exceed, and what it gets where it is silent. Absent bounds do not bound.
type KeyBounds struct {
	account.Limits
	MaxBudget      account.Amount `json:"max_budget"`
	BudgetDuration string         `json:"budget_duration"`
	Duration       string         `json:"duration"`
}

// KeyGeneration says who may make keys. A nil part restricts nobody.
type KeyGeneration struct {
	Team *struct {
		AllowedTeamMemberRoles []string `json:"allowed_team_member_roles"`
		RequiredParams         []string `json:"required_params"`
	} `json:"team_key_generation"`
	Personal *struct {
		AllowedUserRoles []string `json:"allowed_user_roles"`
		RequiredParams   []string `json:"required_params"`
	} `json:"personal_key_generation"`
}

// TeamDefaults fill what a request for a team leaves out.
type TeamDefaults struct {
	account.Limits
	MaxBudget             account.Amount `json:"max_budget"`
	BudgetDuration        string         `json:"budget_duration"`
	Models                []string       `json:"models"`
	TeamMemberPermissions []string       `json:"team_member_permissions"`
}

// UserDefaults fill what a request for a user leaves out.
type UserDefaults struct {
	UserRole       account.Role   `json:"user_role"`
	MaxBudget      account.Amount `json:"max_budget"`
	BudgetDuration string         `json:"budget_duration"`
	Models         []string       `json:"models"`
	Teams          account.JSON   `json:"teams"` // ids, or objects with team_id, max_budget_in_team and user_role
	AvailableTeams []string       `json:"available_teams"`
}
