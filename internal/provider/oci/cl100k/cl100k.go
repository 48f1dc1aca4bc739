// Package cl100k decodes the tokens of OpenAI's cl100k_base vocabulary. Some clients, LangChain's embeddings among
// them, send integers where other models want texts.
//
// The vocabulary is OpenAI's (github.com/openai/tiktoken, MIT licence), packed by generate.go: for every token in
// order one byte of length and its bytes, compressed. It is unpacked on first use, which takes about ten
// milliseconds and two megabytes.
package cl100k

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
	"io"
	"strings"
	"sync"
)

//go:generate go run generate.go cl100k_base.tiktoken

//go:embed cl100k.gz
var packed []byte

// size is the number of ordinary tokens.
const size = 100_256

// special are the tokens behind the ordinary ones.
var special = map[int]string{
	100257: "<|endoftext|>", 100258: "<|fim_prefix|>", 100259: "<|fim_middle|>", 100260: "<|fim_suffix|>", 100276: "<|endofprompt|>",
}

// vocabulary gives the texts of all tokens.
var vocabulary = sync.OnceValues(unpack)

// UnknownError is a number that is no token.
type UnknownError struct{ Token int }

// Error names the number.
func (e *UnknownError) Error() string { return fmt.Sprintf("%d is not a cl100k_base token", e.Token) }

// Decode joins the texts of tokens. What is no UTF-8 when all is joined becomes U+FFFD. It fails with an
// *UnknownError.
func Decode(tokens []int) (string, error) {
	words, err := vocabulary()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, t := range tokens {
		switch word, isSpecial := special[t]; {
		case isSpecial:
			b.WriteString(word)
		case t < 0 || t >= size:
			return "", &UnknownError{Token: t}
		default:
			b.Write(words[t])
		}
	}
	return strings.ToValidUTF8(b.String(), "\uFFFD"), nil
}

func unpack() ([][]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, fmt.Errorf("cl100k: %w", err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		return nil, fmt.Errorf("cl100k: %w", err)
	}
	words := make([][]byte, 0, size)
	for len(text) > 0 {
		n := int(text[0])
		if len(text) < n+1 {
			break
		}
		words, text = append(words, text[1:n+1:n+1]), text[n+1:]
	}
	if len(words) != size || len(text) > 0 {
		return nil, fmt.Errorf("cl100k: the vocabulary has %d tokens instead of %d", len(words), size)
	}
	return words, nil
}
