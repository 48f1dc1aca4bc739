package gateway_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestRefusedCallsHaveRows: a refusal is a row at no cost, with what the key was labelled with.
func TestRefusedCallsHaveRows(t *testing.T) {
	g := govern(t, "")
	const labels = `"metadata":{"team":"alpha","tags":["of-the-key"]}`
	tests := []struct {
		name, fields, body string
		status             string
	}{
		{"no money", `{"max_budget":0.0001,` + labels + `}`, chat("plain", `,"max_tokens":1000,"metadata":{"tags":["of-the-call"]}`), "429"},
		{"no requests", `{"rpm_limit":0,` + labels + `}`, chat("plain", `,"metadata":{"tags":["of-the-call"]}`), "429"},
		{"no tokens", `{"tpm_limit":0,` + labels + `}`, chat("plain", `,"metadata":{"tags":["of-the-call"]}`), "429"},
		{"no price", `{"max_budget":1,` + labels + `}`, chat("unpriced", `,"metadata":{"tags":["of-the-call"]}`), "403"},
		{"no such model", `{` + labels + `}`, chat("nobody", `,"metadata":{"tags":["of-the-call"]}`), "400"},
		{"no number", `{"max_budget":1,` + labels + `}`, chat("plain", `,"n":"2","metadata":{"tags":["of-the-call"]}`), "400"},
		{"not its model", `{"models":["free"],` + labels + `}`, chat("plain", `,"metadata":{"tags":["of-the-call"]}`), "403"},
		{"no JSON", `{` + labels + `}`, `{`, "400"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			key := g.key(t, tt.fields)
			got := g.chat(t, key, tt.body)
			row := g.row(t, key)
			if row["spend"] != 0.0 || row["status"] != "failure" {
				t.Errorf("spend %v, status %v", row["spend"], row["status"])
			}
			metadata, _ := row["metadata"].(map[string]any)
			if metadata["team"] != "alpha" {
				t.Errorf("the key's labels are lost: %v", metadata)
			}
			info, _ := metadata["error_information"].(map[string]any)
			if info["error_code"] != tt.status || got.errorField(t, "code") != tt.status {
				t.Errorf("code %v in the row and %v in the answer, want %s", info["error_code"], got.errorField(t, "code"), tt.status)
			}
			tags, _ := row["request_tags"].([]any)
			if tt.body != "{" && !slices.Contains(tags, any("of-the-call")) {
				t.Errorf("the call's tags are lost: %v", tags)
			}
		})
	}
}

// TestWhatACallSaysOfItself: sessions and metadata of the caller's own stand on the row.
func TestWhatACallSaysOfItself(t *testing.T) {
	g := govern(t, "")
	tests := []struct {
		name, more string
		header     []string
		session    string // "" = the call's own id
		metadata   string
	}{
		{"nothing", "", nil, "", "null"},
		{"session", `,"litellm_session_id":"s1","litellm_trace_id":"t1"`, []string{"X-Litellm-Session-Id", "s2"}, "s1", "null"},
		{"trace", `,"litellm_trace_id":"t1"`, []string{"X-Litellm-Session-Id", "s2"}, "t1", "null"},
		{"session by header", "", []string{"X-Litellm-Session-Id", "s2", "X-Litellm-Trace-Id", "t2"}, "s2", "null"},
		{"trace by header", "", []string{"X-Litellm-Trace-Id", "t2"}, "t2", "null"},
		{"metadata", `,"metadata":{"spend_logs_metadata":{"job":7}}`, []string{"X-Litellm-Spend-Logs-Metadata", `{"job":8}`}, "", `{"job":7}`},
		{"metadata by header", "", []string{"X-Litellm-Spend-Logs-Metadata", `{"job":8}`}, "", `{"job":8}`},
		{"metadata that is no object", `,"metadata":{"spend_logs_metadata":[7]}`, nil, "", "null"},
		{"metadata that is no JSON", "", []string{"X-Litellm-Spend-Logs-Metadata", `{"job"`}, "", "null"},
		{"too much metadata", `,"metadata":{"spend_logs_metadata":{"job":"` + strings.Repeat("x", 16<<10) + `"}}`, nil, "", "null"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			key := g.key(t, `{"max_budget":1}`)
			if got := g.chat(t, key, chat("plain", `,"max_tokens":9`, tt.more), tt.header...); got.status != 200 {
				t.Fatalf("%d %s", got.status, got.text)
			}
			row := g.row(t, key)
			metadata, _ := row["metadata"].(map[string]any)
			want := tt.session
			if want == "" {
				want, _ = metadata["tollgate_call_id"].(string)
			}
			if row["session_id"] != want {
				t.Errorf("session_id %v, want %s", row["session_id"], want)
			}
			own, err := json.Marshal(metadata["spend_logs_metadata"])
			if err != nil || string(own) != tt.metadata {
				t.Errorf("spend_logs_metadata %s, want %s", own, tt.metadata)
			}
		})
	}
}

// TestKeptPrompts: prompt and answer stand on the row where the operator says so, and nowhere else.
func TestKeptPrompts(t *testing.T) {
	for _, tt := range []struct {
		name, general, more string
		kept                bool
	}{
		{"by default", "", "", false},
		{"kept", "  store_prompts_in_spend_logs: true\n", "", true},
		{"kept of a stream", "  store_prompts_in_spend_logs: true\n", `,"stream":true`, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := govern(t, tt.general)
			g.upstream(func(w http.ResponseWriter, _ *http.Request, body map[string]any) {
				if body["stream"] == true {
					w.Header().Set("Content-Type", "text/event-stream")
					chunk(w, `{"content":"a quiet "}`)
					chunk(w, `{"content":"answer"}`)
					endStream(w, 3)
					return
				}
				billed(w, "a quiet answer", 3)
			})
			key := g.key(t, `{"max_budget":1}`)
			if got := g.chat(t, key, chat("plain", `,"max_tokens":9`, tt.more)); got.status != 200 {
				t.Fatalf("%d %s", got.status, got.text)
			}
			row := g.row(t, key)
			text, err := json.Marshal([]any{row["messages"], row["response"], row["proxy_server_request"]})
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Contains(string(text), "Capital of Italy?"); got != tt.kept {
				t.Errorf("the prompt is kept: %v: %s", got, text)
			}
			if got := strings.Contains(string(text), `"a quiet answer"`); got != tt.kept {
				t.Errorf("the answer is kept: %v: %s", got, text)
			}
		})
	}
}

// TestErrorRowsCanBeLeftOut: with disable_error_logs refusals and failures have no rows, but for those that cost something.
func TestErrorRowsCanBeLeftOut(t *testing.T) {
	g := govern(t, "  disable_error_logs: true\n")
	key := g.key(t, `{"max_budget":1}`)
	for _, body := range []string{chat("nobody"), chat("broken", `,"max_tokens":9`), chat("plain", `,"max_tokens":9000000`)} {
		if got := g.chat(t, key, body); got.status == 200 {
			t.Fatalf("%s is served", body)
		}
	}
	if rows := g.rows(t, key); len(rows) != 0 {
		t.Errorf("%d rows: %v", len(rows), rows)
	}
	g.upstream(func(_ http.ResponseWriter, r *http.Request, _ map[string]any) { <-r.Context().Done() })
	if got := g.chat(t, key, chat("plain", `,"max_tokens":9,"timeout":0.05`)); got.status != 408 {
		t.Fatalf("%d %s", got.status, got.text)
	}
	if row := g.row(t, key); row["spend"] == 0.0 || row["status"] != "failure" {
		t.Errorf("the call that was billed: %v", row)
	}
}

// TestCustomersAreToldApart: a customer's id is what the caller sent, all of it, or the call is refused.
func TestCustomersAreToldApart(t *testing.T) {
	g := govern(t, "")
	prefix := strings.Repeat("é", 150)
	for _, tt := range []struct {
		name, id string
		status   int
	}{
		{"one", prefix + "1", 200}, {"another", prefix + "2", 200}, {"long", strings.Repeat("x", 1000), 200}, {"too long", strings.Repeat("x", 1025), 400},
	} {
		t.Run(tt.name, func(t *testing.T) {
			key := g.key(t, `{}`)
			if got := g.chat(t, key, chat("plain", `,"max_tokens":9,"user":"`+tt.id+`"`)); got.status != tt.status {
				t.Fatalf("%d, want %d: %s", got.status, tt.status, got.text)
			}
			if row := g.row(t, key); tt.status == 200 && row["end_user"] != tt.id {
				t.Errorf("end_user has %d bytes: %.40v", len(row["end_user"].(string)), row["end_user"])
			}
		})
	}
}
