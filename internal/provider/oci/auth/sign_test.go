package auth_test

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/internal/provider/oci/auth"
)

const testKeyID = "tenancy/user/aa:bb"

func testSnapshot(t testing.TB) auth.Snapshot {
	return auth.Snapshot{KeyID: testKeyID, Key: mustKey(t, testKey())}
}

// TestSign_ServerVerifies sends signed requests over real connections: what was
// signed must be what arrives, whatever net/http does on the way.
func TestSign_ServerVerifies(t *testing.T) {
	keys := map[string]*rsa.PublicKey{testKeyID: &testKey().PublicKey}
	var signed []string // by the last request; the handler has returned before it is read
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var err error
		if signed, err = verify(r, keys, time.Now()); err != nil {
			http.Error(w, err.Error(), http.StatusUnauthorized)
		}
	})
	requests := []struct {
		name, method, target string
		segments             []string
		host                 string
		set                  http.Header
		extra                []string
	}{
		{name: "chat", method: "POST", target: "/20231130/actions/chat", segments: []string{`{"a":1}`}},
		{name: "body in pieces", method: "POST", target: "/20231130/actions/chat", segments: []string{`{"a":`, ``, `"` + strings.Repeat("x", 70000), `"}`}},
		{name: "empty body", method: "POST", target: "/x"},
		{name: "put", method: "PUT", target: "/x", segments: []string{"p"}},
		{name: "patch", method: "PATCH", target: "/x", segments: []string{"p"}},
		{name: "get", method: "GET", target: "/20231130/models?compartmentId=ocid1.x&capability=CHAT"},
		{name: "delete", method: "DELETE", target: "/x/y"},
		{name: "head", method: "HEAD", target: "/x"},
		{name: "root", method: "GET", target: ""},
		{name: "raw query kept", method: "GET", target: "/a?b=%7e&c=a+b&d=%2F/&&e"},
		{name: "empty query kept", method: "GET", target: "/a?"},
		{name: "escaped path kept", method: "POST", target: "/a%2Fb/%E4%B8%96/c%20d;e", segments: []string{"1"}},
		{name: "fragment not sent", method: "GET", target: "/a#b"},
		{name: "other host", method: "POST", target: "/a", host: "inference.example.com:8443", segments: []string{"1"}},
		{name: "content type kept", method: "POST", target: "/a", segments: []string{"1"}, set: http.Header{"Content-Type": {"text/plain; charset=utf-8"}}},
		{name: "old credentials replaced", method: "POST", target: "/a", segments: []string{"1"}, set: http.Header{"Authorization": {"Bearer sk-1"}, "X-Api-Key": {"sk-2"}, "Date": {"yesterday"}}},
		{name: "extra header", method: "POST", target: "/a", segments: []string{"1"}, set: http.Header{"Opc-Obo-Token": {"tok"}}, extra: []string{"Opc-Obo-Token"}},
		{name: "extra header twice", method: "GET", target: "/a", set: http.Header{"X-Many": {"1", "2"}}, extra: []string{"x-many"}},
	}
	for _, http2 := range []bool{false, true} {
		server := httptest.NewUnstartedServer(handler)
		server.EnableHTTP2 = http2
		server.StartTLS()
		defer server.Close()
		client := server.Client()
		for _, tt := range requests {
			t.Run(fmt.Sprintf("%s/http2=%v", tt.name, http2), func(t *testing.T) {
				raw := make([][]byte, len(tt.segments))
				for i, s := range tt.segments {
					raw[i] = []byte(s)
				}
				req, err := http.NewRequest(tt.method, server.URL+tt.target, bytes.NewReader(bytes.Join(raw, nil)))
				if err != nil {
					t.Fatal(err)
				}
				for name, values := range tt.set {
					req.Header[name] = values
				}
				if tt.host != "" {
					req.Host = tt.host
				}
				req.Header.Set("Opc-Compartment-Id", "ocid1.compartment.oc1..x")
				if err := auth.SignRequest(req, testSnapshot(t), auth.HashBody(raw...), time.Now(), tt.extra...); err != nil {
					t.Fatal(err)
				}
				if req.Header.Get("X-Api-Key") != "" {
					t.Error("X-Api-Key is still there")
				}
				resp, err := client.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				text, _ := io.ReadAll(resp.Body)
				if resp.StatusCode != http.StatusOK {
					t.Fatalf("%s: %s", resp.Status, text)
				}
				if slices.Contains(signed, "opc-compartment-id") {
					t.Error("opc-compartment-id is in the signed list; Oracle's clients send it unsigned")
				}
				if want := len(tt.extra); len(signed) != 3+want && len(signed) != 6+want {
					t.Errorf("signed %v", signed)
				}
			})
		}
	}
}

func TestSign_TamperedIsRefused(t *testing.T) {
	keys := map[string]*rsa.PublicKey{testKeyID: &testKey().PublicKey}
	now := time.Now()
	body := `{"max":1}`
	tests := []struct {
		name   string
		change func(*http.Request)
	}{
		{"body", func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(`{"max":2}`)) }},
		{"target", func(r *http.Request) { r.RequestURI = "/b" }},
		{"host", func(r *http.Request) { r.Host = "elsewhere.example.com" }},
		{"method", func(r *http.Request) { r.Method = "PUT" }},
		{"date", func(r *http.Request) { r.Header.Set("Date", now.Add(time.Minute).UTC().Format(http.TimeFormat)) }},
		{"content type", func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req := httptest.NewRequest("POST", "https://x.example.com/a", strings.NewReader(body))
			req.RequestURI = "/a"
			if err := auth.SignRequest(req, testSnapshot(t), auth.HashBody([]byte(body)), now); err != nil {
				t.Fatal(err)
			}
			tt.change(req)
			if _, err := verify(req, keys, now); err == nil {
				t.Error("verified")
			}
		})
	}
}

// TestSign_Again signs the same request for a second attempt, with a renewed
// credential and a later clock.
func TestSign_Again(t *testing.T) {
	body := []byte("{}")
	req, err := http.NewRequest("POST", "https://x.example.com/a", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	hash := auth.HashBody(body)
	t0 := time.Date(2026, 11, 24, 12, 0, 0, 0, time.FixedZone("CET", 3600))
	if err := auth.SignRequest(req, testSnapshot(t), hash, t0); err != nil {
		t.Fatal(err)
	}
	if got, want := req.Header.Get("Date"), "Tue, 24 Nov 2026 11:00:00 GMT"; got != want {
		t.Errorf("Date: got %q, want %q", got, want)
	}
	earlier := req.Header.Clone()

	renewed := auth.Snapshot{KeyID: "ST$new", Key: mustKey(t, otherKey())}
	if err := auth.SignRequest(req, renewed, hash, t0.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	req.RequestURI = "/a"
	if _, err := verify(req, map[string]*rsa.PublicKey{"ST$new": &otherKey().PublicKey}, t0.Add(time.Hour)); err != nil {
		t.Error(err)
	}
	if got, want := earlier.Get("Date"), "Tue, 24 Nov 2026 11:00:00 GMT"; got != want {
		t.Errorf("the first attempt's header changed under it: Date %q, want %q", got, want)
	}
}

func TestSign_Refuses(t *testing.T) {
	good := testSnapshot(t)
	failing := errors.New("token is out of battery")
	tests := []struct {
		name  string
		snap  auth.Snapshot
		body  string // of the request
		hash  auth.Body
		extra []string
		want  string
	}{
		{name: "no key", want: "the credential has no key"},
		{name: "hash of another body", snap: good, body: "12345", hash: auth.HashBody([]byte("1234")), want: "the hash covers 4 bytes, the request carries 5"},
		{name: "extra header absent", snap: good, extra: []string{"Opc-Obo-Token"}, want: "header Opc-Obo-Token is to be signed but not set"},
		{name: "signer fails", snap: auth.Snapshot{KeyID: "k", Key: brokenSigner{failing}}, want: "oci: sign: token is out of battery"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequest("POST", "https://x.example.com/", strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			err = auth.SignRequest(req, tt.snap, tt.hash, time.Now(), tt.extra...)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if req.Header.Get("Authorization") != "" {
				t.Error("a request that was not signed has an Authorization")
			}
		})
	}

	t.Run("unhashed stream", func(t *testing.T) {
		req, err := http.NewRequest("POST", "https://x.example.com/", io.MultiReader(strings.NewReader("1")))
		if err != nil {
			t.Fatal(err)
		}
		if err := auth.SignRequest(req, good, auth.Body{}, time.Now()); err == nil {
			t.Error("signed as empty")
		}
	})
}

type brokenSigner struct{ err error }

func (s brokenSigner) SignDigest([sha256.Size]byte) ([]byte, error) { return nil, s.err }

func TestBody(t *testing.T) {
	whole := auth.HashBody([]byte("hello world"))
	if pieces := auth.HashBody([]byte("hello"), nil, []byte(" world")); pieces != whole {
		t.Errorf("in pieces %v, whole %v", pieces, whole)
	}
	if sum := auth.BodyFromSum(sha256.Sum256([]byte("hello world")), 11); sum != whole {
		t.Errorf("from sum %v, whole %v", sum, whole)
	}
	if whole.Len() != 11 || (auth.Body{}).Len() != 0 {
		t.Errorf("lengths %d and %d, want 11 and 0", whole.Len(), auth.Body{}.Len())
	}
}

// TestKey_SameBytesAsGo holds for every build: PKCS#1 v1.5 leaves no choice.
func TestKey_SameBytesAsGo(t *testing.T) {
	for _, bits := range []int{1024, 2048, 2056, 3072, 4096} {
		private := testKey()
		if bits != 2048 {
			private = mustGenerate(bits)
		}
		key := mustKey(t, private)
		for i := range 20 {
			digest := sha256.Sum256(fmt.Appendf(nil, "message %d", i))
			want, err := rsa.SignPKCS1v15(nil, private, crypto.SHA256, digest[:])
			if err != nil {
				t.Fatal(err)
			}
			got, err := key.SignDigest(digest)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("%d bits, message %d: engine %s differs from crypto/rsa", bits, i, auth.Engine)
			}
		}
	}
}

// TestSecretsDoNotPrint formats what holds a secret in every way that logs use.
func TestSecretsDoNotPrint(t *testing.T) {
	text := pkcs1PEM(testKey())
	secrets := []string{text[100:140], "s3cret-pass", "eyJtoken", testKey().D.String()[:20]}
	profile := auth.Profile{Name: "P", KeyContent: text, Passphrase: "s3cret-pass"}
	options := auth.APIKeyOptions{KeyPEM: text, Passphrase: "s3cret-pass"}
	token := auth.Snapshot{KeyID: "ST$eyJtoken", Key: mustKey(t, testKey()), Expiry: time.Unix(0, 0)}
	for _, value := range []any{profile, &profile, options, &options, token, &token, mustKey(t, testKey())} {
		asJSON, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		var logged bytes.Buffer
		slog.New(slog.NewTextHandler(&logged, nil)).Info("x", "value", value)
		for _, out := range []string{
			logged.String(),
			fmt.Sprintf("%v %+v %#v %s %q", value, value, value, value, value),
			fmt.Sprint([]any{value}), string(asJSON),
		} {
			for _, secret := range secrets {
				if strings.Contains(out, secret) {
					t.Errorf("%T shows %q in %s", value, secret, out)
				}
			}
		}
	}
}

// TestSign_Allocations keeps the signer's own share at what the request keeps.
func TestSign_Allocations(t *testing.T) {
	body := bytes.Repeat([]byte("x"), 4096)
	hash := auth.HashBody(body)
	req, err := http.NewRequest("POST", genAIHost+"/20231130/actions/chat", nil)
	if err != nil {
		t.Fatal(err)
	}
	snap := auth.Snapshot{KeyID: testTenancy + "/" + testUser + "/aa:bb", Key: constantSigner(make([]byte, 256))}
	now := time.Now()
	got := testing.AllocsPerRun(100, func() {
		req.Header = http.Header{}
		if err := auth.SignRequest(req, snap, hash, now); err != nil {
			t.Fatal(err)
		}
	})
	// Date, Authorization and the array of values; the test's new header map takes two.
	if got > 5 {
		t.Errorf("%v allocations, want at most 5", got)
	}
}

type constantSigner []byte

func (s constantSigner) SignDigest([sha256.Size]byte) ([]byte, error) { return s, nil }
