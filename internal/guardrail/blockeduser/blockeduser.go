// Package blockeduser is the guardrail `blocked_user_check`: LiteLLM's hook that refuses the calls of certain users.
package blockeduser

import (
	"context"
	"os"
	"strings"

	"tollgate/internal/guardrail"
)

// setting is a list of users, or the path of a file with one a line.
const setting = "blocked_user_list"

type blockedUsers map[string]bool

var (
	_ guardrail.Guardrail = blockedUsers(nil)
	_ guardrail.Windowed  = blockedUsers(nil)
	_ guardrail.Opener    = Open
)

// Open implements guardrail.Opener.
func Open(spec guardrail.Spec) (guardrail.Guardrail, error) {
	list := spec.Settings.Texts(setting)
	if len(list) == 1 && strings.HasSuffix(list[0], ".txt") {
		text, err := os.ReadFile(list[0])
		if err != nil {
			spec.Settings.Fault(setting, "%v", err)
			return nil, spec.Settings.Err()
		}
		list = strings.Split(string(text), "\n")
	}
	users := blockedUsers{}
	for _, user := range list {
		if user = strings.TrimSpace(user); user != "" {
			users[user] = true
		}
	}
	if len(users) == 0 && spec.Settings.Err() == nil {
		spec.Settings.Fault(setting, "has no users: give a list, or the path of a .txt file with one a line; single customers are blocked by /customer/block")
	}
	return users, spec.Settings.Err()
}

// Overlap implements guardrail.Windowed: no text matters.
func (b blockedUsers) Overlap() int { return 0 }

// Check implements guardrail.Guardrail: neither the request's user nor the key's owner may be in the list.
func (b blockedUsers) Check(_ context.Context, in *guardrail.Input) (guardrail.Verdict, error) {
	for _, user := range [...]string{in.Call.EndUser, in.Call.UserID} {
		if user == "" || !b[user] {
			continue
		}
		reason := "User blocked from making LLM API Calls. User=" + user
		return guardrail.Verdict{
			Action: guardrail.Block, Reason: reason, Detail: map[string]any{"error": reason},
			Findings: []guardrail.Finding{{Kind: "blocked_user", Action: guardrail.Block, Count: 1}},
		}, nil
	}
	return guardrail.Verdict{}, nil
}
