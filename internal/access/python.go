package access

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// pythonList writes texts as str() of a Python list does: LiteLLM's refusals hold such lists.
func pythonList(texts []string) string {
	var b strings.Builder
	b.WriteByte('[')
	for i, text := range texts {
		if i > 0 {
			b.WriteString(", ")
		}
		writePython(&b, text)
	}
	b.WriteByte(']')
	return b.String()
}

// writePython writes repr() of a text.
func writePython(b *strings.Builder, text string) {
	quote := '\''
	if strings.ContainsRune(text, '\'') && !strings.ContainsRune(text, '"') {
		quote = '"'
	}
	b.WriteRune(quote)
	for i, r := range text {
		switch {
		case r == utf8.RuneError && text[i] != "\uFFFD"[0]: // a byte that is no UTF-8
			fmt.Fprintf(b, `\x%02x`, text[i])
		case r == quote || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == ' ' || unicode.IsPrint(r):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(b, `\u%04x`, r)
		default:
			fmt.Fprintf(b, `\U%08x`, r)
		}
	}
	b.WriteRune(quote)
}
