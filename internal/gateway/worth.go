package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"tollgate/internal/apierr"
	"tollgate/internal/dispatch"
	"tollgate/internal/jsonscan"
	"tollgate/internal/money"
	"tollgate/internal/openai"
	"tollgate/internal/price"
)

// size bounds what a call can use of an upstream, before anybody has counted it.
type size struct {
	prompt  int64 // tokens of the prompt, at most
	chars   int64 // characters of the prompt; 0 = not counted
	output  int64 // tokens of one answer that the caller allows; 0 = the caller names no cap
	choices int64 // answers asked for
	queries int64 // searches, where those are billed
	talks   bool  // the operation writes an answer that is billed
	// uncappable is true where no cap reaches the upstream.
	uncappable bool
	// kinds are 1 for each kind of token that may occur and has a price of its own.
	kinds price.Usage
}

// What a call is taken to be where it does not say.
const (
	// unboundedOutput is the longest answer of a model whose bound is not known, in tokens.
	unboundedOutput = 16384
	// expectedOutput is what budget_mode estimate and token limits expect of an answer without a cap, in tokens.
	expectedOutput = 1024
	// leastOutput is the shortest answer that is worth a call, in tokens.
	leastOutput = 128
	// slice is what a stream holds ahead of what it has written, in tokens.
	slice = 1024
	// remoteItem bounds the tokens of an image or file that the body names by its URL.
	remoteItem = 4096
	// wrapping bounds the tokens that a provider's template adds to a prompt.
	wrapping = 256
	// looksInside is the longest body, in bytes, that is searched for what a call may use. A longer one may use everything;
	// that it has fewer tokens than bytes makes up for what its URLs lead to.
	looksInside = 64 << 10
)

// measure bounds the call, once. A token is at least one byte of text, so the length of the body bounds the prompt
// whatever the tokenizer; only what a URL leads to must be guessed. It looks at the whole body, so a call that no budget
// pays for is not measured. It refuses numbers that another reader could take for something else than we do: the
// operator's money depends on them.
func (q *request) measure() error {
	if q.size.choices > 0 {
		return nil
	}
	s := size{
		prompt: int64(len(q.raw)) + wrapping, queries: searches(q.body), talks: q.talks(),
		kinds: price.Usage{Cached: 1, Reasoning: 1, CacheWritten: 1, PromptAudio: 1, PromptImage: 1, CompletionAudio: 1},
	}
	if err := s.read(q.body); err != nil {
		return badBody(q.op, err)
	}
	if len(q.raw) <= looksInside {
		s.lookInside(q.raw)
	}
	if slices.ContainsFunc(q.deployments(), func(d *dispatch.Deployment) bool { return q.snap.Models.rates(d).InputChar.Known }) {
		s.chars = q.body.Chars()
	}
	q.size = s
	return nil
}

func (s *size) lookInside(raw []byte) {
	s.prompt += int64(bytes.Count(raw, []byte(`"http`))) * remoteItem
	k := &s.kinds
	for _, kind := range [...]struct {
		sign  string
		count *int64
	}{{"cache_control", &k.CacheWritten}, {"input_audio", &k.PromptAudio}, {"image", &k.PromptImage}, {"modalities", &k.CompletionAudio}} {
		if !bytes.Contains(raw, []byte(kind.sign)) {
			*kind.count = 0
		}
	}
}

// Members that the bill of a call depends on, OCI's own spellings among them. Upstreams differ in which of them they heed,
// so the largest counts.
var (
	capNames   = []string{"max_tokens", "max_completion_tokens", "maxTokens", "maxCompletionTokens"}
	countNames = []string{"n", "best_of", "numGenerations"}
	tierNames  = []string{"service_tier", "serviceTier"}
	// dearerNames are those by which a caller has the upstream call other models, or tools that are billed apart (OpenRouter's).
	dearerNames = []string{"models", "route", "plugins"}
)

// named reports whether name is one of names to an upstream that may not tell cases apart.
func named(names []string, name []byte) bool {
	return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, string(name)) })
}

// eachSent calls f for every member of a body that may go upstream: its own, and those of its extra_body.
func eachSent(body *openai.Request, f func(name, value []byte) error) error {
	for i := range body.Members {
		if err := f(body.Members[i].Name, body.Members[i].Value); err != nil {
			return err
		}
	}
	extra, err := body.ExtraBody()
	for i := range extra {
		if err == nil {
			err = f([]byte(extra[i].Name), extra[i].Value)
		}
	}
	return err
}

// read takes from a body what the size of its answer and its price depend on.
func (s *size) read(body *openai.Request) error {
	s.output, s.choices = 0, 1
	prompts := int64(1)
	err := eachSent(body, func(name, value []byte) (err error) {
		n := int64(0)
		switch {
		case string(value) == "null":
		case named(dearerNames, name):
			return &openai.ParseError{Param: string(name), Message: fmt.Sprintf("Unsupported parameter: '%s' lets the upstream choose what is billed, so a call that a budget pays for may not have it.", name)}
		case !s.talks:
		case named(capNames, name):
			n, err = positive(name, value)
			s.output = max(s.output, n)
		case named(countNames, name):
			n, err = positive(name, value)
			s.choices = max(s.choices, n)
		case body.Operation == openai.OpCompletion && string(name) == "prompt":
			prompts = max(prompts, promptCount(value))
		}
		return err
	})
	s.choices = min(s.choices*prompts, mostCounted)
	s.kinds.Service = serviceOf(body)
	return err
}

// mostCounted bounds a number of a body, so that no product of two of them overflows; no upstream serves as many.
const mostCounted = 1 << 24

// positive reads a whole number from 1 up.
func positive(name, value []byte) (int64, error) {
	f, err := strconv.ParseFloat(string(value), 64) // as any reader of JSON numbers would: 1e3 is a number
	if f = min(f, mostCounted); f < 1 || f != math.Trunc(f) || err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, &openai.ParseError{Param: string(name), Message: fmt.Sprintf("Invalid value for '%s': a call that a budget pays for needs a whole number from 1 up.", name)}
	}
	return int64(f), nil
}

// promptCount is how many prompts a text completion has: each gets answers of its own.
func promptCount(prompt []byte) int64 {
	list, err := jsonscan.InnerArray(prompt, nil)
	if err != nil || len(list) == 0 || list[0][0] != '"' && list[0][0] != '[' { // a list of numbers is one prompt of tokens
		return 1
	}
	return int64(len(list))
}

// serviceOf is the class of service that a body asks for, which may have prices of its own.
func serviceOf(body *openai.Request) price.Service {
	service := price.Standard
	_ = eachSent(body, func(name, value []byte) error { // a body that cannot be sent costs nothing
		if named(tierNames, name) {
			switch strings.ToLower(strings.Trim(string(value), `"`)) {
			case "priority":
				service = price.Priority
			case "flex":
				service = price.Flex
			}
		}
		return nil
	})
	return service
}

// sizeAt is the size of the call at a target, and the body that it is asked with: a fallback's entry may change both, and
// the deployment has defaults of its own.
func (q *request) sizeAt(t dispatch.Target) (size, *openai.Request, error) {
	s, body := q.size, q.body
	if len(t.Overrides) > 0 {
		var err error
		if body, err = q.body.With(t.Overrides); err != nil {
			return size{}, nil, badBody(q.op, err)
		}
		for _, f := range t.Overrides {
			s.prompt += int64(len(f.Value))
		}
		if err := s.read(body); err != nil {
			return size{}, nil, badBody(q.op, err)
		}
		s.queries = searches(body)
	}
	s.apply(q.snap.Models.byID(t.ID), t.Deployment)
	return s, body, nil
}

// apply takes what the deployment adds to a call of its own.
func (s *size) apply(m *Model, d *dispatch.Deployment) {
	if m == nil || !s.talks {
		return
	}
	s.choices = max(s.choices, min(m.Defaults.Choices, mostCounted))
	switch {
	case m.Defaults.DropsCap:
		s.output, s.uncappable = 0, true
	case s.output == 0:
		s.output = m.Defaults.Output
	case m.MayThink && d.Completer == nil: // a provider raises caps that thinking would use up, for completions made of chats too
		s.output = max(s.output, slice)
	}
}

// talks reports whether the operation writes an answer that is billed.
func (q *request) talks() bool { return q.op == openai.OpChat || q.op == openai.OpCompletion }

// deployments are those behind the alias.
func (q *request) deployments() []*dispatch.Deployment {
	if q.behind == nil {
		q.behind = q.snap.Router.Deployments(q.alias)
	}
	return q.behind
}

// documentsPerSearch is how many documents one search unit of a rerank holds (Cohere's unit, which OCI bills by).
const documentsPerSearch = 100

// searches is how many search units a body is billed as.
func searches(body *openai.Request) int64 {
	if body.Operation != openai.OpRerank {
		return 0
	}
	units := int64(1)
	_ = eachSent(body, func(name, value []byte) error { // a body that cannot be sent costs nothing
		if string(name) == "documents" {
			documents, err := jsonscan.InnerArray(value, nil)
			if err == nil {
				units = max(units, (int64(len(documents))+documentsPerSearch-1)/documentsPerSearch)
			}
		}
		return nil
	})
	return units
}

// longest is how many tokens one answer of a deployment can have when it is asked with body. bounded is false where nobody
// but us bounds it: not the caller, the model or its provider.
func (s *size) longest(d *dispatch.Deployment, body *openai.Request) (most int64, bounded bool) {
	if !s.talks {
		return 0, true
	}
	most = int64(d.MaxOutputTokens)
	if b, ok := d.Chatter.(interface{ MaxOutput(*openai.Request) int }); ok && body.Operation == openai.OpChat {
		// What the provider really sends: it may raise a cap that hidden thinking would use up.
		if n := int64(b.MaxOutput(body)); n > 0 {
			return n, true
		}
	}
	if s.output > 0 && (most == 0 || s.output < most) {
		return s.output, true
	}
	if most == 0 {
		return unboundedOutput, false
	}
	return most, true
}

// answer is the longest answer of one deployment to the body as it came.
type answer struct {
	of      *dispatch.Deployment
	most    int64
	bounded bool
}

// longest is size.longest, remembered for the deployment that was asked about last: a provider reads the whole body for it.
func (q *request) longest(s *size, d *dispatch.Deployment, body *openai.Request) (most int64, bounded bool) {
	if body != q.body {
		return s.longest(d, body)
	}
	if q.answerOf.of != d {
		q.answerOf.of = d
		q.answerOf.most, q.answerOf.bounded = s.longest(d, body)
	}
	return q.answerOf.most, q.answerOf.bounded
}

// worth is the most that a call costs at some rates when each answer has output tokens. known is false where a price
// that it needs is not.
func (s *size) worth(r price.Rates, output int64) (cost money.USD, known bool) {
	u := s.kinds
	u.Prompt, u.Completion, u.Queries = s.prompt, output*s.choices, s.queries
	if r.InputChar.Known {
		u.PromptChars = s.chars
		if s.chars == 0 { // characters are at most bytes, where they were not counted
			u.PromptChars = s.prompt
		}
	}
	if r.OutputChar.Known {
		u.CompletionChars = output * s.choices * charsPerToken
	}
	return price.Worst(r, u)
}

// charsPerToken bounds the characters that one token of an answer stands for on average, where those are billed.
const charsPerToken = 8

// expected is what the call is likely to cost.
func (s *size) expected(r price.Rates, most int64) money.USD {
	likely := *s
	likely.prompt /= bytesPerToken
	cost, _ := likely.worth(r, min(most, expectedOutput))
	return cost
}

// affords is how many tokens each answer may have so that the call costs at most budget.
func (s *size) affords(r price.Rates, budget money.USD) int64 {
	floor, known := s.worth(r, 0)
	one, _ := s.worth(r, 1)
	step := one - floor
	if !known || step <= 0 {
		return mostCounted
	}
	if budget <= floor {
		return 0
	}
	return min(int64((budget-floor)/step), mostCounted)
}

// unpriced refuses a model whose calls nobody could charge to a budget.
func unpriced(d *dispatch.Deployment) error {
	return (&apierr.Error{
		Status: http.StatusForbidden, Type: "permission_error", Param: "model",
		Message: fmt.Sprintf("No price is known for the model %s, so a call that a budget pays for may not use it. Set input_cost_per_token and output_cost_per_token on the deployment, or tollgate_settings.refuse_unpriced: false.", d.Alias),
	}).NoRetry()
}
