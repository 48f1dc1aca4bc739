package sse

import (
	"bytes"
	"io"
	"math"
	"strconv"
	"time"
)

const (
	// initialBuffer holds a typical chat chunk several times over; longer lines grow the buffer.
	initialBuffer = 4 << 10
	// maxNames bounds how many distinct event names one Reader remembers, so that a hostile stream cannot fill memory.
	maxNames = 32
	// maxEmptyReads is how often a source may return no bytes and no error in a row.
	maxEmptyReads = 100
)

// Reader pulls events from a stream. In steady state it allocates nothing per event.
type Reader struct {
	// KeepComments makes Next return comment lines too, as events whose Comment is true. Set it before the first Next.
	KeepComments bool
	// BeforeRead, unless nil, is called before each read of the source, which may block: whoever passes events on can
	// collect those that came together and send them then.
	BeforeRead func()

	src      io.Reader
	srcErr   error // what ended the source, io.EOF included; sticky
	max      int
	lineMode bool

	buf     []byte
	start   int  // first byte not yet consumed
	scanned int  // bytes from start on that are known to hold no line end, so that no byte is searched twice
	skipLF  bool // the last line ended in CR: a LF that follows belongs to it
	begun   bool // the first line, which may carry a byte order mark, has been taken

	data    []byte // the joined data lines of the event under way (specification framing)
	hasData bool
	name    string
	id      string
	retry   time.Duration
	names   map[string]string // interned event names
}

// NewReader returns a Reader in the specification's framing: a blank line ends an event. maxEventBytes bounds one
// event and one line; 0 or less means DefaultMaxEventBytes.
func NewReader(r io.Reader, maxEventBytes int) *Reader {
	if maxEventBytes <= 0 {
		maxEventBytes = DefaultMaxEventBytes
	}
	return &Reader{src: r, max: maxEventBytes}
}

// NewLineReader returns a Reader in line framing: every data line that has its line end is an event, whether or not a
// blank line follows. It returns an event as soon as its line is complete.
func NewLineReader(r io.Reader, maxEventBytes int) *Reader {
	rd := NewReader(r, maxEventBytes)
	rd.lineMode = true
	return rd
}

// Next returns the next event. It returns io.EOF at the end of the stream, *TooLongError when an event passes the
// bound, and otherwise what the source returned; a source that fails in the middle of an event loses that event. After
// an error every further call returns the same error.
func (r *Reader) Next() (Event, error) {
	if !r.hasData { // a comment may have been returned from the middle of an event
		r.data = r.data[:0]
	}
	for {
		line, ended, err := r.line()
		if err != nil {
			if err == io.EOF && r.hasData {
				return r.dispatch(r.data, true), nil
			}
			return Event{}, err
		}
		ev, ok, err := r.take(line, ended)
		if err != nil {
			r.fail(err)
			return Event{}, err
		}
		if ok {
			return ev, nil
		}
	}
}

// take applies one line to the event under way and says whether an event is complete.
func (r *Reader) take(line []byte, ended bool) (ev Event, ok bool, err error) {
	if len(line) == 0 {
		if r.hasData {
			return r.dispatch(r.data, false), true, nil
		}
		r.name = ""
		return Event{}, false, nil
	}
	field, value, _ := bytes.Cut(line, []byte{':'})
	value = bytes.TrimPrefix(value, []byte{' '})
	switch string(field) {
	case "":
		if r.KeepComments {
			return Event{Data: value, ID: r.id, Comment: true, Truncated: !ended}, true, nil
		}
	case "data":
		if len(value) > r.max {
			return Event{}, false, &TooLongError{Limit: r.max}
		}
		if r.lineMode {
			name := r.name
			ev = r.dispatch(value, !ended)
			r.name = name // holds for every data line up to the blank line
			return ev, true, nil
		}
		return Event{}, false, r.join(value)
	case "event":
		r.name = r.intern(value)
	case "id":
		if bytes.IndexByte(value, 0) < 0 && string(value) != r.id {
			r.id = string(value)
		}
	case "retry":
		if ms, bad := strconv.ParseUint(string(value), 10, 63); bad == nil && ms <= math.MaxInt64/uint64(time.Millisecond) {
			r.retry = time.Duration(ms) * time.Millisecond
		}
	}
	return Event{}, false, nil
}

// join appends a data line to the event under way.
func (r *Reader) join(value []byte) error {
	if r.hasData {
		if len(r.data)+1+len(value) > r.max {
			return &TooLongError{Limit: r.max}
		}
		r.data = append(r.data, '\n')
	}
	r.data = append(r.data, value...)
	r.hasData = true
	return nil
}

// dispatch closes the event under way.
func (r *Reader) dispatch(data []byte, truncated bool) Event {
	ev := Event{Name: r.name, Data: data, ID: r.id, Retry: r.retry, Truncated: truncated}
	r.name = ""
	r.hasData = false
	r.retry = 0
	return ev
}

// intern returns the name as a string without allocating for names seen before.
func (r *Reader) intern(name []byte) string {
	if s, ok := r.names[string(name)]; ok {
		return s
	}
	s := string(name)
	if r.names == nil {
		r.names = make(map[string]string)
	}
	if len(r.names) < maxNames {
		r.names[s] = s
	}
	return s
}

// line returns the next line without its end. ended is false for a last line that the source left open.
func (r *Reader) line() (line []byte, ended bool, err error) {
	for {
		if r.skipLF && r.start < len(r.buf) {
			if r.buf[r.start] == '\n' {
				r.start++
			}
			r.skipLF = false
		}
		rest := r.buf[r.start:]
		if i := lineEnd(rest[r.scanned:]); i >= 0 {
			end := r.scanned + i
			r.skipLF = rest[end] == '\r'
			r.start += end + 1
			r.scanned = 0
			line, ended = rest[:end], true
			break
		}
		r.scanned = len(rest)
		if r.srcErr != nil {
			if r.srcErr != io.EOF || len(rest) == 0 {
				return nil, false, r.srcErr
			}
			r.start, r.scanned = len(r.buf), 0
			line, ended = rest, false
			break
		}
		if len(rest) > r.maxLine() {
			line = rest
			break
		}
		r.fill()
	}
	// Checked for closed lines too, so that a stream fails at the same line however it was cut into reads.
	if len(line) > r.maxLine() {
		r.fail(&TooLongError{Limit: r.max})
		return nil, false, r.srcErr
	}
	if !r.begun {
		r.begun = true
		line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
	}
	return line, ended, nil
}

// maxLine is the bound of a whole line: the field name and the blank before the value are not part of the event.
func (r *Reader) maxLine() int { return r.max + len("data: ") }

// fail ends the stream with err and drops what is buffered.
func (r *Reader) fail(err error) {
	r.srcErr = err
	r.buf, r.start, r.scanned = r.buf[:0], 0, 0
}

// lineEnd returns the index of the first LF or CR, -1 when there is none.
func lineEnd(b []byte) int {
	lf := bytes.IndexByte(b, '\n')
	if lf >= 0 {
		b = b[:lf]
	}
	if cr := bytes.IndexByte(b, '\r'); cr >= 0 {
		return cr
	}
	return lf
}

// fill reads once from the source, moving or growing the buffer when it has no room. It sets srcErr when the source
// has ended.
func (r *Reader) fill() {
	if r.start > 0 && (r.start == len(r.buf) || len(r.buf) == cap(r.buf)) {
		n := copy(r.buf, r.buf[r.start:])
		r.buf, r.start = r.buf[:n], 0
	}
	if len(r.buf) == cap(r.buf) {
		grown := make([]byte, len(r.buf), max(initialBuffer, 2*cap(r.buf)))
		copy(grown, r.buf)
		r.buf = grown
	}
	if r.BeforeRead != nil {
		r.BeforeRead()
	}
	for range maxEmptyReads {
		n, err := r.src.Read(r.buf[len(r.buf):cap(r.buf)])
		r.buf = r.buf[:len(r.buf)+n]
		if err != nil {
			r.srcErr = err
			return
		}
		if n > 0 {
			return
		}
	}
	r.srcErr = io.ErrNoProgress
}
