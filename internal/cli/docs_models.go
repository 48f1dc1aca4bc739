package cli

import (
	"fmt"
	"strings"

	"tollgate/internal/price"
)

// modelSections are the parts of the page of models: the modes, and what a model of them is as large as.
var modelSections = []struct{ mode, title, size string }{
	{"chat", "Chat", "Longest answer"},
	{"responses", "Responses API only", "Longest answer"},
	{"embedding", "Embedding", "Dimensions"},
	{"rerank", "Rerank", ""},
}

// modelTables lists the price table by mode.
func modelTables() (string, error) {
	prices, err := price.Builtin()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, section := range modelSections {
		t := table{head: []string{"Model", "Input", "Output", "Cached input", "Input characters", "Output characters", "More", "Context", section.size, "Abilities", "Source"}}
		for _, e := range prices.Models() {
			if e.Mode != section.mode {
				continue
			}
			size := e.MaxOutputTokens
			if e.Mode == "embedding" {
				size = e.OutputVectorSize
			}
			t.add(code(e.ID), perMillion(e.Input), perMillion(e.Output), perMillion(e.CacheRead), perMillion(e.InputChar), perMillion(e.OutputChar),
				otherPrices(&e), count(e.MaxInputTokens), count(size), strings.Join(e.Words(), ", "), prose(source(&e)))
		}
		if section.size == "" {
			t.drop("", "Output", "Cached input", "Input characters", "Output characters", "Abilities")
		}
		fmt.Fprintf(&b, "\n## %s\n%s", section.title, t.String())
	}
	return b.String(), nil
}

// drop takes columns away.
func (t *table) drop(names ...string) {
	for _, name := range names {
		for i, head := range t.head {
			if head == name {
				t.head = append(t.head[:i:i], t.head[i+1:]...)
				for j, row := range t.rows {
					t.rows[j] = append(row[:i:i], row[i+1:]...)
				}
				break
			}
		}
	}
}

// otherPrices are the prices that have no column, but for those of batches and of priority and flex service.
func otherPrices(e *price.Entry) string {
	shown := map[string]bool{
		"input_cost_per_token": true, "output_cost_per_token": true, "cache_read_input_token_cost": true,
		"input_cost_per_character": true, "output_cost_per_character": true,
	}
	var parts []string
	for name, rate := range e.All() {
		switch {
		case shown[name], strings.HasSuffix(name, "_batches"), strings.HasSuffix(name, "_priority"), strings.HasSuffix(name, "_flex"):
		case name == "input_cost_per_query":
			parts = append(parts, rate.USD.String()+" a search")
		case strings.HasSuffix(name, "_second"), strings.HasSuffix(name, "_image"), strings.HasSuffix(name, "_request"):
			parts = append(parts, shortPrice(name)+" "+rate.USD.String())
		default:
			parts = append(parts, shortPrice(name)+" "+perMillion(rate))
		}
	}
	return strings.Join(parts, ", ")
}

// shortPrice is a price's name in words.
func shortPrice(name string) string {
	return strings.NewReplacer(
		"cache_creation_input_token_cost", "cache write", "cache_read_input_token_cost", "cached", "cache_read_input_audio_token_cost", "cached sound",
		"output_cost_per_reasoning_token", "reasoning", "input_cost_per_audio_token", "sound in", "output_cost_per_audio_token", "sound out",
		"input_cost_per_image_token", "picture in", "output_cost_per_image_token", "picture out",
		"input_cost_per_token", "input", "output_cost_per_token", "output", "_cost_per_", " per ",
		"_above_1hr", " for an hour", "_above_", " above ", "k_tokens", "k",
	).Replace(name)
}

// perMillion is a price in USD for a million units; a price that is not known is empty.
func perMillion(r price.Rate) string {
	million, err := r.USD.Mul(1_000_000)
	if !r.Known || err != nil {
		return ""
	}
	return million.String()
}

func count(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}
