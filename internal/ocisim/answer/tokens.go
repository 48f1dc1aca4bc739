package answer

import (
	"iter"
	"unicode"
)

// pieceLength is the longest run of letters that counts as one token. Real tokenisers average about four characters
// a token over English text, blanks included; common words up to this length are single tokens for them.
const pieceLength = 6

// Pieces cuts a text into the simulator's tokens. Joined again they are the text, byte for byte; a blank belongs to the
// word after it, as in the tokenisers of the real models.
func Pieces(text string) []string {
	var pieces []string
	for piece := range each(text) {
		pieces = append(pieces, piece)
	}
	return pieces
}

// Count returns how many tokens a text has.
func Count(text string) int {
	n := 0
	for range each(text) {
		n++
	}
	return n
}

func each(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		start, length, kind := 0, 0, 0
		for i, r := range text {
			k := kindOf(r)
			if kind == blank && k != blank { // the word that the blanks belong to begins
				kind, length = k, 1
				continue
			}
			goesOn := k == kind && k != mark && (k == blank || length < pieceLength)
			if !goesOn {
				if i > start && !yield(text[start:i]) {
					return
				}
				start, length, kind = i, 0, k
			}
			length++
		}
		if start < len(text) {
			yield(text[start:])
		}
	}
}

const (
	letter = iota + 1
	digit
	mark
	blank
)

func kindOf(r rune) int {
	switch {
	case 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z':
		return letter
	case unicode.IsSpace(r):
		return blank
	case unicode.IsLetter(r) || unicode.IsMark(r):
		return letter
	case unicode.IsDigit(r):
		return digit
	}
	return mark
}
