package post

import (
	"errors"
	"fmt"
	"sync"

	"tollgate/internal/callback"
)

// hopeless is how many events a backend refuses one by one, taking none, before it is taken to be set up wrongly.
const hopeless = 16

// Limits are what a backend takes in one body.
type Limits struct {
	Count int // events; 0 = any number
	Bytes int // of their texts and what separates them
}

// Batches sends a batch in bodies of as many events as the backend takes, in order. encode makes an event's text, nil for
// one that is not to be sent; an error of it, or a text that is too long, refuses the event. A body that the backend
// refuses is sent in halves until the event is found that it does not take.
//
// What was refused is told as a *callback.Rejected. Where something else goes wrong in the middle, a *callback.Partial
// tells how far it came. A backend that refuses everything has the whole batch wait.
func Batches(events []*callback.Event, encode func(*callback.Event) ([]byte, error), limits Limits, send func(texts [][]byte) error) error {
	var s sending
	var body [][]byte
	var places []int // of the events of body in the batch
	size := 0
	flush := func() error {
		err := s.halves(body, places, send)
		body, places, size = body[:0], places[:0], 0
		return err
	}
	for i, e := range events {
		text, err := encode(e)
		if err == nil && len(text) > limits.Bytes {
			err = fmt.Errorf("the event has %d bytes, more than the %d that are taken", len(text), limits.Bytes)
		}
		if err != nil {
			s.refuse(i, err)
			continue
		}
		if text == nil {
			continue
		}
		if len(body) > 0 && (len(body) == limits.Count || size+len(text)+1 > limits.Bytes) {
			if err := flush(); err != nil {
				return s.told(err)
			}
		}
		body, places, size = append(body, text), append(places, i), size+len(text)+1
	}
	if err := flush(); err != nil {
		return s.told(err)
	}
	s.done = len(events)
	return s.told(nil)
}

// Each sends the events of a batch one by one, so many at once, for backends that take no batches. It tells of what went
// wrong as Batches does; after a *callback.Partial those that were on their way at the same time are sent again.
func Each(events []*callback.Event, atOnce int, send func(*callback.Event) error) error {
	var s sending
	for len(events) > 0 {
		row := events[:min(atOnce, len(events))]
		events = events[len(row):]
		for _, err := range sendRow(row, send) {
			var refused *Refused
			switch {
			case err == nil:
				s.taken++
			case !errors.As(err, &refused):
				return s.told(err)
			default:
				if s.refuse(s.done, err); s.hopeless() {
					return s.told(err)
				}
			}
			s.done++
		}
	}
	return s.told(nil)
}

// sendRow sends events all at once and returns what has become of each.
func sendRow(row []*callback.Event, send func(*callback.Event) error) []error {
	fate := make([]error, len(row))
	if len(row) == 1 {
		fate[0] = send(row[0])
		return fate
	}
	var wg sync.WaitGroup
	for i, e := range row {
		wg.Go(func() { fate[i] = send(e) })
	}
	wg.Wait()
	return fate
}

// sending is a batch under way.
type sending struct {
	done    int // events from the front that are dealt with
	taken   int
	refused []int
	reason  error // the last one's
}

func (s *sending) refuse(place int, err error) {
	s.refused, s.reason = append(s.refused, place), err
}

// hopeless reports whether the backend takes nothing at all.
func (s *sending) hopeless() bool { return len(s.refused) >= hopeless && s.taken == 0 }

// halves sends a body, in halves where it is refused.
func (s *sending) halves(body [][]byte, places []int, send func([][]byte) error) error {
	if len(body) == 0 {
		return nil
	}
	err := send(body)
	var refused *Refused
	switch {
	case err == nil:
		s.taken += len(body)
		s.done = places[len(places)-1] + 1
		return nil
	case !errors.As(err, &refused):
		return err
	case len(body) == 1:
		s.done = places[0] + 1
		if s.refuse(places[0], err); s.hopeless() {
			return err
		}
		return nil
	}
	half := len(body) / 2
	if err := s.halves(body[:half], places[:half], send); err != nil {
		return err
	}
	return s.halves(body[half:], places[half:], send)
}

// told turns what has become of the events into what a callback says of it; err is what ended the sending early.
func (s *sending) told(err error) error {
	if s.hopeless() {
		return fmt.Errorf("the backend refuses every event: %w", s.reason)
	}
	var rejected *callback.Rejected
	for _, place := range s.refused {
		if err == nil || place < s.done { // else it is found again
			if rejected == nil {
				rejected = &callback.Rejected{Reason: s.reason}
			}
			rejected.Events = append(rejected.Events, place)
		}
	}
	switch {
	case err != nil:
		return &callback.Partial{Done: s.done, Rejected: rejected, Err: err}
	case rejected != nil:
		return rejected
	}
	return nil
}

// Array joins texts to a JSON array.
func Array(texts [][]byte) []byte {
	size := 2
	for _, t := range texts {
		size += len(t) + 1
	}
	out := append(make([]byte, 0, size), '[')
	for i, t := range texts {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, t...)
	}
	return append(out, ']')
}
