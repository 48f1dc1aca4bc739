package cli

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
)

// dataDir is the folder for what must outlive the process: the one that was named, else the user's state folder. A
// folder that was named must be writable; without one the gateway starts all the same and says what it cannot keep.
func dataDir(env *Environment, named string) (string, error) {
	dir := named
	if dir == "" {
		dir = stateDir(env)
	}
	if dir == "" {
		return "", nil
	}
	err := os.MkdirAll(dir, 0o700)
	if err == nil {
		err = probe(dir)
	}
	switch {
	case err == nil:
		return dir, nil
	case named != "":
		return "", fmt.Errorf("the data directory cannot be used: %w; name another one with --data-dir", err)
	}
	return "", nil
}

// probe tries to write into a folder.
func probe(dir string) error {
	f, err := os.CreateTemp(dir, ".writable-*")
	if err != nil {
		return err
	}
	_ = f.Close() // nothing was written
	return os.Remove(f.Name())
}

// stateDir is where programs of this user keep their state, by the XDG base directory specification; "" when the user
// has no home.
func stateDir(env *Environment) string {
	if base, ok := env.LookupEnv("XDG_STATE_HOME"); ok && filepath.IsAbs(base) {
		return filepath.Join(base, "tollgate")
	}
	if home, ok := env.LookupEnv("HOME"); ok && filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "state", "tollgate")
	}
	return ""
}

// warnForgetful says what does not outlive the process, so that nobody finds out by a restart.
func warnForgetful(log *slog.Logger, dir string, database bool) {
	switch {
	case dir != "":
	case database:
		log.Warn("no folder can be written (--data-dir): calls that the database has not got yet are kept in memory, and are lost when the process is killed while the database is away")
	default:
		log.Warn("no folder can be written (--data-dir) and no DATABASE_URL is set: there are no virtual keys and no ledger, as with --no-database")
	}
}
