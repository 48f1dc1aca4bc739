package money_test

import (
	"encoding/json"
	"errors"
	"math"
	"math/big"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tollgate/internal/money"
)

func TestParse(t *testing.T) {
	tests := []struct {
		in   string
		want money.USD
	}{
		{"0", 0},
		{"-0.0e5", 0},
		{"0e999999999999999999999", 0},
		{"1", 1_000_000_000_000},
		{"+1.", 1_000_000_000_000},
		{".5", 500_000_000_000},
		{"-3", -3_000_000_000_000},
		{"1.5e-06", 1_500_000},
		{"1.5E-6", 1_500_000},
		{"0.0000285", 28_500_000},
		{"2.85e-05", 28_500_000},
		{"1e-12", 1},
		{"10e-13", 1},
		{"0.000000000001000000000000000000000", 1},
		{"1000000000000000000000e-21", 1_000_000_000_000},
		{"00001.25e+2", 125_000_000_000_000},
		{"9223372.036854775807", money.Max},
		{"-9223372.036854775808", money.Min},
	}
	for _, tt := range tests {
		got, err := money.Parse(tt.in)
		if err != nil || got != tt.want {
			t.Errorf("Parse(%q) = %d, %v; want %d", tt.in, got, err, tt.want)
		}
	}
}

func TestParseErrors(t *testing.T) {
	tests := []struct {
		in   string
		want error
	}{
		{"", money.ErrSyntax}, {"-", money.ErrSyntax}, {".", money.ErrSyntax}, {"e5", money.ErrSyntax}, {"1e", money.ErrSyntax},
		{"1e+", money.ErrSyntax}, {"1e+-5", money.ErrSyntax}, {"1e1.5", money.ErrSyntax}, {"--1", money.ErrSyntax},
		{"1.2.3", money.ErrSyntax}, {"1,5", money.ErrSyntax}, {"1_000", money.ErrSyntax}, {" 1", money.ErrSyntax},
		{"1 ", money.ErrSyntax}, {"0x10", money.ErrSyntax}, {"inf", money.ErrSyntax}, {"NaN", money.ErrSyntax},
		{"$1", money.ErrSyntax}, {"١", money.ErrSyntax},
		{"1e-13", money.ErrTooFine}, {"0.0000000000015", money.ErrTooFine}, {"1e-99999999999999999999", money.ErrTooFine},
		{"9223372.036854775808", money.ErrOverflow}, {"-9223372.036854775809", money.ErrOverflow}, {"1e7", money.ErrOverflow},
		{"1e99999999999999999999", money.ErrOverflow}, {"99999999", money.ErrOverflow},
	}
	for _, tt := range tests {
		if got, err := money.Parse(tt.in); !errors.Is(err, tt.want) || got != 0 {
			t.Errorf("Parse(%q) = %d, %v; want 0, %v", tt.in, got, err, tt.want)
		}
	}
}

func TestParseRounded(t *testing.T) {
	tests := []struct {
		in   string
		want money.USD
	}{
		{"1.5000000000000002e-06", 1_500_000},
		{"1.4999999999999999e-06", 1_500_000},
		{"1.5e-12", 2}, // half to even
		{"2.5e-12", 2},
		{"2.50001e-12", 3},
		{"2.4e-12", 2},
		{"-2.6e-12", -3},
		{"99.9999999999999", 100_000_000_000_000},
		{"0.5e-12", 1}, // never zero
		{"1e-30", 1},
		{"-1e-30", -1},
		{"0.000", 0},
	}
	for _, tt := range tests {
		got, err := money.ParseRounded(tt.in)
		if err != nil || got != tt.want {
			t.Errorf("ParseRounded(%q) = %d, %v; want %d", tt.in, got, err, tt.want)
		}
	}
	if _, err := money.ParseRounded("9223372.0368547758075"); !errors.Is(err, money.ErrOverflow) {
		t.Errorf("rounding past the end: %v", err)
	}
}

// The Python column was printed by CPython: repr(2.85e-05) and so on.
func TestText(t *testing.T) {
	tests := []struct {
		in             money.USD
		plain, pythons string
	}{
		{0, "0", "0.0"},
		{1, "0.000000000001", "1e-12"},
		{-1, "-0.000000000001", "-1e-12"},
		{28_500_000, "0.0000285", "2.85e-05"},
		{1_500_000, "0.0000015", "1.5e-06"},
		{10_000_000, "0.00001", "1e-05"},
		{99_999_999, "0.000099999999", "9.9999999e-05"},
		{100_000_000, "0.0001", "0.0001"},
		{123_400_000, "0.0001234", "0.0001234"},
		{money.Dollar / 4, "0.25", "0.25"},
		{money.Dollar, "1", "1.0"},
		{-3 * money.Dollar / 2, "-1.5", "-1.5"},
		{12 * money.Dollar, "12", "12.0"},
		{1_000_000 * money.Dollar, "1000000", "1000000.0"},
		{money.Max, "9223372.036854775807", "9223372.036854776"},
		{money.Min, "-9223372.036854775808", "-9223372.036854776"},
	}
	for _, tt := range tests {
		if got := tt.in.String(); got != tt.plain {
			t.Errorf("(%d).String() = %s, want %s", tt.in, got, tt.plain)
		}
		if got := tt.in.PythonFloat(); got != tt.pythons {
			t.Errorf("(%d).PythonFloat() = %s, want %s", tt.in, got, tt.pythons)
		}
	}
}

func TestJSON(t *testing.T) {
	type row struct{ Spend money.USD }
	got, err := json.Marshal(row{28_500_000})
	if err != nil || string(got) != `{"Spend":0.0000285}` {
		t.Errorf("Marshal = %s, %v", got, err)
	}
	for in, want := range map[string]money.USD{
		`{"Spend":2.85e-05}`: 28_500_000, `{"Spend":"0.25"}`: money.Dollar / 4, `{"Spend":null}`: 7, `{}`: 7, `{"Spend":1e-9}`: 1000,
	} {
		r := row{Spend: 7}
		if err := json.Unmarshal([]byte(in), &r); err != nil || r.Spend != want {
			t.Errorf("Unmarshal(%s) = %d, %v; want %d", in, r.Spend, err, want)
		}
	}
	for _, in := range []string{`{"Spend":true}`, `{"Spend":"much"}`, `{"Spend":[1]}`, `{"Spend":1e99}`, `{"Spend":""}`, `{"Spend":"nan"}`} {
		r := row{Spend: 7}
		if err := json.Unmarshal([]byte(in), &r); err == nil || r.Spend != 7 {
			t.Errorf("Unmarshal(%s) = %d, %v; want an error", in, r.Spend, err)
		}
	}
}

// anyUSD draws amounts of every size, the ends of the range among them.
func anyUSD() *rapid.Generator[money.USD] {
	return rapid.Custom(func(t *rapid.T) money.USD { return money.USD(rapid.Int64().Draw(t, "usd")) })
}

// Arithmetic agrees with arithmetic without bounds, and refuses exactly what does not fit.
func TestArithmetic(t *testing.T) {
	check := func(t *rapid.T, op string, got money.USD, err error, want *big.Int) {
		if want.IsInt64() {
			if err != nil || int64(got) != want.Int64() {
				t.Fatalf("%s = %d, %v; want %s", op, got, err, want)
			}
		} else if !errors.Is(err, money.ErrOverflow) || got != 0 {
			t.Fatalf("%s = %d, %v; want ErrOverflow for %s", op, got, err, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyUSD().Draw(t, "a"), anyUSD().Draw(t, "b")
		x, y := big.NewInt(int64(a)), big.NewInt(int64(b))
		got, err := a.Add(b)
		check(t, "Add", got, err, new(big.Int).Add(x, y))
		got, err = a.Sub(b)
		check(t, "Sub", got, err, new(big.Int).Sub(x, y))
		got, err = a.Mul(int64(b))
		check(t, "Mul", got, err, new(big.Int).Mul(x, y))
	})
}

func TestMulAtTheEnds(t *testing.T) {
	tests := []struct {
		u    money.USD
		n    int64
		want money.USD
		err  error
	}{
		{money.Min, 1, money.Min, nil},
		{money.Min, -1, 0, money.ErrOverflow},
		{money.Max, -1, -money.Max, nil},
		{1, math.MinInt64, money.Min, nil},
		{-1, math.MinInt64, 0, money.ErrOverflow},
		{1 << 32, 1 << 31, 0, money.ErrOverflow},
		{-1 << 32, 1 << 31, money.Min, nil},
		{money.Max, 0, 0, nil},
		{0, math.MinInt64, 0, nil},
	}
	for _, tt := range tests {
		if got, err := tt.u.Mul(tt.n); got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%d * %d = %d, %v; want %d, %v", tt.u, tt.n, got, err, tt.want, tt.err)
		}
	}
}

// What is written reads back the same, and the float is the nearest one.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		u := anyUSD().Draw(t, "u")
		if got, err := money.Parse(u.String()); err != nil || got != u {
			t.Fatalf("Parse(%s) = %d, %v; want %d", u, got, err, u)
		}
		want, _ := new(big.Rat).SetFrac(big.NewInt(int64(u)), big.NewInt(int64(money.Dollar))).Float64()
		if got := u.Float64(); got != want {
			t.Fatalf("(%d).Float64() = %v, want %v", u, got, want)
		}
		if got, err := strconv.ParseFloat(u.PythonFloat(), 64); err != nil || got != want {
			t.Fatalf("PythonFloat %s reads as %v, %v; want %v", u.PythonFloat(), got, err, want)
		}
		b, err := json.Marshal(u)
		if err != nil {
			t.Fatal(err)
		}
		var back money.USD
		if err := json.Unmarshal(b, &back); err != nil || back != u {
			t.Fatalf("JSON %s reads as %d, %v; want %d", b, back, err, u)
		}
	})
}

// Parse agrees with exact rationals on every text that both take.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"1", "-1.5e-06", "0.000000000001", "1e7", ".5", "5.", "1e-13", "9223372.036854775807", "1e", "0x1", "1e-400", "00e1", "2.5e-12"} {
		f.Add(s)
	}
	half := big.NewRat(1, 2)
	f.Fuzz(func(t *testing.T, s string) {
		exact, err := money.Parse(s)
		rounded, rerr := money.ParseRounded(s)
		if err == nil && (rerr != nil || rounded != exact) {
			t.Fatalf("Parse(%q) = %d, but ParseRounded = %d, %v", s, exact, rounded, rerr)
		}
		_, exponent, _ := strings.Cut(strings.ToLower(s), "e")
		if rerr != nil || len(exponent) > 5 {
			return // big.Rat has its own bound on exponents, and needs their size in memory
		}
		want, ok := new(big.Rat).SetString(s)
		if !ok {
			t.Fatalf("ParseRounded takes %q, big.Rat does not", s)
		}
		want.Mul(want, new(big.Rat).SetInt64(int64(money.Dollar)))
		diff := new(big.Rat).Sub(want, new(big.Rat).SetInt64(int64(rounded)))
		if err == nil && diff.Sign() != 0 {
			t.Fatalf("Parse(%q) = %d, want %s exactly", s, exact, want.RatString())
		}
		tiny := new(big.Rat).Abs(want).Cmp(big.NewRat(1, 1)) < 0
		if tiny && want.Sign() != int(rounded) {
			t.Fatalf("ParseRounded(%q) = %d, want one picodollar or zero", s, rounded)
		}
		if !tiny && diff.Abs(diff).Cmp(half) > 0 {
			t.Fatalf("ParseRounded(%q) = %d, want the nearest to %s", s, rounded, want.FloatString(6))
		}
	})
}
