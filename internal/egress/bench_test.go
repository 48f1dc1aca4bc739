package egress_test

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"testing"

	"tollgate/internal/egress"
)

// BenchmarkTransportBuffers is where egress's write buffer comes from: a pass-through call on a kept connection, with
// other sizes.
func BenchmarkTransportBuffers(b *testing.B) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Write(bytes.Repeat([]byte("x"), 800))
	}))
	defer srv.Close()
	base := newEgress(b, egress.Options{}).Transport().(*http.Transport)
	for _, body := range []int{1 << 10, 32 << 10, 400 << 10} {
		for _, buffer := range []int{4 << 10, 16 << 10, 32 << 10, 64 << 10} {
			b.Run(fmt.Sprintf("body=%s/buffer=%s", sizeName(body), sizeName(buffer)), func(b *testing.B) {
				tr := base.Clone()
				tr.WriteBufferSize = buffer
				defer tr.CloseIdleConnections()
				post(b, &http.Client{Transport: tr}, srv.URL, body)
			})
		}
	}
}

// post sends bodies of one size until the benchmark has enough.
func post(b *testing.B, client *http.Client, url string, size int) {
	body := bytes.Repeat([]byte("x"), size)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, url, bytes.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
}

func sizeName(n int) string { return fmt.Sprintf("%dKiB", n>>10) }

func discardLog() *log.Logger { return log.New(io.Discard, "", 0) }
