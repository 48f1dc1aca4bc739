package auth

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// When credentials are renewed.
const (
	// attemptTimeout bounds one renewal with all its calls.
	attemptTimeout = 30 * time.Second
	// leastWait is the shortest time between two renewals that the clock starts.
	leastWait = time.Second
	// diskPoll is how often a token on disk is looked at: whoever renews it does not say when.
	diskPoll = 30 * time.Second
	// The pause after a failed renewal doubles from first to last, to emptyPause where no valid credential is held: calls
	// fail meanwhile.
	firstPause, emptyPause, lastPause = time.Second, 10 * time.Second, time.Minute
	// refreshPause and diskRefreshPause are how long after a renewal for a 401 another one starts none.
	refreshPause, diskRefreshPause = 30 * time.Second, time.Second
	// expirySoon is before expiry when a token that nobody renews is spoken of.
	expirySoon = 5 * time.Minute
)

// Issued is a credential as its source gave it.
type Issued struct {
	Snapshot Snapshot
	// Region and Tenancy are where the credential is at home; "" if its source does not tell.
	Region, Tenancy string
}

// Source gets credentials of one identity: a key and the token bound to it. Issue
// is called by one goroutine at a time. Its errors hold no secrets.
type Source interface {
	Issue(ctx context.Context) (Issued, error)
}

// onDisk is a source that others renew, and that costs nothing to look at.
type onDisk interface{ onDisk() }

// ErrClosed says that a principal was closed and its last credential has expired.
var ErrClosed = errors.New("oci: the principal is not renewed any more")

// Renewing is the principal of a credential that expires. One goroutine renews it
// when half of its life is over, so that no call waits while a valid one is held;
// what fails is tried again with growing pauses, and the old credential stays in
// force until it expires. It is safe for concurrent use.
type Renewing struct {
	source Source
	name   string
	log    *slog.Logger
	local  bool

	current atomic.Pointer[Issued] // nil before the first one has come

	mu         sync.Mutex // guards what follows
	stop       context.CancelFunc
	done       chan struct{} // closed when the goroutine has ended
	closed     bool
	attempting bool          // a renewal is under way
	ended      chan struct{} // closed, and replaced, whenever a renewal has ended
	attempted  time.Time     // when the last one ended
	pause      time.Duration // after the last failure; 0 after a success
	err        error         // of the last one
	refused    bool          // the one under way was started by a 401
	refreshed  time.Time     // when the last such one ended
	told       bool          // that the credential expires soon and nobody renews it
	status     Status

	asked chan struct{} // holds one: a renewal is wanted now
}

var _ Principal = (*Renewing)(nil)

// NewRenewing makes a principal that begins with Start, or with the first call
// that needs it. name stands for it in the log and in metrics.
func NewRenewing(source Source, name string, log *slog.Logger) *Renewing {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	_, local := source.(onDisk)
	return &Renewing{
		source: source, name: name, log: log, local: local,
		ended: make(chan struct{}), asked: make(chan struct{}, 1), status: Status{Name: name},
	}
}

// Start begins with the first renewal in the background. Further calls do nothing.
func (r *Renewing) Start() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.start()
}

func (r *Renewing) start() {
	if r.stop != nil || r.closed {
		return
	}
	var ctx context.Context
	ctx, r.stop = context.WithCancel(context.Background())
	r.done = make(chan struct{})
	r.attempting = true
	go r.run(ctx)
}

// Close ends the renewal and waits for it. A credential that is still valid goes on
// to be handed out.
func (r *Renewing) Close() {
	r.mu.Lock()
	r.closed = true
	stop, done := r.stop, r.done
	r.mu.Unlock()
	if stop != nil {
		stop()
		<-done
	}
}

// Snapshot returns the credential in force. Without a valid one it waits for the
// renewal under way; between two attempts that failed it fails at once.
func (r *Renewing) Snapshot(ctx context.Context) (Snapshot, error) {
	issued, err := r.Issued(ctx)
	return issued.Snapshot, err
}

// Issued is Snapshot with what its source tells besides.
func (r *Renewing) Issued(ctx context.Context) (Issued, error) {
	for {
		if c := r.current.Load(); c != nil && c.valid(time.Now()) {
			return *c, nil
		}
		ended, err := r.join(false)
		if err != nil {
			return Issued{}, err
		}
		if ended == nil {
			continue
		}
		select {
		case <-ended:
		case <-ctx.Done():
			return Issued{}, ctx.Err()
		}
	}
}

// Refresh renews the credential because OCI has refused it. All calls that are
// refused together share one renewal, and soon after it they start no other: the
// caller tries again with what is in force.
func (r *Renewing) Refresh(ctx context.Context) error {
	ended, err := r.join(true)
	if err != nil || ended == nil {
		return err
	}
	select {
	case <-ended:
	case <-ctx.Done():
		return ctx.Err()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// join returns what is closed when the renewal under way has ended, and starts one
// if there is none. Too soon after one that failed, or one for another refusal, it
// starts none: the result is the last one's.
func (r *Renewing) join(refused bool) (ended <-chan struct{}, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch c := r.current.Load(); {
	case r.attempting:
		return r.ended, nil
	case !refused && c != nil && c.valid(time.Now()): // it came meanwhile
		return nil, nil
	case r.err != nil && time.Since(r.attempted) < r.pause, refused && time.Since(r.refreshed) < r.refreshPause():
		return nil, r.err
	case r.closed:
		return nil, ErrClosed
	}
	r.refused = refused
	if r.stop == nil {
		r.start()
		return r.ended, nil
	}
	r.attempting = true
	r.asked <- struct{}{} // it has room: what was in it was taken before attempting was reset
	return r.ended, nil
}

func (r *Renewing) refreshPause() time.Duration {
	if r.local {
		return diskRefreshPause
	}
	return refreshPause
}

// run renews until ctx ends.
func (r *Renewing) run(ctx context.Context) {
	defer close(r.done)
	for {
		wait := time.NewTimer(r.renew(ctx))
		select {
		case <-wait.C:
		case <-r.asked:
		case <-ctx.Done():
		}
		wait.Stop()
		r.mu.Lock()
		r.attempting = ctx.Err() == nil
		select {
		case <-r.asked: // this renewal answers it
		default:
		}
		r.mu.Unlock()
		if ctx.Err() != nil {
			r.end(ctx.Err())
			return
		}
	}
}

// renew makes one attempt and tells how long to wait for the next.
func (r *Renewing) renew(ctx context.Context) time.Duration {
	attempt, cancel := context.WithTimeout(ctx, attemptTimeout)
	issued, err := r.source.Issue(attempt)
	cancel()
	now := time.Now()
	if err == nil && !issued.valid(now) {
		err = errors.New("oci: the credential has expired already; is the clock of this machine right?")
	}
	if ctx.Err() != nil {
		return 0 // closed: nothing is told any more
	}
	var wait time.Duration
	if err != nil {
		wait = r.failed(err, now)
	} else {
		wait = r.renewed(&issued, now)
	}
	r.end(err)
	return wait
}

// end lets those go on who wait for the attempt.
func (r *Renewing) end(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.attempting, r.attempted = false, time.Now()
	if r.refused {
		r.refused, r.refreshed = false, r.attempted
	}
	if err != nil && r.closed {
		err = ErrClosed
	}
	r.err = err
	close(r.ended)
	r.ended = make(chan struct{})
}

// renewed puts a credential in force.
func (r *Renewing) renewed(issued *Issued, now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	before := r.current.Load()
	same := before != nil && before.Snapshot == issued.Snapshot
	expiry := issued.Snapshot.Expiry
	if !same {
		r.current.Store(issued)
		r.told = false
		r.status.Renewed, r.status.Renewals, r.status.Expiry = now, r.status.Renewals+1, expiry
		r.log.Info("the OCI credential was renewed", "principal", r.name, "expires", expiry.UTC().Format(time.RFC3339))
	} else if r.pause > 0 {
		r.log.Info("the OCI credential can be read again", "principal", r.name)
	}
	r.pause, r.status.Err, r.status.Failed = 0, "", time.Time{}
	if left := expiry.Sub(now); same && !r.told && left < expirySoon {
		r.told = true
		r.log.Warn("the OCI credential expires and nobody has renewed it", "principal", r.name, "expires", expiry.UTC().Format(time.RFC3339))
	}
	return untilRenewal(expiry.Sub(now), r.local, rand.Float64()) //nolint:gosec // it spreads load, it protects nothing
}

// untilRenewal is how long a credential is used that lives for left: half of that,
// less up to a tenth of it by the share, so that replicas do not renew together.
func untilRenewal(left time.Duration, local bool, share float64) time.Duration {
	wait := left / 2
	wait -= time.Duration(float64(wait) * share / 10)
	if local {
		wait = min(wait, diskPoll)
	}
	return max(wait, leastWait)
}

// failed takes note of an attempt that failed. What was in force stays so.
func (r *Renewing) failed(err error, now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	var left time.Duration // for which the one in force is valid
	if c := r.current.Load(); c != nil {
		left = c.Snapshot.Expiry.Sub(now)
	}
	r.pause = min(max(2*r.pause, firstPause), max(left, emptyPause), lastPause)
	// A fifth either way, so that replicas that failed together do not try again together.
	pause := r.pause - r.pause/5 + rand.N(2*r.pause/5) //nolint:gosec // see renewed
	r.status.Failures++
	r.status.Err, r.status.Failed = err.Error(), now
	args := []any{"principal", r.name, "error", err, "next_attempt_in", pause.Round(time.Millisecond)}
	if c := r.current.Load(); c != nil {
		args = append(args, "old_one_expires", c.Snapshot.Expiry.UTC().Format(time.RFC3339))
	}
	r.log.Warn("the OCI credential could not be renewed", args...)
	return pause
}

// Status tells how the principal fares.
func (r *Renewing) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status
}

func (i *Issued) valid(now time.Time) bool { return now.Before(i.Snapshot.Expiry) }

// Status is what can be told of a principal without any of its secrets.
type Status struct {
	// Name is the principal in logs and metrics.
	Name string
	// Expiry is when the credential in force ends, zero before the first one has
	// come; Renewed is when it came.
	Expiry, Renewed time.Time
	// Renewals counts credentials that came, Failures attempts that brought none.
	Renewals, Failures uint64
	// Err is why the last attempt failed, and Failed when; both empty if it did not.
	Err    string
	Failed time.Time
}

// preflight is a source that can say without a network whether it would work.
type preflight interface{ preflight() error }

// Check tells what is wrong with the credential as far as that can be known
// without a network: files that are missing, a token that has expired.
func (r *Renewing) Check() error {
	if s, ok := r.source.(preflight); ok {
		return s.preflight()
	}
	return nil
}
