package dispatch

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Router is one configuration of deployments. It is immutable but for its cache of opened wildcards; a reload makes a
// new one on the same State. Safe for concurrent use.
type Router struct {
	o       Options
	state   *State
	rand    func() float64
	log     *slog.Logger
	targets []*target         // in the order of the configuration
	byID    map[string]*group // exact pins
	groups  map[string]*group // by alias
	byModel map[string]*group // by litellm_params.model
	aliases map[string]GroupAlias
	names   []string // the aliases that lists of models show
	wild    wildcards
}

// target is a deployment with what the router derived from it.
type target struct {
	*Deployment
	health *health // its cooldown, failures and latencies
	quota  *health // its calls in flight and its limits: a wildcard's opened names share their pattern's
	order  int
	regex  []*regexp.Regexp
}

// group is the deployments that serve one alias.
type group struct {
	name     string
	targets  []*target
	pinned   bool // one deployment asked for by its id: cooldowns and tags do not apply
	strategy Strategy
	args     StrategyArgs
}

// New checks the options and makes a Router. state may be shared with an older Router. Errors name what the
// operator has to mend; several are joined.
func New(o Options, deployments []Deployment, state *State) (*Router, error) {
	r := &Router{
		o: o, state: state, rand: o.Rand, log: o.Log,
		byID: map[string]*group{}, groups: map[string]*group{}, byModel: map[string]*group{}, aliases: map[string]GroupAlias{},
	}
	if r.rand == nil {
		r.rand = rand.Float64
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	var errs []error
	errs = append(errs, r.checkStrategies()...)
	errs = append(errs, r.addTargets(deployments)...)
	for _, a := range o.GroupAliases {
		r.aliases[a.Alias] = a
	}
	r.names = r.visible()
	r.wild = newWildcards(r)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Router) checkStrategies() (errs []error) {
	if !known(r.o.Strategy) {
		errs = append(errs, fmt.Errorf("routing_strategy: unknown strategy %q", r.o.Strategy))
	}
	for _, g := range r.o.RoutingGroups {
		if !known(g.Strategy) {
			errs = append(errs, fmt.Errorf("routing_groups: %s: unknown strategy %q", g.Name, g.Strategy))
		}
	}
	return errs
}

func (r *Router) addTargets(deployments []Deployment) (errs []error) {
	ids := make([]string, len(deployments))
	for i := range deployments {
		ids[i] = deployments[i].ID
	}
	healths := r.state.adopt(ids)
	for i := range deployments {
		d := deployments[i]
		if d.ID == "" {
			errs = append(errs, fmt.Errorf("model_list: %s: a deployment without id", d.Alias))
			continue
		}
		if r.byID[d.ID] != nil {
			errs = append(errs, fmt.Errorf("model_list: the id %s is given twice", d.ID))
			continue
		}
		t, err := newTarget(&d, healths[i], healths[i])
		if err != nil {
			errs = append(errs, fmt.Errorf("model_list: %s: %w", d.Alias, err))
			continue
		}
		r.targets = append(r.targets, t)
		r.byID[d.ID] = r.newGroup(d.ID, true, t)
		r.join(r.groups, d.Alias, t)
		r.join(r.byModel, d.Model, t)
	}
	return errs
}

func newTarget(d *Deployment, h, quota *health) (*target, error) {
	if d.MockResponse != "" {
		d = mocked(d, &MockQuery{Response: d.MockResponse})
	}
	t := &target{Deployment: d, health: h, quota: quota, order: math.MaxInt}
	if d.Order != nil {
		t.order = *d.Order
	}
	for _, pattern := range d.TagRegex {
		re, err := regexp.Compile(pattern)
		if err != nil {
			return nil, fmt.Errorf("tag_regex: %w", err)
		}
		t.regex = append(t.regex, re)
	}
	return t, nil
}

// join adds t to the group called name. Patterns are not groups: they serve through wildcards.
func (r *Router) join(groups map[string]*group, name string, t *target) {
	if strings.Contains(name, "*") {
		return
	}
	if g := groups[name]; g != nil {
		g.targets = append(g.targets, t)
		return
	}
	groups[name] = r.newGroup(name, false, t)
}

func (r *Router) newGroup(name string, pinned bool, targets ...*target) *group {
	g := &group{name: name, pinned: pinned, targets: targets, strategy: r.o.Strategy, args: r.o.StrategyArgs}
	for _, rg := range r.o.RoutingGroups {
		if slices.Contains(rg.Models, name) {
			g.strategy, g.args = rg.Strategy, rg.Args
		}
	}
	if g.args.TTL <= 0 {
		g.args.TTL = DefaultStrategyArgs().TTL
	}
	if g.args.MaxLatencyListSize <= 0 {
		g.args.MaxLatencyListSize = DefaultStrategyArgs().MaxLatencyListSize
	}
	return g
}

// visible lists the aliases in the order of the configuration, without those that are hidden, patterns, or paused as
// a whole.
func (r *Router) visible() []string {
	var names []string
	add := func(name string, g *group) {
		if g != nil && !g.blocked() && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, t := range r.targets {
		if a, shadowed := r.aliases[t.Alias]; !shadowed || !a.Hidden {
			add(t.Alias, r.groups[t.Alias])
		}
	}
	for _, a := range r.o.GroupAliases {
		if !a.Hidden {
			add(a.Alias, r.groups[a.Group])
		}
	}
	return names
}

func (g *group) blocked() bool {
	return !slices.ContainsFunc(g.targets, func(t *target) bool { return !t.Blocked })
}

// Names are the aliases for lists of models, in the order of the configuration: no patterns, no hidden aliases, none
// whose deployments are all paused. The slice is shared; do not change it.
func (r *Router) Names() []string { return r.names }

// All are the deployments in the order of the configuration.
func (r *Router) All() []*Deployment { return deploymentsOf(r.targets) }

// Resolution is what a name stands for.
type Resolution struct {
	Name        string
	Group       string // the group that serves it: another name after model_group_alias
	Pinned      bool   // the name is a deployment's id
	Deployments []*Deployment
}

// Resolve tells what a name stands for; false when nothing serves it (answer with UnknownModel).
func (r *Router) Resolve(name string) (Resolution, bool) {
	g := r.lookup(name, false)
	if g == nil {
		return Resolution{}, false
	}
	return Resolution{Name: name, Group: g.name, Pinned: g.pinned, Deployments: deploymentsOf(g.targets)}, true
}

// Deployments are those that serve a name, nil when none do.
func (r *Router) Deployments(name string) []*Deployment {
	res, _ := r.Resolve(name)
	return res.Deployments
}

func deploymentsOf(targets []*target) []*Deployment {
	list := make([]*Deployment, len(targets))
	for i, t := range targets {
		list[i] = t.Deployment
	}
	return list
}

// lookup finds the group for a name, in LiteLLM's order: deployment id, alias, model_name, pattern (the most specific
// first), litellm_params.model. nil when there is none: a name that nobody configured is the caller's mistake, and no
// default fallback answers it.
func (r *Router) lookup(name string, specific bool) *group {
	if specific {
		if g := r.byModel[name]; g != nil {
			return g
		}
	}
	if g := r.byID[name]; g != nil && pins(g.targets[0], name) {
		return g
	}
	model := name
	if a, ok := r.aliases[name]; ok {
		model = a.Group
	}
	if g := r.groups[model]; g != nil {
		return g
	}
	if g := r.wild.open(model); g != nil {
		return g
	}
	if g := r.byModel[model]; g != nil {
		return g
	}
	return nil
}

// pins reports whether a deployment's id asks for it alone: a pattern cannot be asked, and where the id is the
// deployment's own alias the alias is meant.
func pins(t *target, id string) bool { return t.Alias != id && !strings.Contains(t.Alias, "*") }

func (r *Router) defaultFallbacks() []Fallback {
	if list := r.o.Fallbacks["*"]; len(list) > 0 {
		return list
	}
	return r.o.DefaultFallbacks
}

// Status is one deployment as the router sees it now.
type Status struct {
	Deployment *Deployment
	Cooling    time.Duration // what is left of its cooldown; 0 when it serves
	CooledBy   int           // the status that cooled it, when Cooling is not 0
	InFlight   int64
	Requests   int64 // of the last minute, as are the others
	Tokens     int64
	Successes  int64
	Failures   int64
}

// Status lists the deployments in the order of the configuration.
func (r *Router) Status() []Status {
	now := r.state.now()
	list := make([]Status, len(r.targets))
	for i, t := range r.targets {
		list[i] = t.status(now)
	}
	return list
}

func (t *target) status(now tick) Status {
	h := t.health
	h.mu.Lock()
	defer h.mu.Unlock()
	c := h.window.at(now)
	s := Status{
		Deployment: t.Deployment, InFlight: t.quota.inFlight.Load(),
		Requests: c.requests, Tokens: c.tokens, Successes: c.successes, Failures: c.failures,
	}
	if left := tick(h.cooledUntil.Load()) - now; left > 0 {
		s.Cooling, s.CooledBy = time.Duration(left), h.cooledBy
	}
	return s
}
