package detect

import "strings"

// literals finds many short literals in one pass: a table says of each pair of bytes whether a literal may begin there.
type literals struct {
	pairs   [1 << 16]uint16 // the list of literals that begin with it; 0 = none
	lists   [][]literal
	singles []literal // of one byte
	any     bool
}

type literal struct {
	text string
	fold bool
	rule *rule
}

func (l *literals) add(text string, r *rule) {
	e := literal{text, r.Fold, r}
	if len(text) == 1 {
		l.singles = append(l.singles, e)
		return
	}
	l.any = true
	if l.lists == nil {
		l.lists = [][]literal{nil}
	}
	first, second := []byte{text[0]}, []byte{text[1]}
	if r.Fold {
		first, second = cases(text[0]), cases(text[1])
	}
	for _, a := range first {
		for _, b := range second {
			key := uint16(a)<<8 | uint16(b)
			if l.pairs[key] == 0 {
				l.pairs[key] = uint16(len(l.lists))
				l.lists = append(l.lists, nil)
			}
			list := &l.lists[l.pairs[key]]
			*list = append(*list, e)
		}
	}
}

func cases(c byte) []byte {
	if c-'a' < 26 {
		return []byte{c, c - 'a' + 'A'}
	}
	return []byte{c}
}

// scan adds the matches of all rules with literals.
func (l *literals) scan(text string, found []Match) []Match {
	for _, e := range l.singles {
		end := 0 // of the last match: what is inside was found
		for at := 0; ; at++ {
			i := strings.IndexByte(text[at:], e.text[0])
			if i < 0 {
				break
			}
			if at += i; at < end {
				continue
			}
			n := len(found)
			if found = e.rule.at(text, at, found); len(found) > n {
				end = found[n].End
			}
		}
	}
	if !l.any || len(text) < 2 {
		return found
	}
	ends := map[*rule]int{} // of the last match of each: what is inside was found, and to look again would take quadratic time
	pair := uint16(text[0])
	for i := 1; i < len(text); i++ {
		pair = pair<<8 | uint16(text[i])
		if l.pairs[pair] == 0 {
			continue
		}
		list := l.lists[l.pairs[pair]]
		for j := range list {
			r := list[j].rule
			if !list[j].stands(text[i-1:]) || i-1 < ends[r] {
				continue
			}
			n := len(found)
			if found = r.at(text, i-1, found); len(found) > n {
				ends[r] = found[n].End
			}
		}
	}
	return found
}

// stands reports whether a text that begins with the literal's first two bytes begins with the literal.
func (e *literal) stands(text string) bool {
	if len(text) < len(e.text) {
		return false
	}
	for i := 2; i < len(e.text); i++ {
		c := text[i]
		if e.fold && c-'A' < 26 {
			c += 'a' - 'A'
		}
		if c != e.text[i] {
			return false
		}
	}
	return true
}
