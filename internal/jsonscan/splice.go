package jsonscan

import (
	"bytes"
	"io"
	"strconv"
)

// Field is a member to set: its value is JSON text.
type Field struct {
	Name  string
	Value []byte
}

// Text returns s as a JSON string.
func Text(s string) []byte { return AppendString(nil, s) }

// Parts is a text in several pieces, in order.
type Parts [][]byte

// Len is the total length in bytes.
func (p Parts) Len() int64 {
	var n int64
	for _, b := range p {
		n += int64(len(b))
	}
	return n
}

// Bytes joins the pieces. A text of one piece is returned as it is.
func (p Parts) Bytes() []byte {
	if len(p) == 1 {
		return p[0]
	}
	out := make([]byte, 0, p.Len())
	for _, b := range p {
		out = append(out, b...)
	}
	return out
}

// joinUpTo is the length, in bytes, up to which Reader copies the pieces: less work than a write to a connection.
const joinUpTo = 64 << 10

// Reader reads the pieces one behind the other. Each call gives an independent reader.
//
// A short text is joined, because net/http knows that a bytes.Reader cannot block and sends it in one write with the
// headers; before any other reader it writes out the headers by themselves.
func (p Parts) Reader() io.ReadCloser {
	if p.Len() <= joinUpTo {
		return io.NopCloser(bytes.NewReader(p.Bytes()))
	}
	return &partsReader{rest: p}
}

type partsReader struct {
	rest Parts
	off  int // into rest[0]
}

// Read implements io.Reader.
func (r *partsReader) Read(dst []byte) (int, error) {
	n := 0
	for n < len(dst) && len(r.rest) > 0 {
		c := copy(dst[n:], r.rest[0][r.off:])
		n += c
		if r.off += c; r.off == len(r.rest[0]) {
			r.rest, r.off = r.rest[1:], 0
		}
	}
	if n == 0 && len(dst) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

// WriteTo implements io.WriterTo.
func (r *partsReader) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for len(r.rest) > 0 {
		n, err := w.Write(r.rest[0][r.off:])
		total += int64(n)
		if err != nil {
			return total, err
		}
		r.rest, r.off = r.rest[1:], 0
	}
	return total, nil
}

// Close implements io.Closer; there is nothing to release.
func (r *partsReader) Close() error { return nil }

// Splice returns the object data, scanned as members, with each field of set put in (in place where the
// name exists, else at the end) and each member for which omit says true left out; omit may be nil.
// Stretches that stay as they are become slices of data, so a large text is never copied.
func Splice(data []byte, members []Member, set []Field, omit func(name []byte) bool) Parts {
	b := splicer{data: data, parts: make(Parts, 0, 2*len(set)+4)}
	used := make([]bool, len(set))
	for _, m := range members {
		if omit != nil && omit(m.Name) {
			b.cut()
			continue
		}
		if i := fieldIndex(set, m.Name); i >= 0 {
			used[i] = true
			b.add(set[i])
			continue
		}
		b.keep(m)
	}
	for i, f := range set {
		if !used[i] {
			b.add(f)
		}
	}
	return b.finish()
}

func fieldIndex(set []Field, name []byte) int {
	for i := range set {
		if set[i].Name == string(name) {
			return i
		}
	}
	return -1
}

// splicer joins neighbouring kept members into one slice of data.
type splicer struct {
	data       []byte
	parts      Parts
	start, end int // the open run of kept members; none when start == end
	any        bool
}

func (b *splicer) keep(m Member) {
	if b.start == b.end {
		b.start = m.start
	}
	b.end = m.end
}

// cut closes the open run.
func (b *splicer) cut() {
	if b.start != b.end {
		b.separate()
		b.parts = append(b.parts, b.data[b.start:b.end])
	}
	b.start, b.end = 0, 0
}

func (b *splicer) add(f Field) {
	b.cut()
	b.separate()
	text := AppendString(make([]byte, 0, len(f.Name)+len(f.Value)+4), f.Name)
	b.parts = append(b.parts, append(append(text, ':'), f.Value...))
}

func (b *splicer) separate() {
	if b.any {
		b.parts = append(b.parts, comma)
	} else {
		b.parts = append(b.parts, open)
	}
	b.any = true
}

func (b *splicer) finish() Parts {
	b.cut()
	if !b.any {
		return Parts{[]byte("{}")}
	}
	return append(b.parts, closing)
}

// The punctuation between spliced pieces; never written to.
var open, comma, closing = []byte("{"), []byte(","), []byte("}")

// AppendString appends s to dst as a JSON string. Bytes that are not UTF-8 become U+FFFD.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	plain := 0
	for i, r := range s {
		esc := ""
		switch {
		case r == '"':
			esc = `\"`
		case r == '\\':
			esc = `\\`
		case r == '\n':
			esc = `\n`
		case r == '\r':
			esc = `\r`
		case r == '\t':
			esc = `\t`
		case r < 0x20 || r == 0x7f:
			esc = "\\u00" + string("0123456789abcdef"[r>>4]) + string("0123456789abcdef"[r&15])
		case r == '\uFFFD' && s[i] != 0xEF:
			esc = "\uFFFD"
		default:
			continue
		}
		dst = append(dst, s[plain:i]...)
		dst = append(dst, esc...)
		plain = i + 1
	}
	return append(append(dst, s[plain:]...), '"')
}

// AppendInt appends n in decimal.
func AppendInt(dst []byte, n int64) []byte { return strconv.AppendInt(dst, n, 10) }
