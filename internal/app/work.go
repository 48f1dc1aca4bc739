package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/budget"
	"tollgate/internal/jobs"
	"tollgate/internal/store"
)

// jobs is the work in the background that one replica does for all.
func (a *App) jobs(getenv func(string) string) []jobs.Job {
	s := a.rooms.store
	list := []jobs.Job{
		{Name: "budget resets", Every: 30 * time.Second, Run: func(ctx context.Context) error {
			scopes, err := s.ResetDue(ctx)
			if len(scopes) > 0 {
				a.log.Info("budgets have started anew", "count", len(scopes))
			}
			return err
		}},
		{Name: "retention", Every: time.Hour, Run: a.prune},
		{Name: "spend reports", Every: 10 * time.Minute, Run: func(ctx context.Context) error { return a.rooms.alerts.ReportSpend(ctx, time.Now()) }},
	}
	// As LiteLLM: keys are rotated only where the operator wants it, since their holders must fetch the new value.
	if on, _ := strconv.ParseBool(getenv("LITELLM_KEY_ROTATION_ENABLED")); on {
		every := 24 * time.Hour
		if seconds, err := strconv.Atoi(getenv("LITELLM_KEY_ROTATION_CHECK_INTERVAL_SECONDS")); err == nil && seconds > 0 {
			every = time.Duration(seconds) * time.Second
		}
		list = append(list, jobs.Job{Name: "key rotation", Every: every, Run: a.rotateKeys})
	}
	return list
}

func (a *App) rotateKeys(ctx context.Context) error {
	now, err := a.rooms.store.Now(ctx)
	if err != nil {
		return err
	}
	rotated, err := a.rooms.admin.RotateDue(ctx, now)
	for _, r := range rotated {
		a.log.Info("a key was rotated; its holder gets the new value with /key/regenerate", "key_id", r.KeyID, "key_alias", r.KeyAlias)
	}
	return err
}

// prune removes the ledger's rows that are older than the configuration keeps them.
func (a *App) prune(ctx context.Context) error {
	period := a.Config().General.Retention
	if period == "" {
		return nil
	}
	now, err := a.rooms.store.Now(ctx)
	if err != nil {
		return err
	}
	before, err := retained(period, now)
	if err != nil {
		return err
	}
	n, err := a.rooms.store.Prune(ctx, before, nil)
	if n > 0 {
		a.log.Info("old rows have left the ledger", "rows", n, "before", before.Format(time.RFC3339))
	}
	return err
}

// retained is the time before which rows leave: a period such as 30d, or a number of days.
func retained(period string, now time.Time) (time.Time, error) {
	if days, err := strconv.Atoi(period); err == nil {
		period = strconv.Itoa(days) + "d"
	}
	span, err := budget.ParseDuration(period)
	if err != nil || span.None() {
		return time.Time{}, fmt.Errorf("app: general_settings.maximum_spend_logs_retention_period: %q is no period such as 30d: %w", period, err)
	}
	return now.Add(-span.After(now).Sub(now)), nil
}

// upserter makes the users and teams that signed tokens name.
type upserter struct{ store *store.Store }

// UpsertUser implements access.Upserter.
func (u upserter) UpsertUser(ctx context.Context, user *account.User) error {
	return u.insert(ctx, user)
}

// UpsertTeam implements access.Upserter.
func (u upserter) UpsertTeam(ctx context.Context, team *account.Team) error {
	return u.insert(ctx, team)
}

// insert leaves what exists as it is.
func (u upserter) insert(ctx context.Context, o account.Object) error {
	err := u.store.Update(ctx, func(tx account.Tx) error { return tx.Insert(ctx, o) })
	if errors.Is(err, account.ErrExists) {
		return nil
	}
	return err
}

// reloadSoon puts what was stored in force, once however many ask at the same time.
func (a *App) reloadSoon() {
	if !a.reloading.CompareAndSwap(false, true) {
		return
	}
	a.rooms.watching.Go(func() {
		a.reloading.Store(false) // a change from now on asks for another reload
		if a.knowsStored() {
			return
		}
		if found, err := a.Reload(); err != nil {
			a.log.Error("what was changed in the database is not in force", "error", err, "findings", found.Error())
		}
	})
}

// knowsStored reports whether what is stored is what was last read: many changes concern something else.
func (a *App) knowsStored() bool {
	stored, err := a.stored()
	if err != nil {
		return false // the reload says so
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if stored == nil || a.lastStored == nil {
		return stored == a.lastStored
	}
	return bytes.Equal(stored.Data, a.lastStored.Data)
}
