package admin

import (
	"context"
	"encoding/json"

	"tollgate/internal/account"
)

type tokenCountRequest struct {
	Model    Opt[string]       `json:"model" required:"true"`
	Messages Opt[account.JSON] `json:"messages"`
	Prompt   Opt[account.JSON] `json:"prompt"`
	Contents Opt[account.JSON] `json:"contents"`
	Tools    Opt[account.JSON] `json:"tools"`
	System   Opt[account.JSON] `json:"system"`
	Endpoint Opt[bool]         `json:"call_endpoint" in:"query"` // asking the upstream is for providers that count, and none here does
}

// tokenCounter is POST /utils/token_counter.
func (a *API) tokenCounter(_ context.Context, _ *call, in tokenCountRequest) (any, error) {
	if !in.Messages.Given() && !in.Prompt.Given() && !in.Contents.Given() {
		return nil, badRequest("prompt or messages or contents must be provided")
	}
	var said string
	for _, part := range []json.RawMessage{in.System.Value, in.Messages.Value, in.Prompt.Value, in.Contents.Value, in.Tools.Value} {
		if len(part) > 0 {
			said += spoken(part) + " "
		}
	}
	model := in.Model.Value
	upstream, _ := a.opts.Catalog.Upstream(model)
	if upstream == "" {
		upstream = model
	}
	tokens, tokenizer := a.opts.Catalog.CountTokens(model, said)
	return row{
		"total_tokens": tokens, "request_model": model, "model_used": upstream, "tokenizer_type": tokenizer,
		"original_response": nil, "error": false, "error_message": nil, "status_code": nil,
	}, nil
}

type supportedParamsRequest struct {
	Model Opt[ID] `json:"model" required:"true"`
}

// supportedParams is GET /utils/supported_openai_params.
func (a *API) supportedParams(_ context.Context, _ *call, in supportedParamsRequest) (any, error) {
	model := string(in.Model.Value)
	params := a.opts.Catalog.SupportedParams(model)
	if params == nil {
		e := badRequest("Could not map model=%s", model)
		e.Detail = row{"error": e.Message}
		return nil, named("model", e)
	}
	return row{"supported_openai_params": params}, nil
}
