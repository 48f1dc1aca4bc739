package ocisim

import (
	"maps"
	"sync"
	"time"
)

// Count is what was used: successful calls, refused calls, calls that broke off, and tokens as the service bills them.
type Count struct {
	Calls            int `json:"calls"`
	Refused          int `json:"refused"`
	BrokenOff        int `json:"broken_off"`
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	ReasoningTokens  int `json:"reasoning_tokens"`
}

// KeyUsage is the count of one key, in total and by the model that was asked for.
type KeyUsage struct {
	Count
	Models map[string]Count `json:"models"`
}

// meter counts by key id. It is safe for concurrent use.
type meter struct {
	mu   sync.Mutex
	keys map[string]*KeyUsage
}

func newMeter() *meter { return &meter{keys: make(map[string]*KeyUsage)} }

func (m *meter) add(key, model string, c Count) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.keys[key]
	if k == nil {
		k = &KeyUsage{Models: make(map[string]Count)}
		m.keys[key] = k
	}
	k.Count = k.plus(c)
	k.Models[model] = k.Models[model].plus(c)
}

func (c Count) plus(d Count) Count {
	return Count{
		Calls: c.Calls + d.Calls, Refused: c.Refused + d.Refused, BrokenOff: c.BrokenOff + d.BrokenOff,
		PromptTokens:     c.PromptTokens + d.PromptTokens,
		CompletionTokens: c.CompletionTokens + d.CompletionTokens,
		ReasoningTokens:  c.ReasoningTokens + d.ReasoningTokens,
	}
}

func (m *meter) snapshot() map[string]KeyUsage {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make(map[string]KeyUsage, len(m.keys))
	for id, k := range m.keys {
		all[id] = KeyUsage{Count: k.Count, Models: maps.Clone(k.Models)}
	}
	return all
}

func (m *meter) reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.keys = make(map[string]*KeyUsage)
}

// journalLength is how many requests the journal remembers; journalBody how much of each body.
const (
	journalLength = 100
	journalBody   = 16 << 10
)

// entry is one request as the service saw it.
type entry struct {
	Time      time.Time         `json:"time"`
	RequestID string            `json:"opc_request_id"`
	Method    string            `json:"method"`
	Target    string            `json:"target"`
	Op        string            `json:"op"`
	Key       string            `json:"key"`
	Model     string            `json:"model"`
	Headers   map[string]string `json:"headers"`
	Body      string            `json:"body"`
	Status    int               `json:"status"`
	Failure   string            `json:"failure,omitempty"`
	Rule      string            `json:"rule,omitempty"`
}

// journal keeps the newest requests, for tests that ask what a client really sent. It is safe for concurrent use.
type journal struct {
	mu      sync.Mutex
	entries []entry // oldest first
}

func newJournal() *journal { return &journal{} }

func (j *journal) add(e entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.entries) == journalLength {
		j.entries = append(j.entries[:0], j.entries[1:]...)
	}
	j.entries = append(j.entries, e)
}

func (j *journal) list() []entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]entry{}, j.entries...)
}

func (j *journal) clear() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries = nil
}
