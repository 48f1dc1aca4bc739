package ocisim

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

// errStreamOver ends a stream on purpose: a fault rule cut it, or the finish was withheld.
var errStreamOver = errors.New("stream ended by a fault rule")

// eventStream writes server-sent events as the service does: data lines only, padding of random length against
// eavesdroppers who measure sizes, events that straddle writes.
type eventStream struct {
	x      *exchange
	random *rand.Rand
	padded bool
	sent   int
}

// newStream starts a stream; nothing is written before the first event.
func (x *exchange) newStream(padded bool) *eventStream {
	return &eventStream{x: x, random: x.s.fork(), padded: padded}
}

// event sends v as one event that brings so many completion tokens.
func (e *eventStream) event(v any, tokens int) error { return e.send(v, tokens, false) }

// last sends the event that ends a stream without [DONE].
func (e *eventStream) last(v any) error { return e.send(v, 0, true) }

// done ends a stream with [DONE], unless a rule keeps it back.
func (e *eventStream) done() error {
	if e.x.rule.NoDone {
		e.complete()
		return nil
	}
	return e.raw([]byte("[DONE]"), 0, true)
}

func (e *eventStream) send(v any, tokens int, last bool) error {
	b, err := encode(v)
	if err != nil {
		return err
	}
	if e.padded {
		pad := strings.Repeat("a", 1+e.random.IntN(12))
		b = append(bytes.TrimSuffix(b, []byte("}")), `,"pad":"`+pad+`"}`...)
	}
	return e.raw(b, tokens, last)
}

// raw sends the text of one event after the faults and delays that are due before it.
func (e *eventStream) raw(data []byte, tokens int, last bool) error {
	if err := e.start(); err != nil {
		return err
	}
	if err := e.misbehave(); err != nil {
		return err
	}
	if e.sent > 0 {
		if err := e.x.wait(e.x.s.latency.Event + time.Duration(e.x.rule.Chunk)); err != nil {
			return err
		}
	}
	e.sent++
	e.x.count.CompletionTokens += tokens
	if last {
		e.complete()
	}
	line := append([]byte("data: "), data...)
	if e.random.Float64() < e.x.variants.SingleLF {
		return e.write(append(line, '\n'))
	}
	return e.write(append(line, "\n\n"...))
}

// complete counts the call, before its last event is on the wire.
func (e *eventStream) complete() {
	e.x.count.Calls = 1
	e.x.record()
}

func (e *eventStream) start() error {
	if e.x.status != 0 {
		return nil
	}
	h := e.x.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache")
	if e.x.rule.ContentType != "" {
		h.Set("Content-Type", e.x.rule.ContentType)
	}
	if e.x.offersZstd() {
		h.Set("Content-Encoding", "zstd")
	}
	e.x.status = http.StatusOK
	e.x.w.WriteHeader(http.StatusOK)
	if e.x.rule.Empty == "body" {
		return errStreamOver
	}
	return nil
}

// misbehave does what the rule wants before the next event.
func (e *eventStream) misbehave() error {
	rule := e.x.rule
	switch {
	case reached(rule.CutAfter, e.sent):
		e.x.brokeOff("stream cut")
		if rule.Abrupt {
			panic(http.ErrAbortHandler)
		}
		return errStreamOver
	case reached(rule.ErrorAfter, e.sent):
		e.x.brokeOff("error event")
		if err := e.write([]byte("data: " + e.errorEvent() + "\n\n")); err != nil {
			return err
		}
		return errStreamOver
	case rule.GarbageAfter != nil && e.sent == *rule.GarbageAfter:
		return e.write([]byte("data: {\"message\":{\"content\n\n"))
	}
	return nil
}

// errorEvent is the failure inside a stream, in the shape that the variant names.
func (e *eventStream) errorEvent() string {
	code, message := e.x.rule.Code, e.x.rule.Message
	if code == "" {
		code = "InternalServerError"
	}
	if message == "" {
		message = "The model failed while it was answering"
	}
	switch e.x.variants.MidStreamError {
	case "errorMessage":
		return fmt.Sprintf(`{"apiFormat":"COHERE","text":"","finishReason":"ERROR","errorMessage":%q}`, message)
	case "error":
		return fmt.Sprintf(`{"error":{"code":%q,"message":%q}}`, code, message)
	}
	return fmt.Sprintf(`{"code":%q,"message":%q}`, code, message)
}

// write flushes one event, in two pieces where the variant says so.
func (e *eventStream) write(b []byte) error {
	if e.x.offersZstd() {
		b = zstdFrame(b)
	}
	if len(b) > 2 && e.random.Float64() < e.x.variants.SplitWrites {
		cut := 1 + e.random.IntN(len(b)-1)
		if err := e.flush(b[:cut]); err != nil {
			return err
		}
		b = b[cut:]
	}
	return e.flush(b)
}

func (e *eventStream) flush(b []byte) error {
	if _, err := e.x.w.Write(b); err != nil {
		return err
	}
	return http.NewResponseController(e.x.w).Flush()
}

// settle turns the error that ended a stream on purpose into success: the caller has seen what it should.
func (e *eventStream) settle(err error) error {
	if errors.Is(err, errStreamOver) {
		if e.x.count.BrokenOff == 0 {
			e.x.brokeOff("stream without its end")
		}
		return nil
	}
	return err
}
