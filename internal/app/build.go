package app

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"tollgate/internal/access"
	"tollgate/internal/alert"
	"tollgate/internal/callback"
	"tollgate/internal/config"
	"tollgate/internal/dispatch"
	"tollgate/internal/egress"
	"tollgate/internal/gateway"
	"tollgate/internal/guardrail"
	"tollgate/internal/openai"
	"tollgate/internal/price"
	"tollgate/internal/provider"
	"tollgate/internal/record"
	"tollgate/internal/telemetry"
)

// built is what one configuration became.
type built struct {
	config      *config.Config
	lookup      func(string) (string, bool) // the environment as the configuration sees it
	egress      *egress.Egress
	way         way // what egress was made with
	providers   map[string]provider.Opener
	lease       *provider.Lease // of what signs for the deployments; whoever does not take the configuration releases it
	deployments []dispatch.Deployment
	models      []gateway.Model // of the same entries as deployments
	cache       *openedCache    // nil = none
	guardrails  *guardrail.Set
	// guardrailKinds are the openers by litellm_params.guardrail.
	guardrailKinds map[string]guardrail.Opener
	callbacks      []callback.Configured
	// teamCallbacks are the accounts that the operator has given to teams, by team id.
	teamCallbacks map[string][]record.OwnCallback
	probes        []Probe // of the integrations
	// litellmMetrics are the series with LiteLLM's names; nil = they are off.
	litellmMetrics *telemetry.LiteLLMOptions
	alerts         *alert.Settings
	router         *dispatch.Router // nil until snapshot has made it
	// refused is true when something is wrong that calls must not be served with.
	refused bool
	found   config.Diagnostics // of deployments and prices
}

// build opens what one configuration names: the way out, the providers, the deployments. What is wrong with a
// deployment is found of the result; the error is what nothing can be built with. It does no network I/O, and puts
// nothing in force.
func (a *App) build(cfg *config.Config) (*built, error) {
	b := &built{config: cfg, lookup: a.environ.with(cfg.Environment)}
	if err := a.openEgress(b); err != nil {
		return nil, err
	}
	b.providers = a.opts.Providers(b.getenv, a.prices)
	b.lease = a.credentials.Lease()
	for i := range cfg.Models {
		if d, m, ok := a.deployment(b, &cfg.Models[i]); ok {
			b.deployments = append(b.deployments, d)
			b.models = append(b.models, m)
		}
	}
	a.openGuardrails(b)
	a.openCallbacks(b)
	a.openCache(b)
	a.openMetrics(b)
	a.openAlerts(b)
	return b, nil
}

// snapshot makes the rooms that serve what was built. From then on the router's state knows its deployments alone, so
// it is called for a configuration that is taken.
func (a *App) snapshot(b *built) (*gateway.Snapshot, error) {
	cfg := b.config
	g := &cfg.General
	allowed, err := prefixes("allowed_ips", g.AllowedIPs)
	if err != nil {
		return nil, err
	}
	proxies, err := prefixes("trusted_proxy_ranges", g.TrustedProxyRanges)
	if err != nil {
		return nil, err
	}
	router, err := dispatch.New(a.routing(b), b.deployments, a.state)
	if err != nil {
		return nil, err
	}
	b.router = router
	tokens, err := a.tokens(b)
	if err != nil {
		return nil, err
	}
	s := &gateway.Snapshot{
		Gate: access.NewGate(access.Options{
			MasterKey: g.MasterKey.Reveal(), KeyHeader: g.KeyHeaderName, AllowedIPs: allowed, UseForwarded: g.UseXForwardedFor, Proxies: proxies,
			AllowedRoutes: g.AllowedRoutes, PublicRoutes: publicRoutes(cfg), AdminOnlyRoutes: g.AdminOnlyRoutes,
			Directory: a.rooms.directory, Tokens: tokens, ServeUnknown: g.AllowUnavailable, Policy: policy(cfg),
		}),
		Router: router, Models: gateway.NewModels(b.models),
		MaxBody:            int64(g.MaxRequestSizeMB * (1 << 20)),
		Overrides:          a.overrides(g),
		ModelAliases:       cfg.Litellm.ModelAliasMap,
		AlwaysIncludeUsage: g.AlwaysIncludeStreamUsage,
		MockTesting:        g.AllowMockTestingParams,
		Keepalive:          keepalive(cfg),
		ClientCredentials:  g.AllowClientSideCredentials,
		OpenWith:           a.openWith(b),
		ForwardHeaders:     g.ForwardClientHeaders,
		Health:             gateway.Health{Timeout: b.healthTimeout(), Parallel: deref(g.HealthCheckParallel), Details: g.HealthCheckDetails},
		LogLevel:           a.level.String(),
	}
	s.Tracing = len(b.teamCallbacks) > 0 || slices.ContainsFunc(b.callbacks, func(c callback.Configured) bool { return showsTraces(c.Name) })
	s.ForwardTraceparent = cfg.Litellm.ForwardTraceparent
	s.Guardrails = b.guardrails
	if b.cache != nil {
		s.Cache = b.cache.cache
	}
	s.Callbacks = gateway.CallbackRules{Configured: len(b.callbacks) > 0, Insist: cfg.Litellm.DisableNoLog, Teams: b.teamCallbacks, Vars: a.callbackVars(b)}
	s.Tracing, s.ForwardTraceparent = b.traces(), cfg.Litellm.ForwardTraceparent
	accounting(s, cfg)
	return s, nil
}

// way is what an Egress depends on.
type way struct {
	caFile   string
	insecure bool
	bodies   bool // debug logs show them
	// environment holds the values of wayVariables, which egress reads by itself.
	environment [len(wayVariables)]string
}

var wayVariables = [...]string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy", "SSL_CERT_FILE"}

// openEgress makes the way out, or keeps the one in use with its connections when nothing about it has changed.
func (a *App) openEgress(b *built) error {
	cfg := b.config
	b.way = way{caFile: extraCAs(cfg), insecure: cfg.Litellm.SSLVerify.Disabled, bodies: cfg.Tollgate.DebugBodies}
	for i, name := range wayVariables {
		b.way.environment[i] = os.Getenv(name)
	}
	if a.egress != nil && a.way == b.way {
		b.egress = a.egress
		return nil
	}
	e, err := egress.New(egress.Options{ExtraCAFile: b.way.caFile, InsecureSkipVerify: b.way.insecure, Debug: a.log, DebugBodies: b.way.bodies})
	if err != nil {
		return fmt.Errorf("app: %w", err)
	}
	b.egress = e
	return nil
}

// extraCAs is the file of the certificates that are trusted besides the system's.
func extraCAs(cfg *config.Config) string {
	return cmp.Or(cfg.Tollgate.ExtraCAFile, cfg.Litellm.SSLVerify.CAFile)
}

func (a *App) overrides(g *config.GeneralSettings) map[openai.Operation]string {
	chat := g.CompletionModel
	if chat == "" {
		chat = a.opts.Model
	}
	return map[openai.Operation]string{openai.OpChat: chat, openai.OpCompletion: chat, openai.OpEmbedding: g.EmbeddingModel}
}

// defaultKeepalive is the silence after which a stream gets a comment where the configuration says nothing: balancers
// cut quiet connections at 30 to 60 seconds.
const defaultKeepalive = 15 * time.Second

func keepalive(cfg *config.Config) time.Duration {
	if d := cfg.Litellm.SSEKeepalivePingInterval; d != nil {
		return *d
	}
	return defaultKeepalive
}

func publicRoutes(cfg *config.Config) []string {
	routes := slices.Clone(cfg.General.PublicRoutes)
	if !cfg.Litellm.RequireAuthForMetrics {
		routes = append(routes, "/metrics")
	}
	return routes
}

func prefixes(key string, list []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, s := range list {
		if addr, err := netip.ParseAddr(s); err == nil {
			out = append(out, netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return nil, fmt.Errorf("app: general_settings.%s: %q is neither an address nor a range", key, s)
		}
		out = append(out, p)
	}
	return out, nil
}

// deployment opens one entry of model_list. What is wrong with it is added to b.found.
func (a *App) deployment(b *built, m *config.Model) (dispatch.Deployment, gateway.Model, bool) {
	p := &m.Params
	kind, upstream := providerOf(p)
	tariff := a.tariff(kind, m)
	entry, rates, listed, err := tariff.of(upstream)
	if err != nil {
		b.say(m, config.Error, "price", err.Error())
		return dispatch.Deployment{}, gateway.Model{}, false
	}
	b.sayUncounted(m)
	wild := strings.Contains(m.Name, "*")
	if (rates == price.Rates{}) && !wild && p.MockResponse == "" {
		b.say(m, config.Warning, "price", noPrice(kind, upstream))
	}
	open, ok := b.providers[kind]
	if !ok {
		b.say(m, config.Error, "provider", fmt.Sprintf("the provider %q is not served by this version, so the deployment is left out; %s", kind, providerList(b.providers)))
		return dispatch.Deployment{}, gateway.Model{}, false
	}
	spec, err := a.spec(b, m, upstream)
	if err != nil {
		b.refuse(m, err)
		return dispatch.Deployment{}, gateway.Model{}, false
	}
	d := describe(b.config, m, kind, upstream)
	rate(&d, entry, rates)
	if !wild {
		chatter, err := open(spec)
		if err != nil {
			b.refuse(m, err)
			return dispatch.Deployment{}, gateway.Model{}, false
		}
		if a.checking {
			b.check(m, chatter)
		}
		attach(&d, chatter)
	}
	budgets, err := deploymentBudgets(b.config, m, kind)
	if err != nil {
		b.say(m, config.Error, config.CodeBadValue, err.Error())
		return dispatch.Deployment{}, gateway.Model{}, false
	}
	shown := gateway.Model{
		Budgets: budgets, AccessGroups: m.Info.AccessGroups, Guardrails: m.Params.Guardrails, Stored: m.Pos.File == database,
		MayThink: mayThink(m, entry, listed), Defaults: defaultsOf(m),
		ID: d.ID, Alias: d.Alias, Provider: kind, UpstreamID: upstream, APIBase: apiBase(p), DropParams: spec.DropParams,
		Mode: mode(m, entry, listed), ModeKnown: listed || m.Info.Mode != "", Rates: rates, Entry: entry,
		Params: m.Params.Masked(), Info: m.Info.Echo(), RPM: d.RPM, TPM: d.TPM, Supported: supported(d.Chatter),
		ClientParams: clientParams(p.ClientsideAuthParams), Keepalive: p.Keepalive, KeepaliveOverride: p.AllowKeepaliveOverride, MergeReasoning: p.MergeReasoningContent,
		HealthTimeout: deref(m.Info.HealthCheckTimeout), HealthTokens: deref(m.Info.HealthCheckMaxTokens), HealthModel: m.Info.HealthCheckModel,
	}
	if wild && p.MockResponse == "" {
		shown.Opened = tariff.opened(a.log)
	}
	return d, shown, true
}

// say adds a finding about an entry's parameters, once.
func (b *built) say(m *config.Model, severity config.Severity, code, message string) {
	b.sayAt(m.Params.Pos(), m.Params.Path(), severity, code, message)
}

func (b *built) sayAt(pos config.Position, path string, severity config.Severity, code, message string) {
	d := config.Diagnostic{Severity: severity, File: pos.File, Line: pos.Line, Column: pos.Column, Path: path, Code: code, Message: message}
	if !slices.Contains(b.found, d) { // default_litellm_params is read for every entry
		b.found = append(b.found, d)
	}
}

// mayThink reports whether a model may bill tokens that it does not show: by the operator's word, by the table's, and else
// because nobody has said that it does not.
func mayThink(m *config.Model, entry price.Entry, listed bool) bool {
	if said, ok := m.Info.Echo()["supports_reasoning"].(bool); ok {
		return said
	}
	return entry.Reasoning || !listed
}

// defaultsOf are the parameters of an entry that the size of an answer depends on.
func defaultsOf(m *config.Model) gateway.Defaults {
	whole := func(names ...string) (most int64) {
		for _, name := range names {
			if f, err := strconv.ParseFloat(fmt.Sprint(m.Params.Masked()[name]), 64); err == nil && f >= 1 {
				most = max(most, int64(min(f, 1<<24)))
			}
		}
		return most
	}
	return gateway.Defaults{
		Choices: whole("n", "best_of"), Output: whole("max_tokens", "max_completion_tokens"),
		DropsCap: slices.Contains(m.Params.AdditionalDropParams, "max_tokens") || slices.Contains(m.Params.AdditionalDropParams, "max_completion_tokens"),
	}
}

// sayUncounted warns of prices of an entry that no cost is made of.
func (b *built) sayUncounted(m *config.Model) {
	for _, name := range slices.Sorted(maps.Keys(m.Params.Costs)) {
		if !price.Counted(name) {
			b.say(m, config.Warning, "price", name+" is not counted: costs are made of tokens, characters, images, seconds and searches")
		}
	}
}

// refuse adds the error by which an entry cannot be opened.
func (b *built) refuse(m *config.Model, err error) {
	var param *paramError
	if errors.As(err, &param) {
		b.sayAt(param.value.Pos(), param.value.Path(), config.Error, config.CodeWrongType, err.Error())
		return
	}
	b.say(m, config.Error, "provider", err.Error())
}

// check has a provider look at its settings.
func (b *built) check(m *config.Model, chatter provider.Chatter) {
	if e, ok := chatter.(provider.Explainer); ok {
		for _, text := range e.Explain() {
			b.explain(m, text)
		}
	}
	c, ok := chatter.(provider.Checker)
	if !ok {
		return
	}
	warnings, err := c.Check()
	for _, w := range warnings {
		b.say(m, config.Warning, "provider", w)
	}
	if err != nil {
		b.say(m, config.Error, "provider", err.Error())
	}
}

// explain adds a notice, for the first entry that it is true of.
func (b *built) explain(m *config.Model, text string) {
	if !slices.ContainsFunc(b.found, func(d config.Diagnostic) bool { return d.Severity == config.Notice && d.Message == text }) {
		b.say(m, config.Notice, "provider", text)
	}
}

// providerOf splits litellm_params.model into the provider and the upstream's id. A model without a known prefix is
// OpenAI's, as LiteLLM has it.
func providerOf(p *config.Params) (kind, upstream string) {
	prefix, rest, found := strings.Cut(p.Model, "/")
	if p.CustomLLMProvider != "" {
		if found && prefix == p.CustomLLMProvider {
			return prefix, rest
		}
		return p.CustomLLMProvider, p.Model
	}
	if !found {
		return "openai", p.Model
	}
	return prefix, rest
}

func providerList(providers map[string]provider.Opener) string {
	return "served are " + strings.Join(slices.Sorted(maps.Keys(providers)), ", ")
}

// getenv is the environment as providers see it: environment_variables first, then the process's. tollgate_settings.oci_auth
// stands before the variable of the same meaning.
func (b *built) getenv(name string) string {
	if name == "OCI_AUTH" && b.config.Tollgate.OCIAuth != "" {
		return b.config.Tollgate.OCIAuth
	}
	value, _ := b.lookup(name)
	return value
}

// spec is what a provider is opened with.
func (a *App) spec(b *built, m *config.Model, upstream string) (provider.Spec, error) {
	cfg := b.config
	drop := cfg.Litellm.DropParams
	if m.Params.DropParams != nil {
		drop = *m.Params.DropParams
	}
	defaults, err := requestDefaults(cfg, m)
	return provider.Spec{
		ID: m.Info.ID, Alias: m.Name, Model: upstream, Params: m.Params, Defaults: defaults, Omit: m.Params.AdditionalDropParams,
		DropParams: drop, Egress: b.egress, Credentials: b.lease, AllowURLFetch: cfg.Tollgate.AllowURLFetch, Log: a.log,
	}, err
}

// describe is the deployment without its provider and its price.
func describe(cfg *config.Config, m *config.Model, kind, upstream string) dispatch.Deployment {
	p := &m.Params
	d := dispatch.Deployment{
		ID: m.Info.ID, Alias: m.Name, Model: kind + "/" + upstream, UpstreamID: upstream, Provider: kind,
		Weight: p.Weight, Order: p.Order, Tags: p.Tags, TagRegex: p.TagRegex, NumRetries: p.NumRetries, CooldownTime: p.CooldownTime,
		MockResponse: p.MockResponse, Blocked: m.Info.Blocked,
		RPM: deref(p.RPM), TPM: deref(p.TPM), MaxParallel: deref(p.MaxParallelRequests), Timeout: deref(p.Timeout), StreamTimeout: deref(p.StreamTimeout),
	}
	if d.Timeout == 0 {
		d.Timeout = deref(cfg.Router.DefaultParams.Timeout)
	}
	return d
}

func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}

// attach notes what the provider of a deployment can do, once, instead of asking at each call.
func attach(d *dispatch.Deployment, c provider.Chatter) {
	d.Chatter = c
	d.Completer, _ = c.(provider.Completer)
	d.Embedder, _ = c.(provider.Embedder)
	d.Reranker, _ = c.(provider.Reranker)
}

func mode(m *config.Model, entry price.Entry, priced bool) string {
	switch {
	case m.Info.Mode != "":
		return m.Info.Mode
	case priced:
		return entry.Mode
	case strings.Contains(m.Params.Model, "embed"):
		return "embedding"
	case strings.Contains(m.Params.Model, "rerank"):
		return "rerank"
	}
	return "chat"
}

// apiBase is the upstream's address for a header: without a query, which may hold a secret.
func apiBase(p *config.Params) string {
	base, _, _ := strings.Cut(p.APIBase, "?")
	return base
}

// clientParams are the fields that callers may set for a deployment, each with the pattern that its value must match.
func clientParams(list []config.ClientsideAuthParam) map[string]*regexp.Regexp {
	out := map[string]*regexp.Regexp{}
	for _, p := range list {
		// The configuration has compiled each pattern before. The whole value must match, or a pattern for a host
		// would pass any address that only mentions it.
		pattern := "^(?:" + p.Pattern + ")$"
		if p.Pattern == "" {
			pattern = "" // any value
		}
		if re, err := regexp.Compile(pattern); err == nil {
			out[p.Name] = re
		}
	}
	return out
}

// healthTimeout bounds one probe (HEALTH_CHECK_TIMEOUT_SECONDS, LiteLLM's default 60 s).
func (b *built) healthTimeout() time.Duration {
	if d := b.envSeconds("HEALTH_CHECK_TIMEOUT_SECONDS"); d > 0 {
		return d
	}
	return time.Minute
}

// supported asks a provider that knows which OpenAI parameters its model takes.
func supported(c provider.Chatter) []string {
	if s, ok := c.(interface{ SupportedParams() []string }); ok {
		return s.SupportedParams()
	}
	return nil
}
