package alert

import (
	"sync"
	"time"
)

// raise sends an alert wherever its type goes: at once, or in a digest.
func (a *Alerter) raise(n *note) {
	s := a.settings.Load()
	if !s.sends(n.kind) {
		return
	}
	if n.at.IsZero() {
		n.at = time.Now()
	}
	if interval, ok := s.Digests[n.kind]; ok {
		if !a.digests.add(n, interval) {
			a.count(n.kind, "dropped")
		}
		return
	}
	a.say(s, n)
}

// say puts a message into the queues of its addresses.
func (a *Alerter) say(s *Settings, n *note) {
	text, same := n.text(s), n.same()
	if s.Args.LogToConsole {
		a.o.Log.Info("alert", "type", string(n.kind), "text", text)
	}
	for _, address := range s.to(n.kind) {
		a.post(address.Reveal(), &letter{kind: n.kind, same: same, text: text})
	}
}

// mostOnces bounds what is remembered of what was said.
const mostOnces = 10_000

// sweepEvery is how often it is looked for what is over, at most.
const sweepEvery = 10 * time.Second

// onces remember what was said lately. The zero value is ready.
type onces struct {
	mu    sync.Mutex
	until map[string]time.Time // guarded by mu
	swept time.Time            // when those that are over were last taken out; guarded by mu
}

// first reports whether something was not said for a while, and remembers that it is now.
func (o *onces) first(what string, ttl time.Duration, now time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.until == nil {
		o.until = map[string]time.Time{}
	}
	if now.Before(o.until[what]) {
		return false
	}
	if len(o.until) >= mostOnces && now.Sub(o.swept) >= sweepEvery { // not for every call: calls wait for the lock
		o.swept = now
		for w, t := range o.until {
			if !now.Before(t) {
				delete(o.until, w)
			}
		}
	}
	if len(o.until) >= mostOnces {
		return false // rather silent than a flood
	}
	o.until[what] = now.Add(ttl)
	return true
}

// digest collects alerts of one type, model and address of an upstream.
type digest struct {
	first      *note
	count      int
	start, due time.Time
}

// mostDigests bounds how many are collected at once.
const mostDigests = 1000

// digests are those under way. The zero value is ready.
type digests struct {
	mu   sync.Mutex
	open map[[3]string]*digest // guarded by mu
}

// add counts an alert in; false = there is no room.
func (d *digests) add(n *note, interval time.Duration) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open == nil {
		d.open = map[[3]string]*digest{}
	}
	key := [3]string{string(n.kind), n.model, n.base}
	if one := d.open[key]; one != nil {
		one.count++
		return true
	}
	if len(d.open) >= mostDigests {
		return false
	}
	d.open[key] = &digest{first: n, count: 1, start: n.at, due: n.at.Add(interval)}
	return true
}

// take are those that are due; a zero time takes all.
func (d *digests) take(now time.Time) []*digest {
	d.mu.Lock()
	defer d.mu.Unlock()
	var list []*digest
	for key, one := range d.open {
		if now.IsZero() || !now.Before(one.due) {
			list = append(list, one)
			delete(d.open, key)
		}
	}
	return list
}
