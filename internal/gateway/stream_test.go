package gateway_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A chunk must be with the caller before the upstream sends the next: what came together may go out together, but
// nothing may wait for what has not come.
func TestStreamHoldsNothingBack(t *testing.T) {
	u := newUpstream(t)
	pieces := strings.SplitAfter(chunks, "\n\n")
	taken := make(chan struct{})
	u.handle = func(w http.ResponseWriter, r *http.Request, _ map[string]any) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, p := range pieces {
			_, _ = io.WriteString(w, p)
			_ = http.NewResponseController(w).Flush()
			if strings.Contains(p, "delta\":{\"") {
				select {
				case <-taken:
				case <-r.Context().Done():
					return
				}
			}
		}
	}
	s := open(t, u, plain)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "POST", s.URL+"/v1/chat/completions", strings.NewReader(chat("fast", `,"stream":true`)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+masterKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	n := 0
	for lines.Scan() {
		if strings.Contains(lines.Text(), "delta\":{\"") {
			n++
			taken <- struct{}{}
		}
	}
	if err := lines.Err(); err != nil || n < 2 {
		t.Errorf("%d chunks were taken one by one, %v", n, err)
	}
}
