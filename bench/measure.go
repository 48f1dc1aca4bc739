package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"
)

// The targets that take turns in a cell.
const (
	direct  = "direct"  // the upstream itself: what the machine and the driver cost
	floor   = "floor"   // httputil.ReverseProxy
	gateway = "gateway" // tollgate
	// shortKeyed is the same gateway by a deployment whose OCI key is short (signature.go).
	shortKeyed = "gateway, short key"
)

// bench is the processes under way.
type bench struct {
	ungoverned bool
	governed   governance
	plan       plan
	dir        string  // temporary
	binary     string  // the gateway's
	profile    string  // folder of the gateway's profiles; "" runs the binary
	config     string  // the gateway's configuration file
	keyRatio   float64 // what a signature with the short key costs of one with the long key
	client     *http.Client
	upstream   *process
	targets    map[string]*process
}

// loadFigures is one way of driving a target, over all rounds.
type loadFigures struct {
	observed
	cpu     []float64 // µs of CPU of the target's process per call, one per round
	seconds float64   // that the rounds took
	late    samples   // how late the driver began calls (open loop)
}

// figures is what one cell showed.
type figures struct {
	cell       cell
	open, full map[string]*loadFigures // by target; full has no direct
	keyRatio   float64                 // see signature.go
}

// open starts the upstream, the floor and the gateway.
func (b *bench) open(ctx context.Context) error {
	keyFile := func(bits int) string { return filepath.Join(b.dir, fmt.Sprintf("rsa-%d.pem", bits)) }
	keys := map[int]*rsa.PrivateKey{}
	for _, bits := range []int{longKey, shortKey} {
		key, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			return err
		}
		if err := writeKey(keyFile(bits), key); err != nil {
			return err
		}
		keys[bits] = key
	}
	var err error
	if b.keyRatio, err = signatureRatio(keys[longKey], keys[shortKey]); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if b.upstream, err = b.start(ctx, "upstream", func(address string) []string {
		return []string{self, "upstream", "-address", address}
	}); err != nil {
		return err
	}
	if b.config, err = writeConfig(b.dir, b.upstream.url(), b.plan.scripts(), keyFile); err != nil {
		return err
	}
	b.targets = map[string]*process{direct: b.upstream}
	return b.openTargets(ctx)
}

// openTargets starts a new floor and a new gateway.
func (b *bench) openTargets(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if b.targets[floor], err = b.start(ctx, floor, func(address string) []string {
		return []string{self, "floor", "-address", address, "-upstream", b.upstream.url()}
	}); err != nil {
		return err
	}
	b.targets[gateway], err = b.start(ctx, gateway, b.gatewayArgs)
	b.targets[shortKeyed] = b.targets[gateway]
	if err != nil || b.ungoverned {
		return err
	}
	return b.govern(ctx)
}

func (b *bench) gatewayArgs(address string) []string {
	command := []string{b.binary}
	if b.profile != "" {
		self, err := os.Executable()
		if err != nil {
			self = os.Args[0]
		}
		command = []string{self, "gateway", b.profile}
	}
	host, port, _ := net.SplitHostPort(address) // freeAddress made it
	return append(command, "serve", "--config", b.config, "--host", host, "--port", port, "--data-dir", filepath.Join(b.dir, "data-"+port))
}

func (b *bench) start(ctx context.Context, name string, args func(address string) []string) (*process, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	p, err := startProcess(b.dir, name, address, args(address)...)
	if err != nil {
		return nil, fmt.Errorf("starting the %s: %w", name, err)
	}
	if err := p.awaitListening(ctx); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

// closeTargets stops the floor and the gateway.
func (b *bench) closeTargets() {
	for _, name := range []string{floor, gateway} {
		if p := b.targets[name]; p != nil {
			p.stop()
			delete(b.targets, name)
		}
	}
}

func (b *bench) close() {
	b.closeTargets()
	if b.upstream != nil {
		b.upstream.stop()
	}
}

// urlOf is where calls of a script go at a target. The gateway knows it as a model instead.
func (b *bench) urlOf(target string, s script) string {
	if target == gateway || target == shortKeyed {
		return b.targets[gateway].url() + "/v1/chat/completions"
	}
	return b.targets[target].url() + s.path() + "/v1/chat/completions"
}

// newCaller makes the caller of one round.
func (b *bench) newCaller(target string, s script, size int) *caller {
	return &caller{
		client: b.client, url: b.urlOf(target, s), key: b.keyFor(target), body: chatBody(s.alias(), size, s.chunks > 0),
		chunks: s.chunks, interval: s.interval,
	}
}

// runCell drives every target in turn, first at the cell's rate, then at saturation, round after round: what else the
// machine does then strikes all targets alike.
func (b *bench) runCell(ctx context.Context, c cell) (*figures, error) {
	f := &figures{cell: c, keyRatio: b.keyRatio, open: map[string]*loadFigures{}, full: map[string]*loadFigures{}}
	for _, target := range c.targets() {
		f.open[target] = &loadFigures{}
		if target != direct {
			f.full[target] = &loadFigures{}
		}
		if err := b.warm(ctx, target, c); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", c.name, target, err)
		}
	}
	for round := range b.plan.rounds {
		order := c.targets()
		if round%2 == 1 { // nobody always comes after the same neighbour
			slices.Reverse(order)
		}
		for _, target := range order {
			if err := b.openRound(ctx, b.newCaller(target, c.paced(target), c.size), target, c, f.open[target]); err != nil {
				return nil, err
			}
		}
		for _, target := range order {
			if target == direct { // nobody is compared with the upstream at saturation
				continue
			}
			if err := b.fullRound(ctx, b.newCaller(target, c.eager(target), c.size), target, c, f.full[target]); err != nil {
				return nil, err
			}
		}
	}
	return f, ctx.Err()
}

// warm makes the first calls, whose connections and caches are not what a round shall measure.
func (b *bench) warm(ctx context.Context, target string, c cell) error {
	for _, s := range []script{c.paced(target), c.eager(target)} {
		w := b.newCaller(target, s, c.size)
		closedLoop(ctx, c.clients, b.plan.length/8, func(begun time.Time) { w.call(ctx, begun) })
		b.note(target, &w.got)
		if w.got.calls == 0 {
			return fmt.Errorf("no call succeeded: %w", w.got.failure)
		}
	}
	return nil
}

func (b *bench) openRound(ctx context.Context, c *caller, target string, cell cell, f *loadFigures) error {
	return b.round(target, f, &c.got, func() float64 {
		f.late = append(f.late, openLoop(ctx, arrivals(cell.rate, b.plan.length), func(due time.Time) { c.call(ctx, due) })...)
		return b.plan.length.Seconds()
	})
}

func (b *bench) fullRound(ctx context.Context, c *caller, target string, cell cell, f *loadFigures) error {
	return b.round(target, f, &c.got, func() float64 {
		return closedLoop(ctx, cell.clients, b.plan.length, func(begun time.Time) { c.call(ctx, begun) }).Seconds()
	})
}

// round runs drive, which returns its seconds, and adds what got shows of it and the CPU that the target used.
func (b *bench) round(target string, f *loadFigures, got *observed, drive func() float64) error {
	pid := b.targets[target].pid()
	runtime.GC() // the driver's, so that it is not done on the target's time
	time.Sleep(b.plan.pause)
	before, err := cpuTime(pid)
	if err != nil {
		return err
	}
	f.seconds += drive()
	b.note(target, got)
	after, err := cpuTime(pid)
	if err != nil {
		return err
	}
	if n := got.calls + got.cut; n > 0 {
		f.cpu = append(f.cpu, micros(after-before)/float64(n))
	}
	f.add(got)
	return nil
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
