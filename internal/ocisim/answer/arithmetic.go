package answer

import (
	"math/big"
	"regexp"
	"strconv"
	"strings"
)

// number matches an operand.
const number = `-?\d+(?:\.\d+)?`

var (
	expressionPattern = regexp.MustCompile(`(?i)` + number + `(?:\s*(?:\+|-|−|\*|/|÷|×|\bx\b|x|plus|minus|times|multiplied by|divided by|over)\s*` + number + `)+`)
	operandPattern    = regexp.MustCompile(`^` + number)
	numberPattern     = regexp.MustCompile(number)
	countPattern      = regexp.MustCompile(`(?i)\bcount\s+(?:from\s+)?(?:(\d{1,4})\s+)?(?:up\s+)?to\s+(\d{1,4})`)
)

// operators maps each spelling to its sign. The order matters: longer spellings are tried first.
var operators = []struct {
	spelling string
	sign     byte
}{
	{"multiplied by", '*'}, {"divided by", '/'}, {"plus", '+'}, {"minus", '-'}, {"times", '*'}, {"over", '/'},
	{"+", '+'}, {"-", '-'}, {"−", '-'}, {"*", '*'}, {"×", '*'}, {"x", '*'}, {"/", '/'}, {"÷", '/'},
}

// arithmetic answers a text that holds one expression of + - * / with its bare value.
func arithmetic(question string) (string, bool) {
	expression := expressionPattern.FindString(question)
	if expression == "" || looksLikeDate(expression) {
		return "", false
	}
	value, ok := evaluate(strings.ToLower(expression))
	if !ok {
		return "", false
	}
	return formatRat(value), true
}

// looksLikeDate keeps 2026-11-25 and 1/2/2026 from being subtracted and divided.
func looksLikeDate(expression string) bool {
	for _, sep := range []string{"-", "/"} {
		if parts := strings.Split(expression, sep); len(parts) == 3 && (len(parts[0]) == 4 || len(parts[2]) == 4) {
			return true
		}
	}
	return false
}

// evaluate computes a flat expression exactly, multiplication and division first.
func evaluate(expression string) (*big.Rat, bool) {
	sum, term, sign := new(big.Rat), (*big.Rat)(nil), byte('+')
	rest := expression
	for {
		rest = strings.TrimSpace(rest)
		digits := operandPattern.FindString(rest)
		operand, ok := new(big.Rat).SetString(digits)
		if !ok {
			return nil, false
		}
		rest = strings.TrimSpace(rest[len(digits):])
		switch sign {
		case '*':
			term.Mul(term, operand)
		case '/':
			if operand.Sign() == 0 {
				return nil, false
			}
			term.Quo(term, operand)
		default:
			if term != nil {
				sum.Add(sum, term)
			}
			if term = operand; sign == '-' {
				term.Neg(term)
			}
		}
		if rest == "" {
			return sum.Add(sum, term), true
		}
		if sign, rest, ok = cutOperator(rest); !ok {
			return nil, false
		}
	}
}

func cutOperator(text string) (sign byte, rest string, ok bool) {
	for _, op := range operators {
		if after, found := strings.CutPrefix(text, op.spelling); found {
			return op.sign, after, true
		}
	}
	return 0, text, false
}

func formatRat(r *big.Rat) string {
	if r.IsInt() {
		return r.Num().String()
	}
	return strings.TrimRight(r.FloatString(6), "0")
}

// count answers "count from 1 to 5" with 1, 2, 3, 4, 5.
func count(question string) (string, bool) {
	m := countPattern.FindStringSubmatch(question)
	if m == nil {
		return "", false
	}
	from := 1
	if m[1] != "" {
		from, _ = strconv.Atoi(m[1]) // the pattern lets only digits through
	}
	to, _ := strconv.Atoi(m[2])
	if to < from || to-from > 1000 {
		return "", false
	}
	numbers := make([]string, 0, to-from+1)
	for n := from; n <= to; n++ {
		numbers = append(numbers, strconv.Itoa(n))
	}
	return strings.Join(numbers, ", "), true
}
