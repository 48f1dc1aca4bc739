// Package price knows what the models cost and what they can do.
//
// The table is keyed by upstream id ("oci/cohere.command-latest"), never by alias, and every line of it names its
// source. A model without a line, or with a line without rates, has no known price: its calls cost nothing here and say
// so, since a guess would be worse than a gap that shows. An operator's own costs replace the table's (Rates.With).
//
// Oracle bills Cohere and Meta models per character: one transaction is one character of prompt or answer, and the
// published figure of 0.0018 dollars for 10,000 of them is LiteLLM's 0.72 dollars for a million tokens at four
// characters a token. Those lines carry both rates.
package price

import (
	"errors"
	"fmt"

	"tollgate/internal/money"
)

// Rate is the price of one unit. The zero Rate is not known, which is not the same as free.
type Rate struct {
	USD   money.USD
	Known bool
}

// MarshalJSON writes the price as a number in dollars, null when it is not known.
func (r Rate) MarshalJSON() ([]byte, error) {
	if !r.Known {
		return []byte("null"), nil
	}
	return r.USD.MarshalJSON()
}

// or returns r, or other where r is not known.
func (r Rate) or(other Rate) Rate {
	if r.Known {
		return r
	}
	return other
}

// Rates are the prices of one model. The JSON names are LiteLLM's.
type Rates struct {
	// Input and Output are the prices of one token of the prompt and of the answer.
	Input  Rate `json:"input_cost_per_token"`
	Output Rate `json:"output_cost_per_token"`
	// CacheRead is the price of one prompt token that the upstream took from its cache.
	CacheRead Rate `json:"cache_read_input_token_cost"`
	// CacheWrite is the price of one prompt token that the upstream put into its cache.
	CacheWrite Rate `json:"cache_creation_input_token_cost"`
	// InputChar and OutputChar are the prices of one character, where the upstream bills so.
	InputChar  Rate `json:"input_cost_per_character"`
	OutputChar Rate `json:"output_cost_per_character"`
}

// Usage is what a call used.
type Usage struct {
	// Prompt counts the prompt's tokens, those read from and written to the cache included.
	Prompt int64
	// Cached counts the prompt tokens that the upstream took from its cache.
	Cached int64
	// CacheWritten counts the prompt tokens that the upstream put into its cache and bills for that.
	CacheWritten int64
	// Completion counts the answer's tokens. Reasoning tokens are part of it and are priced as such, once
	// (BerriAI/litellm#18599).
	Completion int64
	// PromptChars and CompletionChars count characters; 0 means not counted, and tokens are priced instead.
	PromptChars, CompletionChars int64
}

// Cost prices a call, exactly. A direction that has a character price and a character count is priced by characters,
// else by tokens; tokens read from or written to the cache cost the cache's price, or the input price where there is none. known is false when
// something that was used has no price; cost is then what the rest costs, which is 0 for a model without rates.
// Negative counts, which only a broken upstream sends, count as 0, and a sum out of range is money.Max, so that no
// upstream can lower what a caller has spent.
func Cost(r Rates, u Usage) (cost money.USD, known bool) {
	b := bill{known: r != Rates{}}
	if r.InputChar.Known && u.PromptChars > 0 {
		b.add(r.InputChar, u.PromptChars)
	} else {
		fresh := max(u.Prompt, 0)
		read := min(max(u.Cached, 0), fresh)
		fresh -= read
		written := min(max(u.CacheWritten, 0), fresh)
		fresh -= written
		b.add(r.CacheRead.or(r.Input), read)
		b.add(r.CacheWrite.or(r.Input), written)
		b.add(r.Input, fresh)
	}
	if r.OutputChar.Known && u.CompletionChars > 0 {
		b.add(r.OutputChar, u.CompletionChars)
	} else {
		b.add(r.Output, u.Completion)
	}
	return b.sum, b.known
}

// bill is a sum under way.
type bill struct {
	sum   money.USD
	known bool
}

// add puts count units on the bill.
func (b *bill) add(r Rate, count int64) {
	if count <= 0 {
		return
	}
	if !r.Known {
		b.known = false
		return
	}
	item, err := r.USD.Mul(count)
	if err == nil {
		b.sum, err = b.sum.Add(item)
	}
	if err != nil {
		b.sum = money.Max
	}
}

// Override holds an operator's prices for one deployment as the text of the configuration, "" where none is set.
type Override struct {
	InputCostPerToken           string
	OutputCostPerToken          string
	CacheReadInputTokenCost     string
	CacheCreationInputTokenCost string
	InputCostPerCharacter       string
	OutputCostPerCharacter      string
}

// With returns the rates with the operator's prices in place of the table's. A token price without a character price
// of the same direction removes the table's character price, and an input price removes the table's cache prices: the
// operator's word is the whole word. A price that is not a decimal number, or is negative, is an error that names its key.
func (r Rates) With(o Override) (Rates, error) {
	var errs []error
	parse := func(key, text string) Rate {
		usd, err := money.ParseRounded(text)
		if err == nil && usd < 0 {
			err = errors.New("price is negative")
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", key, err))
		}
		return Rate{USD: usd, Known: err == nil}
	}
	if o.InputCostPerToken != "" {
		r = Rates{Input: parse("input_cost_per_token", o.InputCostPerToken), Output: r.Output, OutputChar: r.OutputChar}
	}
	if o.OutputCostPerToken != "" {
		r.Output, r.OutputChar = parse("output_cost_per_token", o.OutputCostPerToken), Rate{}
	}
	if o.CacheReadInputTokenCost != "" {
		r.CacheRead = parse("cache_read_input_token_cost", o.CacheReadInputTokenCost)
	}
	if o.CacheCreationInputTokenCost != "" {
		r.CacheWrite = parse("cache_creation_input_token_cost", o.CacheCreationInputTokenCost)
	}
	if o.InputCostPerCharacter != "" {
		r.InputChar = parse("input_cost_per_character", o.InputCostPerCharacter)
	}
	if o.OutputCostPerCharacter != "" {
		r.OutputChar = parse("output_cost_per_character", o.OutputCostPerCharacter)
	}
	return r, errors.Join(errs...)
}
