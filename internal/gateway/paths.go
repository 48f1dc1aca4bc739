package gateway

import (
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"

	"tollgate/internal/access"
	"tollgate/internal/apierr"
)

// route is one line of the route table: what access decides from, and who serves it. model is the part of the
// path that names a model, "" where the path has none.
type route struct {
	access.Route
	serve func(w http.ResponseWriter, r *http.Request, rt *route, model string)
}

// canonical takes the root path and one trailing slash off. A path that is not in its shortest form (//, /./,
// /../) has no route: answering it like the short one would give a path two spellings, redirecting it would
// lose a POST's body.
func (g *Gateway) canonical(r *http.Request) (*http.Request, bool) {
	p := r.URL.Path
	if root := g.opts.RootPath; root != "" && strings.HasPrefix(p, root) && (len(p) == len(root) || p[len(root)] == '/') {
		p = p[len(root):]
		if p == "" {
			p = "/"
		}
	}
	if len(p) > 1 && strings.HasSuffix(p, "/") {
		p = p[:len(p)-1]
	}
	if p == "" || p[0] != '/' || path.Clean(p) != p {
		return r, false
	}
	if p == r.URL.Path {
		return r, true
	}
	short := *r
	short.URL = new(url.URL)
	*short.URL = *r.URL
	short.URL.Path, short.URL.RawPath = p, ""
	return &short, true
}

// modelMark stands in a route's path for a model name, which may hold slashes. http.ServeMux has no pattern for
// that in the middle of a path, so routes below one such prefix share a handler.
const modelMark = "{model}"

// register fills the mux. One pattern may have several methods; a method that it lacks is answered in our envelope.
func (g *Gateway) register(routes []route) {
	byPattern := map[string][]*route{}
	var patterns []string
	add := func(pattern string, rt *route) {
		if _, known := byPattern[pattern]; !known {
			patterns = append(patterns, pattern)
		}
		byPattern[pattern] = append(byPattern[pattern], rt)
	}
	for i := range routes {
		rt := &routes[i]
		if prefix, _, inside := strings.Cut(rt.Path, modelMark); inside {
			add(prefix+"{rest...}", rt)
			continue
		}
		if rt.Path == "/" {
			add("/{$}", rt)
			continue
		}
		add(rt.Path, rt)
	}
	for _, pattern := range patterns {
		group := byPattern[pattern]
		g.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { serveOneOf(group, w, r) })
	}
	g.mux.HandleFunc("/", g.elsewhere)
}

// serveOneOf picks the route of a group by its method and by what stands behind the model's place.
func serveOneOf(group []*route, w http.ResponseWriter, r *http.Request) {
	var allowed []string
	for _, rt := range group {
		model, ok := modelInPath(rt.Path, r)
		if !ok {
			continue
		}
		if rt.Method == r.Method || (rt.Method == http.MethodGet && r.Method == http.MethodHead) {
			rt.serve(w, r, rt, model)
			return
		}
		allowed = append(allowed, rt.Method)
	}
	if len(allowed) == 0 {
		notFound().Write(w)
		return
	}
	slices.Sort(allowed)
	methods := strings.Join(slices.Compact(allowed), ", ")
	(&apierr.Error{
		Status: http.StatusMethodNotAllowed, Type: "invalid_request_error",
		Message: "Method Not Allowed. This path takes " + methods + ".", Detail: "Method Not Allowed",
	}).WithHeader("Allow", methods).Write(w)
}

// modelInPath matches the request against a route's path and returns the model that stands in it.
func modelInPath(pattern string, r *http.Request) (string, bool) {
	prefix, suffix, inside := strings.Cut(pattern, modelMark)
	if !inside {
		return r.PathValue("model"), true
	}
	model, ok := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, prefix), suffix)
	return model, ok && model != ""
}
