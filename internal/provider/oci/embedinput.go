package oci

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
	"tollgate/internal/provider/oci/cl100k"
)

// embedInput is one text or image to embed.
type embedInput struct {
	text   openai.Text // the text, or the image's data URI
	image  bool
	tokens int // counted for token arrays, estimated for texts
}

// readInputs reads the forms of input: a text, a list of texts, one text as tokens, a list of those, and, for
// models that see, data URIs of images or OpenAI's image parts in the list.
func readInputs(raw []byte) ([]embedInput, error) {
	switch raw[0] {
	case '"':
		return []embedInput{textInput(raw)}, nil
	case '[':
	default:
		return nil, &openai.ParseError{Param: "input", Message: "Invalid type for 'input': expected a string, an array of strings, or arrays of tokens."}
	}
	elements, err := jsonscan.Array(raw, nil)
	if err != nil || len(elements) == 0 {
		return nil, &openai.ParseError{Param: "input", Message: "Invalid 'input': empty array. Expected an array with minimum length 1, but got an empty array instead."}
	}
	if c := elements[0][0]; c != '"' && c != '[' && c != '{' { // one text as tokens
		in, err := tokenInput("input", raw)
		return []embedInput{in}, err
	}
	out := make([]embedInput, 0, len(elements))
	for i, e := range elements {
		in, err := readInput(fmt.Sprintf("input[%d]", i), e)
		if err != nil {
			return nil, err
		}
		out = append(out, in)
	}
	return out, nil
}

func readInput(path string, raw []byte) (embedInput, error) {
	switch raw[0] {
	case '"':
		return textInput(raw), nil
	case '[':
		return tokenInput(path, raw)
	case '{':
		return partInput(path, raw)
	}
	return embedInput{}, &openai.ParseError{Param: path, Message: "Invalid type for '" + path + "': expected a string or an array of tokens."}
}

// textInput takes a text, or an image as a data URI. Four characters count as a token.
func textInput(raw openai.Text) embedInput {
	in := embedInput{text: raw, image: bytes.HasPrefix(raw.Inner(), []byte("data:image/"))}
	if !in.image {
		in.tokens = (utf8.RuneCount(raw.Inner()) + 3) / 4
	}
	return in
}

func tokenInput(path string, raw []byte) (embedInput, error) {
	var tokens []int
	if json.Unmarshal(raw, &tokens) != nil || len(tokens) == 0 {
		return embedInput{}, &openai.ParseError{Param: path, Message: "Invalid type for '" + path + "': expected an array of integer tokens."}
	}
	text, err := cl100k.Decode(tokens)
	if err != nil {
		return embedInput{}, &openai.ParseError{Param: path, Message: "Invalid value for '" + path + "': " + err.Error() + "; send the text itself."}
	}
	return embedInput{text: openai.Quote(text), tokens: len(tokens)}, nil
}

// partInput reads {"type":"text","text"} and {"type":"image_url","image_url":{"url"}}.
func partInput(path string, raw []byte) (embedInput, error) {
	var part struct {
		Type  string          `json:"type"`
		Text  *string         `json:"text"`
		Image json.RawMessage `json:"image_url"`
	}
	wrong := &openai.ParseError{Param: path, Message: "Invalid value for '" + path + "': expected a text or an image part."}
	if json.Unmarshal(raw, &part) != nil {
		return embedInput{}, wrong
	}
	if part.Text != nil {
		return textInput(openai.Quote(*part.Text)), nil
	}
	var url string
	var nested struct {
		URL string `json:"url"`
	}
	if json.Unmarshal(part.Image, &url) != nil && json.Unmarshal(part.Image, &nested) == nil {
		url = nested.URL
	}
	if url == "" {
		return embedInput{}, wrong
	}
	return embedInput{text: openai.Quote(url), image: true}, nil
}
