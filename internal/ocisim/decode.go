package ocisim

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"
)

// decode checks a body against its shape and reads it into v.
func (x *exchange) decode(want shape, v any) error {
	if !utf8.Valid(x.body) {
		return unparsable("the body is not UTF-8")
	}
	dec := json.NewDecoder(bytes.NewReader(x.body))
	dec.UseNumber()
	var tree any
	if err := dec.Decode(&tree); err != nil {
		return unparsable("the body is not JSON: %s", jsonFault(err))
	}
	if dec.More() {
		return unparsable("the body goes on after its JSON value")
	}
	if err := want("", tree); err != nil {
		if err.code == "CannotParseRequest" && strings.Contains(err.message, "unknown field") {
			err.code = x.variants.UnknownFieldCode
		}
		return err
	}
	if err := json.Unmarshal(x.body, v); err != nil {
		return unparsable("%s: %s", correctFormat, jsonFault(err))
	}
	return nil
}

// jsonFault tells where JSON is broken without naming Go's types.
func jsonFault(err error) string {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return syntax.Error()
	}
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		return kind.Field + " has the wrong type"
	}
	return "it ends too early"
}

// peek reads model and stream flag out of a body that may be anything, for the match of fault rules.
func peek(body []byte) (model string, stream bool) {
	var p struct {
		ServingMode servingMode `json:"servingMode"`
		ChatRequest struct {
			IsStream bool `json:"isStream"`
		} `json:"chatRequest"`
		Model  string `json:"model"`
		Stream bool   `json:"stream"`
	}
	_ = json.Unmarshal(body, &p) // a broken body matches rules without a model; its handler answers 400
	model = p.Model
	if model == "" {
		model = p.ServingMode.ModelID
	}
	if model == "" {
		model = p.ServingMode.EndpointID
	}
	return model, p.Stream || p.ChatRequest.IsStream
}

// dataURI decodes a base64 data URI; any other URI gives nil, since the simulator fetches nothing.
func dataURI(uri string) []byte {
	head, data, ok := strings.Cut(uri, ",")
	if !ok || !strings.HasPrefix(head, "data:") || !strings.HasSuffix(head, ";base64") {
		return nil
	}
	b, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return nil
	}
	return b
}

// encode writes JSON as the service does: no HTML escapes, no line end.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
