package app

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"tollgate/internal/access"
	"tollgate/internal/config"
	"tollgate/internal/dispatch"
	"tollgate/internal/egress"
	"tollgate/internal/gateway"
	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
	"tollgate/internal/price"
	"tollgate/internal/provider"
)

// built is what one configuration became.
type built struct {
	providers   map[string]provider.Opener
	snapshot    *gateway.Snapshot
	deployments []dispatch.Deployment
	found       config.Diagnostics // of deployments and prices
}

// build makes the rooms of one configuration. It does no network I/O.
func (a *App) build(cfg *config.Config) (*built, error) {
	if err := a.openEgress(cfg); err != nil {
		return nil, err
	}
	b := &built{providers: a.opts.Providers(a.getenv, a.prices)}
	var models []gateway.Model
	for i := range cfg.Models {
		d, m, ok := a.deployment(cfg, &cfg.Models[i], b)
		if ok {
			b.deployments = append(b.deployments, d)
			models = append(models, m)
		}
	}
	router, err := dispatch.New(a.routing(cfg, b.providers), b.deployments, a.state)
	if err != nil {
		return nil, err
	}
	g := &cfg.General
	allowed, err := prefixes("allowed_ips", g.AllowedIPs)
	if err != nil {
		return nil, err
	}
	proxies, err := prefixes("trusted_proxy_ranges", g.TrustedProxyRanges)
	if err != nil {
		return nil, err
	}
	b.snapshot = &gateway.Snapshot{
		Gate: access.NewGate(access.Options{
			MasterKey: g.MasterKey.Reveal(), KeyHeader: g.KeyHeaderName, AllowedIPs: allowed, UseForwarded: g.UseXForwardedFor, Proxies: proxies,
			AllowedRoutes: g.AllowedRoutes, PublicRoutes: publicRoutes(cfg),
		}),
		Router: router, Models: gateway.NewModels(models),
		MaxBody:            int64(g.MaxRequestSizeMB * (1 << 20)),
		Overrides:          a.overrides(g),
		ModelAliases:       cfg.Litellm.ModelAliasMap,
		AlwaysIncludeUsage: g.AlwaysIncludeStreamUsage,
		MockTesting:        g.AllowMockTestingParams,
		Keepalive:          keepalive(cfg),
		ClientCredentials:  g.AllowClientSideCredentials,
		OpenWith:           a.openWith(cfg, b.providers),
		ForwardHeaders:     g.ForwardClientHeaders,
		Health:             gateway.Health{Timeout: a.healthTimeout(), Parallel: deref(g.HealthCheckParallel), Details: g.HealthCheckDetails},
		LogLevel:           a.level.String(),
	}
	return b, nil
}

// openEgress makes the way out, or keeps the one in use with its connections when nothing about it has changed.
func (a *App) openEgress(cfg *config.Config) error {
	way := egress.Options{ExtraCAFile: cfg.Tollgate.ExtraCAFile, InsecureSkipVerify: cfg.Litellm.SSLVerify.Disabled}
	if cfg.Litellm.SSLVerify.CAFile != "" && way.ExtraCAFile == "" {
		way.ExtraCAFile = cfg.Litellm.SSLVerify.CAFile
	}
	if a.egress != nil && a.way.ExtraCAFile == way.ExtraCAFile && a.way.InsecureSkipVerify == way.InsecureSkipVerify {
		return nil
	}
	e, err := egress.New(way)
	if err != nil {
		return fmt.Errorf("app: %w", err)
	}
	a.egress, a.way = e, way
	return nil
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
func (a *App) deployment(cfg *config.Config, m *config.Model, b *built) (dispatch.Deployment, gateway.Model, bool) {
	p := &m.Params
	say := func(severity config.Severity, code, message string) {
		pos := p.Pos()
		b.found = append(b.found, config.Diagnostic{
			Severity: severity, File: pos.File, Line: pos.Line, Column: pos.Column, Path: p.Path(), Code: code, Message: message,
		})
	}
	kind, upstream := providerOf(p)
	entry, priced := a.prices.Lookup(kind + "/" + upstream)
	if base := m.Info.BaseModel; base != "" {
		entry, priced = a.prices.Lookup(base)
	}
	entry = described(entry, &m.Info)
	rates, err := entry.Rates.With(override(p.Costs))
	if err != nil {
		say(config.Error, "price", err.Error())
		return dispatch.Deployment{}, gateway.Model{}, false
	}
	wild := strings.Contains(m.Name, "*") || strings.Contains(upstream, "*")
	if (rates == price.Rates{}) && !wild && p.MockResponse == "" {
		say(config.Warning, "price", fmt.Sprintf("no price is known for %s/%s, so its calls cost 0; set input_cost_per_token and output_cost_per_token", kind, upstream))
	}
	open, ok := b.providers[kind]
	if !ok {
		say(config.Error, "provider", fmt.Sprintf("the provider %q is not served by this version, so the deployment is left out; %s", kind, providerList(b.providers)))
		return dispatch.Deployment{}, gateway.Model{}, false
	}
	spec, err := a.spec(cfg, m, upstream)
	if err != nil {
		say(config.Error, "provider", err.Error())
		return dispatch.Deployment{}, gateway.Model{}, false
	}
	d := describe(cfg, m, kind, upstream, entry, rates)
	if !wild {
		chatter, err := open(spec)
		if err != nil {
			say(config.Error, "provider", err.Error())
			return dispatch.Deployment{}, gateway.Model{}, false
		}
		if c, ok := chatter.(provider.Checker); ok && a.checking {
			warnings, err := c.Check()
			for _, w := range warnings {
				say(config.Warning, "provider", w)
			}
			if err != nil {
				say(config.Error, "provider", err.Error())
			}
		}
		attach(&d, chatter)
	}
	return d, gateway.Model{
		ID: d.ID, Alias: d.Alias, Provider: kind, UpstreamID: upstream, APIBase: apiBase(p), DropParams: spec.DropParams, Mode: mode(m, entry, priced), ModeKnown: priced || m.Info.Mode != "", Rates: rates, Entry: entry,
		Params: m.Params.Masked(), Info: m.Info.Echo(), RPM: d.RPM, TPM: d.TPM, Supported: supported(d.Chatter),
		ClientParams: clientParams(p.ClientsideAuthParams), Keepalive: p.Keepalive, KeepaliveOverride: p.AllowKeepaliveOverride, MergeReasoning: p.MergeReasoningContent,
		HealthTimeout: deref(m.Info.HealthCheckTimeout), HealthTokens: deref(m.Info.HealthCheckMaxTokens), HealthModel: m.Info.HealthCheckModel,
	}, true
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

// getenv is the environment as providers see it: the variables of the process, which hold environment_variables too.
func (a *App) getenv(name string) string {
	value, _ := a.opts.Env(name)
	return value
}

// spec is what a provider is opened with.
func (a *App) spec(cfg *config.Config, m *config.Model, upstream string) (provider.Spec, error) {
	drop := cfg.Litellm.DropParams
	if m.Params.DropParams != nil {
		drop = *m.Params.DropParams
	}
	defaults, err := requestDefaults(cfg, m)
	return provider.Spec{
		ID: m.Info.ID, Alias: m.Name, Model: upstream, Params: m.Params, Defaults: defaults, Omit: m.Params.AdditionalDropParams,
		DropParams: drop, Egress: a.egress, AllowURLFetch: cfg.Tollgate.AllowURLFetch, Log: a.log,
	}, err
}

// requestDefaults are the request parameters that an entry sets, then those of default_litellm_params.
func requestDefaults(cfg *config.Config, m *config.Model) ([]jsonscan.Field, error) {
	var out []jsonscan.Field
	for _, params := range []map[string]any{m.Params.ExtraBody, m.Params.Extra(), cfg.Router.DefaultParams.Extra()} {
		for _, name := range slices.Sorted(maps.Keys(params)) {
			if slices.ContainsFunc(out, func(f jsonscan.Field) bool { return f.Name == name }) {
				continue
			}
			text, err := json.Marshal(asNumber(name, params[name]))
			if err != nil {
				return nil, fmt.Errorf("%s cannot be sent as JSON: %w", name, err)
			}
			out = append(out, jsonscan.Field{Name: name, Value: text})
		}
	}
	return out, nil
}

// numbers are request parameters that are numbers whatever way the file writes them: LiteLLM takes "0.1", and so does
// os.environ/, which has nothing but texts.
var numbers = []string{
	"dimensions", "frequency_penalty", "max_completion_tokens", "max_tokens", "n", "presence_penalty", "seed", "temperature", "top_k", "top_logprobs", "top_n", "top_p",
}

// asNumber is a text that stands for a number as the number.
func asNumber(name string, value any) any {
	text, ok := value.(string)
	if !ok || !slices.Contains(numbers, name) {
		return value
	}
	if _, err := strconv.ParseFloat(text, 64); err != nil || jsonscan.Valid([]byte(text)) != nil {
		return value
	}
	return json.Number(text)
}

func override(costs map[string]config.Decimal) price.Override {
	return price.Override{
		InputCostPerToken: string(costs["input_cost_per_token"]), OutputCostPerToken: string(costs["output_cost_per_token"]),
		CacheReadInputTokenCost: string(costs["cache_read_input_token_cost"]), CacheCreationInputTokenCost: string(costs["cache_creation_input_token_cost"]),
		InputCostPerCharacter: string(costs["input_cost_per_character"]), OutputCostPerCharacter: string(costs["output_cost_per_character"]),
	}
}

// describe is the deployment without its provider.
func describe(cfg *config.Config, m *config.Model, kind, upstream string, entry price.Entry, rates price.Rates) dispatch.Deployment {
	p := &m.Params
	d := dispatch.Deployment{
		ID: m.Info.ID, Alias: m.Name, Model: kind + "/" + upstream, UpstreamID: upstream, Provider: kind,
		Weight: p.Weight, Order: p.Order, Tags: p.Tags, TagRegex: p.TagRegex, NumRetries: p.NumRetries, CooldownTime: p.CooldownTime,
		MockResponse: p.MockResponse, MaxInputTokens: entry.MaxInputTokens, Blocked: m.Info.Blocked,
		RPM: deref(p.RPM), TPM: deref(p.TPM), MaxParallel: deref(p.MaxParallelRequests), Timeout: deref(p.Timeout), StreamTimeout: deref(p.StreamTimeout),
	}
	if d.Timeout == 0 {
		d.Timeout = deref(cfg.Router.DefaultParams.Timeout)
	}
	if rates.Input.Known {
		d.InputCost = &rates.Input.USD
	}
	if rates.Output.Known {
		d.OutputCost = &rates.Output.USD
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

// described is the price table's line with what the operator's model_info says in its place.
func described(e price.Entry, info *config.ModelInfo) price.Entry {
	if info.MaxInputTokens != nil {
		e.MaxInputTokens = int(*info.MaxInputTokens)
	}
	if info.MaxOutputTokens != nil {
		e.MaxOutputTokens = int(*info.MaxOutputTokens)
	}
	said := info.Echo()
	for key, has := range map[string]*bool{
		"supports_function_calling": &e.FunctionCalling, "supports_vision": &e.Vision, "supports_reasoning": &e.Reasoning,
		"supports_response_schema": &e.ResponseSchema, "supports_audio_input": &e.AudioInput, "supports_pdf_input": &e.PDFInput,
	} {
		if value, ok := said[key].(bool); ok {
			*has = value
		}
	}
	return e
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
func (a *App) healthTimeout() time.Duration {
	if d := a.envSeconds("HEALTH_CHECK_TIMEOUT_SECONDS"); d > 0 {
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
