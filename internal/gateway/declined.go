package gateway

import (
	"net/http"
	"strings"

	"tollgate/internal/access"
	"tollgate/internal/apierr"
)

// declined are LiteLLM's routes that this version does not serve, by the beginning of their paths. Who asks for one
// learns that it is missing here, not that it is misspelt.
var declined = []struct {
	prefix     string
	permission access.Permission
	what       string
}{
	{"/cache/settings", access.Admin, "cache settings that are kept in the database (they come from the configuration)"}, {"/guardrails", access.Admin, "guardrails that are made at run time (they come from the configuration)"}, {"/health/test_connection", access.Admin, "tests of connections"},
	{"/ui", access.Public, "the admin pages"}, {"/sso", access.Public, "the admin pages"},
	{"/responses", access.Models, "the Responses API"}, {"/messages", access.Models, "Anthropic's Messages API"}, {"/images", access.Models, "images"}, {"/audio", access.Models, "audio"},
	{"/moderations", access.Models, "moderations"}, {"/files", access.Models, "files"}, {"/batches", access.Models, "batches"}, {"/fine_tuning", access.Models, "fine-tuning"},
	{"/assistants", access.Models, "assistants"}, {"/threads", access.Models, "assistants"}, {"/vector_stores", access.Models, "vector stores"}, {"/realtime", access.Models, "the Realtime API"},
}

// elsewhere answers the paths that no route has.
func (g *Gateway) elsewhere(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/v1")
	for _, d := range declined {
		if path != d.prefix && !strings.HasPrefix(path, d.prefix+"/") {
			continue
		}
		if _, err := g.snap.Load().Gate.Admit(&access.Route{Method: r.Method, Path: d.prefix, Permission: d.permission}, r); err != nil {
			err.Write(w)
			return
		}
		(&apierr.Error{
			Status: http.StatusNotImplemented, Type: "not_implemented_error",
			Message: "This version of the gateway does not serve " + d.what + " yet. GET / lists what it serves.",
		}).NoRetry().Write(w)
		return
	}
	if g.opts.Decline != nil {
		if why := g.opts.Decline(r.URL.Path); why != nil {
			if _, err := g.snap.Load().Gate.Admit(&access.Route{Method: r.Method, Path: r.URL.Path, Permission: access.Admin}, r); err != nil {
				why = err
			}
			why.Write(w)
			return
		}
	}
	notFound().Write(w)
}
