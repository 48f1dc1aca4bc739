package auth

import (
	"encoding/base64"
	"encoding/pem"
	"regexp"
	"strings"
)

const (
	// maxLabel bounds the type of a PEM block; the longest that matters here has 21 characters.
	maxLabel = 64
	// maxBlocks bounds how many beginnings are tried: each may cost a search to the end.
	maxBlocks = 100
)

// escapedBreaks is a line break that a shell, an env file or JSON left spelled
// out. Neither base64 nor a PEM header has a backslash.
var escapedBreaks = regexp.MustCompile(`(\\+[rn])+`)

// pemBlocks finds the PEM blocks in text. It reads what people paste and what
// environment variables do to it, where encoding/pem wants clean lines: line
// breaks spelled "\n" or turned into spaces, indentation, CRLF, a byte order
// mark, quotes around the whole, and anything before, between and after the
// blocks (OCI's console appends the line OCI_API_KEY).
func pemBlocks(text string) []*pem.Block {
	text = escapedBreaks.ReplaceAllString(text, "\n")
	var blocks []*pem.Block
	for range maxBlocks {
		var block *pem.Block
		if block, text = nextPEMBlock(text); block != nil {
			blocks = append(blocks, block)
		}
		if text == "" {
			break
		}
	}
	return blocks
}

// nextPEMBlock reads the first BEGIN ... END pair of text. rest is what follows
// and always shorter than text; block is nil if the pair was not well-formed.
func nextPEMBlock(text string) (block *pem.Block, rest string) {
	const begin, end, dashes = "-----BEGIN ", "-----END ", "-----"
	_, text, found := strings.Cut(text, begin)
	if !found {
		return nil, ""
	}
	label, body, found := strings.Cut(text, dashes)
	if !found || len(label) > maxLabel || strings.ContainsAny(label, "\r\n") {
		return nil, text
	}
	body, rest, found = strings.Cut(body, end+label+dashes)
	if !found {
		return nil, text
	}
	headers, encoded := splitPEMHeaders(body)
	der, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, text
	}
	return &pem.Block{Type: label, Headers: headers, Bytes: der}, rest
}

// splitPEMHeaders parts the "Name: value" lines of a legacy encrypted key from
// its base64, which is returned without white space.
func splitPEMHeaders(body string) (headers map[string]string, encoded string) {
	var b strings.Builder
	for line := range strings.Lines(body) {
		if name, value, found := strings.Cut(line, ":"); found {
			if headers == nil {
				headers = make(map[string]string)
			}
			headers[strings.TrimSpace(name)] = strings.TrimSpace(value)
			continue
		}
		for field := range strings.FieldsSeq(line) {
			b.WriteString(field)
		}
	}
	return headers, b.String()
}
