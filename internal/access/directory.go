package access

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"sync/atomic"
	"time"

	"tollgate/internal/account"
)

// DirectoryOptions configure a Directory. Zero values mean the defaults.
type DirectoryOptions struct {
	MaxKeys    int // kept in memory; 0 = 1,000,000. What was not used for longest goes first
	MaxObjects int // teams, users, customers ... kept in memory; 0 = 200,000
	// NegativeTTL is how long a key that the store does not have is not looked for again, unless a change tells of it; 0 = 10 s.
	NegativeTTL time.Duration
	// Staleness bounds how old a record may be while nobody tells of changes; 0 = 30 s. An older one is read anew, if the
	// store answers: while it does not, what is known goes on.
	Staleness time.Duration
	// LastSync says until when all changes were handed to Apply; nil = there is no feed of changes. It must move on only
	// after Apply has returned.
	LastSync func() time.Time
	// LoadTimeout bounds one reading of the store; 0 = 2 s.
	LoadTimeout time.Duration
	Log         *slog.Logger     // nil = slog.Default
	Now         func() time.Time // nil = time.Now
}

const (
	// maxLoads is how many keys are looked for in the store at once: strangers must not use up its connections.
	maxLoads = 32
	// maxAbsent bounds the memory of keys that the store does not have.
	maxAbsent = 100_000
	// maxNames bounds what is found by something else than its id.
	maxNames = 10_000
	// retryStore is how long a store that did not answer is left alone.
	retryStore = time.Second
	// probeTimeout is how long a store that did not answer may take to answer again: the caller who asks waits for it.
	probeTimeout = 300 * time.Millisecond
	// maxReadings is how often a state is read anew because it was changed while it was read.
	maxReadings = 5
	// maxRotations is how many rotations of a key are followed to the key that is in force.
	maxRotations = 16
)

var errNoStore = errors.New("access: no store is connected")

// missingTeam says that a key belongs to a team that is no more.
type missingTeam struct{ id string }

func (e *missingTeam) Error() string { return "access: the key's team " + e.id + " does not exist" }

// keyHash is the SHA-256 of a key.
type keyHash [32]byte

func (h keyHash) hex() string { return hex.EncodeToString(h[:]) }

// objectID names an object that is no key.
type objectID struct {
	kind account.Kind
	id   string
}

// Directory knows keys and what they refer to, in memory. A key that is known is found without I/O and without waiting
// for anybody; one that is not is read from the store once, whoever asks for it. Safe for concurrent use.
type Directory struct {
	reader  account.Reader // nil = no store at all
	opts    DirectoryOptions
	keys    *cache[keyHash]
	objects *cache[objectID]
	names   *cache[objectID] // what was found by something else than its id
	absent  absent
	// epoch counts the times at which everything may have changed.
	epoch atomic.Uint64
	// retryAt is when a store that did not answer is asked again, in nanoseconds since 1970; 0 = it answers.
	retryAt atomic.Int64
	loads   chan struct{}
}

// NewDirectory makes a directory over the reader. A nil reader means that no store is connected.
func NewDirectory(reader account.Reader, opts DirectoryOptions) *Directory {
	opts.MaxKeys = cmp.Or(opts.MaxKeys, 1_000_000)
	opts.MaxObjects = cmp.Or(opts.MaxObjects, 200_000)
	opts.NegativeTTL = cmp.Or(opts.NegativeTTL, 10*time.Second)
	opts.Staleness = cmp.Or(opts.Staleness, 30*time.Second)
	opts.LoadTimeout = cmp.Or(opts.LoadTimeout, 2*time.Second)
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	seed := maphash.MakeSeed()
	hashObject := func(o objectID) uint8 { return uint8(maphash.Comparable(seed, o)) }
	return &Directory{
		reader: reader, opts: opts,
		keys:    newCache(opts.MaxKeys, func(h keyHash) uint8 { return h[0] }),
		objects: newCache(opts.MaxObjects, hashObject),
		names:   newCache(maxNames, hashObject),
		absent:  absent{limit: maxAbsent, until: map[keyHash]time.Time{}},
		loads:   make(chan struct{}, maxLoads),
	}
}

// Lookup returns the record of the key with the hash (lower-case hex, account.HashKey). Errors are account.ErrNotFound,
// account.ErrUnavailable or the caller's context's.
func (d *Directory) Lookup(ctx context.Context, hash string) (*Record, error) {
	var h keyHash
	if n, err := hex.Decode(h[:], []byte(hash)); err != nil || n != len(h) || len(hash) != 2*len(h) {
		return nil, account.ErrNotFound
	}
	return d.lookup(ctx, h)
}

func (d *Directory) lookup(ctx context.Context, h keyHash) (*Record, error) {
	if d.reader == nil {
		return nil, errNoStore
	}
	m := d.moment()
	for range maxRotations {
		record, next, err := d.record(ctx, h, m)
		if err != nil || next == nil {
			return record, err
		}
		h = *next
	}
	return nil, account.ErrNotFound
}

// record returns the compiled key, or the hash of the key that has taken its place.
func (d *Directory) record(ctx context.Context, h keyHash, m moment) (*Record, *keyHash, error) {
	c := d.keys.find(h)
	if c != nil {
		if r := c.record.Load(); r != nil && d.inForce(r, m) {
			return r, nil, nil
		}
	} else if d.absent.holds(h, m.now) {
		return nil, nil, account.ErrNotFound
	}
	c, v, err := d.readKey(ctx, h)
	if err != nil {
		return nil, nil, err
	}
	switch o := v.object.(type) {
	case *account.Key:
		r, err := d.compileKey(ctx, dependency{c, v}, o)
		if err != nil {
			return nil, nil, err
		}
		c.record.Store(r)
		return r, nil, nil
	case *account.RetiredKey:
		var next keyHash
		if _, err := hex.Decode(next[:], []byte(o.ActiveTokenID)); err == nil && m.now.Before(o.RevokeAt) {
			return nil, &next, nil
		}
	}
	return nil, nil, account.ErrNotFound
}

// moment is what decides whether a state is still in force.
type moment struct {
	now    time.Time
	oldest time.Time // what was read before this is too old, unless the feed of changes has spoken since
	synced bool
	epoch  uint64
}

func (d *Directory) moment() moment {
	m := moment{now: d.opts.Now(), epoch: d.epoch.Load()}
	m.oldest = m.now.Add(-d.opts.Staleness)
	m.synced = d.opts.LastSync != nil && d.opts.LastSync().After(m.oldest)
	return m
}

// fresh reports whether nothing can have happened to the state since it was read, within the bound on staleness.
func (v *version) fresh(m moment) bool {
	return !v.dirty && v.epoch == m.epoch && (m.synced || v.read.After(m.oldest))
}

// inForce reports whether a record still says what its objects say.
func (d *Directory) inForce(r *Record, m moment) bool {
	if !r.until.IsZero() && !m.now.Before(r.until) {
		return false
	}
	for i := range r.deps {
		v := r.deps[i].version
		if r.deps[i].cell.state.Load() != v || (!v.fresh(m) && !d.resting(m.now)) {
			return false
		}
	}
	return true
}

// resting reports whether the store has just failed to answer and is left alone.
func (d *Directory) resting(now time.Time) bool {
	at := d.retryAt.Load()
	return at != 0 && now.UnixNano() < at
}

// mayAsk reports whether the store is to be asked. Of those who come when its rest is over one asks.
func (d *Directory) mayAsk(now time.Time) bool {
	at := d.retryAt.Load()
	return at == 0 || (now.UnixNano() >= at && d.retryAt.CompareAndSwap(at, now.Add(retryStore).UnixNano()))
}

// readKey reads a key, or what a rotation has left of it. A hash that the store does not have is remembered as absent.
func (d *Directory) readKey(ctx context.Context, h keyHash) (*cell, *version, error) {
	c := d.keys.cell(h)
	v, err := d.read(ctx, c, reading{
		first: true,
		load: func(ctx context.Context) (account.Object, error) {
			o, err := load[account.Key](ctx, d.reader, h.hex())
			if o != nil || err != nil {
				return o, err
			}
			return load[account.RetiredKey](ctx, d.reader, h.hex())
		},
		// Remembered while the cell is locked: a change that is told after this finds it there and takes it out.
		gone: func(now time.Time) { d.absent.add(h, now, now.Add(d.opts.NegativeTTL)) },
	})
	if err == nil && v.object == nil {
		err = account.ErrNotFound
	}
	if err != nil && (v == nil || v.object == nil) {
		d.keys.remove(h, c)
	}
	return c, v, err
}

// object reads an object that is no key. The version's object is nil when there is none.
func object[T any, P interface {
	*T
	account.Object
}](ctx context.Context, d *Directory, id string) (dependency, P, error) {
	c := d.objects.cell(objectID{P(new(T)).Kind(), id})
	v, err := d.read(ctx, c, reading{load: func(ctx context.Context) (account.Object, error) { return load[T, P](ctx, d.reader, id) }})
	if err != nil {
		return dependency{}, nil, err
	}
	o, _ := v.object.(P) // of a nil interface too: nil
	return dependency{c, v}, o, nil
}

// load reads one object; nil when there is none.
func load[T any, P interface {
	*T
	account.Object
}](ctx context.Context, r account.Reader, id string) (account.Object, error) {
	o, err := account.Get[T, P](ctx, r, id)
	switch {
	case errors.Is(err, account.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return o, nil
}

// reading says how a cell is filled.
type reading struct {
	load  func(context.Context) (account.Object, error)
	first bool                // bounded in number while nothing is known yet
	gone  func(now time.Time) // called under the cell's lock when there is no such object
}

// read returns the cell's state, from the store unless it is known to be in force.
func (d *Directory) read(ctx context.Context, c *cell, how reading) (*version, error) {
	m := d.moment()
	c.mu.Lock()
	old := c.state.Load()
	if old != nil && old.fresh(m) {
		c.mu.Unlock()
		return old, nil
	}
	if f := c.flight; f != nil {
		c.mu.Unlock()
		select {
		case <-f.done:
			return f.version, f.err
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	down := d.retryAt.Load() != 0
	if !d.mayAsk(m.now) {
		c.mu.Unlock()
		return asItWas(old, account.ErrUnavailable)
	}
	f := &flight{done: make(chan struct{})}
	c.flight = f
	c.mu.Unlock()

	// Others wait for the same answer, so the caller who happens to fetch it may leave without ending it.
	bound := d.opts.LoadTimeout
	if down {
		bound = min(bound, probeTimeout)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bound)
	defer cancel()
	f.version, f.err = d.fetch(ctx, c, how)
	if f.err != nil {
		c.mu.Lock()
		f.version, f.err = asItWas(c.state.Load(), f.err)
		c.mu.Unlock()
	}
	c.mu.Lock()
	c.flight = nil
	c.mu.Unlock()
	close(f.done)
	return f.version, f.err
}

// asItWas lets what was known go on while the store does not answer.
func asItWas(old *version, err error) (*version, error) {
	if old == nil || old.hard {
		return nil, err
	}
	return old, nil
}

// fetch reads from the store until nothing was changed while it read, so that a slow answer never replaces a newer one.
func (d *Directory) fetch(ctx context.Context, c *cell, how reading) (*version, error) {
	if how.first && c.state.Load() == nil {
		select {
		case d.loads <- struct{}{}:
			defer func() { <-d.loads }()
		case <-ctx.Done():
			return nil, fmt.Errorf("access: too many keys are looked up: %w", account.ErrUnavailable)
		}
	}
	for n := 1; ; n++ {
		c.mu.Lock()
		changes := c.changes
		c.mu.Unlock()
		v := &version{read: d.opts.Now(), epoch: d.epoch.Load()}
		var err error
		v.object, err = how.load(ctx)
		d.answered(err)
		if err != nil {
			return nil, err
		}
		c.mu.Lock()
		still := c.changes == changes
		if still || n == maxReadings {
			v.dirty = !still // whoever asks next reads again
			if !c.dead {
				c.state.Store(v)
			}
			if v.object == nil && still && v.epoch == d.epoch.Load() && how.gone != nil {
				how.gone(v.read)
			}
			c.mu.Unlock()
			return v, nil
		}
		c.mu.Unlock()
	}
}

// answered notes whether the store answers.
func (d *Directory) answered(err error) {
	switch {
	case err == nil:
		if d.retryAt.Swap(0) != 0 {
			d.opts.Log.Info("the store answers again: keys are looked up")
		}
	case errors.Is(err, account.ErrUnavailable), errors.Is(err, context.DeadlineExceeded):
		if d.retryAt.Swap(d.opts.Now().Add(retryStore).UnixNano()) == 0 {
			d.opts.Log.Warn("the store does not answer: known keys go on, unknown ones are refused", "error", err)
		}
	default:
		d.opts.Log.Error("an account cannot be read", "error", err)
	}
}

// Apply takes note of changes. What they name is read anew when it is next needed; "*" as the kind names everything.
func (d *Directory) Apply(changes []account.Change) {
	for _, change := range changes {
		switch change.Kind {
		case "*":
			d.epoch.Add(1)
			d.absent.clear()
		case "": // a counter: the budgets ask for those themselves
		case account.Keys, account.RetiredKeys:
			d.tellKey(change.ID)
		case account.JWTKeyMappings:
			d.tellKind(change.Kind)
		default:
			d.tellObject(change)
		}
	}
}

func (d *Directory) tellKey(hash string) {
	var h keyHash
	if len(hash) != 2*len(h) {
		return
	}
	if _, err := hex.Decode(h[:], []byte(hash)); err != nil {
		return
	}
	if c := d.keys.find(h); c != nil { // before the absent: see readKey
		c.tell(true)
	}
	d.absent.forget(h)
}

func (d *Directory) tellObject(change account.Change) {
	if c := d.objects.find(objectID{change.Kind, change.ID}); c != nil {
		c.tell(change.Kind == account.Teams || change.Kind == account.Users)
	}
	d.tellKind(change.Kind)
}

// tellKind marks what was found of a kind by something else than its id: any change may have changed who is found.
func (d *Directory) tellKind(kind account.Kind) {
	d.names.each(func(o objectID, c *cell) {
		if o.kind == kind {
			c.tell(false)
		}
	})
}

// Stats counts what is in memory.
type Stats struct {
	Keys    int // records of keys
	Objects int // teams, users, customers ...
	Absent  int // keys that the store does not have
}

// Stats returns what is in memory.
func (d *Directory) Stats() Stats {
	return Stats{Keys: d.keys.len(), Objects: d.objects.len(), Absent: d.absent.len()}
}
