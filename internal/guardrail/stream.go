package guardrail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"tollgate/internal/content"
	"tollgate/internal/openai"
)

// This file guards an answer that is streamed.
//
// Where every guardrail of post_call is Windowed, each text of each choice goes through windows (window.go): what is proven
// clean is sent, a little later than it came. Where one is not, the whole answer is held back and judged when it has ended. The
// arguments of tool calls are always held until their choice has ended, since they must be JSON whatever is masked in them; no
// client can use half of them.
//
// A block before anything was sent is an error of the first Next, so that it can be told by the answer's status.

// Stream guards s, an answer of the run's call. It returns s itself where nothing has to be done. ctx is that of the call.
func (r *Run) Stream(ctx context.Context, s openai.Stream) openai.Stream {
	if !r.ChangesAnswer() {
		return s
	}
	g := &guarded{inner: s, r: r, ctx: ctx, choices: map[int]*choice{}}
	for _, u := range r.of(PostCall) {
		g.judged = true
		g.whole = g.whole || u.windowed == nil
	}
	return g
}

// maxWithheld bounds what of a streamed answer is held back, in bytes.
const maxWithheld = 16 << 20

// guarded is a stream behind guardrails.
type guarded struct {
	inner  openai.Stream
	r      *Run
	ctx    context.Context
	judged bool // by guardrails; else texts are only put back
	whole  bool // the answer is held back until it has ended

	queue   [][]byte // what may be sent; the first one is next
	said    bool     // something of substance was sent, or is in the queue
	sent    []byte   // what the last Next has returned
	held    [][]byte // all pieces, where the whole is held back
	size    int      // bytes of what is held
	choices map[int]*choice
	order   []int          // the choices in the order in which they came
	last    *content.Piece // a copy of the last piece, to make others like it
	err     error          // what Next returns when the queue is empty
}

// Meta implements openai.Stream.
func (g *guarded) Meta() openai.Meta { return g.inner.Meta() }

// Close implements openai.Stream.
func (g *guarded) Close() error { return g.inner.Close() }

// OnWait implements openai.Waiter, where the upstream's stream does.
func (g *guarded) OnWait(f func()) bool {
	w, ok := g.inner.(openai.Waiter)
	return ok && w.OnWait(f)
}

// Next implements openai.Stream. The beginning of an answer, which says nothing yet, is sent together with what it says first.
func (g *guarded) Next() (openai.Chunk, error) {
	for g.err == nil && (len(g.queue) == 0 || !g.said) {
		chunk, err := g.inner.Next()
		switch {
		case errors.Is(err, io.EOF):
			g.end()
		case err != nil:
			g.err = err
		default:
			if err := g.take(chunk); err != nil {
				g.fail(err)
			}
		}
	}
	if len(g.queue) == 0 || g.err != nil && !g.said && !errors.Is(g.err, io.EOF) {
		return openai.Chunk{}, g.err
	}
	g.sent, g.queue = g.queue[0], g.queue[1:]
	return openai.Chunk{Data: g.sent}, nil
}

// take works on one chunk of the upstream's.
func (g *guarded) take(chunk openai.Chunk) error {
	pieces, err := content.Pieces(g.r.surface, bytes.Clone(chunk.Data))
	if err != nil {
		return g.r.unjudged(PostCall, err)
	}
	for _, p := range pieces {
		g.last = p
		if g.whole {
			err = g.hold(&g.held, p.Data)
		} else {
			err = g.pass(p)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// hold keeps a piece.
func (g *guarded) hold(list *[][]byte, data []byte) error {
	if g.size += len(data); g.size > maxWithheld {
		return g.r.unjudged(PostCall, fmt.Errorf("the answer is longer than the %d MB that are held back at most", maxWithheld>>20))
	}
	*list = append(*list, data)
	return nil
}

// send puts a piece into the queue. substance tells whether it says anything.
func (g *guarded) send(data []byte, substance bool) {
	g.queue = append(g.queue, data)
	g.said = g.said || substance
}

// end judges what is left when the upstream has ended.
func (g *guarded) end() {
	var err error
	if g.whole {
		err = g.judgeWhole()
	} else {
		for _, index := range g.order {
			if err == nil {
				err = g.finish(g.choices[index], nil)
			}
		}
	}
	if err != nil {
		g.fail(err)
		return
	}
	g.err, g.said = io.EOF, true
}

// fail ends the stream: nothing that was held back is sent. A guardrail's own answer is sent in its place.
func (g *guarded) fail(err error) {
	_ = g.inner.Close() // an upstream that is not asked any further
	var instead *Answered
	if !errors.As(err, &instead) || g.last == nil {
		g.queue, g.err = nil, err
		return
	}
	if !g.said {
		g.queue = nil
	}
	text := content.Text{Field: "content"}
	if g.r.surface == openai.OpCompletion {
		text.Field = "text"
	}
	g.send(g.last.Saying(&text, instead.Text), true)
	for _, index := range g.indexes() {
		if c := g.choices[index]; c == nil || !c.finished {
			g.send(g.last.Ending(index, filtered), true)
		}
	}
	for _, data := range g.held { // of an answer that was held back, the usage is known
		if p, err := content.Pieces(g.r.surface, data); err == nil && p[0].Usage() {
			g.send(p[0].UsageOnly(), true)
		}
	}
	g.err = io.EOF
}

// indexes are the choices of the answer, the first one at least.
func (g *guarded) indexes() []int {
	if len(g.order) == 0 {
		return []int{0}
	}
	return g.order
}
