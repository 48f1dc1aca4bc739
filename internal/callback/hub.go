package callback

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tollgate/internal/record"
)

// Events says which calls a callback hears of.
type Events string

// The lists of the configuration: success_callback, failure_callback and callbacks.
const (
	Success Events = "success"
	Failure Events = "failure"
	Both    Events = "both"
)

// hears reports whether calls that have failed, or have not, are among the events.
func (e Events) hears(failed bool) bool {
	return e == Both || failed == (e == Failure)
}

// Configured is a callback of the gateway's own.
type Configured struct {
	Name     string
	Events   Events
	Callback Callback
	// MessageLogging is the callback's own switch: false leaves texts out whatever else is said; nil = it has none.
	MessageLogging *bool
}

// Settings are what a reload may change.
type Settings struct {
	Callbacks []Configured // each name once
	// Redact leaves texts out of events (turn_off_message_logging).
	Redact bool
	// HideCaller leaves out who has called (redact_user_api_key_info).
	HideCaller bool
}

// Options are what lives longer than a configuration.
type Options struct {
	// Dir is the data directory: queues are kept in "callbacks" below it. Empty = in memory.
	Dir string
	// MaxBytes bounds the queue of one callback; 0 = 256 MiB on disk, 32 MiB in memory.
	MaxBytes int64
	// MaxOwn is how many accounts of keys and teams are open at once; 0 = 50 (LiteLLM's
	// MAX_LANGFUSE_INITIALIZED_CLIENTS). The queue of each may take a sixteenth of MaxBytes.
	MaxOwn int
	// Open makes a callback with a key's or a team's own account (callback_vars). nil = there are no such accounts.
	Open func(name string, vars map[string]string) (Callback, error)
	// Resolve looks up the account again that a key or a team has with a callback, when events of it are found after a
	// restart; false when it has none any more. An error means that this cannot be told now.
	Resolve  func(ctx context.Context, ref, name string) (vars map[string]string, ok bool, err error)
	Log      *slog.Logger     // nil = slog.Default
	Observer Observer         // nil = nobody counts
	Now      func() time.Time // nil = time.Now
}

// Observer counts what becomes of events. Its methods are called from several goroutines and must not block. Names are
// those of callbacks, with "/own" behind them for all accounts of keys and teams together: few, whatever callers do.
type Observer interface {
	// CallbackDelivered counts events that a backend has taken.
	CallbackDelivered(name string, events int)
	// CallbackFailed counts a delivery that failed and is tried again.
	CallbackFailed(name string)
	// CallbackDropped counts events that nobody will get, and why.
	CallbackDropped(name, reason string, events int)
}

// Bounds of what waits to be encoded.
const (
	handOver      = 4096
	handOverBytes = 64 << 20
)

// Hub tells callbacks of calls. Its methods are safe for concurrent use.
type Hub struct {
	o        Options
	settings atomic.Pointer[Settings]
	in       chan *record.Call
	waiting  atomic.Int64 // bytes of the calls in in
	dropped  log
	strange  bucket

	gate   sync.RWMutex // held for reading while a call is handed over
	closed bool         // guarded by gate

	mu      sync.Mutex
	queues  map[string]*queue // by name; guarded by mu
	leaving map[string]*queue // that a reload has ended; guarded by mu
	own     *accounts
	encoder sync.WaitGroup
	runners sync.WaitGroup
	cut     context.Context // done: deliveries under way are cut off
	cutOff  context.CancelFunc
}

// New opens the queues and starts to deliver what is in them. It fails when a folder cannot be used.
func New(o Options, first Settings) (*Hub, error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Observer == nil {
		o.Observer = nobody{}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxBytes <= 0 {
		o.MaxBytes = 32 << 20
		if o.Dir != "" {
			o.MaxBytes = 256 << 20
		}
	}
	if o.MaxOwn <= 0 {
		o.MaxOwn = 50
	}
	h := &Hub{o: o, in: make(chan *record.Call, handOver), queues: map[string]*queue{}, leaving: map[string]*queue{}}
	h.dropped = log{to: o.Log, now: o.Now}
	h.strange = bucket{now: o.Now}
	h.cut, h.cutOff = context.WithCancel(context.Background())
	h.own = &accounts{hub: h, open: map[string]*account{}}
	if err := h.Swap(first); err != nil {
		h.abandon()
		return nil, err
	}
	if err := h.own.resume(); err != nil {
		h.abandon()
		return nil, err
	}
	h.encoder.Go(h.encode)
	return h, nil
}

// abandon ends what New has begun when it fails.
func (h *Hub) abandon() {
	h.cutOff()
	h.endQueues()
	h.runners.Wait()
}

// nobody is the observer of a hub without one.
type nobody struct{}

func (nobody) CallbackDelivered(string, int)       {}
func (nobody) CallbackFailed(string)               {}
func (nobody) CallbackDropped(string, string, int) {}

// Swap puts other callbacks in force. One that stays keeps its queue, whatever is new about it; what waits for one that
// goes stays on the disk until it is configured again. It fails when a folder cannot be used, and what was in force then
// stays in force.
func (h *Hub) Swap(s Settings) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	fresh := map[string]*queue{}
	for _, c := range s.Callbacks {
		if h.queues[c.Name] != nil || fresh[c.Name] != nil {
			continue
		}
		h.awaitEnd(c.Name)
		q, err := newQueue(&h.o, c.Name, c.Name, h.folder(c.Name), h.o.MaxBytes)
		if err != nil {
			for _, opened := range fresh {
				opened.close()
			}
			return err
		}
		fresh[c.Name] = q
	}
	kept := map[string]bool{}
	for _, c := range s.Callbacks {
		kept[c.Name] = true
		if q := fresh[c.Name]; q != nil {
			q.target.Store(&c.Callback)
			h.queues[c.Name] = q
			h.start(q)
			delete(fresh, c.Name)
			continue
		}
		h.queues[c.Name].target.Store(&c.Callback)
	}
	for name, q := range h.queues {
		if !kept[name] {
			q.finish()
			delete(h.queues, name)
			h.leaving[name] = q
		}
	}
	h.settings.Store(&s)
	return nil
}

// awaitEnd has a queue let its folder go that an earlier reload has ended. h.mu is held.
func (h *Hub) awaitEnd(name string) {
	q := h.leaving[name]
	if q == nil {
		return
	}
	delete(h.leaving, name)
	q.cut()
	select {
	case <-q.done:
	case <-time.After(time.Second): // it hangs, and the folder stays locked
	}
}

// start runs a queue until it is ended.
func (h *Hub) start(q *queue) {
	var ctx context.Context
	ctx, q.cut = context.WithCancel(h.cut)
	h.runners.Go(func() {
		defer close(q.done)
		defer q.close()
		defer q.cut()
		q.run(ctx)
	})
}

// folder is where the queue of a callback is; "" in memory.
func (h *Hub) folder(name string) string {
	if h.o.Dir == "" {
		return ""
	}
	name = url.PathEscape(name)
	if strings.HasPrefix(name, ".") {
		name = "%2E" + name[1:]
	}
	return filepath.Join(h.o.Dir, "callbacks", name)
}

// Emit hands a call over to the callbacks and returns at once. The call must not change any more. What there is no room
// for is dropped and counted.
func (h *Hub) Emit(c *record.Call) {
	if c.Logging.Off {
		return
	}
	s := h.settings.Load()
	if len(s.Callbacks) == 0 && len(c.Logging.Own) == 0 {
		return
	}
	if c.Caller == "" && c.Outcome == record.Refused && !h.strange.take() {
		h.drop(DroppedStranger)
		return
	}
	h.gate.RLock()
	defer h.gate.RUnlock()
	size := callBytes(c)
	if h.closed || h.waiting.Add(size) > handOverBytes {
		h.waiting.Add(-size)
		h.drop(DroppedBusy)
		return
	}
	select {
	case h.in <- c:
	default:
		h.waiting.Add(-size)
		h.drop(DroppedBusy)
	}
}

// callBytes is about what a call holds of memory.
func callBytes(c *record.Call) int64 {
	const flat = 2048
	return flat + int64(len(c.Request)+len(c.Response)+len(c.RequestMetadata))
}

// drop counts a call that no callback hears of.
func (h *Hub) drop(reason string) {
	h.o.Observer.CallbackDropped("all", reason, 1)
	h.dropped.warn("calls are not told to callbacks", 1, "reason", reason)
}

// encode is the goroutine that puts calls into the queues.
func (h *Hub) encode() {
	for c := range h.in {
		h.waiting.Add(-callBytes(c))
		h.tell(c)
	}
}

// tell puts a call into the queue of every callback that hears of it. A call that cannot be told must not end all others.
func (h *Hub) tell(c *record.Call) {
	defer func() {
		if p := recover(); p != nil { // its value may hold what a caller sent
			h.o.Log.Error("panic while a call was told to callbacks", "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
			h.drop(DroppedDamaged)
		}
	}()
	s := h.settings.Load()
	e := encoder{call: c, settings: s}
	failed := c.Outcome != record.Success
	if len(c.Logging.Own) > 0 {
		for i := range c.Logging.Own {
			if own := &c.Logging.Own[i]; ownHears(own.On, failed) && !disabled(c, own.Name) {
				h.own.add(own, &e)
			}
		}
		return
	}
	for i := range s.Callbacks {
		if cb := &s.Callbacks[i]; cb.Events.hears(failed) && !disabled(c, cb.Name) {
			h.add(cb, &e)
		}
	}
}

func (h *Hub) add(cb *Configured, e *encoder) {
	h.mu.Lock()
	q := h.queues[cb.Name]
	h.mu.Unlock()
	if q == nil {
		return // a reload has taken it away
	}
	text, err := e.bytes(cb.MessageLogging != nil && !*cb.MessageLogging)
	if err != nil {
		q.drop(DroppedDamaged, 1, err)
		return
	}
	q.add(text)
}

// disabled reports whether the caller keeps a call from a callback.
func disabled(c *record.Call, name string) bool {
	for _, d := range c.Logging.Disabled {
		if strings.EqualFold(d, name) {
			return true
		}
	}
	return false
}

// Stats tells how each callback fares.
func (h *Hub) Stats() []Stat {
	h.mu.Lock()
	defer h.mu.Unlock()
	var all []Stat
	for _, q := range h.queues {
		all = append(all, q.stat())
	}
	return append(all, h.own.stats()...)
}

// Close takes no more calls and delivers what waits, until ctx ends: what is left then stays on the disk, and what is in
// memory is lost and counted. A callback that fails is not waited for.
func (h *Hub) Close(ctx context.Context) error {
	h.gate.Lock()
	again := h.closed
	h.closed = true
	h.gate.Unlock()
	if again {
		return nil
	}
	close(h.in)
	done := make(chan struct{})
	go func() {
		defer close(done)
		h.encoder.Wait()
		h.endQueues()
		h.runners.Wait()
	}()
	select {
	case <-done:
		h.cutOff()
		return nil
	case <-ctx.Done():
	}
	h.cutOff()
	select {
	case <-done:
		return nil
	case <-time.After(time.Second): // a callback that does not hear that it is cut off
		return errors.Join(errors.New("callback: a callback hangs"), ctx.Err())
	}
}

// endQueues has every queue end as soon as nothing waits in it.
func (h *Hub) endQueues() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, q := range h.queues {
		q.finish()
	}
	h.own.end()
}
