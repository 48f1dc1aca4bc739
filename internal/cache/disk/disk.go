// Package disk caches in files below a folder: an entry a file, bounded by bytes, as it was after a restart.
package disk

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tollgate/internal/cache"
	"tollgate/internal/setting"
)

const (
	// DefaultDir is where entries are kept when nothing is configured (LiteLLM's place).
	DefaultDir = ".litellm_cache"
	// DefaultMB is how much is kept, in MB.
	DefaultMB = 1024
	// DefaultTTL is how long an entry stays whose life nothing names. LiteLLM's stays for ever.
	DefaultTTL = 24 * time.Hour
)

// Options is what a store is made of.
type Options struct {
	Dir       string        // is made where it does not exist
	Namespace string        // stores of one folder with one namespace share their entries, others do not
	MaxBytes  int64         // of files; 0 = DefaultMB
	TTL       time.Duration // of entries that name none; 0 = DefaultTTL
	Log       *slog.Logger
}

// Store is a cache on the local disk. What was not asked for longest goes first. It is safe for concurrent use, also by several
// processes: each bounds what it knows of, so that they may keep more together. What is not whole is a miss.
type Store struct {
	dir   string
	most  int64
	ttl   time.Duration
	files *files
}

var _ cache.Store = (*Store)(nil)

// Check looks at the settings alone.
func Check(settings *setting.Map) error {
	_, err := options(settings)
	return err
}

// options reads the settings disk_cache_dir, namespace, max_size_mb and default_in_memory_ttl.
func options(settings *setting.Map) (Options, error) {
	o := Options{Dir: settings.Text("disk_cache_dir"), Namespace: settings.Text("namespace"), TTL: settings.Seconds("default_in_memory_ttl", DefaultTTL)}
	if o.Dir == "" {
		o.Dir = DefaultDir
	}
	mb := settings.Int("max_size_mb", DefaultMB)
	if mb == 0 {
		settings.Fault("max_size_mb", "must be at least 1")
	}
	o.MaxBytes = int64(mb) << 20
	return o, settings.Err()
}

// Open reads the settings and opens the folder.
func Open(settings *setting.Map, log *slog.Logger) (*Store, error) {
	o, err := options(settings)
	if err != nil {
		return nil, err
	}
	o.Log = log
	s, err := New(o)
	if err != nil {
		settings.Fault("disk_cache_dir", "%v", err)
		return nil, settings.Err()
	}
	return s, nil
}

// New opens a folder and takes in what it holds.
func New(o Options) (*Store, error) {
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMB << 20
	}
	if o.TTL == 0 {
		o.TTL = DefaultTTL
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	sum := sha256.Sum256([]byte(o.Namespace))
	s := &Store{dir: filepath.Join(o.Dir, "tollgate-"+hex.EncodeToString(sum[:8])), most: o.MaxBytes, ttl: o.TTL}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, fmt.Errorf("disk: %w", err)
	}
	s.files = newFiles()
	if err := s.takeIn(); err != nil {
		return nil, fmt.Errorf("disk: %w", err)
	}
	s.evict()
	o.Log.Debug("the cache on disk is open", "dir", s.dir, "bytes", s.files.size())
	return s, nil
}

// entryFile is the ending of an entry's file. A file that is being written has another one.
const entryFile = ".entry"

// leftOver is how old a file must be that nobody has finished to write.
const leftOver = time.Hour

// takeIn notes the files of an earlier life of the process, the youngest as the one that was asked for last, and removes what
// a death has left half written.
func (s *Store) takeIn() error {
	var found []found
	err := filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return ignoreAbsent(err)
		}
		info, err := d.Info()
		if err != nil {
			return ignoreAbsent(err)
		}
		if name, ok := strings.CutSuffix(d.Name(), entryFile); ok {
			found = append(found, foundFile(name, info))
		} else if time.Since(info.ModTime()) > leftOver {
			return ignoreAbsent(os.Remove(path)) //nolint:gosec // G122: the folder is the cache's own
		}
		return nil
	})
	s.files.takeIn(found)
	return err
}

// ignoreAbsent is err, but for a file that another process has removed.
func ignoreAbsent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// name is the name of an entry's file without its ending: whatever a key holds, it is a name.
func name(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// path spreads the files over 256 folders.
func (s *Store) path(name string) string { return filepath.Join(s.dir, name[:2], name+entryFile) }

// read reads a file, as long as somebody waits for it: a disk that hangs, or a network's that is away, ends no read by itself.
func read(ctx context.Context, path string) ([]byte, error) {
	type result struct {
		raw []byte
		err error
	}
	done := make(chan result, 1)
	go func() {
		raw, err := os.ReadFile(path) //nolint:gosec // G304: the name is a sum in the cache's own folder
		done <- result{raw, err}
	}()
	select {
	case r := <-done:
		return r.raw, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Get implements cache.Store.
func (s *Store) Get(ctx context.Context, key string) ([]byte, error) {
	n := name(key)
	raw, err := read(ctx, s.path(n))
	if errors.Is(err, fs.ErrNotExist) {
		s.files.forget(n)
		return nil, cache.ErrMiss
	}
	if err != nil {
		return nil, fmt.Errorf("disk: %w", err)
	}
	value, until, ok := parse(raw, key)
	if !ok || !time.Now().Before(until) {
		s.remove(n)
		return nil, cache.ErrMiss
	}
	s.files.touch(n, int64(len(raw)))
	return value, nil
}

var errTooLarge = errors.New("disk: the value is larger than the cache")

// Set implements cache.Store. The file appears whole, or not at all.
func (s *Store) Set(_ context.Context, key string, value []byte, ttl time.Duration) error {
	if ttl <= 0 {
		ttl = s.ttl
	}
	raw := format(key, value, time.Now().Add(ttl))
	if int64(len(raw)) > s.most {
		return errTooLarge
	}
	n := name(key)
	if err := s.write(s.path(n), raw); err != nil {
		return fmt.Errorf("disk: %w", err)
	}
	s.files.put(n, int64(len(raw)))
	s.evict()
	return nil
}

func (s *Store) write(path string, raw []byte) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, "*.new")
	if errors.Is(err, fs.ErrNotExist) {
		if err = os.MkdirAll(dir, 0o700); err == nil {
			f, err = os.CreateTemp(dir, "*.new")
		}
	}
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // what went wrong first is told
	}
	return err
}

// evict removes what was not asked for longest until there is no more than there may be.
func (s *Store) evict() {
	for _, n := range s.files.over(s.most) {
		_ = os.Remove(s.path(n)) // another process may have been faster
	}
}

func (s *Store) remove(n string) {
	s.files.forget(n)
	_ = os.Remove(s.path(n)) // another process may have been faster
}

// Delete implements cache.Store.
func (s *Store) Delete(_ context.Context, keys ...string) error {
	var errs []error
	for _, key := range keys {
		n := name(key)
		s.files.forget(n)
		errs = append(errs, ignoreAbsent(os.Remove(s.path(n))))
	}
	return errors.Join(errs...)
}

// Flush implements cache.Store. What is written meanwhile stays.
func (s *Store) Flush(context.Context) error {
	s.files.clear()
	return filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, entryFile) {
			return ignoreAbsent(err)
		}
		return ignoreAbsent(os.Remove(path)) //nolint:gosec // G122: the folder is the cache's own
	})
}

// Ping implements cache.Store: it writes a file and removes it.
func (s *Store) Ping(context.Context) error {
	f, err := os.CreateTemp(s.dir, "ping-*.new")
	if err != nil {
		return fmt.Errorf("disk: %w", err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// Close implements cache.Store. The entries stay.
func (s *Store) Close() error { return nil }
