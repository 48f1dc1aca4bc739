package setting

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func env(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func decoded(t *testing.T, text string) map[string]any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestReads(t *testing.T) {
	m := New("callback_settings.x", decoded(t, `{"host":"https://a","port":8080,"on":"True","off":false,"wait":1.5,"names":["a","b"],"one":"a, b",
		"ref":"os.environ/REF","empty":"","shape":{"deep":[1]},"none":null}`), env("REF", "from-ref", "X_HOST", "from-env", "X_LIST", "c,d", "X_ON", "1"))
	var shape struct {
		Deep []int `json:"deep"`
	}
	got := map[string]any{
		"host": m.Text("host", "X_HOST"), "ref": m.Text("ref"), "env": m.Text("absent", "UNSET", "X_HOST"), "empty": m.Text("empty", "X_HOST"), "port": m.Int("port", 1),
		"on": m.Flag("on", false), "off": m.Flag("off", true), "envOn": m.Flag("absent", false, "X_ON"), "standard": m.Flag("absent", true),
		"wait": m.Seconds("wait", time.Second), "noWait": m.Seconds("absent", time.Minute), "number": m.Number("wait", 0),
		"names": m.Texts("names"), "one": m.Texts("one"), "envList": m.Texts("absent", "X_LIST"), "null": m.Has("none"), "choice": m.Choice("absent", "first", "second"),
		"secret": m.Secret("host").Reveal(), "shape": m.Into("shape", &shape) && len(shape.Deep) == 1,
	}
	want := map[string]any{
		"host": "https://a", "ref": "from-ref", "env": "from-env", "empty": "from-env", "port": 8080, "on": true, "off": false, "envOn": true, "standard": true,
		"wait": 1500 * time.Millisecond, "noWait": time.Minute, "number": 1.5, "names": []string{"a", "b"}, "one": []string{"a", "b"}, "envList": []string{"c", "d"},
		"null": false, "choice": "first", "secret": "https://a", "shape": true,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if err := m.Err(); err != nil {
		t.Error(err)
	}
	if rest := m.Unknown(); len(rest) != 0 {
		t.Errorf("nobody asked for %v", rest)
	}
}

func TestFaults(t *testing.T) {
	m := New("guardrails[0].litellm_params", decoded(t, `{"port":"x","on":"maybe","wait":-1,"names":[1],"text":{},"kind":"third","shape":{"odd":1},"spare":1}`), nil)
	m.Int("port", 1)
	m.Flag("on", false)
	m.Seconds("wait", 0)
	m.Texts("names")
	m.Text("text")
	m.Choice("kind", "first", "second")
	m.Into("shape", &struct{}{})
	m.Need("api_base", "LAKERA_API_BASE")
	m.Fault("", "cannot be opened")
	want := `guardrails[0].litellm_params.port: must be a whole number that is not negative
guardrails[0].litellm_params.on: must be true or false
guardrails[0].litellm_params.wait: must be a number of seconds that is not negative
guardrails[0].litellm_params.names: must be a list of texts
guardrails[0].litellm_params.text: must be a text
guardrails[0].litellm_params.kind: must be one of first, second
guardrails[0].litellm_params.shape: unknown field "odd"
guardrails[0].litellm_params.api_base: is missing; give it here or in the environment variable LAKERA_API_BASE
guardrails[0].litellm_params: cannot be opened`
	if diff := cmp.Diff(want, m.Err().Error()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"spare"}, m.Unknown()); diff != "" {
		t.Error(diff)
	}
}
