package redis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"tollgate/internal/account"
)

const (
	// perMessage is how many changes one message holds; more than perPublish are not listed but told as "many".
	perMessage = 256
	perPublish = 4096
	// quiet is how long a subscription hears nothing before the connection is tried.
	quiet = 3 * time.Second
	// maxMessage bounds what is read of a foreign message.
	maxMessage = 1 << 20
)

// message is one message on the channel of changes.
type message struct {
	Changes []account.Change `json:"changes,omitempty"`
	Many    bool             `json:"many,omitempty"` // too many to list: forget everything
}

// Publish tells all replicas, this one included, of changes. It is a shortcut: a replica that misses it finds the changes
// in the store a little later.
func (c *Client) Publish(ctx context.Context, changes []account.Change) error {
	if len(changes) > perPublish {
		return c.publish(ctx, message{Many: true})
	}
	for len(changes) > 0 {
		n := min(len(changes), perMessage)
		if err := c.publish(ctx, message{Changes: changes[:n]}); err != nil {
			return err
		}
		changes = changes[n:]
	}
	return nil
}

func (c *Client) publish(ctx context.Context, m message) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := c.redis.Publish(ctx, c.channel(), text).Err(); err != nil {
		return fmt.Errorf("redis: %w", err)
	}
	return nil
}

func (c *Client) channel() string { return c.prefix + "changes" }

// Subscribe hands what is published to changed, until ctx ends. missed is called when messages may have been lost: after
// each connection, the first included, and for what was too much to list. Both are called from this goroutine alone.
// Subscribe returns the context's error.
func (c *Client) Subscribe(ctx context.Context, changed func([]account.Change), missed func()) error {
	sub := c.redis.Subscribe(ctx, c.channel())
	defer sub.Close()
	pinged := false
	for ctx.Err() == nil {
		got, err := sub.ReceiveTimeout(ctx, quiet)
		var timeout interface{ Timeout() bool }
		switch {
		case err == nil:
			pinged = false
			c.received(got, changed, missed)
		case errors.As(err, &timeout) && timeout.Timeout() && !pinged:
			pinged = sub.Ping(ctx) == nil // the pong, or the lack of it, is received next
		default:
			c.log.DebugContext(ctx, "redis: the subscription is opened anew", "error", err)
			_ = sub.Close()
			if !sleep(ctx, 100*time.Millisecond) {
				return ctx.Err()
			}
			sub, pinged = c.redis.Subscribe(ctx, c.channel()), false
		}
	}
	return ctx.Err()
}

// received takes in what has come.
func (c *Client) received(got any, changed func([]account.Change), missed func()) {
	switch got := got.(type) {
	case *redis.Subscription:
		missed()
	case *redis.Message:
		var m message
		if len(got.Payload) > maxMessage || json.Unmarshal([]byte(got.Payload), &m) != nil || m.Many || len(m.Changes) > perMessage {
			missed()
			return
		}
		if len(m.Changes) > 0 {
			changed(m.Changes)
		}
	}
}

// sleep waits for d and reports false when ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}
