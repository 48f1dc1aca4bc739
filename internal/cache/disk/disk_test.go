package disk_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"tollgate/internal/cache"
	"tollgate/internal/cache/cachetest"
	"tollgate/internal/cache/disk"
	"tollgate/internal/setting"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("CACHE_WRITER"); dir != "" {
		writeForEver(dir)
	}
	goleak.VerifyTestMain(m)
}

func open(t testing.TB, o disk.Options) *disk.Store {
	t.Helper()
	s, err := disk.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The suite of all caches, by a fake clock.
func TestStore(t *testing.T) {
	dir := t.TempDir()
	cachetest.RunStore(t, cachetest.StoreWorld{
		In: func(t *testing.T, f func(t *testing.T)) { synctest.Test(t, f) },
		Open: func(t *testing.T, namespace string) cache.Store {
			return open(t, disk.Options{Dir: dir, Namespace: namespace})
		},
	})
}

// A disk that hangs holds no call up: here a file that nobody ever writes.
func TestHangs(t *testing.T) {
	dir := t.TempDir()
	s := open(t, disk.Options{Dir: dir})
	if err := s.Set(t.Context(), "k", []byte("v"), 0); err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(dir, "*", "*", "*.entry"))
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	if err := errors.Join(os.Remove(found[0]), syscall.Mkfifo(found[0], 0o600)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if v, err := s.Get(ctx, "k"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%q %v", v, err)
	}
	w, err := os.OpenFile(found[0], os.O_WRONLY, 0) // who still reads comes to an end
	if err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
}

// What was stored is there after a restart, and what is over is not.
func TestRestart(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, disk.Options{Dir: dir})
		_ = s.Set(t.Context(), "an hour", []byte("v"), time.Hour)
		_ = s.Set(t.Context(), "a minute", []byte("v"), time.Minute)
		_ = s.Close()
		time.Sleep(time.Minute)
		s = open(t, disk.Options{Dir: dir})
		if v, err := s.Get(t.Context(), "an hour"); err != nil || string(v) != "v" {
			t.Errorf("got %q, %v", v, err)
		}
		if _, err := s.Get(t.Context(), "a minute"); !errors.Is(err, cache.ErrMiss) {
			t.Errorf("what is over: %v", err)
		}
	})
}

// entries are the files below a folder.
func entries(t *testing.T, dir string) (paths []string, size int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		paths, size = append(paths, path), size+info.Size()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths, size
}

// No more than the bound is on the disk, also after a restart with a smaller bound; what is asked for stays.
func TestBound(t *testing.T) {
	dir := t.TempDir()
	const most = 100 << 10
	s := open(t, disk.Options{Dir: dir, MaxBytes: most})
	ctx := t.Context()
	_ = s.Set(ctx, "often", make([]byte, 1<<10), time.Hour)
	for i := range 300 {
		if err := s.Set(ctx, fmt.Sprint(i), make([]byte, 1<<10), time.Hour); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Get(ctx, "often"); err != nil {
			t.Fatalf("after %d entries what is always asked for is gone: %v", i, err)
		}
	}
	if _, size := entries(t, dir); size > most || size < most*9/10 {
		t.Errorf("%d bytes on the disk, want a little less than %d", size, most)
	}
	if _, err := s.Get(ctx, "0"); !errors.Is(err, cache.ErrMiss) {
		t.Error("the oldest entry is still there")
	}
	open(t, disk.Options{Dir: dir, MaxBytes: most / 2})
	if _, size := entries(t, dir); size > most/2 {
		t.Errorf("%d bytes on the disk after a restart with a bound of %d", size, most/2)
	}
	if s.Set(ctx, "huge", make([]byte, most), time.Hour) == nil {
		t.Error("a value as large as the cache was taken")
	}
}

// A file that is damaged in any place is a miss and never another value.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	s := open(t, disk.Options{Dir: dir})
	ctx, r := t.Context(), rand.New(rand.NewPCG(1, 1))
	for i := range 300 {
		_ = s.Set(ctx, "k", []byte("a value that is whole"), time.Hour)
		paths, _ := entries(t, dir)
		raw, err := os.ReadFile(paths[0])
		if err != nil {
			t.Fatal(err)
		}
		switch at := r.IntN(len(raw)); i % 3 {
		case 0:
			raw = raw[:at]
		case 1:
			raw[at] ^= byte(1 + r.IntN(255))
		default:
			raw = append(raw, byte(i))
		}
		if err := os.WriteFile(paths[0], raw, 0o600); err != nil {
			t.Fatal(err)
		}
		if v, err := s.Get(ctx, "k"); !errors.Is(err, cache.ErrMiss) {
			t.Fatalf("damage %d: got %q, %v", i, v, err)
		}
		if left, _ := entries(t, dir); len(left) > 0 {
			t.Fatalf("damage %d: the file is still there", i)
		}
	}
}

// A folder that cannot be written is said when the store is opened, and by Ping when it is so later.
func TestFolder(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := disk.New(disk.Options{Dir: file}); err == nil {
		t.Error("a file was taken for a folder")
	}
	s := open(t, disk.Options{Dir: filepath.Join(dir, "new")})
	if err := os.RemoveAll(filepath.Join(dir, "new")); err != nil {
		t.Fatal(err)
	}
	if s.Ping(t.Context()) == nil {
		t.Error("the folder is gone, and Ping says nothing")
	}
	if err := s.Set(t.Context(), "k", []byte("v"), 0); err != nil {
		t.Errorf("the folder is not made anew: %v", err)
	}
}

// value is what writeForEver stores under a number: as long as its number says, and of one letter.
func value(i int) []byte { return bytes.Repeat([]byte{byte('a' + i%26)}, 1000*(i%50)+i%7) }

// writeForEver stores entries until it is killed, and says how far it is.
func writeForEver(dir string) {
	s, err := disk.New(disk.Options{Dir: dir, MaxBytes: 2 << 20})
	if err != nil {
		panic(err)
	}
	for i := 0; ; i++ {
		if err := s.Set(context.Background(), strconv.Itoa(i%200), value(i%200), time.Hour); err != nil {
			panic(err)
		}
		fmt.Println(i)
	}
}

// A process that is killed at any moment leaves a cache that opens, in which every entry is whole or absent, and in which what
// was stored last is.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	for round := range 6 {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), "CACHE_WRITER="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		said := make([]byte, 0, 1<<16)
		for bytes.Count(said, []byte("\n")) < 150+73*round {
			buf := make([]byte, 4096)
			n, err := out.Read(buf)
			if err != nil {
				t.Fatalf("the writer has ended: %v", err)
			}
			said = append(said, buf[:n]...)
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed, as it was meant to be
		lines := strings.Fields(string(said[:bytes.LastIndexByte(said, '\n')]))
		last, err := strconv.Atoi(lines[len(lines)-1])
		if err != nil {
			t.Fatal(err)
		}
		s := open(t, disk.Options{Dir: dir, MaxBytes: 2 << 20})
		whole := 0
		for i := range 200 {
			v, err := s.Get(t.Context(), strconv.Itoa(i))
			if err != nil {
				if !errors.Is(err, cache.ErrMiss) {
					t.Fatal(err)
				}
				continue
			}
			whole++
			if !bytes.Equal(v, value(i)) {
				t.Fatalf("round %d: entry %d holds %d bytes, want %d, or others", round, i, len(v), len(value(i)))
			}
		}
		if _, err := s.Get(t.Context(), strconv.Itoa(last%200)); err != nil {
			t.Errorf("round %d: what was stored last is not there: %v", round, err)
		}
		if whole < 20 {
			t.Errorf("round %d: %d entries are left", round, whole)
		}
		if _, size := entries(t, dir); size > 2<<20+64<<10 { // and a file that was being written
			t.Errorf("round %d: %d bytes on the disk", round, size)
		}
	}
}

func BenchmarkStore(b *testing.B) { cachetest.BenchStore(b, open(b, disk.Options{Dir: b.TempDir()})) }

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	read := func(values map[string]any) error {
		values["disk_cache_dir"] = dir
		_, err := disk.Open(setting.New("cache_params", values, nil), nil)
		return err
	}
	if err := read(map[string]any{"max_size_mb": json.Number("5"), "namespace": "a", "default_in_memory_ttl": json.Number("60")}); err != nil {
		t.Error(err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := read(map[string]any{"max_size_mb": json.Number("0")}); err == nil || !strings.HasPrefix(err.Error(), "cache_params.max_size_mb: ") {
		t.Errorf("a cache of nothing: %v", err)
	}
	dir = file
	if err := read(map[string]any{}); err == nil || !strings.HasPrefix(err.Error(), "cache_params.disk_cache_dir: ") {
		t.Errorf("a file for a folder: %v", err)
	}
}
