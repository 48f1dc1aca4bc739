package egress

import (
	"encoding/base64"
	"fmt"
	"mime"
	"net/url"
	"strings"
)

// ParseDataURI decodes a data URI (RFC 2397), the form in which most callers send images. The media type comes back
// in lower case without parameters, "text/plain" when the URI names none. maxBytes bounds the decoded data; 0 means
// DefaultMaxFetchBytes. Errors are *FetchError of kind BadURL or TooLarge and do not repeat the data.
func ParseDataURI(s string, maxBytes int64) (mediaType string, data []byte, err error) {
	if maxBytes <= 0 {
		maxBytes = DefaultMaxFetchBytes
	}
	bad := func(reason string) (string, []byte, error) {
		return "", nil, &FetchError{Kind: BadURL, reason: "data URI: " + reason}
	}
	if len(s) < len("data:") || !strings.EqualFold(s[:len("data:")], "data:") {
		return bad("does not begin with data:")
	}
	head, payload, ok := strings.Cut(s[len("data:"):], ",")
	if !ok {
		return bad("has no comma")
	}
	isBase64 := false
	if i := strings.LastIndexByte(head, ';'); i >= 0 && strings.EqualFold(strings.TrimSpace(head[i+1:]), "base64") {
		head, isBase64 = head[:i], true
	}
	if head == "" || head[0] == ';' {
		head = "text/plain" + head
	}
	mediaType, _, err = mime.ParseMediaType(head)
	if err != nil || !strings.Contains(mediaType, "/") {
		return bad("media type cannot be read")
	}
	tooLarge := &FetchError{Kind: TooLarge, reason: fmt.Sprintf("data URI: larger than %d bytes", maxBytes)}
	if int64(len(payload)) > 4*maxBytes { // no encoding shrinks more than three characters to one byte
		return "", nil, tooLarge
	}
	if strings.IndexByte(payload, '%') >= 0 {
		if payload, err = url.PathUnescape(payload); err != nil {
			return bad("percent encoding is wrong")
		}
	}
	data = []byte(payload)
	if isBase64 {
		if data, err = decodeBase64(payload); err != nil {
			return bad("base64 is wrong")
		}
	}
	if int64(len(data)) > maxBytes {
		return "", nil, tooLarge
	}
	return mediaType, data, nil
}

// decodeBase64 takes the standard and the URL-safe alphabet, with and without padding, since callers send all four.
func decodeBase64(s string) ([]byte, error) {
	s = strings.TrimRight(s, "=")
	if strings.ContainsAny(s, "-_") {
		return base64.RawURLEncoding.DecodeString(s)
	}
	return base64.RawStdEncoding.DecodeString(s)
}
