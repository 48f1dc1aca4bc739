package gateway

import (
	_ "embed"
	"fmt"
	"html"
	"io"
	"net/http"
	"os"
	"strings"
)

// rootHTML holds ${names}. It is no template of html/template: that package finds methods by their names, and with it
// in the program the linker must keep every method of every type, a quarter more binary.
//
//go:embed root.html
var rootHTML string

// root is GET /: what this is, for the person who opens the address in a browser.
func (g *Gateway) root(w http.ResponseWriter, _ *http.Request, _ visit) {
	key := " and your key as the API key"
	if !g.snap.Load().Gate.HasMasterKey() {
		key = "; no key is set, so only callers on this machine are served"
	}
	var routes strings.Builder
	for _, r := range g.routes() {
		fmt.Fprintf(&routes, "<tr><td>%s %s</td><td>%s</td></tr>\n",
			html.EscapeString(r.Method), html.EscapeString(r.Path), html.EscapeString(r.Summary))
	}
	values := map[string]string{
		"version": html.EscapeString(g.opts.Version), "root": html.EscapeString(g.opts.RootPath), "key": key, "routes": routes.String(),
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	// The caller may have gone; there is nobody left to tell.
	_, _ = io.WriteString(w, os.Expand(rootHTML, func(name string) string { return values[name] }))
}
