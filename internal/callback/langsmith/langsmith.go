// Package langsmith sends finished calls to LangSmith as runs.
package langsmith

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"tollgate/internal/callback"
	"tollgate/internal/callback/post"
)

const (
	standardBase    = "https://api.smith.langchain.com"
	standardProject = "litellm-completion"
	standardName    = "LLMRun"
	// longest bounds one request, in bytes. LangSmith takes 20 MB.
	longest = 10_000_000
)

// Logger sends each call as one run. It is safe for concurrent use.
type Logger struct {
	to      post.Poster
	project string
	name    string
	share   float64 // of the calls that are sent, from 0 to 1
	batch   callback.Batch
}

// Open reads langsmith_api_key (LANGSMITH_API_KEY), langsmith_project, langsmith_base_url, langsmith_tenant_id,
// langsmith_sampling_rate, langsmith_default_run_name and langsmith_batch_size, with the variables of the same names.
func Open(spec callback.Spec) (callback.Callback, error) {
	m := spec.Settings
	env := func(name string) []string {
		if spec.Own {
			return nil // nothing of the gateway's goes to another account
		}
		return []string{name}
	}
	key := m.NeedSecret("langsmith_api_key", env("LANGSMITH_API_KEY")...)
	l := &Logger{
		project: cmp.Or(m.Text("langsmith_project", env("LANGSMITH_PROJECT")...), standardProject),
		name:    cmp.Or(m.Text("langsmith_default_run_name", env("LANGSMITH_DEFAULT_RUN_NAME")...), standardName),
		share:   m.Number("langsmith_sampling_rate", 1, env("LANGSMITH_SAMPLING_RATE")...),
		batch:   callback.Batch{Events: m.Int("langsmith_batch_size", callback.StandardBatch, env("LANGSMITH_BATCH_SIZE")...)},
	}
	if l.share < 0 || l.share > 1 {
		m.Fault("langsmith_sampling_rate", "must be from 0 to 1")
	}
	base := strings.TrimSuffix(cmp.Or(m.Text("langsmith_base_url", env("LANGSMITH_BASE_URL")...), standardBase), "/")
	if !strings.HasPrefix(base, "https://") && !strings.HasPrefix(base, "http://") {
		m.Fault("langsmith_base_url", "must be an http or https URL")
	}
	header := http.Header{"Content-Type": {"application/json"}, "User-Agent": {"tollgate/" + spec.Version}, "X-Api-Key": {key.Reveal()}}
	if tenant := m.Text("langsmith_tenant_id", env("LANGSMITH_TENANT_ID")...); tenant != "" {
		header.Set("X-Tenant-Id", tenant)
	}
	l.to = post.Poster{Client: spec.Client, URL: base + "/runs/batch", Header: header, Timeout: m.Seconds("timeout", callback.Timeout)}
	if err := m.Err(); err != nil {
		return nil, err
	}
	return l, nil
}

// Batch implements callback.Batcher.
func (l *Logger) Batch() callback.Batch { return l.batch }

// run is one call.
type run struct {
	ID      string         `json:"id"`
	Trace   string         `json:"trace_id"`
	Order   string         `json:"dotted_order"`
	Parent  string         `json:"parent_run_id,omitempty"`
	Name    string         `json:"name"`
	Type    string         `json:"run_type"`
	Project string         `json:"session_name"`
	Start   string         `json:"start_time"`
	End     string         `json:"end_time"`
	Inputs  map[string]any `json:"inputs"`
	Outputs map[string]any `json:"outputs"`
	Error   *string        `json:"error,omitempty"`
	Tags    []string       `json:"tags"`
	Extra   map[string]any `json:"extra"`
}

// Deliver implements callback.Callback.
func (l *Logger) Deliver(ctx context.Context, batch []*callback.Event) error {
	encode := func(e *callback.Event) ([]byte, error) {
		if !l.samples(e.Payload.CallID) {
			return nil, nil
		}
		return json.Marshal(l.run(e))
	}
	return post.Batches(batch, encode, post.Limits{Bytes: longest}, func(runs [][]byte) error { return l.send(ctx, runs) })
}

func (l *Logger) send(ctx context.Context, runs [][]byte) error {
	return l.to.Post(ctx, append(append([]byte(`{"post":`), post.Array(runs)...), '}'))
}

// samples reports whether a call is among those that are sent. The same call always is, or is not.
func (l *Logger) samples(id string) bool {
	if l.share >= 1 {
		return true
	}
	sum := sha256.Sum256([]byte("langsmith sampling " + id))
	return float64(binary.BigEndian.Uint32(sum[:4]))/(1<<32) < l.share
}

// said is what a caller's metadata says of its run.
type said struct {
	RunID   string `json:"run_id"`
	Parent  string `json:"parent_run_id"`
	Trace   string `json:"trace_id"`
	Order   string `json:"dotted_order"`
	Name    string `json:"run_name"`
	Project string `json:"project_name"`
	Session string `json:"session_id"`
}

// run is a call as LangSmith shows it.
func (l *Logger) run(e *callback.Event) run {
	p := &e.Payload
	var s said
	_ = json.Unmarshal(p.Metadata.Requester, &s) // null mostly; what is no text counts as absent
	start, end := at(p.StartTime), at(p.EndTime)
	r := run{
		ID: cmp.Or(s.RunID, idOf(p.CallID)), Parent: s.Parent, Name: cmp.Or(s.Name, l.name), Type: "llm", Project: cmp.Or(s.Project, l.project),
		Start: start.Format(time.RFC3339Nano), End: end.Format(time.RFC3339Nano), Tags: p.RequestTags, Error: p.ErrorStr,
		Inputs: inputs(p), Outputs: outputs(p),
	}
	if strings.Contains(p.CallType, "embedding") {
		r.Type = "embedding"
	}
	if strings.Contains(p.CallType, "rerank") {
		r.Type = "retriever"
	}
	r.Trace = cmp.Or(s.Trace, r.ID)
	r.Order = cmp.Or(s.Order, strings.Replace(start.Format("20060102T150405.000000Z"), ".", "", 1)+r.ID)
	metadata := map[string]any{
		"ls_provider": p.Provider, "ls_model_name": p.Model, "ls_model_type": "chat", "litellm_call_id": p.CallID, "model_group": p.ModelGroup, "response_cost": p.ResponseCost,
		"cache_hit": p.CacheHit, "user_api_key_alias": p.Metadata.KeyAlias, "user_api_key_team_alias": p.Metadata.TeamAlias, "end_user": p.EndUser,
		"requester_metadata": p.Metadata.Requester, "guardrail_information": p.Guardrails,
		"usage_metadata": map[string]any{"input_tokens": p.PromptTokens, "output_tokens": p.CompletionTokens, "total_tokens": p.TotalTokens, "total_cost": p.ResponseCost},
	}
	if session := cmp.Or(s.Session, e.Session); session != "" {
		metadata["session_id"] = session // joins the runs of one conversation
	}
	r.Extra = map[string]any{"metadata": metadata, "invocation_params": p.ModelParameters}
	return r
}

func at(seconds float64) time.Time { return time.UnixMicro(int64(seconds*1e6 + 0.5)).UTC() }

// idOf makes a run's id, a UUID, of a call's: the same one when the call is sent again.
func idOf(call string) string {
	sum := sha256.Sum256([]byte("langsmith run " + call))
	sum[6], sum[8] = sum[6]&0x0f|0x80, sum[8]&0x3f|0x80 // version 8: of one's own making
	text := hex.EncodeToString(sum[:16])
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}

func inputs(p *callback.Payload) map[string]any {
	return map[string]any{"messages": p.Messages, "model": p.Model}
}

// outputs are the answer, an object.
func outputs(p *callback.Payload) map[string]any {
	if p.CallType == "aembedding" {
		return map[string]any{} // vectors say nothing to a reader
	}
	var answer map[string]any
	if json.Unmarshal(p.Response, &answer) != nil || answer == nil {
		return map[string]any{}
	}
	return answer
}

// Ping sends a run that says that it is a test.
func (l *Logger) Ping(ctx context.Context) error {
	now := time.Now()
	e := &callback.Event{Payload: callback.Payload{
		CallID: "tollgate check " + now.String(), CallType: "check", Status: callback.StatusSuccess, RequestTags: []string{"tollgate-check"},
		StartTime: float64(now.UnixMicro()) / 1e6, EndTime: float64(now.UnixMicro()) / 1e6, Messages: json.RawMessage(`[{"role":"user","content":"check"}]`),
	}}
	text, err := json.Marshal(l.run(e))
	if err != nil {
		return err
	}
	return l.send(ctx, [][]byte{text})
}
