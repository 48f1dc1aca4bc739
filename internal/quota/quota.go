// Package quota shares bounded amounts between replicas: dollars of a budget, requests and tokens of a minute, calls at
// once. A replica takes a slice of an account from the truth (Postgres, Redis, or the process itself) and gives what it
// does not use back, so that a call seldom waits for anything and no account ever passes its cap.
package quota

import (
	"context"
	"time"
)

// Ask wants a slice of an account.
type Ask struct {
	Account string // unique over all kinds: "budget:key:ab12", "rpm:api_key:ab12"
	Kind    Kind
	Cap     int64 // the most that may be used and leased together; picodollars, requests or tokens
	Need    int64 // less than that is of no use: nothing is granted then
	Want    int64 // more is welcome up to this, never less than Need
	// Window is the length of the fixed window of a Rate, which opens with the first Take.
	Window time.Duration
	// Period and ResetAt say when the spend of a Money account starts anew; "" = never. The truth keeps them and rolls the period on.
	Period  string
	ResetAt time.Time
}

// Kind says how an account is used up.
type Kind string

// The kinds of accounts.
const (
	// Money is used up by the ledger, which books a call's cost and takes it off the replica's lease in one transaction.
	// The lease lives as long as the replica.
	Money Kind = "money"
	// Rate is used up when it is taken, until its window ends. Give returns what was not needed within the same window.
	Rate Kind = "rate"
	// Slots are never used up: the lease is given back when the calls have ended, or ends with the replica.
	Slots Kind = "slots"
)

// Grant answers an Ask.
type Grant struct {
	Amount  int64     // 0, or from Need to Want
	Used    int64     // of the account: spent, or taken in this window
	Leased  int64     // of the account by all replicas, Amount included (Money, Slots)
	ResetAt time.Time // when the window or the period ends; zero = never
}

// Give returns a part of a lease. Of a Rate only within the window that ends at ResetAt; after it the give has no effect.
// A negative Amount books that a call has used more than was taken (a Rate's tokens).
type Give struct {
	Account string
	Kind    Kind
	Amount  int64
	ResetAt time.Time
}

// Truth is where replicas agree. It is bound to one replica. Safe for concurrent use. An error means that nobody
// answered: nothing was granted, and what was given may be given again.
type Truth interface {
	// Take answers every Ask by itself, in order.
	Take(ctx context.Context, asks []Ask) ([]Grant, error)
	Give(ctx context.Context, gives []Give) error
	// Beat says that the replica lives: its leases stand for TTL from now. Leases of replicas that have not said so in
	// time are free again.
	Beat(ctx context.Context) error
	// TTL is how long leases outlive the last Beat.
	TTL() time.Duration
}
