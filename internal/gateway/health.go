package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"tollgate/internal/apierr"
	"tollgate/internal/dispatch"
	"tollgate/internal/openai"
	"tollgate/internal/provider"
)

// liveness says that the process is alive, as the JSON string that LiteLLM says it with.
func (g *Gateway) liveness(w http.ResponseWriter, _ *http.Request, _ string) {
	writeJSON(w, http.StatusOK, "I'm alive!")
}

// readiness says that calls can be served. It does not ask an upstream: OCI away must not take the gateway out of
// its balancer.
func (g *Gateway) readiness(w http.ResponseWriter, _ *http.Request, _ string) {
	writeJSON(w, http.StatusOK, map[string]any{
		"status": "healthy", "db": "Not connected", "cache": nil, "litellm_version": compatVersion, "tollgate_version": g.opts.Version,
		"success_callbacks": []string{}, "use_aiohttp_transport": false,
		"log_level": g.snap.Load().LogLevel, "is_detailed_debug": g.snap.Load().LogLevel == "DEBUG",
	})
}

// healthParallel is how many deployments are probed at once.
const healthParallel = 16

// health is GET /health: one small call of each deployment, or of those that the query names.
func (g *Gateway) health(w http.ResponseWriter, r *http.Request, _ string) {
	snap := g.snap.Load()
	model, id := r.URL.Query().Get("model"), r.URL.Query().Get("model_id")
	var targets []*dispatch.Deployment
	for _, d := range snap.Router.All() {
		if (model == "" || d.Alias == model || d.Model == model) && (id == "" || d.ID == id) {
			targets = append(targets, d)
		}
	}
	if len(targets) == 0 && (id != "" || model != "") {
		(&apierr.Error{Status: http.StatusNotFound, Type: "not_found_error", Param: "model",
			Message: fmt.Sprintf("Model with ID %s not found. Call `/model/info` to see all ids.", clip(id+model))}).Write(w)
		return
	}
	healthy, unhealthy := snap.probe(r.Context(), targets)
	writeJSON(w, http.StatusOK, map[string]any{
		"healthy_endpoints": healthy, "unhealthy_endpoints": unhealthy,
		"healthy_count": len(healthy), "unhealthy_count": len(unhealthy),
	})
}

func (s *Snapshot) probe(ctx context.Context, targets []*dispatch.Deployment) (healthy, unhealthy []map[string]any) {
	errs := make([]error, len(targets))
	slots := make(chan struct{}, healthParallel)
	var wg sync.WaitGroup
	for i, d := range targets {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			errs[i] = s.probeOne(ctx, d)
		})
	}
	wg.Wait()
	healthy, unhealthy = []map[string]any{}, []map[string]any{}
	for i, d := range targets {
		e := map[string]any{"model": d.Model, "model_name": d.Alias, "model_id": d.ID}
		if m := s.Models.byID(d.ID); m != nil && m.APIBase != "" {
			e["api_base"] = m.APIBase
		}
		if errs[i] == nil {
			healthy = append(healthy, e)
			continue
		}
		e["error"] = errs[i].Error()
		unhealthy = append(unhealthy, e)
	}
	return healthy, unhealthy
}

// probes are the smallest calls of each mode.
var probes = map[string]struct {
	op   openai.Operation
	body string
}{
	"chat":      {openai.OpChat, `{"model":"health","max_tokens":5,"messages":[{"role":"user","content":"test from litellm"}]}`},
	"embedding": {openai.OpEmbedding, `{"model":"health","input":["test from litellm"]}`},
	"rerank":    {openai.OpRerank, `{"model":"health","query":"test","documents":["test from litellm"]}`},
}

func (s *Snapshot) probeOne(ctx context.Context, d *dispatch.Deployment) error {
	if d.Chatter == nil || strings.Contains(d.Alias, "*") {
		return errors.New("a wildcard is not probed: it names no single model")
	}
	mode := "chat"
	if m := s.Models.byID(d.ID); m != nil {
		mode = m.Mode
	}
	p, ok := probes[mode]
	if !ok {
		p = probes["chat"]
	}
	body, err := openai.ParseRequest(p.op, []byte(p.body))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.healthTimeout())
	defer cancel()
	_, err = ask(ctx, p.op, dispatch.Target{Deployment: d, Group: d.Alias}, body)
	var up *provider.UpstreamError
	if errors.As(err, &up) {
		return errors.New(up.Error())
	}
	return err
}

func (s *Snapshot) healthTimeout() time.Duration {
	if s.HealthTimeout > 0 {
		return s.HealthTimeout
	}
	return 60 * time.Second
}

// metrics is GET /metrics.
func (g *Gateway) metrics(w http.ResponseWriter, r *http.Request, _ string) {
	g.opts.Metrics.Handler().ServeHTTP(w, r)
}
