package oci

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
	"tollgate/internal/provider/oci/schema"
)

// param is one request parameter and the field of OCI that carries it.
type param struct {
	names   string // the names it goes by, OpenAI's or the vendor's first, separated by blanks
	field   string // OCI's
	convert converter
	neutral string // the value that asks for nothing, so that it is never refused; "" when there is none
}

// The parameters of each format besides the cap, the tools and the response format, which have code of their own.
// A parameter that stands in none of them is unsupported. OCI's own spelling is taken everywhere, for callers who
// read Oracle's documentation.
var (
	sharedParams = []param{
		{"temperature", "temperature", number, "1"},
		{"top_p topP", "topP", number, "1"},
		{"top_k topK", "topK", integer, ""},
		{"frequency_penalty frequencyPenalty", "frequencyPenalty", number, "0"},
		{"presence_penalty presencePenalty", "presencePenalty", number, "0"},
		{"seed", "seed", integer, ""},
	}
	genericParams = append([]param{
		{"stop", "stop", stopList, ""},
		{"n numGenerations", "numGenerations", choices, "1"},
		{"logprobs", "logProbs", sampledLogprobs, "false"},
		{"top_logprobs logProbs", "logProbs", integer, "0"},
		{"logit_bias logitBias", "logitBias", objectValue, "{}"},
		{"parallel_tool_calls isParallelToolCalls", "isParallelToolCalls", boolean, ""},
		{"reasoning_effort reasoningEffort", "reasoningEffort", effort, ""},
		{"verbosity", "verbosity", enum, ""},
		{"service_tier serviceTier", "serviceTier", enum, `"auto"`},
		{"prediction", "prediction", prediction, ""},
		{"web_search_options webSearchOptions", "webSearchOptions", webSearch, ""},
		{"echo isEcho", "isEcho", boolean, "false"},
	}, sharedParams...)
	cohereShared = append([]param{
		{"stop stopSequences stop_sequences", "stopSequences", stopList, ""},
		{"documents", "documents", documents, "[]"},
		{"safety_mode safetyMode", "safetyMode", safetyMode, ""},
		{"search_queries_only isSearchQueriesOnly is_search_queries_only", "isSearchQueriesOnly", boolean, "false"},
		{"raw_prompting isRawPrompting is_raw_prompting", "isRawPrompting", boolean, "false"},
	}, sharedParams...)
	cohereParams = append([]param{
		{"citation_quality citationQuality", "citationQuality", enum, ""},
		{"prompt_truncation promptTruncation", "promptTruncation", enum, ""},
		{"force_single_step isForceSingleStep is_force_single_step", "isForceSingleStep", boolean, "false"},
		{"max_input_tokens maxInputTokens", "maxInputTokens", integer, ""},
		{"preamble preambleOverride preamble_override", "preambleOverride", stringValue, ""},
		{"echo isEcho is_echo", "isEcho", boolean, "false"},
	}, cohereShared...)
	cohereV2Params = append([]param{
		{"reasoning_effort reasoningEffort", "thinking", thinkingEffort, ""},
		{"thinking", "thinking", thinking, ""},
		{"citation_options citationOptions", "citationOptions", citationMode, ""},
		{"citation_quality citationQuality", "citationOptions", citationQuality, ""}, // COHERE's name of the mode
		{"strict_tools isStrictToolsEnabled is_strict_tools_enabled", "isStrictToolsEnabled", boolean, "false"},
		{"logprobs isLogProbsEnabled", "isLogProbsEnabled", boolean, "false"},
	}, cohereShared...)
)

// params is the table of a format.
func (f Format) params() []param {
	switch f {
	case Cohere:
		return cohereParams
	case CohereV2:
		return cohereV2Params
	}
	return genericParams
}

// Parameters that never reach OCI and are never refused.
var (
	// swallowed speak to the client or the gateway (BerriAI/litellm#15080, #29725); user has been counted there.
	swallowed = set("model", "stream", "stream_options", "max_retries", "user")
	// ignored are hints whose absence changes no answer's meaning; they are named among the dropped ones.
	ignored = map[Format]map[string]bool{Cohere: set("reasoning_effort", "reasoningEffort"), CohereV2: set("reasoning_effort", "reasoningEffort")}
	// capNames are the names of the bound of the answer's length, the strongest first.
	capNames = []string{"max_completion_tokens", "maxCompletionTokens", "max_tokens", "maxTokens"}
	// harmless are values of parameters without a field that ask for what OCI does anyway.
	harmless = map[string]string{"n": "1", "store": "false", "logprobs": "false", "top_logprobs": "0", "logit_bias": "{}", "modalities": `["text"]`,
		"service_tier": `"auto"`, "frequency_penalty": "0", "presence_penalty": "0", "parallel_tool_calls": "false"}
)

func set(words ...string) map[string]bool {
	m := make(map[string]bool, len(words))
	for _, w := range words {
		m[w] = true
	}
	return m
}

// sampledLogprobs is OpenAI's flag: the log probability of the chosen token, without alternatives.
func sampledLogprobs(v []byte) ([]byte, string) {
	switch flag, problem := boolean(v); {
	case problem != "":
		return nil, problem
	case flag[0] == 'f':
		return nil, ""
	}
	return []byte("1"), ""
}

// find returns the row of a parameter by any of its names.
func find(table []param, name string) (param, bool) {
	for _, p := range table {
		if p.hasName(name) {
			return p, true
		}
	}
	return param{}, false
}

func (p param) hasName(name string) bool {
	for rest := p.names; rest != ""; {
		var one string
		one, rest, _ = strings.Cut(rest, " ")
		if one == name {
			return true
		}
	}
	return false
}

// name is the parameter's first name, under which family.refuses lists it.
func (p param) name() string {
	first, _, _ := strings.Cut(p.names, " ")
	return first
}

// isNeutral compares values as JSON numbers where they are some: 1.0 is 1.
func isNeutral(value []byte, neutral string) bool {
	if neutral == "" {
		return false
	}
	if a, err := strconv.ParseFloat(string(value), 64); err == nil {
		b, err := strconv.ParseFloat(neutral, 64)
		return err == nil && a == b
	}
	var compact bytes.Buffer
	compact.Grow(len(value))
	for _, c := range value {
		if c != ' ' && c != '\n' && c != '\t' && c != '\r' {
			compact.WriteByte(c)
		}
	}
	return compact.String() == neutral
}

// paramSet is what becomes of a request's parameters on one family.
type paramSet struct {
	fields  []jsonscan.Field // OCI's fields, in the order of their first mention
	limit   int              // the caller's cap; 0 when there was none
	left    []string         // parameters left out without fuss, for the record
	refused []string         // parameters that the model does not take
}

// sort decides on every parameter. learned names parameters that this deployment has been seen to refuse, allowed
// those that the operator lets through whatever the table says.
func sortParams(fam *family, params []jsonscan.Field, hasTools bool, learned func(string) bool, allowed []string) (paramSet, error) {
	var s paramSet
	table := fam.format.params()
	strength := len(capNames)
	for _, f := range params {
		if swallowed[f.Name] {
			continue
		}
		if i := slices.Index(capNames, f.Name); i >= 0 {
			n, err := positive(f)
			if err != nil {
				return s, err
			}
			if i < strength {
				strength, s.limit = i, n
			}
			continue
		}
		p, known := find(table, f.Name)
		if f.Name == "n" || f.Name == "numGenerations" {
			if _, err := positive(f); err != nil {
				return s, err
			}
		}
		switch {
		case known && p.name() == "parallel_tool_calls" && !hasTools: // nothing to be parallel
		case slices.Contains(allowed, f.Name):
			if !known {
				s.set(f.Name, f.Value)
			} else if err := s.take(p, f); err != nil {
				return s, err
			}
		case !known && isNeutral(f.Value, harmless[f.Name]):
		case ignored[fam.format][f.Name] && (!known || fam.rejects(p)):
			s.left = append(s.left, f.Name)
		case !known:
			s.refused = append(s.refused, f.Name)
		case fam.rejects(p) || learned(p.field):
			if !isNeutral(f.Value, p.neutral) {
				s.refused = append(s.refused, f.Name)
			}
		case p.field == "reasoningEffort" && !fam.takesEffort(f.Value):
			s.refused = append(s.refused, f.Name)
		default:
			if err := s.take(p, f); err != nil {
				return s, err
			}
		}
	}
	return s, nil
}

func (f *family) rejects(p param) bool { return slices.Contains(f.refuses, p.name()) }

// takesEffort reports whether a value of reasoning_effort is among those that the family takes.
func (f *family) takesEffort(value []byte) bool {
	if f.efforts == nil {
		return true
	}
	word, problem := effort(value)
	return problem != "" || slices.Contains(f.efforts, openai.Text(word).String())
}

// take converts a parameter into its field.
func (s *paramSet) take(p param, f jsonscan.Field) error {
	value, problem := p.convert(f.Value)
	if problem != "" {
		return &openai.ParseError{Param: f.Name, Message: "Invalid type for '" + f.Name + "': expected " + problem + "."}
	}
	if value != nil {
		s.set(p.field, value)
	}
	return nil
}

// set puts a field in. Of OpenAI's logprobs and top_logprobs, which share one, the number wins over the flag.
func (s *paramSet) set(field string, value []byte) {
	for i := range s.fields {
		if s.fields[i].Name == field {
			if field != "logProbs" || string(value) != "1" {
				s.fields[i].Value = value
			}
			return
		}
	}
	s.fields = append(s.fields, jsonscan.Field{Name: field, Value: value})
}

func positive(f jsonscan.Field) (int, error) {
	n, problem := integer(f.Value)
	limit, err := strconv.Atoi(string(n))
	if problem != "" || err != nil {
		return 0, &openai.ParseError{Param: f.Name, Message: "Invalid type for '" + f.Name + "': expected an integer."}
	}
	if limit < 1 {
		return 0, &openai.ParseError{Param: f.Name, Message: "Invalid '" + f.Name + "': expected a value of at least 1."}
	}
	return limit, nil
}

// SupportedParams lists, sorted, the request parameters that a model takes, by the names that OpenAI or the vendor
// gives them. format is "" unless the deployment overrules what the id says.
func SupportedParams(model string, format Format) []string {
	fam := familyOf(model, format)
	out := []string{"max_tokens", "max_completion_tokens", "tools", "functions", "response_format", "stream", "stream_options"}
	if fam.format != Cohere {
		out = append(out, "tool_choice", "function_call")
	}
	for _, p := range fam.format.params() {
		if !fam.rejects(p) {
			out = append(out, p.name())
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// rewriteSchema brings a caller's schema into the family's dialect.
func (f *family) rewriteSchema(path string, raw []byte) ([]byte, error) {
	out, err := schema.Rewrite(f.schema, raw)
	if err != nil {
		return nil, &openai.ParseError{Param: path, Message: "Invalid schema for '" + path + "': " + err.Error() + "."}
	}
	return out, nil
}
