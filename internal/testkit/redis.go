//go:build unix

package testkit

import (
	"context"
	"errors"
	"strconv"
	"testing"

	"github.com/redis/go-redis/v9"
)

// Redis starts an empty Redis (or Valkey) for a test and returns its host:port.
func Redis(t testing.TB) string {
	t.Helper()
	return RedisServer(t).Addr
}

// RedisServer starts an empty Redis (or Valkey) for a test, to be stopped and paused. It keeps nothing on disk: a restart
// empties it.
func RedisServer(t testing.TB) *Server {
	t.Helper()
	var failed error
	for range starts {
		s, err := tryRedis()
		if err == nil {
			s.t = t
			return s.removeAfter(t)
		}
		failed = err
	}
	t.Fatal(failed)
	return nil
}

// findRedis finds Valkey or Redis.
func findRedis() (string, error) {
	if program, err := find("valkey-server", "redis-server"); err == nil {
		return program, nil
	}
	return find("redis-server", "redis-server")
}

func tryRedis() (*Server, error) {
	program, err := findRedis()
	if err != nil {
		return nil, err
	}
	folder, err := newFolder("redis")
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	addr := "127.0.0.1:" + strconv.Itoa(port)
	p, err := supervise(folder, "KILL", []string{program, "--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--save", "", "--appendonly", "no"},
		func() error { return ping(addr) })
	if err != nil {
		return nil, err
	}
	if err := p.start(); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return &Server{Addr: addr, URL: "redis://" + addr + "/0", process: p, fast: "TERM", crash: "KILL"}, nil
}

func ping(addr string) error {
	c := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1, DialerRetries: 1})
	return errors.Join(c.Ping(context.Background()).Err(), c.Close())
}
