package sse

import (
	"bytes"
	"fmt"
	"net/http"
)

// Writer writes events to an HTTP response, each with one Write and one Flush, so that no event waits for the next.
// One buffer is reused for all of them.
type Writer struct {
	// Collect leaves the flush behind Data and Event to the caller, who must call Flush before it waits for anything.
	Collect bool

	w   http.ResponseWriter
	ctl *http.ResponseController
	buf []byte
}

// NewWriter returns a Writer onto w. It sends nothing: the caller sets the headers (SetHeaders) and the status.
func NewWriter(w http.ResponseWriter) *Writer {
	return &Writer{w: w, ctl: http.NewResponseController(w)}
}

// SetHeaders sets the response headers of an event stream: its type, no caching, and the one that stops nginx from
// collecting the events.
func SetHeaders(h http.Header) {
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-cache")
	h.Set("X-Accel-Buffering", "no")
}

// Data writes an event without a name. Line ends inside data are written as further data lines, so that data cannot
// end the event. An error means that the caller of the gateway is gone or that the response cannot be flushed.
func (w *Writer) Data(data []byte) error {
	w.buf = append(appendLines(w.buf[:0], "data: ", data), '\n')
	return w.send(!w.Collect)
}

// Comment writes a comment, which clients skip: it keeps the connection open while the model is silent.
func (w *Writer) Comment(text string) error {
	w.buf = append(appendLines(w.buf[:0], ": ", []byte(text)), '\n')
	return w.send(true)
}

// Done writes the event that ends an OpenAI stream.
func (w *Writer) Done() error {
	w.buf = append(w.buf[:0], "data: [DONE]\n\n"...)
	return w.send(true)
}

// send hands the buffer to the response.
func (w *Writer) send(flush bool) error {
	if _, err := w.w.Write(w.buf); err != nil {
		return fmt.Errorf("sse: write: %w", err)
	}
	if !flush {
		return nil
	}
	return w.Flush()
}

// Flush sends what has been collected.
func (w *Writer) Flush() error {
	if err := w.ctl.Flush(); err != nil {
		return fmt.Errorf("sse: flush: %w", err)
	}
	return nil
}

// appendLines appends text with prefix before each of its lines; LF, CRLF and CR end a line.
func appendLines(dst []byte, prefix string, text []byte) []byte {
	for {
		i := lineEnd(text)
		dst = append(dst, prefix...)
		if i < 0 {
			dst = append(dst, text...)
			return append(dst, '\n')
		}
		dst = append(dst, text[:i]...)
		dst = append(dst, '\n')
		if bytes.HasPrefix(text[i:], []byte("\r\n")) {
			i++
		}
		text = text[i+1:]
	}
}
