package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate/internal/account"
)

const (
	// pollEvery is how often changes are read though nothing announced them, and pollAlone how often where nothing can.
	// What a replica knows is at most this old, and the time of a query, while the store answers.
	pollEvery = 500 * time.Millisecond
	pollAlone = 250 * time.Millisecond
	// pollTimeout is how long a poll may hang before it is tried on another connection.
	pollTimeout = 3 * time.Second
	// relisten is the pause before a lost connection that listens is opened again.
	relisten = time.Second
	// changesKept is how long changes can be replayed, and pruneEvery how often older ones are removed.
	changesKept = time.Hour
	pruneEvery  = 10 * time.Minute
	// changesPage is how many changes are handed over at once, at most.
	changesPage = 1000
)

// Everything is account.Everything.
const Everything = account.Everything

// Watch hands over the changes that Updates of any replica commit, in their order, until ctx ends; then it returns nil. It
// begins with Everything, so that nothing that was read before it is trusted, and says it again when changes may have been
// missed. Apply is never called twice at once. On PostgreSQL a change is announced and arrives in milliseconds; where
// announcements do not get through (PgBouncer), and from another process on SQLite, it arrives within a quarter of a second. A store that is away is asked until it is back.
func (s *Store) Watch(ctx context.Context, apply func([]account.Change)) error {
	w := &watcher{s: s, apply: apply, last: -1}
	heard := newSignal()
	every := pollAlone
	if s.pool != nil && !s.pooled {
		every = pollEvery
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.listen(ctx, heard)
		}()
		defer func() { <-done }()
	}
	poll := time.NewTicker(every)
	defer poll.Stop()
	prune := time.NewTicker(pruneEvery)
	defer prune.Stop()
	for {
		near, far := s.wake.wait(), heard.wait()
		w.tell(ctx, w.poll(ctx))
		select {
		case <-ctx.Done():
			return nil
		case <-near:
		case <-far:
		case <-poll.C:
		case <-prune.C:
			now, err := s.Now(ctx)
			if err == nil {
				err = s.pruneChanges(ctx, now.Add(-changesKept))
			}
			w.tell(ctx, err)
		}
	}
}

// LastSync is when changes were last read: everything that was committed before has been handed to Watch's apply. Zero
// before the first time. Callers bound with it how stale they may be while the store is away.
func (s *Store) LastSync() time.Time {
	if at := s.synced.Load(); at != 0 {
		return time.Unix(0, at)
	}
	return time.Time{}
}

// watcher is the state of one Watch.
type watcher struct {
	s     *Store
	apply func([]account.Change)
	last  int64 // the number of the last change that was handed over; -1 = none yet
	lost  bool  // the last poll failed
}

// poll hands over what has changed since the last poll.
func (w *watcher) poll(ctx context.Context) error {
	at := w.s.now()
	r := w.s.readSlow(pollTimeout)
	var pruned, head int64
	err := r.row(ctx, `SELECT p.seq, coalesce((SELECT max(seq) FROM changes), p.seq) FROM changes_pruned p`, nil, &pruned, &head)
	if err != nil {
		return err
	}
	head = max(head, pruned)
	if w.last < pruned || w.last > head { // the start; away for longer than changes are kept; the store is an older copy
		w.last = head
		w.apply([]account.Change{{Kind: Everything}})
	}
	for w.last < head {
		more, err := w.page(ctx, r)
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	w.s.synced.Store(at.UnixNano())
	return nil
}

// page hands over the next changes and reports whether there were any.
func (w *watcher) page(ctx context.Context, r runner) (bool, error) {
	var changes []account.Change
	var pruned int64
	last := w.last
	err := r.rows(ctx, `SELECT c.seq, c.kind, c.id, (SELECT seq FROM changes_pruned) FROM changes c WHERE c.seq > $1 ORDER BY c.seq LIMIT $2`,
		[]any{w.last, changesPage}, func(scan func(...any) error) error {
			var c account.Change
			if err := scan(&last, &c.Kind, &c.ID, &pruned); err != nil {
				return err
			}
			changes = append(changes, c)
			return nil
		})
	if err != nil || len(changes) == 0 {
		return false, err
	}
	if pruned > w.last {
		changes = append([]account.Change{{Kind: Everything}}, changes...)
	}
	w.last = last
	w.apply(changes)
	return true, nil
}

// tell logs the loss and the return of the store, once each.
func (w *watcher) tell(ctx context.Context, err error) {
	switch {
	case ctx.Err() != nil:
	case err != nil && !w.lost:
		w.s.log.Warn("store: changes cannot be read; they will be as soon as the store answers", "error", err)
		w.lost = true
	case err == nil && w.lost:
		w.s.log.Info("store: changes are read again")
		w.lost = false
	}
}

// pruneChanges removes changes from before a time.
func (s *Store) pruneChanges(ctx context.Context, before time.Time) error {
	return s.write(ctx, func(tx *sqlTx) error {
		if err := tx.serialise(ctx); err != nil {
			return err
		}
		var last int64
		err := tx.row(ctx, `SELECT coalesce(max(seq), 0) FROM changes WHERE at < $1`, []any{before.UTC()}, &last)
		if err != nil || last == 0 {
			return err
		}
		if _, err := tx.exec(ctx, `UPDATE changes_pruned SET seq = $1`, last); err != nil {
			return err
		}
		_, err = tx.exec(ctx, `DELETE FROM changes WHERE seq <= $1`, last)
		return err
	})
}

// listen rings when any replica announces a change, until ctx ends. It has a connection of its own, which it opens anew
// when it is lost; until then the poll is enough.
func (s *Store) listen(ctx context.Context, heard *signal) {
	for ctx.Err() == nil {
		s.listenOnce(ctx, heard)
		select {
		case <-ctx.Done():
		case <-time.After(relisten):
		}
	}
}

func (s *Store) listenOnce(ctx context.Context, heard *signal) {
	config := s.pool.Config().ConnConfig
	config.OnNotification = nil // kept for WaitForNotification
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return // the poll says that the store is away
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), relisten)
		defer cancel()
		_ = conn.Close(ctx) // it may be gone already
	}()
	_, err = conn.Exec(ctx, `LISTEN `+channel)
	for err == nil {
		heard.ring() // the first time: for what was announced before we listened
		_, err = conn.WaitForNotification(ctx)
	}
}
