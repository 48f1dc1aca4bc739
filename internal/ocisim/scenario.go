package ocisim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"

	"tollgate/internal/ocisim/identity"
)

// Scenario is the content of a scenario file: what the simulator knows and does beyond its defaults.
type Scenario struct {
	// Variants replace the defaults; a file names only those that it changes. Nil keeps them all.
	Variants  *Variants  `json:"variants,omitempty"`
	Models    []Model    `json:"models,omitempty"`
	Endpoints []Endpoint `json:"endpoints,omitempty"`
	Rules     []Rule     `json:"rules,omitempty"`
	// Policies say which principals may call; none lets everybody call.
	Policies []identity.Policy `json:"policies,omitempty"`
}

// ParseScenario reads a scenario from JSON. A name that it does not know is an error.
func ParseScenario(data []byte) (*Scenario, error) {
	variants := DefaultVariants()
	sc := Scenario{Variants: &variants}
	if err := decodeStrict(data, &sc); err != nil {
		return nil, fmt.Errorf("ocisim: scenario: %w", err)
	}
	return &sc, nil
}

// LoadScenario reads a scenario file.
func LoadScenario(file string) (*Scenario, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("ocisim: scenario: %w", err)
	}
	sc, err := ParseScenario(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return sc, nil
}

// decodeStrict reads one JSON value and refuses unknown names and anything after it.
func decodeStrict(data []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return err
	}
	if dec.More() {
		return fmt.Errorf("there is more after the JSON value")
	}
	return nil
}
