package presidio

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"

	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/remote"
)

const (
	// chunkBytes bounds a text in one call of the analyzer, whose deployments often take bodies of 1 MB at most.
	chunkBytes = 500_000
	// all is the name of the threshold of every entity that has none of its own.
	all = "ALL"
)

type settings struct {
	analyzer, anonymizer string // without a slash at the end; no anonymizer with output_parse_pii, where masks are made here
	language             string
	entities             []string                    // sorted; empty = all that the analyzer knows
	actions              map[string]guardrail.Action // pii_entities_config
	thresholds           map[string]float64
	denied               []string
	adHoc                []any
	input, output        bool // which way is looked at
	restore              bool // output_parse_pii
	open                 bool // an analyzer that fails lets the call pass
	chunk                int
	mock                 *string
}

func readSettings(spec *guardrail.Spec) settings {
	s := spec.Settings
	out := settings{
		language: s.Text("presidio_language"), denied: s.Texts("presidio_entities_deny_list"), restore: s.Flag("output_parse_pii", false),
		chunk: s.Int("presidio_analyze_chunk_size_bytes", chunkBytes),
	}
	if out.language == "" {
		out.language = "en"
	}
	if out.chunk == 0 {
		out.chunk = chunkBytes
	}
	out.mock = readMock(spec)
	if out.mock == nil {
		out.analyzer = base(spec, "presidio_analyzer_api_base", "PRESIDIO_ANALYZER_API_BASE")
		if !out.restore || s.Text("presidio_anonymizer_api_base", "PRESIDIO_ANONYMIZER_API_BASE") != "" {
			out.anonymizer = base(spec, "presidio_anonymizer_api_base", "PRESIDIO_ANONYMIZER_API_BASE")
		}
	}
	out.readEntities(spec)
	scope := s.Choice("presidio_filter_scope", "", "input", "output", "both")
	if runOn := s.Choice("presidio_run_on", "", "input", "output", "both"); scope == "" {
		scope = runOn
	}
	maskOutput := s.Flag("apply_to_output", false)
	out.input = scope != "output"
	// Where the answer gets the data back, it is not masked as well unless somebody says so.
	out.output = scope == "output" || scope == "both" || maskOutput || scope == "" && !out.restore
	certain := len(out.actions) > 0 || out.restore || maskOutput || scope == "output" || scope == "both"
	out.open = !s.Flag("mask_pii_fail_closed", true)
	if out.open && certain {
		s.Fault("mask_pii_fail_closed", "cannot be false together with pii_entities_config, output_parse_pii or a masked output: what they promise would not be kept")
	}
	out.adHoc = readRecognizers(spec)
	return out
}

// base reads an address, which LiteLLM lets stand without http://.
func base(spec *guardrail.Spec, name, env string) string {
	text := spec.Settings.Need(name, env)
	if text == "" {
		return ""
	}
	if !strings.Contains(text, "://") {
		return strings.TrimRight("http://"+text, "/")
	}
	return remote.Base(spec, name, "", env)
}

func (s *settings) readEntities(spec *guardrail.Spec) {
	var given map[string]string
	spec.Settings.Into("pii_entities_config", &given)
	s.actions = map[string]guardrail.Action{}
	for _, entity := range slices.Sorted(maps.Keys(given)) {
		switch given[entity] {
		case "MASK":
			s.actions[entity] = guardrail.Mask
		case "BLOCK":
			s.actions[entity] = guardrail.Block
		default:
			spec.Settings.Fault("pii_entities_config", "%s must be MASK or BLOCK", entity)
		}
	}
	s.entities = slices.Sorted(maps.Keys(given))
	spec.Settings.Into("presidio_score_thresholds", &s.thresholds)
	for entity, t := range s.thresholds {
		if t < 0 || t > 1 {
			spec.Settings.Fault("presidio_score_thresholds", "%s must be between 0 and 1", entity)
		}
	}
}

// action is what is done about an entity. One that nobody configured, of a recognizer of the caller's say, is masked.
func (s *settings) action(entity string) guardrail.Action {
	if a, ok := s.actions[entity]; ok {
		return a
	}
	return guardrail.Mask
}

// counts reports whether a finding counts: not denied, and sure enough.
func (s *settings) counts(f found) bool {
	if slices.Contains(s.denied, f.Entity) {
		return false
	}
	t, own := s.thresholds[f.Entity]
	if !own {
		t = s.thresholds[all]
	}
	return f.Score >= t
}

// readRecognizers reads the file of ad-hoc recognizers, a JSON list.
func readRecognizers(spec *guardrail.Spec) []any {
	const name = "presidio_ad_hoc_recognizers"
	path := spec.Settings.Text(name)
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		spec.Settings.Fault(name, "%v", err)
		return nil
	}
	var list []any
	if err := json.Unmarshal(text, &list); err != nil {
		spec.Settings.Fault(name, "%s does not hold a JSON list of recognizers", path)
	}
	return list
}

// readMock reads mock_redacted_text, which lets a configuration be tried without Presidio: {text, items}.
func readMock(spec *guardrail.Spec) *string {
	var mock struct {
		Text  *string `json:"text"`
		Items []any   `json:"items"`
	}
	if !spec.Settings.Into("mock_redacted_text", &mock) {
		return nil
	}
	if mock.Text == nil {
		spec.Settings.Fault("mock_redacted_text", "has no text")
	}
	return mock.Text
}
