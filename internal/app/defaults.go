package app

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"tollgate/internal/config"
	"tollgate/internal/jsonscan"
)

// paramError is a request parameter of the configuration that no call could be made with.
type paramError struct {
	value   config.Value // where it stands
	message string
}

// Error names the parameter and what is wrong with it.
func (e *paramError) Error() string { return e.message }

// requestDefaults are the request parameters that an entry sets, then those of default_litellm_params. The error is a
// *paramError where it concerns one of them. extra_body is for what the upstream alone knows, and is not checked.
func requestDefaults(cfg *config.Config, m *config.Model) ([]jsonscan.Field, error) {
	var out []jsonscan.Field
	add := func(name string, value any) error {
		if slices.ContainsFunc(out, func(f jsonscan.Field) bool { return f.Name == name }) {
			return nil
		}
		text, err := json.Marshal(value)
		if err != nil {
			return fmt.Errorf("%s cannot be sent as JSON: %w", name, err)
		}
		out = append(out, jsonscan.Field{Name: name, Value: text})
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(m.Params.ExtraBody)) {
		value := m.Params.ExtraBody[name]
		if number, ok := asNumber(value); ok && slices.Contains(numbers, name) {
			value = number
		}
		if err := add(name, value); err != nil {
			return nil, err
		}
	}
	for _, params := range []config.Params{m.Params, cfg.Router.DefaultParams} {
		extra := params.Extra()
		for _, name := range slices.Sorted(maps.Keys(extra)) {
			value := extra[name]
			if slices.Contains(numbers, name) {
				var ok bool
				if value, ok = asNumber(value); !ok {
					at, _ := params.Provider(name)
					return nil, &paramError{at, name + " must be a number: every call would be refused with this value"}
				}
			}
			if err := add(name, value); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// numbers are request parameters that are numbers whatever way the file writes them: LiteLLM takes "0.1", and so does
// os.environ/, which has nothing but texts.
var numbers = []string{
	"dimensions", "frequency_penalty", "max_completion_tokens", "max_tokens", "n", "presence_penalty", "seed", "temperature", "top_k", "top_logprobs", "top_n", "top_p",
}

// asNumber is a number, or a text that stands for one, as the number; null stays. ok is false for anything else.
func asNumber(value any) (number any, ok bool) {
	text, isText := value.(string)
	if !isText {
		_, isNumber := value.(json.Number)
		return value, isNumber || value == nil
	}
	text = strings.TrimSpace(text)
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return nil, false
	}
	if jsonscan.Valid([]byte(text)) == nil {
		return json.Number(text), true // its own digits
	}
	return json.Number(strconv.FormatFloat(f, 'g', -1, 64)), true // ".5", "+1"
}
