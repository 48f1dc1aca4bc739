// Package limit holds callers to their requests and tokens per minute and their calls at once, by scope, exactly, in one
// process or in many.
package limit

// Rule bounds one scope. nil is no limit, and 0 allows nothing.
type Rule struct {
	// Descriptor and Value name the scope as refusals and headers do, by LiteLLM's names: api_key and the key's hash, team,
	// user, team_member, end_user, model_per_key, model_per_team, organization, global ...
	Descriptor string
	Value      string
	Requests   *int64 // per window
	Tokens     *int64 // per window
	Parallel   *int64 // at once
}
