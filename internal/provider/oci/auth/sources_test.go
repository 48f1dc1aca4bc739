package auth_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tollgate/internal/provider/oci/auth"
)

// lookup is an environment of the given variables alone.
func lookup(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

// network answers calls by method and address; direct ones are told apart. What it does not know cannot be reached.
type network map[string]func(r *http.Request, body string) (int, string)

func (n network) way() auth.Way {
	return auth.Way{Upstream: trip{n, ""}, Direct: func(*x509.CertPool) http.RoundTripper { return trip{n, "direct "} }}
}

type trip struct {
	network
	how string
}

func (t trip) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
	}
	answer := t.network[t.how+r.Method+" "+r.URL.String()]
	if answer == nil {
		return nil, errors.New("connection refused")
	}
	status, text := answer(r, string(body))
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(text))}, nil
}

func says(status int, text string) func(*http.Request, string) (int, string) {
	return func(*http.Request, string) (int, string) { return status, text }
}

const imds = "direct GET " + auth.DefaultMetadataURL

// machine is an instance of OCI's in us-ashburn-1, whose region IMDS spells as a code.
func machine(t testing.TB, key *rsa.PrivateKey, subject string) network {
	cert := string(certificate(t, key, subject))
	return network{
		imds + "/instance/region": func(r *http.Request, _ string) (int, string) {
			if r.Header.Get("Authorization") != "Bearer Oracle" {
				return 403, "403 Forbidden"
			}
			return 200, "iad\n"
		},
		imds + "/identity/cert.pem": says(200, cert), imds + "/identity/key.pem": says(200, pkcs1PEM(key)), imds + "/identity/intermediate.pem": says(200, cert+cert),
	}
}

func certificate(t testing.TB, key *rsa.PrivateKey, subject string) []byte {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), Subject: pkix.Name{OrganizationalUnit: []string{"opc-certtype:instance", subject}}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

const federation = "POST https://auth.us-ashburn-1.oraclecloud.com/v1/x509"

func TestInstancePrincipal(t *testing.T) {
	n := machine(t, testKey(), "opc-tenant:"+testTenancy)
	var signed string
	expiry := time.Now().Add(20 * time.Minute).Truncate(time.Second)
	n[federation] = func(r *http.Request, body string) (int, string) {
		signed = r.Header.Get("Authorization")
		if strings.Count(body, `"intermediateCertificates":["`) != 1 || !strings.Contains(body, `"fingerprintAlgorithm":"SHA256"`) || strings.Contains(body, "BEGIN") {
			t.Errorf("body %s", body)
		}
		return 200, `{"token":"` + jwt(t, map[string]any{"exp": expiry.Unix()}) + `"}`
	}
	issued, err := auth.InstancePrincipal(lookup(), n.way()).Issue(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(issued.Snapshot.KeyID, "ST$eyJ") || !issued.Snapshot.Expiry.Equal(expiry) || issued.Region != "us-ashburn-1" || issued.Tenancy != testTenancy {
		t.Errorf("%+v", issued)
	}
	for _, part := range []string{`headers="date (request-target) content-length content-type x-content-sha256"`, `keyId="` + testTenancy + "/fed-x509-sha256/"} {
		if !strings.Contains(signed, part) {
			t.Errorf("signed without %s: %s", part, signed)
		}
	}
}

func TestInstancePrincipal_Errors(t *testing.T) {
	const tenant = "opc-tenant:" + testTenancy
	token := jwt(t, map[string]any{"exp": 1_900_000_000})
	tests := []struct {
		name   string
		change func(network)
		want   []string
	}{
		{"no machine of OCI's", func(n network) { clear(n) }, []string{"metadata service for /instance/region: connection refused", "machines of OCI alone", "hop limit"}},
		{"no version 2", func(n network) { n[imds+"/instance/region"] = says(404, "404 Not Found") }, []string{"it answered 404: 404 Not Found"}},
		{"a region that would be another host", func(n network) { n[imds+"/instance/region"] = says(200, "evil.example/") }, []string{`it answered "evil.example/"`}},
		{"no identity", func(n network) { n[imds+"/identity/cert.pem"] = says(404, "") }, []string{"/identity/cert.pem: it answered 404 Not Found"}},
		{"no certificate", func(n network) { n[imds+"/identity/cert.pem"] = says(200, pkcs1PEM(testKey())) }, []string{"cert.pem: no certificate"}},
		{"no tenancy", func(n network) {
			n[imds+"/identity/cert.pem"] = says(200, string(certificate(t, testKey(), "opc-instance:x")))
		}, []string{"does not name a tenancy"}},
		{"another key", func(n network) { n[imds+"/identity/key.pem"] = says(200, pkcs1PEM(otherKey())) }, []string{"not that of the certificate"}},
		{"no key", func(n network) { n[imds+"/identity/key.pem"] = says(200, "") }, []string{"key.pem: ", "empty"}},
		{"refused", func(n network) {
			n[federation] = says(401, `{"code":"NotAuthenticated","message":"The token `+token+` is not known."}`)
		}, []string{"auth service in us-ashburn-1", "it answered 401: NotAuthenticated The token *** is not known; ", "dynamic group", "clock"}},
		{"down", func(n network) { n[federation] = says(503, "<html>") }, []string{"it answered 503: <html>"}},
		{"an answer without a token", func(n network) { n[federation] = says(200, `{}`) }, []string{"the token is empty"}},
		{"no JSON", func(n network) { n[federation] = says(200, `null and void`) }, []string{"no JSON object with a token"}},
		{"an endless answer", func(n network) { n[federation] = says(200, strings.Repeat(" ", 1<<20)) }, []string{"larger than 262144 bytes"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n := machine(t, testKey(), tenant)
			tt.change(n)
			_, err := auth.InstancePrincipal(lookup(), n.way()).Issue(t.Context())
			for _, part := range tt.want {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("got %v, want %s", err, part)
				}
			}
			if err != nil && (strings.Contains(err.Error(), "eyJ") || strings.Contains(err.Error(), "MII")) {
				t.Errorf("a secret shows: %v", err)
			}
		})
	}
}

// Certificate and key are two questions; a rotation between them is asked again.
func TestInstancePrincipal_RotationBetween(t *testing.T) {
	n := machine(t, testKey(), "opc-tenant:"+testTenancy)
	old, asked := pkcs1PEM(otherKey()), 0
	n[imds+"/identity/key.pem"] = func(*http.Request, string) (int, string) {
		if asked++; asked == 1 {
			return 200, old
		}
		return 200, pkcs1PEM(testKey())
	}
	n[federation] = says(200, `{"token":"`+jwt(t, map[string]any{"exp": 1_900_000_000})+`"}`)
	if _, err := auth.InstancePrincipal(lookup(), n.way()).Issue(t.Context()); err != nil || asked != 2 {
		t.Errorf("%v after %d questions", err, asked)
	}
}

// writeAt writes a file whose path a test chooses.
func writeAt(t testing.TB, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Token and key on disk are replaced one after the other: what is torn is not taken, the pair before goes on.
func TestSessionToken_TornPair(t *testing.T) {
	keys := []*rsa.PrivateKey{testKey(), otherKey()}
	dir := t.TempDir()
	token, key := filepath.Join(dir, "token"), filepath.Join(dir, "key.pem")
	synctest.Test(t, func(t *testing.T) {
		text := func(k *rsa.PrivateKey, life time.Duration) string {
			return jwt(t, map[string]any{"exp": time.Now().Add(life).Unix(), "jwk": boundTo(&k.PublicKey), "tenant": testTenancy})
		}
		source, err := auth.SessionToken(auth.Profile{Name: "P", SecurityTokenFile: token, KeyFile: key, Region: "us-chicago-1"})
		if err != nil {
			t.Fatal(err)
		}
		writeAt(t, token, text(keys[0], time.Hour))
		writeAt(t, key, pkcs1PEM(keys[0]))
		r, log := newRenewing(t, source)
		first := snapshot(t, r)

		writeAt(t, token, text(keys[1], 2*time.Hour))
		time.Sleep(31 * time.Second)
		if got := snapshot(t, r); got != first || r.Status().Failures == 0 {
			t.Errorf("a token without its key: %v, %+v", got, r.Status())
		}
		writeAt(t, key, pkcs1PEM(keys[1]))
		time.Sleep(time.Minute)
		second := snapshot(t, r)
		if second == first || r.Status().Err != "" || r.Status().Renewals != 2 {
			t.Errorf("the new pair is not in force: %v, %+v", second, r.Status())
		}

		// A key alone, and then nothing more until the token expires: that is said in time, and after it.
		time.Sleep(time.Until(second.Expiry) - 4*time.Minute)
		synctest.Wait()
		if !strings.Contains(log.String(), "nobody has renewed it") {
			t.Errorf("log: %s", log)
		}
		time.Sleep(5 * time.Minute)
		_, err = r.Snapshot(t.Context())
		if err == nil || !strings.Contains(err.Error(), "the token expired at") || !strings.Contains(err.Error(), "oci session refresh --profile P") {
			t.Errorf("%v", err)
		}
		writeAt(t, token, text(keys[1], time.Hour))
		time.Sleep(2 * time.Minute)
		snapshot(t, r)
		if strings.Contains(log.String(), "eyJ") {
			t.Errorf("a token is in the log: %s", log)
		}
	})
}

func TestSessionToken_Errors(t *testing.T) {
	dir := t.TempDir()
	good := writeAt(t, filepath.Join(dir, "token"), jwt(t, map[string]any{"exp": time.Now().Add(time.Hour).Unix()}))
	key := writeAt(t, filepath.Join(dir, "key.pem"), pkcs1PEM(testKey()))
	tests := []struct {
		profile auth.Profile
		want    string
	}{
		{auth.Profile{}, "no security_token_file"},
		{auth.Profile{SecurityTokenFile: good}, "no key_file"},
		{auth.Profile{SecurityTokenFile: filepath.Join(dir, "none"), KeyFile: key}, "security_token_file, the file " + filepath.Join(dir, "none") + ": no such file"},
		{auth.Profile{SecurityTokenFile: key, KeyFile: key}, "security_token_file: the token has a character"},
		{auth.Profile{SecurityTokenFile: good, KeyFile: good}, "key_file: found no PEM block"},
		{auth.Profile{SecurityTokenFile: good, KeyFile: filepath.Join(dir, "none")}, "key_file, the file"},
	}
	for _, tt := range tests {
		source, err := auth.SessionToken(tt.profile)
		if err == nil {
			err = auth.NewRenewing(source, "p", nil).Check()
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v: got %v, want %s", tt.profile, err, tt.want)
		}
	}
}

func TestResourcePrincipal_Errors(t *testing.T) {
	const version, rpst, key = "OCI_RESOURCE_PRINCIPAL_VERSION", "OCI_RESOURCE_PRINCIPAL_RPST", "OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM"
	for want, env := range map[string][]string{
		"OCI_RESOURCE_PRINCIPAL_VERSION is not set":                               nil,
		`OCI_RESOURCE_PRINCIPAL_VERSION is "9"; 1.1, 2.2 and 3.0 are known`:       {version, "9"},
		"OCI_RESOURCE_PRINCIPAL_RPST is not set":                                  {version, "2.2"},
		"OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM is not set":                           {version, "2.2", rpst, "t"},
		"have to be both paths, or neither":                                       {version, "2.2", rpst, "t", key, "/k", key + "_PASSPHRASE", "p"},
		"OCI_RESOURCE_PRINCIPAL_RPT_ENDPOINT is not set":                          {version, "1.1"},
		"which is no address":                                                     {version, "1.1", "OCI_RESOURCE_PRINCIPAL_RPT_ENDPOINT", "ftp://x"},
		"OCI_RESOURCE_PRINCIPAL_RPT_URL_FOR_PARENT_RESOURCE is not set":           {version, "3.0"},
		`OCI_RESOURCE_PRINCIPAL_VERSION_FOR_LEAF_RESOURCE is ""; 1.1 and 2.2 are`: {version, "3.0", "OCI_RESOURCE_PRINCIPAL_RPT_URL_FOR_PARENT_RESOURCE", "https://p"},
	} {
		if _, err := auth.ResourcePrincipal(lookup(env...), network{}.way()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// Values that are no paths are the content, as functions get them; the key may have a passphrase.
func TestResourcePrincipal_Content(t *testing.T) {
	token := jwt(t, map[string]any{"exp": time.Now().Add(time.Hour).Unix(), "res_tenant": testTenancy})
	source, err := auth.ResourcePrincipal(lookup("OCI_RESOURCE_PRINCIPAL_VERSION", "2.2", "OCI_RESOURCE_PRINCIPAL_RPST", token,
		"OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM", strings.ReplaceAll(pkcs1PEM(testKey()), "\n", `\n`), "OCI_RESOURCE_PRINCIPAL_REGION", "PHX"), auth.Way{})
	if err != nil {
		t.Fatal(err)
	}
	issued, err := source.Issue(t.Context())
	if err != nil || issued.Snapshot.KeyID != "ST$"+token || issued.Region != "us-phoenix-1" || issued.Tenancy != testTenancy {
		t.Errorf("%+v, %v", issued, err)
	}
}

// A chain that never ends, or leads to an address that is none, ends.
func TestResourcePrincipal_Chain(t *testing.T) {
	token := jwt(t, map[string]any{"exp": time.Now().Add(time.Hour).Unix()})
	env := lookup("OCI_RESOURCE_PRINCIPAL_VERSION", "3.0", "OCI_RESOURCE_PRINCIPAL_VERSION_FOR_LEAF_RESOURCE", "2.2",
		"OCI_RESOURCE_PRINCIPAL_RPST_FOR_LEAF_RESOURCE", token, "OCI_RESOURCE_PRINCIPAL_PRIVATE_PEM_FOR_LEAF_RESOURCE", pkcs1PEM(testKey()),
		"OCI_RESOURCE_PRINCIPAL_RPT_URL_FOR_PARENT_RESOURCE", "https://rpt.example/0", "OCI_RESOURCE_PRINCIPAL_RPST_ENDPOINT_FOR_PARENT_RESOURCE", "https://rpst.example/ignored")
	for parent, want := range map[string]struct {
		asked int
		err   string
	}{
		"": {1, ""}, "https://rpt.example/0": {1, ""}, "https://rpt.example/1": {10, ""}, "file:///etc/passwd": {1, "no address of http or https"},
	} {
		asked := 0
		chain := chained(func(r *http.Request) (*http.Response, error) {
			text, header := `{"token":"`+token+`"}`, http.Header{}
			if r.URL.Host == "rpt.example" {
				asked++
				next := parent
				if parent == "https://rpt.example/1" && r.URL.Path == "/1" {
					next = "https://rpt.example/2"
				}
				text = `{"resourcePrincipalToken":"r","servicePrincipalSessionToken":"s"}`
				header.Set("Opc-Parent-Rpt-Url", next)
			} else if r.URL.String() != "https://rpst.example/v1/resourcePrincipalSessionToken" {
				t.Errorf("asked %s", r.URL)
			}
			return &http.Response{StatusCode: 200, Header: header, Body: io.NopCloser(strings.NewReader(text))}, nil
		})
		source, err := auth.ResourcePrincipal(env, auth.Way{Upstream: chain})
		if err != nil {
			t.Fatal(err)
		}
		_, err = source.Issue(t.Context())
		if asked != want.asked || (want.err == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want.err) {
			t.Errorf("parent %q: asked %d times, %v", parent, asked, err)
		}
	}
}

type chained func(*http.Request) (*http.Response, error)

func (c chained) RoundTrip(r *http.Request) (*http.Response, error) { return c(r) }

func TestWorkloadIdentity_Errors(t *testing.T) {
	dir := t.TempDir()
	ca := writeAt(t, filepath.Join(dir, "ca.crt"), string(certificate(t, testKey(), "ca")))
	account := writeAt(t, filepath.Join(dir, "token"), jwt(t, map[string]any{"exp": time.Now().Add(time.Hour).Unix()})+"\n")
	old := writeAt(t, filepath.Join(dir, "old"), jwt(t, map[string]any{"exp": 1}))
	const endpoint = "direct POST https://[fd00::1]:12250/resourcePrincipalSessionTokens"
	inner := func(text string) string { return `"` + base64.StdEncoding.EncodeToString([]byte(text)) + `"` }
	tests := []struct {
		name, account, ca string
		answer            func(*http.Request, string) (int, string)
		want              []string
	}{
		{"no token mounted", filepath.Join(dir, "none"), ca, nil, []string{"the service account's token, the file", "no such file", "automountServiceAccountToken"}},
		{"an expired token", old, ca, nil, []string{"it expired at 1970-01-01T00:00:01Z"}},
		{"no CA", account, account, nil, []string{"the cluster's CA", "no certificate"}},
		{"not reached", account, ca, nil, []string{"ask [fd00::1]:12250 for a token", "connection refused", "port 12250 of the API server"}},
		{"a basic cluster", account, ca, says(403, "no."), []string{"it answered 403: no; workload identity needs an enhanced cluster"}},
		{"an account that is not known", account, ca, says(401, `{"code":"NotAuthenticated","message":"no"}`), []string{"401: NotAuthenticated no", "service account"}},
		{"no JSON string", account, ca, says(200, `{"token":"x"}`), []string{"no JSON string"}},
		{"no base64", account, ca, says(200, `"%"`), []string{"no base64"}},
		{"no object", account, ca, says(200, inner("[]")), []string{"no JSON object with a token"}},
		{"no token", account, ca, says(200, inner("{}")), []string{"the token is empty"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			source, err := auth.WorkloadIdentity(lookup("KUBERNETES_SERVICE_HOST", "fd00::1", "OCI_KUBERNETES_SERVICE_ACCOUNT_CERT_PATH", tt.ca,
				"OCI_KUBERNETES_SERVICE_ACCOUNT_TOKEN_PATH", tt.account), network{endpoint: tt.answer}.way())
			if err != nil {
				t.Fatal(err)
			}
			_, err = source.Issue(context.Background())
			for _, part := range tt.want {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("got %v, want %s", err, part)
				}
			}
			if mounted := tt.account != filepath.Join(dir, "none"); mounted && err != nil && strings.Contains(err.Error(), "automountServiceAccountToken") {
				t.Errorf("a file that is mounted is told to be mounted: %v", err)
			}
		})
	}
	if _, err := auth.WorkloadIdentity(lookup(), auth.Way{}); err == nil || !strings.Contains(err.Error(), "KUBERNETES_SERVICE_HOST is not set") {
		t.Errorf("outside of Kubernetes: %v", err)
	}
}
