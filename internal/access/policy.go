package access

import (
	"tollgate/internal/account"
	"tollgate/internal/budget"
	"tollgate/internal/limit"
)

// Policy is what the configuration says of calls of models.
type Policy struct {
	LegacyStatus       bool   // a model that is not allowed is 401, not 403
	ModelDeniedMessage string // replaces the text of that refusal; {model} stands for the name (model_access_denied_message)
	// ModelGroups are the access groups that the configuration puts a model into (model_info.access_groups); nil = none.
	ModelGroups func(model string) []string

	EnforceUserParam bool     // enforce_user_param
	EnforcedParams   []string // enforced_params: "user", "metadata.generation_name"
	RejectClientTags bool     // reject_clientside_metadata_tags

	CustomerBudgetID string         // max_end_user_budget_id: the budget of customers that have none
	CustomerBudget   account.Amount // max_end_user_budget: the same, as an amount
	NoCustomers      bool           // disable_end_user_cost_tracking

	// UserBudgetOnTeamKeys holds a user's keys of teams to the user's budget as well (LiteLLM from 1.94 on, unless
	// skip_user_budget_on_team_key).
	UserBudgetOnTeamKeys bool

	GlobalBudget    account.Amount // litellm_settings.max_budget; 0 = none
	GlobalDuration  string         // litellm_settings.budget_duration
	GlobalForMaster bool           // the whole gateway's budget binds the master key, too
	GlobalParallel  *int64         // global_max_parallel_requests
	KeyParallel     *int64         // general_settings.max_parallel_requests: of keys that say nothing
}

// ModelCall is what admission needs to know of a call of a model.
type ModelCall struct {
	Route *Route
	Model string // as the caller asked for it, after the operator's own renaming
	// Resolve names what the router serves a name as (model_group_alias); nil, or "", = the name itself.
	Resolve   func(name string) string
	Fallbacks []string // that the caller asks for, each to be allowed as well
	EndUser   string
	HasUser   bool                    // the body has the user field
	Tags      []string                // of the body or the headers
	HasParam  func(path string) bool  // whether the body has a field, by "a.b"; nil = it has none
	Free      func(model string) bool // whether a model costs nothing; nil = none does
}

// Admission is what a call that may go out is held to.
type Admission struct {
	Model   string          // what is asked of the router: the caller's name after the key's and the team's aliases
	Charges []account.Scope // the counters that the call's cost is added to; the provider's and the deployment's are the gateway's to add
	Budgets []budget.Scope  // in the order in which they refuse; none when the model costs nothing
	Limits  []limit.Rule    // in the order in which they refuse
	Tags    []string        // the caller's, the key's and the team's
	EndUser string          // the call's, else the one that a signed token names
	// Metadata is the key's, for the ledger's row; nil when it has none.
	Metadata account.JSON

	of *admission // what it was made by; nil of one that another package made
}
