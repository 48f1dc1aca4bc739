//go:build unix

package testkit

import (
	"crypto/rand"
	"net/http"
	"path/filepath"
	"strconv"
	"testing"
)

// Qdrant is Qdrant's REST API before the engine of Qdrant's own client (test/integrations/qdrant/server.py). What is stored
// outlives a restart.
type Qdrant struct {
	*Server
	APIKey string
}

// NewQdrant starts an empty Qdrant (test/setup/qdrant.sh installs it). An old one does not know
// /points/query, a new one does not know /points/search.
func NewQdrant(t testing.TB, old bool) *Qdrant {
	t.Helper()
	python := cached(t, "python/test-integrations-qdrant/bin/python", "test/setup/qdrant.sh")
	root, err := repository()
	if err != nil {
		t.Fatal(err)
	}
	q := &Qdrant{APIKey: rand.Text()}
	age := "new"
	if old {
		age = "old"
	}
	q.Server = startAt(t, launch{name: "qdrant", trusted: true, command: func(folder string, port int) ([]string, error) {
		return []string{python, filepath.Join(root, "test/integrations/qdrant/server.py"), "--port", strconv.Itoa(port), "--path", folder + "/data", "--api-key", q.APIKey, "--age", age}, nil
	}, ready: func(addr string) error { return answersWith(addr, http.StatusUnauthorized) }})
	q.URL = "http://" + q.Addr
	return q
}
