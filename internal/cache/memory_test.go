package cache

import (
	"bytes"
	"context"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a store for tests. What a test sets is asked before each call.
type memory struct {
	mu      sync.Mutex
	values  map[string][]byte
	until   map[string]time.Time
	before  func(ctx context.Context, what string) error
	gets    int
	sets    int
	lastTTL time.Duration
}

func newMemory() *memory { return &memory{values: map[string][]byte{}, until: map[string]time.Time{}} }

func (m *memory) ask(ctx context.Context, what string) error {
	if m.before != nil {
		return m.before(ctx, what)
	}
	return nil
}

func (m *memory) Get(ctx context.Context, key string) ([]byte, error) {
	if err := m.ask(ctx, "get"); err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gets++
	v, ok := m.values[key]
	if !ok || !time.Now().Before(m.until[key]) {
		return nil, ErrMiss
	}
	return v, nil
}

func (m *memory) Set(ctx context.Context, key string, value []byte, ttl time.Duration) error {
	if err := m.ask(ctx, "set"); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sets++
	m.lastTTL = ttl
	if ttl == 0 {
		ttl = time.Hour
	}
	m.values[key], m.until[key] = bytes.Clone(value), time.Now().Add(ttl)
	return nil
}

func (m *memory) Delete(_ context.Context, keys ...string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, key := range keys {
		delete(m.values, key)
	}
	return nil
}

func (m *memory) Flush(context.Context) error { m.values = map[string][]byte{}; return nil }

func (m *memory) Ping(ctx context.Context) error { return m.ask(ctx, "ping") }

func (m *memory) Close() error { return nil }
