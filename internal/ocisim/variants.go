package ocisim

import (
	"encoding/json"
	"fmt"
	"time"
)

// Variants are the choices that no capture of the real service settles, or that differ between tenancies and model
// versions. Texts are examples of what the service says: clients should go by the code.
type Variants struct {
	// ThrottleCode is the code of a 429: "TooManyRequests" in the documentation, "429" in some reports.
	ThrottleCode string `json:"throttle_code"`
	// Message401, Message404 and Message429 are the texts of those errors.
	Message401 string `json:"message_401"`
	Message404 string `json:"message_404"`
	Message429 string `json:"message_429"`
	// UnknownFieldCode is the code of the 400 for a body with a field that the service does not know.
	UnknownFieldCode string `json:"unknown_field_code"`
	// LengthMismatchStatus answers a content-length that does not fit the body: 401, or 400.
	LengthMismatchStatus int `json:"length_mismatch_status"`
	// CompatCompartmentHeader names the header with the compartment on /20231130/actions/v1: opc-compartment-id, or
	// CompartmentId as the oldest clients send. The newer name is taken as well, always.
	CompatCompartmentHeader string `json:"compat_compartment_header"`
	// DefaultMaxTokens is the output cap when the caller gives none.
	DefaultMaxTokens int `json:"default_max_tokens"`
	// MaxBodyBytes is the largest body; above it the answer is 413.
	MaxBodyBytes int64 `json:"max_body_bytes"`
	// SnakeParams makes OpenAI's refusals name parameters in snake case (max_tokens) and not in OCI's camel case.
	SnakeParams bool `json:"snake_params"`
	// LlamaFreshIDs makes Llama's tool-call fragments carry a new id each.
	LlamaFreshIDs bool `json:"llama_fresh_ids"`
	// LlamaToolFinish is Llama's finish reason on tool turns: "tool_calls" or "stop".
	LlamaToolFinish string `json:"llama_tool_finish"`
	// LlamaLoops makes Llama call its tools again after each result, until toolChoice is NONE.
	LlamaLoops bool `json:"llama_loops"`
	// LlamaDoubleEncoded makes the arguments of Llama's tool calls a JSON text inside a JSON text.
	LlamaDoubleEncoded bool `json:"llama_double_encoded"`
	// BareToolFinish makes the finish event of a GENERIC tool turn come without any message.
	BareToolFinish bool `json:"bare_tool_finish"`
	// CohereNullFinish makes COHERE answer finishReason null, and leave a stray "<|" at the end of the text, when a stop
	// sequence fired, as one capture shows.
	CohereNullFinish bool `json:"cohere_null_finish"`
	// CohereV2Repeats makes the last event of a COHEREV2 stream repeat the whole message, as COHERE does.
	CohereV2Repeats bool `json:"cohere_v2_repeats"`
	// MidStreamError is the shape of an error event inside a stream: "errorMessage", "code" or "error".
	MidStreamError string `json:"mid_stream_error"`
	// SplitWrites is the share (0 to 1) of stream events that are written in two pieces.
	SplitWrites float64 `json:"split_writes"`
	// SingleLF is the share (0 to 1) of stream events that are followed by one line feed instead of a blank line. Reports
	// tell of such streams, and Oracle's own Python SDK cannot read them, so there are none unless asked for.
	SingleLF float64 `json:"single_lf"`
	// ZstdCompat makes the OpenAI-compatible surface answer with zstd, one frame an event, to whoever offers it.
	ZstdCompat bool `json:"zstd_compat"`
	// ClockOffset moves the service's clock against the caller's.
	ClockOffset Duration `json:"clock_offset"`
}

// DefaultVariants returns what the simulator does unless told otherwise.
func DefaultVariants() Variants {
	return Variants{
		ThrottleCode:            "TooManyRequests",
		Message401:              "The required information to complete authentication was not provided or was incorrect.",
		Message404:              "Authorization failed or requested resource not found.",
		Message429:              "Too many requests for the tenant(s).",
		UnknownFieldCode:        "CannotParseRequest",
		LengthMismatchStatus:    401,
		CompatCompartmentHeader: "opc-compartment-id",
		DefaultMaxTokens:        20,
		MaxBodyBytes:            32 << 20,
		LlamaToolFinish:         "tool_calls",
		CohereNullFinish:        true,
		MidStreamError:          "code",
		SplitWrites:             0.2,
		ZstdCompat:              true,
	}
}

// Duration is a time.Duration that JSON writes as "250ms".
type Duration time.Duration

// MarshalJSON writes the duration in Go's notation.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// UnmarshalJSON reads "250ms", "2s" or "-10m".
func (d *Duration) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return fmt.Errorf("a duration is a text such as \"250ms\", not %s", b)
	}
	v, err := time.ParseDuration(text)
	if err != nil {
		return err
	}
	*d = Duration(v)
	return nil
}
