package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/gofrs/flock"
)

// openDisk locks a folder and finds out what it holds: the cursor, the segments, and where their last record ends. The
// next record goes into a new segment, which is made then: a full disk does not keep the spool from opening.
func openDisk(dir string, o Options) (*disk, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock := flock.New(filepath.Join(dir, "lock"))
	locked, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("spool: lock %s: %w", dir, err)
	}
	if !locked {
		return nil, fmt.Errorf("%w: %s", ErrLocked, dir)
	}
	d := &disk{dir: dir, o: o, lock: lock, create: createSegment, stop: make(chan struct{})}
	if err := d.recover(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	if o.Sync == SyncInterval {
		d.stopped.Add(1)
		go d.syncOften()
	}
	return d, nil
}

// recover fills the state from the folder.
func (d *disk) recover() error {
	kept, cursor, found, err := openCursor(filepath.Join(d.dir, "cursor"))
	if err != nil {
		return err
	}
	if err := d.list(cursor.segment); err != nil {
		return errors.Join(err, kept.close())
	}
	d.last = cursor.seq
	if err := d.findEnd(); err != nil {
		return errors.Join(err, kept.close())
	}
	if !found {
		cursor = d.beginning()
	}
	d.reader = reader{kept: kept, cursor: cursor, at: cursor}
	d.acked = cursor.seq
	return nil
}

// list finds the segments from a number on, and removes those before it, which are acknowledged, and empty ones.
func (d *disk) list(from uint64) error {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name, isSegment := strings.CutSuffix(e.Name(), ".seg")
		number, err := strconv.ParseUint(name, 10, 64)
		if !isSegment || err != nil || number == 0 {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if number < from || info.Size() < headerSize { // or the process died when it had just made it
			if err := os.Remove(d.path(number)); err != nil {
				return err
			}
			continue
		}
		d.segments = append(d.segments, segment{number, info.Size()})
		d.bytes += info.Size()
	}
	slices.SortFunc(d.segments, func(a, b segment) int {
		if a.number < b.number {
			return -1
		}
		return 1
	})
	return nil
}

// findEnd finds the last record, cuts off what a death in the middle of a write left behind it, and learns its sequence
// number: from the last segment, or from one before it where the last tells none.
func (d *disk) findEnd() error {
	for i := len(d.segments) - 1; i >= 0; i-- {
		s := &d.segments[i]
		b, err := os.ReadFile(d.path(s.number))
		if err != nil {
			return err
		}
		end, seq := lastRecord(b, s.number)
		if torn := int64(len(b)) - end; torn > 0 && i == len(d.segments)-1 {
			d.o.Log.Warn("the spool's last write was torn and is cut off", "segment", d.path(s.number), "bytes", torn)
			if err := os.Truncate(d.path(s.number), end); err != nil {
				return err
			}
			d.bytes += end - s.size
			s.size = end
		}
		d.last = max(d.last, seq)
		if seq > 0 {
			return nil
		}
	}
	return nil
}

// lastRecord returns where the last whole record of a segment ends, and its sequence number, 0 when neither a record nor
// the header tells one.
func lastRecord(b []byte, number uint64) (end int64, seq uint64) {
	if first, whole := readHeader(b, number); whole {
		seq = first - 1
	}
	end = min(headerSize, int64(len(b)))
	for at := (place{segment: number, offset: end}); at.offset < int64(len(b)); {
		f := parseFrame(b[at.offset:], at, int64(len(b))-at.offset)
		if f.state != frameWhole {
			at.offset += resync(b[at.offset:], at)
			continue
		}
		at.offset += f.size
		end, seq = at.offset, max(seq, f.seq)
	}
	return end, seq
}

// beginning is the place of the first record that is there, where no cursor says more.
func (d *disk) beginning() place {
	if len(d.segments) == 0 {
		return place{}
	}
	s := d.segments[0]
	at := place{segment: s.number, offset: headerSize}
	f, err := os.Open(d.path(s.number))
	if err != nil {
		return at // Next says so
	}
	defer func() { _ = f.Close() }()
	var header [headerSize]byte
	if _, err := f.ReadAt(header[:], 0); err == nil {
		if first, whole := readHeader(header[:], s.number); whole {
			at.seq = first - 1
		}
	}
	return at
}
