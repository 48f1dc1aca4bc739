package alert

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Ping sends a test message to Slack and every address of a type of alerts.
func (s *Settings) Ping(ctx context.Context) error {
	all := s.addresses()
	if !s.Webhook.Empty() {
		delete(all, s.Webhook.Reveal())
	}
	n := note{level: Low, at: time.Now(), message: "This is a test of Tollgate's alerts: nothing is wrong."}
	body := (&letter{text: n.text(s)}).json()
	var errs []error
	for i, address := range slices.Sorted(maps.Keys(all)) {
		if _, _, err := s.send(ctx, address, body); err != nil {
			errs = append(errs, fmt.Errorf("address %d of %d: %w", i+1, len(all), err))
		}
	}
	return errors.Join(errs...)
}

// PingWebhook sends a test event to the webhook.
func (s *Settings) PingWebhook(ctx context.Context) error {
	budget, user := 0.0, "test"
	e := &Event{MaxBudget: &budget, UserID: &user, Event: "budget_crossed", EventGroup: "internal_user", EventMessage: "This is a test of Tollgate's alerts: no budget is crossed."}
	_, _, err := s.send(ctx, s.Webhook.Reveal(), encode(e))
	return err
}
