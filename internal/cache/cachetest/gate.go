package cachetest

import (
	"net"
	"sync"
	"testing"
)

// Gate stands before a server that takes long to stop and to start, and does in its place what the network does: connections
// are refused, cut, or nothing comes through. It is a Server.
type Gate struct {
	// Addr is where clients connect: host:port.
	Addr string

	t      testing.TB
	target string

	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]bool
	open     chan struct{} // closed while bytes pass
}

// NewGate opens a gate before the server at target. It is closed when the test ends.
func NewGate(t testing.TB, target string) *Gate {
	t.Helper()
	g := &Gate{t: t, target: target, Addr: "127.0.0.1:0", conns: map[net.Conn]bool{}, open: make(chan struct{})}
	close(g.open)
	g.Start()
	g.Addr = g.listener.Addr().String()
	t.Cleanup(g.Stop)
	return g
}

// Start lets clients connect.
func (g *Gate) Start() {
	g.t.Helper()
	l, err := net.Listen("tcp", g.Addr)
	if err != nil {
		g.t.Fatal(err)
	}
	g.mu.Lock()
	g.listener = l
	g.mu.Unlock()
	go g.accept(l)
}

// Stop refuses clients and cuts those that are connected.
func (g *Gate) Stop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	_ = g.listener.Close()
	for c := range g.conns {
		_ = c.Close()
	}
	clear(g.conns)
}

// Pause takes connections, and lets nothing through.
//
// A paused gate is resumed before it is stopped.
func (g *Gate) Pause() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.open = make(chan struct{})
}

// Resume lets everything through again, what has waited first.
func (g *Gate) Resume() {
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.open)
}

func (g *Gate) accept(l net.Listener) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		go g.connect(client)
	}
}

func (g *Gate) connect(client net.Conn) {
	server, err := net.Dial("tcp", g.target) //nolint:forbidigo,noctx // a test's own server
	if err != nil {
		_ = client.Close()
		return
	}
	g.mu.Lock()
	g.conns[client], g.conns[server] = true, true
	g.mu.Unlock()
	go g.copy(server, client)
	g.copy(client, server)
}

// copy passes bytes on while the gate is open, and closes both ends after the last.
func (g *Gate) copy(to, from net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		g.mu.Lock()
		open := g.open
		g.mu.Unlock()
		<-open
		if _, writeErr := to.Write(buffer[:n]); err != nil || writeErr != nil {
			_, _ = to.Close(), from.Close()
			g.mu.Lock()
			delete(g.conns, to)
			delete(g.conns, from)
			g.mu.Unlock()
			return
		}
	}
}

var _ Server = (*Gate)(nil)
