package gateway

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"tollgate/internal/apierr"
	"tollgate/internal/guardrail"
	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
	"tollgate/internal/record"
)

// errAnswered ends the steps of a call that was answered in another way.
var errAnswered = errors.New("gateway: the call was answered")

// answerInstead answers with a guardrail's text in the place of the model's: with status 200, in the form that was asked for.
// It returns errAnswered, or what kept it from answering.
func (q *request) answerInstead(text string) error {
	if q.op != openai.OpChat && q.op != openai.OpCompletion { // such answers have no text
		return &apierr.Error{Status: http.StatusBadRequest, Type: "invalid_request_error", Message: text}
	}
	h := q.w.Header()
	q.rec.Status, q.rec.Outcome, q.rec.FirstByte = http.StatusOK, record.Success, time.Since(q.rec.Started)
	if q.body.Stream {
		return q.streamInstead(text)
	}
	body := guardrail.Reply(q.op, q.emptyAnswer(false), text)
	h["Content-Type"], h["Content-Length"] = []string{"application/json"}, []string{strconv.Itoa(len(body))}
	q.book()
	h["X-Litellm-Response-Cost"] = []string{q.rec.Cost.PythonFloat()}
	q.w.WriteHeader(http.StatusOK)
	if _, err := q.w.Write(body); err != nil {
		return err
	}
	return errAnswered
}

func (q *request) streamInstead(text string) error {
	if q.events == nil {
		q.events = newEvents(q.w, 0)
	}
	q.events.open(func(http.Header) {})
	q.book()
	for _, chunk := range guardrail.Chunks(q.op, q.emptyAnswer(true), text) {
		if err := q.events.data(chunk); err != nil {
			return err
		}
	}
	if err := q.events.done(); err != nil {
		return err
	}
	return errAnswered
}

// emptyAnswer is an answer without choices, or a chunk of one.
func (q *request) emptyAnswer(chunk bool) []byte {
	id, object := "chatcmpl-"+q.rec.ID, "chat.completion"
	if q.op == openai.OpCompletion {
		id, object = "cmpl-"+q.rec.ID, "text_completion"
	} else if chunk {
		object += ".chunk"
	}
	model := q.asked
	if model == "" {
		model = q.alias
	}
	out := append([]byte(`{"id":`), jsonscan.Text(id)...)
	out = append(append(out, `,"object":"`+object+`","created":`...), strconv.FormatInt(q.rec.Started.Unix(), 10)...)
	out = append(append(out, `,"model":`...), jsonscan.Text(model)...)
	if !chunk {
		out = append(out, `,"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}`...)
	}
	return append(out, '}')
}
