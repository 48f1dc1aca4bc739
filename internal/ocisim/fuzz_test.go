package ocisim

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tollgate/internal/ocisim/identity"
)

// FuzzBody feeds bodies to every operation behind the signature check: signing each would be most of the work.
func FuzzBody(f *testing.F) {
	for _, request := range []string{
		`{"apiFormat":"GENERIC","messages":[{"role":"USER","content":[{"type":"TEXT","text":"count to 5"}]}],"isStream":true,"logProbs":2}`,
		`{"apiFormat":"GENERIC","messages":[{"role":"USER","content":[{"type":"TEXT","text":"7x8"}]}],"responseFormat":{"type":"JSON_SCHEMA","jsonSchema":{"name":"n","schema":{"$ref":"#/$defs/a","$defs":{"a":{"type":"object","properties":{"x":{"type":"integer"}},"required":["x"]}}}}}}`,
		`{"apiFormat":"GENERIC","messages":[{"role":"USER","content":[{"type":"TEXT","text":"weather in Rome"}]}],"tools":[{"type":"FUNCTION","name":"w","description":"weather","parameters":{"type":"object","properties":{"city":{"type":"string"}}}}],"toolChoice":{"type":"REQUIRED"}}`,
		`{"apiFormat":"COHERE","message":"hello","documents":[{"text":"hello there"}],"stopSequences":["t"]}`,
		`{"apiFormat":"COHEREV2","messages":[{"role":"USER","content":[{"type":"TEXT","text":"hi"}]}],"documents":["hi"]}`,
	} {
		for _, model := range []string{"meta.llama-3.3-70b-instruct", "google.gemini-2.5-flash", "cohere.command-latest", "cohere.command-a-vision-07-2025"} {
			f.Add(`{"compartmentId":"ocid1.compartment.oc1..f","servingMode":{"servingType":"ON_DEMAND","modelId":"` + model + `"},"chatRequest":` + request + `}`)
		}
	}
	f.Add(`{"compartmentId":"ocid1.compartment.oc1..f","servingMode":{"servingType":"ON_DEMAND","modelId":"cohere.embed-v4.0"},"inputs":["a"],"embeddingTypes":["binary"]}`)
	f.Add(`{"model":"xai.grok-4","messages":[{"role":"user","content":"hi"}],"stream":true}`)
	s, err := New(Options{})
	if err != nil {
		f.Fatal(err)
	}
	operations := []func(*exchange) error{
		(*exchange).chat, (*exchange).embedText, (*exchange).rerankText, (*exchange).applyGuardrails, (*exchange).chatOpenAI,
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, operation := range operations {
			w := httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
			x := &exchange{s: s, w: w, r: r, body: []byte(body), variants: s.Variants(), requestID: "A/B/C", key: "genai-f"}
			var refusal *serviceError
			if err := operation(x); err != nil && !errors.As(err, &refusal) {
				t.Errorf("an error that the service does not tell: %v", err)
			}
		}
	})
}

// FuzzIdentityBody feeds bodies to the identity services. Where a signature is checked first, the fuzzer plays a caller
// that passed.
func FuzzIdentityBody(f *testing.F) {
	f.Add(`{"certificate":"Zm9v","publicKey":"Zm9v","intermediateCertificates":["Zm9v"],"purpose":"DEFAULT"}`, "Signature keyId=\"a/fed-x509/b\"")
	f.Add(`{"resourcePrincipalToken":"a.b.c","servicePrincipalSessionToken":"a.b.c","sessionPublicKey":"Zm9v"}`, "")
	f.Add(`{"podKey":"Zm9v"}`, "Bearer a.b.c")
	s, err := New(Options{Identity: IdentityOptions{TrustAll: true}})
	if err != nil {
		f.Fatal(err)
	}
	token, err := s.identity.cluster.ServiceAccountToken("ai", "gateway", s.identity.life(time.Hour))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(`{"podKey":""}`, "Bearer "+token)
	operations := []func(*exchange) error{(*exchange).federate, (*exchange).exchangeProof, (*exchange).exchangeServiceAccount}
	f.Fuzz(func(t *testing.T, body, authorization string) {
		for _, operation := range operations {
			w := httptest.NewRecorder()
			r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
			r.Header.Set("Authorization", authorization)
			x := &exchange{
				s: s, w: w, r: r, body: []byte(body), variants: s.Variants(), requestID: "A/B/C", identity: true,
				who: identity.Principal{Kind: identity.Instance},
			}
			var refusal *serviceError
			if err := operation(x); err != nil && !errors.As(err, &refusal) {
				t.Errorf("an error that the service does not tell: %v", err)
			}
		}
	})
}
