package spool

import (
	"errors"
	"io"
	"os"
	"sync"
)

// batchBytes is how much is read at once, unless one record is longer.
const batchBytes = 1 << 20

// reader is the reading side of a disk. One goroutine uses it; the lock is for Close.
type reader struct {
	mu     sync.Mutex
	closed bool
	at     place // where the next record is read
	cursor place // what is acknowledged; changed under disk.mu as well
	kept   *cursorFile
	file   *os.File // the segment at.segment, when it is open
	buffer []byte   // holds the records of the last batch
}

func (r *reader) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	return errors.Join(r.leave(), r.kept.close())
}

// leave closes the segment that is being read.
func (r *reader) leave() error {
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	return err
}

func (d *disk) next(limit int) (Batch, bool, error) {
	r := &d.reader
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return Batch{}, false, ErrClosed
	}
	before := r.at.seq
	for {
		here, later, last := d.around(r.at.segment)
		switch {
		case r.at.offset < here.size:
			records, err := d.read(limit, here)
			if len(records) > 0 || err != nil {
				return Batch{Records: records, Last: r.at.seq, end: r.at}, err == nil, err
			}
		case later.number > 0:
			if err := d.enter(later); err != nil {
				return Batch{}, false, err
			}
		default: // the end
			d.passed(last + 1)
			return Batch{Last: r.at.seq, end: r.at}, r.at.seq > before, nil
		}
	}
}

// around returns a segment, the one behind it, each zero when there is none, and the last sequence number written.
func (d *disk) around(number uint64) (here, later segment, last uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, s := range d.segments {
		if s.number == number {
			here = s
		}
		if s.number > number {
			later = s
			break
		}
	}
	return here, later, d.last
}

// enter goes to the first record of a segment.
func (d *disk) enter(s segment) error {
	r := &d.reader
	if err := r.leave(); err != nil {
		return err
	}
	f, err := os.Open(d.path(s.number))
	if err != nil {
		return err
	}
	r.file = f
	r.at = place{s.number, headerSize, r.at.seq}
	var header [headerSize]byte
	if _, err := f.ReadAt(header[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if first, whole := readHeader(header[:], s.number); whole {
		d.passed(first)
	} else {
		d.o.Log.Error("the header of a segment of the spool is damaged; its records are read", "segment", d.path(s.number))
		d.o.Damaged(0, headerSize)
	}
	return nil
}

// passed says that the next record has a sequence number: those between the last one read and it are lost.
func (d *disk) passed(next uint64) {
	r := &d.reader
	if next <= r.at.seq+1 {
		return
	}
	lost := int64(next - r.at.seq - 1)
	d.o.Log.Error("records of the spool are lost: they were damaged", "records", lost, "folder", d.dir)
	d.o.Damaged(lost, 0)
	r.at.seq = next - 1
}

// read returns records from where the reader is, at most limit, and goes behind them. None means that damage was
// skipped.
func (d *disk) read(limit int, s segment) ([][]byte, error) {
	r := &d.reader
	if r.file == nil {
		f, err := os.Open(d.path(s.number))
		if err != nil {
			return nil, err
		}
		r.file = f
	}
	b, err := d.load(s, batchBytes)
	var records [][]byte
	for err == nil && len(records) < limit && r.at.offset < s.size {
		f := parseFrame(b, r.at, s.size-r.at.offset)
		switch {
		case f.state == frameWhole:
			if len(records) == 0 {
				d.passed(f.seq)
			}
			if len(records) > 0 && f.seq != r.at.seq+1 {
				return records, nil // a gap is told before what is behind it is handed out
			}
			records = append(records, f.record)
			r.at.seq = max(r.at.seq, f.seq)
			r.at.offset += f.size
			b = b[f.size:]
		case len(records) > 0:
			return records, nil
		case f.state == frameShort:
			b, err = d.load(s, f.size)
		default:
			return nil, d.skip(s)
		}
	}
	return records, err
}

// load reads up to n bytes of a segment from where the reader is. A file that is shorter than it was reads as zeros.
func (d *disk) load(s segment, n int64) ([]byte, error) {
	r := &d.reader
	n = min(n, s.size-r.at.offset)
	if int64(cap(r.buffer)) < n || int64(cap(r.buffer)) > 4*max(n, batchBytes) {
		r.buffer = make([]byte, n)
	}
	b := r.buffer[:n]
	got, err := r.file.ReadAt(b, r.at.offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	clear(b[got:])
	return b, nil
}

// skip goes to the next whole record of a segment, or to its end.
func (d *disk) skip(s segment) error {
	r := &d.reader
	b, err := d.load(s, s.size)
	if err != nil {
		return err
	}
	n := resync(b, r.at)
	d.o.Log.Error("a part of the spool is damaged and skipped", "segment", d.path(s.number), "offset", r.at.offset, "bytes", n)
	d.o.Damaged(0, n)
	r.at.offset += n
	return nil
}

func (d *disk) ack(b Batch) error {
	r := &d.reader
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return ErrClosed
	}
	if err := r.kept.write(b.end); err != nil {
		return err
	}
	d.mu.Lock()
	r.cursor, d.acked = b.end, b.end.seq
	var done []segment
	for len(d.segments) > 0 && d.segments[0].number < b.end.segment {
		done = append(done, d.segments[0])
		d.bytes -= d.segments[0].size
		d.segments = d.segments[1:]
	}
	d.mu.Unlock()
	var err error
	for _, s := range done {
		err = errors.Join(err, os.Remove(d.path(s.number)))
	}
	return err
}
