package gateway

import (
	"encoding/json"

	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
)

// This file fills in what a caller says of its call for the ledger: the session, metadata of its own and, where the
// operator keeps them, prompt and answer.

// noteRequest fills in what the body and the headers say.
func (q *request) noteRequest() {
	q.rec.SessionID = q.session()
	q.rec.Metadata = q.spendMetadata()
	if q.snap.StorePrompts {
		q.rec.Prompt = q.raw
	}
}

// session is what joins the calls of one conversation (LiteLLM's names, in its order); "" = the call stands alone.
func (q *request) session() string {
	for _, name := range [...]string{"litellm_session_id", "litellm_trace_id"} {
		if id := openai.StringMember(q.body.Members, name); id != "" {
			return clip(id)
		}
	}
	for _, name := range [...]string{"X-Litellm-Session-Id", "X-Litellm-Trace-Id"} {
		if id := q.r.Header.Get(name); id != "" {
			return clip(id)
		}
	}
	return ""
}

// longestMetadata bounds the caller's own metadata on a row, in bytes.
const longestMetadata = 16 << 10

// spendMetadata is metadata.spend_logs_metadata, or the header of that name; nil unless it is a JSON object.
func (q *request) spendMetadata() []byte {
	var value []byte
	if raw, ok := q.body.Get("metadata"); ok {
		if members, err := jsonscan.InnerObject(raw, nil); err == nil {
			value, _ = jsonscan.Find(members, "spend_logs_metadata")
		}
	}
	if value == nil {
		value = []byte(q.r.Header.Get("X-Litellm-Spend-Logs-Metadata"))
	}
	if len(value) == 0 || len(value) > longestMetadata || value[0] != '{' || !json.Valid(value) {
		return nil
	}
	return value
}

// longestReply bounds what is kept of a streamed answer, in bytes.
const longestReply = 64 << 10

// keepReply keeps an answer in one piece.
func (q *request) keepReply(body []byte) {
	if q.snap.StorePrompts {
		q.rec.Reply = body
	}
}

// keepChunk collects what the first choice of a stream says.
func (q *request) keepChunk(choices []byte) {
	if !q.snap.StorePrompts || len(q.kept) > longestReply {
		return
	}
	var list []struct {
		Delta struct {
			Content string `json:"content"`
		} `json:"delta"`
		Text string `json:"text"`
	}
	if json.Unmarshal(choices, &list) == nil && len(list) > 0 {
		q.kept = append(append(q.kept, list[0].Delta.Content...), list[0].Text...)
	}
}

// keepSaid turns what a stream has said into the reply that is kept.
func (q *request) keepSaid() {
	if len(q.kept) > 0 {
		q.rec.Reply = []byte(`{"choices":[{"index":0,"message":{"role":"assistant","content":` + string(jsonscan.Text(string(q.kept))) + `}}]}`)
	}
}
