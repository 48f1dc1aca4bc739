package access

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"tollgate/internal/account"
)

// errBusy is of a lookup that has found no place beside the others: the store may be well.
var errBusy = errors.New("access: too many keys are looked up at once")

// away reports whether the store has failed to answer, and has not answered since.
func (d *Directory) away() bool { return d.retryAt.Load() != 0 }

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
	kind := P(nil).Kind()
	c := d.cacheOf(kind).cell(objectID{kind, id})
	v, err := d.read(ctx, c, reading{load: func(ctx context.Context) (account.Object, error) { return load[T, P](ctx, d.reader, id) }})
	if err != nil {
		return dependency{}, nil, err
	}
	o, _ := v.object.(P) // of a nil interface too: nil
	return dependency{c, v}, o, nil
}

// cacheOf is where the objects of a kind are kept.
func (d *Directory) cacheOf(kind account.Kind) *cache[objectID] {
	if kind == account.Customers || kind == account.Tags {
		return d.named
	}
	return d.objects
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
	down := d.away()
	if !d.mayAsk(m.now) {
		c.mu.Unlock()
		return asItWas(old, account.ErrUnavailable, m)
	}
	f := &flight{done: make(chan struct{})}
	c.flight = f
	c.mu.Unlock()

	// Others wait for the same answer, so the caller who happens to fetch it may leave without ending it.
	bound := d.opts.LoadTimeout
	if down {
		bound = min(bound, probeTimeout)
	}
	f.version, f.err = d.fetch(context.WithoutCancel(ctx), bound, c, how)
	if f.err != nil {
		c.mu.Lock()
		f.version, f.err = asItWas(c.state.Load(), f.err, m)
		c.mu.Unlock()
	}
	c.mu.Lock()
	c.flight = nil
	c.mu.Unlock()
	close(f.done)
	return f.version, f.err
}

// asItWas lets what was known go on while the store does not answer, for as long as an outage may be.
func asItWas(old *version, err error, m moment) (*version, error) {
	if old == nil || old.hard || !old.bearable(m) {
		return nil, err
	}
	return old, nil
}

// fetch reads from the store until nothing was changed while it read, so that a slow answer never replaces a newer one. It waits
// for its turn no longer than bound, and then as long for the store.
func (d *Directory) fetch(ctx context.Context, bound time.Duration, c *cell, how reading) (*version, error) {
	if how.first && c.state.Load() == nil {
		turn := time.NewTimer(bound)
		defer turn.Stop()
		select {
		case d.loads <- struct{}{}:
			defer func() { <-d.loads }()
		case <-turn.C:
			return nil, errBusy
		}
	}
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
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

// search finds an object by something else than its id; nil when there is none.
func (d *Directory) search(ctx context.Context, kind account.Kind, name string, f account.Filter, empty func() account.Object) (account.Object, error) {
	c := d.names.cell(objectID{kind, name})
	v, err := d.read(ctx, c, reading{load: func(ctx context.Context) (account.Object, error) {
		var found account.Object
		_, err := d.reader.Find(ctx, kind, f, func(doc []byte) error {
			o := empty()
			if err := json.Unmarshal(doc, o); err != nil {
				return err
			}
			found = o
			return nil
		})
		return found, err
	}})
	if err != nil {
		return nil, err
	}
	return v.object, nil
}
