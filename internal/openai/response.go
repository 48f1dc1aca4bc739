package openai

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"tollgate/internal/jsonscan"
)

// Response is an answer in one piece: a JSON object in OpenAI's shape.
type Response struct {
	Meta
	Body []byte // owned by the response
	// Members is the top level of Body where the provider has scanned it, else nil.
	Members []jsonscan.Member
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

// Waiter is a Stream that can tell when it is about to wait for its upstream. A reader that passes chunks on collects
// those that came together and sends them then, in one write.
type Waiter interface {
	// OnWait has f called by Next, in its goroutine, before each read that may block. It must not be called beside
	// Next. It reports whether f will be called; if not, the reader must send each chunk by itself.
	OnWait(f func()) bool
}

// Chunk is one event of a stream: a well-formed JSON object in the shape of chat.completion.chunk (or of a text completion).
// Both fields are valid until the next call of Next.
type Chunk struct {
	Data []byte
	// Members is the top level of Data where the provider has scanned it, else nil.
	Members []jsonscan.Member
}

// Usage is the token count of a call. Reasoning tokens are part of CompletionTokens, cached ones of PromptTokens.
type Usage struct {
	PromptTokens       int
	CompletionTokens   int
	TotalTokens        int
	CachedTokens       int
	CacheWrittenTokens int // put into the upstream's cache (cache_creation_input_tokens)
	ReasoningTokens    int
	AudioInputTokens   int
	AudioOutputTokens  int
	ImageTokens        int // of the prompt
}

// ParseUsage reads a usage object; ok is false for null or anything that is not one. It takes both the chat form and
// the prompt-only form of embeddings; details may be absent or null. It is called for every answer and for every chunk
// that has one, so it scans instead of building a tree.
func ParseUsage(raw []byte) (u Usage, ok bool) {
	var room [16]jsonscan.Member
	if len(raw) == 0 || raw[0] != '{' {
		return Usage{}, false
	}
	members, err := jsonscan.Object(raw, room[:0])
	if err != nil {
		return Usage{}, false
	}
	ok = count(members, "prompt_tokens", &u.PromptTokens) && count(members, "completion_tokens", &u.CompletionTokens) &&
		count(members, "total_tokens", &u.TotalTokens) &&
		count(members, "cache_creation_input_tokens", &u.CacheWrittenTokens) &&
		countInside(members, "prompt_tokens_details", detail{"cached_tokens", &u.CachedTokens}, detail{"cache_creation_tokens", &u.CacheWrittenTokens},
			detail{"audio_tokens", &u.AudioInputTokens}, detail{"image_tokens", &u.ImageTokens}) &&
		countInside(members, "completion_tokens_details", detail{"reasoning_tokens", &u.ReasoningTokens}, detail{"audio_tokens", &u.AudioOutputTokens})
	if !ok {
		return Usage{}, false
	}
	if u.TotalTokens == 0 {
		u.TotalTokens = u.PromptTokens + u.CompletionTokens
	}
	return u, true
}

// count reads a member that is a whole number; one that is absent or null leaves n as it is. False is any other value.
func count(members []jsonscan.Member, name string, n *int) bool {
	raw, given := jsonscan.Find(members, name)
	if !given || string(raw) == "null" {
		return true
	}
	v, err := strconv.Atoi(string(raw))
	*n = v
	return err == nil
}

// detail is a member of usage's details and where its count goes.
type detail struct {
	name string
	n    *int
}

// countInside is count for the members of an object that may be absent or null.
func countInside(members []jsonscan.Member, object string, details ...detail) bool {
	raw, given := jsonscan.Find(members, object)
	if !given || string(raw) == "null" {
		return true
	}
	var room [8]jsonscan.Member
	inner, err := jsonscan.Object(raw, room[:0])
	if err != nil {
		return false
	}
	for _, d := range details {
		if !count(inner, d.name, d.n) {
			return false
		}
	}
	return true
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
