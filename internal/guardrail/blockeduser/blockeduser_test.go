package blockeduser_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/blockeduser"
	"tollgate/internal/guardrail/remote/remotetest"
)

func TestCheck(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.txt")
	if err := os.WriteFile(path, []byte("mallory\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	quoted, _ := json.Marshal(path)
	for _, settings := range []string{`{"blocked_user_list":["mallory","eve"]}`, `{"blocked_user_list":` + string(quoted) + `}`} {
		g := remotetest.Open(t, blockeduser.Open, settings, nil)
		tests := []struct {
			name   string
			call   guardrail.Call
			reason string
		}{
			{"nobody", guardrail.Call{}, ""},
			{"another one", guardrail.Call{EndUser: "ann", UserID: "bob"}, ""},
			{"part of a name", guardrail.Call{EndUser: "mallory2"}, ""},
			{"the request's user", guardrail.Call{EndUser: "mallory"}, "User blocked from making LLM API Calls. User=mallory"},
			{"the key's owner", guardrail.Call{EndUser: "ann", UserID: "mallory"}, "User blocked from making LLM API Calls. User=mallory"},
		}
		for _, test := range tests {
			v, err := g.Check(t.Context(), &guardrail.Input{Phase: guardrail.PreCall, Content: remotetest.User(t, "hi"), Call: &test.call})
			if err != nil || v.Reason != test.reason || (v.Action == guardrail.Block) != (test.reason != "") {
				t.Errorf("%s: %+v, %v", test.name, v, err)
			}
		}
	}
}

func TestOpen_Faults(t *testing.T) {
	for settings, want := range map[string]string{
		`{}`:                                   "blocked_user_list: has no users",
		`{"blocked_user_list":"/nowhere.txt"}`: "/nowhere.txt",
	} {
		if _, err := blockeduser.Open(remotetest.Spec(t, settings, nil)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", settings, err)
		}
	}
}
