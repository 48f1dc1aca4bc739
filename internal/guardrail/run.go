package guardrail

import (
	"context"
	"errors"
	"slices"
	"sync"

	"tollgate/internal/apierr"
	"tollgate/internal/content"
	"tollgate/internal/openai"
)

// Run is the guardrails of one call. Its methods are called by the call's goroutine in the order of a call; During may run
// beside them. A nil Run has no guardrails.
type Run struct {
	set     *Set
	call    *Call
	surface openai.Operation
	units   []*unit // in the order of the configuration
	request *content.Body
	restore *restorer // nil until pre_call has put something in the place of texts

	mu      sync.Mutex
	entries []*entry // what ran, in order; guarded by mu
	blocked bool     // a guardrail has ended the call; guarded by mu
}

// unit is one guardrail of a call.
type unit struct {
	*member
	phases      []Phase
	extra       map[string]any
	language    string
	skipSystem  bool
	definitions bool
}

func (u *unit) in(phase Phase) bool { return slices.Contains(u.phases, phase) }

// of are the units that run in a phase.
func (r *Run) of(phase Phase) []*unit {
	if r == nil {
		return nil
	}
	var list []*unit
	for _, u := range r.units {
		if u.in(phase) {
			list = append(list, u)
		}
	}
	return list
}

// Has reports whether any guardrail runs in one of the phases.
func (r *Run) Has(phases ...Phase) bool {
	return slices.ContainsFunc(phases, func(p Phase) bool { return len(r.of(p)) > 0 })
}

// Guards reports whether the run has anything to do with what the caller gets: false where it only concerns the log.
func (r *Run) Guards() bool { return r.Has(PreCall, DuringCall, PostCall) }

// ChangesAnswer reports whether the answer may become another one: guardrails judge it, or texts are put back into it.
func (r *Run) ChangesAnswer() bool { return r.Has(PostCall) || r != nil && r.restore != nil }

// Pre has the guardrails of pre_call look at the request, one after the other, and returns the request as they leave it: req
// itself where nothing has changed. The error is an *apierr.Error, an *Answered, an *openai.ParseError, or ctx's.
func (r *Run) Pre(ctx context.Context, req *openai.Request) (*openai.Request, error) {
	if !r.Guards() {
		return req, nil
	}
	body, err := r.read(req)
	if err != nil {
		return nil, err
	}
	texts, changed, err := r.chain(ctx, PreCall, body, nil)
	if err != nil {
		return nil, err
	}
	if !changed {
		return req, nil
	}
	raw, err := body.With(texts)
	if err != nil {
		return nil, r.unmaskable(PreCall, err)
	}
	out, err := openai.ParseRequest(req.Operation, raw)
	if err != nil {
		return nil, err
	}
	out.Header = req.Header
	r.request, err = content.Request(out)
	return out, err
}

// read finds the texts of the request, and refuses what could go around those who look at them.
func (r *Run) read(req *openai.Request) (*content.Body, error) {
	body, err := content.Request(req)
	if errors.Is(err, content.ErrUnknownSurface) {
		return nil, r.units[0].failure(err)
	}
	if err != nil {
		return nil, err
	}
	r.request = body
	if !r.Has(PreCall, DuringCall) {
		return body, nil
	}
	if body.Tokens {
		return nil, unreadable("", "Token numbers")
	}
	extra, err := req.ExtraBody()
	if err != nil {
		return nil, err
	}
	for _, f := range extra {
		if content.HoldsText(f.Name) {
			return nil, unreadable("extra_body."+f.Name, "What extra_body sends besides the request")
		}
	}
	return body, nil
}

// CheckOverride refuses a field that a fallback would put in the place of the request's, where that would go around the
// guardrails.
func (r *Run) CheckOverride(name string, value []byte) error {
	if r.Has(PreCall, DuringCall) && content.MayHoldText(name, value) {
		return unreadable("fallbacks", "What a fallback sends in the place of '"+name+"'")
	}
	return nil
}

// During has the guardrails of during_call look at the request, all at once; they may block, and change nothing. It ends as soon
// as one has blocked.
func (r *Run) During(ctx context.Context, req *openai.Request) error {
	units := r.of(DuringCall)
	if len(units) == 0 {
		return nil
	}
	body, err := content.Request(req)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan error, len(units))
	for _, u := range units {
		go func() {
			in, _ := u.input(r, DuringCall, body, values(body), nil)
			_, err := r.judge(ctx, u, in)
			results <- err
		}()
	}
	var first error
	for range units {
		if err := <-results; err != nil && first == nil {
			first = err
			cancel()
		}
	}
	return first
}

// Post has the guardrails of post_call look at an answer in one piece, and puts the texts back into it that pre_call has taken
// out of the request. It returns reply itself where nothing changes.
func (r *Run) Post(ctx context.Context, reply []byte) ([]byte, error) {
	if !r.ChangesAnswer() {
		return reply, nil
	}
	body, err := content.Reply(r.surface, reply)
	if err != nil {
		return nil, r.unjudged(PostCall, err)
	}
	texts, changed, err := r.chain(ctx, PostCall, body, r.request)
	var instead *Answered
	if errors.As(err, &instead) {
		return Reply(r.surface, reply, instead.Text), nil
	}
	if err != nil {
		return nil, err
	}
	changed = r.restore.all(body.Texts, texts) || changed
	if !changed {
		return reply, nil
	}
	out, err := body.With(texts)
	if err != nil {
		return nil, r.unmaskable(PostCall, err)
	}
	return out, nil
}

// chain has the guardrails of a phase look at body one after the other, each at what the ones before have left of it.
func (r *Run) chain(ctx context.Context, phase Phase, body, request *content.Body) (texts []string, changed bool, err error) {
	texts = values(body)
	for _, u := range r.of(phase) {
		in, at := u.input(r, phase, body, texts, request)
		v, err := r.judge(ctx, u, in)
		if err != nil {
			return nil, false, err
		}
		if phase == PreCall {
			r.keep(v.Restore)
		}
		for i, text := range v.Texts {
			if to := at[i]; texts[to] != text {
				texts[to], changed = text, true
			}
		}
	}
	return texts, changed, nil
}

func values(body *content.Body) []string {
	texts := make([]string, len(body.Texts))
	for i := range body.Texts {
		texts[i] = body.Texts[i].Value
	}
	return texts
}

// input is what the unit sees of a body whose texts have become texts; at is where each of them stands in it.
func (u *unit) input(r *Run, phase Phase, body *content.Body, texts []string, request *content.Body) (in *Input, at []int) {
	view := &content.Body{Surface: body.Surface, Images: body.Images, Tokens: body.Tokens, Tools: body.Tools}
	for i := range body.Texts {
		t := body.Texts[i]
		if !u.sees(&t) {
			continue
		}
		t.Value = texts[i]
		view.Texts = append(view.Texts, t)
		at = append(at, i)
	}
	if !u.definitions {
		view.Tools = nil
	}
	return &Input{Phase: phase, Content: view, Request: request, Call: r.call, Extra: u.extra, Language: u.language}, at
}

// sees reports whether the unit is shown a text.
func (u *unit) sees(t *content.Text) bool {
	switch {
	case t.Kind == content.Definition:
		return u.definitions && !u.skipSystem
	case t.Role == "system" || t.Role == "developer":
		return !u.skipSystem
	}
	return true
}

// unmaskable is the error where changed texts do not fit their body.
func (r *Run) unmaskable(phase Phase, err error) error {
	if errors.Is(err, content.ErrArguments) {
		return r.cannotMask(r.of(phase)[0], phase, "cannot be masked in the arguments of a tool call without breaking their JSON")
	}
	return err
}

// unjudged is the error of an answer that nobody can read, where somebody should.
func (r *Run) unjudged(phase Phase, err error) error {
	if units := r.of(phase); len(units) > 0 {
		return units[0].failure(err)
	}
	return apierr.From(err)
}
