package otlp

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"tollgate/internal/callback"
	"tollgate/internal/record"
)

// IDs are the ids of an event's spans, in bytes as OTLP has them.
type IDs struct {
	Trace  []byte // 16
	Root   []byte // 8: the call's own span
	Parent []byte // the caller's span; nil without one
}

// Of takes the ids of a call's trace. A call that was not traced, because nobody was to be told when it came, has ids made of
// its own id: the same ones however often it is sent.
func Of(e *callback.Event) IDs {
	ids := IDs{Trace: span(e.Trace.ID, 16), Root: span(e.Trace.Span, 8), Parent: span(e.Trace.Parent, 8)}
	sum := sha256.Sum256([]byte(e.Payload.CallID + "\x00" + e.Payload.ID))
	if ids.Trace == nil {
		ids.Trace, ids.Parent = sum[:16:16], nil
	}
	if ids.Root == nil {
		ids.Root = sum[16:24:24]
	}
	return ids
}

// Child is the id of the n-th span of a kind below the call's: the step's own where it has one.
func (i IDs) Child(s *record.Step, kind string, n int) []byte {
	if s != nil {
		if id := span(s.Span, 8); id != nil {
			return id
		}
	}
	sum := sha256.Sum256(append(append([]byte{byte(n)}, i.Root...), kind...))
	return sum[:8]
}

// TraceID is the trace that a caller names: 32 hex digits, or a UUID, as they are, any other text by its hash.
func TraceID(text string) []byte {
	if id := span(strings.ToLower(strings.ReplaceAll(text, "-", "")), 16); id != nil {
		return id
	}
	sum := sha256.Sum256([]byte(text))
	return sum[:16]
}

// SpanID is the span that a caller names, as TraceID is the trace.
func SpanID(text string) []byte {
	if id := span(strings.ToLower(text), 8); id != nil {
		return id
	}
	sum := sha256.Sum256([]byte(text))
	return sum[:8]
}

// span decodes an id of n bytes; nil where it is none.
func span(text string, n int) []byte {
	if len(text) != 2*n {
		return nil
	}
	id, err := hex.DecodeString(text)
	if err != nil || strings.Trim(text, "0") == "" {
		return nil
	}
	return id
}
