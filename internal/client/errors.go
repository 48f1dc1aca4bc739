package client

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// Error is a refusal of the gateway.
type Error struct {
	Status int
	// Message is what the gateway says, Type and Param what it is about: "budget_exceeded", "auth_error" ...
	Message, Type, Param string
}

// Error gives the status and the gateway's words.
func (e *Error) Error() string { return fmt.Sprintf("%d: %s", e.Status, e.Message) }

// maxMessage bounds what of an answer that is no refusal of ours is repeated.
const maxMessage = 500

// refusal reads the forms in which refusals come: the envelope, {"detail": ...} of FastAPI, or whatever a proxy in
// between says.
func refusal(status int, text []byte) error {
	var envelope struct {
		Error struct {
			Message json.RawMessage `json:"message"`
			Type    any             `json:"type"`
			Param   any             `json:"param"`
		} `json:"error"`
		Detail json.RawMessage `json:"detail"`
	}
	e := &Error{Status: status}
	if json.Unmarshal(text, &envelope) == nil {
		e.Type, _ = envelope.Error.Type.(string)
		e.Param, _ = envelope.Error.Param.(string)
		if e.Message = words(envelope.Error.Message); e.Message == "" {
			e.Message = words(envelope.Detail)
		}
	}
	if e.Message == "" {
		e.Message = strings.TrimSpace(string(text))
	}
	if len(e.Message) > maxMessage {
		e.Message = e.Message[:maxMessage] + "..."
	}
	if e.Message == "" {
		e.Message = http.StatusText(status)
	}
	return e
}

// words is a message: a text, or an object that holds one under error or message, or else the JSON itself.
func words(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var object struct{ Error, Message any }
	if json.Unmarshal(raw, &object) == nil {
		for _, v := range []any{object.Error, object.Message} {
			if text, ok := v.(string); ok {
				return text
			}
		}
	}
	return string(raw)
}
