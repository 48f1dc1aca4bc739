package gateway

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"tollgate/internal/apierr"
)

// Service is an integration that can be tried.
type Service struct {
	Kind, Name, Service string
	Ping                func(ctx context.Context) error // harmless, bounded
}

// serviceState is how a Service fares, in the answer.
type serviceState struct {
	Kind    string  `json:"kind"`
	Name    string  `json:"name"`
	Service string  `json:"service"`
	Status  string  `json:"status"` // success, failure
	Error   string  `json:"error,omitempty"`
	Took    float64 `json:"duration_ms"`
}

// healthServices is GET /health/services: ?service=NAME tries one integration and answers as LiteLLM does, without it all of
// them are tried.
func (g *Gateway) healthServices(w http.ResponseWriter, r *http.Request, _ visit) {
	services := g.opts.services()
	name := r.URL.Query().Get("service")
	if name == "" {
		writeJSON(w, map[string]any{"services": tryServices(r.Context(), services)})
		return
	}
	// LiteLLM's other names of what is configured under one.
	known := map[string]string{"slack_budget_alerts": "slack"}
	wanted := name
	if other, ok := known[name]; ok {
		wanted = other
	}
	chosen := slices.DeleteFunc(slices.Clone(services), func(s Service) bool { return s.Service != wanted && s.Name != wanted })
	if len(chosen) == 0 {
		(&apierr.Error{
			Status: http.StatusUnprocessableEntity, Type: "invalid_request_error", Param: "service",
			Message: "\"" + clip(name) + "\" is not among the configured services: " + serviceNames(services) + ".",
		}).Write(w)
		return
	}
	states := tryServices(r.Context(), chosen)
	var failed []error
	for _, s := range states {
		if s.Error != "" {
			failed = append(failed, errors.New(s.Kind+" "+s.Name+": "+s.Error))
		}
	}
	if err := errors.Join(failed...); err != nil {
		(&apierr.Error{Status: http.StatusInternalServerError, Type: "internal_server_error", Param: "service", Message: err.Error()}).NoRetry().Write(w)
		return
	}
	writeJSON(w, map[string]any{"status": "success", "message": "A harmless call was made - check " + name, "services": states})
}

func serviceNames(list []Service) string {
	var names []string
	for _, s := range list {
		if !slices.Contains(names, s.Service) {
			names = append(names, s.Service)
		}
	}
	if len(names) == 0 {
		return "none is configured"
	}
	return strings.Join(names, ", ")
}

func tryServices(ctx context.Context, list []Service) []serviceState {
	done := make(chan int)
	states := make([]serviceState, len(list))
	for i, s := range list {
		go func() {
			began := time.Now()
			states[i] = serviceState{Kind: s.Kind, Name: s.Name, Service: s.Service, Status: "success"}
			if err := s.Ping(ctx); err != nil {
				states[i].Status, states[i].Error = "failure", err.Error()
			}
			states[i].Took = float64(time.Since(began).Microseconds()) / 1000
			done <- i
		}()
	}
	for range list {
		<-done
	}
	return states
}

// services are those of the configuration in force.
func (o *Options) services() []Service {
	if o.Services == nil {
		return nil
	}
	return o.Services()
}
