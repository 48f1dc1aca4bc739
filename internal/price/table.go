package price

import (
	"bytes"
	_ "embed"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"tollgate/internal/money"
)

//go:embed models.csv
var modelsCSV []byte

// Entry is what the table knows of one model. The JSON names are LiteLLM's, as /model/info gives them.
type Entry struct {
	// ID is the upstream id with its provider: "oci/cohere.command-latest".
	ID string `json:"key"`
	// Provider is LiteLLM's name of the provider: "oci".
	Provider string `json:"litellm_provider"`
	// Mode is chat, embedding or rerank.
	Mode string `json:"mode"`
	Rates
	// MaxInputTokens and MaxOutputTokens are the model's bounds, 0 when the table does not know them.
	MaxInputTokens  int `json:"max_input_tokens,omitzero"`
	MaxOutputTokens int `json:"max_output_tokens,omitzero"`
	// OutputVectorSize is the number of dimensions of an embedding, 0 for other modes.
	OutputVectorSize int `json:"output_vector_size,omitzero"`
	Caps
	// Source says where the prices come from.
	Source string `json:"source"`
}

// Caps says what a model can do.
type Caps struct {
	FunctionCalling bool `json:"supports_function_calling"`
	Vision          bool `json:"supports_vision"`
	Reasoning       bool `json:"supports_reasoning"`
	ResponseSchema  bool `json:"supports_response_schema"`
	AudioInput      bool `json:"supports_audio_input"`
	PDFInput        bool `json:"supports_pdf_input"`
}

// Table is a price table. It does not change once it is read, and is safe for concurrent use.
type Table struct {
	entries []Entry
	byID    map[string]int
}

// Builtin returns the table that is part of the program.
func Builtin() (*Table, error) { return Read(bytes.NewReader(modelsCSV)) }

// Lookup finds a model by its upstream id, with the provider ("oci/cohere.command-latest") or, where no second
// provider has a model of that name, without. It knows no families and no wildcards: an id that is not in the table has
// no known price.
func (t *Table) Lookup(upstreamID string) (Entry, bool) {
	i, ok := t.byID[upstreamID]
	if !ok || i == ambiguous {
		return Entry{}, false
	}
	return t.entries[i], true
}

// Models returns all entries in the order of the table. The slice is the caller's.
func (t *Table) Models() []Entry { return slices.Clone(t.entries) }

// ambiguous marks an id without provider that two providers share.
const ambiguous = -1

// header is the first line of the table.
const header = "id,mode,input_cost_per_token,output_cost_per_token,cache_read_input_token_cost," +
	"cache_creation_input_token_cost,input_cost_per_character,output_cost_per_character,max_input_tokens,max_output_tokens,output_vector_size,caps,source"

// Read reads a table in the form of models.csv: CSV with the columns of its first line, prices in exact decimal text
// per unit, lines that begin with # left out.
func Read(r io.Reader) (*Table, error) {
	cr := csv.NewReader(r)
	cr.Comment = '#'
	first, err := cr.Read()
	if err != nil {
		return nil, fmt.Errorf("price: %w", err)
	}
	if strings.Join(first, ",") != header {
		return nil, fmt.Errorf("price: first line must be %q", header)
	}
	t := &Table{byID: make(map[string]int)}
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
		if err != nil {
			return nil, fmt.Errorf("price: line %d: %w", line, err)
		}
		if err := t.add(e); err != nil {
			return nil, fmt.Errorf("price: line %d: %w", line, err)
		}
	}
}

// add enters a model under its id with and without the provider.
func (t *Table) add(e Entry) error {
	if _, taken := t.byID[e.ID]; taken {
		return fmt.Errorf("%s stands twice", e.ID)
	}
	t.byID[e.ID] = len(t.entries)
	bare := strings.TrimPrefix(e.ID, e.Provider+"/")
	if _, taken := t.byID[bare]; taken {
		t.byID[bare] = ambiguous
	} else {
		t.byID[bare] = len(t.entries)
	}
	t.entries = append(t.entries, e)
	return nil
}

// parseEntry reads one line of the table.
func parseEntry(rec []string) (Entry, error) {
	var p fieldParser
	e := Entry{ID: rec[0], Mode: rec[1], Source: rec[12]}
	e.Input = p.rate(rec[2])
	e.Output = p.rate(rec[3])
	e.CacheRead = p.rate(rec[4])
	e.CacheWrite = p.rate(rec[5])
	e.InputChar = p.rate(rec[6])
	e.OutputChar = p.rate(rec[7])
	e.MaxInputTokens = p.count(rec[8])
	e.MaxOutputTokens = p.count(rec[9])
	e.OutputVectorSize = p.count(rec[10])
	e.Caps = p.caps(rec[11])
	provider, _, ok := strings.Cut(e.ID, "/")
	if !ok {
		return Entry{}, fmt.Errorf("id %q has no provider", e.ID)
	}
	e.Provider = provider
	if !slices.Contains([]string{"chat", "embedding", "rerank"}, e.Mode) {
		return Entry{}, fmt.Errorf("unknown mode %q", e.Mode)
	}
	if e.Source == "" {
		return Entry{}, errors.New("a line needs a source")
	}
	return e, p.err
}

// fieldParser reads fields and keeps the first error.
type fieldParser struct{ err error }

func (p *fieldParser) rate(s string) Rate {
	if s == "" {
		return Rate{}
	}
	usd, err := money.Parse(s)
	if err == nil && usd < 0 {
		err = fmt.Errorf("price %s is negative", s)
	}
	p.keep(err)
	return Rate{USD: usd, Known: true}
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
	for word := range strings.FieldsSeq(s) {
		switch word {
		case "tools":
			c.FunctionCalling = true
		case "vision":
			c.Vision = true
		case "reasoning":
			c.Reasoning = true
		case "schema":
			c.ResponseSchema = true
		case "audio":
			c.AudioInput = true
		case "pdf":
			c.PDFInput = true
		default:
			p.keep(fmt.Errorf("unknown capability %q", word))
		}
	}
	return c
}

func (p *fieldParser) keep(err error) {
	if p.err == nil {
		p.err = err
	}
}
