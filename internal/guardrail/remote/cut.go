package remote

import "unicode/utf8"

// Piece is a part of a text that is judged by itself.
type Piece struct {
	At   int // characters before it
	Text string
}

// Cut cuts a text into pieces whose cost is limit at most, as a sum over their characters; a single character may cost more.
// Neighbours overlap by overlap characters, or by half a piece where that is less, so that what lies across a border is seen
// whole. A text that fits is one piece.
func Cut(text string, limit, overlap int, cost func(r rune) int) []Piece {
	var out []Piece
	start, at := 0, 0 // bytes and characters before the piece
	for {
		end, chars, sum := start, 0, 0
		for end < len(text) {
			r, size := utf8.DecodeRuneInString(text[end:])
			if sum += cost(r); sum > limit && chars > 0 {
				break
			}
			end += size
			chars++
		}
		out = append(out, Piece{at, text[start:end]})
		if end >= len(text) {
			return out
		}
		back := min(overlap, chars/2)
		at += chars - back
		for start = end; back > 0; back-- {
			_, size := utf8.DecodeLastRuneInString(text[:start])
			start -= size
		}
	}
}

// Characters is the cost of limits that count characters.
func Characters(rune) int { return 1 }

// JSONBytes is the cost of limits on the bytes of a JSON body, with every character escaped that Python would escape.
func JSONBytes(r rune) int {
	switch {
	case r == '"' || r == '\\' || r == '\n' || r == '\r' || r == '\t' || r == '\b' || r == '\f':
		return 2
	case r < 0x20 || r >= 0x7f && r <= 0xffff:
		return 6
	case r > 0xffff:
		return 12
	}
	return 1
}
