package alert

import (
	"fmt"
	"strings"
)

// Change is something that somebody has done with the management API.
type Change struct {
	Type  Type   // KeyCreated ... UserDeleted
	ID    string // a key's hash, the id of a team or a user
	Alias string
	Email string
	// UserID and TeamID are those of a key.
	UserID, TeamID string
}

// titles are the first lines of messages about changes.
var titles = map[Type]string{
	KeyCreated: "Virtual Key Created", KeyUpdated: "Virtual Key Updated", KeyDeleted: "Virtual Key Deleted",
	TeamCreated: "Team Created", TeamUpdated: "Team Updated", TeamDeleted: "Team Deleted",
	UserCreated: "Internal User Created", UserUpdated: "Internal User Updated", UserDeleted: "Internal User Deleted",
}

// Changed tells of a change. It is told to the webhook, too, where a key or a user is new.
func (a *Alerter) Changed(c Change) {
	if a == nil {
		return
	}
	s := a.settings.Load()
	if !s.sends(c.Type) && s.Webhook.Empty() {
		return
	}
	var lines strings.Builder
	fmt.Fprintf(&lines, "*%s*\n", titles[c.Type])
	for _, f := range []field{{"ID", c.ID}, {"Alias", c.Alias}, {"Email", c.Email}, {"User ID", c.UserID}, {"Team ID", c.TeamID}} {
		if f.value != "" {
			fmt.Fprintf(&lines, "\n*%s:* `%s`", f.name, f.value)
		}
	}
	a.raise(&note{kind: c.Type, level: Low, message: lines.String()})
	e := &Event{UserEmail: text(c.Email), EventMessage: titles[c.Type]}
	switch c.Type {
	case KeyCreated:
		e.Event, e.EventGroup, e.Token, e.KeyAlias, e.UserID, e.TeamID = "key_created", "key", text(c.ID), text(c.Alias), text(c.UserID), text(c.TeamID)
	case UserCreated:
		e.Event, e.EventGroup, e.UserID = "internal_user_created", "internal_user", text(c.ID)
	default:
		return
	}
	a.postEvent(s, e)
}
