package gateway_test

import (
	"net/http"
	"strings"
	"testing"
)

// Profiles are for administrators alone, and the command line, which may hold a key, is for nobody.
func TestProfiles(t *testing.T) {
	server := open(t, newUpstream(t), plain)
	for _, tt := range []struct {
		path, key string
		status    int
		holds     string
	}{
		{"/debug/pprof/", masterKey, http.StatusOK, "heap"},
		{"/root/debug/pprof", masterKey, http.StatusOK, "goroutine"},
		{"/debug/pprof/goroutine?debug=1", masterKey, http.StatusOK, "goroutine profile"},
		{"/debug/pprof/nosuch", masterKey, http.StatusNotFound, ""},
		{"/debug/pprof/cmdline", masterKey, http.StatusNotFound, ""},
		{"/debug/pprof/heap", "", http.StatusUnauthorized, ""},
		{"/debug/pprof/", "sk-wrong", http.StatusUnauthorized, ""},
	} {
		got := do(t, "GET", server.URL+tt.path, "", "Authorization", "Bearer "+tt.key)
		if got.status != tt.status || !strings.Contains(got.text, tt.holds) {
			t.Errorf("%s: %d %.100s", tt.path, got.status, got.text)
		}
	}
}
