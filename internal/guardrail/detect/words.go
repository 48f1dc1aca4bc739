package detect

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Words finds any of many words and phrases in one pass over a text (Aho and Corasick, 1975), however many there are. Case does
// not matter, nor how much white space stands between the words of a phrase, nor characters without width inside of them. It
// is immutable and safe for concurrent use.
type Words struct {
	class   [256]uint8 // of a byte of a folded text; 0 = in no word
	classes int
	rows    []uint32 // of the first states: the next state by class, marked
	states  []state  // in the order of their depth
	runes   []int    // the length of each word
	longest int
}

// state is the beginning of a word.
type state struct {
	edges []edge // sorted; of states without a row
	fail  uint32 // the longest other beginning that this one ends with
	words []int  // that end here, the longest first
	space bool   // it ends with a space, and stays where it is for more of them
}

type edge struct {
	class uint8
	to    uint32
}

// denseStates is how many states have a row of their own, the shortest beginnings first: there a search spends its time.
const denseStates = 4096

// NewWords compiles words. Those without a visible character find nothing. Words are told by their positions in the list.
func NewWords(list []string) *Words {
	w := &Words{classes: 1, runes: make([]int, len(list))}
	b := builder{w: w, edges: []map[uint8]uint32{{}}, ends: [][]int{nil}, space: []bool{false}}
	for i, text := range list {
		folded := Fold(text)
		if folded == "" {
			continue
		}
		w.runes[i] = utf8.RuneCountInString(folded)
		w.longest = max(w.longest, w.runes[i])
		b.add(folded, i)
	}
	b.finish()
	return w
}

// spare is how many characters more than a word has it may take: white space, and what has no width.
const spare = 16

// Overlap is how many characters must be seen again where a text is searched in pieces, 0 without words.
func (w *Words) Overlap() int {
	if w.longest == 0 {
		return 0
	}
	return w.longest + spare
}

// Find calls found with every occurrence of every word, in the order of their ends: its position in the list, and the bytes of
// the text that it takes. It stops when found returns false.
func (w *Words) Find(text string, found func(word, start, end int) bool) {
	if w.longest == 0 {
		return
	}
	var at uint32
	for i := 0; i < len(text); {
		c := text[i]
		if c < utf8.RuneSelf {
			i++
			if row := int(at) * w.classes; row < len(w.rows) { // step, which the compiler does not inline
				at = w.rows[row+int(w.class[c])]
			} else {
				at = w.step(at, w.class[c])
			}
		} else {
			r, size := utf8.DecodeRuneInString(text[i:])
			i += size
			if r = fold(r); r < 0 {
				continue
			}
			var buf [utf8.UTFMax]byte
			for _, c := range buf[:utf8.EncodeRune(buf[:], r)] {
				at = w.step(at&^ends, w.class[c])
			}
		}
		if at&ends == 0 {
			continue
		}
		at &^= ends
		for _, word := range w.states[at].words {
			if !found(word, w.start(text, i, w.runes[word]), i) {
				return
			}
		}
	}
}

// ends marks a state in which words end.
const ends = 1 << 31

// marked is a state with its mark.
func (w *Words) marked(at uint32) uint32 {
	if w.states[at].words != nil {
		return at | ends
	}
	return at
}

// step is the state behind a byte, marked.
func (w *Words) step(at uint32, class uint8) uint32 {
	for {
		if row := int(at) * w.classes; row < len(w.rows) {
			return w.rows[row+int(class)]
		}
		s := &w.states[at]
		if s.space && class == w.class[' '] {
			return w.marked(at)
		}
		if i, ok := slices.BinarySearchFunc(s.edges, class, func(e edge, c uint8) int { return int(e.class) - int(c) }); ok {
			return w.marked(s.edges[i].to)
		}
		at = s.fail
	}
}

// start is where a word of n characters begins that ends at end.
func (w *Words) start(text string, end, n int) int {
	blank := false // the character behind was white space
	for end > 0 {
		r, size := utf8.DecodeLastRuneInString(text[:end])
		r = fold(r)
		if space := r == ' '; r >= 0 && !(space && blank) {
			if n == 0 {
				break
			}
			n--
			blank = space
		} else if n == 0 {
			break
		}
		end -= size
	}
	return end
}

// builder makes the states of a Words.
type builder struct {
	w     *Words
	edges []map[uint8]uint32
	ends  [][]int
	space []bool
}

func (b *builder) add(folded string, word int) {
	var at uint32
	for i := range len(folded) {
		class := b.classOf(folded[i])
		next, ok := b.edges[at][class]
		if !ok {
			next = uint32(len(b.edges))
			b.edges[at][class] = next
			b.edges, b.ends, b.space = append(b.edges, map[uint8]uint32{}), append(b.ends, nil), append(b.space, folded[i] == ' ')
		}
		at = next
	}
	b.ends[at] = append(b.ends[at], word)
}

// classOf is the class of a byte, a new one where it has none. Upper case letters and white space share those of their folded forms.
func (b *builder) classOf(c byte) uint8 {
	if b.w.class[c] == 0 {
		b.w.class[c] = uint8(b.w.classes)
		b.w.classes++
		for other := range byte(utf8.RuneSelf) {
			if byte(fold(rune(other))) == c {
				b.w.class[other] = b.w.class[c]
			}
		}
	}
	return b.w.class[c]
}

// finish numbers the states by their depth and links them.
func (b *builder) finish() {
	w := b.w
	order, number := []uint32{0}, make([]uint32, len(b.edges))
	for i := 0; i < len(order); i++ {
		number[order[i]] = uint32(i)
		for _, class := range b.sorted(order[i]) {
			order = append(order, b.edges[order[i]][class])
		}
	}
	w.states = make([]state, len(order))
	for i, old := range order {
		s := &w.states[i]
		s.space = b.space[old]
		s.words = append(s.words, b.ends[old]...)
		for _, class := range b.sorted(old) {
			s.edges = append(s.edges, edge{class, number[b.edges[old][class]]})
		}
	}
	w.rows = make([]uint32, 0, min(len(order), denseStates)*w.classes)
	for i := range w.states {
		s := &w.states[i]
		for _, e := range s.edges {
			child := &w.states[e.to]
			if i > 0 {
				child.fail = w.step(s.fail, e.class) &^ ends
			}
			child.words = append(child.words, w.states[child.fail].words...)
		}
		if i < denseStates {
			b.row(uint32(i), s)
		}
	}
}

// row adds the row of a state; those of shorter beginnings are there.
func (b *builder) row(at uint32, s *state) {
	w := b.w
	row := make([]uint32, w.classes)
	if at > 0 {
		for class := range row {
			row[class] = w.step(s.fail, uint8(class))
		}
	}
	if s.space {
		row[w.class[' ']] = w.marked(at)
	}
	for _, e := range s.edges {
		row[e.class] = w.marked(e.to)
	}
	w.rows = append(w.rows, row...)
	s.edges = nil
}

func (b *builder) sorted(at uint32) []uint8 {
	list := make([]uint8, 0, len(b.edges[at]))
	for class := range b.edges[at] {
		list = append(list, class)
	}
	slices.Sort(list)
	return list
}

// Fold is a text as Words compares it: lower case, white space as one space, typographic quotes and dashes as those of a keyboard, and
// full-width letters as usual ones. Characters without width are left out, and white space at both ends.
func Fold(text string) string {
	var b strings.Builder
	blank := true
	for _, r := range text {
		r = fold(r)
		if r < 0 || r == ' ' && blank {
			continue
		}
		blank = r == ' '
		b.WriteRune(r)
	}
	return strings.TrimSuffix(b.String(), " ")
}

// fold is a character as Words compares it, -1 for one that it does not look at.
func fold(r rune) rune {
	switch {
	case r < utf8.RuneSelf:
		switch {
		case 'A' <= r && r <= 'Z':
			return r + 'a' - 'A'
		case r == '\t' || r == '\n' || r == '\r' || r == '\f' || r == '\v':
			return ' '
		}
		return r
	case invisible(r):
		return -1
	case unicode.IsSpace(r):
		return ' '
	case r == '\u2018' || r == '\u2019' || r == '\u02bc':
		return '\''
	case r == '\u201c' || r == '\u201d':
		return '"'
	case '\u2010' <= r && r <= '\u2015' || r == '\u2212':
		return '-'
	case '\uff01' <= r && r <= '\uff5e':
		return fold(r - '\uff01' + '!')
	}
	return unicode.ToLower(r)
}

// invisible reports whether a character has no width: joiners, direction marks, soft hyphens, tags, variation selectors.
func invisible(r rune) bool {
	switch {
	case r == '\u00ad' || r == '\u034f' || r == '\u061c' || r == '\u180e' || r == '\ufeff':
		return true
	case '\u200b' <= r && r <= '\u200f', '\u202a' <= r && r <= '\u202e', '\u2060' <= r && r <= '\u2064', '\u2066' <= r && r <= '\u206f':
		return true
	case '\ufe00' <= r && r <= '\ufe0f', '\U000e0000' <= r && r <= '\U000e007f':
		return true
	}
	return false
}

// Whole reports whether a piece of a text is not a part of a longer word: letters, digits and _ do not go on at its ends. Letters of
// scripts without spaces between words do not count.
func Whole(text string, start, end int) bool {
	first, _ := utf8.DecodeRuneInString(text[start:end])
	last, _ := utf8.DecodeLastRuneInString(text[start:end])
	return !(inWord(first) && wordBefore(text, start)) && !(inWord(last) && wordAfter(text, end))
}

func wordBefore(text string, at int) bool {
	for at > 0 {
		r, size := utf8.DecodeLastRuneInString(text[:at])
		if !invisible(r) {
			return inWord(r)
		}
		at -= size
	}
	return false
}

func wordAfter(text string, at int) bool {
	for at < len(text) {
		r, size := utf8.DecodeRuneInString(text[at:])
		if !invisible(r) {
			return inWord(r)
		}
		at += size
	}
	return false
}

// inWord reports whether a character is one of those that words consist of, where words stand apart.
func inWord(r rune) bool {
	if r < utf8.RuneSelf {
		return r == '_' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
	}
	return r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.Is(unicode.M, r)) && !unspaced(r)
}

// unspaced reports whether a letter belongs to a script that writes words without spaces between them.
func unspaced(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar, unicode.Tibetan)
}
