package admin

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/telemetry"
)

// change is one change of the store on behalf of a caller: objects get their stamps, and each step is written to the audit log
// in the same transaction.
type change struct {
	account.Tx
	c *call
}

// longestID bounds the id of an object, in bytes: counters are named by it, and stores index their names.
const longestID = 2048

// stamped is an object that tells when and by whom it was changed.
type stamped interface {
	account.Object
	Stamp(by string, at time.Time)
}

// insert adds an object. account.ErrExists when its id, or a unique alias of it, is taken.
func (t *change) insert(ctx context.Context, o stamped) error {
	if len(o.ObjectID()) > longestID {
		return badRequest("An id, or the two ids of a membership, is longer than %d bytes.", longestID)
	}
	o.Stamp(t.c.who.id(), t.c.now)
	if err := t.Insert(ctx, o); err != nil {
		return err
	}
	return t.note(ctx, "created", o, nil, document(o))
}

// replace writes an object that was changed. before is what it was; when nothing differs, nothing is written.
func (t *change) replace(ctx context.Context, before account.Object, o stamped) error {
	return t.replaceAs(ctx, "updated", before, o)
}

// replaceAs is replace under another action of the audit log, such as "blocked".
func (t *change) replaceAs(ctx context.Context, action string, before account.Object, o stamped) error {
	was, is := document(before), document(o)
	if len(split(difference(was, is))) == 0 {
		return nil
	}
	o.Stamp(t.c.who.id(), t.c.now)
	if err := t.Replace(ctx, o); err != nil {
		return err
	}
	return t.note(ctx, action, o, was, difference(was, is))
}

// remove deletes an object.
func (t *change) remove(ctx context.Context, o account.Object) error {
	if err := t.Delete(ctx, o.Kind(), o.ObjectID()); err != nil {
		return err
	}
	return t.note(ctx, "deleted", o, document(o), nil)
}

// note writes an entry of the audit log.
func (t *change) note(ctx context.Context, action string, o account.Object, before, updated account.JSON) error {
	return t.Audit(ctx, account.AuditEntry{
		ID: telemetry.NewID(), UpdatedAt: t.c.now, ChangedBy: t.c.changedBy(), ChangedByAPIKey: t.c.who.hash, Action: action,
		TableName: tableName(o.Kind()), ObjectID: o.ObjectID(), BeforeValue: masked(o.Kind(), before), UpdatedValues: masked(o.Kind(), updated),
	})
}

// changedBy is who the audit log names: an admin may speak for somebody else, anybody else is who it is.
func (c *call) changedBy() string {
	if by := c.request.Header.Get("litellm-changed-by"); by != "" && c.who.isAdmin() {
		return by
	}
	return c.who.id()
}

// tableName is LiteLLM's name of a kind in its audit log.
func tableName(k account.Kind) string {
	switch k {
	case account.Keys, account.DeletedKeys, account.RetiredKeys:
		return "LiteLLM_VerificationToken"
	case account.Teams, account.DeletedTeams:
		return "LiteLLM_TeamTable"
	case account.Users:
		return "LiteLLM_UserTable"
	case account.Organizations:
		return "LiteLLM_OrganizationTable"
	case account.Customers:
		return "LiteLLM_EndUserTable"
	case account.TeamMembers:
		return "LiteLLM_TeamMembership"
	case account.OrgMembers:
		return "LiteLLM_OrganizationMembership"
	case account.Budgets:
		return "LiteLLM_BudgetTable"
	case account.Tags:
		return "LiteLLM_TagTable"
	case account.Models:
		return "LiteLLM_ProxyModelTable"
	case account.Credentials:
		return "LiteLLM_CredentialsTable"
	case account.Settings:
		return "LiteLLM_Config"
	case account.AccessGroups:
		return "LiteLLM_AccessGroupTable"
	case account.ObjectPermissions:
		return "LiteLLM_ObjectPermissionTable"
	case account.JWTKeyMappings:
		return "LiteLLM_JWTKeyMapping"
	}
	return string(k)
}

// secretMembers are the members of a kind's documents that hold secrets, sealed or hashed. They never enter the audit log.
func secretMembers(k account.Kind) []string {
	switch k {
	case account.Users:
		return []string{"password"}
	case account.Models:
		return []string{"litellm_params"}
	case account.Credentials:
		return []string{"credential_values"}
	case account.Settings:
		return []string{"param_value"}
	}
	return nil
}

func masked(k account.Kind, doc account.JSON) account.JSON {
	secret := secretMembers(k)
	if len(secret) == 0 || doc == nil {
		return doc
	}
	members := split(doc)
	for name, raw := range members {
		if slices.Contains(secret, name) && meaningful(raw) {
			members[name] = json.RawMessage(`"*****"`)
		}
	}
	return join(members)
}

// document is the JSON of an object.
func document(o account.Object) account.JSON {
	text, err := json.Marshal(o)
	if err != nil {
		panic(err) // what was decoded from JSON can be encoded
	}
	return text
}

// split takes the top level of a JSON object apart.
func split(doc account.JSON) map[string]json.RawMessage {
	var members map[string]json.RawMessage
	if json.Unmarshal(doc, &members) != nil {
		return map[string]json.RawMessage{}
	}
	return members
}

func join(members map[string]json.RawMessage) account.JSON {
	text, err := json.Marshal(members)
	if err != nil {
		panic(err) // its members are JSON already
	}
	return text
}

// difference is a JSON object of the members of is that was has not, or has otherwise. Empty values are all the same.
func difference(was, is account.JSON) account.JSON {
	old, members := split(was), split(is)
	for name, raw := range members {
		if same(raw, old[name]) {
			delete(members, name)
		}
	}
	return join(members)
}

// copyOf is a copy of an object that shares nothing with it.
func copyOf[T any, P interface {
	*T
	account.Object
}](o P) P {
	c := P(new(T))
	if err := json.Unmarshal(document(o), c); err != nil {
		panic(err) // it was encoded just now
	}
	return c
}

// find reads all objects of a kind that match.
func find[T any](ctx context.Context, r account.Reader, kind account.Kind, f account.Filter) ([]*T, int, error) {
	var all []*T
	total, err := r.Find(ctx, kind, f, func(doc []byte) error {
		o := new(T)
		if err := json.Unmarshal(doc, o); err != nil {
			return err
		}
		all = append(all, o)
		return nil
	})
	if total < 0 {
		total = len(all)
	}
	return all, total, err
}

// lookup reads an object that may be missing: nil then, and where id is empty.
func lookup[T any, P interface {
	*T
	account.Object
}](ctx context.Context, r account.Reader, id string) (P, error) {
	if id == "" {
		return nil, nil
	}
	o, err := account.Get[T, P](ctx, r, id)
	if errors.Is(err, account.ErrNotFound) {
		return nil, nil
	}
	return o, err
}

// object is a JSON object of one member.
func object(name string, v any) account.JSON {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // amounts and texts can be encoded
	}
	return join(map[string]json.RawMessage{name: raw})
}
