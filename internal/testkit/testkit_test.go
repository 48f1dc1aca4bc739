//go:build unix

package testkit_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"tollgate/internal/testkit"
)

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

func TestPostgres_DatabasesAreApart(t *testing.T) {
	first, second := connect(t, testkit.Postgres(t)), connect(t, testkit.Postgres(t))
	if _, err := first.Exec(t.Context(), "CREATE TABLE things (id int)"); err != nil {
		t.Fatal(err)
	}
	var found bool
	if err := second.QueryRow(t.Context(), "SELECT to_regclass('things') IS NOT NULL").Scan(&found); err != nil {
		t.Fatal(err)
	}
	if found {
		t.Error("a fresh database holds another's table")
	}
}

func TestPostgresServer_KeepsWhatIsCommitted(t *testing.T) {
	s := testkit.PostgresServer(t)
	if _, err := connect(t, s.URL).Exec(t.Context(), "CREATE TABLE things (id int); INSERT INTO things VALUES (7)"); err != nil {
		t.Fatal(err)
	}
	for _, again := range []func(){s.Restart, func() { s.Crash(); s.Start() }} {
		again()
		var id int
		if err := connect(t, s.URL).QueryRow(t.Context(), "SELECT id FROM things").Scan(&id); err != nil || id != 7 {
			t.Errorf("after the start: id %d, error %v", id, err)
		}
	}
	s.Stop()
	if _, err := pgx.Connect(t.Context(), s.URL); err == nil {
		t.Error("a stopped server answers")
	}
}

func TestPostgresServer_PausedAnswersNobodyAndGoesOn(t *testing.T) {
	s := testkit.PostgresServer(t)
	c := connect(t, s.URL)
	s.Pause()
	answered := make(chan error, 1)
	go func() {
		_, err := c.Exec(context.Background(), "SELECT 1")
		answered <- err
	}()
	select {
	case err := <-answered:
		t.Errorf("a paused server answered: %v", err)
	case <-time.After(200 * time.Millisecond): // that nothing comes can only be waited for
	}
	s.Resume()
	if err := <-answered; err != nil {
		t.Error(err)
	}
	s.Pause()
	s.Restart()
	connect(t, s.URL)
}

func TestRedisServer(t *testing.T) {
	s := testkit.RedisServer(t)
	c := redis.NewClient(&redis.Options{Addr: s.Addr, ContextTimeoutEnabled: true, MaxRetries: -1})
	defer c.Close()
	if err := c.Set(t.Context(), "a", "b", 0).Err(); err != nil {
		t.Fatal(err)
	}
	s.Restart()
	if n, err := c.DBSize(t.Context()).Result(); err != nil || n != 0 {
		t.Errorf("%d keys after a restart, error %v; want none", n, err)
	}
	s.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := c.Ping(ctx).Err(); err == nil {
		t.Error("a paused server answered")
	}
	s.Resume()
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Error(err)
	}
}

func TestPgBouncer_SharesServerConnections(t *testing.T) {
	direct := testkit.Postgres(t)
	through := testkit.PgBouncer(t, direct)
	if _, err := connect(t, direct).Exec(t.Context(), "CREATE TABLE things (id int)"); err != nil {
		t.Fatal(err)
	}
	first, second := connect(t, through), connect(t, through)
	var ids [2]int
	for i, c := range []*pgx.Conn{first, second} {
		if err := c.QueryRow(t.Context(), "SELECT pg_backend_pid() FROM (SELECT count(*) FROM things) AS n", pgx.QueryExecModeSimpleProtocol).Scan(&ids[i]); err != nil {
			t.Fatal(err)
		}
	}
	if ids[0] != ids[1] {
		t.Errorf("two clients, one after the other, used the server's processes %v: not in transaction mode", ids)
	}
}

// TestKilledTestLeavesNothing kills a process that has started servers, as a test that runs out of time is killed.
func TestKilledTestLeavesNothing(t *testing.T) {
	if os.Getenv("TESTKIT_VICTIM") != "" {
		_, _ = os.Stdout.WriteString("victim " + testkit.PostgresServer(t).Addr + " " + testkit.Redis(t) + "\n")
		_, _ = io.Copy(io.Discard, os.Stdin) // until it is killed
		return
	}
	for name, signal := range map[string]syscall.Signal{"killed": syscall.SIGKILL, "out of time": syscall.SIGQUIT} {
		t.Run(name, func(t *testing.T) {
			folder, err := os.MkdirTemp("", "testkit-") // not TempDir, which would remove what is left
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(folder) })
			if err := os.Chmod(folder, 0o777); err != nil {
				t.Fatal(err)
			}
			victim := exec.Command(os.Args[0], "-test.run=^TestKilledTestLeavesNothing$")
			victim.Env = append(os.Environ(), "TESTKIT_VICTIM=1", "TMPDIR="+folder)
			out, err := victim.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := victim.StdinPipe(); err != nil {
				t.Fatal(err)
			}
			if err := victim.Start(); err != nil {
				t.Fatal(err)
			}
			line, err := bufio.NewReader(out).ReadString('\n')
			words := strings.Fields(line)
			if err != nil || len(words) != 3 {
				t.Fatalf("the victim wrote %q: %v", line, err)
			}
			if err := victim.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			_ = victim.Wait()
			for _, addr := range words[1:] {
				eventually(t, addr+" is free", func() bool {
					c, err := net.Dial("tcp", addr)
					if err == nil {
						_ = c.Close()
					}
					return errors.Is(err, syscall.ECONNREFUSED)
				})
			}
			eventually(t, "the folder is empty", func() bool {
				left, err := filepath.Glob(folder + "/*")
				return err == nil && len(left) == 0
			})
		})
	}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
		time.Sleep(10 * time.Millisecond) // another process is on its way
	}
}

func BenchmarkPostgresServer(b *testing.B) {
	for b.Loop() {
		testkit.PostgresServer(b)
	}
}

func BenchmarkPostgresDatabase(b *testing.B) {
	testkit.Postgres(b)
	for b.Loop() {
		testkit.Postgres(b)
	}
}

func BenchmarkRedis(b *testing.B) {
	for b.Loop() {
		testkit.Redis(b)
	}
}
