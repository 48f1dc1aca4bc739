package answer

import (
	"encoding/json"
	"slices"
	"strings"
)

// maxBraces bounds how many places of a text are tried as the beginning of a schema.
const maxBraces = 50

// askedInWords turns a prompt that writes a JSON schema out among its words ("Respond with a JSON object matching this
// schema: ...") into one that asks for that format. The newest question and what the system said are looked at. The
// schema is taken out of the words: its names are no part of the question.
func askedInWords(p Prompt) Prompt {
	if p.Format != Plain {
		return p
	}
	questions := 0
	for i, m := range slices.Backward(p.Messages) {
		if m.Role == User {
			questions++
		}
		if m.Role != System && (m.Role != User || questions > 1) {
			continue
		}
		if schema, words, ok := schemaIn(m.Text); ok {
			p.Messages = slices.Clone(p.Messages)
			p.Messages[i].Text = words
			p.Format, p.Schema = JSONSchema, schema
			return p
		}
	}
	return p
}

// schemaIn finds the schema of an object in a text that asks for JSON, and returns it with the text around it.
func schemaIn(text string) (schema map[string]any, words string, ok bool) {
	if !strings.Contains(text, `"properties"`) || !strings.Contains(text, "JSON") {
		return nil, "", false
	}
	from := 0
	for range maxBraces {
		at := strings.IndexByte(text[from:], '{')
		if at < 0 {
			break
		}
		from += at
		decoder := json.NewDecoder(strings.NewReader(text[from:]))
		var found map[string]any
		if decoder.Decode(&found) == nil && len(properties(found)) > 0 {
			return found, text[:from] + text[from+int(decoder.InputOffset()):], true
		}
		from++
	}
	return nil, "", false
}
