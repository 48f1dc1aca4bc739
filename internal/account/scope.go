package account

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Scope names a counter of money: what a budget is counted on, and whose spend is shown. The text is the primary key
// of the counter in the store.
type Scope string

// GlobalScope counts the whole gateway.
const GlobalScope Scope = "global"

// KeyScope counts a key, by its hash.
func KeyScope(hash string) Scope { return scope("key", hash) }

// TeamScope counts a team.
func TeamScope(id string) Scope { return scope("team", id) }

// UserScope counts a user.
func UserScope(id string) Scope { return scope("user", id) }

// OrgScope counts an organisation.
func OrgScope(id string) Scope { return scope("org", id) }

// CustomerScope counts an end user.
func CustomerScope(id string) Scope { return scope("customer", id) }

// MemberScope counts a user in a team.
func MemberScope(team, user string) Scope { return scope("member", team, user) }

// OrgMemberScope counts a user in an organisation.
func OrgMemberScope(org, user string) Scope { return scope("orgmember", org, user) }

// TagScope counts a tag.
func TagScope(name string) Scope { return scope("tag", name) }

// ProviderScope counts a provider.
func ProviderScope(name string) Scope { return scope("provider", name) }

// DeploymentScope counts a deployment.
func DeploymentScope(id string) Scope { return scope("deployment", id) }

// Window is the counter of one of several budgets of s, by its duration.
func (s Scope) Window(duration string) Scope { return s + Scope("@"+escape(duration)) }

// Model is the counter of one model on s.
func (s Scope) Model(name string) Scope { return s + Scope("#"+escape(name)) }

// Parts splits a scope into its kind ("key"), its ids, the window's duration and the model; the last two are mostly "".
func (s Scope) Parts() (kind string, ids []string, window, model string) {
	text := string(s)
	text, window, _ = strings.Cut(text, "@")
	text, model, _ = strings.Cut(text, "#")
	if window != "" {
		window, _, _ = strings.Cut(window, "#")
	}
	kind, rest, found := strings.Cut(text, ":")
	if found {
		for _, id := range strings.Split(rest, "/") {
			ids = append(ids, unescape(id))
		}
	}
	return kind, ids, unescape(window), unescape(model)
}

func scope(kind string, ids ...string) Scope {
	for i := range ids {
		ids[i] = escape(ids[i])
	}
	return Scope(kind + ":" + strings.Join(ids, "/"))
}

// special are the characters that have a meaning in a scope; they are written as %XX inside of names.
var special = strings.NewReplacer("%", "%25", "/", "%2F", "@", "%40", "#", "%23")

var plain = strings.NewReplacer("%2F", "/", "%40", "@", "%23", "#", "%25", "%")

func escape(id string) string { return special.Replace(id) }

func unescape(id string) string { return plain.Replace(id) }

// MemberID is the primary key of a membership.
func MemberID(group, user string) string { return escape(group) + "/" + escape(user) }

// HashKey is how a key is stored: the lower-case hex SHA-256 of its whole text (LiteLLM's way).
func HashKey(raw string) string {
	sum := sha256.Sum256([]byte(raw))
	return hex.EncodeToString(sum[:])
}
