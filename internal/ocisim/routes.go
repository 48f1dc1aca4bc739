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
		{"POST", apiPath + "/actions/chat", operation{"chat", false, (*exchange).chat}},
		{"POST", apiPath + "/actions/embedText", operation{"embed", false, (*exchange).embedText}},
		{"POST", apiPath + "/actions/rerankText", operation{"rerank", false, (*exchange).rerankText}},
		{"POST", apiPath + "/actions/applyGuardrails", operation{"guardrails", false, (*exchange).applyGuardrails}},
		{"GET", apiPath + "/guardrailVersions", operation{"guardrail_versions", false, (*exchange).listGuardrailVersions}},
		{"POST", apiPath + "/actions/generateText", operation{"generate_text", false, (*exchange).retiredAction}},
		{"POST", apiPath + "/actions/summarizeText", operation{"summarize_text", false, (*exchange).retiredAction}},
		{"GET", apiPath + "/models", operation{"models", false, (*exchange).listModels}},
		{"GET", apiPath + "/models/{id}", operation{"model", false, (*exchange).getModel}},
		{"POST", "/openai/v1/chat/completions", operation{opOpenAIChat, true, (*exchange).chatOpenAI}},
		{"POST", apiPath + "/actions/v1/chat/completions", operation{opOpenAIChat, true, (*exchange).chatOpenAI}},
	}
	for _, route := range service {
		mux.HandleFunc(route.method+" "+route.path, s.serve(route.op))
		mux.HandleFunc(route.path, s.serve(operation{"method", route.op.bearer, (*exchange).method}))
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		// The OpenAI-compatible surface has neither models nor embeddings; bearer keys see the same 404 as signatures.
		s.serve(operation{"unknown", strings.HasPrefix(r.URL.Path, "/openai/"), (*exchange).nowhere})(w, r)
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
		{"GET /_sim/requests", (*Server).listRequests},
		{"DELETE /_sim/requests", (*Server).clearRequests},
	}
	for _, route := range control {
		mux.HandleFunc(route.pattern, s.control(route.handle))
	}
	return mux
}
