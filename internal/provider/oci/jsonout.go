package oci

import (
	"strconv"

	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
)

// jsonOut builds JSON text in one buffer. It puts commas by what stands before: a value never ends in an opening
// bracket, so the last byte tells enough.
type jsonOut struct{ b []byte }

func (o *jsonOut) comma() {
	if n := len(o.b); n > 0 && o.b[n-1] != '{' && o.b[n-1] != '[' && o.b[n-1] != ':' {
		o.b = append(o.b, ',')
	}
}

// open begins an object or array as the next value; close ends it.
func (o *jsonOut) open(bracket byte) {
	o.comma()
	o.b = append(o.b, bracket)
}

func (o *jsonOut) close(bracket byte) { o.b = append(o.b, bracket) }

// key begins a member; name needs no escapes.
func (o *jsonOut) key(name string) {
	o.comma()
	o.b = append(append(append(o.b, '"'), name...), '"', ':')
}

// raw writes a value that is JSON text already.
func (o *jsonOut) raw(value []byte) {
	o.comma()
	o.b = append(o.b, value...)
}

func (o *jsonOut) str(s string) {
	o.comma()
	o.b = jsonscan.AppendString(o.b, s)
}

func (o *jsonOut) num(n int) {
	o.comma()
	o.b = strconv.AppendInt(o.b, int64(n), 10)
}

func (o *jsonOut) null() {
	o.comma()
	o.b = append(o.b, "null"...)
}

func (o *jsonOut) strMember(name, s string) {
	o.key(name)
	o.str(s)
}

func (o *jsonOut) rawMember(name string, value []byte) {
	o.key(name)
	o.raw(value)
}

func (o *jsonOut) numMember(name string, n int) {
	o.key(name)
	o.num(n)
}

// text writes a text as the caller wrote it, "" when there is none.
func (o *jsonOut) text(t openai.Text) {
	if t == nil {
		t = emptyText
	}
	o.raw(t)
}

func (o *jsonOut) textMember(name string, t openai.Text) {
	o.key(name)
	o.text(t)
}

// Texts that stand where a caller gave none.
var (
	emptyText = openai.Text(`""`)
	// placeholder stands in an assistant's turn that has no text of its own: Gemini's translator inside OCI fails
	// on an empty one (oracle/langchain-oracle#78), and one character is what Oracle's own clients send.
	placeholder = openai.Text(`"."`)
)
