// Package budget keeps calls within their budgets. A call reserves its worst case on every scope that pays for it before
// it goes out, and settles to its cost afterwards; the caps hold whatever runs side by side, in one process or in many.
package budget

import (
	"time"

	"tollgate/internal/account"
	"tollgate/internal/money"
)

// Scope is one budget that a call must fit into.
type Scope struct {
	Counter account.Scope
	Cap     money.USD // 0 allows nothing
	// Duration says when the counter starts anew (Next); "" = never. ResetAt is the end of the period under way as the object
	// has it; nil = computed.
	Duration string
	ResetAt  *time.Time
	// Soft is the amount over which an alert is raised; 0 = none.
	Soft money.USD
	// Refusal is what the caller is told, with {spent} and {cap} in it: Python floats, as LiteLLM writes them. {spent4} and
	// {cap2} are with four and two decimals, {spent6} and {cap6} with six. "" = DefaultRefusal.
	Refusal string
	// Header is true for the scope whose spend and cap the reply's headers show: the key's own.
	Header bool
}
