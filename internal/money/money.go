// Package money holds amounts of US dollars as whole picodollars (1e-12 dollars), so that prices, costs and budgets are
// exact from the price table to the store and no sum ever runs in floating point.
//
// A picodollar is fine enough for every price in use: the cheapest token of the catalogue costs 50,000 of them. The
// range of int64 ends at 9,223,372.036854775807 dollars; every operation that could pass it says so.
package money

import (
	"errors"
	"math"
	"math/bits"
	"strconv"
)

// USD is an amount of US dollars in picodollars.
type USD int64

// Some amounts.
const (
	Picodollar USD = 1
	Dollar     USD = 1e12
	// Max and Min are the ends of the range.
	Max USD = math.MaxInt64
	Min USD = math.MinInt64
)

// ErrOverflow says that a result lies outside the range of USD.
var ErrOverflow = errors.New("money: amount out of range")

// Add returns u + v, or ErrOverflow.
func (u USD) Add(v USD) (USD, error) {
	sum := u + v
	if (u > 0 && v > 0 && sum < 0) || (u < 0 && v < 0 && sum >= 0) {
		return 0, ErrOverflow
	}
	return sum, nil
}

// Sub returns u - v, or ErrOverflow.
func (u USD) Sub(v USD) (USD, error) {
	diff := u - v
	if (u >= 0 && v < 0 && diff < 0) || (u < 0 && v > 0 && diff >= 0) {
		return 0, ErrOverflow
	}
	return diff, nil
}

// Mul returns u times n, a price times a count, or ErrOverflow.
func (u USD) Mul(n int64) (USD, error) {
	hi, lo := bits.Mul64(magnitude(int64(u)), magnitude(n))
	negative := (u < 0) != (n < 0)
	switch {
	case hi != 0:
	case !negative && lo <= math.MaxInt64:
		return USD(lo), nil
	case negative && lo <= 1<<63:
		return USD(-lo), nil // wraps to the negative; -(1<<63) is Min itself
	}
	return 0, ErrOverflow
}

// magnitude returns |n|, which for the smallest int64 fits only without a sign.
func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

// String returns the amount as plain decimal text without an exponent or trailing zeros: "0.0000285", "12", "-1.5".
func (u USD) String() string { return string(u.appendText(nil)) }

// appendText appends what String returns.
func (u USD) appendText(dst []byte) []byte {
	if u < 0 {
		dst = append(dst, '-')
	}
	m := magnitude(int64(u))
	dst = strconv.AppendUint(dst, m/uint64(Dollar), 10)
	frac := m % uint64(Dollar)
	if frac == 0 {
		return dst
	}
	dst = append(dst, '.')
	var digits [12]byte
	for i := len(digits) - 1; i >= 0; i-- {
		digits[i] = byte('0' + frac%10)
		frac /= 10
	}
	n := len(digits)
	for digits[n-1] == '0' {
		n--
	}
	return append(dst, digits[:n]...)
}

// Float64 returns the float nearest to the amount. It is for display in JSON and metrics only, never for sums.
func (u USD) Float64() float64 {
	const exact = 1 << 53
	if -exact <= u && u <= exact {
		return float64(u) / float64(Dollar) // both exact, so the quotient is rounded once
	}
	f, _ := strconv.ParseFloat(u.String(), 64) // cannot fail: String is a number in range
	return f
}

// PythonFloat returns the amount as Python prints a float, the form of LiteLLM's cost headers: "2.85e-05", "0.0001",
// "1.0", "0.0".
func (u USD) PythonFloat() string {
	f := u.Float64()
	// Python's repr has the shortest digits that read back, as Go's, and an exponent below 1e-4 and from 1e16 on,
	// which no USD reaches.
	if f != 0 && math.Abs(f) < 1e-4 {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if f == math.Trunc(f) {
		s += ".0"
	}
	return s
}
