package gateway

import (
	"errors"
	"io"

	"tollgate/internal/content"
	"tollgate/internal/openai"
)

// recorder makes an answer in one piece out of an upstream's stream while it passes, for the cache.
type recorder struct {
	*meter
	assembler *content.Assembler // nil once the answer is too long, or is none
	most      int                // bytes
	whole     bool               // the stream has ended as it should
}

// recorded is the upstream's stream, with a recorder in it where the cache may keep the answer.
func (q *request) recorded(m *meter) openai.Stream {
	if q.cached.plan == nil {
		return m
	}
	q.cached.recorder = &recorder{meter: m, assembler: content.NewAssembler(q.op), most: q.snap.Cache.LargestItem()}
	return q.cached.recorder
}

// Next implements openai.Stream.
func (r *recorder) Next() (openai.Chunk, error) {
	chunk, err := r.meter.Next()
	switch {
	case errors.Is(err, io.EOF):
		r.whole = !r.cut
	case err == nil && r.assembler != nil:
		if r.assembler.Add(chunk.Data) != nil || r.assembler.Held() > r.most {
			r.assembler = nil
		}
	}
	return chunk, err
}

// reply is the whole answer; nil where there is none.
func (r *recorder) reply() []byte {
	if !r.whole || r.assembler == nil || r.assembler.Empty() {
		return nil
	}
	return r.assembler.Reply()
}
