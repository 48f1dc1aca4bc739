package ocisim

import (
	"net/http"
	"strings"
)

// apiPath is the version that begins every native path.
const apiPath = "/20231130"

// routes is every path of the simulator on one page.
func (s *Server) routes() *http.ServeMux {
	mux := http.NewServeMux()
	service := []struct {
		method, path string
		op           operation
	}{
		{"POST", apiPath + "/actions/chat", operation{"chat", signed, (*exchange).chat}},
		{"POST", apiPath + "/actions/embedText", operation{"embed", signed, (*exchange).embedText}},
		{"POST", apiPath + "/actions/rerankText", operation{"rerank", signed, (*exchange).rerankText}},
		{"POST", apiPath + "/actions/applyGuardrails", operation{"guardrails", signed, (*exchange).applyGuardrails}},
		{"GET", apiPath + "/guardrailVersions", operation{"guardrail_versions", signed, (*exchange).listGuardrailVersions}},
		{"POST", apiPath + "/actions/generateText", operation{"generate_text", signed, (*exchange).retiredAction}},
		{"POST", apiPath + "/actions/summarizeText", operation{"summarize_text", signed, (*exchange).retiredAction}},
		{"GET", apiPath + "/models", operation{"models", signed, (*exchange).listModels}},
		{"GET", apiPath + "/models/{id}", operation{"model", signed, (*exchange).getModel}},
		{"POST", "/openai/v1/chat/completions", operation{opOpenAIChat, signedOrKey, (*exchange).chatOpenAI}},
		{"POST", apiPath + "/actions/v1/chat/completions", operation{opOpenAIChat, signedOrKey, (*exchange).chatOpenAI}},
		{"GET", "/opc/", operation{opMetadata, open, (*exchange).metadata}},
		{"POST", "/v1/x509", operation{opFederation, open, (*exchange).federate}},
		{"GET", "/20180711/resourcePrincipalToken/{id}", operation{opProof, identified, (*exchange).proveResource}},
		{"POST", "/v1/resourcePrincipalSessionToken", operation{opExchange, identified, (*exchange).exchangeProof}},
	}
	for _, route := range service {
		mux.HandleFunc(route.method+" "+route.path, s.serve(route.op))
		mux.HandleFunc(route.path, s.serve(operation{"method", route.op.access, (*exchange).method}))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		// The OpenAI-compatible surface has neither models nor embeddings; bearer keys see the same 404 as signatures.
		access := signed
		if strings.HasPrefix(r.URL.Path, "/openai/") {
			access = signedOrKey
		}
		s.serve(operation{"unknown", access, (*exchange).nowhere})(w, r)
	})

	control := []struct {
		pattern string
		handle  func(*Server, http.ResponseWriter, *http.Request) error
	}{
		{"GET /_sim/faults", (*Server).listFaults},
		{"POST /_sim/faults", (*Server).addFaults},
		{"DELETE /_sim/faults", (*Server).clearFaults},
		{"DELETE /_sim/faults/{id}", (*Server).removeFault},
		{"GET /_sim/usage", (*Server).showUsage},
		{"DELETE /_sim/usage", (*Server).resetUsage},
		{"GET /_sim/keys", (*Server).listKeys},
		{"POST /_sim/keys", (*Server).postKey},
		{"DELETE /_sim/keys", (*Server).removeKey},
		{"GET /_sim/endpoints", (*Server).listEndpoints},
		{"POST /_sim/endpoints", (*Server).postEndpoint},
		{"GET /_sim/variants", (*Server).showVariants},
		{"PATCH /_sim/variants", (*Server).patchVariants},
		{"GET /_sim/identity", (*Server).showIdentity},
		{"PATCH /_sim/identity", (*Server).patchIdentity},
		{"POST /_sim/identity/rotate", (*Server).rotateIdentity},
		{"DELETE /_sim/identity/tokens", (*Server).revokeTokens},
		{"DELETE /_sim/identity/requests", (*Server).resetIdentityRequests},
		{"PUT /_sim/identity/policies", (*Server).putPolicies},
		{"GET /_sim/requests", (*Server).listRequests},
		{"DELETE /_sim/requests", (*Server).clearRequests},
	}
	for _, route := range control {
		mux.HandleFunc(route.pattern, s.control(route.handle))
	}
	return mux
}
