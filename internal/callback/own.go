package callback

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"

	"tollgate/internal/record"
)

// accounts are the callbacks that keys and teams have accounts of their own with. Each has a queue of its own, so that one
// who gives a host that hangs delays nobody else. On the disk stands whose an account is, never what it opens with:
// after a restart that is looked up again, and so a key that is gone takes its events along.
type accounts struct {
	hub *Hub

	mu   sync.Mutex
	open map[string]*account // by id; guarded by mu
	full bool                // ended: none is opened any more; guarded by mu
}

// account is one of them.
type account struct {
	*queue
	ref  string
	dir  string
	used time.Time // guarded by accounts.mu

	mu   sync.Mutex
	vars map[string]string // nil until a call or the store has told them; guarded by mu
}

// owner is what the disk holds of an account.
type owner struct {
	Ref  string `json:"ref"`
	Name string `json:"callback"`
}

// id names the account in the file system: a hash, since the parts are of any length and hold any character.
func (o owner) id() string {
	sum := sha256.Sum256([]byte(o.Name + "\x00" + o.Ref))
	return hex.EncodeToString(sum[:16])
}

const ownerFile = "account.json"

// ownHears reports whether an account hears of a call (LiteLLM's callback_type).
func ownHears(on string, failed bool) bool {
	switch on {
	case onSuccess:
		return !failed
	case onFailure:
		return failed
	}
	return true
}

// add puts a call into the queue of an account, which it opens where it is not.
func (a *accounts) add(own *record.OwnCallback, e *encoder) {
	one, reason, err := a.find(owner{own.Ref, own.Name}, own.Vars)
	if err != nil || reason != "" {
		label := own.Name + "/own"
		if reason == DroppedOpen { // of any name that a tenant can think of
			label = "own"
		}
		a.hub.o.Observer.CallbackDropped(label, reason, 1)
		a.hub.dropped.warn("events of a key's or team's own callback are lost", 1, "callback", label, "reason", reason, "error", err)
		return
	}
	one.note(own.Vars)
	text, err := e.bytes(own.Vars["turn_off_message_logging"] == "true" || own.Vars["turn_off_message_logging"] == "True")
	if err != nil {
		one.drop(DroppedDamaged, 1, err)
		return
	}
	one.queue.add(text)
}

// note has the account opened anew when its key or team has changed it.
func (one *account) note(vars map[string]string) {
	one.mu.Lock()
	defer one.mu.Unlock()
	if one.vars != nil && maps.Equal(one.vars, vars) {
		return
	}
	one.vars = make(map[string]string, len(vars)) // never nil from here on
	maps.Copy(one.vars, vars)
	one.target.Store(nil)
}

// find is the queue of an account, or the reason why there is none. One whose settings make no callback gets no queue: nothing
// would ever leave it.
func (a *accounts) find(o owner, vars map[string]string) (*account, string, error) {
	if a.hub.o.Open == nil {
		return nil, DroppedOpen, nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	id := o.id()
	now := a.hub.o.Now()
	if one := a.open[id]; one != nil {
		one.used = now
		return one, "", nil
	}
	if a.full {
		return nil, DroppedEnd, nil
	}
	cb, err := a.hub.o.Open(o.Name, vars)
	if err != nil {
		return nil, DroppedOpen, err
	}
	if len(a.open) >= a.hub.o.MaxOwn && !a.evict() {
		return nil, DroppedLimit, nil
	}
	one, err := a.start(o, id)
	if err != nil {
		return nil, DroppedOpen, err
	}
	one.used = now
	one.note(vars)
	one.mu.Lock()
	one.target.Store(&cb)
	one.mu.Unlock()
	return one, "", nil
}

// evict closes the account that has not been used for longest and has nothing waiting; where there is none, one that cannot
// deliver, with what waits: else tenants with dead hosts would keep the others from having accounts. a.mu is held.
func (a *accounts) evict() bool {
	var oldest, failing string
	for key, one := range a.open {
		if one.spool.Stats().Pending == 0 {
			oldest = a.older(oldest, key)
		} else if one.queue.stat().Err != nil {
			failing = a.older(failing, key)
		}
	}
	id := oldest
	if id == "" {
		id = failing
	}
	one := a.open[id]
	if one == nil {
		return false
	}
	delete(a.open, id)
	if id == failing {
		one.cut() // else it would try once more
		if one.spool.Durable() {
			one.drop(DroppedLimit, int(one.spool.Stats().Pending), nil)
		}
	}
	one.forget()
	return true
}

// older is which of two accounts has not been used for longer; than is "" for none.
func (a *accounts) older(than, id string) string {
	if than == "" || a.open[id].used.Before(a.open[than].used) {
		return id
	}
	return than
}

// forget ends an account whose events nobody waits for, and takes its folder away.
func (one *account) forget() {
	one.finish()
	<-one.done
	if one.dir == "" {
		return
	}
	if err := os.RemoveAll(one.dir); err != nil {
		one.o.Log.Warn("the folder of a callback's account could not be removed", "error", err)
	}
}

// start opens the queue of an account and runs it. a.mu is held.
func (a *accounts) start(o owner, id string) (*account, error) {
	one := &account{ref: o.Ref}
	if a.hub.o.Dir != "" {
		one.dir = filepath.Join(a.hub.o.Dir, "callbacks", ".own", id)
		if err := keep(one.dir, o); err != nil {
			return nil, err
		}
	}
	q, err := newQueue(&a.hub.o, o.Name, o.Name+"/own", one.dir, max(a.hub.o.MaxBytes/16, 1<<20))
	if err != nil {
		return nil, err
	}
	q.open = func() (Callback, error) { return a.openOne(one, o) }
	one.queue = q
	a.open[id] = one
	a.hub.start(q)
	return one, nil
}

// keep writes down whose a folder is.
func keep(dir string, o owner) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, ownerFile), text, 0o600)
}

// openOne makes the callback of an account and has its queue deliver to it.
func (a *accounts) openOne(one *account, o owner) (Callback, error) {
	one.mu.Lock()
	known := one.vars != nil
	one.mu.Unlock()
	var found map[string]string
	if !known {
		var err error
		if found, err = a.lookUp(o); err != nil {
			return nil, err
		}
	}
	one.mu.Lock() // held until the callback is in place: a call that brings other variables takes it away again
	defer one.mu.Unlock()
	if one.vars != nil {
		found = one.vars
	}
	cb, err := a.hub.o.Open(o.Name, found)
	if err != nil {
		return nil, err
	}
	one.target.Store(&cb)
	return cb, nil
}

// lookUp asks for an account that no call has told of since the process began.
func (a *accounts) lookUp(o owner) (map[string]string, error) {
	if a.hub.o.Resolve == nil {
		return nil, errGone
	}
	ctx, cancel := context.WithTimeout(a.hub.cut, Timeout)
	defer cancel()
	vars, ok, err := a.hub.o.Resolve(ctx, o.Ref, o.Name)
	if err == nil && !ok {
		err = errGone
	}
	return vars, err
}

// resume opens the queues that an earlier process has left something in.
func (a *accounts) resume() error {
	if a.hub.o.Dir == "" || a.hub.o.Open == nil {
		return nil
	}
	root := filepath.Join(a.hub.o.Dir, "callbacks", ".own")
	entries, err := os.ReadDir(root)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, e := range entries {
		dir := filepath.Join(root, e.Name())
		var o owner
		text, err := os.ReadFile(filepath.Join(dir, ownerFile))
		if err != nil || json.Unmarshal(text, &o) != nil || o.id() != e.Name() {
			a.hub.o.Log.Warn("a folder below the callbacks' own accounts is nobody's", "folder", dir)
			continue
		}
		one, err := a.start(o, o.id())
		if err != nil {
			return err
		}
		if one.spool.Stats().Pending == 0 {
			delete(a.open, o.id())
			one.forget()
		}
	}
	return nil
}

func (a *accounts) stats() []Stat {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := make([]Stat, 0, len(a.open))
	for _, one := range a.open {
		st := one.stat()
		st.Ref = one.ref
		all = append(all, st)
	}
	return all
}

// end has every account end as soon as nothing waits in it.
func (a *accounts) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.full = true
	for _, one := range a.open {
		one.finish()
	}
}
