package answer

import "unicode"

// pieceLength is the longest run of letters that counts as one token. Real tokenisers average about four characters
// a token over English text, blanks included; common words up to this length are single tokens for them.
const pieceLength = 6

// Pieces cuts a text into the simulator's tokens. Joined again they are the text, byte for byte; a blank belongs to the
// word after it, as in the tokenisers of the real models.
func Pieces(text string) []string {
	var pieces []string
	start, length, kind := 0, 0, 0
	cut := func(at int) {
		if at > start {
			pieces = append(pieces, text[start:at])
			start, length = at, 0
		}
	}
	for i, r := range text {
		switch k := kindOf(r); {
		case k == blank:
			if kind != blank {
				cut(i)
			}
			kind = blank
		case kind == blank: // the word that the blanks belong to begins
			kind, length = k, 1
		case k != kind || k == mark || length >= pieceLength:
			cut(i)
			kind, length = k, 1
		default:
			length++
		}
	}
	cut(len(text))
	return pieces
}

// Count returns how many tokens a text has.
func Count(text string) int { return len(Pieces(text)) }

const (
	letter = iota + 1
	digit
	mark
	blank
)

func kindOf(r rune) int {
	switch {
	case unicode.IsSpace(r):
		return blank
	case unicode.IsLetter(r) || unicode.IsMark(r):
		return letter
	case unicode.IsDigit(r):
		return digit
	}
	return mark
}
