package openai

import (
	"encoding/json"
	"net/http"
	"strings"

	"tollgate/internal/jsonscan"
)

// Response is an answer in one piece: a JSON object in OpenAI's shape.
type Response struct {
	Meta
	Body []byte // owned by the response
}

// Meta is what a provider tells about an answer besides its text.
type Meta struct {
	Header  http.Header // the upstream's response headers; may be nil
	Dropped []string    // parameters that the upstream does not know and that were left out, sorted
}

// Stream is an answer in chunks. It is pulled by one goroutine; Close may be called from another one, more than once,
// and makes a pending Next return.
type Stream interface {
	// Next returns the next chunk, or io.EOF behind the last one. Any other error ends the stream; an
	// upstream that stops without its end mark is io.ErrUnexpectedEOF inside a *provider.UpstreamError.
	Next() (Chunk, error)
	// Close releases the connection. It cancels the upstream call when the stream has not ended.
	Close() error
	// Meta is known from the start.
	Meta() Meta
}

// Chunk is one event of a stream: a JSON object in the shape of chat.completion.chunk (or of a text completion).
// Data is valid until the next call of Next.
type Chunk struct {
	Data []byte
}

// Usage is the token count of a call. Reasoning tokens are part of CompletionTokens, cached ones of PromptTokens.
type Usage struct {
	PromptTokens     int
	CompletionTokens int
	TotalTokens      int
	CachedTokens     int
	ReasoningTokens  int
}

// usageJSON takes both the chat form and the prompt-only form of embeddings; details may be absent or null.
type usageJSON struct {
	PromptTokens     int `json:"prompt_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	TotalTokens      int `json:"total_tokens"`
	PromptDetails    *struct {
		CachedTokens int `json:"cached_tokens"`
	} `json:"prompt_tokens_details"`
	CompletionDetails *struct {
		ReasoningTokens int `json:"reasoning_tokens"`
	} `json:"completion_tokens_details"`
}

// ParseUsage reads a usage object; ok is false for null or anything that is not one.
func ParseUsage(raw []byte) (u Usage, ok bool) {
	if len(raw) == 0 || raw[0] != '{' {
		return Usage{}, false
	}
	var j usageJSON
	if json.Unmarshal(raw, &j) != nil {
		return Usage{}, false
	}
	u = Usage{PromptTokens: j.PromptTokens, CompletionTokens: j.CompletionTokens, TotalTokens: j.TotalTokens}
	if j.PromptDetails != nil {
		u.CachedTokens = j.PromptDetails.CachedTokens
	}
	if j.CompletionDetails != nil {
		u.ReasoningTokens = j.CompletionDetails.ReasoningTokens
	}
	if u.TotalTokens == 0 {
		u.TotalTokens = u.PromptTokens + u.CompletionTokens
	}
	return u, true
}

// StringMember returns the decoded text of a string member, "" when it is absent or no string.
func StringMember(members []jsonscan.Member, name string) string {
	raw, ok := jsonscan.Find(members, name)
	if !ok || len(raw) < 2 || raw[0] != '"' {
		return ""
	}
	if inner := string(raw[1 : len(raw)-1]); !strings.Contains(inner, `\`) {
		return inner
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}
