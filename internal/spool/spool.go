// Package spool is a queue of records on the local disk: appended from many goroutines, read by one, and kept over the
// death of the process in between. A record is handed to the operating system (write(2)) before Append returns, so
// that a process that is killed loses none; what a machine that loses its power may lose depends on Options.Sync.
// docs/reference/spool-format.md describes the files.
//
// The reader acknowledges what it has dealt with. Records that it has read but not acknowledged come again after a
// restart: whoever receives them must know a record that came twice.
package spool

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// Errors of Append and Open. They are wrapped: compare with errors.Is.
var (
	// ErrFull says that a record has no room: Options.MaxBytes is reached, or the disk is full.
	ErrFull = errors.New("spool: full")
	// ErrTooLarge says that a record is larger than MaxRecord.
	ErrTooLarge = errors.New("spool: record too large")
	// ErrLocked says that another process uses the folder.
	ErrLocked = errors.New("spool: the folder is in use by another process")
	// ErrClosed says that the spool is closed.
	ErrClosed = errors.New("spool: closed")
)

// MaxRecord is the length of the longest record, in bytes.
const MaxRecord = 64 << 20

// Sync says when records are forced onto the disk itself.
type Sync string

// The ways of forcing records onto the disk. None of them changes what survives the death of the process: everything.
const (
	// SyncInterval forces every second what was written: a power loss may lose the last second.
	SyncInterval Sync = "interval"
	// SyncNone leaves it to the operating system: a power loss may lose what Linux has not written for 30 seconds.
	SyncNone Sync = "none"
	// SyncAlways forces each record before Append returns; appends that wait at the same time share one fsync(2).
	SyncAlways Sync = "always"
)

// syncEvery is the interval of SyncInterval.
const syncEvery = time.Second

// Options of a spool. The zero value is ready for use.
type Options struct {
	// SegmentBytes is the size at which a new segment is begun; 0 = 8 MiB, at most a quarter of MaxBytes.
	SegmentBytes int64
	// MaxBytes bounds the segments together, read but not yet removed ones included; 0 = 1 GiB on disk, 64 MiB in
	// memory.
	MaxBytes int64
	// Sync is SyncInterval when empty.
	Sync Sync
	// Log hears of damage and of torn tails; nil = slog.Default.
	Log *slog.Logger
	// Damaged is told of bytes that were skipped since no record could be read from them, and, apart from that, of the
	// number of records that were lost so, once it is known. It may be nil.
	Damaged func(records, bytes int64)
}

// Stats is how full a spool is.
type Stats struct {
	Bytes   int64 // used of MaxBytes
	Pending int64 // records that are not acknowledged
}

// Batch is some records in the order in which they were appended. Records are valid until the next call of Next. An
// empty batch is possible: then only damaged records were skipped.
type Batch struct {
	Records [][]byte
	// Last is the sequence number of the last record that the batch covers, damaged ones included.
	Last uint64

	end place
}

// Spool is a queue of records. Append, Seq and Stats are safe for concurrent use; Next and Ack are for one goroutine.
type Spool struct {
	medium medium
	done   chan struct{} // closed by Close
	wake   chan struct{} // holds one token after an Append
}

// medium is where the records are: a folder, or memory.
type medium interface {
	append(record []byte) error
	next(limit int) (Batch, bool, error) // false when there is nothing to read
	ack(Batch) error
	seq() uint64
	stats() Stats
	close() error
}

// Open opens the spool in a folder, which it makes where there is none, and goes on behind what was acknowledged. An
// empty dir keeps the records in memory, where the death of the process loses those that are not acknowledged.
func Open(dir string, o Options) (*Spool, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Damaged == nil {
		o.Damaged = func(int64, int64) {}
	}
	if o.Sync == "" {
		o.Sync = SyncInterval
	}
	s := &Spool{done: make(chan struct{}), wake: make(chan struct{}, 1)}
	if dir == "" {
		if o.MaxBytes <= 0 {
			o.MaxBytes = 64 << 20
		}
		s.medium = &memory{max: o.MaxBytes}
		return s, nil
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = 1 << 30
	}
	if o.SegmentBytes <= 0 {
		o.SegmentBytes = 8 << 20
	}
	o.SegmentBytes = min(o.SegmentBytes, max(o.MaxBytes/4, headerSize+1))
	d, err := openDisk(dir, o)
	if err != nil {
		return nil, err
	}
	s.medium = d
	return s, nil
}

// Append adds a record and returns when it survives the death of the process, and with SyncAlways the loss of power.
// The record may be reused afterwards. It returns ErrFull, ErrTooLarge, ErrClosed or what the disk says; the record is
// not in the spool then (but where only the fsync of SyncAlways failed), and later appends may succeed.
func (s *Spool) Append(record []byte) error {
	if len(record) > MaxRecord {
		return ErrTooLarge
	}
	if err := s.medium.append(record); err != nil {
		return err
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return nil
}

// Next waits for records and returns at most limit of them, those behind the last Next. It fails when ctx ends, with
// ErrClosed, or with what the disk says; it may be called again.
func (s *Spool) Next(ctx context.Context, limit int) (Batch, error) {
	for {
		b, found, err := s.medium.next(limit)
		if found || err != nil {
			return b, err
		}
		select {
		case <-s.wake:
		case <-s.done:
			return Batch{}, ErrClosed
		case <-ctx.Done():
			return Batch{}, ctx.Err()
		}
	}
}

// Ack says that a batch and all before it are dealt with: they do not come again, and their room is free once a whole
// segment is. An error means that they may come again after a restart.
func (s *Spool) Ack(b Batch) error { return s.medium.ack(b) }

// Seq is the sequence number of the last record appended: it is dealt with once a batch with Last >= Seq is.
func (s *Spool) Seq() uint64 { return s.medium.seq() }

// Durable reports whether the records survive the death of the process.
func (s *Spool) Durable() bool {
	_, inMemory := s.medium.(*memory)
	return !inMemory
}

// Stats returns how full the spool is.
func (s *Spool) Stats() Stats { return s.medium.stats() }

// Close ends waiting readers, forces the records onto the disk and lets the folder go. No other call may follow, but
// those under way return ErrClosed.
func (s *Spool) Close() error {
	close(s.done)
	return s.medium.close()
}
