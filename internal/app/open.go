package app

import (
	"errors"
	"fmt"

	"tollgate/internal/config"
	"tollgate/internal/dispatch"
	"tollgate/internal/provider"
	"tollgate/internal/secret"
)

// opener opens further providers of the deployments of one configuration, after its start.
type opener struct {
	*built
	app  *App
	byID map[string]*config.Model
}

func (a *App) opener(b *built) *opener {
	o := &opener{built: b, app: a, byID: map[string]*config.Model{}}
	for i := range b.config.Models {
		o.byID[b.config.Models[i].Info.ID] = &b.config.Models[i]
	}
	return o
}

// open is d for another upstream id.
func (o *opener) open(d *dispatch.Deployment, upstreamID string) (dispatch.Deployment, error) {
	m, open := o.byID[d.ID], o.providers[d.Provider]
	if m == nil || open == nil {
		return dispatch.Deployment{}, fmt.Errorf("app: the configuration has no deployment %q any more", d.ID)
	}
	spec, err := o.app.spec(o.built, m, upstreamID)
	if err != nil {
		return dispatch.Deployment{}, err
	}
	chatter, err := open(spec)
	if err != nil {
		return dispatch.Deployment{}, err
	}
	out := *d
	out.UpstreamID, out.Model = upstreamID, d.Provider+"/"+upstreamID
	attach(&out, chatter)
	tariff := o.app.tariff(d.Provider, m)
	entry, rates, _, err := tariff.of(upstreamID)
	rate(&out, entry, rates)
	return out, err
}

// openWildcard opens the provider for a name that a pattern of model_list matched.
func (a *App) openWildcard(b *built) func(*dispatch.Deployment, string) (dispatch.Deployment, error) {
	return a.opener(b).open
}

// openWith opens the provider for a call that brings its own credential, on nothing but what the caller brought and the
// address of the entry: headers, organization, defaults and the like are the operator's and go nowhere else. A provider
// that signs its calls takes no caller's credential.
func (a *App) openWith(b *built) func(*dispatch.Deployment, map[string]string, bool) (dispatch.Deployment, error) {
	o := a.opener(b)
	return func(d *dispatch.Deployment, fields map[string]string, vetted bool) (dispatch.Deployment, error) {
		m, open := o.byID[d.ID], o.providers[d.Provider]
		if m == nil || open == nil {
			return dispatch.Deployment{}, fmt.Errorf("the configuration has no deployment %q any more", d.ID)
		}
		if d.Provider == "oci" {
			return dispatch.Deployment{}, errors.New("calls of OCI are signed with the gateway's own key")
		}
		spec := provider.Spec{
			ID: d.ID, Alias: d.Alias, Model: d.UpstreamID, DropParams: true, Egress: b.egress, Log: a.log,
			Params: config.Params{Model: m.Params.Model, CustomLLMProvider: m.Params.CustomLLMProvider, APIBase: m.Params.APIBase, APIVersion: m.Params.APIVersion},
		}
		for name, value := range fields {
			switch name {
			case "api_key":
				spec.Params.APIKey = secret.New(value)
			case "api_base", "base_url":
				spec.Params.APIBase = value
				if !vetted {
					spec.Egress = b.egress.Guarded()
				}
			case "api_version":
				spec.Params.APIVersion = value
			}
		}
		chatter, err := open(spec)
		if err != nil {
			return dispatch.Deployment{}, err
		}
		out := *d
		attach(&out, chatter)
		return out, nil
	}
}
