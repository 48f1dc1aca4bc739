// Package sse reads and writes server-sent events, the frames in which models stream their answers.
//
// The Reader is pulled: one call of Next, one event, nothing read ahead of what the source has already given. Two
// framings exist, because upstreams disagree: NewReader follows the WHATWG specification (a blank line ends an event,
// its data lines are joined by a line feed); NewLineReader takes every complete data line for an event of its own, as
// OCI Generative AI needs, which separates some of its events by a single line feed only.
//
// Neither Reader nor Writer is safe for concurrent use.
package sse

import (
	"fmt"
	"time"
)

// DefaultMaxEventBytes bounds one event where the caller names no bound. It is far above what a chat chunk needs and
// leaves room for an image or an audio clip inside one event.
const DefaultMaxEventBytes = 16 << 20

// Event is one event of a stream.
type Event struct {
	// Name is the value of the event field, "" when the stream gave none.
	Name string
	// Data is the payload, or the text of a comment. It points into the Reader's buffer and is valid until the next
	// call of Next.
	Data []byte
	// ID is the value of the last id field seen so far on this stream.
	ID string
	// Retry is the reconnection time that the stream asked for since the event before, 0 when it asked for none.
	Retry time.Duration
	// Comment says that this is a comment line (": ping"), which servers send to keep a connection open. Only a Reader
	// whose KeepComments is set returns these.
	Comment bool
	// Truncated says that the source ended before the framing closed this event: in the specification's framing no
	// blank line followed, in line framing the line had no end. Its Data may be cut short. Many servers leave out the
	// last line feed after [DONE], so this alone is not an error.
	Truncated bool
}

// TooLongError says that an event, or one line of it, passed the Reader's bound. The stream cannot be read further.
type TooLongError struct {
	// Limit is the bound in bytes.
	Limit int
}

func (e *TooLongError) Error() string {
	return fmt.Sprintf("sse: event is longer than %d bytes", e.Limit)
}
