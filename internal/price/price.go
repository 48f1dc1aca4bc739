// Package price knows what the models cost and what they can do.
//
// The table is keyed by upstream id ("oci/cohere.command-latest"), never by alias, and every line of it names its
// source and the day on which the source said so. A model without a line, or with a line without rates, has no known
// price: its calls cost nothing here and say so, since a guess would be worse than a gap that shows. An operator's own
// costs replace the table's (WithCosts).
//
// Oracle bills Cohere and Meta models per character: one transaction is one character of prompt or answer. Those lines
// carry the price of a character and, for calls whose characters nobody counted, that of a token of four characters.
package price

import "tollgate/internal/money"

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

// Sheet is the prices of each unit that a call can use. The JSON names are LiteLLM's.
type Sheet struct {
	// Input and Output are the prices of one token of the prompt and of the answer.
	Input  Rate `json:"input_cost_per_token"`
	Output Rate `json:"output_cost_per_token"`
	// CacheRead is the price of one prompt token that the upstream took from its cache, CacheWrite of one that it put
	// there, CacheWriteHour of one that it keeps there for an hour and not for minutes.
	CacheRead      Rate `json:"cache_read_input_token_cost"`
	CacheWrite     Rate `json:"cache_creation_input_token_cost"`
	CacheWriteHour Rate `json:"cache_creation_input_token_cost_above_1hr,omitzero"`
	// InputChar and OutputChar are the prices of one character, where the upstream bills so.
	InputChar  Rate `json:"input_cost_per_character"`
	OutputChar Rate `json:"output_cost_per_character"`
	// Reasoning is the price of one token of the answer that was spent on thinking.
	Reasoning Rate `json:"output_cost_per_reasoning_token,omitzero"`
	// InputAudio, CacheReadAudio and OutputAudio are the prices of one token of sound.
	InputAudio     Rate `json:"input_cost_per_audio_token,omitzero"`
	CacheReadAudio Rate `json:"cache_read_input_audio_token_cost,omitzero"`
	OutputAudio    Rate `json:"output_cost_per_audio_token,omitzero"`
	// InputImageToken and OutputImageToken are the prices of one token of a picture, InputImage and OutputImage of one
	// whole picture.
	InputImageToken  Rate `json:"input_cost_per_image_token,omitzero"`
	OutputImageToken Rate `json:"output_cost_per_image_token,omitzero"`
	InputImage       Rate `json:"input_cost_per_image,omitzero"`
	OutputImage      Rate `json:"output_cost_per_image,omitzero"`
	// InputSecond and OutputSecond are the prices of one second of sound or film.
	InputSecond  Rate `json:"input_cost_per_second,omitzero"`
	OutputSecond Rate `json:"output_cost_per_second,omitzero"`
	// Query is the price of one search, the unit of rerankers; Request is paid once for each call.
	Query   Rate `json:"input_cost_per_query,omitzero"`
	Request Rate `json:"input_cost_per_request,omitzero"`
}

// Rates are the prices of one model: the sheet that counts for most calls, and those that replace it for large prompts
// and for other services. Rates do not change and may be compared with ==, which finds equal what is a copy.
type Rates struct {
	Sheet
	plan *plan // nil where one sheet is all
}

// Service is a way of being served that has prices of its own.
type Service uint8

// The services. A priority or flex call to a model without such prices costs what a standard one does; a batch call costs
// half of that, as LiteLLM has it.
const (
	Standard Service = iota
	Batch
	Priority
	Flex
)

// Usage is what a call used.
type Usage struct {
	// Prompt counts the prompt's tokens: text, sound and pictures, those read from and written to the cache included.
	Prompt int64
	// Cached counts the prompt tokens that the upstream took from its cache, CachedAudio those of them that are sound.
	Cached, CachedAudio int64
	// CacheWritten counts the prompt tokens that the upstream put into its cache and bills for that, CacheWrittenHour
	// those of them that are kept for an hour.
	CacheWritten, CacheWrittenHour int64
	// PromptAudio and PromptImage count the prompt tokens that are sound and pictures.
	PromptAudio, PromptImage int64
	// Completion counts the answer's tokens, Reasoning those of them that were spent on thinking: they are priced once
	// (BerriAI/litellm#18599). CompletionAudio and CompletionImage count the tokens of it that are sound and pictures.
	Completion, Reasoning, CompletionAudio, CompletionImage int64
	// PromptChars and CompletionChars count characters; 0 means not counted, and tokens are priced instead.
	PromptChars, CompletionChars int64
	// Queries counts the searches of a rerank call (Cohere's search units).
	Queries int64
	// InputImages and OutputImages count whole pictures.
	InputImages, OutputImages int64
	// InputMillis and OutputMillis are the length of sound or film, in milliseconds.
	InputMillis, OutputMillis int64
	// Service is how the call was served.
	Service Service
}

// Free reports whether a model costs nothing by somebody's word: prompt and answer are priced at zero, and so is
// everything else that has a price.
func (r *Rates) Free() bool {
	if !r.Input.Known || !r.Output.Known || r.Input.USD != 0 || r.Output.USD != 0 {
		return false
	}
	for _, rate := range r.keys() {
		if rate.USD != 0 {
			return false
		}
	}
	return true
}
