package cache

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"time"

	"tollgate/internal/jsonscan"
	"tollgate/internal/money"
	"tollgate/internal/openai"
)

// Answer is an answer that was given once: in one piece, as the upstream gave it, before guardrails changed it and before the
// gateway put the caller's name of the model in. It is not changed once made.
type Answer struct {
	Time time.Time // when it was made
	Body []byte
	Served
}

// Served tells who gave an answer and what it has cost then.
type Served struct {
	Deployment string    `json:"deployment,omitempty"` // its id
	Alias      string    `json:"alias,omitempty"`      // the deployment's
	Group      string    `json:"model_group,omitempty"`
	Upstream   string    `json:"upstream,omitempty"`
	Provider   string    `json:"provider,omitempty"`
	Cost       money.USD `json:"cost,omitempty"`
	Priced     bool      `json:"priced,omitempty"` // Cost is known
	Prompt     int       `json:"prompt_tokens,omitempty"`
	Completion int       `json:"completion_tokens,omitempty"`
	// Estimated says that the upstream has told no counts.
	Estimated bool `json:"estimated,omitempty"`
}

// errEntry says that stored bytes are no entry. Such a one is a miss.
var errEntry = errors.New("cache: not an entry")

// encode writes an entry as it is stored: LiteLLM's {"timestamp", "response"}, the response as a text, and what we know of it
// under our name.
func (e *Answer) encode() []byte {
	about, err := json.Marshal(e.Served)
	if err != nil { // of texts and numbers
		about = []byte("{}")
	}
	out := make([]byte, 0, len(e.Body)+len(e.Body)/8+len(about)+64)
	out = append(out, `{"timestamp":`...)
	out = strconv.AppendFloat(out, float64(e.Time.UnixMicro())/1e6, 'f', 6, 64)
	out = append(out, `,"response":`...)
	out = quote(out, e.Body)
	out = append(append(out, `,"tollgate":`...), about...)
	return append(out, '}')
}

// quote appends JSON text as a JSON string. It is well-formed, so that quotes, backslashes and white space are all there is to
// escape.
func quote(dst, text []byte) []byte {
	dst = append(dst, '"')
	for {
		i := bytes.IndexAny(text, "\"\\\n\r\t")
		if i < 0 {
			return append(append(dst, text...), '"')
		}
		dst = append(append(dst, text[:i]...), '\\')
		switch c := text[i]; c {
		case '\n':
			dst = append(dst, 'n')
		case '\r':
			dst = append(dst, 'r')
		case '\t':
			dst = append(dst, 't')
		default:
			dst = append(dst, c)
		}
		text = text[i+1:]
	}
}

// decode reads what encode has written, or LiteLLM has. Whatever is not an answer in JSON is errEntry.
func decode(raw []byte) (*Answer, error) {
	members, err := jsonscan.Object(raw, make([]jsonscan.Member, 0, 4))
	if err != nil {
		return nil, errEntry
	}
	e := &Answer{}
	text, _ := jsonscan.Find(members, "timestamp")
	at, err := strconv.ParseFloat(string(text), 64)
	if err != nil || at < 0 || at > 1e12 {
		return nil, errEntry
	}
	e.Time = time.UnixMicro(int64(math.Round(at * 1e6)))
	response, _ := jsonscan.Find(members, "response")
	if len(response) < 2 || response[0] != '"' {
		return nil, errEntry
	}
	e.Body = unescape(make([]byte, 0, len(response)), response[1:len(response)-1])
	if _, err := jsonscan.Object(e.Body, make([]jsonscan.Member, 0, 12)); err != nil {
		return nil, errEntry
	}
	if about, ok := jsonscan.Find(members, "tollgate"); ok {
		if json.Unmarshal(about, &e.Served) != nil || e.Cost < 0 || e.Prompt < 0 || e.Completion < 0 {
			return nil, errEntry
		}
	}
	return e, nil
}

// age is how old an entry is, never negative.
func (e *Answer) age(now time.Time) time.Duration { return max(now.Sub(e.Time), 0) }

// Kept says whether an answer in one piece is one to keep: a whole one that says something. limited is true where something
// other than the request has bounded its length, so that a shorter answer may be its doing.
func Kept(op openai.Operation, body []byte, limited bool) bool {
	members, err := jsonscan.Object(body, make([]jsonscan.Member, 0, 12))
	if err != nil {
		return false
	}
	if failed, ok := jsonscan.Find(members, "error"); ok && string(failed) != "null" {
		return false
	}
	name := "choices"
	switch op {
	case openai.OpEmbedding:
		name = "data"
	case openai.OpRerank:
		name = "results"
	}
	raw, _ := jsonscan.Find(members, name)
	if len(raw) == 0 || raw[0] != '[' {
		return false
	}
	list, err := jsonscan.InnerArray(raw, nil)
	if err != nil || len(list) == 0 {
		return false
	}
	if name != "choices" {
		return true
	}
	for _, choice := range list {
		if !keptChoice(choice, limited) {
			return false
		}
	}
	return true
}

// keptChoice says whether a choice has ended by itself and says something.
func keptChoice(choice []byte, limited bool) bool {
	members, err := jsonscan.InnerObject(choice, make([]jsonscan.Member, 0, 8))
	if err != nil {
		return false
	}
	switch reason := openai.StringMember(members, "finish_reason"); reason {
	case "", "content_filter", "error": // not ended, or ended by somebody's verdict of the moment
		return false
	case "length":
		if limited {
			return false
		}
	}
	if text, ok := jsonscan.Find(members, "text"); ok {
		return says(text)
	}
	message, _ := jsonscan.Find(members, "message")
	if len(message) == 0 || message[0] != '{' {
		return false
	}
	inner, err := jsonscan.InnerObject(message, make([]jsonscan.Member, 0, 8))
	if err != nil {
		return false
	}
	for i := range inner {
		switch string(inner[i].Name) {
		case "content", "refusal", "tool_calls", "function_call", "audio", "images":
			if says(inner[i].Value) {
				return true
			}
		}
	}
	return false
}

// says reports whether a value is more than an empty one.
func says(value []byte) bool {
	switch string(value) {
	case "", "null", `""`, "[]", "{}":
		return false
	}
	return true
}
