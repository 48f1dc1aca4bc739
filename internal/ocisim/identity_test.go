package ocisim_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/internal/ocisim"
	"tollgate/internal/ocisim/identity"
)

// timeline is a clock that tests move.
type timeline struct{ ahead atomic.Int64 }

func (c *timeline) now() time.Time       { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *timeline) move(d time.Duration) { c.ahead.Add(int64(d)) }

// party is a principal in the making: a caller with the keys that it has by now.
type party struct {
	*caller
	clock *timeline
}

func newParty(t *testing.T, o ocisim.Options) party {
	t.Helper()
	clock := &timeline{}
	o.Now = clock.now
	return party{newCaller(t, o), clock}
}

// metadata asks the metadata service.
func (p party) metadata(path string) reply {
	p.t.Helper()
	r, err := http.NewRequest(http.MethodGet, p.url+"/opc/v2/"+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer Oracle")
	return p.do(r)
}

// newSession makes a session key and its public half as clients send it to the auth service.
func newSession(t testing.TB) (*rsa.PrivateKey, string) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return key, base64.StdEncoding.EncodeToString(der)
}

// as is the party with another key.
func (p party) as(key *rsa.PrivateKey) party {
	c := *p.caller
	c.key = key
	return party{&c, p.clock}
}

// sendAs sends a request that is signed for a keyId at the service's time.
func (p party) sendAs(keyID, method, path, body string) reply {
	p.t.Helper()
	r, err := http.NewRequest(method, p.url+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	p.signAs(r, []byte(body), p.clock.now(), keyID)
	return p.do(r)
}

// leaf is the instance's certificate as the metadata service hands it out.
type leaf struct {
	cert, intermediate string // base64 of DER
	key                *rsa.PrivateKey
	keyID              string // with the SHA-256
}

func (p party) leaf() leaf {
	p.t.Helper()
	der := func(name string) []byte {
		block, _ := pem.Decode(p.metadata("identity/" + name).body)
		if block == nil {
			p.t.Fatalf("%s is not PEM", name)
		}
		return block.Bytes
	}
	cert := der("cert.pem")
	key, err := x509.ParsePKCS1PrivateKey(der("key.pem"))
	if err != nil {
		p.t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(cert)
	if err != nil {
		p.t.Fatal(err)
	}
	tenancy := ""
	for _, unit := range parsed.Subject.OrganizationalUnit {
		if name, value, _ := strings.Cut(unit, ":"); name == "opc-tenant" {
			tenancy = value
		}
	}
	sum := sha256.Sum256(cert)
	print := strings.ReplaceAll(fmt.Sprintf("% x", sum[:]), " ", ":")
	encode := base64.StdEncoding.EncodeToString
	return leaf{encode(cert), encode(der("intermediate.pem")), key, tenancy + "/fed-x509-sha256/" + print}
}

// federation is the body of a request for an instance's token.
func federation(t testing.TB, cert, intermediate, public, more string) string {
	t.Helper()
	return fmt.Sprintf(`{"certificate":%q,"intermediateCertificates":[%q],"publicKey":%q%s}`, cert, intermediate, public, more)
}

// token reads the token of the auth service's reply.
func (r reply) token(t testing.TB) string {
	t.Helper()
	token, _ := r.object(t)["token"].(string)
	if token == "" {
		t.Fatalf("no token: %d %s", r.status, r.body)
	}
	return token
}

// becomeInstance gets the instance's token, and returns it with the party that signs for it.
func (p party) becomeInstance() (party, string) {
	p.t.Helper()
	l := p.leaf()
	key, public := newSession(p.t)
	got := p.as(l.key).sendAs(l.keyID, "POST", "/v1/x509", federation(p.t, l.cert, l.intermediate, public, ""))
	return p.as(key), "ST$" + got.token(p.t)
}

const modelsPath = "/20231130/models?compartmentId=" + compartment

func TestMetadata(t *testing.T) {
	p := newParty(t, ocisim.Options{Region: "us-phoenix-1", Identity: ocisim.IdentityOptions{Instance: "ocid1.instance.oc1.phx.i"}})
	for path, want := range map[string]string{
		"instance/region": "phx", "instance/canonicalRegionName": "us-phoenix-1", "instance/id": "ocid1.instance.oc1.phx.i",
		"instance/regionInfo/regionKey": "PHX", "instance/regionInfo/realmDomainComponent": "oraclecloud.com",
	} {
		if got := p.metadata(path); got.status != 200 || string(got.body) != want {
			t.Errorf("%s: %d %q, want %q", path, got.status, got.body, want)
		}
	}
	for _, path := range []string{"instance", "instance/"} {
		if id := p.metadata(path).object(t)["id"]; id != "ocid1.instance.oc1.phx.i" {
			t.Errorf("%s: id %v", path, id)
		}
	}
	if got := p.metadata("instance/regionInfo").object(t)["regionIdentifier"]; got != "us-phoenix-1" {
		t.Errorf("regionInfo: %v", got)
	}
	for _, path := range []string{"instance/nothing", "instance/region/more", "identity/secret.pem", "elsewhere"} {
		if got := p.metadata(path); got.status != 404 {
			t.Errorf("%s: %d", path, got.status)
		}
	}
	newer := newParty(t, ocisim.Options{Region: "us-chicago-1"})
	if got := newer.metadata("instance/region"); string(got.body) != "us-chicago-1" {
		t.Errorf("a region without a short name is called %q", got.body)
	}
}

func TestMetadata_Rejects(t *testing.T) {
	p := newParty(t, ocisim.Options{})
	for name, try := range map[string]struct {
		method, path, header, value string
		status                      int
	}{
		"no header":         {"GET", "/opc/v2/instance/region", "", "", 403},
		"another header":    {"GET", "/opc/v2/identity/key.pem", "Authorization", "Bearer oracle", 403},
		"forwarded":         {"GET", "/opc/v2/instance/region", "X-Forwarded-For", "10.0.0.1", 403},
		"version 1":         {"GET", "/opc/v1/instance/region", "", "", 404},
		"something changed": {"PUT", "/opc/v2/instance/region", "", "", 405},
	} {
		r, err := http.NewRequest(try.method, p.url+try.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if name == "forwarded" {
			r.Header.Set("Authorization", "Bearer Oracle")
		}
		if try.header != "" {
			r.Header.Set(try.header, try.value)
		}
		if got := p.do(r); got.status != try.status {
			t.Errorf("%s: %d, want %d", name, got.status, try.status)
		}
	}
}

func TestFederation_TokenIsGoodUntilItExpires(t *testing.T) {
	p := newParty(t, ocisim.Options{Identity: ocisim.IdentityOptions{TokenLife: time.Minute}})
	instance, keyID := p.becomeInstance()
	if got := instance.sendAs(keyID, "GET", modelsPath, ""); got.status != 200 {
		t.Fatalf("with its token: %d %s", got.status, got.body)
	}
	if got := p.sendAs(keyID, "GET", modelsPath, ""); got.status != 401 {
		t.Errorf("with its token and another key: %d", got.status)
	}
	p.clock.move(59 * time.Second)
	if got := instance.sendAs(keyID, "GET", modelsPath, ""); got.status != 200 {
		t.Errorf("a second before it expires: %d", got.status)
	}
	p.clock.move(2 * time.Second)
	if got := instance.sendAs(keyID, "GET", modelsPath, ""); got.status != 401 {
		t.Errorf("a second after: %d", got.status)
	}
}

func TestFederation_Refuses(t *testing.T) {
	p := newParty(t, ocisim.Options{})
	l, other := p.leaf(), newParty(t, ocisim.Options{}).leaf()
	_, public := newSession(t)
	_, second := newSession(t)
	short, err := x509.MarshalPKIXPublicKey(&p.key.PublicKey) // 1024 bits
	if err != nil {
		t.Fatal(err)
	}
	good := federation(t, l.cert, l.intermediate, public, "")
	tenancy, _, _ := strings.Cut(l.keyID, "/")
	for name, try := range map[string]struct {
		key         *rsa.PrivateKey
		keyID, body string
		status      int
		code        string
	}{
		"the key of another":          {other.key, l.keyID, good, 401, "NotAuthenticated"},
		"the keyId of another":        {l.key, other.keyID, good, 401, "NotAuthenticated"},
		"an API key's keyId":          {l.key, keyID, good, 401, "NotAuthenticated"},
		"a tenancy without anything":  {l.key, tenancy, good, 401, "NotAuthenticated"},
		"a certificate from outside":  {other.key, other.keyID, federation(t, other.cert, other.intermediate, public, ""), 401, "NotAuthenticated"},
		"the wrong intermediate":      {l.key, l.keyID, federation(t, l.cert, other.intermediate, public, ""), 401, "NotAuthenticated"},
		"another purpose":             {l.key, l.keyID, federation(t, l.cert, l.intermediate, public, `,"purpose":"ELSE"`), 400, "InvalidParameter"},
		"another fingerprint":         {l.key, l.keyID, federation(t, l.cert, l.intermediate, public, `,"fingerprintAlgorithm":"MD5"`), 400, "InvalidParameter"},
		"a session key that is short": {l.key, l.keyID, federation(t, l.cert, l.intermediate, base64.StdEncoding.EncodeToString(short), ""), 400, "InvalidParameter"},
		"no session key":              {l.key, l.keyID, federation(t, l.cert, l.intermediate, "", ""), 400, "MissingParameter"},
		"no certificate":              {l.key, l.keyID, federation(t, "", l.intermediate, public, ""), 400, "MissingParameter"},
		"no JSON":                     {l.key, l.keyID, `{`, 400, "CannotParseRequest"},
	} {
		if status, code, _ := p.as(try.key).sendAs(try.keyID, "POST", "/v1/x509", try.body).failure(t); status != try.status || code != try.code {
			t.Errorf("%s: %d %s, want %d %s", name, status, code, try.status, try.code)
		}
	}

	signer := p.as(l.key)
	tampered, err := http.NewRequest("POST", p.url+"/v1/x509", strings.NewReader(strings.Replace(good, public, second, 1)))
	if err != nil {
		t.Fatal(err)
	}
	signer.signAs(tampered, []byte(good), time.Now(), l.keyID)
	if got := p.do(tampered); got.status != 401 {
		t.Errorf("with the session key swapped under the signature: %d", got.status)
	}
	if got := p.Identity().Requests()["x509"]; got.Requests == 0 || got.Refused != got.Requests {
		t.Errorf("counted %+v, all refused", got)
	}
}

func (p party) Identity() *ocisim.Identity { return p.sim.Identity() }

// prove asks a resource's service which resource it is.
func (p party) prove(keyID, resource string) reply {
	return p.sendAs(keyID, "GET", "/20180711/resourcePrincipalToken/"+resource, "")
}

// exchange gets a resource's token for the proof.
func (p party) exchange(keyID string, proof reply, public string) reply {
	p.t.Helper()
	var body map[string]string
	if err := json.Unmarshal(proof.body, &body); err != nil {
		p.t.Fatal(err)
	}
	body["sessionPublicKey"] = public
	text, err := json.Marshal(body)
	if err != nil {
		p.t.Fatal(err)
	}
	return p.sendAs(keyID, "POST", "/v1/resourcePrincipalSessionToken", string(text))
}

func TestResource_ChainOfParents(t *testing.T) {
	chain := []string{"ocid1.fnfunc.oc1..leaf", "ocid1.fnapp.oc1..parent", "ocid1.compartment.oc1..grandparent"}
	p := newParty(t, ocisim.Options{Identity: ocisim.IdentityOptions{Resources: chain}})
	caller, id := p.becomeInstance()
	for n, resource := range chain {
		proof := caller.prove(id, resource)
		if proof.status != 200 {
			t.Fatalf("%s: %d %s", resource, proof.status, proof.body)
		}
		wantParent := ""
		if n == 1 {
			wantParent = p.url + "/20180711/resourcePrincipalToken/" + chain[2]
		}
		if got := proof.header.Get("opc-parent-rpt-url"); got != wantParent {
			t.Errorf("the parent of %s is at %q, want %q", resource, got, wantParent)
		}
		key, public := newSession(t)
		token := caller.exchange(id, proof, public).token(t)
		caller, id = p.as(key), "ST$"+token
		if got := caller.sendAs(id, "GET", modelsPath, ""); got.status != 200 {
			t.Errorf("as %s: %d", resource, got.status)
		}
	}
	if err := p.Identity().SetPolicies([]identity.Policy{{Kind: identity.Resource, ID: chain[2]}}); err != nil {
		t.Fatal(err)
	}
	if got := caller.sendAs(id, "GET", modelsPath, ""); got.status != 200 {
		t.Errorf("the token is not that of %s: %d", chain[2], got.status)
	}
}

func TestResource_Refuses(t *testing.T) {
	chain := []string{"ocid1.fnfunc.oc1..leaf", "ocid1.fnapp.oc1..parent"}
	p := newParty(t, ocisim.Options{Identity: ocisim.IdentityOptions{Resources: chain, Instance: "ocid1.instance.oc1..i"}})
	instance, id := p.becomeInstance()
	for name, got := range map[string]reply{
		"a user": p.prove(keyID, chain[0]), "the instance for the parent": instance.prove(id, chain[1]), "an unknown resource": instance.prove(id, "ocid1.fnfunc.oc1..x"),
	} {
		if got.status != 404 {
			t.Errorf("%s: %d", name, got.status)
		}
	}
	if got := instance.prove(id, "ocid1.instance.oc1..i"); got.status != 200 {
		t.Errorf("the instance for itself: %d", got.status)
	}
	proof := instance.prove(id, chain[0])
	_, public := newSession(t)
	if got := p.exchange(keyID, proof, public); got.status != 401 {
		t.Errorf("a user with an instance's proof: %d", got.status)
	}
	if got := instance.exchange(id, proof, "no key"); got.status != 400 {
		t.Errorf("without a sound session key: %d", got.status)
	}
	if got := instance.sendAs(id, "POST", "/v1/resourcePrincipalSessionToken", `{"sessionPublicKey":"x"}`); got.status != 400 {
		t.Errorf("without a proof: %d", got.status)
	}
	p.clock.move(21 * time.Minute)
	fresh, freshID := p.becomeInstance()
	if got := fresh.exchange(freshID, proof, public); got.status != 401 {
		t.Errorf("with an expired proof: %d", got.status)
	}
}
