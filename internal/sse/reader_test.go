package sse_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/sse"
)

// event is an Event whose data outlives the next call.
type event struct {
	Name, Data, ID string
	Retry          time.Duration
	Comment        bool
	Truncated      bool
}

// readAll pulls a stream to its end.
func readAll(r *sse.Reader) ([]event, error) {
	var all []event
	for {
		ev, err := r.Next()
		if err != nil {
			return all, err
		}
		all = append(all, event{ev.Name, string(ev.Data), ev.ID, ev.Retry, ev.Comment, ev.Truncated})
	}
}

// newReader returns a Reader in one of the two framings.
func newReader(src io.Reader, lines bool, limit int) *sse.Reader {
	if lines {
		return sse.NewLineReader(src, limit)
	}
	return sse.NewReader(src, limit)
}

func data(texts ...string) []event {
	var all []event
	for _, s := range texts {
		all = append(all, event{Data: s})
	}
	return all
}

// The streams of both framings. The rules are those of https://html.spec.whatwg.org/multipage/server-sent-events.html,
// but for the end of a stream, where the specification drops what no blank line closed.
var streams = []struct {
	name         string
	in           string
	keepComments bool
	spec, lines  []event
}{
	{name: "empty"},
	{name: "LF", in: "data: a\n\ndata: b\n\n", spec: data("a", "b"), lines: data("a", "b")},
	{name: "CRLF", in: "data: a\r\n\r\ndata: b\r\n\r\n", spec: data("a", "b"), lines: data("a", "b")},
	{name: "CR", in: "data: a\r\rdata: b\r\r", spec: data("a", "b"), lines: data("a", "b")},
	{name: "mixed ends", in: "data: a\r\n\ndata: b\r\r\ndata: c\n\r", spec: data("a", "b", "c"), lines: data("a", "b", "c")},
	{name: "no blank after the colon", in: "data:a\n\ndata:  b\n\n", spec: data("a", " b"), lines: data("a", " b")},
	{
		name: "single LF between events", // as OCI sends some of them
		in:   "data: {\"a\":1}\ndata: {\"b\":2}\n\ndata: [DONE]\n\n",
		spec: data("{\"a\":1}\n{\"b\":2}", "[DONE]"), lines: data(`{"a":1}`, `{"b":2}`, "[DONE]"),
	},
	{name: "empty data", in: "data\n\ndata:\ndata:\n\n", spec: data("", "\n"), lines: data("", "", "")},
	{name: "blank lines only", in: "\n\n\r\n\r\n"},
	{name: "byte order mark", in: "\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n", spec: data("a"), lines: data("a")},
	{name: "comments left out", in: ": ping\n\ndata: a\n: in the middle\n\n:\n\n", spec: data("a"), lines: data("a")},
	{
		name: "comments kept", in: ": ping\n\ndata: a\n:x\ndata: b\n\n:\n\n", keepComments: true,
		spec:  []event{{Data: "ping", Comment: true}, {Data: "x", Comment: true}, {Data: "a\nb"}, {Comment: true}},
		lines: []event{{Data: "ping", Comment: true}, {Data: "a"}, {Data: "x", Comment: true}, {Data: "b"}, {Comment: true}},
	},
	{
		name: "named events", in: "event: message_start\ndata: a\n\ndata: b\n\nevent: ping\n\ndata: c\n\n",
		spec:  []event{{Name: "message_start", Data: "a"}, {Data: "b"}, {Data: "c"}},
		lines: []event{{Name: "message_start", Data: "a"}, {Data: "b"}, {Data: "c"}},
	},
	{
		name: "a name and two lines", in: "event: e\ndata: a\ndata: b\n\n",
		spec:  []event{{Name: "e", Data: "a\nb"}},
		lines: []event{{Name: "e", Data: "a"}, {Name: "e", Data: "b"}},
	},
	{
		name: "id and retry", in: "id: 1\nretry: 250\ndata: a\n\ndata: b\n\nid\nretry: soon\nid: x\x00y\ndata: c\n\n",
		spec:  []event{{ID: "1", Retry: 250 * time.Millisecond, Data: "a"}, {ID: "1", Data: "b"}, {Data: "c"}},
		lines: []event{{ID: "1", Retry: 250 * time.Millisecond, Data: "a"}, {ID: "1", Data: "b"}, {Data: "c"}},
	},
	{name: "unknown fields", in: "foo: bar\ndatax: y\n data: z\ndata: a\n\n", spec: data("a"), lines: data("a")},
	{
		name: "no last blank line", in: "data: a\n\ndata: [DONE]\n",
		spec: []event{{Data: "a"}, {Data: "[DONE]", Truncated: true}}, lines: data("a", "[DONE]"),
	},
	{
		name: "no last line end", in: "data: a\n\ndata: [DO",
		spec: []event{{Data: "a"}, {Data: "[DO", Truncated: true}}, lines: []event{{Data: "a"}, {Data: "[DO", Truncated: true}},
	},
	{name: "cut in the field name", in: "data: a\n\ndat", spec: data("a"), lines: data("a")},
	{
		name: "OCI Cohere", // the stream just ends, without [DONE] (oci-wire)
		in: "data: {\"apiFormat\":\"COHERE\",\"text\":\" the\",\"pad\":\"aaa\"}\n\n" +
			"data: {\"apiFormat\":\"COHERE\",\"text\":\" the\",\"finishReason\":\"COMPLETE\"}\n\n",
		spec:  data(`{"apiFormat":"COHERE","text":" the","pad":"aaa"}`, `{"apiFormat":"COHERE","text":" the","finishReason":"COMPLETE"}`),
		lines: data(`{"apiFormat":"COHERE","text":" the","pad":"aaa"}`, `{"apiFormat":"COHERE","text":" the","finishReason":"COMPLETE"}`),
	},
	{
		name: "line longer than the buffer", in: "data: " + strings.Repeat("x", 100_000) + "\n\ndata: b\n\n",
		spec: data(strings.Repeat("x", 100_000), "b"), lines: data(strings.Repeat("x", 100_000), "b"),
	},
}

// A stream gives the same events whole, byte by byte, with its last bytes and EOF in one read, and cut in two at every
// place.
func TestReader(t *testing.T) {
	for _, st := range streams {
		for _, lines := range []bool{false, true} {
			want := st.spec
			if lines {
				want = st.lines
			}
			t.Run(fmt.Sprintf("%s/lines=%v", st.name, lines), func(t *testing.T) {
				check := func(how string, src io.Reader) {
					t.Helper()
					r := newReader(src, lines, 1<<20)
					r.KeepComments = st.keepComments
					got, err := readAll(r)
					if err != io.EOF {
						t.Fatalf("%s: stream ends with %v, want io.EOF", how, err)
					}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Fatalf("%s: (-want +got)\n%s", how, diff)
					}
				}
				check("whole", strings.NewReader(st.in))
				check("with EOF", iotest.DataErrReader(strings.NewReader(st.in)))
				check("byte by byte", iotest.OneByteReader(strings.NewReader(st.in)))
				for i := 0; i < len(st.in); i += 1 + len(st.in)/1000 { // every place, but for the one huge line
					check(fmt.Sprintf("cut at %d", i), io.MultiReader(strings.NewReader(st.in[:i]), strings.NewReader(st.in[i:])))
				}
			})
		}
	}
}

// An event comes as soon as its last byte is there: Next does not wait for the bytes after it.
func TestReaderDoesNotWait(t *testing.T) {
	tests := []struct {
		name  string
		lines bool
		in    string
	}{
		{"blank line", false, "data: a\n\n"},
		{"blank line of CRs", false, "data: a\r\r"},
		{"line", true, "data: a\n"},
		{"line of a CR", true, "data: a\r"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			src := io.MultiReader(strings.NewReader(tt.in), iotest.ErrReader(errors.New("read past the event")))
			ev, err := newReader(src, tt.lines, 0).Next()
			if err != nil || string(ev.Data) != "a" || ev.Truncated {
				t.Errorf("Next = %+v, %v; want the event", ev, err)
			}
		})
	}
}

func TestReaderTellsBeforeItReads(t *testing.T) {
	src := iotest.OneByteReader(strings.NewReader("data: a\n\ndata: b\n\n"))
	calls := 0
	r := sse.NewReader(src, 0)
	r.BeforeRead = func() { calls++ }
	if _, err := r.Next(); err != nil || calls != len("data: a\n\n") {
		t.Errorf("%d calls for an event of 9 reads, %v", calls, err)
	}
	calls = 0
	r = sse.NewReader(strings.NewReader("data: a\n\ndata: b\n\n"), 0)
	r.BeforeRead = func() { calls++ }
	for range 2 {
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if calls != 1 {
		t.Errorf("%d calls for two events in one read", calls)
	}
}

func TestReaderLimit(t *testing.T) {
	const limit = 100
	fits := strings.Repeat("x", limit)
	tests := []struct {
		name        string
		in          string
		spec, lines bool // the stream fails
	}{
		{"fits", "data: " + fits + "\n\n", false, false},
		{"line too long", "data: " + fits + "x\n\n", true, true},
		{"line too long without a blank", "data:" + fits + "x\n\n", true, true},
		{"line without an end", "data: " + fits + fits, true, true},
		{"joined lines fit", "data: " + fits[:49] + "\ndata: " + fits[:50] + "\n\n", false, false},
		{"joined lines too long", "data: " + fits[:50] + "\ndata: " + fits[:50] + "\n\n", true, false},
		{"endless event", strings.Repeat("data: x\n", 1000), true, false},
		{"comment too long", ": " + fits + fits + "\n", true, true},
		{"other field too long", "field: " + fits + "\n", true, true},
	}
	for _, tt := range tests {
		for _, lines := range []bool{false, true} {
			for _, slow := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/lines=%v/slow=%v", tt.name, lines, slow), func(t *testing.T) {
					var src io.Reader = strings.NewReader("data: before\n\n" + tt.in)
					if slow {
						src = iotest.OneByteReader(src)
					}
					r := newReader(src, lines, limit)
					got, err := readAll(r)
					if len(got) == 0 || got[0].Data != "before" {
						t.Fatalf("events %v, want the one before the long one first", got)
					}
					fails := tt.spec
					if lines {
						fails = tt.lines
					}
					tooLong, ok := errors.AsType[*sse.TooLongError](err)
					if ok != fails || ok && tooLong.Limit != limit || !ok && err != io.EOF {
						t.Fatalf("stream ends with %v; too long: %v", err, fails)
					}
					if _, again := r.Next(); again != err {
						t.Errorf("Next after the end = %v, want %v again", again, err)
					}
				})
			}
		}
	}
}

// Memory stays near the bound however long a hostile line is.
func TestReaderStopsReading(t *testing.T) {
	src := &countingReader{r: io.MultiReader(strings.NewReader("data: "), endless('x'))}
	_, err := readAll(sse.NewReader(src, 10_000))
	if _, ok := errors.AsType[*sse.TooLongError](err); !ok {
		t.Fatalf("stream ends with %v", err)
	}
	if src.n > 40_000 {
		t.Errorf("%d bytes were read for a bound of 10000", src.n)
	}
}

// A source that fails gives the events before, then its own error, and keeps what it cut for itself.
func TestReaderSourceFails(t *testing.T) {
	broken := errors.New("connection reset")
	for _, lines := range []bool{false, true} {
		src := io.MultiReader(strings.NewReader("data: a\n\ndata: {\"cut"), iotest.ErrReader(broken))
		r := newReader(src, lines, 0)
		got, err := readAll(r)
		if diff := cmp.Diff(data("a"), got); diff != "" || !errors.Is(err, broken) {
			t.Errorf("lines=%v: %v (-want +got)\n%s", lines, err, diff)
		}
		if _, err := r.Next(); !errors.Is(err, broken) {
			t.Errorf("lines=%v: the next call returned %v", lines, err)
		}
	}
	if _, err := sse.NewReader(stuckReader{}, 0).Next(); err != io.ErrNoProgress {
		t.Errorf("a source that never gives: %v, want io.ErrNoProgress", err)
	}
}

func TestReaderAllocatesNothing(t *testing.T) {
	stream := []byte("event: delta\nid: 7\ndata: {\"choices\":[{\"delta\":{\"content\":\"hello\"}}]}\n\n: ping\n\n")
	for _, lines := range []bool{false, true} {
		r := newReader(&loopReader{chunk: stream}, lines, 0)
		r.KeepComments = true
		next := func() {
			if _, err := r.Next(); err != nil {
				t.Fatal(err)
			}
		}
		for range 200 {
			next()
		}
		if n := testing.AllocsPerRun(1000, next); n != 0 {
			t.Errorf("lines=%v: %v allocations per event", lines, n)
		}
	}
}

// FuzzReader compares the Reader with a plain second reading of the same bytes, whole and cut.
func FuzzReader(f *testing.F) {
	for _, st := range streams {
		if len(st.in) < 1000 {
			f.Add([]byte(st.in), uint8(3))
		}
	}
	f.Fuzz(func(t *testing.T, in []byte, step uint8) {
		for _, lines := range []bool{false, true} {
			r := newReader(bytes.NewReader(in), lines, 1<<20)
			whole, err := readAll(r)
			if err != io.EOF {
				t.Fatalf("whole stream ends with %v", err)
			}
			cut, err := readAll(newReader(&stepReader{b: in, step: int(step)%7 + 1}, lines, 1<<20))
			if err != io.EOF {
				t.Fatalf("cut stream ends with %v", err)
			}
			if diff := cmp.Diff(whole, cut); diff != "" {
				t.Fatalf("lines=%v: cut differs (-whole +cut)\n%s", lines, diff)
			}
			var got []string
			for _, ev := range whole {
				got = append(got, ev.Data)
			}
			if diff := cmp.Diff(plainReading(string(in), lines), got); diff != "" {
				t.Fatalf("lines=%v: (-plain +reader)\n%s", lines, diff)
			}
		}
	})
}

// plainReading returns the data of each event, by splitting the whole text.
func plainReading(in string, lines bool) []string {
	in = strings.TrimPrefix(in, "\xef\xbb\xbf")
	in = strings.ReplaceAll(strings.ReplaceAll(in, "\r\n", "\n"), "\r", "\n")
	var all, open []string
	flush := func() {
		if open != nil {
			all = append(all, strings.Join(open, "\n"))
			open = nil
		}
	}
	for line := range strings.SplitSeq(in, "\n") {
		value, isData := strings.CutPrefix(line, "data:")
		if isData {
			value = strings.TrimPrefix(value, " ")
		}
		if line == "" || lines {
			flush()
		}
		if isData || line == "data" {
			if line == "data" {
				value = ""
			}
			open = append(open, value)
		}
	}
	flush()
	return all
}

func BenchmarkReader(b *testing.B) {
	chunk := []byte(`data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1790000000,"model":"m",` +
		`"choices":[{"index":0,"delta":{"content":" token"},"finish_reason":null}]}` + "\n\n")
	for _, lines := range []bool{false, true} {
		b.Run(fmt.Sprintf("lines=%v", lines), func(b *testing.B) {
			r := newReader(&loopReader{chunk: chunk}, lines, 0)
			b.SetBytes(int64(len(chunk)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Next(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("1MiB line", func(b *testing.B) {
		big := []byte("data: " + strings.Repeat("x", 1<<20) + "\n\n")
		r := sse.NewReader(&loopReader{chunk: big}, 0)
		b.SetBytes(int64(len(big)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := r.Next(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// loopReader gives the same chunk again and again, one Read each where it fits.
type loopReader struct {
	chunk []byte
	at    int
}

func (l *loopReader) Read(p []byte) (int, error) {
	n := copy(p, l.chunk[l.at:])
	l.at = (l.at + n) % len(l.chunk)
	return n, nil
}

// stepReader gives step bytes a time.
type stepReader struct {
	b    []byte
	step int
}

func (s *stepReader) Read(p []byte) (int, error) {
	if len(s.b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.b[:min(s.step, len(s.b))])
	s.b = s.b[n:]
	return n, nil
}

type countingReader struct {
	r io.Reader
	n int
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}

type endless byte

func (e endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(e)
	}
	return len(p), nil
}

type stuckReader struct{}

func (stuckReader) Read([]byte) (int, error) { return 0, nil }
