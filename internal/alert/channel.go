package alert

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"
)

const (
	// gather is how long a message waits for equal ones, which are then sent as one with a count.
	gather = 5 * time.Second
	// mostWaiting bounds what waits for one address, mostTries how often one message is tried.
	mostWaiting = 500
	mostTries   = 6
	// sendTimeout bounds one try, longestPause what is waited between two, whatever Retry-After says.
	sendTimeout  = 10 * time.Second
	longestPause = 2 * time.Minute
)

// letter is a message on its way to an address.
type letter struct {
	kind  Type
	same  string // equal letters are sent once; "" = there are none
	text  string // Slack's; "" = body is sent
	body  []byte
	count int
}

// json is what is posted.
func (l *letter) json() []byte {
	if l.text == "" {
		return l.body
	}
	text := l.text
	if l.count > 1 {
		text = fmt.Sprintf("[Num Alerts: %d]\n\n%s", l.count, text)
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(map[string]string{"text": text}) // texts have a JSON form
	return bytes.TrimSpace(b.Bytes())
}

// channel sends to one address, one letter after the other.
type channel struct {
	a    *Alerter
	url  string
	wake chan struct{} // of one: something waits
	end  chan struct{} // closed when nothing more will come

	mu       sync.Mutex
	waiting  []*letter
	finished bool
	told     time.Time // when the log was last told of letters dropped
}

// post puts a letter into the queue of an address.
func (a *Alerter) post(address string, l *letter) {
	a.mu.Lock()
	c := a.channels[address]
	if c == nil && !a.closed {
		c = &channel{a: a, url: address, wake: make(chan struct{}, 1), end: make(chan struct{})}
		a.channels[address] = c
		a.running.Go(c.run)
	}
	a.mu.Unlock()
	if c == nil {
		a.count(l.kind, "dropped")
		return
	}
	c.add(l)
}

func (c *channel) add(l *letter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.same != "" {
		for _, w := range c.waiting {
			if w.same == l.same {
				w.count++
				c.a.count(l.kind, "squashed")
				return
			}
		}
	}
	if c.finished || len(c.waiting) >= mostWaiting {
		c.a.count(l.kind, "dropped")
		if time.Since(c.told) > 30*time.Second {
			c.told = time.Now()
			c.a.o.Log.Warn("alerts are dropped: too many wait to be sent", "waiting", len(c.waiting))
		}
		return
	}
	l.count = 1
	c.waiting = append(c.waiting, l)
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *channel) finish() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.finished {
		c.finished = true
		close(c.end)
	}
}

// take are all letters that wait.
func (c *channel) take() []*letter {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.waiting
	c.waiting = nil
	return list
}

func (c *channel) ending() bool {
	select {
	case <-c.end:
		return true
	case <-c.a.cut.Done():
		return true
	default:
		return false
	}
}

// run sends until the end.
func (c *channel) run() {
	for {
		select {
		case <-c.wake:
			c.pause(gather)
		case <-c.end:
		case <-c.a.cut.Done():
			return
		}
		ending := c.ending() // what came before is in the queue by now
		for _, l := range c.take() {
			c.deliver(l)
		}
		if ending {
			return
		}
	}
}

// pause waits, at most until the end comes.
func (c *channel) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-c.end:
	case <-c.a.cut.Done():
	}
}

// deliver tries until a letter is taken, refused for good, or was tried often enough.
func (c *channel) deliver(l *letter) {
	var err error
	for try := range mostTries {
		var wait time.Duration
		var again bool
		if wait, again, err = c.a.settings.Load().send(c.a.cut, c.url, l.json()); err == nil {
			c.a.count(l.kind, "sent")
			return
		}
		if !again || try == mostTries-1 || c.ending() {
			break
		}
		c.pause(min(max(wait, time.Second<<try), longestPause))
	}
	c.a.count(l.kind, "failed")
	c.a.o.Log.Warn("an alert could not be sent", "type", string(l.kind), "error", err)
}

// send posts once. again says whether another try makes sense, wait what the receiver asks for.
func (s *Settings) send(ctx context.Context, address string, body []byte) (wait time.Duration, again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return 0, false, errors.New("alert: the webhook's address is no URL")
	}
	req.Header.Set("Content-Type", "application/json")
	client := *s.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(req)
	if err != nil {
		if u := (*url.Error)(nil); errors.As(err, &u) { // its text has the address, which is a secret
			err = u.Err
		}
		return 0, true, fmt.Errorf("alert: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	reply, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10)) // for the error's text alone
	switch {
	case resp.StatusCode < 300:
		return 0, false, nil
	case resp.StatusCode == http.StatusTooManyRequests || resp.StatusCode >= 500:
		if n, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && n > 0 {
			wait = time.Duration(n) * time.Second
		}
		again = true
	}
	return wait, again, fmt.Errorf("alert: the webhook has answered %d: %s", resp.StatusCode, clip(string(bytes.TrimSpace(reply)), 200))
}
