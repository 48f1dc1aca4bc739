package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"

	"tollgate/internal/apierr"
	"tollgate/internal/dispatch"
	"tollgate/internal/openai"
	"tollgate/internal/provider"
)

// liveness says that the process is alive, as the JSON string that LiteLLM says it with.
func (g *Gateway) liveness(w http.ResponseWriter, _ *http.Request, _ visit) {
	writeJSON(w, "I'm alive!")
}

// readiness says that calls can be served. It does not ask an upstream: OCI away must not take the gateway out of
// its balancer.
func (g *Gateway) readiness(w http.ResponseWriter, _ *http.Request, _ visit) {
	writeJSON(w, map[string]any{
		"status": "healthy", "db": g.database(), "cache": nil, "litellm_version": compatVersion, "tollgate_version": g.opts.Version,
		"success_callbacks": []string{}, "use_aiohttp_transport": false,
		"log_level": g.snap.Load().LogLevel, "is_detailed_debug": g.snap.Load().LogLevel == "DEBUG",
	})
}

// database is LiteLLM's word for whether a database answers. One that is away takes no replica out of its balancer either:
// known keys go on.
func (g *Gateway) database() string {
	if g.opts.DatabaseAnswers == nil {
		return "Not connected"
	}
	if g.opts.DatabaseAnswers() {
		return "connected"
	}
	return "unreachable"
}

// healthParallel is how many deployments are probed at once where the configuration does not say.
const healthParallel = 16

// health is GET /health: one small call of each deployment, or of those that the query names.
func (g *Gateway) health(w http.ResponseWriter, r *http.Request, _ visit) {
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
	healthy, unhealthy := snap.probe(r.Context(), targets, g.opts.Log)
	writeJSON(w, map[string]any{
		"healthy_endpoints": healthy, "unhealthy_endpoints": unhealthy,
		"healthy_count": len(healthy), "unhealthy_count": len(unhealthy), "credentials": g.credentials(snap.Health.Details),
	})
}

func (s *Snapshot) probe(ctx context.Context, targets []*dispatch.Deployment, log *slog.Logger) (healthy, unhealthy []map[string]any) {
	errs := make([]error, len(targets))
	parallel := s.Health.Parallel
	if parallel <= 0 {
		parallel = healthParallel
	}
	slots := make(chan struct{}, parallel)
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
		if m := s.Models.byID(d.ID); m != nil && m.APIBase != "" && s.Health.Details {
			e["api_base"] = m.APIBase
		}
		if errs[i] == nil {
			healthy = append(healthy, e)
			continue
		}
		if s.Health.Details {
			e["error"] = errs[i].Error()
		}
		var own *apierr.Error
		if errors.As(errs[i], &own) && own.Cause != nil {
			log.Warn("health probe failed", "deployment", d.ID, "error", own.Cause)
		}
		unhealthy = append(unhealthy, e)
	}
	return healthy, unhealthy
}

// healthPrompt is what probes say (LiteLLM's DEFAULT_HEALTH_CHECK_PROMPT), and healthTokens how long the answer may be.
const (
	healthPrompt = "test from litellm"
	healthTokens = 5
)

// probeBody is the smallest call of a mode.
func probeBody(mode string, tokens int) (openai.Operation, string) {
	switch mode {
	case "embedding":
		return openai.OpEmbedding, `{"model":"health","input":["` + healthPrompt + `"]}`
	case "rerank":
		return openai.OpRerank, `{"model":"health","query":"test","documents":["` + healthPrompt + `"]}`
	case "completion":
		return openai.OpCompletion, fmt.Sprintf(`{"model":"health","max_tokens":%d,"prompt":%q}`, tokens, healthPrompt)
	}
	return openai.OpChat, fmt.Sprintf(`{"model":"health","max_tokens":%d,"messages":[{"role":"user","content":%q}]}`, tokens, healthPrompt)
}

// probeOne makes the call, in a goroutine of its own.
func (s *Snapshot) probeOne(ctx context.Context, d *dispatch.Deployment) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = caught(p)
		}
	}()
	mode, tokens, timeout := "chat", healthTokens, s.Health.Timeout
	if m := s.Models.byID(d.ID); m != nil {
		mode = m.Mode
		if m.HealthTokens > 0 {
			tokens = m.HealthTokens
		}
		if m.HealthTimeout > 0 {
			timeout = m.HealthTimeout
		}
		if m.HealthModel != "" && strings.Contains(d.Alias, "*") {
			if list := s.Router.Deployments(m.HealthModel); len(list) > 0 {
				d = list[0]
			}
		}
	}
	if d.Chatter == nil {
		return errors.New("a wildcard names no single model; set model_info.health_check_model to probe one of it")
	}
	op, text := probeBody(mode, tokens)
	body, err := openai.ParseRequest(op, []byte(text))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	_, err = ask(ctx, op, dispatch.Target{Deployment: d, Group: d.Alias}, body, true)
	var up *provider.UpstreamError
	if errors.As(err, &up) {
		return errors.New(up.Error())
	}
	return err
}

// metrics is GET /metrics.
func (g *Gateway) metrics(w http.ResponseWriter, r *http.Request, _ visit) {
	g.opts.Metrics.Handler().ServeHTTP(w, r)
}
