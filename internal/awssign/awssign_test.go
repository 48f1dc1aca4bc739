package awssign_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/internal/awssign"
	"tollgate/internal/recorder/guardrails"
	"tollgate/internal/secret"
)

// The published vectors: AWS's signature test suite (get-vanilla, get-vanilla-query-order-key), and the examples of S3's
// documentation ("Examples of the complete Version 4 signing process").
func TestSign_vectors(t *testing.T) {
	const suite, s3 = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	empty := awssign.Hash(nil)
	tests := []struct {
		name, key, secret, service, method, url, date string
		header                                        http.Header
		payload, want                                 string
	}{
		{"get-vanilla", "AKIDEXAMPLE", suite, "service", "GET", "https://example.amazonaws.com/", "20150830T123600Z", nil, empty,
			"SignedHeaders=host;x-amz-date, Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"s3 get object", "AKIAIOSFODNN7EXAMPLE", s3, "s3", "GET", "https://examplebucket.s3.amazonaws.com/test.txt", "20130524T000000Z", http.Header{"Range": {"bytes=0-9"}}, empty,
			"SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"},
		{"s3 lifecycle", "AKIAIOSFODNN7EXAMPLE", s3, "s3", "GET", "https://examplebucket.s3.amazonaws.com/?lifecycle", "20130524T000000Z", nil, empty,
			"SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, err := awssign.New(awssign.Options{AccessKey: test.key, Secret: secret.New(test.secret), Region: "us-east-1"})
			if err != nil {
				t.Fatal(err)
			}
			at, err := time.Parse("20060102T150405Z", test.date)
			if err != nil {
				t.Fatal(err)
			}
			r := httptest.NewRequest(test.method, test.url, http.NoBody)
			if r.Header = test.header; r.Header == nil {
				r.Header = http.Header{}
			}
			if err := s.Sign(t.Context(), r, test.payload, test.service, at); err != nil {
				t.Fatal(err)
			}
			if got := r.Header.Get("Authorization"); !strings.HasSuffix(got, test.want) {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

var base = guardrails.Keys{AccessKey: "AKIDBASE", Secret: "base-secret-0123456789"}

// world is an STS, whose issued keys end when expiry says, and a clock.
type world struct {
	sts *guardrails.Server
	now atomic.Int64
}

func (w *world) clock() time.Time { return time.Unix(0, w.now.Load()) }

func newWorld(t *testing.T, lasts time.Duration) *world {
	w := &world{}
	start := time.Now()
	w.now.Store(start.UnixNano())
	w.sts = guardrails.STS(t, guardrails.STSOptions{
		Region: "eu-central-1", Keys: []guardrails.Keys{base}, Role: "arn:aws:iam::1:role/r", Identity: "a.b.c",
		Issued: guardrails.Keys{AccessKey: "ASIAISSUED", Secret: "issued-secret", Token: "issued-token"}, Expiration: start.Add(lasts).UTC().Format(time.RFC3339),
	})
	return w
}

func (w *world) open(t *testing.T, o awssign.Options) *awssign.Signer {
	t.Helper()
	o.Region, o.STS, o.Now = "eu-central-1", w.sts.URL, w.clock
	if o.Client == nil {
		o.Client = http.DefaultClient
	}
	s, err := awssign.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// signedBy signs a request and tells the access key and the session token of it.
func signedBy(t *testing.T, s *awssign.Signer) string {
	t.Helper()
	r := httptest.NewRequest(http.MethodPut, "https://bucket.example/key", strings.NewReader("x"))
	if err := s.Sign(t.Context(), r, awssign.UnsignedPayload, "s3", time.Now()); err != nil {
		t.Fatal(err)
	}
	if r.Header.Get("X-Amz-Content-Sha256") != "UNSIGNED-PAYLOAD" {
		t.Error("S3 is not told of the payload")
	}
	_, credential, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	key, _, _ := strings.Cut(credential, "/")
	return key + " " + r.Header.Get("X-Amz-Security-Token")
}

func TestRole_isTakenOnOnce(t *testing.T) {
	w := newWorld(t, time.Hour)
	s := w.open(t, awssign.Options{AccessKey: base.AccessKey, Secret: secret.New(base.Secret), Role: "arn:aws:iam::1:role/r"})
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			if got := signedBy(t, s); got != "ASIAISSUED issued-token" {
				t.Errorf("signed by %s", got)
			}
		})
	}
	group.Wait()
	if n := len(w.sts.Calls()); n != 1 {
		t.Errorf("%d calls of STS", n)
	}
}

type tripper func(r *http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Before their end the credentials are renewed beside the calls.
func TestRole_isRenewed(t *testing.T) {
	w := newWorld(t, time.Hour)
	answered := make(chan struct{}, 10)
	client := &http.Client{Transport: tripper(func(r *http.Request) (*http.Response, error) {
		resp, err := http.DefaultTransport.RoundTrip(r)
		answered <- struct{}{}
		return resp, err
	})}
	s := w.open(t, awssign.Options{WebIdentity: "a.b.c", Role: "arn:aws:iam::1:role/r", Client: client})
	signedBy(t, s)
	<-answered
	w.now.Add(int64(56 * time.Minute))
	signedBy(t, s) // with what is there
	select {
	case <-answered:
	case <-time.After(10 * time.Second):
		t.Fatal("nobody renews")
	}
}

// What has ended is not used, and neither is what has ended when it comes.
func TestRole_hasEnded(t *testing.T) {
	w := newWorld(t, time.Hour)
	s := w.open(t, awssign.Options{WebIdentity: "a.b.c", Role: "arn:aws:iam::1:role/r"})
	signedBy(t, s)
	w.now.Add(int64(2 * time.Hour))
	r := httptest.NewRequest(http.MethodGet, "https://bucket.example/", http.NoBody)
	if err := s.Sign(t.Context(), r, awssign.Hash(nil), "s3", time.Now()); err == nil || !strings.Contains(err.Error(), "expired already") || len(w.sts.Calls()) != 2 {
		t.Errorf("got %v after %d calls", err, len(w.sts.Calls()))
	}
}

func TestRole_refusal(t *testing.T) {
	w := newWorld(t, time.Hour)
	w.sts.Lenient()
	s := w.open(t, awssign.Options{AccessKey: base.AccessKey, Secret: secret.New("wrong-secret"), Role: "arn:aws:iam::1:role/r"})
	r := httptest.NewRequest(http.MethodGet, "https://bucket.example/", http.NoBody)
	err := s.Sign(t.Context(), r, awssign.Hash(nil), "s3", time.Now())
	if err == nil || !strings.Contains(err.Error(), "403 SignatureDoesNotMatch") || strings.Contains(err.Error(), "wrong-secret") {
		t.Errorf("got %v", err)
	}
}

func TestProfiles(t *testing.T) {
	w := newWorld(t, time.Hour)
	dir := t.TempDir()
	config, credentials := filepath.Join(dir, "config"), filepath.Join(dir, "credentials")
	write(t, config, `
[default]
region = eu-west-1
[profile role]
role_arn = arn:aws:iam::1:role/r
source_profile = base
region = eu-central-1
s3 =
  addressing_style = path
[profile circle]
role_arn = arn:aws:iam::1:role/r
source_profile = circle2
[profile circle2]
role_arn = arn:aws:iam::1:role/r
source_profile = circle
[profile sso]
sso_start_url = https://example.awsapps.com/start
`)
	write(t, credentials, fmt.Sprintf(`
[default]
aws_access_key_id = AKIDDEFAULT ; the usual one
aws_secret_access_key = s
[base]
aws_access_key_id=%s
aws_secret_access_key=%s
`, base.AccessKey, base.Secret))
	env := map[string]string{"AWS_CONFIG_FILE": config, "AWS_SHARED_CREDENTIALS_FILE": credentials}
	open := func(profile string) (*awssign.Signer, error) {
		return awssign.New(awssign.Options{Profile: profile, STS: w.sts.URL, Client: http.DefaultClient, Getenv: func(name string) string { return env[name] }})
	}
	s, err := open("role")
	if err != nil {
		t.Fatal(err)
	}
	if got := signedBy(t, s); got != "ASIAISSUED issued-token" || s.Region() != "eu-central-1" {
		t.Errorf("signed by %s in %s", got, s.Region())
	}
	if s, err := open(""); err != nil || s.Region() != "eu-west-1" {
		t.Errorf("the default profile: %v", err)
	}
	for profile, want := range map[string]string{"circle": "in a circle", "sso": "sso_start_url is not supported", "nobody": `no profile "nobody"`} {
		if _, err := open(profile); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", profile, err)
		}
	}
}

func TestSurroundings(t *testing.T) {
	expires := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	keys := func(name string) string {
		return `{"AccessKeyId":"` + name + `","SecretAccessKey":"s","Token":"token","Expiration":"` + expires + `"}`
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method + " " + r.URL.Path + " " + r.Header.Get("Authorization") + r.Header.Get("X-Aws-Ec2-Metadata-Token") {
		case "GET /pod token-of-the-pod":
			io.WriteString(w, keys("ASIAPOD"))
		case "PUT /latest/api/token ":
			io.WriteString(w, "metadata-token")
		case "GET /latest/meta-data/iam/security-credentials/ metadata-token":
			io.WriteString(w, "my-role\n")
		case "GET /latest/meta-data/iam/security-credentials/my-role metadata-token":
			io.WriteString(w, keys("ASIAMACHINE"))
		default:
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	defer server.Close()
	token := filepath.Join(t.TempDir(), "token")
	write(t, token, "token-of-the-pod\n")
	for want, env := range map[string]map[string]string{
		"ASIAPOD token":     {"AWS_CONTAINER_CREDENTIALS_FULL_URI": server.URL + "/pod", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": token},
		"ASIAMACHINE token": {"AWS_EC2_METADATA_SERVICE_ENDPOINT": server.URL},
	} {
		s, err := awssign.New(awssign.Options{Region: "r", Direct: http.DefaultClient, Getenv: func(name string) string { return env[name] }})
		if err != nil {
			t.Fatal(err)
		}
		if got := signedBy(t, s); got != want {
			t.Errorf("signed by %s, not %s", got, want)
		}
	}
	for address, fine := range map[string]bool{
		"http://169.254.170.23/v1/credentials": true, "http://[::1]/x": true, "https://keys.example/x": true, "http://keys.example/x": false, "http://10.0.0.1/x": false, "file:///x": false,
	} {
		_, err := awssign.New(awssign.Options{Getenv: func(name string) string {
			return map[string]string{"AWS_CONTAINER_CREDENTIALS_FULL_URI": address}[name]
		}})
		if (err == nil) != fine {
			t.Errorf("%s: %v", address, err)
		}
	}
	if _, err := awssign.New(awssign.Options{Getenv: func(name string) string {
		return map[string]string{"AWS_EC2_METADATA_DISABLED": "true"}[name]
	}}); err == nil || !strings.Contains(err.Error(), "no credentials") {
		t.Errorf("got %v", err)
	}
}

func TestNew_contradictions(t *testing.T) {
	for want, o := range map[string]awssign.Options{
		"only one is given":            {AccessKey: "a"},
		"no role to take on":           {WebIdentity: "a.b.c"},
		"is no ARN":                    {AccessKey: "a", Secret: secret.New("b"), Role: "role"},
		"expected http:// or https://": {AccessKey: "a", Secret: secret.New("b"), Role: "arn:aws:iam::1:role/r", STS: "sts"},
	} {
		if _, err := awssign.New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
	s, err := awssign.New(awssign.Options{AccessKey: "a", Secret: secret.New("b")})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Sign(t.Context(), httptest.NewRequest("GET", "https://x.example/", http.NoBody), awssign.Hash(nil), "s3", time.Now()); err == nil || !strings.Contains(err.Error(), "no region") {
		t.Errorf("got %v", err)
	}
}

// What is signed can be signed again, for another attempt.
func TestSign_again(t *testing.T) {
	o := guardrails.BedrockOptions{Region: "eu-central-1", Guardrail: "g", Version: "1", Keys: []guardrails.Keys{base}}
	bedrock := guardrails.Bedrock(t, o)
	s, err := awssign.New(awssign.Options{AccessKey: base.AccessKey, Secret: secret.New(base.Secret), Region: "eu-central-1"})
	if err != nil {
		t.Fatal(err)
	}
	body := []byte(`{"source":"INPUT","content":[{"text":{"text":"Hello"}}]}`)
	r, err := http.NewRequest(http.MethodPost, bedrock.URL+"/guardrail/g/version/1/apply", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for range 2 {
		r.Body = io.NopCloser(bytes.NewReader(body))
		if err := s.Sign(t.Context(), r, awssign.Hash(body), "bedrock", time.Now()); err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("answered %d", resp.StatusCode)
		}
	}
}

func FuzzProfile(f *testing.F) {
	f.Add("[default]\naws_access_key_id = a\naws_secret_access_key = b\n")
	f.Add("[profile x\n= =\n[]\n[default] # x\n role_arn=")
	f.Fuzz(func(t *testing.T, text string) {
		file := filepath.Join(t.TempDir(), "credentials")
		write(t, file, text)
		_, _ = awssign.New(awssign.Options{Getenv: func(name string) string { // must not panic
			return map[string]string{"AWS_SHARED_CREDENTIALS_FILE": file, "AWS_EC2_METADATA_DISABLED": "true"}[name]
		}})
	})
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
