package cli

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
)

// dataDir is the folder for what must outlive the process: the one that was named, else the user's state folder. A
// folder that was named must be writable; without one the gateway starts all the same and says what it cannot keep, and
// remedy is how to let it.
func dataDir(env *Environment, named string) (dir, remedy string, err error) {
	dir = named
	if dir == "" {
		dir = stateDir(env)
	}
	if dir == "" {
		return "", "there is no home: name a folder with --data-dir or TOLLGATE_DATA_DIR", nil
	}
	err = os.MkdirAll(dir, 0o700)
	if err == nil {
		err = probe(dir)
	}
	switch {
	case err == nil:
		return dir, "", nil
	case named != "":
		return "", "", fmt.Errorf("the data directory cannot be used: %w; %s, or name another one with --data-dir", err, advice(dir, err))
	}
	return "", fmt.Sprintf("%s: %v; %s, or name another folder with --data-dir", dir, err, advice(dir, err)), nil
}

// advice is what makes a folder writable. Most who need it run a container whose root is read-only.
func advice(dir string, err error) string {
	switch {
	case errors.Is(err, syscall.EROFS):
		return fmt.Sprintf("mount a writable volume at %s (docker run -v tollgate-data:%s; on Kubernetes an emptyDir or a PersistentVolumeClaim)", dir, dir)
	case errors.Is(err, os.ErrPermission):
		return fmt.Sprintf("let the user %d write to %s (on Kubernetes: securityContext.fsGroup)", os.Getuid(), dir)
	}
	return "make it writable"
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

// warnForgetful says what does not outlive the process, so that nobody finds out by a restart; remedy is how to mend it.
func warnForgetful(log *slog.Logger, remedy string, database bool) {
	switch {
	case remedy == "":
	case database:
		log.Warn("no folder can be written (--data-dir): calls that the database has not got yet are kept in memory, and are lost when the process is killed while the database is away", "remedy", remedy)
	default:
		log.Warn("no folder can be written (--data-dir) and no DATABASE_URL is set: there are no virtual keys and no ledger, as with --no-database", "remedy", remedy)
	}
}
