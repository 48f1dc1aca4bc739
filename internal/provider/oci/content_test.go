package oci

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"tollgate/internal/egress"
)

// URLs out of callers' bodies are fetched only when the operator switches it on, and then under guard.
func TestChat_URLFetch(t *testing.T) {
	images := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/a.png" {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "image/png")
		_, _ = w.Write([]byte("PNG"))
	}))
	defer images.Close()
	guarded, err := egress.New(egress.Options{})
	if err != nil {
		t.Fatal(err)
	}
	open, err := egress.New(egress.Options{FetchAllow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	if err != nil {
		t.Fatal(err)
	}
	inlined := "data:image/png;base64," + base64.StdEncoding.EncodeToString([]byte("PNG"))
	tests := []struct {
		name, path string
		allow      bool
		egress     *egress.Egress
		sent       string
		refused    bool
	}{
		{"off: passed on", "/a.png", false, open, images.URL + "/a.png", false},
		{"on: inlined", "/a.png", true, open, inlined, false},
		{"on: the guard refuses special addresses", "/a.png", true, guarded, "", true},
		{"on: what cannot be fetched is the caller's error", "/b.png", true, open, "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			oci := &fakeOCI{answer: func(*http.Request, []byte) *http.Response { return answer(200, genericDone, false) }}
			spec := readSpec(t, "model: oci/google.gemini-2.5-flash")
			spec.AllowURLFetch, spec.Egress = tt.allow, tt.egress
			c, err := New(testOptions(&fakePrincipal{})).Open(spec)
			if err != nil {
				t.Fatal(err)
			}
			d := c.(*Deployment)
			d.transport = oci
			_, err = d.Chat(t.Context(), parseRequest(t, `{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"`+images.URL+tt.path+`"}}]}]}`))
			if tt.refused {
				if err == nil || !strings.HasPrefix(errorText(err), "400 messages[0].content[0]: litellm.ImageFetchError: ") || oci.calls != 0 {
					t.Errorf("got %v after %d calls", err, oci.calls)
				}
				return
			}
			if err != nil || !strings.Contains(string(oci.body), `"imageUrl":{"url":"`+tt.sent+`"}`) {
				t.Errorf("%v: sent %s", err, oci.body)
			}
		})
	}
}
