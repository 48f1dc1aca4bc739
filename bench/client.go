package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// caller makes the calls of one cell to one target and notes how they went. It is safe for concurrent use.
type caller struct {
	client   *http.Client
	url      string
	key      string
	body     []byte
	chunks   int           // content chunks that a stream must have; 0 is an answer in one piece
	interval time.Duration // that the upstream leaves between them

	mu  sync.Mutex
	got observed // guarded by mu
}

// observed is how calls went.
type observed struct {
	calls     int     // that were answered as they should be
	errors    int     // that were not: refused, broken off before the answer, or a wrong answer
	cut       int     // streams that began and did not come to their end
	total     samples // from when a call was due to the end of its answer
	firstByte samples // ... to the first event of its stream
	jitter    samples // how far each gap between two content chunks is from the upstream's interval
	failure   error   // the first error, for the report
}

// add adds what another round observed.
func (o *observed) add(p *observed) {
	o.calls, o.errors, o.cut = o.calls+p.calls, o.errors+p.errors, o.cut+p.cut
	o.total = append(o.total, p.total...)
	o.firstByte = append(o.firstByte, p.firstByte...)
	o.jitter = append(o.jitter, p.jitter...)
	if o.failure == nil {
		o.failure = p.failure
	}
}

// newHTTPClient keeps its connections.
func newHTTPClient() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: maxIdle, DisableCompression: true, WriteBufferSize: 64 << 10}}
}

// errCut is a stream that ended before its end mark.
var errCut = errors.New("the stream ended before its end mark")

// call makes one call that was due at due.
func (c *caller) call(ctx context.Context, due time.Time) {
	var marks []time.Time // of the events of a stream
	err := c.exchange(ctx, &marks)
	end := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		if errors.Is(err, errCut) {
			c.got.cut++
		} else {
			c.got.errors++
		}
		if c.got.failure == nil {
			c.got.failure = err
		}
		return
	}
	c.got.calls++
	c.got.total = append(c.got.total, end.Sub(due))
	if len(marks) == 0 {
		return
	}
	c.got.firstByte = append(c.got.firstByte, marks[0].Sub(due))
	if c.interval > 0 {
		for i := 1; i < c.chunks; i++ {
			c.got.jitter = append(c.got.jitter, (marks[i].Sub(marks[i-1]) - c.interval).Abs())
		}
	}
}

// exchange sends the request and reads the whole answer. marks gets the time of each event of a stream.
func (c *caller) exchange(ctx context.Context, marks *[]time.Time) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(c.body))
	if err != nil {
		return err
	}
	req.Header["Content-Type"] = []string{"application/json"}
	req.Header["Authorization"] = []string{"Bearer " + c.key}
	resp, err := c.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10)) // for the message only
		return fmt.Errorf("status %d: %s", resp.StatusCode, text)
	}
	if c.chunks > 0 {
		return c.readStream(resp.Body, marks)
	}
	text, err := io.ReadAll(resp.Body)
	if err == nil && !bytes.Contains(text, []byte(`"finish_reason":"stop"`)) {
		err = fmt.Errorf("not an answer: %.200s", text)
	}
	return err
}

// readers holds what streams are read with, so that 500 of them do not make the driver collect garbage.
var readers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4<<10) }}

func (c *caller) readStream(body io.Reader, marks *[]time.Time) error {
	r := readers.Get().(*bufio.Reader)
	defer readers.Put(r)
	r.Reset(body)
	*marks = make([]time.Time, 0, c.chunks+4)
	done := false
	for {
		line, err := r.ReadSlice('\n')
		if bytes.HasPrefix(line, []byte("data:")) {
			*marks = append(*marks, time.Now())
			done = done || bytes.Contains(line, []byte("[DONE]"))
		}
		switch {
		case err == io.EOF && done && len(*marks) > c.chunks:
			return nil
		case err == io.EOF:
			return fmt.Errorf("%w: %d events, end mark %v", errCut, len(*marks), done)
		case err != nil:
			return fmt.Errorf("%w: %w", errCut, err)
		}
	}
}

// chatBody is a chat request of about size bytes: a conversation of turns of up to a kilobyte, as an agent sends it.
func chatBody(model string, size int, streamed bool) []byte {
	const turn = "The tide table for the week is below.\n\nIs it safe to leave at \"half ebb\" with a draught of 1.9 m, given the bar and the forecast? "
	type message struct {
		Role    string `json:"role"`
		Content string `json:"content"`
	}
	request := map[string]any{"model": model, "max_tokens": 256, "temperature": 0.2}
	if streamed {
		request["stream"] = true
		request["stream_options"] = map[string]bool{"include_usage": true}
	}
	messages := []message{{"system", "You are a pilot who knows every harbour of this coast. Answer briefly."}}
	for left := size - 200; left > 0; left -= 1 << 10 {
		role := "user"
		if len(messages)%2 == 0 {
			role = "assistant"
		}
		text := strings.Repeat(turn, 8)[:min(left, 1<<10)*7/8] // the rest of a turn is its frame and the escapes
		messages = append(messages, message{role, text})
	}
	messages[len(messages)-1].Role = "user"
	request["messages"] = messages
	text, err := json.Marshal(request)
	if err != nil { // strings and numbers always marshal
		panic(err)
	}
	return text
}
