package auth_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tollgate/internal/provider/oci/auth"
)

// namedSigner is the key of one token: a pair that was torn apart shows.
type namedSigner struct{ *auth.Key }

// scripted is a source whose tokens are numbered and live for life. answer decides about each attempt.
type scripted struct {
	life   time.Duration
	takes  time.Duration // of one attempt
	answer func(n int) error

	mu      sync.Mutex
	n       int
	keys    map[string]auth.Signer // by key id
	at      []time.Time            // of each attempt
	running atomic.Int32
}

func (s *scripted) Issue(ctx context.Context) (auth.Issued, error) {
	if s.running.Add(1) > 1 {
		panic("two renewals at once")
	}
	defer s.running.Add(-1)
	s.mu.Lock()
	s.n++
	n := s.n
	s.at = append(s.at, time.Now())
	s.mu.Unlock()
	if s.takes > 0 {
		select {
		case <-time.After(s.takes):
		case <-ctx.Done():
			return auth.Issued{}, ctx.Err()
		}
	}
	if s.answer != nil {
		if err := s.answer(n); err != nil {
			return auth.Issued{}, err
		}
	}
	id, key := fmt.Sprintf("ST$secret-token-%d", n), auth.Signer(&namedSigner{})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.keys == nil {
		s.keys = map[string]auth.Signer{}
	}
	s.keys[id] = key
	return auth.Issued{Snapshot: auth.Snapshot{KeyID: id, Key: key, Expiry: time.Now().Add(s.life)}, Tenancy: testTenancy}, nil
}

func (s *scripted) attempts() int { return len(s.times()) }

// times are when each attempt began.
func (s *scripted) times() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.at)
}

func newRenewing(t *testing.T, s auth.Source) (*auth.Renewing, *logged) {
	t.Helper()
	log := &logged{}
	r := auth.NewRenewing(s, "p", slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	t.Cleanup(r.Close)
	return r, log
}

// logged is a log that may be read while it is written.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func snapshot(t *testing.T, r *auth.Renewing) auth.Snapshot {
	t.Helper()
	s, err := r.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A renewal is due at half of a token's life, less a tenth, and nobody waits for one while a token is valid.
func TestRenewing_AheadOfExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{life: 20 * time.Minute, takes: 5 * time.Second}
		r, log := newRenewing(t, s)
		begin := time.Now()
		r.Start()
		r.Start()
		snapshot(t, r)
		if waited := time.Since(begin); waited != s.takes {
			t.Errorf("the first call waited %s, want the %s of the first renewal", waited, s.takes)
		}
		for range 6 * 60 * 60 { // six hours, a call a second
			before := time.Now()
			got := snapshot(t, r)
			if waited := time.Since(before); waited != 0 {
				t.Fatalf("a call waited %s after %s", waited, time.Since(begin))
			}
			if left := got.Expiry.Sub(before); left < 9*time.Minute {
				t.Fatalf("only %s left after %s", left, time.Since(begin))
			}
			time.Sleep(time.Second)
		}
		if n := s.attempts(); n < 36 || n > 41 { // every 9 to 10 minutes
			t.Errorf("%d renewals in six hours", n)
		}
		status := r.Status()
		if status.Renewals != uint64(s.attempts()) || status.Failures != 0 || status.Err != "" || status.Expiry.Sub(status.Renewed) != s.life {
			t.Errorf("status %+v", status)
		}
		if text := log.String(); strings.Contains(text, "secret-token") || !strings.Contains(text, "was renewed") || strings.Contains(text, "WARN") {
			t.Errorf("log: %s", text)
		}
	})
}

// Failures are tried again with growing pauses, to a minute and not far beyond expiry; what is in force stays so until it expires, and no longer.
func TestRenewing_Failures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var away atomic.Bool
		s := &scripted{life: 20 * time.Minute, answer: func(int) error {
			if away.Load() {
				return errors.New("nobody answers")
			}
			return nil
		}}
		r, log := newRenewing(t, s)
		r.Start()
		first := snapshot(t, r)
		away.Store(true)
		time.Sleep(time.Until(first.Expiry) - time.Nanosecond)
		if got := snapshot(t, r); got != first {
			t.Errorf("another credential is in force: %v", got)
		}
		synctest.Wait()
		at := s.times()
		for i, before := range at[1 : len(at)-1] {
			pause, usual := at[i+2].Sub(before), min(time.Second<<i, time.Minute, max(first.Expiry.Sub(before), 10*time.Second))
			if pause < usual*8/10 || pause > usual*12/10 {
				t.Errorf("pause %d: %s, want about %s", i+1, pause, usual)
			}
		}
		if status := r.Status(); status.Err != "nobody answers" || status.Failures != uint64(len(at)-1) || status.Failed.IsZero() {
			t.Errorf("status %+v", status)
		}
		if !strings.Contains(log.String(), "level=WARN") {
			t.Errorf("log: %s", log)
		}

		time.Sleep(time.Nanosecond) // now it has expired
		before, asked := time.Now(), s.attempts()
		for range 1000 {
			if _, err := r.Snapshot(t.Context()); err == nil || err.Error() != "nobody answers" {
				t.Fatalf("with an expired credential: %v", err)
			}
		}
		if time.Since(before) > 0 || s.attempts() > asked+1 {
			t.Errorf("1000 calls without a credential took %s and asked %d times", time.Since(before), s.attempts()-asked)
		}
		time.Sleep(5 * time.Minute) // calls fail: whoever is away is asked again often
		away.Store(false)
		time.Sleep(12 * time.Second)
		synctest.Wait()
		snapshot(t, r)
		if status := r.Status(); status.Err != "" || !status.Failed.IsZero() || status.Renewals != 2 {
			t.Errorf("after it came back: %+v", status)
		}
	})
}

// Calls that come before the first credential wait for it together, and fail together.
func TestRenewing_FirstIsShared(t *testing.T) {
	for _, fail := range []error{nil, errors.New("not yet")} {
		synctest.Test(t, func(t *testing.T) {
			s := &scripted{life: time.Hour, takes: time.Second, answer: func(int) error { return fail }}
			r, _ := newRenewing(t, s)
			var calls sync.WaitGroup
			for range 100 {
				calls.Go(func() {
					if _, err := r.Snapshot(t.Context()); !errors.Is(err, fail) {
						t.Errorf("got %v, want %v", err, fail)
					}
				})
			}
			impatient, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			if _, err := r.Snapshot(impatient); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a call whose time is over: %v", err)
			}
			calls.Wait()
			if s.attempts() != 1 {
				t.Errorf("%d renewals for calls that came together", s.attempts())
			}
		})
	}
}

// A storm of 401s is one renewal, and then one in half a minute.
func TestRenewing_StormOfRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{life: time.Hour, takes: 100 * time.Millisecond}
		r, _ := newRenewing(t, s)
		r.Start()
		old := snapshot(t, r)
		var calls sync.WaitGroup
		for i := range 1000 {
			calls.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond) // some come when it is over already
				if err := r.Refresh(t.Context()); err != nil {
					t.Error(err)
				}
				if snapshot(t, r) == old {
					t.Error("the refused credential is in force after Refresh")
				}
			})
		}
		calls.Wait()
		if s.attempts() != 2 {
			t.Errorf("%d renewals for 1000 refusals", s.attempts())
		}
		for range 300 { // somebody revokes each one for five minutes
			if err := r.Refresh(t.Context()); err != nil {
				t.Error(err)
			}
			time.Sleep(time.Second)
		}
		if n := s.attempts(); n < 11 || n > 13 {
			t.Errorf("%d renewals in five minutes of refusals", n)
		}
	})
}

// Where renewals fail, refusals do not add to them.
func TestRenewing_RefusalsWhileRenewalsFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{life: time.Hour, answer: func(n int) error {
			if n > 1 {
				return errors.New("nobody answers")
			}
			return nil
		}}
		r, _ := newRenewing(t, s)
		old := snapshot(t, r)
		failed := 0
		for range 600 {
			if err := r.Refresh(t.Context()); err != nil {
				failed++
			}
			if snapshot(t, r) != old {
				t.Fatal("the old credential is not in force")
			}
			time.Sleep(time.Second)
		}
		if s.attempts() > 25 || failed != 600 {
			t.Errorf("%d attempts in ten minutes, %d of 600 refusals failed", s.attempts(), failed)
		}
	})
}

// Key and token always belong together, whatever happens meanwhile.
func TestRenewing_PairsAreWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{life: 2 * time.Second}
		r, _ := newRenewing(t, s)
		var calls sync.WaitGroup
		for range 8 {
			calls.Go(func() {
				for range 2000 {
					got := snapshot(t, r)
					s.mu.Lock()
					want := s.keys[got.KeyID]
					s.mu.Unlock()
					if got.Key != want {
						t.Errorf("%s was handed out with another token's key", got.KeyID)
						return
					}
					time.Sleep(10 * time.Millisecond)
				}
			})
		}
		calls.Go(func() {
			for range 100 {
				time.Sleep(200 * time.Millisecond)
				if err := r.Refresh(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
		calls.Wait()
		if s.attempts() < 15 {
			t.Errorf("only %d renewals", s.attempts())
		}
	})
}

// Close ends everything; a valid credential goes on to be handed out until it expires.
func TestRenewing_Close(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scripted{life: time.Hour, takes: time.Second}
		r, _ := newRenewing(t, s)
		snapshot(t, r)
		r.Close()
		r.Close()
		r.Start()
		snapshot(t, r)
		if err := r.Refresh(t.Context()); !errors.Is(err, auth.ErrClosed) {
			t.Errorf("Refresh after Close: %v", err)
		}
		time.Sleep(2 * time.Hour)
		if _, err := r.Snapshot(t.Context()); !errors.Is(err, auth.ErrClosed) || s.attempts() != 1 {
			t.Errorf("after the end: %v, %d attempts", err, s.attempts())
		}

		waiting, _ := newRenewing(t, &scripted{life: time.Hour, takes: time.Hour})
		var call sync.WaitGroup
		call.Go(func() {
			if _, err := waiting.Snapshot(t.Context()); !errors.Is(err, auth.ErrClosed) {
				t.Errorf("a call that waited when it was closed: %v", err)
			}
		})
		synctest.Wait()
		waiting.Close()
		call.Wait()
	})
}

// A service that hands out a token which has expired is broken, or this machine's clock is.
func TestRenewing_ExpiredFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := newRenewing(t, &scripted{life: -time.Minute})
		if _, err := r.Snapshot(t.Context()); err == nil || !strings.Contains(err.Error(), "clock") {
			t.Errorf("%v", err)
		}
	})
}
