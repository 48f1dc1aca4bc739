package price

import (
	"fmt"
	"iter"
	"strconv"
	"strings"
)

// sheetKeys are LiteLLM's names of the prices on a sheet. input says that a price is one of the prompt's side.
var sheetKeys = []struct {
	name  string
	input bool
	at    func(*Sheet) *Rate
}{
	{"input_cost_per_token", true, func(s *Sheet) *Rate { return &s.Input }},
	{"output_cost_per_token", false, func(s *Sheet) *Rate { return &s.Output }},
	{"cache_read_input_token_cost", true, func(s *Sheet) *Rate { return &s.CacheRead }},
	{"cache_creation_input_token_cost", true, func(s *Sheet) *Rate { return &s.CacheWrite }},
	{"cache_creation_input_token_cost_above_1hr", true, func(s *Sheet) *Rate { return &s.CacheWriteHour }},
	{"input_cost_per_character", true, func(s *Sheet) *Rate { return &s.InputChar }},
	{"output_cost_per_character", false, func(s *Sheet) *Rate { return &s.OutputChar }},
	{"output_cost_per_reasoning_token", false, func(s *Sheet) *Rate { return &s.Reasoning }},
	{"input_cost_per_audio_token", true, func(s *Sheet) *Rate { return &s.InputAudio }},
	{"cache_read_input_audio_token_cost", true, func(s *Sheet) *Rate { return &s.CacheReadAudio }},
	{"output_cost_per_audio_token", false, func(s *Sheet) *Rate { return &s.OutputAudio }},
	{"input_cost_per_image_token", true, func(s *Sheet) *Rate { return &s.InputImageToken }},
	{"output_cost_per_image_token", false, func(s *Sheet) *Rate { return &s.OutputImageToken }},
	{"input_cost_per_image", true, func(s *Sheet) *Rate { return &s.InputImage }},
	{"output_cost_per_image", false, func(s *Sheet) *Rate { return &s.OutputImage }},
	{"input_cost_per_second", true, func(s *Sheet) *Rate { return &s.InputSecond }},
	{"output_cost_per_second", false, func(s *Sheet) *Rate { return &s.OutputSecond }},
	{"input_cost_per_query", true, func(s *Sheet) *Rate { return &s.Query }},
	{"input_cost_per_request", true, func(s *Sheet) *Rate { return &s.Request }},
}

// otherNames are second names of prices in LiteLLM's file.
var otherNames = map[string]string{"input_cost_per_token_cache_hit": "cache_read_input_token_cost"}

// serviceSuffixes are what LiteLLM puts behind a price's name for a service.
var serviceSuffixes = [...]string{Standard: "", Batch: "_batches", Priority: "_priority", Flex: "_flex"}

// key is one price that LiteLLM has a name for: "input_cost_per_token_above_200k_tokens_priority".
type key struct {
	index   int // in sheetKeys
	service Service
	above   int64 // tokens of the prompt; 0 = from the first on
}

// String is LiteLLM's name.
func (k key) String() string {
	name := sheetKeys[k.index].name
	if k.above > 0 {
		name += fmt.Sprintf("_above_%dk_tokens", k.above/1000)
	}
	return name + serviceSuffixes[k.service]
}

// parseKey reads a name of LiteLLM's; ok is false for what Cost does not count.
func parseKey(name string) (k key, ok bool) {
	for service, suffix := range serviceSuffixes {
		if rest, cut := strings.CutSuffix(name, suffix); cut && suffix != "" {
			name, k.service = rest, Service(service)
			break
		}
	}
	if rest, cut := strings.CutSuffix(name, "k_tokens"); cut {
		i := strings.LastIndex(rest, "_above_")
		if i < 0 {
			return key{}, false
		}
		// 14 bits hold sixteen million tokens, more than any window.
		thousands, err := strconv.ParseUint(rest[i+len("_above_"):], 10, 14)
		if err != nil || thousands == 0 {
			return key{}, false
		}
		name, k.above = rest[:i], int64(thousands)*1000
	}
	if other, found := otherNames[name]; found {
		name = other
	}
	for i := range sheetKeys {
		if sheetKeys[i].name == name {
			k.index = i
			return k, true
		}
	}
	return key{}, false
}

// Counted reports whether a price of this name is counted: a LiteLLM key such as input_cost_per_token, with or without
// a tier (_above_200k_tokens) and a service (_batches, _priority, _flex).
func Counted(name string) bool {
	_, ok := parseKey(name)
	return ok
}

// All gives the known prices by LiteLLM's names: the sheet's, then those of tiers and services.
func (r Rates) All() iter.Seq2[string, Rate] {
	return func(yield func(string, Rate) bool) {
		for k, rate := range r.keys() {
			if !yield(k.String(), rate) {
				return
			}
		}
	}
}

// keys gives the known prices.
func (r *Rates) keys() iter.Seq2[key, Rate] {
	return func(yield func(key, Rate) bool) {
		given := []variant{{sheet: r.Sheet}}
		if r.plan != nil {
			given = append(given, r.plan.given...)
		}
		for i := range given {
			v := &given[i]
			for index := range sheetKeys {
				rate := *sheetKeys[index].at(&v.sheet)
				if rate.Known && !yield(key{index, v.service, v.above}, rate) {
					return
				}
			}
		}
	}
}

// Equal reports whether two models cost the same, whoever read them.
func (r Rates) Equal(other Rates) bool {
	if r.Sheet != other.Sheet || (r.plan == nil) != (other.plan == nil) {
		return false
	}
	if r.plan == nil {
		return true
	}
	if len(r.plan.given) != len(other.plan.given) {
		return false
	}
	for i := range r.plan.given {
		if r.plan.given[i] != other.plan.given[i] {
			return false
		}
	}
	return true
}
