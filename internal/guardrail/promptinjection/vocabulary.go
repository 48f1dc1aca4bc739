package promptinjection

import (
	"maps"
	"math/bits"
	"slices"
)

// class is what a word may be in an attack.
type class uint16

const (
	leave    class = 1 << iota // ignore, disregard: what is done to instructions
	pass                       // bypass, override: what is done to much else too
	heed                       // follow, obey: the same behind a not
	negation                   // not, never, no
	subject                    // I, they: who tells what they do, and asks for nothing
	prior                      // previous, above
	every                      // all, any
	your                       // whose instructions
	rules                      // instructions, rules, prompt
	talk                       // messages, context: what else there may be before
	extract                    // reveal, repeat: what is done to a hidden prompt
	hidden                     // system, initial: which prompt
	prompt                     // prompt, instructions: of which there are hidden ones
	restart                    // start, begin
	anew                       // over, afresh
	filler                     // the, of, you, given
)

// entries are the words by class: English ones, and those of the same phrases in German, French, Spanish, Italian and Portuguese.
var entries = []struct {
	class class
	words string
}{
	{leave, "ignore ignoring disregard disregarding forget forgetting neglect overlook ignoriere ignorieren vergiss missachte ignorez ignorer oubliez oublie " +
		"ignora ignorad olvida olvide olvidad ignorare dimentica dimenticate ignorar esquece esqueça desconsidere"},
	{pass, "omit bypass skip override overrule discard abandon dismiss umgehe contourne omite salta"},
	{heed, "follow obey heed attention comply adhere listen befolge befolgen suivez suis sigas obedezcas seguire"},
	{negation, "not never no dont stop cease without nicht keine kein nie ne pas nunca non nao"},
	{subject | filler, "i we they he she people users ich wir sie je nous ils yo nosotros io noi eu nós"},
	{prior, "prior previous previously preceding above foregoing earlier original former vorherigen vorherige bisherigen bisherige obigen obige früheren " +
		"précédentes précédents precedente anterior anteriores previas previos precedenti antérieures"}, //nolint:misspell // Spanish
	{every, "all any every everything each whole entire alle allen alles sämtliche toutes tous todas todos todo tutte tutti tudo"},
	{your, "your youre deine deinen ihre ihren vos tes tus sus tue vostre suas"},
	{rules | prompt, "instructions instruction prompt prompts directive anweisungen anweisung instruktionen instrucciones istruzioni instruções consignes"},
	{rules, "rules guidelines directions directives commands constraints restrictions programming training orders policies safeguards guardrails told " +
		"regeln vorgaben befehle règles reglas regole regras"},
	{talk, "message messages context conversation nachrichten mensajes messaggi mensagens"},
	{extract, "reveal print repeat output display leak expose disclose show tell recite verrate zeige wiederhole révèle montre affiche revela muestra mostra rivela"},
	{prior | hidden, "initial"},
	{hidden, "hidden system secret internal preprompt confidential"},
	{restart, "start begin"},
	{anew, "over anew afresh scratch again"},
	{filler, "the a an of to in on from that which you have has had been were was are is be given about it and or me us please now with for this der die das den und von zu " +
		"les des le la las los el de del que lo as os gli delle word words by exactly verbatim"},
}

// vocabulary tells the classes of words, misspelt ones included.
type vocabulary struct {
	exact map[string]class
	fuzzy [maxWord + 1][]entry // by length
	like  float64
}

type entry struct {
	word    string
	letters uint32
	class   class
}

const (
	// leastFuzzy is the length from which on a word may be misspelt: shorter ones are too much alike.
	leastFuzzy = 6
	maxWord    = 20
)

func newVocabulary(like float64) *vocabulary {
	v := &vocabulary{exact: map[string]class{}, like: like}
	for _, e := range entries {
		for _, word := range fields(e.words) {
			v.exact[word] |= e.class
		}
	}
	for _, word := range slices.Sorted(maps.Keys(v.exact)) {
		c := v.exact[word]
		if len(word) >= leastFuzzy && len(word) <= maxWord && c&filler == 0 {
			v.fuzzy[len(word)] = append(v.fuzzy[len(word)], entry{word, letters(word), c})
		}
	}
	return v
}

// fields are the words of a list, as the reader gives them.
func fields(list string) (words []string) {
	r := reader{text: list}
	for r.next() {
		words = append(words, string(r.word))
	}
	return words
}

// memo is the classes of words of one text that are not spelt right, or are other words: most words come again.
type memo map[string]class

// mostMemo bounds a memo.
const mostMemo = 1024

// class is the class of a word, 0 for most.
func (v *vocabulary) class(word []byte, known memo) class {
	if c, ok := v.exact[string(word)]; ok {
		return c
	}
	if len(word) < leastFuzzy || len(word) > maxWord || v.like >= 1 {
		return 0
	}
	if c, ok := known[string(word)]; ok {
		return c
	}
	c := v.likely(word)
	if len(known) < mostMemo {
		known[string(word)] = c
	}
	return c
}

// likely is the class of the first word that a word is like enough.
func (v *vocabulary) likely(word []byte) class {
	seen := letters(string(word))
	for n := max(len(word)-2, leastFuzzy); n <= min(len(word)+2, maxWord); n++ {
		for i := range v.fuzzy[n] {
			e := &v.fuzzy[n][i]
			apart := bits.OnesCount32(seen ^ e.letters) // letters that only one of the two has
			if float64(apart) <= (1-v.like)*float64(len(word)+n) && ratio(string(word), e.word) >= v.like {
				return e.class
			}
		}
	}
	return 0
}

// letters is the set of a word's letters.
func letters(word string) (set uint32) {
	for i := range len(word) {
		if c := word[i] - 'a'; c < 26 {
			set |= 1 << c
		}
	}
	return set
}

// ratio is how alike two words are, as difflib counts it (Ratcliff and Obershelp, 1988): twice the letters that match, by all letters.
func ratio(a, b string) float64 {
	return 2 * float64(matching(a, b)) / float64(len(a)+len(b))
}

// matching counts the letters of the longest common piece, and of those to its left and to its right.
func matching(a, b string) int {
	at, bt, n := 0, 0, 0
	for i := range len(a) {
		for j := range len(b) {
			k := 0
			for i+k < len(a) && j+k < len(b) && a[i+k] == b[j+k] {
				k++
			}
			if k > n {
				at, bt, n = i, j, k
			}
		}
	}
	if n == 0 {
		return 0
	}
	return n + matching(a[:at], b[:bt]) + matching(a[at+n:], b[bt+n:])
}
