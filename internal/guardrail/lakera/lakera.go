// Package lakera is the guardrails `lakera_v2` and `lakera` (the older interface): Lakera Guard finds prompt attacks, harmful
// content and personal data.
package lakera

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"tollgate/internal/content"
	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/remote"
	"tollgate/internal/secret"
)

const (
	standardBase = "https://api.lakera.ai"
	// violated is LiteLLM's word for a block.
	violated = "Violated guardrail policy"
	personal = "pii/" // what the types of personal data begin with
)

// roles are those that Lakera knows.
var roles = []string{"user", "assistant", "system", "tool", "developer"}

type guard struct {
	client    *remote.Client
	url       string
	key       secret.String
	monitor   bool
	project   string
	payload   bool
	breakdown bool
	devInfo   bool
	metadata  map[string]any
}

var (
	_ guardrail.Guardrail = (*guard)(nil)
	_ guardrail.Pinger    = (*guard)(nil)
	_ guardrail.Opener    = Open
)

// Open implements guardrail.Opener for lakera_v2.
func Open(spec guardrail.Spec) (guardrail.Guardrail, error) {
	s := spec.Settings
	g := &guard{
		url:       remote.Base(&spec, "api_base", standardBase, "LAKERA_API_BASE") + "/v2/guard",
		key:       s.NeedSecret("api_key", "LAKERA_API_KEY"),
		monitor:   s.Choice("on_flagged", "block", "monitor") == "monitor",
		project:   s.Text("project_id"),
		payload:   s.Flag("payload", true),
		breakdown: s.Flag("breakdown", true),
		devInfo:   s.Flag("dev_info", true),
	}
	s.Into("metadata", &g.metadata)
	g.client = remote.New("Lakera", &spec, g.key)
	return g, s.Err()
}

type detection struct {
	Start     *int   `json:"start"`
	End       *int   `json:"end"`
	Type      string `json:"detector_type"`
	MessageID int    `json:"message_id"`
}

type checked struct {
	ProjectID  string `json:"project_id,omitempty"`
	PolicyID   string `json:"policy_id,omitempty"`
	DetectorID string `json:"detector_id,omitempty"`
	Type       string `json:"detector_type"`
	Detected   bool   `json:"detected"`
	MessageID  *int   `json:"message_id,omitempty"`
}

type reply struct {
	Flagged   *bool          `json:"flagged"`
	Payload   []detection    `json:"payload"`
	Breakdown []checked      `json:"breakdown"`
	Metadata  map[string]any `json:"metadata"`
	DevInfo   map[string]any `json:"dev_info"`
}

// Check implements guardrail.Guardrail. An answer is judged together with what it answers, as Lakera wants it.
func (g *guard) Check(ctx context.Context, in *guardrail.Input) (guardrail.Verdict, error) {
	texts, before := in.Content.Texts, 0
	if len(texts) == 0 {
		return guardrail.Verdict{}, nil
	}
	if in.Phase == guardrail.PostCall && in.Request != nil {
		before = len(in.Request.Texts)
		texts = slices.Concat(in.Request.Texts, texts)
	}
	body := map[string]any{
		"messages": remote.Messages(texts, "user", roles...), "payload": g.payload, "breakdown": g.breakdown, "dev_info": g.devInfo,
	}
	if g.project != "" {
		body["project_id"] = g.project
	}
	if g.metadata != nil {
		body["metadata"] = g.metadata
	}
	var out reply
	call := remote.Call{URL: g.url, Header: remote.Bearer(g.key), Body: remote.Merge(body, in.Extra), Judged: remote.Values(texts), Chosen: in.Extra != nil}
	if err := g.client.Do(ctx, call, &out); err != nil {
		return guardrail.Verdict{}, err
	}
	if out.Flagged == nil {
		return guardrail.Verdict{}, g.client.Wrong("the reply does not say whether it flags")
	}
	if !*out.Flagged {
		return guardrail.Verdict{Log: out.log()}, nil
	}
	return g.flagged(in, &out, before), nil
}

// flagged decides about a flagged call: personal data alone is masked where that is possible, everything else is blocked, or
// only told of when monitoring. The first before messages are those of the request of an answer.
func (g *guard) flagged(in *guardrail.Input, out *reply, before int) guardrail.Verdict {
	v := guardrail.Verdict{Log: out.log()}
	tally := out.tally()
	// Images beside the texts have not been looked at, so that masking would let through what may show the same.
	if out.personalOnly() && len(in.Content.Images) == 0 {
		texts, changed, ok := mask(in.Content.Texts, out.Payload, before)
		if ok {
			v.Findings = tally.With(guardrail.Mask)
			if changed {
				v.Action, v.Texts = guardrail.Mask, texts
			}
			return v
		}
	}
	if g.monitor {
		v.Findings = tally.With(guardrail.Allow)
		return v
	}
	v.Action, v.Reason, v.Findings = guardrail.Block, violated, tally.With(guardrail.Block)
	v.Detail = map[string]any{"error": violated, "lakera_guardrail_response": out.log()}
	return v
}

// personalOnly reports whether all that was detected is personal data. Without a breakdown nobody knows.
func (r *reply) personalOnly() bool {
	found := false
	for _, c := range r.Breakdown {
		if !c.Detected {
			continue
		}
		if !strings.HasPrefix(c.Type, personal) {
			return false
		}
		found = true
	}
	return found
}

// mask puts "[MASKED TYPE]" in the place of every detection. ok is false where a detection cannot be placed, or where there is
// none although the call was flagged.
func mask(texts []content.Text, payload []detection, before int) (out []string, changed, ok bool) {
	spans := make([][]remote.Span, len(texts))
	placed := false
	for _, d := range payload {
		if d.Type == "" || d.Start == nil || d.End == nil {
			return nil, false, false
		}
		placed = true
		i := d.MessageID - before
		if i < 0 {
			continue // of the request, which has gone out already
		}
		if i >= len(texts) {
			return nil, false, false
		}
		kind := strings.ToUpper(d.Type[strings.LastIndexByte(d.Type, '/')+1:])
		spans[i] = append(spans[i], remote.Span{Start: *d.Start, End: *d.End, With: "[MASKED " + cmp.Or(kind, "PII") + "]"})
	}
	out = remote.Values(texts)
	for i := range out {
		if len(spans[i]) == 0 {
			continue
		}
		if out[i], ok = remote.Splice(out[i], spans[i]); !ok {
			return nil, false, false
		}
		changed = true
	}
	return out, changed, placed
}

func (r *reply) tally() *remote.Tally {
	var t remote.Tally
	for _, c := range r.Breakdown {
		if c.Detected {
			t.Add(c.Type, guardrail.Allow, 0)
		}
	}
	if r.Breakdown == nil {
		t.Add("flagged", guardrail.Allow, 0)
	}
	return &t
}

// log is the reply without its payload, which holds what was found.
func (r *reply) log() map[string]any {
	out := map[string]any{"flagged": r.Flagged != nil && *r.Flagged}
	if r.Breakdown != nil {
		out["breakdown"] = r.Breakdown
	}
	if r.Metadata != nil {
		out["metadata"] = r.Metadata
	}
	if r.DevInfo != nil {
		out["dev_info"] = r.DevInfo
	}
	return out
}

// Ping implements guardrail.Pinger.
func (g *guard) Ping(ctx context.Context) error {
	body := map[string]any{"messages": []remote.Message{{Role: "user", Content: "Hello"}}}
	return remote.ForOperator(g.client.Do(ctx, remote.Call{URL: g.url, Header: remote.Bearer(g.key), Body: body}, &reply{}))
}
