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
	//
	// A lease is what was taken, less what was given back, less what was booked, and it may be below zero: a call that cost
	// more than was taken for it leaves a debt, which the next Take fills. Counted among all leases, one below zero is 0. So
	// Used + the sum of the leases never misses a dollar that a call under way may still cost.
	Money Kind = "money"
	// Rate is used up when it is taken, until its window ends. Give returns what was not needed within the same window.
	Rate Kind = "rate"
	// Slots are never used up: the lease is given back when the calls have ended, or ends with the replica.
	Slots Kind = "slots"
)

// Grant answers an Ask.
type Grant struct {
	Amount int64 // 0, or from Need to Want
	Used   int64 // of the account: spent, or taken in this window
	Leased int64 // of the account by all replicas, Amount included (Money, Slots)
	// Own is this replica's part of Leased (Money, Slots); below zero when it owes (see Money). By it a replica finds what
	// an answer that never arrived has left behind, and what it has lost while it was silent. Smaller than Amount = not told.
	Own int64
	// ResetAt is when the window or the period ends; zero = never. A window's end is by the asking replica's clock, early
	// rather than late.
	ResetAt time.Time
	// Err says that the truth cannot keep this account, whatever it is asked: its name is none. Others are answered. nil = it can.
	Err error
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
// answered, and what was asked may have been done or not: so count a Take as not done and a Give as done. Own shows the
// difference later.
type Truth interface {
	// Take answers every Ask by itself, in order. An Ask of Need 0 is answered too: it tells how the account stands. One that
	// can never be answered has Grant.Err, and does not keep the others from their answers.
	Take(ctx context.Context, asks []Ask) ([]Grant, error)
	Give(ctx context.Context, gives []Give) error
	// Beat says that the replica lives: its leases stand for TTL from now. Leases of replicas that have not said so in
	// time are free again.
	Beat(ctx context.Context) error
	// TTL is how long leases outlive the last Beat; 0 = for ever.
	TTL() time.Duration
}
