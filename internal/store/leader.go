package store

import (
	"context"
	"time"
)

// How long a leader leads without saying so again, and how often it does.
const (
	leaderTTL  = 30 * time.Second
	leaderBeat = 5 * time.Second
)

// Lead tries to make this replica the one that does the work in the background for all: one row of a table is the office,
// so that it works behind a connection pooler as well. lost is closed when the replica could not say in time that it
// still leads; resign frees the office for the next one. ok is false while another replica leads.
func (s *Store) Lead(ctx context.Context) (lost <-chan struct{}, resign func(), ok bool, err error) {
	if ok, err = s.holdOffice(ctx); err != nil || !ok {
		return nil, nil, false, err
	}
	ctx, cancel := context.WithCancel(ctx)
	gone, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		s.keepOffice(ctx, gone)
	}()
	return gone, func() {
		cancel()
		<-ended
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		// When it fails the office is free after leaderTTL.
		_ = s.write(ctx, func(tx *sqlTx) error {
			_, err := tx.exec(ctx, `DELETE FROM leader WHERE holder = $1`, s.opts.Replica)
			return err
		})
	}, true, nil
}

// holdOffice takes the office, or holds it on, when it is free or this replica's. Time is the server's: who has a clock that is
// ahead does not take the office from one that holds it.
func (s *Store) holdOffice(ctx context.Context) (ok bool, err error) {
	err = s.write(ctx, func(tx *sqlTx) error {
		now, err := s.nowOf(ctx, tx.runner)
		if err != nil {
			return err
		}
		n, err := tx.exec(ctx, `INSERT INTO leader (id, holder, until) VALUES (1, $1, $2)
			ON CONFLICT (id) DO UPDATE SET holder = excluded.holder, until = excluded.until
			WHERE leader.holder = excluded.holder OR leader.until < $3`, s.opts.Replica, now.Add(leaderTTL), now)
		ok = n == 1
		return err
	})
	return ok, err
}

// keepOffice says every few seconds that this replica leads, and closes lost when it could not for too long.
func (s *Store) keepOffice(ctx context.Context, lost chan<- struct{}) {
	tick := time.NewTicker(leaderBeat)
	defer tick.Stop()
	until := s.now().Add(leaderTTL)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		asked := s.now()
		ok, err := s.holdOffice(ctx)
		switch {
		case err == nil && ok:
			until = asked.Add(leaderTTL)
		case err == nil, s.now().After(until.Add(-leaderBeat)): // another one leads, or may soon
			close(lost)
			return
		}
	}
}
