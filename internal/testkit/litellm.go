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
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

// NewestLiteLLM is the schema of all migrations of LiteLLM.
const NewestLiteLLM = "99999999"

// schemas are the databases that each test's own is a copy of, by the date of their schema. They live in a variable
// because only the end of the process ends the server that has them.
var schemas = struct {
	mu   sync.Mutex
	made map[string]string
}{made: map[string]string{}}

// LiteLLM returns the URL of a fresh database with LiteLLM's tables, as its own published migrations from before a date
// ("20250701") make them. The migrations are fetched once (test/setup/litellm-schema.sh).
func LiteLLM(t testing.TB, before string) string {
	t.Helper()
	s, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	schemas.mu.Lock()
	defer schemas.mu.Unlock()
	template := schemas.made[before]
	if template == "" {
		template = "litellm_" + strings.ToLower(rand.Text())
		if err := makeLiteLLM(t.Context(), s.URL, template, before); err != nil {
			t.Fatal(err)
		}
		schemas.made[before] = template
	}
	name := "test_" + strings.ToLower(rand.Text())
	if err := execute(t.Context(), s.URL, "CREATE DATABASE "+name+" TEMPLATE "+template); err != nil {
		t.Fatal(err)
	}
	return inDatabase(s.URL, name)
}

// inDatabase is the server's URL with another database.
func inDatabase(url, name string) string { return strings.Replace(url, "/postgres?", "/"+name+"?", 1) }

func makeLiteLLM(ctx context.Context, url, name, before string) error {
	files, err := liteLLMMigrations(ctx)
	if err != nil {
		return err
	}
	if err := execute(ctx, url, "CREATE DATABASE "+name+" TEMPLATE template0"); err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, inDatabase(url, name))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // what was made is committed
	for _, file := range files {
		if filepath.Base(filepath.Dir(file)) >= before {
			break
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		// Each file is one transaction here, in which no index is made concurrently.
		if _, err := conn.PgConn().Exec(ctx, strings.ReplaceAll(string(text), "CONCURRENTLY", "")).ReadAll(); err != nil {
			return fmt.Errorf("%s: %w", filepath.Dir(file), err)
		}
	}
	return nil
}

// liteLLMMigrations are the files in their order.
func liteLLMMigrations(ctx context.Context) ([]string, error) {
	root, err := repository()
	if err != nil {
		return nil, err
	}
	if out, err := exec.CommandContext(ctx, filepath.Join(root, "test/setup/litellm-schema.sh")).CombinedOutput(); err != nil { //nolint:gosec // ours
		return nil, fmt.Errorf("LiteLLM's schema cannot be fetched: %w\n%s", err, out)
	}
	files, err := filepath.Glob(filepath.Join(root, ".cache/litellm-schema/*/migration.sql"))
	if err == nil && len(files) < 200 {
		err = fmt.Errorf("found %d of LiteLLM's migrations only", len(files))
	}
	slices.Sort(files)
	return files, err
}

// repository is the folder of go.mod.
func repository() (string, error) {
	dir, err := os.Getwd()
	for ; err == nil; dir = filepath.Dir(dir) {
		if _, missing := os.Stat(filepath.Join(dir, "go.mod")); missing == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			err = errors.New("testkit: there is no go.mod above the test")
		}
	}
	return "", err
}
