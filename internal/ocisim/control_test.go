package ocisim_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tollgate/internal/ocisim"
)

func TestControl_LoopbackOnly(t *testing.T) {
	sim, err := ocisim.New(ocisim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		remote, host string
		status       int
	}{
		{"127.0.0.1:5000", "127.0.0.1:8080", 200},
		{"[::1]:5000", "localhost:8080", 200},
		{"[::ffff:127.0.0.1]:5000", "[::1]", 200},
		{"10.0.0.7:5000", "127.0.0.1:8080", 403},
		// A web page that reaches the simulator through a name of its own.
		{"127.0.0.1:5000", "evil.example:8080", 403},
	} {
		r := httptest.NewRequest("GET", "/_sim/usage", nil)
		r.RemoteAddr, r.Host = tt.remote, tt.host
		if got := serve(sim.Handler(), r); got.status != tt.status {
			t.Errorf("from %s to %s: %d, want %d", tt.remote, tt.host, got.status, tt.status)
		}
	}
}

func TestControl_KeysAtRunTime(t *testing.T) {
	c := newCaller(t, ocisim.Options{})
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	public := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	register := func(more string) {
		t.Helper()
		b, err := json.Marshal(public)
		if err != nil {
			t.Fatal(err)
		}
		c.mustControl("POST", "/_sim/keys", `{"public_key":`+string(b)+more+`}`)
	}
	other := &caller{t, c.sim, c.url, key}
	call := func(id string) int {
		r := other.request("GET", "/20231130/models?compartmentId="+compartment, nil)
		other.signAs(r, nil, time.Now(), id)
		return other.do(r).status
	}
	const id, token = "ocid1.tenancy.oc1..n/ocid1.user.oc1..n/aa:bb", "a.b.c"
	if got := call(id); got != 401 {
		t.Errorf("before it is registered the key gets %d", got)
	}
	register(`,"key_id":"` + id + `"`)
	register(`,"token":"` + token + `","expires":"2999-01-01T00:00:00Z"`)
	c.mustControl("POST", "/_sim/keys", `{"api_key":"sk-later"}`)
	if a, b := call(id), call("ST$"+token); a != 200 || b != 200 {
		t.Errorf("registered, the key gets %d and the token %d", a, b)
	}
	if got := c.bearer(openAIPath, openAIBody(grok, "hi", ""), "Authorization", "Bearer sk-later"); got.status != 200 {
		t.Errorf("registered, the API key gets %d", got.status)
	}

	listing := string(c.control("GET", "/_sim/keys", "").body)
	if strings.Contains(listing, token) || strings.Contains(listing, "sk-later") || !strings.Contains(listing, id) {
		t.Errorf("the listing shows a secret or misses the key: %s", listing)
	}
	c.mustControl("DELETE", "/_sim/keys?name="+id, "")
	if got := call(id); got != 401 {
		t.Errorf("removed, the key gets %d", got)
	}
	for _, bad := range []string{`{}`, `{"key_id":"x","public_key":"nonsense"}`, `{"key":"x"}`} {
		if got := c.control("POST", "/_sim/keys", bad); got.status != 400 {
			t.Errorf("%s gets %d", bad, got.status)
		}
	}
}

func TestControl_UsageByKey(t *testing.T) {
	c := newCaller(t, ocisim.Options{})
	var wantPrompt, wantCompletion float64
	add := func(usage any) {
		wantPrompt += at(usage, "promptTokens").(float64)
		wantCompletion += at(usage, "completionTokens").(float64)
	}
	add(at(c.chat("xai.grok-4.20", ask(italy, `,"maxTokens":300`)).object(t), "chatResponse", "usage"))
	add(at(c.chat("cohere.command-latest", askCohere(italy, `,"maxTokens":300`)).object(t), "chatResponse", "usage"))
	withUsage := `,"isStream":true,"streamOptions":{"isIncludeUsage":true}`
	for model, request := range map[string]string{
		"xai.grok-4.20":         ask(italy, `,"maxTokens":300`+withUsage),
		"openai.gpt-5-mini":     ask(italy, `,"maxCompletionTokens":300`+withUsage),
		"cohere.command-latest": askCohere(italy, `,"maxTokens":300`+withUsage),
	} {
		events, _ := c.chat(model, request).events(t)
		add(events[len(events)-1]["usage"])
	}
	add(at(c.embed("cohere.embed-v4.0", `["hello"]`, "").object(t), "usage"))
	c.chat("xai.none", unary)
	c.rule(`{"cut_after":4}`)
	c.chat(grok, stream)

	used := at(c.control("GET", "/_sim/usage", "").object(t), "keys", keyID)
	cut := at(used, "models", grok)
	if at(cut, "broken_off") != 1.0 || at(cut, "calls") != 0.0 || at(cut, "completion_tokens").(float64) < 1 {
		t.Errorf("the cut stream counts as %v", cut)
	}
	wantPrompt += at(cut, "prompt_tokens").(float64)
	wantCompletion += at(cut, "completion_tokens").(float64)
	if at(used, "calls") != 6.0 || at(used, "refused") != 1.0 || at(used, "prompt_tokens") != wantPrompt || at(used, "completion_tokens") != wantCompletion {
		t.Errorf("used %v, want 6 calls, %g prompt and %g completion tokens", used, wantPrompt, wantCompletion)
	}
	if grok := at(used, "models", "xai.grok-4.20"); at(grok, "calls") != 2.0 || at(grok, "reasoning_tokens").(float64) < 2 {
		t.Errorf("xai.grok-4.20 counts as %v", grok)
	}
	c.mustControl("DELETE", "/_sim/usage", "")
	if keys := at(c.control("GET", "/_sim/usage", "").object(t), "keys"); len(keys.(map[string]any)) != 0 {
		t.Errorf("after the reset: %v", keys)
	}
}

func TestControl_RequestsShowWhatWasSent(t *testing.T) {
	c := newCaller(t, ocisim.Options{})
	c.chat(grok, unary)
	entry := at(c.control("GET", "/_sim/requests", "").object(t), "requests", 0)
	if at(entry, "op") != "chat" || at(entry, "model") != grok || at(entry, "status") != 200.0 || !strings.Contains(at(entry, "body").(string), "Count to 9") {
		t.Errorf("the entry is %v", entry)
	}
	if auth := at(entry, "headers", "authorization"); auth != "Signature (hidden)" {
		t.Errorf("the Authorization header shows as %v", auth)
	}
	for range 120 {
		c.do(c.request("GET", "/nowhere", nil))
	}
	if list := at(c.control("GET", "/_sim/requests", "").object(t), "requests").([]any); len(list) != 100 {
		t.Errorf("the journal has %d entries, want the newest 100", len(list))
	}
	c.mustControl("DELETE", "/_sim/requests", "")
	if list := at(c.control("GET", "/_sim/requests", "").object(t), "requests").([]any); len(list) != 0 {
		t.Errorf("cleared, it has %d", len(list))
	}
}

func TestControl_Endpoints(t *testing.T) {
	c := newCaller(t, ocisim.Options{})
	c.mustControl("POST", "/_sim/endpoints", `{"id":"ocid1.generativeaiendpoint.x","model":"xai.grok-3"}`)
	if list := c.control("GET", "/_sim/endpoints", "").object(t); at(list, "endpoints", 0, "model") != "xai.grok-3" {
		t.Errorf("the endpoints are %v", list)
	}
	if got := c.control("POST", "/_sim/endpoints", `{"id":"e","model":"none"}`); got.status != 400 {
		t.Errorf("an endpoint of an unknown model gets %d", got.status)
	}
}

func TestScenario_File(t *testing.T) {
	sc, err := ocisim.LoadScenario(filepath.Join("testdata", "scenario.json"))
	if err != nil {
		t.Fatal(err)
	}
	c := newCaller(t, ocisim.Options{Scenario: sc})
	if got := c.sim.Variants(); got.ThrottleCode != "429" || got.DefaultMaxTokens != 20 {
		t.Errorf("the file's variants are %+v", got)
	}
	if status, code, _ := c.chat("xai.grok-4", ask("hi", "")).failure(t); status != 429 || code != "429" {
		t.Errorf("the burst answers %d %s", status, code)
	}
	if got := c.chat("mistral.medium-9", ask(italy, `,"maxTokens":50`)); got.status != 200 {
		t.Errorf("the file's model answers %d %s", got.status, got.body)
	}
}

func TestScenario_Mistakes(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"unknown name":    {`{"rule":[]}`, `unknown field "rule"`},
		"unknown variant": {`{"variants":{"x":1}}`, `unknown field "x"`},
		"not JSON":        {`rules: []`, "invalid character"},
		"trailing":        {`{} {}`, "more after"},
		"bad rule":        {`{"rules":[{"id":"r","status":99}]}`, "rule r: status 99"},
		"bad model":       {`{"models":[{"id":"x"}]}`, "vendor.name"},
		"bad embedding":   {`{"models":[{"id":"a.b","capability":"TEXT_EMBEDDINGS"}]}`, "dimensions"},
		"bad endpoint":    {`{"endpoints":[{"id":"e","model":"a.b"}]}`, "unknown model"},
	} {
		sc, err := ocisim.ParseScenario([]byte(tt.text))
		if err == nil {
			_, err = ocisim.New(ocisim.Options{Scenario: sc})
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want an error with %q", name, err, tt.want)
		}
	}
}

func TestCredential(t *testing.T) {
	dir := t.TempDir()
	credential, err := ocisim.GenerateCredential(dir)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(credential.KeyFile)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key file: %v, %v", info, err)
	}
	text, err := os.ReadFile(credential.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil || !credential.Private().Equal(parsed) || parsed.(*rsa.PrivateKey).N.BitLen() != 2048 {
		t.Errorf("the key file holds another key, or none: %v", err)
	}
	config := filepath.Join(dir, "config")
	if err := credential.WriteConfig(config); err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if out := fmt.Sprintf(verb, credential); strings.Contains(out, "PRIVATE") || strings.Contains(out, credential.Private().D.String()) {
			t.Errorf("%s prints the key", verb)
		}
	}
	if out, err := json.Marshal(credential); err != nil || strings.Contains(string(out), credential.Private().D.String()) {
		t.Errorf("JSON prints the key: %v", err)
	}
}

// The published key has a published fingerprint.
func TestFingerprint(t *testing.T) {
	got, err := ocisim.Fingerprint(&publishedKey(t).PublicKey)
	if err != nil || got != "73:61:a2:21:67:e0:df:be:7e:4b:93:1e:15:98:a5:b7" {
		t.Errorf("got %s, %v", got, err)
	}
}

// Many callers at once, with the control API in between: the race detector watches.
func TestConcurrentUse(t *testing.T) {
	c := newCaller(t, ocisim.Options{})
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for range 5 {
				model, request := grok, stream
				if i%2 == 0 {
					model, request = "cohere.command-latest", askCohere(italy, "")
				}
				if got := c.chat(model, request); got.status != 200 {
					t.Errorf("status %d", got.status)
				}
				c.control("PATCH", "/_sim/variants", `{"split_writes":0.5}`)
				c.control("GET", "/_sim/usage", "")
			}
		})
	}
	group.Wait()
	if used := c.sim.Usage()[keyID]; used.Calls != 40 {
		t.Errorf("%d calls were counted, want 40", used.Calls)
	}
}
