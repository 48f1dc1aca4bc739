package ocisim_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/internal/ocisim"
	"tollgate/internal/ocisim/identity"
)

// pod is a client of a cluster's endpoint that trusts the cluster's authority.
type pod struct {
	t      *testing.T
	up     *ocisim.Listening
	client *http.Client
}

func newPod(t *testing.T, o ocisim.Options) pod {
	t.Helper()
	up, err := ocisim.Listen(o, ocisim.ListenOptions{Dir: t.TempDir(), Namespace: "ai", ServiceAccount: "gateway"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(up.Close)
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(readFile(t, up.Dir, "serviceaccount", "ca.crt"))) {
		t.Fatal("ca.crt holds no certificate")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}
	t.Cleanup(transport.CloseIdleConnections)
	return pod{t, up, &http.Client{Transport: transport}}
}

func readFile(t testing.TB, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// ask posts to the cluster's endpoint and returns status and body.
func (p pod) ask(authorization, body string) (int, string) {
	p.t.Helper()
	r, err := http.NewRequest(http.MethodPost, "https://"+p.up.ClusterAddress+"/resourcePrincipalSessionTokens", strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Authorization", authorization)
	resp, err := p.client.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// podKey is the body with a new session key.
func podKey(t testing.TB) string {
	t.Helper()
	_, public := newSession(t)
	return fmt.Sprintf(`{"podKey":%q}`, public)
}

func TestWorkload_Exchange(t *testing.T) {
	clock := &timeline{}
	p := newPod(t, ocisim.Options{Now: clock.now, Identity: ocisim.IdentityOptions{TokenLife: time.Minute}})
	key, public := newSession(t)
	bearer := "Bearer " + readFile(t, p.up.Dir, "serviceaccount", "token")
	whole, err := json.Marshal("-----BEGIN PUBLIC KEY-----\n" + public + "\n-----END PUBLIC KEY-----\n")
	if err != nil {
		t.Fatal(err)
	}
	for name, sent := range map[string]string{"bare": fmt.Sprintf("%q", public), "PEM": string(whole)} {
		status, text := p.ask(bearer, `{"podKey":`+sent+`}`)
		if status != 200 || !strings.HasPrefix(text, `"`) || !strings.HasSuffix(text, `"`) {
			t.Fatalf("%s: %d %s", name, status, text)
		}
		inner, err := base64.StdEncoding.DecodeString(text[1 : len(text)-1])
		if err != nil {
			t.Fatal(err)
		}
		var reply struct{ Token string }
		if err := json.Unmarshal(inner, &reply); err != nil || !strings.HasPrefix(reply.Token, "ST$") {
			t.Fatalf("%s: %s", name, inner)
		}
		workload := party{&caller{t, p.up.Server, p.up.URL, key}, clock}
		if got := workload.sendAs(reply.Token, "GET", modelsPath, ""); got.status != 200 {
			t.Errorf("%s: with the token: %d %s", name, got.status, got.body)
		}
		for _, tt := range []struct {
			policy identity.Policy
			status int
		}{
			{identity.Policy{Kind: identity.Workload, Namespace: "ai", ServiceAccount: "gateway", Cluster: p.up.Identity().Options().Cluster}, 200},
			{identity.Policy{Kind: identity.Workload, Namespace: "ai", ServiceAccount: "default"}, 404},
			{identity.Policy{Kind: identity.Instance}, 404},
		} {
			if err := p.up.Identity().SetPolicies([]identity.Policy{tt.policy}); err != nil {
				t.Fatal(err)
			}
			if got := workload.sendAs(reply.Token, "GET", modelsPath, ""); got.status != tt.status {
				t.Errorf("under %+v: %d, want %d", tt.policy, got.status, tt.status)
			}
		}
		if err := p.up.Identity().SetPolicies(nil); err != nil {
			t.Fatal(err)
		}
		clock.move(time.Minute)
		if got := workload.sendAs(reply.Token, "GET", modelsPath, ""); got.status != 401 {
			t.Errorf("%s: with an expired token: %d", name, got.status)
		}
	}
}

func TestWorkload_Refuses(t *testing.T) {
	clock := &timeline{}
	p := newPod(t, ocisim.Options{Now: clock.now})
	token := readFile(t, p.up.Dir, "serviceaccount", "token")
	for name, try := range map[string]struct {
		authorization, body string
		status              int
	}{
		"no token":            {"", podKey(t), 401},
		"another scheme":      {"Basic " + token, podKey(t), 401},
		"not a token":         {"Bearer x", podKey(t), 401},
		"a shortened token":   {"Bearer " + token[:len(token)-4], podKey(t), 401},
		"no key":              {"Bearer " + token, `{}`, 400},
		"a key that is none":  {"Bearer " + token, `{"podKey":"Zm9v"}`, 400},
		"a body that is none": {"Bearer " + token, `x`, 400},
	} {
		if status, text := p.ask(try.authorization, try.body); status != try.status {
			t.Errorf("%s: %d %s, want %d", name, status, text, try.status)
		}
	}
	p.up.Identity().SetBasicCluster(true)
	if status, _ := p.ask("Bearer "+token, podKey(t)); status != 403 {
		t.Errorf("on a basic cluster: %d", status)
	}
	p.up.Identity().SetBasicCluster(false)
	clock.move(time.Hour)
	if status, _ := p.ask("Bearer "+token, podKey(t)); status != 401 {
		t.Errorf("with an expired token: %d", status)
	}
	if err := p.up.Identity().Renew(); err != nil {
		t.Fatal(err)
	}
	if status, text := p.ask("Bearer "+readFile(t, p.up.Dir, "serviceaccount", "token"), podKey(t)); status != 200 {
		t.Errorf("with the renewed token: %d %s", status, text)
	}
}

// A client that does not know the cluster's authority goes no further than the handshake.
func TestWorkload_OwnAuthority(t *testing.T) {
	p := newPod(t, ocisim.Options{})
	if _, err := http.Get("https://" + p.up.ClusterAddress + "/resourcePrincipalSessionTokens"); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v, want an error about the certificate", err)
	}
}

func TestFolders_HoldWhatPasses(t *testing.T) {
	p := newPod(t, ocisim.Options{})
	for _, name := range []string{"resource/rpst", "session/token"} {
		before := readFile(t, p.up.Dir, name)
		if err := p.up.Identity().Renew(); err != nil {
			t.Fatal(err)
		}
		if after := readFile(t, p.up.Dir, name); before == after || len(strings.Split(after, ".")) != 3 {
			t.Errorf("%s was not renewed: %q", name, after)
		}
	}
	config := readFile(t, p.up.Dir, "session", "config")
	for _, want := range []string{"[DEFAULT]\n", "security_token_file=" + filepath.Join(p.up.Dir, "session", "token"), "key_file=", "tenancy=ocid1.tenancy.", "region=us-chicago-1", "fingerprint="} {
		if !strings.Contains(config, want) {
			t.Errorf("the configuration file lacks %q:\n%s", want, config)
		}
	}
	if got := readFile(t, p.up.Dir, "serviceaccount", "namespace"); got != "ai" {
		t.Errorf("namespace %q", got)
	}
	for _, way := range ocisim.Ways() {
		for name, value := range p.up.Environment(way) {
			if value == "" {
				t.Errorf("%s: %s is empty", way, name)
			}
			if strings.HasPrefix(value, "/") && !strings.HasPrefix(value, "/20180711/") {
				if _, err := os.Stat(value); err != nil {
					t.Errorf("%s: %s: %v", way, name, err)
				}
			}
		}
	}
}

func TestListen_NoCluster(t *testing.T) {
	up, err := ocisim.Listen(ocisim.Options{}, ocisim.ListenOptions{ClusterAddress: ocisim.NoCluster})
	if err != nil {
		t.Fatal(err)
	}
	if up.ClusterAddress != "" || up.Dir != "" {
		t.Errorf("cluster at %q, files in %q", up.ClusterAddress, up.Dir)
	}
	again, err := ocisim.Listen(ocisim.Options{}, ocisim.ListenOptions{Address: strings.TrimPrefix(up.URL, "http://")})
	if err == nil {
		again.Close()
		t.Error("two listen on one address")
	}
	up.Close()
	if err := <-up.Failed(); err != http.ErrServerClosed {
		t.Errorf("ended with %v", err)
	}
}

func TestIdentityControl(t *testing.T) {
	p := newParty(t, ocisim.Options{})
	instance, id := p.becomeInstance()
	state := func() map[string]any { return p.control("GET", "/_sim/identity", "").object(t) }
	first := state()
	if at(first, "tokens", "instance") != 1.0 || at(first, "requests", "x509", "requests") != 1.0 || at(first, "requests", "imds", "requests") != 3.0 {
		t.Errorf("tokens %v, requests %v", first["tokens"], first["requests"])
	}

	p.mustControl("PATCH", "/_sim/identity", `{"token_life":"1m","basic_cluster":true}`)
	if o := p.Identity().Options(); o.TokenLife != time.Minute || !o.BasicCluster || o.SessionLife != time.Hour {
		t.Errorf("patched to %+v", o)
	}
	for _, body := range []string{`{"token_life":"0s"}`, `{"tenancy":"x"}`, `{"token_life":5}`} {
		if got := p.control("PATCH", "/_sim/identity", body); got.status != 400 {
			t.Errorf("%s: %d", body, got.status)
		}
	}

	p.mustControl("POST", "/_sim/identity/rotate", "")
	if state()["certificate_fingerprint"] == first["certificate_fingerprint"] {
		t.Error("the certificate did not change")
	}

	if got := instance.sendAs(id, "GET", modelsPath, ""); got.status != 200 {
		t.Fatalf("before it is revoked: %d", got.status)
	}
	if got := p.control("DELETE", "/_sim/identity/tokens?kind=workload", "").object(t)["revoked"]; got != 0.0 {
		t.Errorf("%v tokens of workloads revoked", got)
	}
	if got := p.control("DELETE", "/_sim/identity/tokens?kind=instance", "").object(t)["revoked"]; got != 1.0 {
		t.Errorf("%v tokens of instances revoked", got)
	}
	if got := instance.sendAs(id, "GET", modelsPath, ""); got.status != 401 {
		t.Errorf("after: %d", got.status)
	}

	p.mustControl("PUT", "/_sim/identity/policies", `{"policies":[{"kind":"instance"}]}`)
	if got := p.sendAs(keyID, "GET", modelsPath, ""); got.status != 404 {
		t.Errorf("a user under a policy for instances: %d", got.status)
	}
	if got := p.bearer(openAIPath, openAIBody(grok, "hi", ""), "Authorization", "Bearer "+apiKey); got.status != 404 {
		t.Errorf("a GenAI API key under it: %d", got.status)
	}
	for _, body := range []string{`{"policies":[{"kind":"pod"}]}`, `{"policies":[{"name":"x"}]}`, `{"policies":[{"kind":"user","namespace":"x"}]}`} {
		if got := p.control("PUT", "/_sim/identity/policies", body); got.status != 400 {
			t.Errorf("%s: %d", body, got.status)
		}
	}
	p.mustControl("PUT", "/_sim/identity/policies", `{"policies":[]}`)
	if got := p.sendAs(keyID, "GET", modelsPath, ""); got.status != 200 {
		t.Errorf("without policies: %d", got.status)
	}

	p.mustControl("DELETE", "/_sim/identity/requests", "")
	if got := p.Identity().Requests(); len(got) != 0 {
		t.Errorf("still counted: %v", got)
	}
}

func TestScenario_Policies(t *testing.T) {
	sc, err := ocisim.ParseScenario([]byte(`{"policies":[{"kind":"user","id":"ocid1.user.oc1..u"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	p := newParty(t, ocisim.Options{Scenario: sc})
	if got := p.sendAs(keyID, "GET", modelsPath, ""); got.status != 200 {
		t.Errorf("the user that the policy names: %d", got.status)
	}
	if sc, err = ocisim.ParseScenario([]byte(`{"policies":[{"kind":"pod"}]}`)); err != nil {
		t.Fatal(err)
	}
	if _, err := ocisim.New(ocisim.Options{Scenario: sc}); err == nil {
		t.Error("a policy that can never match is taken")
	}
}

// Fault rules reach an identity service by its name only, and what is said to it is not remembered.
func TestIdentity_FaultsAndJournal(t *testing.T) {
	p := newParty(t, ocisim.Options{})
	p.mustControl("POST", "/_sim/faults", `{"status":500}`)
	p.mustControl("POST", "/_sim/faults", `{"op":"imds","status":429,"times":1}`)
	if got := p.metadata("instance/region"); got.status != 429 {
		t.Errorf("the metadata service under its rule: %d", got.status)
	}
	instance, id := p.becomeInstance()
	if got := instance.sendAs(id, "GET", modelsPath, ""); got.status != 500 {
		t.Errorf("inference under a rule without op: %d", got.status)
	}
	var ops []string
	requests, _ := p.control("GET", "/_sim/requests", "").object(t)["requests"].([]any)
	for _, r := range requests {
		op, _ := at(r, "op").(string)
		ops = append(ops, op)
		if at(r, "body") != "" {
			t.Errorf("%s is remembered with %v", op, at(r, "body"))
		}
	}
	if want := []string{"imds", "imds", "imds", "imds", "x509", "models"}; !slices.Equal(ops, want) {
		t.Errorf("remembered %v, want %v", ops, want)
	}
	if usage := p.sim.Usage(); len(usage) != 1 {
		t.Errorf("the identity services are in the usage: %v", usage)
	}
}
