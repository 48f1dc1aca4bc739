package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A migration is a pair of files, migrations/ENGINE/NNNN_name.up.sql and .down.sql, run in one transaction each. It
// adds; it takes nothing away that the version before uses, so that both versions run side by side while replicas are
// exchanged one by one. Its first line, "-- min_version: N", says which migration a binary must know at least to run on
// the schema that it leaves.

//go:embed migrations/*/*.sql
var embedded embed.FS

// migrationTimeout bounds one migration, and the wait for another replica that runs one.
const migrationTimeout = 15 * time.Minute

// schemaLock is the key of the advisory lock under which a replica migrates.
const schemaLock = 7_026_513_890_412_002

// ErrTooOld says that the database was made by a newer version, and that this binary may not run on it.
var ErrTooOld = errors.New("store: the database needs a newer version of tollgate")

// ErrPending says that migrations of this version are not applied.
var ErrPending = errors.New("store: migrations are pending")

// Migration is one step of the schema.
type Migration struct {
	Version int
	Name    string
	// MinVersion is the last migration that a binary must know to run on the schema after this one.
	MinVersion int
	Applied    time.Time // zero = pending
	Known      bool      // this binary has it; false = a newer one has applied it
	up, down   string
}

// Status lists all migrations, those of this binary and those that were applied, in order.
func (s *Store) Status(ctx context.Context) ([]Migration, error) {
	known, err := s.known()
	if err != nil {
		return nil, err
	}
	return s.applied(ctx, s.read(), known)
}

// Migrate applies what is pending. Any number of replicas may call it at once: one works, the others wait. On a schema
// of a newer version it does nothing, or returns ErrTooOld when that version has said that this one may not run.
func (s *Store) Migrate(ctx context.Context) error {
	known, err := s.known()
	if err != nil {
		return err
	}
	for done := false; !done; {
		err := s.writeWithin(ctx, migrationTimeout, func(tx *sqlTx) error {
			all, err := s.lockSchema(ctx, tx, known)
			if err != nil {
				return err
			}
			next := slices.IndexFunc(all, func(m Migration) bool { return m.Applied.IsZero() })
			if done = next < 0; done {
				return tooOld(all)
			}
			return s.apply(ctx, tx, all[next])
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Check is Migrate that changes nothing, for those who migrate by hand: it returns ErrPending when something is missing.
func (s *Store) Check(ctx context.Context) error {
	all, err := s.Status(ctx)
	if err != nil {
		return err
	}
	for _, m := range all {
		if m.Applied.IsZero() {
			return fmt.Errorf("%w, beginning with %04d_%s", ErrPending, m.Version, m.Name)
		}
	}
	return tooOld(all)
}

// Rollback takes back the migrations after version to, the newest first, with all that only they had stored. No binary
// that needs them may run.
func (s *Store) Rollback(ctx context.Context, to int) error {
	known, err := s.known()
	if err != nil {
		return err
	}
	return s.writeWithin(ctx, migrationTimeout, func(tx *sqlTx) error {
		all, err := s.lockSchema(ctx, tx, known)
		if err != nil {
			return err
		}
		for _, m := range slices.Backward(all) {
			if m.Version <= to || m.Applied.IsZero() {
				continue
			}
			if !m.Known {
				return fmt.Errorf("store: migration %04d was applied by a newer version of tollgate: that version must take it back", m.Version)
			}
			if _, err := tx.exec(ctx, m.down); err != nil {
				return fmt.Errorf("store: taking back migration %04d_%s: %w", m.Version, m.Name, err)
			}
			if _, err := tx.exec(ctx, `DELETE FROM schema_migrations WHERE version = $1`, m.Version); err != nil {
				return err
			}
			s.log.Info("store: migration taken back", "version", m.Version, "name", m.Name)
		}
		return nil
	})
}

// lockSchema keeps other replicas from migrating until tx ends, and returns what is applied.
func (s *Store) lockSchema(ctx context.Context, tx *sqlTx, known []Migration) ([]Migration, error) {
	if err := s.dialect.lockSchema(ctx, tx); err != nil {
		return nil, err
	}
	_, err := tx.exec(ctx, `CREATE TABLE IF NOT EXISTS schema_migrations (
		version integer PRIMARY KEY, name text NOT NULL, min_version integer NOT NULL, applied_at `+s.dialect.momentType()+` NOT NULL)`)
	if err != nil {
		return nil, err
	}
	return s.applied(ctx, tx.runner, known)
}

func (s *Store) apply(ctx context.Context, tx *sqlTx, m Migration) error {
	if _, err := tx.exec(ctx, m.up); err != nil {
		return fmt.Errorf("store: migration %04d_%s: %w", m.Version, m.Name, err)
	}
	_, err := tx.exec(ctx, `INSERT INTO schema_migrations (version, name, min_version, applied_at) VALUES ($1, $2, $3, $4)`,
		m.Version, m.Name, m.MinVersion, s.now().UTC())
	if err == nil {
		s.log.Info("store: migrated", "version", m.Version, "name", m.Name)
	}
	return err
}

// applied joins the binary's migrations with those of the database.
func (s *Store) applied(ctx context.Context, r runner, known []Migration) ([]Migration, error) {
	all := slices.Clone(known)
	var there bool
	if err := r.row(ctx, s.dialect.hasTable(), []any{"schema_migrations"}, &there); err != nil || !there {
		return all, err
	}
	err := r.rows(ctx, `SELECT version, name, min_version, applied_at FROM schema_migrations`, nil, func(scan func(...any) error) error {
		var m Migration
		if err := scan(&m.Version, &m.Name, &m.MinVersion, scanTime{&m.Applied}); err != nil {
			return err
		}
		if i := slices.IndexFunc(all, func(k Migration) bool { return k.Version == m.Version }); i >= 0 {
			all[i].Applied, all[i].MinVersion = m.Applied, m.MinVersion
		} else {
			all = append(all, m)
		}
		return nil
	})
	slices.SortFunc(all, func(a, b Migration) int { return a.Version - b.Version })
	return all, err
}

// tooOld tells whether an applied migration of a newer version keeps this binary out.
func tooOld(all []Migration) error {
	latest := 0
	for _, m := range all {
		if m.Known {
			latest = max(latest, m.Version)
		}
	}
	for _, m := range all {
		if !m.Applied.IsZero() && m.MinVersion > latest {
			return fmt.Errorf("%w: migration %04d_%s is applied, which needs a version that knows migration %04d; this one knows %04d",
				ErrTooOld, m.Version, m.Name, m.MinVersion, latest)
		}
	}
	return nil
}

// known reads the binary's own migrations of the engine, in order.
func (s *Store) known() ([]Migration, error) {
	dir := path.Join("migrations", s.dialect.name())
	names, err := fs.Glob(s.migrations, path.Join(dir, "*.up.sql"))
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	slices.Sort(names)
	var all []Migration
	for _, name := range names {
		up, err := fs.ReadFile(s.migrations, name)
		if err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
		base := strings.TrimSuffix(name, ".up.sql")
		down, err := fs.ReadFile(s.migrations, base+".down.sql")
		if err != nil {
			return nil, fmt.Errorf("store: %w", err)
		}
		m := Migration{Known: true, up: string(up), down: string(down)}
		number, title, _ := strings.Cut(path.Base(base), "_")
		first, _, _ := strings.Cut(m.up, "\n")
		minimum, found := strings.CutPrefix(first, "-- min_version: ")
		var errs [2]error
		m.Name = title
		m.Version, errs[0] = strconv.Atoi(number)
		m.MinVersion, errs[1] = strconv.Atoi(minimum)
		if err := errors.Join(errs[:]...); err != nil || !found {
			return nil, fmt.Errorf("store: %s: it needs a number in its name and a first line \"-- min_version: N\"", name)
		}
		all = append(all, m)
	}
	return all, nil
}
