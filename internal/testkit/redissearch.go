//go:build unix

package testkit

import (
	"path/filepath"
	"strconv"
	"testing"
)

// RedisSearch starts an empty Redis or Valkey with RediSearch (test/setup/redis-search.sh puts it below .cache). It keeps
// what is stored over a restart in order.
func RedisSearch(t testing.TB) *Server {
	t.Helper()
	program := cached(t, "redis-search/server", "test/setup/redis-search.sh")
	module := filepath.Join(filepath.Dir(program), "redisearch.so")
	return startAt(t, launch{name: "redis-search", ready: ping, command: func(folder string, port int) ([]string, error) {
		return []string{program, "--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "3600 1", "--loadmodule", module}, nil
	}})
}
