package oci

import (
	"bytes"
	"strings"

	"tollgate/internal/openai"
)

// artefact is the rest of an end mark that COHERE leaves at the end of a text when a stop sequence has fired; the
// finishReason is null then.
const artefact = "<|"

// withoutArtefact is the text of a whole answer, or of a stream's last event.
func (r *replyTo) withoutArtefact(p piece) openai.Text {
	if r.format != Cohere || !r.stops || !p.finished || p.finish != "" {
		return p.text
	}
	if text, found := strings.CutSuffix(p.text.String(), artefact); found {
		return openai.Quote(text)
	}
	return p.text
}

// withhold keeps back what may be the artefact, or its beginning, until the next event tells.
func (s *streamed) withhold(p *piece) {
	text := s.held + p.text.String()
	if text == "" {
		return
	}
	keep := 0
	switch {
	case strings.HasSuffix(text, artefact):
		keep = len(artefact)
	case strings.HasSuffix(text, artefact[:1]):
		keep = 1
	}
	if s.held == "" && keep == 0 {
		return // as it came
	}
	s.held = text[len(text)-keep:]
	p.text = openai.Quote(text[:len(text)-keep])
}

// release adds what was withheld to a piece's text.
func (s *streamed) release(p *piece) {
	if s.held != "" {
		p.text = openai.Quote(s.held + p.text.String())
		s.held = ""
	}
}

// dropRepeats takes out what COHERE says again: its event with tool calls and its last one hold the whole text, and the
// last one may hold the calls.
func (c *chunker) dropRepeats(s *streamed, p *piece) {
	// A null finishReason ends the stream too, unless all its events carry the key.
	if p.nullKey && s.told && !s.nullKeys {
		p.finished = true
	}
	s.nullKeys, s.told = s.nullKeys || (p.nullKey && !s.told), true
	switch {
	case p.finished:
		c.lastText(s, p)
	case len(p.calls) > 0:
		s.repeated(p)
	case c.stops:
		s.withhold(p)
	}
	if len(p.calls) > 0 {
		p.calls = p.calls[s.repeatedCalls(p.calls):]
	}
	if p.text != nil {
		s.whole = append(s.whole, p.text.String()...)
	}
}

// lastText leaves of the last event's text what has not been told.
func (c *chunker) lastText(s *streamed, p *piece) {
	p.text = c.withoutArtefact(*p)
	if p.finish == "" && s.held == artefact {
		s.held = ""
	}
	s.repeated(p)
}

// repeated takes what has been told out of a text that repeats it. A text that does not begin with all of it to the
// letter is dropped: it is the same answer, trimmed.
func (s *streamed) repeated(p *piece) {
	rest, extends := bytes.CutPrefix([]byte(p.text.String()), s.whole)
	switch {
	case len(s.whole)+len(s.held) == 0:
		return
	case p.text.Empty() || !extends:
		p.text = nil
		s.release(p)
	case len(rest) == 0:
		p.text = nil
	default:
		p.text, s.held = openai.Quote(string(rest)), ""
	}
}

// dropRepeatsV2 takes out what COHEREV2's last event says again, which may be everything.
func (s *streamed) dropRepeatsV2(p *piece) {
	if len(s.whole) > 0 && p.finished {
		if rest, extends := bytes.CutPrefix([]byte(p.text.String()), s.whole); extends {
			p.text, p.reasoning = nil, nil
			if len(rest) > 0 {
				p.text = openai.Quote(string(rest))
			}
		}
	}
	if p.text != nil {
		s.whole = append(s.whole, p.text.String()...)
	}
}

// repeatedCalls tells how many of an event's calls have come before. COHERE's have no ids: a list that begins as the
// calls so far do is that list again.
func (s *streamed) repeatedCalls(calls []wireCall) int {
	so := s.calls.calls
	if len(so) == 0 || so[0].name != calls[0].name || string(so[0].args) != string(calls[0].args.Inner()) {
		return 0
	}
	return min(len(so), len(calls))
}
