package store

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"tollgate/internal/account"
)

// shape is how the values of a field compare and sort.
type shape int

const (
	shapeText   shape = iota
	shapeNumber       // sorted as numbers, compared as text
	shapeBool
	shapeMoment
	shapeList // of texts
	shapeTree // any other JSON: only whether it is there
)

// field is one field of a kind, by its JSON name. Only names of this table get into SQL text.
type field struct {
	name   string
	shape  shape
	column string // a column of its own that holds the same; ""
	fold   bool   // compared whatever the case
	sparse bool   // its index leaves the empty text out, which a condition must name to use it
}

// table is how a kind is stored.
type table struct {
	name   string
	fields map[string]field
	unique [][]string // groups of fields, besides the id
}

func (t *table) field(name string) (field, error) {
	f, ok := t.fields[name]
	if !ok {
		return f, fmt.Errorf("%w: %s have no field %q", ErrField, t.name, name)
	}
	return f, nil
}

// auditTable is the name of the table of account.AuditEntry.
const auditTable account.Kind = "audit"

// tables reads the kinds' fields from the structs of account.
func tables() map[account.Kind]*table {
	all := map[account.Kind]*table{}
	for _, o := range []account.Object{
		new(account.Key), new(account.Team), new(account.User), new(account.Organization), new(account.Customer),
		new(account.TeamMember), new(account.OrgMember), new(account.Budget), new(account.Tag), new(account.StoredModel),
		new(account.Credential), new(account.Setting), new(account.AccessGroup), new(account.ObjectPermission),
		new(account.RetiredKey), new(account.DeletedKey), new(account.DeletedTeam), new(account.JWTKeyMapping),
	} {
		t := newTable(string(o.Kind()), reflect.TypeOf(o).Elem())
		t.alias("created_at", "created_at")
		t.alias("updated_at", "updated_at")
		all[o.Kind()] = t
	}
	// The unique indexes of the migrations, in the same order of fields.
	all[account.Keys].unique = [][]string{{"key_alias"}}
	all[account.Users].unique = [][]string{{"sso_user_id"}}
	all[account.JWTKeyMappings].unique = [][]string{{"jwt_claim_name", "jwt_claim_value"}}
	all[account.Users].change("user_email", func(f *field) { f.fold = true })
	all[account.Keys].change("key_alias", func(f *field) { f.sparse = true })
	all[account.Users].change("sso_user_id", func(f *field) { f.sparse = true })

	audit := newTable(string(auditTable), reflect.TypeFor[account.AuditEntry]())
	audit.alias("updated_at", "created_at")
	all[auditTable] = audit
	return all
}

func newTable(name string, of reflect.Type) *table {
	t := &table{name: name, fields: map[string]field{}}
	for _, f := range reflect.VisibleFields(of) {
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag == "" || tag == "-" {
			continue
		}
		t.fields[tag] = field{name: tag, shape: shapeOf(f.Type)}
	}
	return t
}

// alias says that a column holds the same as a field.
func (t *table) alias(name, column string) {
	t.change(name, func(f *field) { f.column = "o." + column })
}

func (t *table) change(name string, how func(f *field)) {
	if f, ok := t.fields[name]; ok {
		how(&f)
		t.fields[name] = f
	}
}

func shapeOf(t reflect.Type) shape {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[time.Time]():
		return shapeMoment
	case t == reflect.TypeFor[account.Amount]():
		return shapeNumber
	case t == reflect.TypeFor[[]string]():
		return shapeList
	}
	switch t.Kind() {
	case reflect.String:
		return shapeText
	case reflect.Bool:
		return shapeBool
	case reflect.Int64:
		return shapeNumber
	default:
		return shapeTree
	}
}

// scopeOf is the counter of an object's own spend; "" = its kind has none.
func scopeOf(o account.Object) account.Scope {
	switch o := o.(type) {
	case *account.Key:
		return account.KeyScope(o.Token)
	case *account.Team:
		return account.TeamScope(o.TeamID)
	case *account.User:
		return account.UserScope(o.UserID)
	case *account.Organization:
		return account.OrgScope(o.OrganizationID)
	case *account.Customer:
		return account.CustomerScope(o.UserID)
	case *account.TeamMember:
		return account.MemberScope(o.TeamID, o.UserID)
	case *account.OrgMember:
		return account.OrgMemberScope(o.OrganizationID, o.UserID)
	case *account.Tag:
		return account.TagScope(o.Name)
	}
	return ""
}

// stampsOf are when an object says that it was made and changed; now where it says nothing.
func stampsOf(o account.Object, now time.Time) (created, updated time.Time) {
	created, updated = now, now
	v := reflect.ValueOf(o).Elem()
	for name, to := range map[string]*time.Time{"CreatedAt": &created, "UpdatedAt": &updated} {
		if f := v.FieldByName(name); f.IsValid() {
			if t, ok := f.Interface().(time.Time); ok && !t.IsZero() {
				*to = t.UTC()
			}
		}
	}
	return created, updated
}
