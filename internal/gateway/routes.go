package gateway

import (
	"net/http"

	"tollgate/internal/access"
	"tollgate/internal/openai"
	"tollgate/internal/telemetry"
)

// routes is every route on one page. Each is also served with a trailing slash and under the root path.
func (g *Gateway) routes() []route {
	chat, text := g.call(openai.OpChat), g.call(openai.OpCompletion)
	embed, rerank := g.call(openai.OpEmbedding), g.call(openai.OpRerank)
	const (
		public = access.Public
		models = access.Models
		view   = access.AdminView
	)
	return []route{
		{access.Route{Method: "POST", Path: "/v1/chat/completions", Permission: models, Summary: "Answer a chat, in one piece or as a stream."}, chat},
		{access.Route{Method: "POST", Path: "/chat/completions", Permission: models, Summary: "As /v1/chat/completions."}, chat},
		{access.Route{Method: "POST", Path: "/cursor/chat/completions", Permission: models, Summary: "As /v1/chat/completions."}, chat},
		{access.Route{Method: "POST", Path: "/engines/{model}/chat/completions", Permission: models, Summary: "As /v1/chat/completions, the model in the path."}, chat},
		{access.Route{Method: "POST", Path: "/openai/deployments/{model}/chat/completions", Permission: models, Summary: "As /v1/chat/completions, the model in the path (Azure's form)."}, chat},

		{access.Route{Method: "POST", Path: "/v1/completions", Permission: models, Summary: "Complete a text (legacy)."}, text},
		{access.Route{Method: "POST", Path: "/completions", Permission: models, Summary: "As /v1/completions."}, text},
		{access.Route{Method: "POST", Path: "/engines/{model}/completions", Permission: models, Summary: "As /v1/completions, the model in the path."}, text},
		{access.Route{Method: "POST", Path: "/openai/deployments/{model}/completions", Permission: models, Summary: "As /v1/completions, the model in the path (Azure's form)."}, text},

		{access.Route{Method: "POST", Path: "/v1/embeddings", Permission: models, Summary: "Turn texts or images into vectors."}, embed},
		{access.Route{Method: "POST", Path: "/embeddings", Permission: models, Summary: "As /v1/embeddings."}, embed},
		{access.Route{Method: "POST", Path: "/engines/{model}/embeddings", Permission: models, Summary: "As /v1/embeddings, the model in the path."}, embed},
		{access.Route{Method: "POST", Path: "/openai/deployments/{model}/embeddings", Permission: models, Summary: "As /v1/embeddings, the model in the path (Azure's form)."}, embed},

		{access.Route{Method: "POST", Path: "/v1/rerank", Permission: models, Summary: "Order documents by their relevance to a query."}, rerank},
		{access.Route{Method: "POST", Path: "/v2/rerank", Permission: models, Summary: "As /v1/rerank."}, rerank},
		{access.Route{Method: "POST", Path: "/rerank", Permission: models, Summary: "As /v1/rerank."}, rerank},

		{access.Route{Method: "GET", Path: "/v1/models", Permission: models, Summary: "List the models that the caller may use."}, g.page(g.listModels)},
		{access.Route{Method: "GET", Path: "/models", Permission: models, Summary: "As /v1/models."}, g.page(g.listModels)},
		{access.Route{Method: "GET", Path: "/v1/models/{model...}", Permission: models, Summary: "Describe one model."}, g.page(g.oneModel)},
		{access.Route{Method: "GET", Path: "/models/{model...}", Permission: models, Summary: "As /v1/models/{model}."}, g.page(g.oneModel)},
		{access.Route{Method: "GET", Path: "/v1/model/info", Permission: models, Summary: "List the deployments with their prices and abilities, secrets masked."}, g.page(g.modelInfo)},
		{access.Route{Method: "GET", Path: "/model/info", Permission: models, Summary: "As /v1/model/info."}, g.page(g.modelInfo)},
		{access.Route{Method: "GET", Path: "/v1/model_group/info", Permission: models, Summary: "As /model_group/info."}, g.page(g.modelGroupInfo)},
		{access.Route{Method: "GET", Path: "/model_group/info", Permission: models, Summary: "List the aliases with what their deployments have in common."}, g.page(g.modelGroupInfo)},

		{access.Route{Method: "GET", Path: "/guardrails/list", Permission: models, Summary: "List the guardrails that a call can name."}, g.page(g.listGuardrails)},
		{access.Route{Method: "GET", Path: "/v2/guardrails/list", Permission: view, Summary: "List the guardrails with their settings, secrets masked."}, g.page(g.listGuardrailsWhole)},
		{access.Route{Method: "POST", Path: "/guardrails/apply_guardrail", Permission: models, Summary: "Have one guardrail look at one text."}, g.page(g.applyGuardrail)},

		{access.Route{Method: "GET", Path: "/cache/ping", Permission: view, Summary: "Say whether the cache of answers works."}, g.page(g.cachePing)},
		{access.Route{Method: "POST", Path: "/cache/delete", Permission: access.Admin, Summary: "Remove answers from the cache by their keys."}, g.page(g.cacheDelete)},
		{access.Route{Method: "POST", Path: "/cache/flushall", Permission: access.Admin, Summary: "Remove all answers from the cache."}, g.page(g.cacheFlush)},
		{access.Route{Method: "GET", Path: "/cache/redis/info", Permission: view, Summary: "What the cache's Redis says of itself."}, g.page(g.cacheInfo)},

		{access.Route{Method: "GET", Path: "/health/liveness", Permission: public, Summary: "Say that the process is alive."}, g.page(g.liveness)},
		{access.Route{Method: "OPTIONS", Path: "/health/liveness", Permission: public, Summary: "As GET."}, g.page(g.liveness)},
		{access.Route{Method: "GET", Path: "/health/liveliness", Permission: public, Summary: "As /health/liveness."}, g.page(g.liveness)},
		{access.Route{Method: "OPTIONS", Path: "/health/liveliness", Permission: public, Summary: "As GET."}, g.page(g.liveness)},
		{access.Route{Method: "GET", Path: "/health/readiness", Permission: public, Summary: "Say whether calls can be served."}, g.page(g.readiness)},
		{access.Route{Method: "OPTIONS", Path: "/health/readiness", Permission: public, Summary: "As GET."}, g.page(g.readiness)},
		{access.Route{Method: "GET", Path: "/health", Permission: view, Summary: "Call every deployment once and say which answer."}, g.page(g.health)},
		{access.Route{Method: "GET", Path: "/health/services", Permission: view, Summary: "Try the integrations with harmless calls, all of them or ?service=NAME."}, g.page(g.healthServices)},
		{access.Route{Method: "GET", Path: "/metrics", Permission: view, Summary: "Metrics in Prometheus' text format."}, g.page(g.metrics)},
		{access.Route{Method: "GET", Path: "/debug/pprof", Permission: access.Admin, Summary: "List the profiles of the Go runtime."}, g.page(g.profiles)},
		{access.Route{Method: "GET", Path: "/debug/pprof/{profile}", Permission: access.Admin, Summary: "One profile, for go tool pprof: heap, profile, goroutine ..."}, g.page(g.profiles)},

		{access.Route{Method: "GET", Path: "/", Permission: public, Summary: "A short page that says what this is."}, g.page(g.root)},
		{access.Route{Method: "GET", Path: "/openapi.json", Permission: public, Summary: "This description."}, g.page(g.openAPI)},
	}
}

// visit is a caller of a page.
type visit struct {
	who   access.Identity
	model string // named by the path
}

// page serves everything that is no call of a model.
func (g *Gateway) page(serve func(w http.ResponseWriter, r *http.Request, v visit)) func(http.ResponseWriter, *http.Request, *route, string) {
	return func(w http.ResponseWriter, r *http.Request, rt *route, model string) {
		setID(w.Header(), callID(r, telemetry.NewID()))
		who, err := g.snap.Load().Gate.Admit(&rt.Route, r)
		if err != nil {
			err.Write(w)
			return
		}
		serve(w, r, visit{who, model})
	}
}

// allRoutes are the gateway's own and those of other rooms.
func (g *Gateway) allRoutes() []route {
	list := g.routes()
	for _, p := range g.opts.Pages {
		list = append(list, route{p.Route, func(w http.ResponseWriter, r *http.Request, rt *route, _ string) {
			setID(w.Header(), callID(r, telemetry.NewID()))
			who, err := g.snap.Load().Gate.Admit(&rt.Route, r)
			if err != nil {
				err.Write(w)
				return
			}
			p.Serve(w, r, &who)
		}})
	}
	return list
}

// call serves a call of a model.
func (g *Gateway) call(op openai.Operation) func(http.ResponseWriter, *http.Request, *route, string) {
	return func(w http.ResponseWriter, r *http.Request, rt *route, model string) {
		g.underWay.Add(1)
		defer g.underWay.Done()
		newRequest(g, w, r, rt, op, model).serve()
	}
}
