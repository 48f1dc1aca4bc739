package promptinjection

import (
	"encoding/base64"
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"

	"tollgate/internal/guardrail/detect"
)

// reader reads the words of a text in small letters without accents, as a model reads them in spite of disguises: letters of other
// scripts that look like Latin ones, digits in the place of letters, characters without width, letters with blanks between them.
type reader struct {
	text string
	at   int
	word []byte // the last word; valid until the next
	ends bool   // a sentence has ended before it
	buf  [maxWord + 1]byte
}

// next reads the next word; false at the end.
func (r *reader) next() bool {
	r.ends = false
	if !r.skip() {
		return false
	}
	r.word = r.buf[:0]
	r.read()
	if len(r.word) == 1 {
		r.spaced()
	}
	for i := range r.word {
		if c := strings.IndexByte(digits, r.word[i]); c >= 0 && len(r.word) > 1 {
			r.word[i] = looks[c]
		}
	}
	return true
}

// digits look like letters in words.
const digits, looks = "013457@$", "oleastas"

// skip goes to the beginning of a word.
func (r *reader) skip() bool {
	for r.at < len(r.text) {
		c := r.text[r.at]
		if c < utf8.RuneSelf {
			if part(c) {
				return true
			}
			r.ends = r.ends || c == '.' || c == '!' || c == '?' || c == ';'
			r.at++
			continue
		}
		l, size := utf8.DecodeRuneInString(r.text[r.at:])
		if plain(l) != 0 {
			return true
		}
		r.at += size
	}
	return false
}

// read reads a word, of which the beginning is kept.
func (r *reader) read() {
	for r.at < len(r.text) {
		c := r.text[r.at]
		if c < utf8.RuneSelf {
			switch {
			case part(c):
				if c-'A' < 26 {
					c += 'a' - 'A'
				}
				r.keep(c)
			case c != '\'' && c != '*' && c != '`':
				return
			}
			r.at++
			continue
		}
		l, size := utf8.DecodeRuneInString(r.text[r.at:])
		switch p := plain(l); {
		case p != 0:
			r.keep(p)
		case l != '’' && detect.Fold(string(l)) != "": // what has no width is inside of the word
			return
		}
		r.at += size
	}
}

func (r *reader) keep(c byte) {
	if len(r.word) < cap(r.buf[:]) {
		r.word = append(r.word, c)
	}
}

// spaced goes on with the letters of a word that is written with something between all of them: "i g n o r e", "i-g-n-o-r-e".
func (r *reader) spaced() {
	for r.at+1 < len(r.text) {
		sep, c := r.text[r.at], r.text[r.at+1]
		if strings.IndexByte(" -_.*|", sep) < 0 || (c|0x20)-'a' >= 26 || r.at+2 < len(r.text) && part(r.text[r.at+2]) {
			return
		}
		r.keep(c | 0x20)
		r.at += 2
	}
}

// part reports whether a character belongs to words.
func part(c byte) bool { return (c|0x20)-'a' < 26 || c-'0' < 10 || c == '@' || c == '$' }

// lookalikes are letters of other scripts that look like Latin ones, and Latin ones with a stroke or an accent.
var lookalikes = func() map[rune]byte {
	m := map[rune]byte{}
	for _, l := range []struct{ latin, others string }{
		{"a", "аαàáâãäåāăą"}, {"b", "вƀ"}, {"c", "сςçćčĉ"}, {"d", "ԁďđ"}, {"e", "еєεèéêëēĕėęě"}, {"g", "ɡğģĝ"}, {"h", "һнĥ"}, {"i", "іιìíîïīĭįıi"},
		{"j", "јĵ"}, {"k", "кκķ"}, {"l", "ӏļľł"}, {"m", "м"}, {"n", "пñńņňη"}, {"o", "оοσòóôõöøōŏő"}, {"p", "рρ"}, {"q", "ԛ"}, {"r", "гŕřŗ"}, {"s", "ѕśşšŝ"},
		{"t", "тτţťŧ"}, {"u", "υùúûüūŭůűų"}, {"v", "ѵν"}, {"w", "ԝŵ"}, {"x", "хχ"}, {"y", "уγýÿŷ"}, {"z", "źżž"},
	} {
		for _, r := range l.others {
			m[r] = l.latin[0]
		}
	}
	return m
}()

// plain is the Latin letter that a character is or looks like, 0 for none.
func plain(r rune) byte {
	switch {
	case '\uff01' <= r && r <= '\uff5e': // full width
		if c := byte(r - '\uff01' + '!'); part(c) {
			return byte(unicode.ToLower(rune(c)))
		}
		return 0
	case '\U0001d400' <= r && r <= '\U0001d6a3': // mathematical alphabets
		return 'a' + byte((r-'\U0001d400')%26)
	}
	return lookalikes[unicode.ToLower(r)]
}

const (
	leastEncoded = 24 // letters, which hold three words
	mostEncoded  = 64 // pieces of one text
)

// encoded are the texts that are written in Base64 inside of a text.
func encoded(text string) iter.Seq[string] {
	return func(yield func(string) bool) {
		tried := 0
		for at := 0; at < len(text) && tried < mostEncoded; {
			if !digit64(text[at]) {
				at++
				continue
			}
			end := at
			for end < len(text) && digit64(text[end]) {
				end++
			}
			if end-at >= leastEncoded {
				if plain := decoded(text[at:end]); plain != "" {
					tried++
					if !yield(plain) {
						return
					}
				}
			}
			at = end
		}
	}
}

func digit64(c byte) bool {
	return (c|0x20)-'a' < 26 || c-'0' < 10 || c == '+' || c == '/' || c == '-' || c == '_'
}

// decoded is what a piece of Base64 stands for, "" where that is no text of words.
func decoded(piece string) string {
	piece = strings.NewReplacer("-", "+", "_", "/").Replace(piece)
	if len(piece)%4 == 1 {
		piece = piece[:len(piece)-1]
	}
	out, err := base64.RawStdEncoding.DecodeString(piece)
	if err != nil || !utf8.Valid(out) {
		return ""
	}
	blanks := 0
	for _, r := range string(out) {
		if r == ' ' {
			blanks++
		} else if !unicode.IsPrint(r) && r != '\n' && r != '\t' {
			return ""
		}
	}
	if blanks < 2 {
		return ""
	}
	return string(out)
}
