package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"

	"tollgate/internal/account"
	"tollgate/internal/money"
)

// columns prints lines of cells for people, each column as wide as it needs to be.
type columns struct{ w *tabwriter.Writer }

func newColumns(w io.Writer) *columns {
	return &columns{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
}

// row prints one line.
func (c *columns) row(cells ...any) {
	for i, cell := range cells {
		if i > 0 {
			_, _ = io.WriteString(c.w, "\t") // the writer keeps the first error for Flush
		}
		_, _ = io.WriteString(c.w, printable(cellText(cell)))
	}
	_, _ = io.WriteString(c.w, "\n")
}

// field prints a line of a name and a value, none for an empty value.
func (c *columns) field(name string, value any) {
	if text := cellText(value); text != "" {
		c.row(name+":", text)
	}
}

func (c *columns) flush() error { return c.w.Flush() }

// cellText is a value as a cell shows it: no limit, no amount and the empty list as nothing.
func cellText(value any) string {
	switch v := value.(type) {
	case account.Amount:
		return plainAmount(v)
	case []string:
		return strings.Join(v, ", ")
	case *int64:
		if v == nil {
			return ""
		}
		return fmt.Sprint(*v)
	case bool:
		if !v {
			return ""
		}
		return "yes"
	}
	return fmt.Sprint(value)
}

// plainAmount is an amount without an exponent.
func plainAmount(a account.Amount) string {
	usd, err := money.ParseRounded(string(a))
	if err != nil {
		return string(a)
	}
	return usd.String()
}

// printable takes out what could move a terminal's cursor or change its colours: names are chosen by callers.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return '?'
		}
		return r
	}, text)
}

// day is the date of a time stamp, or all of it when it has none.
func day(stamp string) string {
	date, _, found := strings.Cut(stamp, "T")
	if !found {
		return stamp
	}
	return date
}

// short is the beginning of a hash.
func short(hash string) string {
	if len(hash) == 64 {
		return hash[:12]
	}
	return hash
}
