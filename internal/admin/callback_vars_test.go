package admin_test

import (
	"fmt"
	"strings"
	"testing"

	"tollgate/internal/callback"
	"tollgate/internal/seal"
)

// opened reads the accounts that metadata name, as the gateway does.
func (w *fullWorld) opened(metadata any) string {
	w.t.Helper()
	m, _ := metadata.(map[string]any)
	var out []string
	for _, own := range callback.Owned(m, "", callback.Vars{Open: func(destination, text string) (string, error) {
		if !seal.IsSealed(text) {
			return text, nil
		}
		return w.sealer.Open(seal.CallbackVars(destination), text)
	}}) {
		out = append(out, fmt.Sprint(own.Name, own.On, own.Vars))
	}
	return strings.Join(out, " ")
}

// The secrets of a key's own callbacks are stored sealed, for the address that they are sent to.
func TestCallbackVarsOfKeys(t *testing.T) {
	w := newFullWorld(t)
	const secret = "sk-lf-very-secret"
	made := w.call(w.master, "POST", "/key/generate", `{"metadata":{"logging":[{"callback_name":"langfuse","callback_type":"success","callback_vars":{
		"langfuse_public_key":"pk-1","langfuse_secret_key":"`+secret+`","langfuse_host":"https://lf.example.com"}}]}}`)
	key, _ := made.ok()["key"].(string)
	info := w.call(w.master, "GET", "/key/info?key="+key, nil)
	if strings.Contains(string(made.Raw)+string(info.Raw), secret) {
		t.Errorf("the secret shows: %s", info.Raw)
	}
	metadata := path(info.ok(), "info.metadata")
	want := "langfusesuccessmap[langfuse_host:https://lf.example.com langfuse_public_key:pk-1 langfuse_secret_key:" + secret + "]"
	if got := w.opened(metadata); got != want {
		t.Errorf("%s", got)
	}
	// An echo of what is shown changes nothing.
	w.admin("POST", "/key/update", map[string]any{"key": key, "metadata": metadata})
	if got := w.opened(path(w.admin("GET", "/key/info?key="+key, nil), "info.metadata")); got != want {
		t.Errorf("after an echo: %s", got)
	}
	// What is sealed for one address does not go to another.
	logging := path(metadata, "logging").([]any)
	logging[0].(map[string]any)["callback_vars"].(map[string]any)["langfuse_host"] = "https://elsewhere.example.com"
	w.call(w.master, "POST", "/key/update", map[string]any{"key": key, "metadata": map[string]any{"logging": logging}}).refused(400, "was sealed for another address")
}

func TestCallbacksOfTeams(t *testing.T) {
	w := newFullWorld(t)
	w.admin("POST", "/team/new", `{"team_id":"t"}`)
	w.admin("POST", "/team/t/callback", `{"callback_name":"langfuse","callback_type":"success","callback_vars":{"langfuse_secret_key":"shh","langfuse_public_key":"os.environ/LANGFUSE_PUBLIC_KEY"}}`)
	w.admin("POST", "/team/t/callback", `{"callback_name":"datadog","callback_type":"success_and_failure","callback_vars":{"dd_api_key":"dd"}}`)
	got := w.admin("GET", "/team/t/callback", nil)
	if lists := fields(path(got, "data.success_callback"), path(got, "data.failure_callback"), path(got, "data.callback_vars.langfuse_public_key")); lists != "[langfuse datadog] [datadog] os.environ/LANGFUSE_PUBLIC_KEY" {
		t.Error(lists)
	}
	if shown := fmt.Sprint(got); strings.Contains(shown, "shh") {
		t.Errorf("a secret shows: %s", shown)
	}
	opened := w.opened(path(w.admin("GET", "/team/info?team_id=t", nil), "team_info.metadata"))
	if !strings.Contains(opened, "langfuse_secret_key:shh") || !strings.Contains(opened, "dd_api_key:dd") || !strings.Contains(opened, "datadogsuccess_and_failure") {
		t.Error(opened)
	}
	w.call(w.master, "POST", "/team/t/callback", `{"callback_name":"langfuse","callback_type":"success"}`).refused(400, "callback_name = langfuse already exists")
	w.call(w.master, "POST", "/team/t/callback", `{"callback_name":"x","callback_type":"never"}`).refused(400, "callback_type must be")
	w.call(w.master, "POST", "/team/none/callback", `{"callback_name":"x"}`).refused(404, "Team not found")
	w.admin("POST", "/team/t/disable_logging", nil)
	if got := w.admin("GET", "/team/t/callback", nil); fields(path(got, "data.success_callback"), path(got, "data.callback_vars")) != "[] map[]" {
		t.Errorf("%v", got)
	}
}
