package admin

import (
	"encoding/json"
	"math"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
)

// Opt is a field of a request that may be absent, null or set.
type Opt[T any] struct {
	Set   bool // the request names the field
	Null  bool // with null, or with the empty text where that is none
	Value T
}

// Given reports whether there is a value.
func (o Opt[T]) Given() bool { return o.Set && !o.Null }

// Or is the value, or another where there is none.
func (o Opt[T]) Or(other T) T {
	if o.Given() {
		return o.Value
	}
	return other
}

// Ptr is the value, or nil where there is none.
func (o Opt[T]) Ptr() *T {
	if !o.Given() {
		return nil
	}
	v := o.Value
	return &v
}

// give makes a field that has a value, for defaults.
func give[T any](v T) Opt[T] { return Opt[T]{Set: true, Value: v} }

// ID is the id of an object. The empty text is as absent.
type ID string

// Declined is a field that LiteLLM has and this gateway has not. The tag `because` says why; a meaningful value is refused with
// it, and null, false, 0 and empty values are as absent.
type Declined struct{}

// says reports whether a field has a value that is not empty.
func (o *Opt[T]) says() bool { return o.Given() && !reflect.ValueOf(&o.Value).Elem().IsZero() }

// given names the fields of a request that say something.
func given(request any) map[string]bool {
	v := reflect.ValueOf(request).Elem()
	names := map[string]bool{}
	for _, f := range fieldsOf(v.Type(), inBody) {
		if m, ok := v.FieldByIndex(f.index).Addr().Interface().(interface{ says() bool }); ok && m.says() {
			names[f.name] = true
		}
	}
	return names
}

// problem is one line of the 422 that pydantic would answer.
type problem struct {
	Loc  []any  `json:"loc"`
	Msg  string `json:"msg"`
	Type string `json:"type"`
}

// member decodes one field of a request.
type member interface {
	decode(raw json.RawMessage) *problem
}

func (o *Opt[T]) decode(raw json.RawMessage) *problem {
	text := strings.TrimSpace(string(raw))
	if text == "null" {
		o.Set, o.Null = true, true
		return nil
	}
	if text == `""` {
		switch any(o.Value).(type) {
		case ID:
			return nil
		case string:
		default:
			o.Set, o.Null = true, true
			return nil
		}
	}
	v, p := convert[T](raw)
	if p != nil {
		return p
	}
	o.Set, o.Value = true, v
	return nil
}

// convert reads a value as pydantic does in its lax mode: numbers and booleans may come as strings.
func convert[T any](raw json.RawMessage) (T, *problem) {
	var v T
	var p *problem
	switch to := any(&v).(type) {
	case *string:
		p = convertText(raw, to)
	case *ID:
		p = convertText(raw, (*string)(to))
	case *int64:
		*to, p = convertInt(raw)
	case *bool:
		*to, p = convertBool(raw)
	case *account.Amount:
		*to, p = convertAmount(raw)
	case *time.Time:
		*to, p = convertTime(raw)
	case *account.JSON:
		*to = slices.Clone(raw)
	default:
		p = convertOther(raw, &v)
	}
	return v, p
}

func convertText(raw json.RawMessage, to *string) *problem {
	if json.Unmarshal(raw, to) != nil {
		return &problem{Msg: "Input should be a valid string", Type: "string_type"}
	}
	return nil
}

// unquoted is the text of a number or boolean that may stand in quotes.
func unquoted(raw json.RawMessage) (text string, quoted bool) {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return strings.TrimSpace(s), true
	}
	return strings.TrimSpace(string(raw)), false
}

func convertInt(raw json.RawMessage) (int64, *problem) {
	text, quoted := unquoted(raw)
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, nil
	}
	f, err := strconv.ParseFloat(text, 64)
	switch {
	case err != nil && quoted:
		return 0, &problem{Msg: "Input should be a valid integer, unable to parse string as an integer", Type: "int_parsing"}
	case err != nil:
		return 0, &problem{Msg: "Input should be a valid integer", Type: "int_type"}
	case f != math.Trunc(f):
		return 0, &problem{Msg: "Input should be a valid integer, got a number with a fractional part", Type: "int_from_float"}
	case math.IsNaN(f) || math.Abs(f) >= 1<<63:
		return 0, &problem{Msg: "Unable to parse input string as an integer, exceeded maximum size", Type: "int_parsing_size"}
	}
	return int64(f), nil
}

func convertBool(raw json.RawMessage) (bool, *problem) {
	text, quoted := unquoted(raw)
	switch strings.ToLower(text) {
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	case "yes", "y", "on", "t":
		if quoted {
			return true, nil
		}
	case "no", "n", "off", "f":
		if quoted {
			return false, nil
		}
	}
	return false, &problem{Msg: "Input should be a valid boolean, unable to interpret input", Type: "bool_parsing"}
}

func convertAmount(raw json.RawMessage) (account.Amount, *problem) {
	text, quoted := unquoted(raw)
	amount, err := account.ParseAmount(text)
	if err == nil {
		return amount, nil
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && (math.IsNaN(f) || math.IsInf(f, 0)) {
		return "", &problem{Msg: "Input should be a finite number", Type: "finite_number"}
	}
	if quoted {
		return "", &problem{Msg: "Input should be a valid number, unable to parse string as a number", Type: "float_parsing"}
	}
	return "", &problem{Msg: "Input should be a valid number", Type: "float_type"}
}

// timeForms are the forms of a time that LiteLLM's clients send; without a zone it is UTC.
var timeForms = []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999", "2006-01-02"}

func parseTime(text string) (time.Time, bool) {
	for _, form := range timeForms {
		if t, err := time.Parse(form, text); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

func convertTime(raw json.RawMessage) (time.Time, *problem) {
	text, _ := unquoted(raw)
	t, ok := parseTime(text)
	if !ok {
		return t, &problem{Msg: "Input should be a valid datetime", Type: "datetime_parsing"}
	}
	return t, nil
}

// convertOther reads lists, maps and objects.
func convertOther(raw json.RawMessage, to any) *problem {
	if json.Unmarshal(raw, to) == nil { // numbers that are too large for a double, which nobody could read back, are an error
		return nil
	}
	switch kind := reflect.TypeOf(to).Elem().Kind(); {
	case kind == reflect.Slice && raw[0] != '[':
		return &problem{Msg: "Input should be a valid list", Type: "list_type"}
	case kind == reflect.Map && raw[0] != '{':
		return &problem{Msg: "Input should be a valid dictionary", Type: "dict_type"}
	case kind == reflect.Slice, kind == reflect.Map:
		return &problem{Msg: "Input has an element of a wrong type", Type: "value_error"}
	}
	return &problem{Msg: "Input should be a valid dictionary", Type: "model_attributes_type"}
}

// where a field of a request comes from.
const (
	inBody  = "body"
	inQuery = "query"
	inPath  = "path"
)

// field is one field of a request type.
type field struct {
	name     string
	in       string
	index    []int
	required bool
	declined string // why the gateway has no such field; "" = it has
}

// fieldsOf lists the fields of a request type: those that have a json tag, embedded structs' too. The tag `in` says where a
// field comes from when that is not the default of the method, and `required:"true"` refuses a request without it.
func fieldsOf(t reflect.Type, def string) []field {
	var all []field
	for _, f := range reflect.VisibleFields(t) {
		name, tagged := f.Tag.Lookup("json")
		if !tagged {
			continue
		}
		name, _, _ = strings.Cut(name, ",")
		in := f.Tag.Get("in")
		if in == "" {
			in = def
		}
		all = append(all, field{name: name, in: in, index: f.Index, required: f.Tag.Get("required") == "true", declined: f.Tag.Get("because")})
	}
	return all
}

// decoded is a request as it was read.
type decoded struct {
	ignored  []string // names of fields that the request type does not have, sorted
	problems []problem
	declined *apierr.Error // the refusal of the first field that the gateway has not; nil = none
}

// decodeInto fills the request value to from the members of a body, the query and the path.
func decodeInto(to reflect.Value, fields []field, body map[string]json.RawMessage, r *http.Request) decoded {
	var d decoded
	known := map[string]bool{}
	query := r.URL.Query()
	for i := range fields {
		f := &fields[i]
		known[f.name] = true
		target := to.FieldByIndex(f.index)
		raw := f.find(target, body, query, r)
		switch {
		case raw == nil && f.required:
			d.problems = append(d.problems, problem{Loc: []any{f.in, f.name}, Msg: "Field required", Type: "missing"})
		case raw == nil:
		case holdsNUL(raw):
			d.problems = append(d.problems, problem{Loc: []any{f.in, f.name}, Msg: "Value must not contain the NUL character", Type: "value_error"})
		case f.declined != "":
			if d.declined == nil && meaningful(raw) {
				d.declined = notSupported(f.name, f.declined)
			}
		default:
			m, _ := target.Addr().Interface().(member)
			if p := m.decode(raw); p != nil {
				p.Loc = []any{f.in, f.name}
				d.problems = append(d.problems, *p)
			}
		}
	}
	for name := range body {
		if !known[name] {
			d.ignored = append(d.ignored, name)
		}
	}
	for name := range query {
		if !known[name] {
			d.ignored = append(d.ignored, name)
		}
	}
	slices.Sort(d.ignored)
	d.ignored = slices.Compact(d.ignored)
	return d
}

// holdsNUL reports whether a JSON value has the escape of the NUL character, which PostgreSQL does not store.
func holdsNUL(raw json.RawMessage) bool {
	for rest := string(raw); ; {
		i := strings.Index(rest, `\u0000`)
		if i < 0 {
			return false
		}
		backslashes := len(rest[:i]) - len(strings.TrimRight(rest[:i], `\`))
		if backslashes%2 == 0 {
			return true
		}
		rest = rest[i+1:]
	}
}

// find is the JSON of the field's value in the request, nil where it is absent.
func (f *field) find(target reflect.Value, body map[string]json.RawMessage, query map[string][]string, r *http.Request) json.RawMessage {
	switch f.in {
	case inPath:
		text, _ := json.Marshal(r.PathValue(f.name))
		return text
	case inBody:
		return body[f.name]
	}
	values, ok := query[f.name]
	if !ok {
		return nil
	}
	if value := target.FieldByName("Value"); value.IsValid() && value.Kind() == reflect.Slice {
		text, _ := json.Marshal(values)
		return text
	}
	text, _ := json.Marshal(values[len(values)-1])
	return text
}

// meaningful reports whether a value says anything: null, false, 0, and empty texts, lists and objects do not.
func meaningful(raw json.RawMessage) bool {
	var v any
	if json.Unmarshal(raw, &v) != nil {
		return true
	}
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case float64:
		return v != 0
	case string:
		return v != "" && !strings.EqualFold(v, "false")
	case []any:
		return len(v) > 0
	case map[string]any:
		return len(v) > 0
	}
	return true
}
