package compat

import (
	"slices"
	"strconv"
	"strings"

	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
)

// Rename is a parameter that an upstream has under another name.
type Rename struct {
	From, To string
	Wins     bool // when the caller gave both, From's value is the one that goes
}

// modelRule is what a family of OpenAI's models refuses. The first rule whose prefix fits a model holds.
type modelRule struct {
	prefix  string // of the model id behind its last slash
	renames []Rename
	refused []string // whatever their value
	// fixed are refused unless they have the value 1 (temperature).
	fixed []string
	// reasoned are refused only while the model reasons, that is with a reasoning_effort other than none. They may
	// repeat names of fixed, which then needs the reasoning as well.
	reasoned []string
}

var newMaxTokens = []Rename{{From: "max_tokens", To: "max_completion_tokens"}}

// modelRules are LiteLLM's (o_series_transformation.py and gpt_5_transformation.py). A caller who sends one of these
// parameters gets OpenAI's own 400, unless drop_params is on: then it is left out and named.
var modelRules = []modelRule{
	{prefix: "gpt-5-chat"}, // an ordinary chat model
	{prefix: "gpt-5.", renames: newMaxTokens, // 5.1 and later: the default is not to reason
		refused:  []string{"presence_penalty", "frequency_penalty", "stop", "logit_bias"},
		fixed:    []string{"temperature"},
		reasoned: []string{"temperature", "top_p", "logprobs", "top_logprobs"}},
	{prefix: "gpt-5", renames: newMaxTokens,
		refused: []string{"presence_penalty", "frequency_penalty", "stop", "logit_bias", "top_p", "logprobs", "top_logprobs"},
		fixed:   []string{"temperature"}},
	{prefix: "o1", renames: newMaxTokens, refused: oSeriesRefused, fixed: []string{"temperature"}},
	{prefix: "o3", renames: newMaxTokens, refused: oSeriesRefused, fixed: []string{"temperature"}},
	{prefix: "o4", renames: newMaxTokens, refused: oSeriesRefused, fixed: []string{"temperature"}},
}

var oSeriesRefused = []string{"presence_penalty", "frequency_penalty", "top_p", "logprobs", "top_logprobs"}

// ruleOf is the rule of a model; the zero rule allows everything.
func ruleOf(u *Upstream, model string) modelRule {
	if u.OpenAIModels {
		name := strings.ToLower(model[strings.LastIndexByte(model, '/')+1:])
		for _, rule := range modelRules {
			if strings.HasPrefix(name, rule.prefix) {
				return rule
			}
		}
	}
	return modelRule{}
}

// refuses reports whether the model refuses a parameter with this value.
func (m *modelRule) refuses(name string, value []byte, reasons bool) bool {
	if slices.Contains(m.refused, name) {
		return true
	}
	if slices.Contains(m.reasoned, name) && !reasons {
		return false
	}
	if slices.Contains(m.fixed, name) {
		n, err := strconv.ParseFloat(string(value), 64)
		return err != nil || n != 1
	}
	return slices.Contains(m.reasoned, name)
}

// lookup finds a parameter of a call; a null counts as absent.
type lookup func(name string) ([]byte, bool)

// reasons reports whether a call switches reasoning on.
func reasons(get lookup) bool {
	effort, ok := get("reasoning_effort")
	return ok && string(effort) != `"none"`
}

// edit is how the parameters of a call differ from what the caller and the deployment gave.
type edit struct {
	set     []jsonscan.Field
	omit    []string
	dropped []string // those of omit that the upstream does not take, sorted
}

// rename moves parameters to the names that the upstream has for them.
func (e *edit) rename(renames []Rename, get lookup) {
	for _, r := range renames {
		value, given := get(r.From)
		if !given {
			continue
		}
		e.omit = append(e.omit, r.From)
		if _, both := get(r.To); r.Wins || !both {
			e.set = append(e.set, jsonscan.Field{Name: r.To, Value: value})
		}
	}
}

// drop leaves out what the model refuses.
func (e *edit) drop(m *modelRule, get lookup) {
	reasoning := reasons(get)
	for _, names := range [...][]string{m.refused, m.fixed, m.reasoned} {
		for _, name := range names {
			value, given := get(name)
			if given && !slices.Contains(e.dropped, name) && m.refuses(name, value, reasoning) {
				e.omit = append(e.omit, name)
				e.dropped = append(e.dropped, name)
			}
		}
	}
	slices.Sort(e.dropped)
}

// WithUsage is the stream_options member that asks for usage and keeps what the caller has in his. Set it, through
// provider.Spec.Outgoing, on every streamed request; the gateway hides the usage chunk from callers who did not ask.
func WithUsage(r *openai.Request) jsonscan.Field {
	given, _ := r.Get("stream_options")
	return usageOption(given)
}

func usageOption(given []byte) jsonscan.Field {
	set := []jsonscan.Field{{Name: "include_usage", Value: []byte("true")}}
	options := []byte(`{"include_usage":true}`)
	if members, err := jsonscan.Object(given, nil); err == nil {
		options = jsonscan.Splice(given, members, set, nil).Bytes()
	}
	return jsonscan.Field{Name: "stream_options", Value: options}
}
