// Package recorder plays hosted services for tests and demonstrations: servers that are strict about authentication, shapes
// and limits, keep what they were sent and note what the real service would have refused. They are written from the
// services' documentation and share no code with the clients.
package recorder

import (
	"compress/gzip"
	"compress/zlib"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
)

// Trouble is an answer that a service gives in place of its usual one.
type Trouble struct {
	Status     int
	RetryAfter int // seconds, 0 = no header
}

// inbox is what every service of callbacks keeps. Safe for concurrent use; the zero value is ready.
type inbox struct {
	mu       sync.Mutex
	faults   []string
	troubles []Trouble
	requests int
}

// Faults are the requests that the real service would have refused, in words.
func (b *inbox) Faults() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.faults...)
}

// Requests counts what has come.
func (b *inbox) Requests() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.requests
}

// Fail has the next requests answered with troubles, one each, whatever they are.
func (b *inbox) Fail(troubles ...Trouble) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.troubles = append(b.troubles, troubles...)
}

// arrive counts a request, and answers it where trouble is due.
func (b *inbox) arrive(w http.ResponseWriter) (troubled bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.requests++
	if len(b.troubles) == 0 {
		return false
	}
	t := b.troubles[0]
	b.troubles = b.troubles[1:]
	if t.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(t.RetryAfter))
	}
	w.WriteHeader(t.Status)
	return true
}

// refuse notes a fault and answers with it as body writes it.
func (b *inbox) refuse(w http.ResponseWriter, status int, body func(text string) any, format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	b.mu.Lock()
	b.faults = append(b.faults, text)
	b.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body(text)) // a caller who is gone is its own trouble
}

// unpacked reads a body up to limit bytes after decompression; long reports that it has more.
func unpacked(r *http.Request, limit int64) (body []byte, long bool, err error) {
	in := io.Reader(r.Body)
	switch encoding := r.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
	case "gzip":
		if in, err = gzip.NewReader(r.Body); err != nil {
			return nil, false, err
		}
	case "deflate":
		if in, err = zlib.NewReader(r.Body); err != nil {
			return nil, false, err
		}
	default:
		return nil, false, fmt.Errorf("the encoding %q is not known", encoding)
	}
	body, err = io.ReadAll(io.LimitReader(in, limit+1))
	return body, int64(len(body)) > limit, err
}
