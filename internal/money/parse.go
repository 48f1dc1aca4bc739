package money

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Errors of Parse and ParseRounded beside ErrOverflow.
var (
	// ErrSyntax says that the text is not a decimal number.
	ErrSyntax = errors.New("money: not a decimal number")
	// ErrTooFine says that the text has digits below a picodollar.
	ErrTooFine = errors.New("money: finer than a picodollar (1e-12)")
)

// Parse reads decimal text, with or without a sign, a point and an exponent: "0.25", "1.5e-06", "-3", ".5". It is
// exact: digits below a picodollar other than zeros are ErrTooFine. Infinities, hexadecimal, underscores and blanks
// are ErrSyntax. Errors quote the text.
func Parse(s string) (USD, error) {
	d, err := scan(s)
	if err != nil {
		return 0, err
	}
	return d.usd(s, false)
}

// ParseRounded reads what Parse reads and rounds to the nearest picodollar, half to even. It is for numbers that have
// been through somebody's floating point ("1.5000000000000002e-06"). An amount other than zero never becomes zero, for
// a zero price would mean free of charge: it becomes one picodollar.
func ParseRounded(s string) (USD, error) {
	d, err := scan(s)
	if err != nil {
		return 0, err
	}
	return d.usd(s, true)
}

// decimal is a scanned number: digits times ten to the power exp. digits has no zeros at either end; zero is no digits.
type decimal struct {
	negative bool
	digits   string
	exp      int
}

// maxExp bounds exponents, far outside the range of USD, so that sums of exponents cannot overflow.
const maxExp = 1 << 30

// scan splits decimal text into digits and exponent.
func scan(s string) (decimal, error) {
	bad := fmt.Errorf("%w: %q", ErrSyntax, shorten(s))
	unsigned := trimSign(s)
	d := decimal{negative: s != "" && s[0] == '-'}
	mantissa := unsigned
	if i := strings.IndexAny(unsigned, "eE"); i >= 0 {
		mantissa = unsigned[:i]
		exponent := unsigned[i+1:]
		if !isDigits(trimSign(exponent)) {
			return decimal{}, bad
		}
		e, err := strconv.Atoi(exponent)
		if err != nil { // out of int: only its sign still matters
			e = maxExp
			if exponent[0] == '-' {
				e = -maxExp
			}
		}
		d.exp = max(-maxExp, min(e, maxExp))
	}
	whole, frac, _ := strings.Cut(mantissa, ".")
	digits := whole + frac
	if !isDigits(digits) {
		return decimal{}, bad
	}
	d.exp -= len(frac)
	digits = strings.TrimLeft(digits, "0")
	trimmed := strings.TrimRight(digits, "0")
	d.exp += len(digits) - len(trimmed)
	d.digits = trimmed
	return d, nil
}

// usd turns the number into picodollars.
func (d decimal) usd(text string, round bool) (USD, error) {
	if d.digits == "" {
		return 0, nil
	}
	shift := d.exp + 12 // digits times ten to the power shift are picodollars
	keep := len(d.digits) + min(shift, 0)
	if len(d.digits)+shift > 19 {
		return 0, fmt.Errorf("%w: %q", ErrOverflow, shorten(text))
	}
	up := uint64(0)
	kept := d.digits
	if shift < 0 {
		if !round {
			return 0, fmt.Errorf("%w: %q", ErrTooFine, shorten(text))
		}
		kept = d.digits[:max(keep, 0)]
		up = roundUp(d.digits, keep)
	}
	m := uint64(0)
	for i := range len(kept) {
		m = m*10 + uint64(kept[i]-'0')
	}
	for range max(shift, 0) {
		m *= 10 // at most 19 digits in all, so no overflow of 64 bits
	}
	m += up
	if m > uint64(Max) && !(d.negative && m == 1<<63) {
		return 0, fmt.Errorf("%w: %q", ErrOverflow, shorten(text))
	}
	if d.negative {
		return USD(-m), nil
	}
	return USD(m), nil
}

// roundUp returns 1 when cutting digits after the first keep must round away from zero: the part cut off is above a
// half, is a half after an odd digit, or would leave nothing.
func roundUp(digits string, keep int) uint64 {
	if keep <= 0 {
		return 1
	}
	next, odd := digits[keep], digits[keep-1]%2 == 1
	half := next == '5' && keep+1 == len(digits) // digits has no trailing zeros
	if next > '5' || next == '5' && !half || half && odd {
		return 1
	}
	return 0
}

// trimSign returns s without one leading sign.
func trimSign(s string) string {
	if s != "" && (s[0] == '-' || s[0] == '+') {
		return s[1:]
	}
	return s
}

// isDigits says whether s is one or more decimal digits.
func isDigits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// shorten keeps hostile text from filling a log line.
func shorten(s string) string {
	const limit = 40
	if len(s) > limit {
		return s[:limit] + "..."
	}
	return s
}

// MarshalJSON writes the amount as a JSON number in plain decimal text.
func (u USD) MarshalJSON() ([]byte, error) { return u.appendText(nil), nil }

// UnmarshalJSON reads a JSON number or a string that holds one, since LiteLLM's clients send both; null leaves the
// amount as it is. It rounds as ParseRounded does: most JSON numbers come from floating point.
func (u *USD) UnmarshalJSON(b []byte) error {
	if bytes.Equal(b, []byte("null")) {
		return nil
	}
	s := string(b)
	if len(s) >= 2 && s[0] == '"' {
		s = s[1 : len(s)-1]
	}
	v, err := ParseRounded(s)
	if err != nil {
		return err
	}
	*u = v
	return nil
}
