package oci

import "testing"

// oci-wire 6 (finish mapping); Portkey#1538: end_turn or stop with calls is tool_calls.
func TestFinishReason(t *testing.T) {
	tests := []struct {
		word             string
		calls, functions bool
		want             string
	}{
		{"stop", false, false, "stop"}, {"COMPLETE", false, false, "stop"}, {"STOP_SEQUENCE", false, false, "stop"}, {"", false, false, "stop"},
		{"length", false, false, "length"}, {"max_tokens", false, false, "length"}, {"MAX_TOKENS", true, false, "length"},
		{"tool_calls", false, false, "tool_calls"}, {"TOOL_CALL", false, false, "tool_calls"}, {"TOOL_CALLS", true, false, "tool_calls"},
		{"ERROR_TOXIC", false, false, "content_filter"}, {"content_filter", true, false, "content_filter"},
		{"ERROR", false, false, "error"}, {"ERROR_LIMIT", false, false, "error"}, {"USER_CANCEL", false, false, "error"},
		{"stop", true, false, "tool_calls"}, {"COMPLETE", true, false, "tool_calls"}, {"end_turn", true, false, "tool_calls"}, {"", true, false, "tool_calls"},
		{"stop", true, true, "function_call"},
	}
	for _, tt := range tests {
		if got := finishReason(tt.word, tt.calls, tt.functions); got != tt.want {
			t.Errorf("%q calls=%v functions=%v: %s, want %s", tt.word, tt.calls, tt.functions, got, tt.want)
		}
	}
}
