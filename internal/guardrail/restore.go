package guardrail

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"tollgate/internal/content"
	"tollgate/internal/jsonscan"
)

// restorer puts texts back in the place of what pre_call has put there. A nil restorer changes nothing.
type restorer struct {
	texts     map[string]string // by what stands in their place
	plain     *strings.Replacer
	arguments *strings.Replacer // inside JSON text
	// conceal and concealArguments are the other way round.
	conceal, concealArguments *strings.Replacer
	holders                   []string // what stands in their place, in plain text and in JSON text
	firsts                    string   // what one of them begins with
	longest                   int      // of them, in bytes
}

// keep adds to what is put back into the answer.
func (r *Run) keep(texts map[string]string) {
	if len(texts) == 0 {
		return
	}
	all := maps.Clone(texts)
	if r.restore != nil {
		maps.Copy(all, r.restore.texts)
	}
	r.restore = newRestorer(all)
}

func newRestorer(texts map[string]string) *restorer {
	r := &restorer{texts: texts}
	var plain, arguments, conceal, concealArguments []string
	holders := slices.SortedFunc(maps.Keys(texts), longestFirst)
	for _, holder := range holders {
		text := texts[holder]
		if holder == "" || text == "" {
			continue
		}
		inJSON := string(inner(text))
		plain = append(plain, holder, text)
		arguments = append(arguments, holder, inJSON)
		r.holders = append(r.holders, holder)
		if escaped := escapeAngles(holder); escaped != holder { // as some encoders write < and >
			arguments = append(arguments, escaped, inJSON)
			r.holders = append(r.holders, escaped)
		}
	}
	for _, holder := range slices.SortedFunc(maps.Keys(texts), func(a, b string) int { return longestFirst(texts[a], texts[b]) }) {
		if holder != "" && texts[holder] != "" {
			conceal = append(conceal, texts[holder], holder)
			concealArguments = append(concealArguments, string(inner(texts[holder])), holder)
		}
	}
	for _, holder := range r.holders {
		r.longest = max(r.longest, len(holder))
		if first, _ := utf8.DecodeRuneInString(holder); !strings.ContainsRune(r.firsts, first) {
			r.firsts += string(first)
		}
	}
	r.plain, r.arguments = strings.NewReplacer(plain...), strings.NewReplacer(arguments...)
	r.conceal, r.concealArguments = strings.NewReplacer(conceal...), strings.NewReplacer(concealArguments...)
	return r
}

// longestFirst keeps <A_1> from being found in <A_1>0: the replacer takes the first that fits.
func longestFirst(a, b string) int {
	return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
}

// inner is the inside of a text as a JSON string.
func inner(text string) []byte {
	quoted := jsonscan.Text(text)
	return quoted[1 : len(quoted)-1]
}

func escapeAngles(s string) string {
	return strings.NewReplacer("<", `\u003c`, ">", `\u003e`).Replace(s)
}

// text puts texts back into one text of a kind.
func (r *restorer) text(kind content.Kind, text string) string {
	if r == nil {
		return text
	}
	if kind == content.Arguments {
		return r.arguments.Replace(text)
	}
	return r.plain.Replace(text)
}

// concealed is a text of a kind without what was put back into it.
func (r *restorer) concealed(kind content.Kind, text string) string {
	if kind == content.Arguments {
		return r.concealArguments.Replace(text)
	}
	return r.conceal.Replace(text)
}

// all puts texts back into all texts, in place, and reports whether that has changed any.
func (r *restorer) all(of []content.Text, texts []string) (changed bool) {
	if r == nil {
		return false
	}
	for i := range texts {
		if text := r.text(of[i].Kind, texts[i]); text != texts[i] {
			texts[i], changed = text, true
		}
	}
	return changed
}

// begun is the length of the end of text that may be the beginning of what stands for a text.
func (r *restorer) begun(text string) int {
	longest := 0
	if !strings.ContainsAny(text[max(0, len(text)-r.longest):], r.firsts) {
		return 0 // there may be very many of them
	}
	for _, holder := range r.holders {
		for n := min(len(holder)-1, len(text)); n > longest; n-- {
			if strings.HasSuffix(text, holder[:n]) {
				longest = n
				break
			}
		}
	}
	return longest
}
