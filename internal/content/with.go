package content

import (
	"cmp"
	"fmt"
	"slices"

	"tollgate/internal/jsonscan"
)

// With returns the body with texts in place of its own, one for one. A text that is as it was stays as it was written, and so
// does everything else; but where the text of a choice has changed, its logprobs and its citations, which repeat the text,
// become null. The arguments of a tool call must stay JSON, else ErrArguments. Where nothing changes, the result is the body itself.
func (b *Body) With(texts []string) ([]byte, error) {
	if len(texts) != len(b.Texts) || len(b.places) != len(b.Texts) {
		return nil, fmt.Errorf("content: %d texts for a body with %d", len(texts), len(b.places))
	}
	edits, changed, grown := make([]edit, 0, 4), map[int]bool{}, 0
	for i, text := range texts {
		if text == b.Texts[i].Value {
			continue
		}
		e, err := b.replace(i, text)
		if err != nil {
			return nil, err
		}
		edits = append(edits, e)
		changed[b.places[i].owner] = true
		grown += len(e.text)
	}
	if len(edits) == 0 {
		return b.src, nil
	}
	return apply(b.src, append(edits, b.forgotten(changed)...), grown), nil
}

// forgotten are the edits that take away what repeats the texts of some choices.
func (b *Body) forgotten(of map[int]bool) []edit {
	var edits []edit
	for _, p := range b.again {
		if of[p.owner] {
			edits = append(edits, edit{p, []byte("null")})
		}
	}
	return edits
}

func (b *Body) replace(i int, text string) (edit, error) {
	p := b.places[i]
	if b.Texts[i].Kind == Arguments && !b.pieces && jsonscan.Valid([]byte(b.Texts[i].Value)) == nil && jsonscan.Valid([]byte(text)) != nil {
		return edit{}, ErrArguments
	}
	if p.object {
		return edit{p, []byte(text)}, nil
	}
	return edit{p, jsonscan.Text(text)}, nil
}

// edit puts text into a place.
type edit struct {
	place
	text []byte
}

// apply makes edits that do not overlap, in the order of their places.
func apply(src []byte, edits []edit, grown int) []byte {
	slices.SortFunc(edits, func(a, b edit) int { return cmp.Compare(a.start, b.start) })
	out := make([]byte, 0, len(src)+grown+4*len(edits))
	at := 0
	for _, e := range edits {
		out = append(append(out, src[at:e.start]...), e.text...)
		at = e.end
	}
	return append(out, src[at:]...)
}
