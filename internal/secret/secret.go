// Package secret holds the one type in which keys, tokens and passwords travel
// through the gateway. Its value prints masked in every form that Go programs
// use to print things; only Reveal gives the text.
package secret

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

// Mask is what a secret that holds something prints as. It says nothing about
// the length or the content.
const Mask = "*****"

// String is a text that must never be printed. The zero value is the empty
// secret. It is immutable and safe for concurrent use.
//
// The text sits behind a pointer on purpose: fmt does not call methods on
// unexported fields, so a struct that hides a String in one still prints an
// address and not the text.
type String struct {
	text *string
}

// New wraps text. New("") is the zero value.
func New(text string) String {
	if text == "" {
		return String{}
	}
	return String{text: &text}
}

// Reveal returns the text itself. Call it only where the text leaves for the
// place that it is the secret of.
func (s String) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// Empty reports whether there is no text.
func (s String) Empty() bool { return s.text == nil }

// Equal compares two secrets in a time that depends on their lengths alone.
func (s String) Equal(other String) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// String returns the mask, or "" for the empty secret.
func (s String) String() string {
	if s.Empty() {
		return ""
	}
	return Mask
}

// GoString is what %#v prints: masked.
func (s String) GoString() string { return fmt.Sprintf("secret.String(%q)", s.String()) }

// Format prints the mask whatever the verb and flags are.
func (s String) Format(f fmt.State, verb rune) {
	switch {
	case verb == 'v' && f.Flag('#'):
		_, _ = io.WriteString(f, s.GoString())
	case verb == 'q':
		_, _ = fmt.Fprintf(f, "%q", s.String())
	default:
		_, _ = io.WriteString(f, s.String())
	}
}

// MarshalText is what encoders that know text (YAML, XML, JSON map keys) write: masked.
func (s String) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON writes the mask as a JSON string.
func (s String) MarshalJSON() ([]byte, error) { return []byte(`"` + s.String() + `"`), nil }

// LogValue is what slog writes: masked.
func (s String) LogValue() slog.Value { return slog.StringValue(s.String()) }
