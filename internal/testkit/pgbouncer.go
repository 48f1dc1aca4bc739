//go:build unix

package testkit

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"testing"
)

// PgBouncer starts a PgBouncer in transaction mode in front of the database of a URL that this package gave, and
// returns the URL of the same database through it.
func PgBouncer(t testing.TB, postgresURL string) string {
	t.Helper()
	target, err := url.Parse(postgresURL)
	if err != nil {
		t.Fatal(err)
	}
	var failed error
	for range starts {
		s, err := tryPgBouncer(*target)
		if err == nil {
			s.t = t
			return s.removeAfter(t).URL
		}
		failed = err
	}
	t.Fatal(failed)
	return ""
}

func tryPgBouncer(target url.URL) (*Server, error) {
	program, err := find("pgbouncer", "pgbouncer")
	if err != nil {
		return nil, err
	}
	folder, err := newFolder("pgbouncer")
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	password, _ := target.User.Password()
	// The user's name and password open PgBouncer as they open the server, which asks PgBouncer for them again.
	config := fmt.Sprintf(`[databases]
* = host=%s port=%s user=%s password=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
pool_mode = transaction
auth_type = plain
auth_file = %s/users
max_client_conn = 500
default_pool_size = 20
`, target.Hostname(), target.Port(), target.User.Username(), password, port, folder)
	users := fmt.Sprintf("%q %q\n", target.User.Username(), password)
	_, err = writeFile(folder, "users", users)
	ini, failed := writeFile(folder, "ini", config)
	if err := errors.Join(err, failed); err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	target.Host = "127.0.0.1:" + strconv.Itoa(port)
	address := target.String()
	p, err := supervise(folder, "KILL", []string{program, ini},
		func() error { return execute(context.Background(), address, "SELECT 1") })
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(folder))
	}
	if err := p.start(); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return &Server{Addr: target.Host, URL: address, process: p, fast: "INT", crash: "KILL"}, nil
}
