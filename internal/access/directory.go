package access

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"hash/maphash"
	"log/slog"
	"sync/atomic"
	"time"

	"tollgate/internal/account"
)

// DirectoryOptions configure a Directory. Zero values mean the defaults.
type DirectoryOptions struct {
	MaxKeys    int // kept in memory; 0 = 1,000,000. What was not used for longest goes first
	MaxObjects int // teams, users, memberships, budgets ... kept in memory; 0 = three for each key
	// MaxNamed bounds the customers and tags kept in memory: callers name them as they like, so that theirs must not push
	// out what keys depend on; 0 = 200,000.
	MaxNamed int
	// NegativeTTL is how long a key that the store does not have is not looked for again, unless a change tells of it; 0 = 10 s.
	NegativeTTL time.Duration
	// Staleness bounds how old a record may be while nobody tells of changes; 0 = 30 s. An older one is read anew, if the
	// store answers: while it does not, what is known goes on.
	Staleness time.Duration
	// LongestOutage is for how long what is known goes on being served while the store does not answer; 0 = 1 h. A key that was
	// blocked or deleted elsewhere in the meantime stops then at the latest.
	LongestOutage time.Duration
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
	objects *cache[objectID] // what keys refer to
	named   *cache[objectID] // what calls name: customers and tags
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
	opts.MaxObjects = cmp.Or(opts.MaxObjects, 3*opts.MaxKeys)
	opts.MaxNamed = cmp.Or(opts.MaxNamed, 200_000)
	opts.NegativeTTL = cmp.Or(opts.NegativeTTL, 10*time.Second)
	opts.Staleness = cmp.Or(opts.Staleness, 30*time.Second)
	opts.LongestOutage = cmp.Or(opts.LongestOutage, time.Hour)
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
		named:   newCache(opts.MaxNamed, hashObject),
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
	ended  bool      // the feed of changes has been silent for longer than an outage may be
	last   time.Time // what was read before this is too old even for an outage, once the feed has ended
	epoch  uint64
}

func (d *Directory) moment() moment {
	m := moment{now: d.opts.Now(), epoch: d.epoch.Load()}
	m.oldest = m.now.Add(-d.opts.Staleness)
	m.last = m.now.Add(-d.opts.LongestOutage)
	m.ended = true
	if d.opts.LastSync != nil {
		heard := d.opts.LastSync()
		m.synced, m.ended = heard.After(m.oldest), heard.Before(m.last)
	}
	return m
}

// fresh reports whether nothing can have happened to the state since it was read, within the bound on staleness.
func (v *version) fresh(m moment) bool {
	return !v.dirty && v.epoch == m.epoch && (m.synced || v.read.After(m.oldest))
}

// bearable reports whether a state that cannot be read anew may go on.
func (v *version) bearable(m moment) bool { return !m.ended || v.read.After(m.last) }

// inForce reports whether a record still says what its objects say.
func (d *Directory) inForce(r *Record, m moment) bool {
	if !r.until.IsZero() && !m.now.Before(r.until) {
		return false
	}
	for i := range r.deps {
		c, v := r.deps[i].cell, r.deps[i].version
		if c.state.Load() != v || (!v.fresh(m) && !(d.resting(m.now) && v.bearable(m))) {
			return false
		}
		c.touch()
	}
	return true
}

// Stats counts what is in memory.
type Stats struct {
	Keys    int // records of keys
	Objects int // teams, users, customers ...
	Absent  int // keys that the store does not have
}

// Stats returns what is in memory.
func (d *Directory) Stats() Stats {
	return Stats{Keys: d.keys.len(), Objects: d.objects.len() + d.named.len(), Absent: d.absent.len()}
}
