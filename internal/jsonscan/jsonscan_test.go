package jsonscan

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
)

func TestObjectErrors(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"empty", "", "unexpected end of data: line 1 column 1 (char 0)"},
		{"white space", " \n ", "unexpected end of data: line 2 column 2 (char 3)"},
		{"array", "[1]", "expected a JSON object: line 1 column 1 (char 0)"},
		{"truncated", `{"a":1`, "unexpected end of data: line 1 column 7 (char 6)"},
		{"trailing comma", "{\"a\":1,\n}", "trailing comma is not allowed: line 2 column 1 (char 8)"},
		{"trailing comma in array", `{"a":[1,]}`, "trailing comma is not allowed: line 1 column 9 (char 8)"},
		{"two documents", `{} {}`, "unexpected content after document: line 1 column 4 (char 3)"},
		{"duplicate", `{"model":"a","model":"b"}`, "duplicate key 'model': line 1 column 14 (char 13)"},
		{"duplicate by escape", `{"model":"a","mod\u0065l":"b"}`, "duplicate key 'model': line 1 column 14 (char 13)"},
		{"single quotes", `{'a':1}`, "expected a double-quoted key: line 1 column 2 (char 1)"},
		{"control character", "{\"a\":\"x\ny\"}", "control character in a string must be escaped: line 1 column 8 (char 7)"},
		{"invalid utf-8", "{\"a\":\"x\xffy\"}", "invalid UTF-8 in a string: line 1 column 8 (char 7)"},
		{"bad escape", `{"a":"\x"}`, "invalid escape in a string: line 1 column 8 (char 7)"},
		{"bad literal", `{"a":nul}`, "invalid literal: line 1 column 6 (char 5)"},
		{"bad number", `{"a":-}`, "invalid number: line 1 column 7 (char 6)"},
		{"leading zero", `{"a":01}`, "expected ',' or '}': line 1 column 7 (char 6)"},
		{"NaN", `{"a":NaN}`, "unexpected character: line 1 column 6 (char 5)"},
		{"depth bomb", `{"a":` + strings.Repeat("[", 100000), "nesting is deeper than 256 levels: line 1 column 261 (char 260)"},
		{"a repeat among many members", numbered(100, `,"k7":0`), "duplicate key 'k7': line 1 column 792 (char 791)"},
		{"a repeat of a late member", numbered(100, `,"k99":0`), "duplicate key 'k99': line 1 column 792 (char 791)"},
		{"one member too many", numbered(MaxMembers+1, ""), "more than 1024 members: line 1 column 9132 (char 9131)"},
		{"a member bomb", numbered(200_000, ""), "more than 1024 members: line 1 column 9132 (char 9131)"},
		{"columns count characters", `{"é":nul}`, "invalid literal: line 1 column 6 (char 6)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Object([]byte(tt.in), nil)
			var syntax *SyntaxError
			if !errors.As(err, &syntax) || err.Error() != tt.want {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

// numbered is an object of n members "k0", "k1" and so on, with more behind them.
func numbered(n int, more string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"k%d":0`, i)
	}
	return "{" + b.String()[1:] + more + "}"
}

// Up to MaxMembers each member is found, and below the top level there may be any number.
func TestManyMembers(t *testing.T) {
	for _, n := range []int{31, 32, 33, MaxMembers} {
		members, err := Object([]byte(numbered(n, "")), nil)
		if err != nil || len(members) != n || string(members[n-1].Name) != fmt.Sprintf("k%d", n-1) {
			t.Errorf("%d members: %d, %v", n, len(members), err)
		}
	}
	for _, text := range []string{`{"logit_bias":` + numbered(5*MaxMembers, "") + `}`, `{"a":[` + strings.Repeat("0,", 5*MaxMembers) + `0]}`} {
		if _, err := Object([]byte(text), nil); err != nil {
			t.Errorf("%.20s...: %v", text, err)
		}
	}
}

// Bodies hold as many objects below the top level as they like, and their readers ask for each: the time per byte must
// not grow with the number of members.
func BenchmarkObjectManyMembers(b *testing.B) {
	for _, n := range []int{16, 64, MaxMembers} {
		text := []byte(numbered(n, ""))
		members := make([]Member, 0, n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Object(text, members); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestArray(t *testing.T) {
	tests := []struct {
		in   string
		want []string
		err  string
	}{
		{`[]`, nil, ""},
		{` [ 1 , "a,]" , {"b":[2]} ] `, []string{`1`, `"a,]"`, `{"b":[2]}`}, ""},
		{`{}`, nil, "expected a JSON array: line 1 column 1 (char 0)"},
		{`[1,]`, nil, "trailing comma is not allowed: line 1 column 4 (char 3)"},
		{`[1] 2`, nil, "unexpected content after document: line 1 column 5 (char 4)"},
		{`[1`, nil, "unexpected end of data: line 1 column 3 (char 2)"},
	}
	for _, tt := range tests {
		elements, err := Array([]byte(tt.in), nil)
		if got := errorText(err); got != tt.err {
			t.Errorf("%s: error %q, want %q", tt.in, got, tt.err)
		}
		var got []string
		for _, e := range elements {
			got = append(got, string(e))
		}
		if !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.in, got, tt.want)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestSplice(t *testing.T) {
	set := func(kv ...string) (fields []Field) {
		for i := 0; i < len(kv); i += 2 {
			fields = append(fields, Field{kv[i], []byte(kv[i+1])})
		}
		return fields
	}
	tests := []struct {
		name, in string
		set      []Field
		omit     string
		want     string
	}{
		{"replace in place", `{ "model" : "a", "n":1 }`, set("model", `"b"`), "", `{"model":"b","n":1}`},
		{"replace last", `{"n":1,"model":"a"}`, set("model", `"b"`), "", `{"n":1,"model":"b"}`},
		{"append", `{"n":1}`, set("stream_options", `{"include_usage":true}`), "", `{"n":1,"stream_options":{"include_usage":true}}`},
		{"append to empty", `{}`, set("a", `1`), "", `{"a":1}`},
		{"omit first", `{"a":1,"b":2,"c":3}`, nil, "a", `{"b":2,"c":3}`},
		{"omit middle", `{"a":1,"b":2,"c":3}`, nil, "b", `{"a":1,"c":3}`},
		{"omit last", `{"a":1,"b":2,"c":3}`, nil, "c", `{"a":1,"b":2}`},
		{"omit only", `{"a":1}`, nil, "a", `{}`},
		{"all at once", `{"x":0,"a":1,"model":"m","b":[1, 2]}`, set("model", `"z"`, "new", `null`), "a", `{"x":0,"model":"z","b":[1, 2],"new":null}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			members, err := Object([]byte(tt.in), nil)
			if err != nil {
				t.Fatal(err)
			}
			parts := Splice([]byte(tt.in), members, tt.set, func(n []byte) bool { return string(n) == tt.omit })
			if got := string(parts.Bytes()); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if int64(len(tt.want)) != parts.Len() {
				t.Errorf("Len = %d, want %d", parts.Len(), len(tt.want))
			}
			read, err := io.ReadAll(iotest.OneByteReader(parts.Reader()))
			if err != nil || string(read) != tt.want {
				t.Errorf("Reader gave %q, %v", read, err)
			}
		})
	}
}

// TestInner reads again what was accepted; texts that were not must end all the same.
func TestInner(t *testing.T) {
	for _, text := range []string{
		`{"a":"","b":"\"","c":"\\","d":"\\\"","e\"":"x\\\\","f":["\\","\"",{"g":"]}"}],"h":-1.5}`, ` { "a" : [ 1 , 2 ] } `, `{}`,
	} {
		want, err := Object([]byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := InnerObject([]byte(text), nil); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("InnerObject(%s) = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{``, `{`, `{"`, `{"a":"\`, `{"a":"\"`, `{"a":1,"a":2}`, `{"a":[}`, `[1]`, `{"a":1}x`} {
		if got, err := InnerObject([]byte(text), nil); err == nil {
			t.Errorf("InnerObject(%s) = %v", text, got)
		}
	}
}

// FuzzObject holds Object against encoding/json: what one accepts as an object the other does too, but for
// repeated names and depth, and a splice without changes keeps the meaning.
func FuzzObject(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":[1,2,{"b":"c\n"}],"d":null}`, `{"é":"\u00e9","x":-1.5e+3}`, `{"a":"` + strings.Repeat("x", 30) + `"}`, "{\"\x80\":1}", `[]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		members, err := Object(data, nil)
		var tree map[string]json.RawMessage
		std := json.Unmarshal(data, &tree)
		if err != nil {
			var syntax *SyntaxError
			if !errors.As(err, &syntax) {
				t.Fatalf("not a SyntaxError: %v", err)
			}
			allowed := strings.HasPrefix(syntax.Reason, "duplicate key") || strings.HasPrefix(syntax.Reason, "nesting") ||
				strings.HasPrefix(syntax.Reason, "more than") || strings.HasPrefix(syntax.Reason, "invalid UTF-8") || strings.HasPrefix(syntax.Reason, "expected a JSON object")
			if std == nil && !allowed {
				t.Fatalf("encoding/json accepts %q, Object says %v", data, err)
			}
			return
		}
		if std != nil {
			t.Fatalf("Object accepts %q, encoding/json says %v", data, std)
		}
		inner, err := InnerObject(data, nil)
		if err != nil || !reflect.DeepEqual(inner, members) {
			t.Fatalf("InnerObject reads %q as %v, %v", data, inner, err)
		}
		for _, m := range members {
			if array, err := Array(m.Value, nil); err == nil {
				if again, err := InnerArray(m.Value, nil); err != nil || !reflect.DeepEqual(again, array) {
					t.Fatalf("InnerArray reads %q as %q, %v", m.Value, again, err)
				}
			}
		}
		again := map[string]json.RawMessage{}
		if err := json.Unmarshal(Splice(data, members, nil, nil).Bytes(), &again); err != nil {
			t.Fatalf("splice of %q is not JSON: %v", data, err)
		}
		if len(tree) != len(again) || (len(tree) > 0 && !reflect.DeepEqual(tree, again)) {
			t.Fatalf("splice changed %q", data)
		}
	})
}

func TestAppendString(t *testing.T) {
	for _, s := range []string{"", "plain", "quote\" slash\\ \n\r\t\x01\x7f", "é漢😀", "bad\xffutf", "\uFFFD kept"} {
		var back string
		if err := json.Unmarshal(Text(s), &back); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if want := strings.ToValidUTF8(s, "\uFFFD"); back != want {
			t.Errorf("%q came back as %q", s, back)
		}
	}
}

func BenchmarkObject400kB(b *testing.B) {
	body := []byte(`{"model":"m","messages":[{"role":"user","content":"` + strings.Repeat(`The tide table for the week is below.\n\nIs it safe to leave at \"half ebb\" with a draught of 1.9 m, given the bar and the forecast? `, 3000) + `"}]}`)
	members := make([]Member, 0, 16)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if members, err = Object(body, members); err != nil {
			b.Fatal(err)
		}
	}
}

// TestSkipPlain puts each pair of bytes at each place of a word, since one byte's hit may borrow from the next.
func TestSkipPlain(t *testing.T) {
	stops := func(c byte) bool { return c == '"' || c == '\\' || c < 0x20 }
	for pair := range 1 << 16 {
		a, b := byte(pair>>8), byte(pair)
		for at := range 9 {
			text := []byte("abcdefghijklmnop")
			text[at], text[at+1] = a, b
			next, high := len(text), a >= 0x80 || b >= 0x80
			switch {
			case stops(a):
				next, high = at, false
			case stops(b):
				next, high = at+1, a >= 0x80
			}
			if gotNext, gotHigh := skipPlain(text, 0); gotNext != next || gotHigh != high {
				t.Fatalf("skipPlain(%q) = %d, %v; want %d, %v", text, gotNext, gotHigh, next, high)
			}
		}
	}
}
