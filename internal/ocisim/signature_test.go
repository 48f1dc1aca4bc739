package ocisim_test

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"tollgate/internal/ocisim"
)

// publishedKey reads the test key that Oracle publishes with its signing vectors out of the SDK in the module cache. It
// is worthless as a secret, yet no key belongs into a repository.
func publishedKey(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/oracle/oci-go-sdk/v65").Output()
	if err != nil {
		t.Fatalf("the OCI Go SDK is not in the module cache: %v", err)
	}
	source, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "common", "http_signer_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(`(?s)-----BEGIN RSA PRIVATE KEY-----.*?-----END RSA PRIVATE KEY-----`).Find(source)
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatal("the SDK's test holds no PEM key")
	}
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

const (
	vectorCompartment = "ocid1.compartment.oc1..aaaaaaaam3we6vgnherjq5q2idnccdflvjsnog7mlr6rtdb25gilchfeyjxa"
	vectorVolume      = "ocid1.volume.oc1.phx.abyhqljrgvttnlx73nmrwfaux7kcvzfs3s66izvxf2h4lgvyndsdsnoiwr5q"
	getNames          = "date (request-target) host"
	postNames         = "date (request-target) host content-length content-type x-content-sha256"
	vectorKeyID       = "ocid1.tenancy.oc1..v/ocid1.user.oc1..v/73:61:a2:21:67:e0:df:be:7e:4b:93:1e:15:98:a5:b7"
)

// vector is a published signature. A and B are in Oracle's documentation and in the SDK's tests, C to E were made with
// the SDK's signer and the same key.
type vector struct {
	name, method, host, target, date, body, sha256, signature string

	// status and code are what the simulator answers once the signature has passed.
	status int
	code   string
}

var vectors = []vector{
	{
		name: "A", method: "GET", host: "iaas.us-phoenix-1.oraclecloud.com", date: "Thu, 05 Jan 2014 21:31:40 GMT",
		target: "/20160918/instances?availabilityDomain=Pjwf%3A%20PHX-AD-1&compartmentId=" + vectorCompartment +
			"&displayName=TeamXInstances&volumeId=" + vectorVolume,
		signature: "GBas7grhyrhSKHP6AVIj/h5/Vp8bd/peM79H9Wv8kjoaCivujVXlpbKLjMPeDUhxkFIWtTtLBj3sUzaFj34XE6YZAHc9r2DmE4pMwOAy/kiITcZxa1oHPOeRheC0jP2dqbTll8fmTZVwKZOKHYPtrLJIJQHJjNvxFWeHQjMaR7M=",
		status:    404, code: "NotFound",
	},
	{
		name: "B", method: "POST", host: "iaas.us-phoenix-1.oraclecloud.com", date: "Thu, 05 Jan 2014 21:31:40 GMT",
		target: "/20160918/volumeAttachments",
		body: "{\n    \"compartmentId\": \"" + vectorCompartment + "\",\n" +
			"    \"instanceId\": \"ocid1.instance.oc1.phx.abuw4ljrlsfiqw6vzzxb43vyypt4pkodawglp3wqxjqofakrwvou52gb6s5a\",\n" +
			"    \"volumeId\": \"" + vectorVolume + "\"\n}",
		sha256:    "V9Z20UJTvkvpJ50flBzKE32+6m2zJjweHpDMX/U4Uy0=",
		signature: "Mje8vIDPlwIHmD/cTDwRxE7HaAvBg16JnVcsuqaNRim23fFPgQfLoOOxae6WqKb1uPjYEl0qIdazWaBy/Ml8DRhqlocMwoSXv0fbukP8J5N80LCmzT/FFBvIvTB91XuXI3hYfP9Zt1l7S6ieVadHUfqBedWH0itrtPJBgKmrWso=",
		status:    404, code: "NotFound",
	},
	{
		name: "C", method: "POST", host: "inference.generativeai.us-chicago-1.oci.oraclecloud.com", date: "Tue, 24 Nov 2026 12:00:00 GMT",
		target:    chatPath,
		body:      `{"compartmentId":"ocid1.compartment.oc1..aaaaaaaatest","servingMode":{"servingType":"ON_DEMAND","modelId":"meta.llama-3.3-70b-instruct"},"chatRequest":{"apiFormat":"GENERIC","messages":[{"role":"USER","content":[{"type":"TEXT","text":"ping"}]}],"maxTokens":16}}`,
		sha256:    "70Gus3oeJGYT65S8VdvK0ii3ebpSwtUnwf4Utm8l7fY=",
		signature: "bXb5YwU8xhdnq6I90NkDF9cVl2YoJYGqCQIPd4VBdWaqcMEZc1bBQUAfs65uSQt7EnwLvKzyv90WqenRV8frpOq2RC72NgoHz4z1ig8eJwf9ppNYWMPrp7h19KcVnlexNvkEF9hDpV1Wz8GE/oqO64VXWDzt/XSV0cSKnFTYhNs=",
		status:    200,
	},
	{
		name: "D", method: "POST", host: "inference.generativeai.us-chicago-1.oci.oraclecloud.com", date: "Tue, 24 Nov 2026 12:00:00 GMT",
		target: chatPath, sha256: "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
		signature: "Y6hMkUECPRMIkjHj9vo73mPBcVV3OeHnFomQf698PlHz+OWi+wm0+sMHqfPDBX64J+dnOYGTNOs0JW3assN8emgtZ1ukOnCXDtyHOY+xMxkwGq36XH4ge2HqjbJ2Yl/kf2MBHD8gYAjNfiaUD8fc/RdWf2JFUOn1pMLQuHKQtEY=",
		status:    400, code: "CannotParseRequest",
	},
	{
		name: "E", method: "GET", host: "generativeai.us-chicago-1.oci.oraclecloud.com", date: "Tue, 24 Nov 2026 12:00:00 GMT",
		target:    "/20231130/models?compartmentId=ocid1.compartment.oc1..aaaaaaaatest&capability=CHAT",
		signature: "qs5hTNg60kjD3/ogfzhp5C489wVb9oY7Dx6OiMdmGvIJjFV9XZjlVB0uq652bvTTFTe0h01FU59uYaWERS+raKO2Kyu+EvItvXc5DgwKAzaB5f1uBDQ4fZuKeLg5w7pyGDpyqmjBrlG4ETS4szT99mKQNTOj1E2O5vnGOqITsKI=",
		status:    200,
	},
}

func (v vector) request() *http.Request {
	r := httptest.NewRequest(v.method, v.target, strings.NewReader(v.body))
	r.Host = v.host
	r.Header.Set("Date", v.date)
	names := getNames
	if v.method == "POST" {
		names = postNames
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Content-Sha256", v.sha256)
	}
	r.Header.Set("Authorization", `Signature version="1",headers="`+names+`",keyId="`+vectorKeyID+`",algorithm="rsa-sha256",signature="`+v.signature+`"`)
	return r
}

// simAt is a simulator whose clock stands at a date and that knows the published key.
func simAt(t *testing.T, key *rsa.PrivateKey, date string) http.Handler {
	t.Helper()
	now, err := http.ParseTime(date)
	if err != nil {
		t.Fatal(err)
	}
	sim, err := ocisim.New(ocisim.Options{
		Now: func() time.Time { return now }, Keys: map[string]*rsa.PublicKey{vectorKeyID: &key.PublicKey},
	})
	if err != nil {
		t.Fatal(err)
	}
	return sim.Handler()
}

func serve(h http.Handler, r *http.Request) reply {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return reply{status: w.Code, header: w.Header(), body: w.Body.Bytes()}
}

func TestSignature_PublishedVectors(t *testing.T) {
	key := publishedKey(t)
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			sim := simAt(t, key, v.date)
			got := serve(sim, v.request())
			if got.status != v.status {
				t.Fatalf("status %d, want %d: %s", got.status, v.status, got.body)
			}
			if _, code, _ := got.failure(t); code != v.code {
				t.Errorf("code %q, want %q", code, v.code)
			}

			for change, mutate := range map[string]func(*http.Request){
				"other query":  func(r *http.Request) { r.RequestURI += "?x=1" },
				"other host":   func(r *http.Request) { r.Host = "iaas.us-ashburn-1.oraclecloud.com" },
				"other date":   func(r *http.Request) { r.Header.Set("Date", secondLater(t, v.date)) },
				"other method": func(r *http.Request) { r.Method = "PUT" },
				"no signature": func(r *http.Request) { r.Header.Del("Authorization") },
			} {
				r := v.request()
				mutate(r)
				if got := serve(sim, r); got.status != 401 {
					t.Errorf("%s: status %d, want 401", change, got.status)
				}
			}
		})
	}
}

func secondLater(t *testing.T, date string) string {
	t.Helper()
	at, err := http.ParseTime(date)
	if err != nil {
		t.Fatal(err)
	}
	return at.Add(time.Second).Format(http.TimeFormat)
}

func TestSignature_RefusedBeforeAnythingElse(t *testing.T) {
	c := newCaller(t, ocisim.Options{})
	good := []byte(chatBody("xai.grok-4", ask("hello", `,"maxTokens":20`)))
	for name, build := range map[string]func() *http.Request{
		"stale date": func() *http.Request {
			r := c.request("POST", chatPath, good)
			c.sign(r, good, time.Now().Add(-6*time.Minute))
			return r
		},
		"date ahead": func() *http.Request {
			r := c.request("POST", chatPath, good)
			c.sign(r, good, time.Now().Add(6*time.Minute))
			return r
		},
		"no date": func() *http.Request {
			r := c.request("POST", chatPath, good)
			r.Header.Del("Date")
			c.signNames(r, len(good), keyID, strings.Fields(postNames))
			return r
		},
		"body hash of another body": func() *http.Request {
			r := c.request("POST", chatPath, good)
			r.Header.Set("X-Content-Sha256", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")
			c.signNames(r, len(good), keyID, strings.Fields(postNames))
			return r
		},
		"length not covered": func() *http.Request {
			r := c.request("POST", chatPath, good)
			c.signNames(r, len(good), keyID, []string{"date", "(request-target)", "host", "content-type", "x-content-sha256"})
			return r
		},
		"unknown key": func() *http.Request {
			r := c.request("POST", chatPath, good)
			c.signAs(r, good, time.Now(), "ocid1.tenancy.oc1..x/ocid1.user.oc1..x/00")
			return r
		},
		"version 2":         func() *http.Request { return edited(c, good, `version="1"`, `version="2"`) },
		"another algorithm": func() *http.Request { return edited(c, good, "rsa-sha256", "hmac-sha256") },
		"bearer key on the native API": func() *http.Request {
			r := c.request("POST", chatPath, good)
			r.Header.Set("Authorization", "Bearer "+apiKey)
			return r
		},
		"unknown path": func() *http.Request {
			r := c.request("POST", "/nowhere", good)
			r.Header.Del("Authorization")
			return r
		},
		"broken body": func() *http.Request {
			r := c.request("POST", chatPath, []byte("{"))
			r.Header.Set("Authorization", "Signature")
			return r
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := c.do(build())
			if status, code, _ := got.failure(t); status != 401 || code != "NotAuthenticated" {
				t.Fatalf("got %d %s, want 401 NotAuthenticated", status, code)
			}
			checkStandardHeaders(t, got)
		})
	}
}

func edited(c *caller, body []byte, from, to string) *http.Request {
	r := c.request("POST", chatPath, body)
	r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), from, to, 1))
	return r
}

var requestIDPattern = regexp.MustCompile(`^[0-9A-F]{32}/[0-9A-F]{32}/[0-9A-F]{32}$`)

func checkStandardHeaders(t *testing.T, r reply) {
	t.Helper()
	if id := r.header.Get("opc-request-id"); !requestIDPattern.MatchString(id) {
		t.Errorf("opc-request-id is %q", id)
	}
	if _, err := http.ParseTime(r.header.Get("Date")); err != nil {
		t.Errorf("Date: %v", err)
	}
	if ct := r.header.Get("Content-Type"); ct != "application/json" {
		t.Errorf("Content-Type is %q", ct)
	}
}

func TestSignature_Accepted(t *testing.T) {
	c := newCaller(t, ocisim.Options{})
	body := []byte(chatBody("xai.grok-4", ask("hello", `,"maxTokens":20`)))
	for name, change := range map[string]func(*http.Request){
		"as it is": func(*http.Request) {},
		// The order of the parameters differs by client: LiteLLM sends version, keyId, algorithm, headers, signature.
		"parameters in another order, spaced": func(r *http.Request) {
			parts := strings.Split(strings.TrimPrefix(r.Header.Get("Authorization"), "Signature "), ",")
			r.Header.Set("Authorization", "signature "+strings.Join([]string{parts[0], parts[2], parts[3], parts[1], parts[4]}, ", "))
		},
		"headers in another order, one more signed": func(r *http.Request) {
			r.Header.Set("Opc-Compartment-Id", compartment)
			c.signNames(r, len(body), keyID, []string{"x-content-sha256", "host", "opc-compartment-id", "content-type", "date", "(request-target)", "content-length"})
		},
		"x-date in place of date": func(r *http.Request) {
			r.Header.Set("X-Date", r.Header.Get("Date"))
			r.Header.Del("Date")
			c.signNames(r, len(body), keyID, strings.Fields("x-date"+strings.TrimPrefix(postNames, "date")))
		},
		"a date four minutes ago": func(r *http.Request) { c.sign(r, body, time.Now().Add(-4*time.Minute)) },
	} {
		t.Run(name, func(t *testing.T) {
			r := c.request("POST", chatPath, body)
			change(r)
			if got := c.do(r); got.status != 200 {
				t.Errorf("status %d: %s", got.status, got.body)
			}
		})
	}
}

func TestSignature_TokensExpire(t *testing.T) {
	now := time.Now()
	c := newCaller(t, ocisim.Options{Now: func() time.Time { return now }})
	c.sim.AddToken("header.payload.signature", &c.key.PublicKey, now.Add(time.Minute))
	call := func() int {
		r := c.request("GET", "/20231130/models?compartmentId="+compartment, nil)
		c.signAs(r, nil, now, "ST$header.payload.signature")
		return c.do(r).status
	}
	if got := call(); got != 200 {
		t.Errorf("before its expiry the token gets %d", got)
	}
	now = now.Add(time.Minute)
	if got := call(); got != 401 {
		t.Errorf("at its expiry the token gets %d, want 401", got)
	}
}

func TestSignature_ClockOffsetMakesSkew(t *testing.T) {
	c := newCaller(t, ocisim.Options{})
	c.mustControl("PATCH", "/_sim/variants", `{"clock_offset":"10m"}`)
	got := c.chat("xai.grok-4", ask("hello", `,"maxTokens":20`))
	if got.status != 401 {
		t.Fatalf("status %d, want 401", got.status)
	}
	date, err := http.ParseTime(got.header.Get("Date"))
	if err != nil || time.Until(date) < 9*time.Minute {
		t.Errorf("the Date header is %s, want it ten minutes ahead: a client measures its skew there", got.header.Get("Date"))
	}
}

func TestRequestID_KeepsTheClientsSegment(t *testing.T) {
	c := newCaller(t, ocisim.Options{})
	for sent, keep := range map[string]bool{"abc123": true, "ABC/DEF/123": true, "not valid!": false, strings.Repeat("a", 33): false} {
		r := c.request("GET", "/20231130/models?compartmentId="+compartment, nil)
		r.Header.Set("opc-request-id", sent)
		first, rest, _ := strings.Cut(c.do(r).header.Get("opc-request-id"), "/")
		want, _, _ := strings.Cut(sent, "/")
		if (first == want) != keep || strings.Count(rest, "/") != 1 {
			t.Errorf("sent %q, got %q and %q", sent, first, rest)
		}
	}
}

func FuzzAuthorization(f *testing.F) {
	f.Add(`Signature version="1",headers="date (request-target) host",keyId="a/b/c",algorithm="rsa-sha256",signature="AAAA"`)
	f.Add(`Signature keyId="a",keyId="b"`)
	f.Add("Bearer x")
	sim, err := ocisim.New(ocisim.Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, header string) {
		r := httptest.NewRequest("GET", "/20231130/models", nil)
		r.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
		r.Header["Authorization"] = []string{header}
		if got := serve(sim.Handler(), r); got.status != 401 {
			t.Errorf("%q gets %d from a simulator that knows no key", header, got.status)
		}
	})
}
