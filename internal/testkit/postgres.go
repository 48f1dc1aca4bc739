//go:build unix

package testkit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// shared starts the PostgreSQL that the tests of this process share. It lives in a variable because only the end of
// the process ends it.
var shared = sync.OnceValues(func() (*Server, error) { return startPostgres("") })

// Postgres returns the URL of a fresh, empty database of a PostgreSQL that the tests of this process share. The first
// call starts it. The user of the URL is a superuser.
func Postgres(t testing.TB) string {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	name := "test_" + strings.ToLower(rand.Text())
	if err := execute(t.Context(), s.URL, "CREATE DATABASE "+name+" TEMPLATE template0"); err != nil {
		t.Fatal(err)
	}
	return strings.Replace(s.URL, "/postgres?", "/"+name+"?", 1)
}

// PostgresServer starts a PostgreSQL of the test's own, to be stopped and paused. URL names its database "postgres".
func PostgresServer(t testing.TB) *Server {
	t.Helper()
	s, err := startPostgres("")
	if err != nil {
		t.Fatal(err)
	}
	s.t = t
	return s.removeAfter(t)
}

// startPostgres starts the PostgreSQL whose initdb is given, "" = the machine's newest.
func startPostgres(initdb string) (*Server, error) {
	var failed error
	for range starts {
		s, err := tryPostgres(initdb)
		if err == nil {
			return s, nil
		}
		failed = err
	}
	return nil, failed
}

func tryPostgres(initdb string) (*Server, error) {
	if initdb == "" {
		const pattern = "/usr/lib/postgresql/*/bin"
		var err error
		if initdb, err = find("initdb", "postgresql", pattern, "/opt/homebrew/opt/postgresql*/bin"); err != nil {
			return nil, err
		}
	}
	folder, err := newFolder("postgres")
	if err != nil {
		return nil, err
	}
	password := rand.Text()
	if err := initPostgres(initdb, folder, password); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	url := fmt.Sprintf("postgres://postgres:%s@127.0.0.1:%d/postgres?sslmode=disable", password, port)
	p, err := supervise(folder, "QUIT", []string{
		filepath.Join(filepath.Dir(initdb), "postgres"), "-D", folder + "/data", "-p", strconv.Itoa(port),
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "max_connections=300",
		// A test's data need not outlive the machine, only the server.
		"-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_wal_size=4GB",
		// Shared memory in files of the folder: nothing is left in /dev/shm.
		"-c", "dynamic_shared_memory_type=mmap",
	}, func() error { return execute(context.Background(), url, "") })
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	if err := p.start(); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return &Server{Addr: "127.0.0.1:" + strconv.Itoa(port), URL: url, process: p, fast: "INT", crash: "QUIT"}, nil
}

// initPostgres makes the cluster in folder/data, with one user, postgres.
func initPostgres(initdb, folder, password string) error {
	file, err := writeFile(folder, "password", password)
	if err != nil {
		return err
	}
	who, err := unprivileged()
	if err != nil {
		return err
	}
	arguments := []string{"-D", folder + "/data", "-U", "postgres", "--pwfile=" + file, "-A", "scram-sha-256",
		"--no-sync", "--no-instructions", "--locale=C", "-E", "UTF8"}
	cmd := exec.CommandContext(context.Background(), initdb, arguments...) //nolint:gosec // a program of the machine, found by find
	cmd.Dir = folder
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return os.Remove(file)
}

// execute connects, runs a statement and disconnects.
func execute(ctx context.Context, url, statement string) error {
	c, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	_, err = c.Exec(ctx, statement)
	return errors.Join(err, c.Close(context.WithoutCancel(ctx)))
}
