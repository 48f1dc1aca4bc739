package gateway

import (
	"fmt"
	"net/http"

	"tollgate/internal/apierr"
	"tollgate/internal/openai"
)

// admit decides whether the call is one that we make, and turns what the caller says to the gateway (rather
// than to a model) into the query for dispatch.
func (q *request) admit() error {
	q.chooseModel()
	if err := q.checkCredentials(); err != nil {
		return err
	}
	if err := q.checkRequired(); err != nil {
		return err
	}
	q.forwarded = q.forwardedHeaders()
	var err error
	q.query, err = q.newQuery()
	return err
}

// chooseModel applies, in LiteLLM's order, the operator's override, the path and the body; then the alias map.
func (q *request) chooseModel() {
	q.asked = q.body.Model
	model := q.body.Model
	if q.pathModel != "" {
		model = q.pathModel
	}
	if o := q.snap.Overrides[q.op]; o != "" {
		model = o
	}
	if to, ok := q.snap.ModelAliases[model]; ok {
		model = to
	}
	q.alias = model
	q.rec.Alias, q.rec.Stream = clip(model), q.body.Stream
}

// requiredFields are refused here when they are absent, so that the message names them whatever the upstream.
var requiredFields = map[openai.Operation][]string{
	openai.OpChat: {"messages"}, openai.OpCompletion: {"prompt"}, openai.OpEmbedding: {"input"}, openai.OpRerank: {"query", "documents"},
}

func (q *request) checkRequired() error {
	if q.alias == "" {
		return missing(q.op, "model")
	}
	for _, name := range requiredFields[q.op] {
		if _, ok := q.body.Get(name); !ok {
			return missing(q.op, name)
		}
	}
	if messages, ok := q.body.Get("messages"); ok && q.op == openai.OpChat && messages[0] != '[' {
		return &apierr.Error{Status: http.StatusBadRequest, Type: "invalid_request_error", Param: "messages", Message: string(q.op) + ": Invalid type for 'messages': expected an array of message objects."}
	}
	return nil
}

func missing(op openai.Operation, name string) error {
	return &apierr.Error{
		Status: http.StatusBadRequest, Type: "invalid_request_error", Param: name,
		Message: fmt.Sprintf("%s: Missing required parameter: '%s'.", op, name),
	}
}
