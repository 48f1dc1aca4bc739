package price

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

//go:embed models.csv
var modelsCSV []byte

// Entry is what the table knows of one model. The JSON names are LiteLLM's, as /model/info gives them.
type Entry struct {
	// ID is the upstream id with its provider: "oci/cohere.command-latest".
	ID string `json:"key"`
	// Provider is LiteLLM's name of the provider: "oci".
	Provider string `json:"litellm_provider"`
	// Mode is what the model is for, in LiteLLM's words: chat, embedding, rerank, image_generation ...
	Mode string `json:"mode"`
	Rates
	// MaxInputTokens and MaxOutputTokens are the model's bounds, 0 when the table does not know them.
	MaxInputTokens  int `json:"max_input_tokens,omitzero"`
	MaxOutputTokens int `json:"max_output_tokens,omitzero"`
	// OutputVectorSize is the number of dimensions of an embedding, 0 for other modes.
	OutputVectorSize int `json:"output_vector_size,omitzero"`
	Caps
	// Source says where the prices come from, and Date on which day it said so: "2026-11-25", "" when nobody noted it.
	Source string `json:"source"`
	Date   string `json:"source_date,omitzero"`
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

// capWords are the words of the table for what a model can do, with LiteLLM's names.
var capWords = []struct {
	word, name string
	at         func(*Caps) *bool
}{
	{"tools", "supports_function_calling", func(c *Caps) *bool { return &c.FunctionCalling }},
	{"vision", "supports_vision", func(c *Caps) *bool { return &c.Vision }},
	{"reasoning", "supports_reasoning", func(c *Caps) *bool { return &c.Reasoning }},
	{"schema", "supports_response_schema", func(c *Caps) *bool { return &c.ResponseSchema }},
	{"audio", "supports_audio_input", func(c *Caps) *bool { return &c.AudioInput }},
	{"pdf", "supports_pdf_input", func(c *Caps) *bool { return &c.PDFInput }},
}

// Words are the table's words for what a model can do.
func (c Caps) Words() []string {
	var words []string
	for _, w := range capWords {
		if *w.at(&c) {
			words = append(words, w.word)
		}
	}
	return words
}

// modes are LiteLLM's.
var modes = []string{
	"chat", "completion", "responses", "embedding", "rerank", "image_generation", "image_edit", "audio_transcription", "audio_speech",
	"moderation", "search", "ocr", "video_generation", "realtime", "vector_store",
}

// MarshalJSON writes the entry with all of its prices, those of tiers and services under LiteLLM's names as well.
func (e Entry) MarshalJSON() ([]byte, error) {
	type fields Entry // without this method
	text, err := json.Marshal(fields(e))
	if err != nil || e.plan == nil {
		return text, err
	}
	var more bytes.Buffer
	for k, rate := range e.keys() {
		if k.above > 0 || k.service != Standard {
			fmt.Fprintf(&more, ",%q:%s", k, rate.USD)
		}
	}
	return slices.Concat(text[:len(text)-1], more.Bytes(), []byte("}")), nil
}

// Table is a price table. It does not change once it is read, and is safe for concurrent use.
type Table struct {
	entries []Entry
	byID    map[string]int
}

// Builtin returns the table that is part of the program.
func Builtin() (*Table, error) { return Read(bytes.NewReader(modelsCSV)) }

// Lookup finds a model by its upstream id, with the provider ("oci/cohere.command-latest") or without. A name without a
// provider is OpenAI's where OpenAI has it, as LiteLLM reads it, else the model's of that name if there is one only. Lookup
// knows no families and no wildcards: an id that is not in the table has no known price.
func (t *Table) Lookup(upstreamID string) (Entry, bool) {
	i, ok := t.byID[upstreamID]
	if !ok || i == ambiguous {
		return Entry{}, false
	}
	return t.entries[i], true
}

// Models returns all entries in the order of the table. The slice is the caller's.
func (t *Table) Models() []Entry { return slices.Clone(t.entries) }

// Keeping returns the table with another's models of one provider in the place of its own: LiteLLM's file prices OCI's
// models otherwise than Oracle does.
func (t *Table) Keeping(from *Table, provider string) *Table {
	out := newTable()
	for _, e := range from.entries {
		if e.Provider == provider {
			_ = out.add(e) // stands once there, so once here
		}
	}
	for _, e := range t.entries {
		if e.Provider != provider {
			_ = out.add(e)
		}
	}
	return out
}

// ambiguous marks an id without provider that two providers share.
const ambiguous = -1

// openai owns the names that have no provider.
const openai = "openai"

// newTable is an empty table.
func newTable() *Table { return &Table{byID: make(map[string]int)} }

// add enters a model under its id with and without the provider.
func (t *Table) add(e Entry) error {
	if _, taken := t.entry(e.ID); taken {
		return fmt.Errorf("%s stands twice", e.ID)
	}
	n := len(t.entries)
	t.entries = append(t.entries, e)
	t.byID[e.ID] = n // also in place of another provider's name without its provider
	bare := strings.TrimPrefix(e.ID, e.Provider+"/")
	switch i, taken := t.byID[bare]; {
	case !taken, e.Provider == openai && (i == ambiguous || t.entries[i].ID != bare):
		t.byID[bare] = n
	case i != ambiguous && t.entries[i].ID != bare && t.entries[i].Provider != openai:
		t.byID[bare] = ambiguous
	}
	return nil
}

// entry finds a model by its whole id.
func (t *Table) entry(id string) (Entry, bool) {
	e, ok := t.Lookup(id)
	if !ok || e.ID != id {
		return Entry{}, false
	}
	return e, true
}
