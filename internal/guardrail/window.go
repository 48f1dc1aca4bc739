package guardrail

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"tollgate/internal/content"
)

// stage is a part of the way of one text of a stream: it takes pieces, and gives back what is fit to be sent of all that it has
// taken so far. With final it gives back the rest.
type stage interface {
	feed(ctx context.Context, piece string, final bool) (string, error)
}

// window has one guardrail look at a text that is still being written, and lets go what is proven clean.
//
// A guardrail that looks behind an overlap of n characters finds everything that is at most n characters long. So what it has
// let pass and what ends n characters before the end of the text cannot become part of something later; that much is sent,
// and the rest is looked at again with the next piece. To the left of the piece it sees what was sent last, so that a word is
// not taken for one that begins where the piece does.
type window struct {
	r       *Run
	u       *unit
	text    content.Text // whose text it is; its Value is not used
	overlap int          // in characters
	stride  int          // a piece is looked at when it has grown by so many characters
	behind  []segment    // the end of what was sent
	held    string       // what was not sent yet
	fresh   int          // characters of held that were not looked at yet
	changed *bool        // set when something else is sent than came
}

// leastStride keeps guardrails from being asked for every token.
const leastStride = 32

func newWindow(r *Run, u *unit, t content.Text, changed *bool) *window {
	overlap := max(u.windowed.Overlap(), 1)
	return &window{r: r, u: u, text: t, overlap: overlap, stride: max(leastStride, overlap/2), changed: changed}
}

// feed implements stage.
func (w *window) feed(ctx context.Context, piece string, final bool) (string, error) {
	w.held += piece
	w.fresh += utf8.RuneCountInString(piece)
	if w.held == "" || !final && w.fresh < w.stride {
		return "", nil
	}
	w.fresh = 0
	if len(w.held) > maxWindow {
		return "", w.u.failure(fmt.Errorf("%d characters cannot be told apart from what it changes", len(w.held)))
	}
	v, err := w.look(ctx, w.held, final)
	if err != nil {
		return "", err
	}
	tail := lastRunes(w.held, w.overlap)
	switch cut := len(w.held) - tail; {
	case v.block != nil:
		return "", w.blocked(ctx, v.block, tail, final)
	case final:
		return w.send(v.text, "", v.findings), nil
	case v.text == w.held:
		return w.send(w.held[:cut], w.held[cut:], v.findings), nil
	case strings.HasSuffix(v.text, w.held[len(w.held)-lastRunes(w.held, 2*w.overlap):]):
		// What was changed ends before the tail, be it that the same stands at its end as before.
		return w.send(v.text[:len(v.text)-tail], w.held[cut:], v.findings), nil
	}
	return w.sendBefore(ctx, v.text, tail)
}

// blocked is the error of a text that the guardrail blocks, nil while that is not certain: "ass" may be the beginning of
// "assume". Then all of it is held until what was found stands before the tail, or the text has ended.
func (w *window) blocked(ctx context.Context, v *Verdict, tail int, final bool) error {
	if !final {
		cut := len(w.held) - tail
		if blank := strings.LastIndexAny(w.held[:cut], blanks); blank >= 0 {
			cut = blank
		} else if cut < maxHeld*tail {
			return nil
		}
		before, err := w.look(ctx, w.held[:cut], false)
		if err != nil || before.block == nil {
			return err
		}
		v = before.block
	}
	w.r.found(w.u, PostCall, v.Findings)
	return w.r.block(w.u, PostCall, v)
}

// sendBefore sends what stands before the first thing that was changed, since that may go on; or, where much is held, all up to
// a blank at which the text falls into two that are changed by themselves.
func (w *window) sendBefore(ctx context.Context, masked string, tail int) (string, error) {
	if len(w.held) > maxHeld*tail {
		if cut := strings.LastIndexAny(w.held[:len(w.held)-tail], blanks); cut > 0 {
			before, err := w.look(ctx, w.held[:cut], false)
			if err != nil {
				return "", err
			}
			if before.block == nil && strings.HasPrefix(masked, before.text) {
				return w.send(before.text, w.held[cut:], before.findings), nil
			}
		}
	}
	clean := commonPrefix(masked, w.held)
	clean -= lastRunes(w.held[:clean], w.overlap) // what is put in may begin as what it stands for
	return w.send(w.held[:clean], w.held[clean:], nil), nil
}

// blanks are where words end.
const blanks = " \n\t"

// maxWindow bounds what a window holds, in bytes.
const maxWindow = 1 << 20

// maxHeld is how many tails may be held before a cut is looked for.
const maxHeld = 8

// segment is a part of a text that was sent: as it was, and as it went out.
type segment struct{ was, sent string }

// send notes what goes out in the place of the beginning of held, and what stays.
func (w *window) send(text, rest string, findings []Finding) string {
	w.r.found(w.u, PostCall, findings)
	if was := w.held[:len(w.held)-len(rest)]; was != "" {
		*w.changed = *w.changed || was != text
		w.behind = append(w.behind, segment{strings.Clone(was), strings.Clone(text)})
		w.behind = w.behind[len(w.behind)-w.segments(2*w.overlap):]
	}
	w.held = strings.Clone(rest)
	return text
}

// segments is how many of the last segments have n characters, or of all of them.
func (w *window) segments(n int) int {
	for i := len(w.behind) - 1; i >= 0; i-- {
		if n -= utf8.RuneCountInString(w.behind[i].was); n <= 0 {
			return len(w.behind) - i
		}
	}
	return len(w.behind)
}

// context is what was sent last, at least n characters where there are so many: as it was, so that words end where they ended,
// and as it went out. It begins between words where it can.
func (w *window) context(n int) (c segment) {
	list := w.behind[len(w.behind)-w.segments(n):]
	for _, s := range list {
		c.was += s.was
		c.sent += s.sent
	}
	if len(list) == 0 || list[0].was != list[0].sent {
		return c
	}
	spare := min(len(c.was)-lastRunes(c.was, n), len(list[0].was))
	if blank := strings.LastIndexAny(c.was[:spare], blanks); blank > 0 {
		return segment{c.was[blank:], c.sent[blank:]}
	}
	return c
}

// view is what a guardrail makes of a text behind a context.
type view struct {
	text     string
	findings []Finding
	block    *Verdict // nil = the text passes
	apart    bool     // of the context it makes what it made of it before
}

// look is what the guardrail makes of a text behind what was sent before.
func (w *window) look(ctx context.Context, text string, final bool) (view, error) {
	v, err := w.ask(ctx, w.context(2*w.overlap), text, final)
	if err != nil || v.apart || len(w.behind) == 0 {
		return v, err
	}
	// It may take the beginning of the context, which stands in the middle of a text, for the beginning of something. That
	// passes with another beginning; what is in text does not.
	short := w.context(w.overlap)
	v, err = w.ask(ctx, short, text, final)
	if err != nil || v.apart || v.block != nil {
		return v, err
	}
	before, err := w.ask(ctx, segment{}, short.was, false)
	if err == nil && before.block == nil && before.text == short.sent {
		return v, w.r.cannotMask(w.u, PostCall, "cannot be masked any more, since a part of it was sent already")
	}
	return w.ask(ctx, segment{}, text, final)
}

// ask is what the guardrail makes of a text behind a context.
func (w *window) ask(ctx context.Context, c segment, text string, final bool) (view, error) {
	t := w.text
	t.Value = c.was + text
	in := &Input{
		Phase: PostCall, Content: &content.Body{Surface: w.r.surface, Texts: []content.Text{t}}, Request: w.r.request,
		Partial: !final, Call: w.r.call, Extra: w.u.extra, Language: w.u.language,
	}
	v, err := w.r.ask(ctx, w.u, in)
	switch {
	case err != nil:
		return view{}, err
	case v.Action == Block:
		return view{text: text, block: &v}, nil
	case v.Texts == nil:
		return view{text: text, findings: v.Findings, apart: c.was == c.sent}, nil
	}
	rest, apart := strings.CutPrefix(v.Texts[0], c.sent)
	return view{text: rest, findings: v.Findings, apart: apart}, nil
}

// restoring puts texts back into a text that is still being written. A stand-in that may just have begun is held back.
type restoring struct {
	r    *restorer
	kind content.Kind
	held string
	// changed is set when something else is sent than came.
	changed *bool
}

// feed implements stage.
func (s *restoring) feed(_ context.Context, piece string, final bool) (string, error) {
	s.held += piece
	keep := 0
	if !final {
		keep = s.r.begun(s.held)
	}
	out := s.r.text(s.kind, s.held[:len(s.held)-keep])
	*s.changed = *s.changed || out != s.held[:len(s.held)-keep]
	s.held = s.held[len(s.held)-keep:]
	return out, nil
}

// lastRunes is the length in bytes of the last n characters of s, or of all of it.
func lastRunes(s string, n int) int {
	at := len(s)
	for ; n > 0 && at > 0; n-- {
		_, size := utf8.DecodeLastRuneInString(s[:at])
		at -= size
	}
	return len(s) - at
}

// commonPrefix is the length in bytes of what a and b begin with, in whole characters.
func commonPrefix(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	for n > 0 && n < len(b) && !utf8.RuneStart(b[n]) {
		n--
	}
	return n
}
