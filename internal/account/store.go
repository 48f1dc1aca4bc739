package account

import (
	"context"
	"errors"
	"time"

	"tollgate/internal/money"
)

// ErrNotFound says that no object has the id. ErrExists says that one has it already, or another unique field of it.
// ErrUnavailable wraps the errors of a store that does not answer.
var (
	ErrNotFound    = errors.New("account: not found")
	ErrExists      = errors.New("account: exists already")
	ErrUnavailable = errors.New("account: the store is not available")
)

// Filter chooses objects. Conditions are joined by AND. Field names are the JSON names of the kind's fields; the store
// refuses a name that the kind does not have. Values are compared as text; nil matches null and the empty text.
type Filter struct {
	Equal    map[string]any      // field = value
	In       map[string][]string // field is one of
	Has      map[string]string   // the list field holds the value
	Contains map[string]string   // the text field holds the text, whatever the case
	Before   map[string]time.Time
	// Sort is a field name, "spend" or "" (created_at); ties are broken by the id, so pages are stable.
	Sort   string
	Desc   bool
	Limit  int // 0 = all
	Offset int
}

// Reader reads objects. Safe for concurrent use. Errors are ErrNotFound, ErrUnavailable or the caller's context's.
type Reader interface {
	// Get decodes the object of the id into o, which also names the kind.
	Get(ctx context.Context, id string, o Object) error
	// Find hands the JSON of each object that matches to each, in order, and returns how many match without Limit and
	// Offset (-1 when Limit is 0: count what you got).
	Find(ctx context.Context, kind Kind, f Filter, each func(doc []byte) error) (total int, err error)
	// Spend returns the counters of the scopes; one that nobody has spent on is absent.
	Spend(ctx context.Context, scopes ...Scope) (map[Scope]Counter, error)
}

// Counter is what was spent on a scope.
type Counter struct {
	Spent    money.USD  // since the last reset
	Total    money.USD  // ever
	Duration string     // "" = never resets
	ResetAt  *time.Time // nil = never
}

// Tx is one change of the store: all of it or nothing. Changes of objects are serialised over all replicas, so what a Tx
// has read stays true until it ends. It may not be used after the function that got it has returned.
type Tx interface {
	Reader
	Insert(ctx context.Context, o Object) error  // ErrExists when the id, or a key's or team's unique alias, is taken
	Replace(ctx context.Context, o Object) error // ErrNotFound. Fields that a newer version has stored besides are kept
	Delete(ctx context.Context, kind Kind, id string) error
	// SetSpent sets what was spent on a scope since its last reset. The total is not touched.
	SetSpent(ctx context.Context, s Scope, spent money.USD) error
	// SetPeriod sets when a scope's counter starts anew; "" = never. The amount stays. A nil resetAt is computed.
	SetPeriod(ctx context.Context, s Scope, duration string, resetAt *time.Time) error
	// MoveCounter gives the counters of one scope (windows and models included) to another name: a rotated key.
	MoveCounter(ctx context.Context, from, to Scope) error
	// DropCounter forgets the counters of a scope.
	DropCounter(ctx context.Context, s Scope) error
	Audit(ctx context.Context, e AuditEntry) error
}

// Store keeps the objects.
type Store interface {
	Reader
	// Update runs change in a transaction and commits it when change returns nil. It may run change again when the
	// store asks for it (a serialisation failure), so change must only have effects through tx.
	Update(ctx context.Context, change func(tx Tx) error) error
	// AuditLog reads the audit log, newest first unless f says otherwise.
	AuditLog(ctx context.Context, f Filter, each func(AuditEntry) error) (total int, err error)
}

// Everything is the kind of the change that says that what changed is not known: all that was read must be forgotten.
const Everything Kind = "*"

// Change tells that an object was inserted, replaced or deleted, or that a scope's counter was set by hand.
type Change struct {
	Kind Kind // "" = counters: ID is a Scope
	ID   string
}

// AuditEntry is one line of the audit log.
type AuditEntry struct {
	ID              string    `json:"id"`
	UpdatedAt       time.Time `json:"updated_at"`
	ChangedBy       string    `json:"changed_by"`
	ChangedByAPIKey string    `json:"changed_by_api_key"`
	Action          string    `json:"action"` // created, updated, deleted, blocked, unblocked, rotated
	TableName       string    `json:"table_name"`
	ObjectID        string    `json:"object_id"`
	BeforeValue     JSON      `json:"before_value"`
	UpdatedValues   JSON      `json:"updated_values"`
}

// Get reads one object of a kind.
func Get[T any, P interface {
	*T
	Object
}](ctx context.Context, r Reader, id string) (P, error) {
	o := P(new(T))
	if err := r.Get(ctx, id, o); err != nil {
		return nil, err
	}
	return o, nil
}
