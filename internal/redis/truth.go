package redis

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"tollgate/internal/quota"
)

var (
	//go:embed take_rate.lua
	takeRateText string
	//go:embed give_rate.lua
	giveRateText string
	//go:embed slots.lua
	slotsText string
)

// ErrMoney says that budgets are not kept in Redis.
var ErrMoney = errors.New("redis: money is kept in the store")

// perBeat is how many leases one round trip keeps alive.
const perBeat = 512

// Truth is where the replica's requests, tokens and slots are agreed on. An Ask of Money is refused with ErrMoney. Every
// account is one key, so a cluster needs nothing special.
//
// A batch is one round trip to each node that it concerns. It counts as unanswered when any node has not answered.
func (c *Client) Truth(replica string, ttl time.Duration) quota.Truth {
	return &truth{
		client: c, replica: replica, ttl: ttl, leases: make(map[string]uint64),
		takeRate: redis.NewScript(takeRateText), giveRate: redis.NewScript(giveRateText), slots: redis.NewScript(slotsText),
	}
}

// truth is quota.Truth on Redis.
type truth struct {
	client                    *Client
	replica                   string
	ttl                       time.Duration
	takeRate, giveRate, slots *redis.Script

	mu     sync.Mutex
	takes  uint64
	leases map[string]uint64 // accounts of Slots that a Beat keeps alive, and the Take that they were last taken by
}

var _ quota.Truth = (*truth)(nil)

// TTL implements quota.Truth.
func (t *truth) TTL() time.Duration { return t.ttl }

// order is a script to run on one key.
type order struct {
	script *redis.Script
	key    string
	args   []any
}

// Take implements quota.Truth.
func (t *truth) Take(ctx context.Context, asks []quota.Ask) ([]quota.Grant, error) {
	orders := make([]order, len(asks))
	for i := range asks {
		q := &asks[i]
		need, want := max(0, q.Need), max(0, q.Need, q.Want)
		switch q.Kind {
		case quota.Rate:
			orders[i] = order{t.takeRate, t.key(q.Account), []any{need, want, q.Cap, max(1, q.Window.Milliseconds())}}
		case quota.Slots:
			orders[i] = t.lease("take", q.Account, need, want, q.Cap)
			t.keep(q.Account, true) // before it is known to be granted: an answer that is lost leaves a lease that must live
		default:
			return nil, ErrMoney
		}
	}
	sent := time.Now()
	replies, err := t.run(ctx, orders)
	if err != nil {
		return nil, err
	}
	grants := make([]quota.Grant, len(asks))
	for i, r := range replies {
		g := &grants[i]
		if asks[i].Kind == quota.Slots {
			g.Amount, g.Leased, g.Own = r[0], r[1], r[2]
			t.keep(asks[i].Account, g.Own != 0)
			continue
		}
		g.Amount, g.Used = r[0], r[1]
		if r[2] >= 0 {
			g.ResetAt = sent.Add(time.Duration(r[2]) * time.Millisecond)
		}
	}
	return grants, nil
}

// Give implements quota.Truth.
func (t *truth) Give(ctx context.Context, gives []quota.Give) error {
	orders := make([]order, 0, len(gives))
	for i := range gives {
		g := &gives[i]
		switch g.Kind {
		case quota.Rate:
			if left := time.Until(g.ResetAt); left > 0 {
				orders = append(orders, order{t.giveRate, t.key(g.Account), []any{g.Amount, left.Milliseconds()}})
			}
		case quota.Slots:
			orders = append(orders, t.lease("give", g.Account, g.Amount))
		default:
			return ErrMoney
		}
	}
	_, err := t.run(ctx, orders)
	return err
}

// Beat implements quota.Truth: it lets every lease of the replica live on.
func (t *truth) Beat(ctx context.Context) error {
	t.mu.Lock()
	accounts, before := make([]string, 0, len(t.leases)), t.takes
	for a := range t.leases {
		accounts = append(accounts, a)
	}
	t.mu.Unlock()
	if len(accounts) == 0 {
		return t.client.Ping(ctx)
	}
	for len(accounts) > 0 {
		n := min(len(accounts), perBeat)
		orders := make([]order, n)
		for i, a := range accounts[:n] {
			orders[i] = t.lease("beat", a)
		}
		replies, err := t.run(ctx, orders)
		if err != nil {
			return err
		}
		for i, r := range replies {
			if r[2] == 0 {
				t.drop(accounts[i], before)
			}
		}
		accounts = accounts[n:]
	}
	return nil
}

// drop forgets a lease that a Beat has found gone, unless it was taken anew since before.
func (t *truth) drop(account string, before uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.leases[account] <= before {
		delete(t.leases, account)
	}
}

// keep says whether a lease must be kept alive.
func (t *truth) keep(account string, yes bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !yes {
		delete(t.leases, account)
		return
	}
	t.takes++
	t.leases[account] = t.takes
}

func (t *truth) key(account string) string { return t.client.prefix + account }

func (t *truth) lease(what, account string, args ...any) order {
	return order{t.slots, t.key(account), append([]any{what, t.replica, t.ttl.Milliseconds()}, args...)}
}

// run runs the orders in one round trip to each node, in order for each key.
func (t *truth) run(ctx context.Context, orders []order) ([][]int64, error) {
	if len(orders) == 0 {
		return nil, nil
	}
	cmds := t.send(ctx, orders, func(p redis.Pipeliner, o order) *redis.Cmd {
		return o.script.EvalSha(ctx, p, []string{o.key}, o.args...)
	})
	// A server that does not know a script yet has not run it, and learns it from its text.
	var unknown []order
	var at []int
	for i, cmd := range cmds {
		if redis.HasErrorPrefix(cmd.Err(), "NOSCRIPT") {
			unknown, at = append(unknown, orders[i]), append(at, i)
		}
	}
	for i, cmd := range t.send(ctx, unknown, func(p redis.Pipeliner, o order) *redis.Cmd { return o.script.Eval(ctx, p, []string{o.key}, o.args...) }) {
		cmds[at[i]] = cmd
	}
	replies := make([][]int64, len(cmds))
	for i, cmd := range cmds {
		var err error
		if replies[i], err = integers(cmd); err != nil {
			return nil, fmt.Errorf("redis: %w", err)
		}
	}
	return replies, nil
}

// send queues the orders and waits for their answers, which are in the commands.
func (t *truth) send(ctx context.Context, orders []order, queue func(redis.Pipeliner, order) *redis.Cmd) []*redis.Cmd {
	if len(orders) == 0 {
		return nil
	}
	cmds := make([]*redis.Cmd, len(orders))
	pipe := t.client.redis.Pipeline()
	for i, o := range orders {
		cmds[i] = queue(pipe, o)
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	return cmds
}

// integers are what a script has returned: a number, or a list of them.
func integers(cmd *redis.Cmd) ([]int64, error) {
	v, err := cmd.Result()
	if err != nil {
		return nil, err
	}
	if n, ok := v.(int64); ok {
		return []int64{n}, nil
	}
	list, ok := v.([]any)
	if !ok || len(list) != 3 {
		return nil, fmt.Errorf("a script answered %T", v)
	}
	numbers := make([]int64, len(list))
	for i, x := range list {
		if numbers[i], ok = x.(int64); !ok {
			return nil, errors.New("a script answered " + strconv.Quote(fmt.Sprint(x)))
		}
	}
	return numbers, nil
}
