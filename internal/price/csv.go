package price

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"tollgate/internal/money"
)

// columns are the first line of the table. Prices that few models have stand in more, as "name=price name=price".
var columns = []string{
	"id", "mode", "input_cost_per_token", "output_cost_per_token", "cache_read_input_token_cost", "cache_creation_input_token_cost",
	"input_cost_per_character", "output_cost_per_character", "max_input_tokens", "max_output_tokens", "output_vector_size", "caps",
	"more", "date", "source",
}

// The columns that hold one price each.
const firstPrice, endPrices = 2, 8

// maxID bounds a model's id.
const maxID = 200

// Read reads a table in the form of models.csv: CSV with the columns of its first line, prices in exact decimal text
// per unit, lines that begin with # left out.
func Read(r io.Reader) (*Table, error) {
	cr := csv.NewReader(r)
	cr.Comment = '#'
	first, err := cr.Read()
	if err != nil {
		return nil, fmt.Errorf("price: %w", err)
	}
	if !slices.Equal(first, columns) {
		return nil, fmt.Errorf("price: first line must be %q", strings.Join(columns, ","))
	}
	t := newTable()
	for {
		rec, err := cr.Read()
		if errors.Is(err, io.EOF) {
			return t, nil
		}
		if err != nil {
			return nil, fmt.Errorf("price: %w", err)
		}
		line, _ := cr.FieldPos(0)
		e, err := parseEntry(rec)
		if err == nil {
			err = t.add(e)
		}
		if err != nil {
			return nil, fmt.Errorf("price: line %d: %w", line, err)
		}
	}
}

// Write writes a table in the form that Read reads. What Read reads is what was written.
func (t *Table) Write(w io.Writer) error {
	cw := csv.NewWriter(w)
	if err := cw.Write(columns); err != nil {
		return err
	}
	for i := range t.entries {
		if err := cw.Write(t.entries[i].record()); err != nil {
			return err
		}
	}
	cw.Flush()
	return cw.Error()
}

// record is the entry's line.
func (e *Entry) record() []string {
	count := func(n int) string {
		if n == 0 {
			return ""
		}
		return strconv.Itoa(n)
	}
	prices := make([]string, endPrices-firstPrice)
	var more []string
	for name, rate := range e.All() {
		if i := slices.Index(columns[firstPrice:endPrices], name); i >= 0 {
			prices[i] = rate.USD.String()
		} else {
			more = append(more, name+"="+rate.USD.String())
		}
	}
	return slices.Concat([]string{e.ID, e.Mode}, prices, []string{
		count(e.MaxInputTokens), count(e.MaxOutputTokens), count(e.OutputVectorSize),
		strings.Join(e.Words(), " "), strings.Join(more, " "), e.Date, e.Source,
	})
}

// parseEntry reads one line of the table.
func parseEntry(rec []string) (Entry, error) {
	var p fieldParser
	e := Entry{ID: rec[0], Mode: rec[1], Date: rec[13], Source: rec[14]}
	var prices draft
	for i := firstPrice; i < endPrices; i++ {
		p.rate(&prices, columns[i], rec[i])
	}
	e.MaxInputTokens = p.count(rec[8])
	e.MaxOutputTokens = p.count(rec[9])
	e.OutputVectorSize = p.count(rec[10])
	e.Caps = p.caps(rec[11])
	for pair := range strings.FieldsSeq(rec[12]) {
		name, text, _ := strings.Cut(pair, "=")
		p.rate(&prices, name, text)
	}
	e.Rates = prices.rates()
	return e, errors.Join(e.check(), p.err)
}

// check looks at what every entry needs, whoever wrote it, and fills in the provider.
func (e *Entry) check() error {
	provider, _, ok := strings.Cut(e.ID, "/")
	if !ok || provider == "" {
		return fmt.Errorf("id %q has no provider", e.ID)
	}
	e.Provider = provider
	if len(e.ID) > maxID || e.ID[0] == '#' || strings.ContainsFunc(e.ID, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return fmt.Errorf("id %.40q is too long, or holds what no id holds", e.ID)
	}
	if !slices.Contains(modes, e.Mode) {
		return fmt.Errorf("unknown mode %q", e.Mode)
	}
	if e.Source == "" {
		return errors.New("a line needs a source")
	}
	if _, err := time.Parse(time.DateOnly, e.Date); e.Date != "" && err != nil {
		return fmt.Errorf("date %q is not of the form 2026-11-25", e.Date)
	}
	return nil
}

// fieldParser reads fields and keeps the first error.
type fieldParser struct{ err error }

// rate sets the price of a name; the empty text leaves it unknown.
func (p *fieldParser) rate(d *draft, name, text string) {
	if text == "" {
		return
	}
	usd, err := money.Parse(text)
	if err == nil && usd < 0 {
		err = fmt.Errorf("price %s is negative", text)
	}
	k, counted := parseKey(name)
	if !counted {
		err = errors.Join(fmt.Errorf("no price is called %q", name), err)
	}
	p.keep(err)
	if err == nil {
		d.set(k, Rate{USD: usd, Known: true})
	}
}

func (p *fieldParser) count(s string) int {
	if s == "" {
		return 0
	}
	n, err := strconv.Atoi(s)
	if err == nil && n < 0 {
		err = fmt.Errorf("%s is negative", s)
	}
	p.keep(err)
	return n
}

func (p *fieldParser) caps(s string) Caps {
	var c Caps
words:
	for word := range strings.FieldsSeq(s) {
		for _, w := range capWords {
			if w.word == word {
				*w.at(&c) = true
				continue words
			}
		}
		p.keep(fmt.Errorf("unknown capability %q", word))
	}
	return c
}

func (p *fieldParser) keep(err error) {
	if p.err == nil {
		p.err = err
	}
}
