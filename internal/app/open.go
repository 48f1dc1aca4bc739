package app

import (
	"fmt"

	"tollgate/internal/config"
	"tollgate/internal/dispatch"
	"tollgate/internal/provider"
	"tollgate/internal/secret"
)

// opener opens further providers of the deployments of one configuration, after its start.
type opener struct {
	app       *App
	config    *config.Config
	providers map[string]provider.Opener
	byID      map[string]*config.Model
}

func (a *App) opener(cfg *config.Config, providers map[string]provider.Opener) *opener {
	o := &opener{app: a, config: cfg, providers: providers, byID: map[string]*config.Model{}}
	for i := range cfg.Models {
		o.byID[cfg.Models[i].Info.ID] = &cfg.Models[i]
	}
	return o
}

// open is d for another upstream id, or with other parameters.
func (o *opener) open(d *dispatch.Deployment, upstreamID string, change func(*config.Params)) (dispatch.Deployment, error) {
	m, open := o.byID[d.ID], o.providers[d.Provider]
	if m == nil || open == nil {
		return dispatch.Deployment{}, fmt.Errorf("app: the configuration has no deployment %q any more", d.ID)
	}
	spec, err := o.app.spec(o.config, m, upstreamID)
	if err != nil {
		return dispatch.Deployment{}, err
	}
	change(&spec.Params)
	chatter, err := open(spec)
	if err != nil {
		return dispatch.Deployment{}, err
	}
	out := *d
	out.UpstreamID, out.Model = upstreamID, d.Provider+"/"+upstreamID
	attach(&out, chatter)
	return out, nil
}

// openWildcard opens the provider for a name that a pattern of model_list matched.
func (a *App) openWildcard(cfg *config.Config, providers map[string]provider.Opener) func(*dispatch.Deployment, string) (dispatch.Deployment, error) {
	o := a.opener(cfg, providers)
	return func(d *dispatch.Deployment, upstreamID string) (dispatch.Deployment, error) {
		return o.open(d, upstreamID, func(*config.Params) {})
	}
}

// openWith opens the provider for a call that brings its own credential. An address of the caller's without a key of
// the caller's would send the operator's key there; the gateway refuses that before it asks.
func (a *App) openWith(cfg *config.Config, providers map[string]provider.Opener) func(*dispatch.Deployment, map[string]string) (dispatch.Deployment, error) {
	o := a.opener(cfg, providers)
	return func(d *dispatch.Deployment, fields map[string]string) (dispatch.Deployment, error) {
		return o.open(d, d.UpstreamID, func(p *config.Params) {
			for name, value := range fields {
				switch name {
				case "api_key":
					p.APIKey = secret.New(value)
				case "api_base", "base_url":
					p.APIBase = value
				case "api_version":
					p.APIVersion = value
				}
			}
		})
	}
}
