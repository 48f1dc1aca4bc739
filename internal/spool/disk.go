package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/gofrs/flock"
)

// disk keeps the records in segments below a folder. Where both locks are taken, syncing comes before mu.
type disk struct {
	dir    string
	o      Options
	lock   *flock.Flock
	create func(path string) (file, error)

	mu       sync.Mutex
	segments []segment // by number; appended to is the last one, when file is open
	file     file      // nil until something is appended
	broken   bool      // the file ends in a part of a record that could not be cut off
	buffer   []byte    // for frames
	last     uint64    // sequence number of the last record appended
	acked    uint64    // sequence number of the last record acknowledged
	bytes    int64     // of all segments
	closed   bool

	syncing sync.Mutex
	synced  place         // what has been forced onto the disk
	stop    chan struct{} // ends the goroutine of SyncInterval
	stopped sync.WaitGroup

	reader reader
}

// segment is one file, and how much of it counts.
type segment struct {
	number uint64
	size   int64
}

// file is what appending needs of an *os.File.
type file interface {
	io.WriteCloser
	Sync() error
	Truncate(size int64) error
}

func createSegment(path string) (file, error) {
	return os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
}

func (d *disk) path(number uint64) string {
	return filepath.Join(d.dir, fmt.Sprintf("%020d.seg", number))
}

func (d *disk) append(record []byte) error {
	end, err := d.write(record)
	if err != nil || d.o.Sync != SyncAlways {
		return err
	}
	return d.sync(end)
}

// write writes a record and returns where it ends.
func (d *disk) write(record []byte) (place, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return place{}, ErrClosed
	}
	size := frameSize + int64(len(record))
	if d.bytes+headerSize+size > d.o.MaxBytes {
		return place{}, fmt.Errorf("%w: %d of %d bytes are in use", ErrFull, d.bytes, d.o.MaxBytes)
	}
	if d.file == nil || d.broken || d.segments[len(d.segments)-1].size+size > d.o.SegmentBytes {
		if err := d.rotate(); err != nil {
			return place{}, full(err)
		}
	}
	active := &d.segments[len(d.segments)-1]
	d.buffer = appendFrame(d.buffer[:0], place{active.number, active.size, d.last}, record)
	_, err := d.file.Write(d.buffer)
	if cap(d.buffer) > 1<<20 {
		d.buffer = nil // a rare large record does not hold its memory
	}
	if err != nil {
		d.broken = d.file.Truncate(active.size) != nil
		return place{}, full(err)
	}
	active.size += size
	d.bytes += size
	d.last++
	return place{active.number, active.size, d.last}, nil
}

// full turns what the system says of a full disk into ErrFull.
func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	return err
}

// rotate begins a new segment. d.mu is held.
func (d *disk) rotate() error {
	number := d.reader.cursor.segment + 1
	if n := len(d.segments); n > 0 {
		number = max(number, d.segments[n-1].number+1)
	}
	path := d.path(number)
	f, err := d.create(path)
	if err != nil {
		return err
	}
	if _, err := f.Write(appendHeader(nil, number, d.last+1)); err != nil {
		return errors.Join(err, f.Close(), os.Remove(path))
	}
	if err := d.seal(); err != nil {
		return errors.Join(err, f.Close(), os.Remove(path))
	}
	if d.o.Sync != SyncNone {
		if err := syncFolder(d.dir); err != nil {
			return errors.Join(err, f.Close(), os.Remove(path))
		}
	}
	d.file, d.broken = f, false
	d.segments = append(d.segments, segment{number, headerSize})
	d.bytes += headerSize
	return nil
}

// seal closes the segment that is appended to, forced onto the disk. d.mu is held.
func (d *disk) seal() error {
	if d.file == nil {
		return nil
	}
	if d.o.Sync != SyncNone {
		if err := d.file.Sync(); err != nil {
			return err
		}
	}
	err := d.file.Close()
	d.file = nil
	return err
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// sync forces what was written up to a place onto the disk. Who waits for the lock meanwhile is often served by the one
// fsync of who holds it.
func (d *disk) sync(end place) error {
	d.syncing.Lock()
	defer d.syncing.Unlock()
	for d.synced.seq < end.seq {
		d.mu.Lock()
		f, seq := d.file, d.last
		d.mu.Unlock()
		if f == nil {
			return nil // sealed, and forced then
		}
		err := f.Sync()
		if errors.Is(err, os.ErrClosed) {
			continue // sealed in between
		}
		if err != nil {
			return err
		}
		d.synced.seq = seq
	}
	return nil
}

// syncOften is the goroutine of SyncInterval.
func (d *disk) syncOften() {
	defer d.stopped.Done()
	tick := time.NewTicker(syncEvery)
	defer tick.Stop()
	for {
		select {
		case <-d.stop:
			return
		case <-tick.C:
		}
		if err := d.sync(place{seq: d.seq()}); err != nil {
			d.o.Log.Error("the spool could not be forced onto the disk; a power loss may lose calls", "folder", d.dir, "error", err)
		}
	}
}

func (d *disk) seq() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last
}

func (d *disk) stats() Stats {
	d.mu.Lock()
	defer d.mu.Unlock()
	return Stats{Bytes: d.bytes, Pending: int64(d.last - d.acked)}
}

func (d *disk) close() error {
	close(d.stop)
	d.stopped.Wait()
	d.mu.Lock()
	d.closed = true
	err := d.seal()
	d.mu.Unlock()
	return errors.Join(err, d.reader.close(), d.lock.Close())
}
