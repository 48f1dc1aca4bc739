package price

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Report says what reading a file of LiteLLM's left out.
type Report struct {
	// Models is how many entries the table holds.
	Models int
	// Skipped are the entries that were left out, with the reason, in the order of their ids.
	Skipped []Skipped
	// Unread counts, by field, the models that had a field which is not kept.
	Unread map[string]int
}

// Skipped is an entry that was left out.
type Skipped struct{ ID, Reason string }

// UnreadPrices are the fields that were not kept and that are prices, the commonest first.
func (r Report) UnreadPrices() []string {
	names := slices.DeleteFunc(slices.Collect(maps.Keys(r.Unread)), func(name string) bool {
		return !strings.Contains(name, "cost") && !strings.Contains(name, "pricing") && !strings.Contains(name, "multiplier")
	})
	slices.SortFunc(names, func(a, b string) int {
		if r.Unread[a] != r.Unread[b] {
			return r.Unread[b] - r.Unread[a]
		}
		return strings.Compare(a, b)
	})
	return names
}

// ReadLiteLLM reads LiteLLM's price file (model_prices_and_context_window.json): an object of entries by model. An entry
// that cannot be read is left out and named in the report; only a file that is no such object is an error. source and
// date are written to every entry that names none itself.
func ReadLiteLLM(r io.Reader, source, date string) (*Table, Report, error) {
	var file map[string]map[string]json.RawMessage
	if err := json.NewDecoder(r).Decode(&file); err != nil {
		return nil, Report{}, fmt.Errorf("price: not a price file of LiteLLM's: %w", err)
	}
	delete(file, "sample_spec") // LiteLLM's own documentation of the fields
	t, report := newTable(), Report{Unread: map[string]int{}}
	for _, name := range slices.SortedFunc(maps.Keys(file), providerFirst) {
		e, err := readEntry(name, file[name], source, date, report.Unread)
		if err == nil {
			err = t.add(e)
		}
		if err != nil {
			report.Skipped = append(report.Skipped, Skipped{name, err.Error()})
		}
	}
	slices.SortFunc(report.Skipped, func(a, b Skipped) int { return strings.Compare(a.ID, b.ID) })
	if report.Models = len(t.entries); report.Models == 0 {
		return nil, report, errors.New("price: the file holds no model with a provider and a mode")
	}
	return t, report, nil
}

// providerFirst puts names with a provider before those without: both stand for the same model then, and the longer
// name is LiteLLM's own.
func providerFirst(a, b string) int {
	if x, y := strings.Contains(a, "/"), strings.Contains(b, "/"); x != y {
		if x {
			return -1
		}
		return 1
	}
	return strings.Compare(a, b)
}

// providerNames are providers that LiteLLM's file has other names for than its configuration.
var providerNames = map[string]string{"cohere_chat": "cohere", "bedrock_converse": "bedrock", "azure_text": "azure"}

// litellmID is the upstream id of an entry: its provider and the model's name at it.
func litellmID(name, provider string) string {
	if family, _, special := strings.Cut(provider, "-"); special && family == "vertex_ai" {
		provider = family // "vertex_ai-language-models"
	}
	if other, found := providerNames[provider]; found {
		provider = other
	}
	if provider == "" || strings.HasPrefix(name, provider+"/") {
		return name
	}
	return provider + "/" + name
}

// readEntry reads one entry. Fields that are not kept are counted in unread.
func readEntry(name string, fields map[string]json.RawMessage, source, date string, unread map[string]int) (Entry, error) {
	e := Entry{Mode: "chat", Source: source, Date: date}
	var provider string
	var prices draft
	text := map[string]*string{"litellm_provider": &provider, "mode": &e.Mode, "source": &e.Source}
	counts := map[string]*int{"max_input_tokens": &e.MaxInputTokens, "max_output_tokens": &e.MaxOutputTokens, "output_vector_size": &e.OutputVectorSize}
	for _, w := range capWords {
		_ = json.Unmarshal(fields[w.name], w.at(&e.Caps)) // whatever is not true is no ability
		delete(fields, w.name)
	}
	// From the last name to the first: cache_read_input_token_cost wins over input_cost_per_token_cache_hit.
	for _, field := range slices.Backward(slices.Sorted(maps.Keys(fields))) {
		raw := fields[field]
		switch k, counted := parseKey(field); {
		case string(raw) == "null" || string(raw) == `""`:
		case counted:
			rate, err := parseRate(strings.Trim(string(raw), `"`))
			if err != nil {
				return Entry{}, fmt.Errorf("%s: %w", field, err)
			}
			prices.set(k, rate)
		case text[field] != nil:
			if err := json.Unmarshal(raw, text[field]); err != nil {
				return Entry{}, fmt.Errorf("%s is not a text", field)
			}
		case counts[field] != nil:
			n, err := parseCount(raw)
			if err != nil {
				return Entry{}, fmt.Errorf("%s: %w", field, err)
			}
			*counts[field] = n
		default:
			unread[field]++
		}
	}
	e.Rates = prices.rates()
	e.ID = litellmID(name, provider)
	return e, e.check()
}

// parseCount reads a number of tokens. Some are written as 1e6, or as text.
func parseCount(raw json.RawMessage) (int, error) {
	var n float64
	if err := json.Unmarshal([]byte(strings.Trim(string(raw), `"`)), &n); err != nil || n < 0 || n > 1e9 {
		return 0, errors.New("not a number of tokens")
	}
	return int(n), nil
}
