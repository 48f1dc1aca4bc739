package ocisim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Rule makes matching calls misbehave. The first rule that fires is the one that acts. What is zero does not matter or
// does nothing.
type Rule struct {
	// ID names the rule; one is made up when it is empty.
	ID string `json:"id,omitempty"`

	// Model matches the model or endpoint that is asked for; a trailing * matches the rest.
	Model string `json:"model,omitempty"`
	// Op matches the operation: chat, embed, rerank, guardrails, models, openai_chat ... A rule without it does not
	// touch the identity services: imds, x509, rpt, rpst and workload are matched by name only.
	Op string `json:"op,omitempty"`
	// Key matches the caller's key id as the usage report names it.
	Key string `json:"key,omitempty"`
	// Stream matches streamed calls only (true) or unary calls only (false).
	Stream *bool `json:"stream,omitempty"`
	// Nth fires on this one of the matching calls only, counted from 1. After skips so many, Times fires at most so often.
	Nth   int `json:"nth,omitempty"`
	After int `json:"after,omitempty"`
	Times int `json:"times,omitempty"`
	// Probability (0 to 1) fires on a share of the matching calls, drawn from the seed.
	Probability float64 `json:"probability,omitempty"`

	// Latency delays the whole reply, FirstToken the first event of a stream, Chunk each later one.
	Latency    Duration `json:"latency,omitempty"`
	FirstToken Duration `json:"first_token_delay,omitempty"`
	Chunk      Duration `json:"chunk_delay,omitempty"`
	// SlowBody is the pause after each 64 bytes of a unary body.
	SlowBody Duration `json:"slow_body,omitempty"`
	// Status answers an error with Code and Message, and RetryAfter seconds when that is set.
	Status     int    `json:"status,omitempty"`
	Code       string `json:"code,omitempty"`
	Message    string `json:"message,omitempty"`
	RetryAfter *int   `json:"retry_after,omitempty"`
	// Drop closes the connection without a reply.
	Drop bool `json:"drop,omitempty"`
	// CutAfter ends a stream after so many events, or a unary body in its middle. Abrupt breaks the connection instead
	// of ending the stream as if it were complete.
	CutAfter *int `json:"cut_after,omitempty"`
	Abrupt   bool `json:"abrupt,omitempty"`
	// ErrorAfter sends an error event after so many events and ends the stream.
	ErrorAfter *int `json:"error_after,omitempty"`
	// GarbageAfter sends an event that is not JSON after so many events and goes on; a unary body is garbage throughout.
	GarbageAfter *int `json:"garbage_after,omitempty"`
	// Empty answers 200 without any text: "text" keeps the shape, "body" sends nothing at all.
	Empty string `json:"empty,omitempty"`
	// Finish replaces the finish reason, such as ERROR_TOXIC or content_filter.
	Finish string `json:"finish,omitempty"`
	// ContentType replaces the reply's content type.
	ContentType string `json:"content_type,omitempty"`
	// NoDone leaves out the [DONE] of a GENERIC stream; NoFinish the finish event and all that follows it.
	NoDone   bool `json:"no_done,omitempty"`
	NoFinish bool `json:"no_finish,omitempty"`
}

// check refuses rules that cannot work.
func (r Rule) check() error {
	switch {
	case r.Status != 0 && (r.Status < 400 || r.Status > 599):
		return fmt.Errorf("rule %s: status %d is not an error", r.ID, r.Status)
	case r.Probability < 0 || r.Probability > 1:
		return fmt.Errorf("rule %s: probability %g is not between 0 and 1", r.ID, r.Probability)
	case r.Nth < 0 || r.After < 0 || r.Times < 0:
		return fmt.Errorf("rule %s: nth, after and times are not negative", r.ID)
	case r.Empty != "" && r.Empty != "text" && r.Empty != "body":
		return fmt.Errorf("rule %s: empty is \"text\" or \"body\", not %q", r.ID, r.Empty)
	case r.RetryAfter != nil && *r.RetryAfter < 0:
		return fmt.Errorf("rule %s: retry_after is not negative", r.ID)
	}
	return nil
}

// call is what rules match on.
type call struct {
	op, model, key string
	stream         bool
	identity       bool // one of the identity services
}

func (r Rule) matches(c call) bool {
	if prefix, open := strings.CutSuffix(r.Model, "*"); open {
		if !strings.HasPrefix(c.model, prefix) {
			return false
		}
	} else if r.Model != "" && r.Model != c.model {
		return false
	}
	if r.Op == "" && c.identity {
		return false
	}
	return (r.Op == "" || r.Op == c.op) && (r.Key == "" || r.Key == c.key) && (r.Stream == nil || *r.Stream == c.stream)
}

// RuleState is a rule with what it has seen.
type RuleState struct {
	Rule
	Seen  int `json:"seen"`
	Fired int `json:"fired"`
}

// errNoRule says that no rule has the id.
var errNoRule = errors.New("no such rule")

// faultBook holds the rules in order. It is safe for concurrent use.
type faultBook struct {
	mu     sync.Mutex
	rules  []*RuleState
	next   int
	random *rand.Rand
}

func newFaultBook(seed int64) *faultBook {
	return &faultBook{random: rand.New(rand.NewPCG(uint64(seed), 2))}
}

// add appends a rule and returns its id. A rule of the same id is replaced and starts counting anew.
func (b *faultBook) add(r Rule) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.ID == "" {
		b.next++
		r.ID = "rule-" + strconv.Itoa(b.next)
	}
	if err := r.check(); err != nil {
		return "", err
	}
	for i, old := range b.rules {
		if old.ID == r.ID {
			b.rules[i] = &RuleState{Rule: r}
			return r.ID, nil
		}
	}
	b.rules = append(b.rules, &RuleState{Rule: r})
	return r.ID, nil
}

// remove deletes one rule, or all of them when id is empty.
func (b *faultBook) remove(id string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if id == "" {
		b.rules = nil
		return nil
	}
	for i, r := range b.rules {
		if r.ID == id {
			b.rules = append(b.rules[:i], b.rules[i+1:]...)
			return nil
		}
	}
	return errNoRule
}

func (b *faultBook) list() []RuleState {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]RuleState, len(b.rules))
	for i, r := range b.rules {
		all[i] = *r
	}
	return all
}

// pick counts the call on every matching rule up to the first that fires, and returns that one; the zero rule when
// none does.
func (b *faultBook) pick(c call) Rule {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.rules {
		if !r.matches(c) {
			continue
		}
		r.Seen++
		switch {
		case r.Nth > 0 && r.Seen != r.Nth, r.Seen <= r.After, r.Times > 0 && r.Fired >= r.Times:
			continue
		case r.Probability > 0 && b.random.Float64() >= r.Probability:
			continue
		}
		r.Fired++
		return r.Rule
	}
	return Rule{}
}

// failure is the error that the rule answers, nil when it answers none.
func (r Rule) failure(v Variants) *serviceError {
	if r.Status == 0 {
		return nil
	}
	e := &serviceError{status: r.Status, code: r.Code, message: r.Message}
	fill := func(code, message string) {
		if e.code == "" {
			e.code = code
		}
		if e.message == "" {
			e.message = message
		}
	}
	switch r.Status {
	case 401:
		fill("NotAuthenticated", v.Message401)
	case 404:
		fill("NotAuthorizedOrNotFound", v.Message404)
	case 429:
		fill(v.ThrottleCode, v.Message429)
	case 500:
		fill("InternalServerError", "Internal error")
	case 503:
		fill("ServiceUnavailable", "Service unavailable")
	default:
		fill(strconv.Itoa(r.Status), "The request failed")
	}
	if r.RetryAfter != nil {
		e.retryAfter = strconv.Itoa(*r.RetryAfter)
	}
	return e
}

// reached reports whether an "after N events" setting is due before the event with this index.
func reached(after *int, sent int) bool { return after != nil && sent >= *after }

// firstDelay is the wait before the first byte of a reply.
func (s *Server) firstDelay(r Rule, stream bool) time.Duration {
	d := s.latency.First + time.Duration(r.Latency)
	if stream {
		d += time.Duration(r.FirstToken)
	}
	return d
}
