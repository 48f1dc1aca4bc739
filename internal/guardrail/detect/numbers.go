package detect

// numbers adds the matches of all rules that begin where a word does and have so many digits.
func (s *Scanner) numbers(text string, found []Match) []Match {
	done := 0 // words before it were looked at
	for i := 0; i < len(text); i++ {
		if !isDigit(text[i]) {
			continue
		}
		start := i
		for start > done && isAlnum(text[start-1]) {
			start--
		}
		if isUUID(text[start:]) {
			i = start + uuidLength - 1
			done = start + uuidLength
			continue
		}
		digits := count(text, start)
		if digits >= s.fewest {
			found = s.word(text, start, digits, found)
			if before := lead(text, start, done); before < start {
				found = s.word(text, before, digits, found)
			}
		}
		end := i
		for ; end < len(text) && isAlnum(text[end]); end++ {
		}
		i, done = end, end
	}
	return found
}

// reach is how far digits are counted, in bytes.
const reach = 64

// count counts the digits from the beginning of a word on, in groups with one character between them, as numbers are written.
func count(text string, start int) (digits int) {
	limit := min(start+reach, len(text))
	for end := start; end < limit; end++ {
		switch c := text[end]; {
		case isDigit(c):
			digits++
		case isAlnum(c):
		case c == ' ' || c == '-' || c == '.' || c == '/' || c == '(' || c == ')' || c == '+':
		default:
			return digits
		}
	}
	return digits
}

// lead is where something begins whose first group has no digits, or where a sign stands before it: "AB 12 34 56 C", "(415) ...",
// "+49 30 ...". start where there is none.
func lead(text string, start, done int) int {
	at := start
	for at > done && (text[at-1] == '(' || text[at-1] == '+') {
		at--
	}
	if at < start {
		return at
	}
	if at-1 < done || at < 1 || text[at-1] != ' ' {
		return start
	}
	from := at - 1
	for from > done && at-1-from < 3 && isUpper(text[from-1]) {
		from--
	}
	if from == at-1 {
		return start
	}
	return from
}

// word adds the matches that begin at start.
func (s *Scanner) word(text string, start, digits int, found []Match) []Match {
	if start > 1 && isDigit(text[start-2]) && (text[start-1] == '-' || text[start-1] == '.') {
		return found // inside of a longer number, a version, a date
	}
	letter := (text[start]|0x20)-'a' < 26
	for _, r := range s.digits {
		if r.Digits > digits || r.Letter && !letter {
			continue
		}
		if r.Find != nil {
			if from, end, ok := r.Find(text, start); ok {
				if m, ok := r.accept(text, from, end); ok && !goesOn(text, end) {
					found = append(found, m)
				}
			}
			continue
		}
		until := min(start+r.Longest, len(text))
		if loc := r.pattern.FindStringSubmatchIndex(text[start:until]); loc != nil {
			if m, ok := r.match(text, start, loc); ok && !goesOn(text, m.End) {
				found = append(found, m)
			}
		}
	}
	return found
}

// goesOn reports whether a number goes on behind end.
func goesOn(text string, end int) bool {
	return end+1 < len(text) && (text[end] == '-' || text[end] == '.') && isDigit(text[end+1])
}

const uuidLength = 36

// isUUID reports whether a text begins with one.
func isUUID(text string) bool {
	if len(text) < uuidLength {
		return false
	}
	for i := range uuidLength {
		switch c := text[i]; i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		default:
			if !isHex(c) {
				return false
			}
		}
	}
	return true
}

func isHex(c byte) bool { return isDigit(c) || (c|0x20)-'a' < 6 }
