package guardrail

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"strings"

	"tollgate/internal/apierr"
)

// Blocked is the cause of the error that a blocked call ends with.
type Blocked struct {
	Name  string // of the guardrail
	Phase Phase
}

// Error says which guardrail has blocked the call, and nothing of what it found.
func (b *Blocked) Error() string {
	return fmt.Sprintf("guardrail %q (%s) has blocked the call", b.Name, b.Phase)
}

// Answered ends a call with a text in place of an answer: a block that is not to be an error.
type Answered struct {
	Blocked
	Text string
}

// violated is what LiteLLM's guardrails say of a call that they block.
const violated = "Violated guardrail policy"

// refuse is the error of a call that a guardrail blocks: LiteLLM's 400, with a text as its message and what the vendor has said
// beside it.
func (m *member) refuse(phase Phase, v *Verdict) error {
	blocked := Blocked{Name: m.Name, Phase: phase}
	if v.Response != "" {
		return &Answered{Blocked: blocked, Text: v.Response}
	}
	fields := map[string]any{"error": violated, "guardrail_name": m.Name}
	if _, err := json.Marshal(v.Detail); err == nil {
		maps.Copy(fields, v.Detail)
	}
	message := v.Reason
	if message == "" {
		message = violated
	}
	return &apierr.Error{Status: http.StatusBadRequest, Type: "invalid_request_error", Message: message, ProviderFields: fields, Cause: &blocked}
}

// unmaskable is the error of a call whose texts a guardrail has changed in a way that cannot be put into effect.
func (m *member) unmaskable(phase Phase, why string) error {
	return &apierr.Error{
		Status: http.StatusBadRequest, Type: "invalid_request_error", Message: fmt.Sprintf("Guardrail %q found something that %s.", m.Name, why),
		ProviderFields: map[string]any{"error": violated, "guardrail_name": m.Name}, Cause: &Blocked{Name: m.Name, Phase: phase},
	}
}

// errPaused is what a check of a guardrail ends with that has failed again and again.
var errPaused = errors.New("it has failed several times in a row and is left alone for a moment")

// failure is the error of a call whose guardrail could not judge, where that does not let the call go on.
func (m *member) failure(err error) error {
	return &apierr.Error{
		Status: http.StatusInternalServerError, Type: "internal_server_error", Cause: fmt.Errorf("guardrail %q (%s): %w", m.Name, m.Kind, err),
		Message: fmt.Sprintf("Guardrail %q (%s) could not judge the call (%s), and so the call was refused. Try again, or ask the operator of this gateway: its log has the cause. "+
			"`%s` in the guardrail's litellm_params lets such calls pass.", m.Name, m.Kind, class(err), remedy(err)),
		ProviderFields: map[string]any{"guardrail_name": m.Name},
	}
}

// remedy is the setting that lets a call pass in spite of a failure.
func remedy(err error) string {
	if unreachable(err) {
		return "unreachable_fallback: fail_open"
	}
	return "fail_on_error: false"
}

// class sorts what kept a guardrail from judging: timeout, paused, unreachable, refused or failure.
func class(err error) string {
	var vendor interface{ Unreachable() bool }
	var transport interface{ Timeout() bool }
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &transport) && transport.Timeout():
		return "timeout"
	case errors.Is(err, errPaused):
		return "paused"
	case errors.As(err, &vendor):
		if !vendor.Unreachable() {
			return "refused"
		}
		return "unreachable"
	case errors.As(err, &transport):
		return "unreachable"
	}
	return "failure"
}

// unreachable reports whether a guardrail was not asked, as far as anybody can tell: what speaks against it rather than against
// one request, and what unreachable_fallback is about.
func unreachable(err error) bool {
	switch class(err) {
	case "timeout", "paused", "unreachable":
		return true
	}
	return false
}

// unreadable refuses what no guardrail can read.
func unreadable(param, what string) error {
	return &apierr.Error{
		Status: http.StatusBadRequest, Type: "invalid_request_error", Param: param, Cause: &Blocked{Name: "", Phase: PreCall},
		Message: what + " cannot be checked by the guardrails of this call. Send text, in the request's own fields.",
	}
}

// unknownNames refuses guardrails that are not there.
func unknownNames(unknown, known []string) error {
	there := "none are configured"
	if len(known) > 0 {
		there = "there are: " + strings.Join(known, ", ")
	}
	return &apierr.Error{
		Status: http.StatusBadRequest, Type: "invalid_request_error", Param: "guardrails",
		Message: fmt.Sprintf("Unknown guardrail '%s' (%s). GET /guardrails/list shows them.", strings.Join(unknown, "', '"), there),
	}
}

// mayNotModify is LiteLLM's refusal of callers whose key or team must not choose guardrails.
func mayNotModify() error {
	return &apierr.Error{
		Status: http.StatusForbidden, Type: "auth_error", Param: "None",
		Message: "{'error': 'Your team does not have permission to modify guardrails.'}",
	}
}
