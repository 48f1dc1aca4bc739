package sse_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/sse"
)

func TestWriter(t *testing.T) {
	tests := []struct {
		name  string
		write func(*sse.Writer) error
		want  string
	}{
		{"data", func(w *sse.Writer) error { return w.Data([]byte(`{"a":1}`)) }, "data: {\"a\":1}\n\n"},
		{"empty data", func(w *sse.Writer) error { return w.Data(nil) }, "data: \n\n"},
		{"data of many lines", func(w *sse.Writer) error { return w.Data([]byte("a\nb\r\nc\rd\n")) }, "data: a\ndata: b\ndata: c\ndata: d\ndata: \n\n"},
		{"comment", func(w *sse.Writer) error { return w.Comment("ping") }, ": ping\n\n"},
		{"comment with line ends", func(w *sse.Writer) error { return w.Comment("a\n\ndata: b") }, ": a\n: \n: data: b\n\n"},
		{"done", func(w *sse.Writer) error { return w.Done() }, "data: [DONE]\n\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rec := &recorder{ResponseRecorder: httptest.NewRecorder()}
			w := sse.NewWriter(rec)
			for range 2 { // the buffer is used again
				if err := tt.write(w); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff([]string{tt.want, "flush", tt.want, "flush"}, rec.calls); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestWriterCollects(t *testing.T) {
	rec := &recorder{ResponseRecorder: httptest.NewRecorder()}
	w := sse.NewWriter(rec)
	w.Collect = true
	for _, send := range []func() error{
		func() error { return w.Data([]byte("a")) },
		func() error { return w.Data([]byte("b")) },
		w.Flush,
		func() error { return w.Data([]byte("c")) },
		func() error { return w.Comment("ping") }, // for those who wait now
		w.Done,
	} {
		if err := send(); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"data: a\n\n", "data: b\n\n", "flush", "data: c\n\n", ": ping\n\n", "flush", "data: [DONE]\n\n", "flush"}
	if diff := cmp.Diff(want, rec.calls); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestWriterErrors(t *testing.T) {
	gone := errors.New("client gone")
	w := sse.NewWriter(&recorder{ResponseRecorder: httptest.NewRecorder(), writeErr: gone})
	if err := w.Data([]byte("x")); !errors.Is(err, gone) {
		t.Errorf("Data = %v, want the error of Write", err)
	}
	w = sse.NewWriter(&recorder{ResponseRecorder: httptest.NewRecorder(), flushErr: gone})
	if err := w.Done(); !errors.Is(err, gone) {
		t.Errorf("Done = %v, want the error of Flush", err)
	}
	// A response that cannot flush would hold the stream back until its end.
	w = sse.NewWriter(plainResponse{})
	if err := w.Data([]byte("x")); !errors.Is(err, http.ErrNotSupported) {
		t.Errorf("Data without Flush = %v, want ErrNotSupported", err)
	}
}

// What the Writer writes, the Reader reads, over HTTP.
func TestWriterToReader(t *testing.T) {
	events := []string{`{"a":1}`, "two\nlines", "", strings.Repeat("x", 100_000)}
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		sse.SetHeaders(rw.Header())
		w := sse.NewWriter(rw)
		for _, s := range events {
			if err := errors.Join(w.Comment("ping"), w.Data([]byte(s))); err != nil {
				t.Error(err)
			}
		}
		if err := w.Done(); err != nil {
			t.Error(err)
		}
	}))
	defer srv.Close()
	resp, err := srv.Client().Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := resp.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("Content-Type %q", got)
	}
	got, err := readAll(sse.NewReader(resp.Body, 0))
	if err != io.EOF {
		t.Fatal(err)
	}
	var want []event
	for _, s := range events {
		want = append(want, event{Data: s})
	}
	want = append(want, event{Data: "[DONE]"})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestWriterAllocatesNothing(t *testing.T) {
	w := sse.NewWriter(discard{})
	data := []byte(`{"choices":[{"delta":{"content":"hello"}}]}`)
	if n := testing.AllocsPerRun(1000, func() {
		if err := w.Data(data); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations per event", n)
	}
}

func BenchmarkWriter(b *testing.B) {
	w := sse.NewWriter(discard{})
	data := []byte(strings.Repeat("x", 180))
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if err := w.Data(data); err != nil {
			b.Fatal(err)
		}
	}
}

// recorder notes each Write and Flush.
type recorder struct {
	*httptest.ResponseRecorder
	calls              []string
	writeErr, flushErr error
}

func (r *recorder) Write(p []byte) (int, error) {
	r.calls = append(r.calls, string(p))
	return len(p), r.writeErr
}

func (r *recorder) FlushError() error {
	r.calls = append(r.calls, "flush")
	return r.flushErr
}

// plainResponse is a response that cannot flush.
type plainResponse struct{}

func (plainResponse) Header() http.Header         { return http.Header{} }
func (plainResponse) Write(p []byte) (int, error) { return len(p), nil }
func (plainResponse) WriteHeader(int)             {}

// discard is a response that flushes into nothing.
type discard struct{ plainResponse }

func (discard) Flush() {}
