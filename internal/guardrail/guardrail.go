// Package guardrail is the seam between the gateway and checks of what goes into a model and what comes out: who is asked
// when, what a verdict does to a call, and how a stream is checked while it runs. Each kind of guardrail has a folder below.
package guardrail

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"tollgate/internal/content"
	"tollgate/internal/setting"
)

// Phase is when a guardrail runs (LiteLLM's names of modes).
type Phase string

// The phases of a call.
const (
	PreCall     Phase = "pre_call"     // before the model is asked; may change the request
	DuringCall  Phase = "during_call"  // beside the model; the answer waits for it
	PostCall    Phase = "post_call"    // on the answer; may change it
	LoggingOnly Phase = "logging_only" // on the copy that callbacks get
)

// Guardrail checks texts. It is safe for concurrent use.
type Guardrail interface {
	// Check judges in.Content. An error means that the guardrail could not judge; whether the call then fails is decided by
	// its configuration, not by the guardrail. Check must end when ctx does.
	Check(ctx context.Context, in *Input) (Verdict, error)
}

// Pinger is a guardrail that can be tried with a harmless call.
type Pinger interface {
	Ping(ctx context.Context) error
}

// Windowed is a guardrail that judges an answer piece by piece while it is streamed. One that is not Windowed sees the
// whole answer at once, and a stream is held back until then.
type Windowed interface {
	// Overlap is how many characters of what came before must be seen again with the next piece, so that nothing
	// that it looks for is missed between two pieces.
	Overlap() int
}

// Definer is a guardrail that wants to see what tools are described with, although it is not Windowed.
type Definer interface{ WantsDefinitions() bool }

// Input is what a guardrail judges.
type Input struct {
	Phase Phase
	// Content are the texts: of the request in PreCall and DuringCall, of the answer in PostCall. Never nil.
	Content *content.Body
	// Request is what was asked, for guardrails that judge an answer by it; nil in the phases before.
	Request *content.Body
	// Partial is true for a piece of a stream that goes on.
	Partial bool
	Call    *Call
	// Extra are the caller's parameters for this guardrail (guardrails: [{name: {extra_body: {...}}}]); nil mostly.
	Extra map[string]any
	// Language is guardrail_config.language of the request, "" mostly.
	Language string
}

// Call says whose call it is. The pointers and maps are not changed.
type Call struct {
	ID        string // x-litellm-call-id
	TraceID   string
	Model     string // the alias asked for
	KeyHash   string
	KeyAlias  string
	UserID    string
	UserEmail string
	TeamID    string
	TeamAlias string
	OrgID     string
	EndUser   string
	Header    http.Header // of the caller's request
}

// Action is what a verdict does to the call.
type Action string

// The actions of a verdict.
const (
	Allow Action = "allow" // the call goes on; also for findings that are only logged
	Mask  Action = "mask"  // the call goes on with Texts in place of what was judged
	Block Action = "block" // the call ends
)

// Verdict is a guardrail's judgement. The zero value allows.
type Verdict struct {
	Action Action
	// Texts replace Content's texts, one for one, in the same order; nil = nothing changes. Only with Mask.
	Texts []string
	// Reason tells the caller, in a sentence, why a call was blocked. It must not repeat what was found.
	Reason string
	// Detail is what the caller's error holds besides (provider_specific_fields); LiteLLM's keys, such as lakera_guardrail_response.
	Detail map[string]any
	// Findings are what was found, for the log; they hold no found text.
	Findings []Finding
	// Restore maps what was put in place of found texts to the texts themselves: the answer gets them back. Only of pre_call.
	Restore map[string]string
	// Response is sent to the vendor's caller in place of an answer, with status 200, when a block must not be an error.
	Response string
	// Log is the vendor's reply without found texts, for callbacks; nil mostly.
	Log map[string]any
}

// Finding is one thing that was found.
type Finding struct {
	Kind   string  // EMAIL_ADDRESS, prompt_attack, a pattern's name ...
	Action Action  // what was done about it
	Score  float64 // 0 where the guardrail gives none
	Count  int
}

// Spec is what a guardrail is opened with.
type Spec struct {
	Name     string // guardrail_name
	Kind     string // litellm_params.guardrail
	Phases   []Phase
	Settings *setting.Map // litellm_params
	// Client calls vendors: the gateway's one way out, without a timeout of its own.
	Client *http.Client
	Log    *slog.Logger
}

// Opener makes a guardrail. It does no network I/O. Faults go to spec.Settings; the error is nil where there are none.
type Opener func(spec Spec) (Guardrail, error)

// Timeout is how long a vendor may take by default.
const Timeout = 10 * time.Second
