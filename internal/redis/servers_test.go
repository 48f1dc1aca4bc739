package redis_test

import (
	"bytes"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// server is a redis-server with options of its own, which testkit's has not.
type server struct {
	addr string
	args []string
	cmd  *exec.Cmd
	log  bytes.Buffer
}

// start starts a redis-server with the arguments on the port, and waits until ready says that it answers.
func start(t *testing.T, port int, ready func(addr string) error, args ...string) *server {
	t.Helper()
	s := &server{addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), args: append(args, "--dir", t.TempDir(), "--bind", "127.0.0.1")}
	s.run(t, ready)
	t.Cleanup(s.kill)
	return s
}

func (s *server) run(t *testing.T, ready func(addr string) error) {
	t.Helper()
	s.cmd = exec.Command("redis-server", s.args...)
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var err error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if err = ready(s.addr); err == nil {
			return
		}
	}
	s.kill()
	t.Fatalf("redis-server does not answer: %v\n%s", err, &s.log)
}

// kill ends the server at once.
func (s *server) kill() {
	if s.cmd.ProcessState == nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	}
}

// ports finds free ports.
func ports(t *testing.T, n int) []int {
	t.Helper()
	var list []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		list = append(list, l.Addr().(*net.TCPAddr).Port)
	}
	return list
}

// do runs one command on one server.
func do(addr string, args ...any) (string, error) {
	c := goredis.NewClient(&goredis.Options{Addr: addr, MaxRetries: -1})
	defer c.Close()
	v, err := c.Do(ctx, args...).Result()
	return fmt.Sprint(v), err
}

func answers(addr string) error {
	_, err := do(addr, "PING")
	return err
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never: " + what)
		}
	}
}
