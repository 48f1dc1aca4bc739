package guardrail

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Config is one guardrail of the configuration, opened.
type Config struct {
	Name      string // guardrail_name; several with one name share the calls
	Kind      string // litellm_params.guardrail
	Mode      Mode
	DefaultOn bool // runs on every call, whoever names it
	Guardrail Guardrail
	Timeout   time.Duration // of one check; 0 = Timeout
	// FailOpen lets a call go on where the guardrail could not be asked: it is away, or too slow (unreachable_fallback: fail_open).
	FailOpen bool
	// FailOpenAlways lets a call go on whatever kept the guardrail from judging (fail_on_error: false).
	FailOpenAlways bool
	// SkipSystem keeps system messages and definitions of tools from it (skip_system_message_in_guardrail); nil = as Options say.
	SkipSystem *bool
	// Definitions shows it what tools are described with; nil = when it is Windowed, and so costs nothing to ask,
	// or a Definer that wants it.
	Definitions *bool
	Info        map[string]any // guardrail_info; shown
	Params      map[string]any // litellm_params with secrets masked; shown
}

// Mode says when a guardrail runs: for calls with certain tags, and for all others.
type Mode struct {
	Default []Phase            // empty = not at all
	Tags    map[string][]Phase // by the request's tag, "User-Agent: NAME" among them
}

// On is a Mode without tags.
func On(phases ...Phase) Mode { return Mode{Default: phases} }

// Phases are all phases that the mode may choose, in the order of a call.
func (m Mode) Phases() []Phase {
	var found []Phase
	for _, p := range phases {
		in := slices.Contains(m.Default, p)
		for _, list := range m.Tags {
			in = in || slices.Contains(list, p)
		}
		if in {
			found = append(found, p)
		}
	}
	return found
}

// phases in the order of a call.
var phases = []Phase{PreCall, DuringCall, PostCall, LoggingOnly}

// of is when the guardrail runs for a call with these tags: as its tags say, else as by default.
func (m Mode) of(tags []string) []Phase {
	var chosen []Phase
	matched := false
	for _, tag := range tags {
		if list, ok := m.Tags[tag]; ok {
			matched = true
			chosen = append(chosen, list...)
		}
	}
	if matched {
		return chosen
	}
	return m.Default
}

// key is the same for equal modes.
func (m Mode) key() string {
	var b strings.Builder
	fmt.Fprint(&b, m.Default)
	for _, tag := range slices.Sorted(maps.Keys(m.Tags)) {
		fmt.Fprintf(&b, "%q%v", tag, m.Tags[tag])
	}
	return b.String()
}

// ParseMode reads mode in each of its forms: a text, a list, or {tags: {tag: mode}, default: mode}. ignored are modes that
// this gateway has no use for, those of MCP calls.
func ParseMode(value any) (mode Mode, ignored []string, err error) {
	p := modeParser{}
	if object, ok := value.(map[string]any); ok {
		for name := range object {
			if name != "tags" && name != "default" {
				return Mode{}, nil, fmt.Errorf("%q is not known: write {tags: {TAG: mode}, default: mode}", name)
			}
		}
		mode.Default = p.list(object["default"])
		if tags, ok := object["tags"].(map[string]any); ok {
			mode.Tags = make(map[string][]Phase, len(tags))
			for tag, v := range tags {
				mode.Tags[tag] = p.list(v)
			}
		}
	} else {
		mode.Default = p.list(value)
	}
	if p.err == nil && len(mode.Phases()) == 0 {
		p.err = fmt.Errorf("it never runs: give pre_call, during_call, post_call or logging_only")
	}
	return mode, p.ignored, p.err
}

type modeParser struct {
	ignored []string
	err     error
}

func (p *modeParser) list(value any) []Phase {
	switch v := value.(type) {
	case nil:
		return nil
	case string:
		return p.word(nil, v)
	case []any:
		var list []Phase
		for _, e := range v {
			word, ok := e.(string)
			if !ok {
				p.err = errors.New("a mode is a text, or a list of texts")
				return nil
			}
			list = p.word(list, word)
		}
		return list
	}
	p.err = errors.New("a mode is a text, a list of texts, or {tags: {TAG: mode}, default: mode}")
	return nil
}

func (p *modeParser) word(list []Phase, word string) []Phase {
	switch phase := Phase(word); {
	case slices.Contains(phases, phase):
		if !slices.Contains(list, phase) {
			list = append(list, phase)
		}
	case word == "pre_mcp_call" || word == "during_mcp_call" || word == "post_mcp_call":
		p.ignored = append(p.ignored, word)
	default:
		p.err = fmt.Errorf("%q is no mode: give pre_call, during_call, post_call or logging_only", word)
	}
	return list
}

// Options concern all guardrails.
type Options struct {
	SkipSystem bool         // skip_system_message_in_guardrail of litellm_settings
	Log        *slog.Logger // nil = nothing is logged
}

// Set is the guardrails of a configuration. It is immutable and safe for concurrent use; a nil Set has none.
type Set struct {
	options Options
	pools   []*pool // in the order of the configuration
	configs []Config
}

// pool is the guardrails with one name and one mode, which share the calls.
type pool struct {
	name    string
	members []*member
	next    atomic.Uint32
}

// member is one guardrail of a pool.
type member struct {
	Config
	windowed Windowed // nil when it is not
	breaker  breaker
}

// New compiles the guardrails of a configuration. The error names what is missing.
func New(configs []Config, options Options) (*Set, error) {
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	s := &Set{options: options, configs: slices.Clone(configs)}
	byKey := map[string]*pool{}
	for i, c := range s.configs {
		switch {
		case c.Name == "":
			return nil, fmt.Errorf("guardrails[%d] has no guardrail_name", i)
		case c.Guardrail == nil:
			return nil, fmt.Errorf("guardrail %q was not opened", c.Name)
		case len(c.Mode.Phases()) == 0:
			return nil, fmt.Errorf("guardrail %q has no mode", c.Name)
		}
		if c.Timeout <= 0 {
			c.Timeout = Timeout
		}
		m := &member{Config: c}
		m.windowed, _ = c.Guardrail.(Windowed)
		if d, ok := c.Guardrail.(Definer); m.Definitions == nil {
			m.Definitions = new(m.windowed != nil || ok && d.WantsDefinitions())
		}
		key := c.Name + "\x00" + c.Mode.key()
		if byKey[key] == nil {
			byKey[key] = &pool{name: c.Name}
			s.pools = append(s.pools, byKey[key])
		}
		byKey[key].members = append(byKey[key].members, m)
	}
	return s, nil
}

// pick chooses the member that serves a call: by turns, but not one that has failed again and again.
func (p *pool) pick(now time.Time) *member {
	n := uint32(len(p.members))
	first := p.next.Add(1) - 1
	for i := range n {
		if m := p.members[(first+i)%n]; !m.breaker.open(now) {
			return m
		}
	}
	return p.members[first%n]
}

// defaultOn reports whether one of the pool runs on every call.
func (p *pool) defaultOn() bool {
	return slices.ContainsFunc(p.members, func(m *member) bool { return m.DefaultOn })
}

// Configs are the guardrails in the order of the configuration, for lists of them.
func (s *Set) Configs() []Config {
	if s == nil {
		return nil
	}
	return s.configs
}

// Names are the names of the guardrails, each once, in the order of the configuration.
func (s *Set) Names() []string {
	var names []string
	for _, c := range s.Configs() {
		if !slices.Contains(names, c.Name) {
			names = append(names, c.Name)
		}
	}
	return names
}

// all are the pools; none of a nil Set.
func (s *Set) all() []*pool {
	if s == nil {
		return nil
	}
	return s.pools
}
