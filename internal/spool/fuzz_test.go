package spool_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"tollgate/internal/spool"
)

// FuzzSegment lays any bytes down as a segment, behind a whole one and in front of another: opening and reading end, and
// the whole ones' records come.
func FuzzSegment(f *testing.F) {
	dir := f.TempDir()
	s := open(f, dir, spool.Options{SegmentBytes: 100, Sync: spool.SyncNone})
	appendAll(f, s, numbered(0, 9)...)
	s.Close()
	paths := segments(f, dir)
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte("\xf3re\xc5\x00\x00\x00\x00\x04\x00\x00\x00"), 20))
	first, err := os.ReadFile(paths[0])
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		for name, content := range map[string][]byte{"00000000000000000001.seg": first, "00000000000000000002.seg": b} {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s := open(t, dir, spool.Options{SegmentBytes: 100, Sync: spool.SyncNone})
		defer s.Close()
		appendAll(t, s, "behind it")
		got := drain(t, s)
		if len(got) < 3 || got[0] != numbered(0, 1)[0] || got[len(got)-1] != "behind it" {
			t.Errorf("got %q", got)
		}
	})
}

// FuzzDamage changes a byte anywhere in a spool: every record comes but the one that was hit, and none that was never
// written.
func FuzzDamage(f *testing.F) {
	f.Add(uint(40), byte(1))
	f.Add(uint(300), byte(0xff))
	f.Fuzz(func(t *testing.T, where uint, change byte) {
		dir := t.TempDir()
		s := open(t, dir, spool.Options{SegmentBytes: 300, Sync: spool.SyncNone})
		// A record that holds a whole segment of another spool: what is found behind damage must not be a record of it.
		inner, err := os.ReadFile(innerSpool(t))
		if err != nil {
			t.Fatal(err)
		}
		all := append(numbered(0, 5), string(inner))
		all = append(all, numbered(5, 10)...)
		appendAll(t, s, all...)
		s.Close()
		var paths []string
		total := 0
		for _, path := range segments(t, dir) {
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			paths, total = append(paths, path), total+int(info.Size())
		}
		at := int(where % uint(total))
		for _, path := range paths {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if at < len(b) {
				b[at] ^= change
				if err := os.WriteFile(path, b, 0o600); err != nil {
					t.Fatal(err)
				}
				break
			}
			at -= len(b)
		}
		s = open(t, dir, spool.Options{SegmentBytes: 300, Sync: spool.SyncNone})
		defer s.Close()
		got := drain(t, s)
		if len(got) < len(all)-1 {
			t.Errorf("%d of %d records came", len(got), len(all))
		}
		for _, r := range got {
			for all[0] != r {
				if all = all[1:]; len(all) == 0 {
					t.Fatalf("%q was never written here", r)
				}
			}
		}
	})
}

func innerSpool(t *testing.T) string {
	dir := t.TempDir()
	s := open(t, dir, spool.Options{Sync: spool.SyncNone})
	defer s.Close()
	appendAll(t, s, "an inner record", "another")
	return segments(t, dir)[0]
}
