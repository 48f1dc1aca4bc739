// Package oci serves the models of OCI Generative AI: requests in OpenAI's shape are translated into one of OCI's
// three chat formats, signed, sent, and the answers and streams translated back.
//
// The way of a request reads: input.go (what the caller and the deployment ask for), family.go and params.go (what
// the model takes), generic.go, cohere.go and coherev2.go (the three formats), call.go (sign and send), reply.go and
// stream.go (the way back). embed.go and rerank.go are the other two operations; surface.go decides when a call goes
// by OCI's own OpenAI-shaped surface instead, where little needs translating: surfacebody.go has it.
package oci

import (
	"net/http"
	"sync"
	"time"

	"tollgate/internal/provider"
	"tollgate/internal/provider/compat"
	"tollgate/internal/provider/oci/auth"
)

// Options is what all deployments of a configuration share. The zero value is usable.
type Options struct {
	// Getenv looks up environment variables; nil means that none is set.
	Getenv func(name string) string
	// MaxOutput tells the most tokens that a model can answer with, by its upstream id; 0 when unknown. It becomes
	// the cap of callers who name none, within 16384 where that bound is the model's whole window (Grok's). nil knows
	// no model.
	MaxOutput func(model string) int
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// NewID makes the random part of a completion's id; nil means 26 characters of crypto/rand.
	NewID func() string
	// Principal makes the identity that signs; nil means the ones of package auth. It is called once for equal
	// credentials and does no network I/O.
	Principal func(Credentials) (auth.Principal, error)
	// ChassisTag is the file by which a machine of OCI's is known; "" means Linux's.
	ChassisTag string
}

// Factory opens deployments. Those with equal credentials share one principal, and so one parsed key and one
// token. It is safe for concurrent use.
type Factory struct {
	o   Options
	own *provider.Lease // keeps the principals of deployments whose Spec has no Credentials
}

// New returns a Factory.
func New(o Options) *Factory {
	if o.Getenv == nil {
		o.Getenv = func(string) string { return "" }
	}
	if o.MaxOutput == nil {
		o.MaxOutput = func(string) int { return 0 }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NewID == nil {
		o.NewID = randomID
	}
	return &Factory{o: o, own: new(provider.Credentials).Lease()}
}

// Deployment is one model of OCI under one set of credentials. It is safe for concurrent use.
type Deployment struct {
	o         Options
	spec      provider.Spec
	settings  settings
	fam       *family
	principal auth.Principal // nil when calls go by a GenAI API key alone
	compat    *compat.Client // of the OpenAI-shaped surface; nil when it is never used
	transport http.RoundTripper
	envelope  []byte // the body of a chat call up to and with apiFormat
	target    []byte // compartmentId and servingMode, as members of any body

	learnedMu sync.Mutex
	refusals  map[string]bool // fields that OCI has refused for this model; guarded by learnedMu
}

var (
	_ provider.Chatter  = (*Deployment)(nil)
	_ provider.Embedder = (*Deployment)(nil)
	_ provider.Reranker = (*Deployment)(nil)
	_ provider.Opener   = (*Factory)(nil).Open
)

// Open makes the provider of one deployment: a Chatter, an Embedder and a Reranker. It reads the key file, but does no
// network I/O. Errors name the key of litellm_params at fault.
func (f *Factory) Open(spec provider.Spec) (provider.Chatter, error) {
	s, err := f.readSettings(spec)
	if err != nil {
		return nil, err
	}
	var p auth.Principal
	if s.needsPrincipal(familyOf(spec.Model, s.format)) {
		if p, err = f.principal(&spec, s.credentials, s.choice); err != nil {
			return nil, err
		}
	}
	d, err := f.deployment(spec, s, p)
	if err != nil || !s.late {
		return d, err
	}
	return &lateDeployment{Deployment: d, factory: f}, nil
}

// deployment makes a Deployment of settings. p is nil when calls go by a GenAI API key alone.
func (f *Factory) deployment(spec provider.Spec, s settings, p auth.Principal) (*Deployment, error) {
	d := &Deployment{o: f.o, spec: spec, settings: s, fam: familyOf(spec.Model, s.format), principal: p, refusals: make(map[string]bool)}
	if spec.Egress != nil {
		d.transport = spec.Egress.Transport()
	}
	var err error
	if d.compat, err = d.openCompat(); err != nil {
		return nil, err
	}
	d.target = s.target(spec.Model)
	d.envelope = append(append([]byte{'{'}, d.target...), `,"chatRequest":{"apiFormat":"`...)
	d.envelope = append(append(d.envelope, d.fam.format...), '"')
	return d, nil
}

// SupportedParams lists, sorted, the request parameters that the deployment's model takes.
func (d *Deployment) SupportedParams() []string {
	return SupportedParams(d.spec.Model, d.settings.format)
}

// learned reports whether OCI has refused a field for this model before.
func (d *Deployment) learned(field string) bool {
	d.learnedMu.Lock()
	defer d.learnedMu.Unlock()
	return d.refusals[field]
}

func (d *Deployment) learn(field string) {
	d.learnedMu.Lock()
	defer d.learnedMu.Unlock()
	d.refusals[field] = true
}
