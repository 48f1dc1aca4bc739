package oci

import (
	"encoding/json"
	"strings"
)

// finishReason is OpenAI's word for OCI's. A turn that ended with calls says tool_calls whatever OCI says of it:
// Gemini says stop there, Cohere COMPLETE.
func finishReason(word string, calls, functions bool) string {
	out := "stop"
	switch strings.ToLower(word) {
	case "length", "max_tokens":
		return "length"
	case "content_filter", "error_toxic":
		return "content_filter"
	case "error", "error_limit", "user_cancel":
		return "error"
	case "tool_calls", "tool_call", "function_call":
		out = "tool_calls"
	}
	if calls {
		out = "tool_calls"
	}
	if out == "tool_calls" && functions {
		return "function_call"
	}
	return out
}

// wireUsage is OCI's count of tokens; every number and both details may be absent.
type wireUsage struct {
	Completion int `json:"completionTokens"`
	Prompt     int `json:"promptTokens"`
	Total      int `json:"totalTokens"`
	Completed  *struct {
		Reasoning *int `json:"reasoningTokens"`
		Accepted  *int `json:"acceptedPredictionTokens"`
		Rejected  *int `json:"rejectedPredictionTokens"`
	} `json:"completionTokensDetails"`
	Prompted *struct {
		Cached *int `json:"cachedTokens"`
	} `json:"promptTokensDetails"`
}

// appendUsage writes OpenAI's usage object for OCI's; it reports whether raw was one.
func appendUsage(o *jsonOut, raw []byte) bool {
	var u wireUsage
	if len(raw) == 0 || json.Unmarshal(raw, &u) != nil {
		return false
	}
	if u.Total == 0 {
		u.Total = u.Prompt + u.Completion
	}
	o.key("usage")
	o.open('{')
	o.numMember("prompt_tokens", u.Prompt)
	o.numMember("completion_tokens", u.Completion)
	o.numMember("total_tokens", u.Total)
	if d := u.Prompted; d != nil && d.Cached != nil {
		o.key("prompt_tokens_details")
		o.open('{')
		o.numMember("cached_tokens", *d.Cached)
		o.close('}')
	}
	if d := u.Completed; d != nil && (d.Reasoning != nil || d.Accepted != nil || d.Rejected != nil) {
		o.key("completion_tokens_details")
		o.open('{')
		for _, detail := range []struct {
			name  string
			count *int
		}{{"reasoning_tokens", d.Reasoning}, {"accepted_prediction_tokens", d.Accepted}, {"rejected_prediction_tokens", d.Rejected}} {
			if detail.count != nil {
				o.numMember(detail.name, *detail.count)
			}
		}
		o.close('}')
	}
	o.close('}')
	return true
}
