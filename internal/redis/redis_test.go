package redis_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/limit"
	"tollgate/internal/quota"
	"tollgate/internal/quota/quotatest"
	"tollgate/internal/redis"
	"tollgate/internal/secret"
	"tollgate/internal/testkit"
)

var ctx = context.Background()

// open returns a client of the servers.
func open(t *testing.T, o redis.Options) *redis.Client {
	t.Helper()
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second // the machine may be busy
	}
	c, err := redis.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// suite runs what every truth must do over a connection.
func suite(t *testing.T, o redis.Options) {
	quotatest.Run(t, func(t *testing.T, ttl time.Duration) quotatest.World {
		o.Prefix = t.Name() + ":"
		c := open(t, o)
		return quotatest.World{Truth: func(replica string) quota.Truth { return c.Truth(replica, ttl) }}
	}, nil)
}

func TestSingle(t *testing.T) { suite(t, redis.Options{Addrs: []string{testkit.Redis(t)}}) }

func TestURL(t *testing.T) {
	p := ports(t, 1)[0]
	socket := filepath.Join(t.TempDir(), "redis.sock")
	s := start(t, p, answers, "--port", strconv.Itoa(p), "--unixsocket", socket, "--save", "")
	t.Run("redis", func(t *testing.T) { suite(t, redis.Options{URL: secret.New("redis://" + s.addr + "/3")}) })
	t.Run("unix", func(t *testing.T) {
		if err := open(t, redis.Options{URL: secret.New("unix://" + socket)}).Ping(ctx); err != nil {
			t.Error(err)
		}
	})
}

func TestCluster(t *testing.T) {
	var addrs []string
	for _, node := range testkit.RedisCluster(t) {
		addrs = append(addrs, node.Addr)
	}
	suite(t, redis.Options{Addrs: addrs[:1], Cluster: true})
	t.Run("a batch over all nodes", func(t *testing.T) {
		truth := open(t, redis.Options{Addrs: addrs}).Truth("a", time.Minute)
		asks := make([]quota.Ask, 300)
		for i := range asks {
			asks[i] = quota.Ask{Account: fmt.Sprint("rpm:api_key:", i), Kind: quota.Rate, Cap: 10, Need: 1, Want: int64(1 + i%7), Window: time.Minute}
		}
		grants, err := truth.Take(ctx, asks)
		if err != nil {
			t.Fatal(err)
		}
		for i, g := range grants {
			if g.Amount != asks[i].Want {
				t.Fatalf("grant %d: %d, want %d", i, g.Amount, asks[i].Want)
			}
		}
	})
}

// After a fail-over the replica that became the master is asked.
func TestSentinel(t *testing.T) {
	sentinel, master := testkit.RedisSentinel(t)
	o := redis.Options{Addrs: []string{sentinel.Addr}, Master: "main"}
	suite(t, o)
	truth := open(t, o).Truth("a", time.Minute)
	ask := []quota.Ask{{Account: "rpm:api_key:k", Kind: quota.Rate, Cap: 10, Need: 1, Want: 1, Window: time.Minute}}
	if _, err := truth.Take(ctx, ask); err != nil {
		t.Fatal(err)
	}
	master.Crash()
	eventually(t, "the new master answers", func() bool {
		_, err := truth.Take(ctx, ask)
		return err == nil
	})
}

func TestTLS(t *testing.T) {
	server, ca, password := testkit.RedisTLS(t)
	certificate, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	addr, trust := server.Addr, x509.NewCertPool()
	trust.AppendCertsFromPEM(certificate)
	suite(t, redis.Options{Addrs: []string{addr}, Password: secret.New(password), TLS: &tls.Config{RootCAs: trust, ServerName: "127.0.0.1"}})
	t.Run("by URL", func(t *testing.T) {
		c := open(t, redis.Options{URL: secret.New("rediss://:" + password + "@" + addr), TLS: &tls.Config{RootCAs: trust}})
		if err := c.Ping(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Run("an unknown certificate", func(t *testing.T) {
		if err := open(t, redis.Options{URL: secret.New("rediss://:" + password + "@" + addr)}).Ping(ctx); err == nil {
			t.Error("it was trusted")
		}
	})
	t.Run("a wrong password", func(t *testing.T) {
		err := open(t, redis.Options{Addrs: []string{addr}, Password: secret.New("open-sesame"), TLS: &tls.Config{RootCAs: trust, ServerName: "127.0.0.1"}}).Ping(ctx)
		if err == nil || strings.Contains(err.Error(), "open-sesame") {
			t.Errorf("got %v", err)
		}
	})
}

func TestOptions(t *testing.T) {
	if _, err := redis.Open(redis.Options{}); !errors.Is(err, redis.ErrNoAddress) {
		t.Errorf("no address: %v", err)
	}
	_, err := redis.Open(redis.Options{URL: secret.New("redis://user:open-sesame@host:port:1/x")})
	if err == nil || strings.Contains(err.Error(), "open-sesame") {
		t.Errorf("a bad URL: %v", err)
	}
	if text := fmt.Sprintf("%+v", redis.Options{URL: secret.New("redis://:open-sesame@host"), Password: secret.New("open-sesame")}); strings.Contains(text, "open-sesame") {
		t.Errorf("a password is shown: %s", text)
	}
}

func n(v int64) *int64 { return &v }

// Two replicas share limits through Redis. While it is away each counts alone, and when it is back they share again.
func TestLimitsWithoutRedis(t *testing.T) {
	server := testkit.RedisServer(t)
	var limiters []*limit.Limiter
	for _, replica := range []string{"a", "b"} {
		c := open(t, redis.Options{Addrs: []string{server.Addr}, Timeout: time.Second})
		l := limit.New(c.Truth(replica, 3*time.Second), limit.Options{Log: slog.New(slog.DiscardHandler)})
		l.Start()
		t.Cleanup(func() { _ = l.Close(ctx) })
		limiters = append(limiters, l)
	}
	serve := func(calls int, key string) (served int) {
		var mu sync.Mutex
		var all sync.WaitGroup
		for i := range calls {
			all.Go(func() {
				p, err := limiters[i%2].Admit(ctx, []limit.Rule{{Descriptor: "api_key", Value: key, Requests: n(40)}}, 0)
				if err == nil {
					mu.Lock()
					served++
					mu.Unlock()
					p.Close()
				}
			})
		}
		all.Wait()
		return served
	}
	if got := serve(200, "k1"); got > 40 || got < 36 {
		t.Errorf("with Redis %d of 40 were served", got)
	}
	server.Crash()
	if got := serve(200, "k2"); got != 80 {
		t.Errorf("without Redis %d were served, want 40 by each", got)
	}
	if !limiters[0].Stats().Down || !limiters[1].Stats().Down {
		t.Error("it was not noticed")
	}
	server.Start()
	eventually(t, "Redis is used again", func() bool { return !limiters[0].Stats().Down && !limiters[1].Stats().Down })
	if got := serve(200, "k3"); got > 40 || got < 36 {
		t.Errorf("with Redis again %d of 40 were served", got)
	}
}

// Slots given and taken at once over two replicas never pass the limit, while Beats go on.
func TestParallelOverReplicas(t *testing.T) {
	addr := testkit.Redis(t)
	const most = 7
	var mu sync.Mutex
	now, peak, served := 0, 0, 0
	var all sync.WaitGroup
	for _, replica := range []string{"a", "b", "c"} {
		l := limit.New(open(t, redis.Options{Addrs: []string{addr}}).Truth(replica, 3*time.Second), limit.Options{})
		l.Start()
		t.Cleanup(func() { _ = l.Close(ctx) })
		for range 20 {
			all.Go(func() {
				for range 30 {
					p, err := l.Admit(ctx, []limit.Rule{{Descriptor: "team", Value: "t", Parallel: n(most)}}, 0)
					if err != nil {
						continue
					}
					mu.Lock()
					now++
					served++
					peak = max(peak, now)
					mu.Unlock()
					time.Sleep(time.Millisecond) // the call
					mu.Lock()
					now--
					mu.Unlock()
					p.Close()
				}
			})
		}
	}
	all.Wait()
	if peak > most || served == 0 {
		t.Errorf("%d at once of %d, %d served", peak, most, served)
	}
}

func TestChanges(t *testing.T) {
	server := testkit.RedisServer(t)
	c := open(t, redis.Options{Addrs: []string{server.Addr}})
	var mu sync.Mutex
	var got []account.Change
	missed := 0
	sub, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		done <- c.Subscribe(sub, func(changes []account.Change) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, changes...)
		}, func() {
			mu.Lock()
			defer mu.Unlock()
			missed++
		})
	}()
	count := func() (changes, gaps int) {
		mu.Lock()
		defer mu.Unlock()
		return len(got), missed
	}
	eventually(t, "the subscription stands", func() bool { _, gaps := count(); return gaps == 1 })

	want := make([]account.Change, 600)
	for i := range want {
		want[i] = account.Change{Kind: account.Keys, ID: fmt.Sprint("key", i)}
	}
	if err := c.Publish(ctx, want); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the changes arrive", func() bool { changes, _ := count(); return changes == len(want) })
	if !reflect.DeepEqual(got, want) {
		t.Error("other changes arrived than were sent")
	}

	if err := c.Publish(ctx, make([]account.Change, 5000)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "too many changes are told as a gap", func() bool { _, gaps := count(); return gaps == 2 })
	if _, err := do(server.Addr, "PUBLISH", "tollgate:changes", "no JSON"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a foreign message is a gap", func() bool { _, gaps := count(); return gaps == 3 })

	server.Crash()
	server.Start()
	eventually(t, "the subscription stands again, with a gap", func() bool { _, gaps := count(); return gaps >= 4 })
	if err := c.Publish(ctx, want[:1]); err != nil {
		t.Fatal(err)
	}
	eventually(t, "changes arrive again", func() bool { changes, _ := count(); return changes == len(want)+1 })
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Subscribe ended with %v", err)
	}
}
