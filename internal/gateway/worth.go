package gateway

import (
	"bytes"
	"slices"

	"tollgate/internal/dispatch"
	"tollgate/internal/jsonscan"
	"tollgate/internal/money"
	"tollgate/internal/openai"
	"tollgate/internal/price"
)

// size bounds what a call can use of an upstream, before anybody has counted it.
type size struct {
	prompt  int64 // tokens of the prompt, at most
	chars   int64 // characters of the prompt
	output  int64 // tokens of one answer that the caller allows; 0 = the caller names no cap
	choices int64 // answers asked for
	queries int64 // searches, where those are billed
	talks   bool  // the operation writes an answer that is billed
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
)

// measure bounds the call, once. A token is at least one byte of text, so the length of the body bounds the prompt
// whatever the tokenizer; only what a URL leads to must be guessed. It looks at the whole body, so a call that no budget
// pays for is not measured.
func (q *request) measure() {
	if q.size.choices > 0 {
		return
	}
	q.size = size{
		prompt: int64(len(q.raw)) + wrapping, output: q.namedCap(), choices: q.choices(), queries: q.searches(), talks: q.talks(), chars: -1,
		kinds: price.Usage{Cached: 1, Reasoning: 1, CacheWritten: 1, PromptAudio: 1, PromptImage: 1, CompletionAudio: 1},
	}
	if len(q.raw) <= looksInside {
		q.lookInside()
	}
	if slices.ContainsFunc(q.deployments(), func(d *dispatch.Deployment) bool { return q.snap.Models.rates(d).InputChar.Known }) {
		q.size.chars = q.chars()
	}
}

// looksInside is the longest body, in bytes, that is searched for what a call may use. A longer one may use everything;
// that it has fewer tokens than bytes makes up for what its URLs lead to.
const looksInside = 64 << 10

func (q *request) lookInside() {
	q.size.prompt += int64(bytes.Count(q.raw, []byte(`"http`))) * remoteItem
	k := &q.size.kinds
	for _, kind := range [...]struct {
		sign  string
		count *int64
	}{{"cache_control", &k.CacheWritten}, {"input_audio", &k.PromptAudio}, {"image", &k.PromptImage}, {"modalities", &k.CompletionAudio}} {
		if !bytes.Contains(q.raw, []byte(kind.sign)) {
			*kind.count = 0
		}
	}
}

// talks reports whether the operation writes an answer that is billed.
func (q *request) talks() bool { return q.op == openai.OpChat || q.op == openai.OpCompletion }

// namedCap is the most tokens of one answer that the caller allows; 0 = it does not say.
func (q *request) namedCap() int64 {
	if !q.talks() {
		return 0
	}
	f := fields{q: q}
	return int64(f.whole("max_tokens", "max_completion_tokens"))
}

// choices is how many answers are asked for.
func (q *request) choices() int64 {
	f := fields{q: q}
	return int64(max(f.whole("n"), f.whole("best_of"), 1))
}

// chars counts the characters of the prompt.
func (q *request) chars() int64 {
	if q.size.chars > 0 {
		return q.size.chars
	}
	return q.body.Chars()
}

// deployments are those behind the alias.
func (q *request) deployments() []*dispatch.Deployment {
	if q.behind == nil {
		q.behind = q.snap.Router.Deployments(q.alias)
	}
	return q.behind
}

// documentsPerSearch is how many documents one search unit of a rerank holds (Cohere's unit, which OCI bills by).
const documentsPerSearch = 100

// searches is how many search units the call is billed as.
func (q *request) searches() int64 {
	if q.op != openai.OpRerank {
		return 0
	}
	raw, _ := q.body.Get("documents")
	documents, err := jsonscan.InnerArray(raw, nil)
	if err != nil {
		return 1
	}
	return max((int64(len(documents))+documentsPerSearch-1)/documentsPerSearch, 1)
}

// longest is how many tokens one answer of a deployment can have, as the call stands.
func (q *request) longest(d *dispatch.Deployment) int64 {
	if !q.talks() {
		return 0
	}
	if q.longestOf != d { // a provider may have to read the whole body for it
		q.longestOf, q.longestIs = d, q.findLongest(d)
	}
	return q.longestIs
}

func (q *request) findLongest(d *dispatch.Deployment) int64 {
	most := int64(d.MaxOutputTokens)
	if b, ok := d.Chatter.(interface{ MaxOutput(*openai.Request) int }); ok && q.op == openai.OpChat {
		// What the provider really sends: it may raise a cap that hidden thinking would use up.
		if n := int64(b.MaxOutput(q.body)); n > 0 {
			return n
		}
	}
	if q.size.output > 0 && (most == 0 || q.size.output < most) {
		return q.size.output
	}
	if most == 0 {
		return unboundedOutput
	}
	return most
}

// worth is the most that a call costs at some rates when each answer has output tokens. known is false where a price
// that it needs is not.
func (s size) worth(r price.Rates, output int64) (cost money.USD, known bool) {
	u := s.kinds
	u.Prompt, u.Completion, u.Queries = s.prompt, output*s.choices, s.queries
	if r.InputChar.Known {
		u.PromptChars = s.chars
	}
	if r.OutputChar.Known {
		u.CompletionChars = output * s.choices * charsPerToken
	}
	return price.Worst(r, u)
}

// charsPerToken bounds the characters that one token of an answer stands for on average, where those are billed.
const charsPerToken = 8

// expected is what the call is likely to cost.
func (s size) expected(r price.Rates, most int64) (cost money.USD, known bool) {
	s.prompt = s.prompt / bytesPerToken
	output := min(most, expectedOutput)
	return s.worth(r, output)
}

// affords is how many tokens each answer may have so that the call costs at most budget.
func (s size) affords(r price.Rates, budget money.USD) int64 {
	floor, known := s.worth(r, 0)
	one, _ := s.worth(r, 1)
	step := one - floor
	if !known || step <= 0 {
		return unboundedOutput << 10
	}
	if budget <= floor {
		return 0
	}
	return int64((budget - floor) / step)
}
