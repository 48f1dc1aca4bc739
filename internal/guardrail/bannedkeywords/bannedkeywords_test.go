package bannedkeywords_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/bannedkeywords"
	"tollgate/internal/guardrail/remote/remotetest"
)

func TestCheck(t *testing.T) {
	g := remotetest.Open(t, bannedkeywords.Open, `{"banned_keywords_list":["Project Apollo","", "größe"]}`, nil)
	tests := []struct {
		messages, reason string
	}{
		{`[{"role":"user","content":"hello"}]`, ""},
		{`[{"role":"user","content":"what is PROJECT\n apollo?"}]`, "Keyword banned. Keyword=Project Apollo"},
		{`[{"role":"system","content":"project apollonia"},{"role":"user","content":"hi"}]`, "Keyword banned. Keyword=Project Apollo"},
		{`[{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{\"a\":\"Gr\\u00f6\\u00dfe\"}"}}]}]`, "Keyword banned. Keyword=größe"},
	}
	for _, test := range tests {
		v := remotetest.Pre(t, g, remotetest.Chat(t, test.messages))
		if v.Reason != test.reason || (v.Action == guardrail.Block) != (test.reason != "") {
			t.Errorf("%s: %+v", test.messages, v)
		}
	}
	v := remotetest.Post(t, g, remotetest.User(t, "x"), remotetest.Answer(t, "ok", "it is project apollo"))
	if v.Action != guardrail.Block || v.Detail["error"] != v.Reason {
		t.Errorf("an answer: %+v", v)
	}
	if n := g.(guardrail.Windowed).Overlap(); n < len("project apollo") {
		t.Errorf("an overlap of %d", n)
	}
}

func TestOpen_File(t *testing.T) {
	path := filepath.Join(t.TempDir(), "words.txt")
	if err := os.WriteFile(path, []byte("apollo\r\n\nzeus\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	quoted, _ := json.Marshal(path)
	for _, settings := range []string{`{"banned_keywords_list":` + string(quoted) + `}`, `{"banned_keywords_list":[` + string(quoted) + `]}`} {
		g := remotetest.Open(t, bannedkeywords.Open, settings, nil)
		for text, want := range map[string]guardrail.Action{"Zeus": guardrail.Block, "apollo": guardrail.Block, "hera": ""} {
			if v := remotetest.Pre(t, g, remotetest.User(t, text)); v.Action != want {
				t.Errorf("%q: %+v", text, v)
			}
		}
	}
}

func TestOpen_Faults(t *testing.T) {
	for settings, want := range map[string]string{
		`{}`:                             "banned_keywords_list: has no words",
		`{"banned_keywords_list":[" "]}`: "banned_keywords_list: has no words",
		`{"banned_keywords_list":[1]}`:   "must be a list of texts",
		`{"banned_keywords_list":"/nowhere.txt"}`: "/nowhere.txt",
	} {
		if _, err := bannedkeywords.Open(remotetest.Spec(t, settings, nil)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", settings, err)
		}
	}
}
