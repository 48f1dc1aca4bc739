package spool

import (
	"errors"
	"log/slog"
	"os"
	"syscall"
	"testing"
)

// smallDisk has room for so many bytes and then writes a part and fails, as a full disk does.
type smallDisk struct {
	*os.File
	room     *int
	canShort bool // whether the part can be cut off again
}

func (f smallDisk) Write(b []byte) (int, error) {
	if len(b) <= *f.room {
		*f.room -= len(b)
		return f.File.Write(b)
	}
	n, err := f.File.Write(b[:*f.room])
	*f.room = 0
	return n, errors.Join(err, syscall.ENOSPC)
}

func (f smallDisk) Truncate(size int64) error {
	if !f.canShort {
		return syscall.EIO
	}
	return f.File.Truncate(size)
}

func TestFullDisk(t *testing.T) {
	for name, canShort := range map[string]bool{"part cut off": true, "part stays": false} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			o := Options{Log: slog.New(slog.DiscardHandler)}
			s, err := Open(dir, o)
			if err != nil {
				t.Fatal(err)
			}
			room := headerSize + 3*(frameSize+10) + 5
			d := s.medium.(*disk)
			d.create = func(path string) (file, error) {
				f, err := createSegment(path)
				if err != nil {
					return nil, err
				}
				return smallDisk{f.(*os.File), &room, canShort}, nil
			}
			var kept []string
			add := func(text string) error {
				err := s.Append([]byte(text))
				if err == nil {
					kept = append(kept, text)
				}
				return err
			}
			for _, text := range []string{"record one", "record two", "record  3 "} {
				if err := add(text); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				if err := add("no room .."); !errors.Is(err, ErrFull) || !errors.Is(err, syscall.ENOSPC) {
					t.Fatalf("a full disk: %v", err)
				}
			}
			room = 1000
			if err := add("room again"); err != nil {
				t.Fatal(err)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s, err = Open(dir, o)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for s.Stats().Pending > 0 {
				b, err := s.Next(t.Context(), 10)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range b.Records {
					got = append(got, string(r))
				}
				if err := s.Ack(b); err != nil {
					t.Fatal(err)
				}
			}
			if len(got) != len(kept) {
				t.Fatalf("kept %q, came back %q", kept, got)
			}
			for i := range got {
				if got[i] != kept[i] {
					t.Errorf("kept %q, came back %q", kept, got)
				}
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}
