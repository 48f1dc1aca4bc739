//go:build unix

package testkit

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// PGVector starts a PostgreSQL of the test's own that has the extension pgvector (test/setup/pgvector.sh installs or builds
// it). URL names its database "postgres", in which the extension is not made yet.
func PGVector(t testing.TB) *Server {
	t.Helper()
	root, err := repository()
	if err != nil {
		t.Fatal(err)
	}
	initdb := withVector(filepath.Join(root, ".cache/pgvector"))
	if initdb == "" {
		initdb = withVector("/usr")
	}
	if initdb == "" {
		t.Fatal("this test needs PostgreSQL with pgvector. Run test/setup/pgvector.sh")
	}
	s, err := startPostgres(initdb)
	if err != nil {
		t.Fatal(err)
	}
	s.t = t
	return s.removeAfter(t)
}

// withVector is the initdb of a PostgreSQL below prefix that has the extension, the newest, "" = there is none.
func withVector(prefix string) (initdb string) {
	newest := 0
	controls, _ := filepath.Glob(filepath.Join(prefix, "share/postgresql/*/extension/vector.control")) // well formed
	for _, c := range controls {
		number := filepath.Base(filepath.Dir(filepath.Dir(c)))
		program := filepath.Join(prefix, "lib/postgresql", number, "bin/initdb")
		n, _ := strconv.Atoi(number)
		if _, err := os.Stat(program); err == nil && n > newest {
			initdb, newest = program, n
		}
	}
	return initdb
}

// Execute runs a statement on a PostgreSQL.
func Execute(t testing.TB, url, statement string) {
	t.Helper()
	if err := execute(context.WithoutCancel(t.Context()), url, statement); err != nil {
		t.Fatal(err)
	}
}
