package cache

import (
	"bytes"
	"encoding/binary"
	"hash"
	"slices"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"tollgate/internal/jsonscan"
)

// This file writes JSON in one form, so that requests which mean the same have the same key: members sorted by name, numbers
// by value, texts without escapes; of a schema's properties the order counts. The form is for hashing alone: each value begins with a letter for its kind, and texts
// tell their length, so that no two values have the same form.

// digest hashes values in their one form.
type digest struct {
	hash.Hash
	room [16]byte
	text []byte // of a string with escapes
}

// write hashes a text with its kind and its length in front.
func (d *digest) write(kind byte, text []byte) {
	head := binary.AppendUvarint(append(d.room[:0], kind), uint64(len(text)))
	_, _ = d.Write(head) // a hash takes everything
	_, _ = d.Write(text)
}

// words hashes texts that are no JSON.
func (d *digest) words(list ...string) {
	for _, s := range list {
		d.write('w', []byte(s))
	}
}

// mark hashes a sign alone.
func (d *digest) mark(kind byte) { _, _ = d.Write(append(d.room[:0], kind)) }

// value hashes a JSON value out of a text that jsonscan has accepted.
func (d *digest) value(raw []byte) {
	switch raw[0] {
	case '{':
		members, err := jsonscan.InnerObject(raw, make([]jsonscan.Member, 0, 8))
		if err != nil { // more than jsonscan takes at a top level: as it is written
			d.write('?', raw)
			return
		}
		d.members(members)
	case '[':
		d.list(raw)
	case '"':
		d.str(raw)
	case 't', 'f', 'n':
		d.mark(raw[0])
	default:
		d.write('#', number(d.text[:0], raw))
	}
}

// members hashes an object. It sorts members in place; of those with one name the order stays.
func (d *digest) members(members []jsonscan.Member) {
	slices.SortStableFunc(members, func(a, b jsonscan.Member) int { return bytes.Compare(a.Name, b.Name) })
	d.mark('{')
	for i := range members {
		d.write('"', members[i].Name)
		if string(members[i].Name) == "properties" {
			d.order(members[i].Value)
		}
		d.value(members[i].Value)
	}
	d.mark('}')
}

// order hashes the names of a schema's properties as they come: a model writes them in this order, and what it writes first
// decides on the rest.
func (d *digest) order(raw []byte) {
	if raw[0] != '{' {
		return
	}
	members, err := jsonscan.InnerObject(raw, make([]jsonscan.Member, 0, 8))
	if err != nil { // value hashes it as it is written
		return
	}
	for i := range members {
		d.write('p', members[i].Name)
	}
}

func (d *digest) list(raw []byte) {
	list, err := jsonscan.InnerArray(raw, nil)
	if err != nil { // it was accepted before
		d.write('?', raw)
		return
	}
	d.mark('[')
	for _, e := range list {
		d.value(e)
	}
	d.mark(']')
}

// str hashes a string; most have no escapes and are hashed where they are.
func (d *digest) str(raw []byte) {
	inner := raw[1 : len(raw)-1]
	if bytes.IndexByte(inner, '\\') >= 0 {
		d.text = unescape(d.text[:0], inner)
		inner = d.text
	}
	d.write('"', inner)
}

// unescape appends the text of a well-formed JSON string's inside. Half of a surrogate pair becomes three bytes that no UTF-8
// has, so that it is not taken for another half.
func unescape(dst, inner []byte) []byte {
	for {
		i := bytes.IndexByte(inner, '\\')
		if i < 0 {
			return append(dst, inner...)
		}
		dst, inner = append(dst, inner[:i]...), inner[i+1:]
		if inner[0] != 'u' {
			dst, inner = append(dst, plain(inner[0])), inner[1:]
			continue
		}
		r := hexRune(inner[1:5])
		inner = inner[5:]
		if !utf16.IsSurrogate(r) {
			dst = utf8.AppendRune(dst, r)
			continue
		}
		if len(inner) >= 6 && inner[0] == '\\' && inner[1] == 'u' {
			if pair := utf16.DecodeRune(r, hexRune(inner[2:6])); pair != utf8.RuneError {
				dst, inner = utf8.AppendRune(dst, pair), inner[6:]
				continue
			}
		}
		dst = append(dst, 0xE0|byte(r>>12), 0x80|byte(r>>6)&0x3F, 0x80|byte(r)&0x3F)
	}
}

// plain is what a letter behind a backslash stands for.
func plain(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

func hexRune(digits []byte) rune {
	n, err := strconv.ParseUint(string(digits), 16, 32)
	if err != nil { // the text was scanned before
		return utf8.RuneError
	}
	return rune(n)
}

// longestExponent bounds the exponents that are understood; a number beyond it is hashed as it is written.
const longestExponent = 9

// number appends a JSON number by its value: its digits without the zeros that do not count, and a power of ten. 1, 1.0 and
// 10e-1 are one number, and so are 0 and -0.
func number(dst, raw []byte) []byte {
	mantissa, exponent := raw, 0
	if i := bytes.IndexAny(raw, "eE"); i >= 0 {
		digits := bytes.TrimPrefix(raw[i+1:], []byte("+"))
		if len(digits) > longestExponent {
			return append(dst, raw...)
		}
		var err error
		if exponent, err = strconv.Atoi(string(digits)); err != nil {
			return append(dst, raw...)
		}
		mantissa = raw[:i]
	}
	negative := mantissa[0] == '-'
	if negative {
		mantissa = mantissa[1:]
	}
	whole, fraction, _ := bytes.Cut(mantissa, []byte("."))
	exponent -= len(fraction)
	digits := make([]byte, 0, len(mantissa))
	digits = bytes.TrimLeft(append(append(digits, whole...), fraction...), "0")
	significant := bytes.TrimRight(digits, "0")
	if len(significant) == 0 {
		return append(dst, '0')
	}
	exponent += len(digits) - len(significant)
	if negative {
		dst = append(dst, '-')
	}
	return strconv.AppendInt(append(append(dst, significant...), 'e'), int64(exponent), 10)
}
