package admin

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"tollgate/internal/apierr"
)

// splitComma takes a list apart that stands in one parameter.
func splitComma(text string) []string {
	parts := strings.Split(text, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

// list reads a list of names that are parted by commas.
func list(o Opt[ID]) []string {
	var out []string
	for _, name := range splitComma(string(o.Value)) {
		if name != "" {
			out = append(out, name)
		}
	}
	return out
}

// orEmpty is the list, never nil, so that JSON shows [].
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// orNull is nil for the empty text, so that JSON shows null.
func orNull(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// value is the text that p points to, "" for nil.
func value(p *string) string {
	if p == nil {
		return ""
	}
	return *p
}

// plainText is the text of a JSON string, "" where it is none.
func plainText(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// badParam refuses the value of a parameter.
func badParam(param, message string) *apierr.Error {
	return named(param, &apierr.Error{Status: http.StatusBadRequest, Type: "bad_request_error", Message: message})
}

// quote shows a caller's text in a refusal, not more of it than fits a line.
func quote(text string) string {
	const most = 80
	if len(text) > most {
		text = text[:most] + "..."
	}
	return strconv.Quote(text)
}
