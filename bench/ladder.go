package main

import "time"

// cell is one line of the ladder: a kind of call, driven through every target at a constant rate and at saturation.
type cell struct {
	name string
	// upstream is what the gateway's deployment speaks; direct calls and the floor take the OpenAI shape, so that the
	// OCI cells show what translating and signing cost over a mere proxy.
	upstream string
	size     int     // of the request's body, in bytes
	chunks   int     // of a stream; 0 is an answer in one piece
	rate     float64 // calls per second of the open loop: about a quarter of what two cores can do
	clients  int     // calls under way at saturation
}

// streamInterval is the time between two chunks in the open loop: what a fast model gives. At saturation the upstream
// does not wait between chunks.
const streamInterval = 5 * time.Millisecond

// ladder is every cell.
var ladder = []cell{
	{"plain 1 kB", "openai", 1 << 10, 0, 500, 8},
	{"plain 32 kB", "openai", 32 << 10, 0, 400, 8},
	{"plain 400 kB", "openai", 400 << 10, 0, 100, 8},
	{"stream 1 kB", "openai", 1 << 10, 32, 50, 16},
	{"stream 32 kB", "openai", 32 << 10, 32, 50, 16},
	{"stream 400 kB", "openai", 400 << 10, 32, 40, 16},
	{"OCI generic 1 kB", "generic", 1 << 10, 0, 200, 8},
	{"OCI generic 32 kB", "generic", 32 << 10, 0, 150, 8},
	{"OCI generic 400 kB", "generic", 400 << 10, 0, 40, 8},
	{"OCI generic stream 1 kB", "generic", 1 << 10, 32, 50, 16},
	{"OCI cohere 1 kB", "cohere", 1 << 10, 0, 200, 8},
	{"OCI cohere stream 1 kB", "cohere", 1 << 10, 32, 50, 16},
}

// targets are who is driven, in this order and its reverse.
func (c *cell) targets() []string {
	if ociModels[c.upstream] != "" {
		return []string{direct, floor, gateway, shortKeyed}
	}
	return []string{direct, floor, gateway}
}

// paced is the script of the open loop by way of a target, eager that of saturation.
func (c *cell) paced(target string) script {
	s := c.eager(target)
	if c.chunks > 0 {
		s.interval = streamInterval
	}
	return s
}

func (c *cell) eager(target string) script {
	s := script{shape: "openai", chunks: c.chunks}
	if target == gateway || target == shortKeyed {
		s.shape, s.short = c.upstream, target == shortKeyed
	}
	return s
}

// liveName is the cell of many streams at once. It is driven in a way of its own (live.go).
const liveName = "live streams"

// plan is how long everything takes.
type plan struct {
	cells  []cell
	live   bool
	start  bool          // measure start-up and idle memory
	rounds int           // of each cell; the targets take turns in each
	length time.Duration // of the open loop and of saturation, per target and round
	pause  time.Duration // between two, for what is left of the one before

	streams      int           // live streams at once
	liveChunks   int           // of each
	liveInterval time.Duration // between them
}

// planOf chooses by the options. The full run takes five minutes or so, the quick one about one.
func planOf(o options) plan {
	p := plan{rounds: 4, length: 800 * time.Millisecond, pause: 30 * time.Millisecond, streams: 500, liveChunks: 40, liveInterval: 200 * time.Millisecond}
	if o.quick {
		p.rounds, p.length, p.liveChunks = 2, 320*time.Millisecond, 20
	}
	match := func(name string) bool { return o.only == nil || o.only.MatchString(name) }
	for _, c := range ladder {
		if match(c.name) {
			p.cells = append(p.cells, c)
		}
	}
	p.live, p.start = match(liveName), o.only == nil
	return p
}

// scripts are all that the gateway needs a deployment for.
func (p *plan) scripts() []script {
	seen := map[script]bool{}
	var list []script
	add := func(s script) {
		if !seen[s] {
			seen[s] = true
			list = append(list, s)
		}
	}
	add(script{shape: "openai"}) // the first call after the start
	for i := range p.cells {
		for _, target := range p.cells[i].targets() {
			if target == gateway || target == shortKeyed {
				add(p.cells[i].eager(target))
				add(p.cells[i].paced(target))
			}
		}
	}
	add(p.liveScript())
	return list
}

func (p *plan) liveScript() script {
	return script{shape: "openai", chunks: p.liveChunks, interval: p.liveInterval}
}
