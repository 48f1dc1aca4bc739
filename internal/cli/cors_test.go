package cli

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestCORS(t *testing.T) {
	for _, tt := range []struct {
		name, origins, credentials string
		origin                     string
		allowed, withCredentials   string
	}{
		{"nothing is set", "", "", "https://b.example", "*", ""},
		{"all origins never with credentials", "*", "true", "https://b.example", "*", ""},
		{"all origins behind a named one", "https://a.example,*", "true", "https://b.example", "*", ""},
		{"all origins between spaces", "https://a.example, * ", "true", "https://b.example", "*", ""},
		{"a listed origin", "https://a.example,https://b.example", "true", "https://b.example", "https://b.example", "true"},
		{"a listed origin, no credentials", "https://b.example", "", "https://b.example", "https://b.example", ""},
		{"another origin", "https://a.example", "true", "https://b.example", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			vars := map[string]string{"LITELLM_CORS_ORIGINS": tt.origins, "LITELLM_CORS_ALLOW_CREDENTIALS": tt.credentials}
			env := &Environment{LookupEnv: func(name string) (string, bool) { v, ok := vars[name]; return v, ok }}
			h := corsHandler(env, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			r := httptest.NewRequest("GET", "/v1/models", nil)
			r.Header.Set("Origin", tt.origin)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if got := w.Header().Get("Access-Control-Allow-Origin"); got != tt.allowed {
				t.Errorf("allowed origin %q, want %q", got, tt.allowed)
			}
			if got := w.Header().Get("Access-Control-Allow-Credentials"); got != tt.withCredentials {
				t.Errorf("credentials %q, want %q", got, tt.withCredentials)
			}
		})
	}
}
