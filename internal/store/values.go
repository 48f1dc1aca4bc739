package store

import (
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"tollgate/internal/money"
)

// scanUSD reads an amount: INTEGER picodollars of SQLite, NUMERIC dollars of PostgreSQL. NULL is 0. A sum beyond
// money.Max or money.Min reads as that.
type scanUSD struct{ to *money.USD }

// Scan implements sql.Scanner.
func (s scanUSD) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*s.to = 0
	case int64:
		*s.to = money.USD(v)
	case float64: // a sum of picodollars that has left int64
		*s.to = money.Max
		if v < 0 {
			*s.to = money.Min
		}
		if math.Abs(v) < math.MaxInt64 {
			return fmt.Errorf("store: an amount of money is a floating-point number: %v", v)
		}
	case string:
		u, err := money.ParseRounded(v)
		switch {
		case err == nil:
			*s.to = u
		case strings.HasPrefix(v, "-"):
			*s.to = money.Min
		default:
			*s.to = money.Max
		}
	case []byte:
		return s.Scan(string(v))
	default:
		return fmt.Errorf("store: %T is no amount of money", v)
	}
	return nil
}

// scanTime reads a moment: Unix microseconds of SQLite, timestamptz of PostgreSQL. NULL is the zero time.
type scanTime struct{ to *time.Time }

// Scan implements sql.Scanner.
func (s scanTime) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*s.to = time.Time{}
	case int64:
		*s.to = time.UnixMicro(v).UTC()
	case time.Time:
		*s.to = v.UTC()
	default:
		return fmt.Errorf("store: %T is no time", v)
	}
	return nil
}

// scanTimePtr is scanTime for a moment that may be missing: NULL is nil.
type scanTimePtr struct{ to **time.Time }

// Scan implements sql.Scanner.
func (s scanTimePtr) Scan(v any) error {
	if *s.to = nil; v == nil {
		return nil
	}
	var t time.Time
	if err := (scanTime{&t}).Scan(v); err != nil {
		return err
	}
	*s.to = &t
	return nil
}

// orNull is an argument of a moment that may be missing.
func orNull(t *time.Time) any {
	if t == nil || t.IsZero() {
		return nil
	}
	return t.UTC()
}

// storable reports whether both engines can hold the text: PostgreSQL knows no NUL, and UTF-8 only.
func storable(text string) bool { return utf8.ValidString(text) && !strings.Contains(text, "\x00") }
