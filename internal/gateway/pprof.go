package gateway

import (
	"net/http"
	"net/http/pprof" //nolint:gosec // G108: it registers on the default mux, which nobody serves
)

// profiles serves the Go runtime's profiles for administrators. They hold no text of any call: names of functions, counts
// and sizes.
func (g *Gateway) profiles(w http.ResponseWriter, r *http.Request, _ visit) {
	switch name := r.PathValue("profile"); name {
	case "":
		r.URL.Path = "/debug/pprof/" // what the index expects, whatever the root path
		pprof.Index(w, r)
	case "profile":
		pprof.Profile(w, r)
	case "trace":
		pprof.Trace(w, r)
	case "cmdline": // arguments may hold a key
		notFound().Write(w)
	default:
		pprof.Handler(name).ServeHTTP(w, r)
	}
}
