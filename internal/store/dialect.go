package store

import (
	"context"

	"tollgate/internal/money"
)

// dialect is what the two engines do not have in common. SQL text is shared where it can be: $1 placeholders, ->>,
// ON CONFLICT, RETURNING and FILTER work on both.
type dialect interface {
	// name is the engine's name and the folder of its migrations.
	name() string
	// serialise holds back all other changes of objects, on every replica, until tx ends.
	serialise(ctx context.Context, tx *sqlTx) error
	// class tells what kind of failure err is.
	class(err error) class

	// lockSchema keeps other replicas from migrating until tx ends, and makes the URL's schema.
	lockSchema(ctx context.Context, tx *sqlTx) error
	// hasTable is a query that tells whether the table $1 is there.
	hasTable() string
	// momentType is the type of a column that holds a moment.
	momentType() string

	// clock is the expression of the present time: the argument of Store.clock, else the engine's own, which all replicas share.
	clock(placeholder string) string

	// money makes an argument of an amount: NUMERIC dollars, or INTEGER picodollars. Read amounts with scanUSD.
	money(u money.USD) any
	// anyOf is the condition that expr, a text, is one of the values of an argument made by list.
	anyOf(expr, placeholder string) string
	// anyOfFolded is anyOf whatever the case; expr is lower case already.
	anyOfFolded(expr, placeholder string) string
	list(values []string) any
	// contains is the condition that expr, a text, contains another, whatever the case (beyond ASCII: as the engine knows it).
	contains(expr, placeholder string) string
	// holds is the condition that the list field of doc holds a text.
	holds(field, placeholder string) string
	// moment is the expression of the time that the field of doc holds; it orders and compares with arguments of time.
	moment(field string) string
	// number is the expression of the number that the field of doc holds, for sorting.
	number(field string) string
	// plain is the expression of the field of doc as text, for comparing.
	plain(f field) string
	// binary is the suffix of an expression that sorts text by its bytes.
	binary() string
	// notify wakes the replicas that listen when tx commits.
	notify(ctx context.Context, tx *sqlTx) error
}

// class is how a failure is dealt with.
type class int

const (
	other       class = iota
	retryable         // the transaction has lost against another one: run it again
	exists            // a unique index has the value already
	unavailable       // the server does not answer, or cannot now
	unstorable        // a text that the engine cannot hold
)
