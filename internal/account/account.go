// Package account is the vocabulary of who may call and who pays: keys, teams, users, organisations, customers,
// memberships, budgets, tags, stored models and credentials, as the management API shows them and the store keeps them.
// The JSON names are LiteLLM's (its database columns), so that a row is its own reply; the store keeps the same JSON.
// Spend is never part of an object: it lives in counters, one per scope (scope.go), and is joined where it is shown.
package account

import (
	"encoding/json"
	"time"
)

// Kind names a table of objects.
type Kind string

// The kinds of objects.
const (
	Keys              Kind = "keys"               // Key, by its hash
	Teams             Kind = "teams"              // Team, by team_id
	Users             Kind = "users"              // User, by user_id
	Organizations     Kind = "organizations"      // Organization, by organization_id
	Customers         Kind = "customers"          // Customer (LiteLLM: end user), by user_id
	TeamMembers       Kind = "team_members"       // TeamMember, by MemberID(team, user)
	OrgMembers        Kind = "org_members"        // OrgMember, by MemberID(organisation, user)
	Budgets           Kind = "budgets"            // Budget, by budget_id
	Tags              Kind = "tags"               // Tag, by name
	Models            Kind = "models"             // StoredModel, by model_id
	Credentials       Kind = "credentials"        // Credential, by credential_name
	Settings          Kind = "settings"           // Setting, by param_name
	AccessGroups      Kind = "access_groups"      // AccessGroup, by access_group_id
	ObjectPermissions Kind = "object_permissions" // ObjectPermission, by its id
	RetiredKeys       Kind = "retired_keys"       // RetiredKey, by the old hash: rotated keys in their grace period
	DeletedKeys       Kind = "deleted_keys"       // DeletedKey, by the deleted key's hash and time
	DeletedTeams      Kind = "deleted_teams"      // DeletedTeam
	JWTKeyMappings    Kind = "jwt_key_mappings"   // JWTKeyMapping, by id
)

// Object is one row of a kind. ObjectID is its primary key, never empty.
type Object interface {
	Kind() Kind
	ObjectID() string
}

// Stamps are when and by whom an object was made and last changed (UTC).
type Stamps struct {
	CreatedAt time.Time `json:"created_at"`
	CreatedBy string    `json:"created_by"`
	UpdatedAt time.Time `json:"updated_at"`
	UpdatedBy string    `json:"updated_by"`
}

// Stamp notes that the object is made or changed now, and by whom.
func (s *Stamps) Stamp(by string, at time.Time) {
	if s.CreatedAt.IsZero() {
		s.CreatedAt, s.CreatedBy = at, by
	}
	s.UpdatedAt, s.UpdatedBy = at, by
}

// Limits bound what an object may do. nil is no limit, and 0 allows nothing.
type Limits struct {
	MaxParallelRequests *int64 `json:"max_parallel_requests"`
	TPMLimit            *int64 `json:"tpm_limit"` // tokens per minute
	RPMLimit            *int64 `json:"rpm_limit"` // requests per minute
}

// Spending is the money side of an object. The amount spent is the counter's of the object's scope.
type Spending struct {
	MaxBudget      Amount     `json:"max_budget"`      // "" = none
	BudgetDuration string     `json:"budget_duration"` // "30d"; "" = never resets
	BudgetResetAt  *time.Time `json:"budget_reset_at"` // nil = never
}

// Window is one of several budgets of an object, each with its own period (budget_limits).
type Window struct {
	BudgetDuration string     `json:"budget_duration"`
	MaxBudget      Amount     `json:"max_budget"`
	ResetAt        *time.Time `json:"reset_at"`
}

// ModelBudget is the budget of one model on a key, user or customer. LiteLLM accepts two spellings of each field; the
// admin room folds max_budget and budget_duration into these.
type ModelBudget struct {
	BudgetLimit Amount `json:"budget_limit"`
	TimePeriod  string `json:"time_period"`
}

// JSON is an object or list that the gateway keeps as it was given; nil is written as null.
type JSON = json.RawMessage

// Role is a user's role in the whole gateway, by LiteLLM's names.
type Role string

// The roles.
const (
	ProxyAdmin         Role = "proxy_admin"
	ProxyAdminViewer   Role = "proxy_admin_viewer"
	OrgAdmin           Role = "org_admin" // of a membership
	InternalUser       Role = "internal_user"
	InternalUserViewer Role = "internal_user_viewer"
	CustomerRole       Role = "customer"
	TeamRole           Role = "team" // a JWT that stands for a team
)

// The roles of a member of a team.
const (
	MemberAdmin = "admin"
	MemberUser  = "user"
)

// The names in a list of models that stand for others.
const (
	AllProxyModels  = "all-proxy-models"
	AllTeamModels   = "all-team-models"
	NoDefaultModels = "no-default-models"
)
