package gateway

import (
	_ "embed"
	"html/template"
	"net/http"
)

//go:embed root.html
var rootHTML string

// rootPage is GET /: what this is, for the person who opens the address in a browser.
var rootPage = template.Must(template.New("root").Parse(rootHTML))

func (g *Gateway) root(w http.ResponseWriter, _ *http.Request, _ visit) {
	snap := g.snap.Load()
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	_ = rootPage.Execute(w, struct { // the caller may have gone; there is nobody left to tell
		Version string
		Root    string
		Keyed   bool
		Routes  []route
	}{g.opts.Version, g.opts.RootPath, snap.Gate.HasMasterKey(), g.routes()})
}
