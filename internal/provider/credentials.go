package provider

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Credential is what signs for deployments and is renewed in the background. Methods are safe for concurrent use.
type Credential interface {
	// Start begins with the renewal; further calls do nothing. It does not wait.
	Start()
	// Close ends the renewal. Calls under way may still use what is in force.
	Close()
	Status() CredentialStatus
}

// CredentialStatus is what can be told of a credential without its secrets.
type CredentialStatus struct {
	// Name tells credentials apart in logs and metrics; Kind is the kind of principal.
	Name, Kind string
	// Expires is false for a credential that stays valid until somebody revokes it.
	Expires bool
	// Expiry is when the one in force ends and Renewed when it came; zero before there is one.
	Expiry, Renewed time.Time
	// Renewals counts those that came, Failures attempts that brought none.
	Renewals, Failures uint64
	// Err is why the last attempt failed, and Failed when; both empty if it did not.
	Err    string
	Failed time.Time
}

// CredentialID is equal for equal credentials. It is a hash, so that no key lies in a map's keys.
type CredentialID [sha256.Size]byte

// Credentials holds the credentials of all deployments. Equal ones are one, across deployments and from one
// configuration to the next, so that a reload fetches nothing anew. The zero value is ready.
type Credentials struct {
	mu   sync.Mutex
	kept map[CredentialID]*keptCredential
	made int // counts, for the order of names
}

type keptCredential struct {
	Credential
	leases  int // that use it
	order   int
	started bool
}

// start is called with Credentials.mu held.
func (k *keptCredential) start() {
	k.started = true
	k.Start()
}

// Lease is the part of them that one configuration uses. Its methods are safe for concurrent use.
type Lease struct {
	of      *Credentials
	used    map[CredentialID]*keptCredential // guarded by of.mu, as what follows
	started bool
	over    bool
}

// Lease begins a configuration. Nothing is renewed before its Start.
func (c *Credentials) Lease() *Lease {
	return &Lease{of: c, used: map[CredentialID]*keptCredential{}}
}

// Get returns the credential of an id, made by open where there is none yet. After Release, for a call of a configuration
// that is not in force any more, what it makes is not renewed.
func (l *Lease) Get(id CredentialID, open func() (Credential, error)) (Credential, error) {
	c := l.of
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := l.used[id]; k != nil {
		return k.Credential, nil
	}
	k := c.kept[id]
	if k == nil {
		made, err := open()
		if err != nil {
			return nil, err
		}
		if l.over {
			made.Close()
			return made, nil
		}
		c.made++
		k = &keptCredential{Credential: made, order: c.made}
		if c.kept == nil {
			c.kept = map[CredentialID]*keptCredential{}
		}
		c.kept[id] = k
	}
	if l.over {
		return k.Credential, nil
	}
	k.leases++
	l.used[id] = k
	if l.started {
		k.start()
	}
	return k.Credential, nil
}

// Start says that the configuration is in force: what it uses is renewed from now on.
func (l *Lease) Start() {
	l.of.mu.Lock()
	defer l.of.mu.Unlock()
	l.started = true
	for _, k := range l.used {
		k.start()
	}
}

// Release says that the configuration is not in force, any more or at all. What no other one uses is closed.
func (l *Lease) Release() {
	var last []*keptCredential
	l.of.mu.Lock()
	l.over = true
	for id, k := range l.used {
		if k.leases--; k.leases == 0 {
			delete(l.of.kept, id)
			last = append(last, k)
		}
	}
	clear(l.used)
	l.of.mu.Unlock()
	for _, k := range last {
		k.Close()
	}
}

// Status tells of every credential in force, by name. Names that several share are numbered.
func (c *Credentials) Status() []CredentialStatus {
	c.mu.Lock()
	list := make([]*keptCredential, 0, len(c.kept))
	for _, k := range c.kept {
		if k.started {
			list = append(list, k)
		}
	}
	c.mu.Unlock()
	slices.SortFunc(list, func(x, y *keptCredential) int { return cmp.Compare(x.order, y.order) })
	out := make([]CredentialStatus, 0, len(list))
	seen := map[string]int{}
	for _, k := range list {
		s := k.Status()
		if seen[s.Name]++; seen[s.Name] > 1 {
			s.Name = fmt.Sprintf("%s#%d", s.Name, seen[s.Name])
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(x, y CredentialStatus) int { return cmp.Compare(x.Name, y.Name) })
	return out
}
