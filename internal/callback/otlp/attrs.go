package otlp

import (
	"encoding/json"
	"math"
	"strings"

	common "go.opentelemetry.io/proto/otlp/common/v1"
)

// Attrs collects attributes. Its zero value is empty.
type Attrs []*common.KeyValue

// Text adds a text, unless it is empty. What is no UTF-8, which protobuf refuses, is replaced.
func (a *Attrs) Text(key, value string) {
	if value != "" {
		*a = append(*a, &common.KeyValue{Key: key, Value: text(value)})
	}
}

// Int adds a number.
func (a *Attrs) Int(key string, value int64) {
	*a = append(*a, &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: value}}})
}

// Float adds a number.
func (a *Attrs) Float(key string, value float64) {
	*a = append(*a, &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_DoubleValue{DoubleValue: value}}})
}

// Bool adds a truth.
func (a *Attrs) Bool(key string, value bool) {
	*a = append(*a, &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_BoolValue{BoolValue: value}}})
}

// Texts adds a list, unless it is empty.
func (a *Attrs) Texts(key string, values []string) {
	if len(values) == 0 {
		return
	}
	list := &common.ArrayValue{}
	for _, v := range values {
		list.Values = append(list.Values, text(v))
	}
	*a = append(*a, &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_ArrayValue{ArrayValue: list}}})
}

// JSON adds a value as JSON, unless it is null.
func (a *Attrs) JSON(key string, value any) {
	encoded, err := json.Marshal(value)
	if err == nil && string(encoded) != "null" {
		a.Text(key, string(encoded))
	}
}

// Any adds a value as encoding/json knows it: what is neither text, number nor truth is added as JSON.
func (a *Attrs) Any(key string, value any) {
	if raw, ok := value.(json.RawMessage); ok {
		if json.Unmarshal(raw, &value) != nil {
			return
		}
	}
	switch v := value.(type) {
	case nil:
	case string:
		a.Text(key, v)
	case bool:
		a.Bool(key, v)
	case int:
		a.Int(key, int64(v))
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			a.Int(key, int64(v))
			return
		}
		a.Float(key, v)
	default:
		a.JSON(key, v)
	}
}

func text(s string) *common.AnyValue {
	return &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: strings.ToValidUTF8(s, "\uFFFD")}}
}
