package answer

import (
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// maxDepth and maxValues bound what a recursive schema can make of an instance.
const (
	maxDepth  = 8
	maxValues = 5000
)

// source is where the values of an instance come from: the user's words, and the names found in them.
type source struct {
	text  string
	names []string
	depth int
	made  *made // shared by all values of one instance
}

// made counts what an instance has used up.
type made struct {
	numbers int // numbers of the text that are taken
	values  int
}

func newSource(text string, names []string) source {
	return source{text: text, names: names, made: new(made)}
}

var (
	emailPattern = regexp.MustCompile(`[\w.+-]+@[\w-]+(?:\.[\w-]+)+`)
	urlPattern   = regexp.MustCompile(`https?://[^\s"'<>)]+`)
	datePattern  = regexp.MustCompile(`\d{4}-\d{2}-\d{2}`)
)

// composeJSON writes the JSON reply for a prompt that asks for JSON: an instance of the schema, or an object that
// holds the plain answer.
func composeJSON(p Prompt, last Message) string {
	text := say(p, last)
	if last.Role == Tool {
		text = fromResults(last.Results)
	}
	var value any = map[string]any{"answer": strings.TrimSuffix(text, ".")}
	if p.Format == JSONSchema && p.Schema != nil {
		question := lastUserText(p.Messages)
		value = instance(p.Schema, p.Schema, "", newSource(question, answerNames(text, question)))
	}
	b, err := json.Marshal(value)
	if err != nil { // only JSON values go in
		return "{}"
	}
	return string(b)
}

// answerNames puts the plain answer's own names first, so that {"capital": ...} holds the city and not the country.
func answerNames(text, question string) []string {
	short := strings.TrimSuffix(text, ".")
	if len(strings.Fields(short)) <= 3 {
		return append([]string{short}, properNouns(question)...)
	}
	return properNouns(question)
}

// instance makes a value that the schema accepts. root resolves $ref.
func instance(root, schema map[string]any, key string, from source) any {
	if from.made.values++; from.made.values > maxValues {
		return nil
	}
	schema = resolve(root, schema)
	if v, ok := schema["const"]; ok {
		return v
	}
	if options, ok := schema["enum"].([]any); ok && len(options) > 0 {
		return pickEnum(options, from.text)
	}
	for _, union := range []string{"anyOf", "oneOf"} {
		if options, ok := schema[union].([]any); ok && len(options) > 0 {
			return instance(root, firstOption(root, options), key, from)
		}
	}
	if all, ok := schema["allOf"].([]any); ok {
		return instance(root, merged(root, schema, all), key, from)
	}
	switch typeOf(schema) {
	case "object":
		return fillObject(root, schema, from)
	case "array":
		return fillArray(root, schema, key, from)
	case "integer", "number":
		return fillNumber(schema, from)
	case "boolean":
		return fillBoolean(key, from.text)
	case "null":
		return nil
	}
	return fillString(schema, key, from)
}

// resolve follows local references ("#/$defs/Name", "#/definitions/Name"), a few hops at most.
func resolve(root, schema map[string]any) map[string]any {
	for range maxDepth {
		ref, ok := schema["$ref"].(string)
		if !ok {
			return schema
		}
		target := any(root)
		for _, step := range strings.Split(strings.TrimPrefix(ref, "#"), "/")[1:] {
			parent, _ := target.(map[string]any)
			target = parent[strings.NewReplacer("~1", "/", "~0", "~").Replace(step)]
		}
		next, ok := target.(map[string]any)
		if !ok {
			return map[string]any{}
		}
		schema = next
	}
	return schema
}

// firstOption prefers an alternative that is not null, as a model that has something to say would.
func firstOption(root map[string]any, options []any) map[string]any {
	var first map[string]any
	for _, o := range options {
		m, ok := o.(map[string]any)
		if !ok {
			continue
		}
		if m = resolve(root, m); typeOf(m) != "null" {
			return m
		}
		if first == nil {
			first = m
		}
	}
	return first
}

// merged joins the properties and requirements of an allOf into one object schema.
func merged(root, schema map[string]any, all []any) map[string]any {
	props, need := map[string]any{}, []any{}
	out := map[string]any{}
	for _, part := range append([]any{without(schema, "allOf")}, all...) {
		m, ok := part.(map[string]any)
		if !ok {
			continue
		}
		m = resolve(root, m)
		for k, v := range m {
			out[k] = v
		}
		for k, v := range properties(m) {
			props[k] = v
		}
		for _, k := range required(m) {
			need = append(need, k)
		}
	}
	delete(out, "allOf")
	if len(props) > 0 {
		out["type"], out["properties"], out["required"] = "object", props, need
	}
	return out
}

func without(schema map[string]any, key string) map[string]any {
	out := make(map[string]any, len(schema))
	for k, v := range schema {
		if k != key {
			out[k] = v
		}
	}
	return out
}

// typeOf reads the type; of a list of types the first that is not null counts.
func typeOf(schema map[string]any) string {
	switch t := schema["type"].(type) {
	case string:
		return strings.ToLower(t)
	case []any:
		for _, e := range t {
			if s, ok := e.(string); ok && s != "null" {
				return s
			}
		}
	}
	switch {
	case schema["properties"] != nil:
		return "object"
	case schema["items"] != nil:
		return "array"
	}
	return ""
}

func properties(schema map[string]any) map[string]any {
	m, _ := schema["properties"].(map[string]any)
	return m
}

func required(schema map[string]any) []string {
	list, _ := schema["required"].([]any)
	var names []string
	for _, e := range list {
		if s, ok := e.(string); ok {
			names = append(names, s)
		}
	}
	return names
}

// fillObject makes every required property and those optional ones that the text has something for.
func fillObject(root, schema map[string]any, from source) map[string]any {
	schema = resolve(root, schema)
	from.depth++
	out := map[string]any{}
	need, props := required(schema), properties(schema)
	keys := make([]string, 0, len(props))
	for k := range props {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	for _, k := range append(slices.Clone(need), keys...) {
		if _, done := out[k]; done {
			continue
		}
		property, _ := props[k].(map[string]any)
		if !slices.Contains(need, k) && (from.depth > 2 || !mentioned(resolve(root, property), k, from)) {
			continue
		}
		if from.depth > maxDepth {
			out[k] = nil
			continue
		}
		out[k] = instance(root, property, k, from)
	}
	return out
}

// mentioned reports whether the text holds something for an optional property.
func mentioned(property map[string]any, key string, from source) bool {
	if options, ok := property["enum"].([]any); ok {
		_, found := findEnum(options, from.text)
		return found
	}
	switch typeOf(property) {
	case "string":
		return takesName(key) && len(from.names) > 0
	case "integer", "number":
		return from.made.numbers < len(numberPattern.FindAllString(from.text, -1))
	}
	return false
}

func fillArray(root, schema map[string]any, key string, from source) []any {
	items, _ := schema["items"].(map[string]any)
	least := 1
	if n, ok := asFloat(schema["minItems"]); ok {
		least = max(1, min(int(n), 100))
	}
	if most, ok := asFloat(schema["maxItems"]); ok && int(most) < least {
		least = max(0, int(most))
	}
	from.depth++
	if from.depth > maxDepth {
		return []any{}
	}
	out := make([]any, 0, least)
	for range least {
		out = append(out, instance(root, items, key, from))
	}
	return out
}

// fillNumber takes the next number of the text, kept inside the schema's bounds.
func fillNumber(schema map[string]any, from source) any {
	value := 1.0
	found := numberPattern.FindAllString(from.text, -1)
	if from.made.numbers < len(found) {
		value, _ = strconv.ParseFloat(found[from.made.numbers], 64) // the pattern lets only numbers through
		from.made.numbers++
	}
	low, high := bounds(schema)
	value = math.Max(low, math.Min(high, value))
	if typeOf(schema) == "integer" {
		return int64(math.Ceil(value))
	}
	return value
}

// hurdles are the words of a property that says whether something stands in the way.
var hurdles = []string{"required", "require", "needed", "need"}

// fillBoolean says yes, but not to a hurdle ("approval_required") of which the text says nothing.
func fillBoolean(key, text string) bool {
	words := nameWords(key)
	for _, hurdle := range hurdles {
		if words[hurdle] {
			delete(words, hurdle)
			return overlap(words, keywords(text)) > 0
		}
	}
	return true
}

func bounds(schema map[string]any) (low, high float64) {
	low, high = math.Inf(-1), math.Inf(1)
	if v, ok := asFloat(schema["minimum"]); ok {
		low = v
	}
	if v, ok := asFloat(schema["exclusiveMinimum"]); ok {
		low = v + 1
	}
	if v, ok := asFloat(schema["maximum"]); ok {
		high = v
	}
	if v, ok := asFloat(schema["exclusiveMaximum"]); ok {
		high = v - 1
	}
	return low, high
}

func asFloat(v any) (float64, bool) {
	switch n := v.(type) {
	case float64:
		return n, true
	case json.Number:
		f, err := n.Float64()
		return f, err == nil
	}
	return 0, false
}

// fillString finds the part of the text that a string property of this name most likely wants.
func fillString(schema map[string]any, key string, from source) string {
	value := stringFor(schema, strings.ToLower(key), from)
	if n, ok := asFloat(schema["maxLength"]); ok {
		if r := []rune(value); len(r) > int(n) {
			value = string(r[:int(n)])
		}
	}
	if n, ok := asFloat(schema["minLength"]); ok {
		for len([]rune(value)) < min(int(n), 1000) {
			value += "."
		}
	}
	return value
}

func stringFor(schema map[string]any, key string, from source) string {
	format, _ := schema["format"].(string)
	switch {
	case format == "email" || strings.Contains(key, "email"):
		return orElse(emailPattern.FindString(from.text), "someone@example.com")
	case format == "uri" || strings.Contains(key, "url"):
		return orElse(urlPattern.FindString(from.text), "https://example.com/")
	case format == "date-time":
		return orElse(datePattern.FindString(from.text), "2026-01-01") + "T00:00:00Z"
	case format == "date" || key == "date":
		return orElse(datePattern.FindString(from.text), "2026-01-01")
	case format == "uuid":
		return "00000000-0000-4000-8000-000000000000"
	case strings.Contains(key, "expression") || strings.Contains(key, "formula"):
		return orElse(expressionPattern.FindString(from.text), from.text)
	case strings.Contains(key, "query") || strings.Contains(key, "question") || key == "prompt":
		return orElse(from.text, "anything")
	case key == "a" || key == "b" || strings.Contains(key, "number"):
		return orElse(numberPattern.FindString(from.text), "1")
	}
	if phrase, ok := quoted(from.text); ok {
		return phrase
	}
	if len(from.names) > 0 {
		return from.names[0]
	}
	return orElse(from.text, "something")
}

func orElse(value, otherwise string) string {
	if value == "" {
		return otherwise
	}
	return value
}

// pickEnum prefers the member that the text names.
func pickEnum(options []any, text string) any {
	if v, ok := findEnum(options, text); ok {
		return v
	}
	return options[0]
}

func findEnum(options []any, text string) (any, bool) {
	lower := strings.ToLower(text)
	for _, o := range options {
		if s, ok := o.(string); ok && s != "" && strings.Contains(lower, strings.ToLower(s)) {
			return o, true
		}
	}
	return nil, false
}
