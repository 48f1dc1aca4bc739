package account

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"tollgate/internal/money"
)

// Amount is an amount of dollars as it was given, exact decimal text; "" is none. Unlike money.USD it has no largest
// value: a cap of a hundred million dollars is stored and shown as it is. JSON is a number, or null for none.
type Amount string

// ErrAmount is text that is no amount.
var ErrAmount = errors.New("account: not a finite decimal number")

// ParseAmount reads a decimal number. The empty text is no amount.
func ParseAmount(text string) (Amount, error) {
	if text == "" {
		return "", nil
	}
	if _, err := strconv.ParseFloat(text, 64); err != nil || strings.ContainsAny(text, "xXnN_pP") {
		return "", ErrAmount
	}
	return Amount(strings.TrimPrefix(text, "+")), nil
}

// Dollars makes an Amount of exact money.
func Dollars(u money.USD) Amount { return Amount(u.String()) }

// None reports whether no amount was given.
func (a Amount) None() bool { return a == "" }

// Negative reports whether the amount is below zero.
func (a Amount) Negative() bool {
	f, _ := strconv.ParseFloat(string(a), 64)
	return f < 0
}

// USD is the amount as exact money, at most money.Max: what no sum of calls can pass is no bound.
func (a Amount) USD() money.USD {
	if a == "" {
		return 0
	}
	u, err := money.ParseRounded(string(a))
	if err != nil {
		if a.Negative() {
			return money.Min
		}
		return money.Max
	}
	return u
}

// Float64 is the nearest double, for LiteLLM's clients.
func (a Amount) Float64() float64 {
	f, _ := strconv.ParseFloat(string(a), 64)
	return f
}

// MarshalJSON writes a number in the text that was given, or null.
func (a Amount) MarshalJSON() ([]byte, error) {
	if a == "" {
		return []byte("null"), nil
	}
	if json.Valid([]byte(a)) {
		return []byte(a), nil
	}
	return json.Marshal(a.Float64()) // such as "1." or ".5", which JSON does not know
}

// UnmarshalJSON reads a number, a string that holds one, the empty string or null.
func (a *Amount) UnmarshalJSON(b []byte) error {
	text := string(bytes.Trim(b, `"`))
	if text == "null" {
		text = ""
	}
	v, err := ParseAmount(text)
	if err != nil {
		return err
	}
	*a = v
	return nil
}
