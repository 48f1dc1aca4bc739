package oci

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http/httpproxy"

	"tollgate/internal/egress"
	"tollgate/internal/ocisim"
	"tollgate/internal/ocisim/identity"
	"tollgate/internal/provider"
)

// identities is the simulator with its identity services behind TCP, and a factory in the environment of one way.
type identities struct {
	*ocisim.Listening
	env         map[string]string
	factory     *Factory
	credentials *provider.Credentials
	lease       *provider.Lease
	log         bytes.Buffer
}

func newIdentities(t *testing.T, way ocisim.Way, o ocisim.Options) *identities {
	t.Helper()
	sim, err := ocisim.Listen(o, ocisim.ListenOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sim.Close)
	w := &identities{Listening: sim, env: sim.Environment(way), credentials: &provider.Credentials{}}
	if way == ocisim.WayWorkload {
		_, port, err := net.SplitHostPort(sim.ClusterAddress)
		if err != nil {
			t.Fatal(err)
		}
		w.env["OCI_KUBERNETES_PROXYMUX_PORT"] = port
		w.env["OCI_KUBERNETES_SERVICE_ACCOUNT_TOKEN_PATH"] = filepath.Join(sim.Dir, "serviceaccount", "token")
	}
	w.factory = New(Options{Getenv: func(name string) string { return w.env[name] }, ChassisTag: "none"})
	w.lease = w.credentials.Lease()
	t.Cleanup(w.lease.Release)
	return w
}

func (w *identities) open(t *testing.T, more ...string) provider.Chatter {
	t.Helper()
	d, err := w.factory.Open(w.spec(t, more...))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (w *identities) spec(t *testing.T, more ...string) provider.Spec {
	t.Helper()
	params := append([]string{"model: oci/xai.grok-4.20-reasoning", "api_base: " + w.URL, "oci_compartment_id: ''"}, more...)
	spec := readSpec(t, strings.Join(params, "\n"))
	spec.Credentials = w.lease
	spec.Log = slog.New(slog.NewTextHandler(&w.log, nil))
	return spec
}

func (w *identities) ask(t *testing.T, d provider.Chatter) {
	t.Helper()
	if err := w.try(t, d); err != nil {
		t.Fatalf("%v: %+v\n%s", err, w.credentials.Status(), w.log.String())
	}
}

func (w *identities) try(t *testing.T, d provider.Chatter) error {
	t.Helper()
	resp, err := d.Chat(t.Context(), parseRequest(t, `{"model":"a","max_tokens":2000,"messages":[{"role":"user","content":"What is the capital of Italy?"}]}`))
	if err != nil {
		return err
	}
	var out completion
	if err := json.Unmarshal(resp.Body, &out); err != nil || len(out.Choices) == 0 || !strings.Contains(out.Choices[0].Message.Content, "Rome") {
		t.Errorf("%v: %s", err, resp.Body)
	}
	return nil
}

// kindOf is how each way is called, and the kind of its tokens in the simulator.
var kindOf = map[ocisim.Way]struct {
	name string
	kind identity.Kind
}{
	ocisim.WaySessionToken: {"security_token:DEFAULT", identity.Session},
	ocisim.WayInstance:     {"instance_principal", identity.Instance},
	ocisim.WayResource11:   {"resource_principal", identity.Resource},
	ocisim.WayResource22:   {"resource_principal", identity.Resource},
	ocisim.WayResource30:   {"resource_principal", identity.Resource},
	ocisim.WayWorkload:     {"oke_workload_identity", identity.Workload},
}

// Every kind is found by itself, signs, goes on when OCI forgets its token, and takes over what was rotated.
func TestEndToEnd_Principals(t *testing.T) {
	for _, way := range ocisim.Ways() {
		t.Run(string(way), func(t *testing.T) {
			t.Parallel()
			w := newIdentities(t, way, ocisim.Options{Seed: 1})
			d := w.open(t)
			explained := d.(provider.Explainer).Explain()
			name, kind, _ := strings.Cut(kindOf[way].name, ":")
			if len(explained) != 1 || !strings.Contains(explained[0], " by "+name) || !strings.Contains(explained[0], kind) {
				t.Errorf("explained as %q", explained)
			}
			if _, err := d.(provider.Checker).Check(); err != nil {
				t.Error(err)
			}
			w.lease.Start()
			w.ask(t, d)
			first := w.status(t)
			if first.Name != kindOf[way].name || first.Renewals != 1 || !first.Expiry.After(time.Now()) || first.Err != "" {
				t.Errorf("status %+v", first)
			}

			if err := w.Identity().RotateCertificate(); err != nil {
				t.Fatal(err)
			}
			if w.Identity().Revoke(kindOf[way].kind) == 0 {
				t.Fatal("no token to revoke")
			}
			if err := w.Identity().Renew(); err != nil { // what is on disk was revoked as well
				t.Fatal(err)
			}
			w.ask(t, d)
			if now := w.status(t); now.Renewals != 2 || now.Failures != 0 {
				t.Errorf("after the rotation: %+v", now)
			}
		})
	}
}

func (w *identities) status(t *testing.T) provider.CredentialStatus {
	t.Helper()
	list := w.credentials.Status()
	if len(list) != 1 {
		t.Fatalf("%d credentials: %+v", len(list), list)
	}
	return list[0]
}

// What neither the entry nor the environment says of the place comes with the first token: the region, and the tenancy
// as the compartment.
func TestEndToEnd_PlaceOfThePrincipal(t *testing.T) {
	for _, way := range ocisim.Ways() {
		t.Run(string(way), func(t *testing.T) {
			t.Parallel()
			w := newIdentities(t, way, ocisim.Options{Seed: 1, Region: "eu-frankfurt-1"})
			delete(w.env, "OCI_REGION")
			delete(w.env, "OCI_COMPARTMENT_ID")
			spec := readSpec(t, "model: oci/xai.grok-4\noci_compartment_id: ''")
			spec.Credentials = w.lease
			opened, err := w.factory.Open(spec)
			if err != nil {
				t.Fatal(err)
			}
			d, ok := opened.(*Deployment)
			if late, isLate := opened.(*lateDeployment); isLate {
				if d, err = late.settle(t.Context()); err != nil {
					t.Fatal(err)
				}
			} else if !ok || way != ocisim.WaySessionToken { // a profile says all of it
				t.Errorf("it is a %T", opened)
			}
			if d.settings.region != "eu-frankfurt-1" || d.settings.compartment != w.Identity().Options().Tenancy ||
				d.settings.actionsURL != "https://inference.generativeai.eu-frankfurt-1.oci.oraclecloud.com/20231130/actions" ||
				!strings.Contains(string(d.target), w.Identity().Options().Tenancy) {
				t.Errorf("region %s, compartment %s, %s", d.settings.region, d.settings.compartment, d.settings.actionsURL)
			}
		})
	}
}

// Tokens of a second: whoever finds one expired waits for the next, and nobody sees a 401.
func TestEndToEnd_Expiry(t *testing.T) {
	for _, way := range []ocisim.Way{ocisim.WayInstance, ocisim.WayWorkload} {
		t.Run(string(way), func(t *testing.T) {
			t.Parallel()
			w := newIdentities(t, way, ocisim.Options{Seed: 1})
			w.Identity().SetTokenLife(2 * time.Second)
			d := w.open(t)
			w.lease.Start()
			w.ask(t, d)
			first := w.status(t).Expiry
			for time.Now().Before(first.Add(time.Second)) {
				w.ask(t, d)
			}
			if now := w.status(t); now.Renewals < 2 || now.Failures > 0 || !now.Expiry.After(first) {
				t.Errorf("%+v", now)
			}
		})
	}
}

// Many callers while tokens are revoked and certificates rotated again and again: each 401 is mended by one renewal.
func TestEndToEnd_Storm(t *testing.T) {
	w := newIdentities(t, ocisim.WayWorkload, ocisim.Options{Seed: 1})
	d := w.open(t)
	w.lease.Start()
	w.ask(t, d)
	w.Identity().Revoke(identity.Workload)
	var callers sync.WaitGroup
	for range 32 {
		callers.Go(func() {
			for range 3 {
				if err := w.try(t, d); err != nil {
					t.Error(err)
				}
			}
		})
	}
	callers.Wait()
	if asked := w.Identity().Requests()["workload"].Requests; asked != 2 {
		t.Errorf("%d tokens were fetched for one that was revoked", asked)
	}
}

// Refusals say what to do where the operator looks, and nothing of the inside where the caller does.
func TestEndToEnd_Remedies(t *testing.T) {
	tests := []struct {
		name  string
		way   ocisim.Way
		wreck func(w *identities)
		want  string
	}{
		{"a basic cluster", ocisim.WayWorkload, func(w *identities) { w.Identity().SetBasicCluster(true) }, "needs an enhanced cluster"},
		{"another cluster's certificate", ocisim.WayWorkload, func(w *identities) {
			w.env["OCI_KUBERNETES_SERVICE_ACCOUNT_CERT_PATH"] = strangersCA(t)
		}, "check that the CA file is the cluster's"},
		{"nothing listens", ocisim.WayInstance, func(w *identities) { w.env["OCI_METADATA_BASE_URL"] = "http://127.0.0.1:1/opc/v2" }, "machines of OCI alone"},
		{"the auth service is away", ocisim.WayInstance, func(w *identities) { w.env["OCI_SDK_AUTH_CLIENT_REGION_URL"] = "http://127.0.0.1:1" }, "connection refused"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newIdentities(t, tt.way, ocisim.Options{Seed: 1})
			tt.wreck(w)
			d := w.open(t)
			w.lease.Start()
			e := upstreamError(t, w.try(t, d))
			if e.Status != 401 || e.Message != "the gateway has no valid credential for OCI" || e.Cause == nil {
				t.Errorf("the caller sees %d %q", e.Status, e.Message)
			}
			if s := w.status(t); !strings.Contains(s.Err, tt.want) || s.Failures == 0 || !s.Expiry.IsZero() {
				t.Errorf("status %+v, want %s", s, tt.want)
			}
			w.lease.Release()
			if text := w.log.String(); !strings.Contains(text, "level=WARN") || !strings.Contains(text, tt.want) || strings.Contains(text, "eyJ") {
				t.Errorf("log: %s", text)
			}
		})
	}
}

// strangersCA is the file of an authority that has signed nothing here.
func strangersCA(t *testing.T) string {
	t.Helper()
	sim, err := ocisim.Listen(ocisim.Options{}, ocisim.ListenOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	sim.Close()
	return filepath.Join(sim.Dir, "serviceaccount", "ca.crt")
}

// The metadata service and the cluster's endpoint are beside the process: a proxy would ask its own neighbours.
// Federation is OCI, and goes the way of all calls.
func TestEndToEnd_Proxies(t *testing.T) {
	for _, way := range []ocisim.Way{ocisim.WayInstance, ocisim.WayWorkload} {
		t.Run(string(way), func(t *testing.T) {
			t.Parallel()
			w := newIdentities(t, way, ocisim.Options{Seed: 1})
			var mu sync.Mutex
			var seen []string
			proxy := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				mu.Lock()
				seen = append(seen, r.Method+" "+r.RequestURI)
				mu.Unlock()
				rw.WriteHeader(http.StatusBadGateway)
			}))
			defer proxy.Close()
			w.env["OCI_SDK_AUTH_CLIENT_REGION_URL"] = "http://auth.example"
			w.env["OCI_METADATA_BASE_URL"] = strings.Replace(w.URL, "127.0.0.1", "beside.test", 1) + "/opc/v2"
			w.env["KUBERNETES_SERVICE_HOST"] = "kubernetes.default.svc"
			spec := w.spec(t)
			var err error
			if spec.Egress, err = egress.New(egress.Options{Proxy: &httpproxy.Config{HTTPProxy: proxy.URL, HTTPSProxy: proxy.URL}, Dial: toLoopback}); err != nil {
				t.Fatal(err)
			}
			d, err := w.factory.Open(spec)
			if err != nil {
				t.Fatal(err)
			}
			_, err = d.(*Deployment).principal.Snapshot(t.Context())
			want := ""
			if way == ocisim.WayInstance {
				want = "POST http://auth.example/v1/x509"
			}
			if got := strings.Join(seen, ", "); got != want || (err == nil) != (want == "") {
				t.Errorf("the proxy saw %q, want %q; %v", got, want, err)
			}
		})
	}
}

// toLoopback dials as always. httpproxy leaves loopback addresses out by itself, so the test gives them another name.
func toLoopback(ctx context.Context, network, address string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, network, strings.NewReplacer("beside.test", "127.0.0.1", "kubernetes.default.svc", "127.0.0.1").Replace(address))
}
