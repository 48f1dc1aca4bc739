package identity

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"
	"time"
)

var (
	start    = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	instance = Principal{Kind: Instance, ID: "ocid1.instance.oc1.phx.i", Tenancy: "ocid1.tenancy.oc1..t", Compartment: "ocid1.compartment.oc1..c"}
)

func rsaKey(t testing.TB, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func publicPEM(t testing.TB, key crypto.PublicKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

// bare is PEM as Oracle's SDKs send it to the auth service: without its first and last line and without line ends.
func bare(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, "-----") {
			b.WriteString(strings.TrimSpace(line))
		}
	}
	return b.String()
}

func TestPolicy_Allows(t *testing.T) {
	pod := Principal{Kind: Workload, ID: "ocid1.cluster.oc1..k", Tenancy: "t", Compartment: "c", Namespace: "ai", ServiceAccount: "gateway"}
	for _, tt := range []struct {
		name   string
		policy Policy
		want   bool
	}{
		{"of nobody in particular", Policy{}, true},
		{"its kind", Policy{Kind: Workload}, true},
		{"all of it", Policy{Workload, "", "t", "c", "ai", "gateway", "ocid1.cluster.oc1..k"}, true},
		{"another kind", Policy{Kind: Instance}, false},
		{"another namespace", Policy{Kind: Workload, Namespace: "other"}, false},
		{"another service account", Policy{Kind: Workload, Namespace: "ai", ServiceAccount: "default"}, false},
		{"another cluster", Policy{Kind: Workload, Cluster: "ocid1.cluster.oc1..other"}, false},
		{"another compartment", Policy{Compartment: "elsewhere"}, false},
	} {
		if got := tt.policy.Allows(pod); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestPolicy_Check(t *testing.T) {
	for _, p := range []Policy{{Kind: "pod"}, {Namespace: "ai"}, {Kind: Instance, Cluster: "x"}, {Kind: Workload, ID: "x"}} {
		if p.Check() == nil {
			t.Errorf("%+v can never match and is taken", p)
		}
	}
	if err := (Policy{Kind: Workload, Namespace: "ai"}).Check(); err != nil {
		t.Error(err)
	}
}

func TestAuthority_KnowsItsOwnCertificates(t *testing.T) {
	a := NewAuthority(instance)
	leaf, err := a.Leaf(start, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	between := []string{bare(string(leaf.Intermediate))}
	shown, err := a.Read(bare(string(leaf.Certificate)), between, start)
	if err != nil {
		t.Fatal(err)
	}
	if shown.Who != instance {
		t.Errorf("the certificate is that of %+v", shown.Who)
	}
	sha1Print := instance.Tenancy + "/fed-x509/" + shown.Fingerprint
	for keyID, want := range map[string]bool{
		sha1Print: true,
		instance.Tenancy + "/fed-x509-sha256/" + leaf.Fingerprint: true,
		instance.Tenancy + "/fed-x509/" + leaf.Fingerprint:        false,
		instance.Tenancy + "/fed-x509-sha256/":                    false,
		"ocid1.tenancy.oc1..other/fed-x509/" + shown.Fingerprint:  false,
		instance.Tenancy: false,
		"":               false,
	} {
		if got := shown.Named(keyID); got != want {
			t.Errorf("named %q: %v", keyID, got)
		}
	}

	stranger, err := NewAuthority(instance).Leaf(start, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for name, try := range map[string]struct {
		leaf          string
		intermediates []string
		now           time.Time
	}{
		"without the intermediate": {string(leaf.Certificate), nil, start},
		"expired":                  {string(leaf.Certificate), between, start.Add(time.Hour + time.Second)},
		"not yet good":             {string(leaf.Certificate), between, start.Add(-time.Hour)},
		"of another authority":     {string(stranger.Certificate), []string{string(stranger.Intermediate)}, start},
		"not a certificate":        {"Zm9v", between, start},
		"not base64":               {"?", between, start},
		"broken intermediate":      {string(leaf.Certificate), []string{"Zm9v"}, start},
		"a key":                    {string(leaf.Key), between, start},
	} {
		if _, err := a.Read(try.leaf, try.intermediates, try.now); err == nil {
			t.Errorf("a certificate %s is taken", name)
		}
	}
}

func TestAuthority_Rotates(t *testing.T) {
	a := NewAuthority(instance)
	leaf := func(now time.Time) Leaf {
		t.Helper()
		l, err := a.Leaf(now, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	first := leaf(start)
	if again := leaf(start.Add(29 * time.Minute)); again.Fingerprint != first.Fingerprint {
		t.Error("another certificate before half of the first one's life")
	}
	second := leaf(start.Add(31 * time.Minute))
	if second.Fingerprint == first.Fingerprint || string(second.Key) == string(first.Key) {
		t.Error("the same certificate or key after half of its life")
	}
	if err := a.Rotate(start.Add(32*time.Minute), time.Hour, true); err != nil {
		t.Fatal(err)
	}
	third := leaf(start.Add(33 * time.Minute))
	if third.Fingerprint == second.Fingerprint || string(third.Intermediate) == string(second.Intermediate) {
		t.Error("a rotation changed nothing")
	}
	for name, l := range map[string]Leaf{"first": first, "second": second, "third": third} {
		if _, err := a.Read(string(l.Certificate), []string{string(l.Intermediate)}, start.Add(40*time.Minute)); err != nil {
			t.Errorf("the %s certificate before its end: %v", name, err)
		}
	}
}

func TestIssuer_Claims(t *testing.T) {
	i := NewIssuer()
	session := rsaKey(t, 2048)
	life := Life{start, start.Add(20 * time.Minute)}
	for _, tt := range []struct {
		who  Principal
		want map[string]any
	}{
		{instance, map[string]any{
			"ptype": "instance", "ttype": "x509", "opc-certtype": "instance", "opc-instance": instance.ID, "opc-tenant": instance.Tenancy,
			"opc-compartment": instance.Compartment, "fprint": "AA:BB",
		}},
		{Principal{Kind: Resource, ID: "ocid1.fnfunc.oc1..f", Tenancy: "t", Compartment: "c"}, map[string]any{
			"ptype": "resource", "res_type": "fnfunc", "res_id": "ocid1.fnfunc.oc1..f", "res_tenant": "t", "res_compartment": "c",
		}},
		{Principal{Kind: Workload, ID: "ocid1.cluster.oc1..k", Tenancy: "t", Compartment: "c", Namespace: "ai", ServiceAccount: "gw"}, map[string]any{
			"ptype": "workload", "res_tenant": "t", "res_compartment": "c",
		}},
		{Principal{Kind: Session, ID: "ocid1.user.oc1..u", Tenancy: "t"}, map[string]any{"ptype": "user", "ttype": "login"}},
	} {
		token, err := i.Token(tt.who, &session.PublicKey, life, "AA:BB")
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := parseToken(token)
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]any
		if err := json.Unmarshal(parsed.claims, &got); err != nil {
			t.Fatal(err)
		}
		tt.want["sub"], tt.want["tenant"], tt.want["iss"] = tt.who.ID, tt.who.Tenancy, "authService.oracle.com"
		tt.want["iat"], tt.want["exp"] = float64(start.Unix()), float64(start.Unix()+1200)
		for name, want := range tt.want {
			if got[name] != want {
				t.Errorf("%s: %s is %v, want %v", tt.who.Kind, name, got[name], want)
			}
		}
		var key webKey
		if err := json.Unmarshal([]byte(got["jwk"].(string)), &key); err != nil {
			t.Fatal(err)
		}
		if public, err := key.public(); err != nil || !session.PublicKey.Equal(public) {
			t.Errorf("%s: the jwk is another key: %v", tt.who.Kind, err)
		}
	}
	if _, err := i.Token(Principal{Kind: User}, &session.PublicKey, life, ""); err == nil {
		t.Error("a user has a token")
	}
}

func TestIssuer_Proof(t *testing.T) {
	i := NewIssuer()
	resource := Principal{Kind: Resource, ID: "ocid1.fnfunc.oc1..f", Tenancy: "t", Compartment: "c"}
	rpt, spst, err := i.Proof(resource, Life{start, start.Add(time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := i.ReadProof(rpt, spst, start); err != nil || got != resource {
		t.Fatalf("got %+v, %v", got, err)
	}
	_, other, err := i.Proof(Principal{Kind: Resource, ID: "ocid1.datascience.oc1..d"}, Life{start, start.Add(time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	foreign, _, err := NewIssuer().Proof(resource, Life{start, start.Add(time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	for name, try := range map[string]struct {
		rpt, spst string
		now       time.Time
	}{
		"expired": {rpt, spst, start.Add(time.Minute)}, "the wrong way round": {spst, rpt, start},
		"of another service": {rpt, other, start}, "of another issuer": {foreign, spst, start},
		"tampered": {tamper(rpt), spst, start}, "empty": {"", "", start},
	} {
		if _, err := i.ReadProof(try.rpt, try.spst, try.now); err == nil {
			t.Errorf("a proof %s is taken", name)
		}
	}
}

// tamper changes the claims of a token and leaves its signature.
func tamper(token string) string {
	parts := strings.Split(token, ".")
	b, _ := base64.RawURLEncoding.DecodeString(parts[1]) // it was just made
	parts[1] = base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(b), `"exp":1`, `"exp":2`, 1)))
	return strings.Join(parts, ".")
}

func TestCluster_Workload(t *testing.T) {
	apiServer := rsaKey(t, 2048)
	c := NewCluster(ClusterOptions{ID: "ocid1.cluster.oc1..k", Tenancy: "t", Compartment: "c", Keys: []crypto.PublicKey{&apiServer.PublicKey}})
	good := Life{start, start.Add(time.Hour)}
	token := func(from *Cluster, namespace, account string, life Life) string {
		t.Helper()
		text, err := from.ServiceAccountToken(namespace, account, life)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	own := token(c, "ai", "gateway", good)
	who, err := c.Workload(own, start)
	if want := (Principal{Workload, "ocid1.cluster.oc1..k", "t", "c", "ai", "gateway"}); err != nil || who != want {
		t.Fatalf("got %+v, %v", who, err)
	}
	claims := func(sub, namespace, account string, exp int64) string {
		t.Helper()
		text, err := sign(apiServer, "k", map[string]any{
			"aud": "one", "sub": sub, "exp": exp, "kubernetes.io": map[string]any{"namespace": namespace, "serviceaccount": map[string]any{"name": account}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	later := start.Add(time.Hour).Unix()
	if _, err := c.Workload(claims("system:serviceaccount:ai:gateway", "ai", "gateway", later), start); err != nil {
		t.Errorf("a token of the real API server's key: %v", err)
	}
	stranger := NewCluster(ClusterOptions{})
	for name, try := range map[string]string{
		"expired": token(c, "ai", "gateway", Life{start.Add(-2 * time.Hour), start}), "not good yet": token(c, "ai", "gateway", Life{start.Add(time.Minute), start.Add(time.Hour)}),
		"of another cluster": token(stranger, "ai", "gateway", good), "tampered": tamper(own), "of two parts": strings.Join(strings.Split(own, ".")[:2], "."),
		"without exp": claims("system:serviceaccount:ai:gateway", "ai", "gateway", 0), "of a user": claims("alice", "ai", "gateway", later),
		"of another namespace": claims("system:serviceaccount:ai:gateway", "kube-system", "gateway", later), "without namespace": claims("system:serviceaccount::gateway", "", "gateway", later),
		"not signed": "eyJhbGciOiJub25lIn0." + strings.Split(own, ".")[1] + ".", "empty": "",
	} {
		if who, err := c.Workload(try, start); err == nil {
			t.Errorf("a token %s is taken for %+v", name, who)
		}
	}
	trusting := NewCluster(ClusterOptions{ID: "k", TrustAll: true})
	if _, err := trusting.Workload(token(stranger, "ai", "gateway", good), start); err != nil {
		t.Errorf("with all issuers trusted: %v", err)
	}
	if _, err := trusting.Workload(token(stranger, "ai", "gateway", good), start.Add(2*time.Hour)); err == nil {
		t.Error("with all issuers trusted an expired token is taken")
	}
}

func TestCluster_ServerCertificate(t *testing.T) {
	c := NewCluster(ClusterOptions{})
	ca, err := c.CA()
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	var cert tls.Certificate
	if cert, err = c.ServerCertificate([]string{"10.96.0.1", "api.example"}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"127.0.0.1", "127.0.0.2", "::1", "10.96.0.1", "api.example", "kubernetes.default.svc"} {
		if _, err := cert.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: pool}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := cert.Leaf.Verify(x509.VerifyOptions{DNSName: "elsewhere.example", Roots: pool}); err == nil {
		t.Error("the certificate is good for any name")
	}
}
