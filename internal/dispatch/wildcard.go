package dispatch

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"sync"
)

const (
	// maxOpened bounds the names that are kept open: callers choose them.
	maxOpened = 512
	// maxNameLength bounds a name that a pattern may match.
	maxNameLength = 256
)

// wildcards serve the names that a model_name with "*" matches, and open a deployment for each on first use.
type wildcards struct {
	r        *Router
	patterns []pattern // the most specific first

	mu     *sync.Mutex
	opened map[string]*group // by name; guarded by mu
}

// pattern is the deployments of one model_name that holds "*".
type pattern struct {
	text    string
	regex   *regexp.Regexp
	targets []*target
}

func newWildcards(r *Router) wildcards {
	w := wildcards{r: r, mu: &sync.Mutex{}, opened: map[string]*group{}}
	for _, t := range r.targets {
		if !strings.Contains(t.Alias, "*") {
			continue
		}
		i := slices.IndexFunc(w.patterns, func(p pattern) bool { return p.text == t.Alias })
		if i < 0 {
			i = len(w.patterns)
			w.patterns = append(w.patterns, pattern{text: t.Alias, regex: compileWildcard(t.Alias)})
		}
		w.patterns[i].targets = append(w.patterns[i].targets, t)
	}
	slices.SortStableFunc(w.patterns, func(a, b pattern) int { return cmp.Compare(literal(b.text), literal(a.text)) })
	return w
}

// literal is the number of bytes that a pattern fixes: the more, the more specific.
func literal(text string) int { return len(text) - strings.Count(text, "*") }

func compileWildcard(text string) *regexp.Regexp {
	parts := strings.Split(text, "*")
	for i, p := range parts {
		parts[i] = regexp.QuoteMeta(p)
	}
	return regexp.MustCompile(`(?s)\A` + strings.Join(parts, "(.*)") + `\z`) // quoted text always compiles
}

// open returns the group for a name, nil when no pattern matches it or its deployments cannot be opened.
func (w *wildcards) open(name string) *group {
	if len(w.patterns) == 0 || len(name) > maxNameLength {
		return nil
	}
	w.mu.Lock()
	g := w.opened[name]
	w.mu.Unlock()
	if g != nil {
		return g
	}
	for i := range w.patterns {
		if match := w.patterns[i].regex.FindStringSubmatch(name); match != nil {
			return w.keep(w.make(name, &w.patterns[i], match[1:]))
		}
	}
	return nil
}

// make opens a pattern's deployments for a name; parts are what the pattern's stars matched.
func (w *wildcards) make(name string, p *pattern, parts []string) *group {
	if w.r.o.OpenWildcard == nil {
		return nil
	}
	g := w.r.newGroup(name, false)
	for _, t := range p.targets {
		d, err := w.r.o.OpenWildcard(t.Deployment, fill(t.UpstreamID, parts))
		if err != nil {
			w.r.log.Warn("a wildcard deployment could not be opened", "model_name", t.Alias, "id", t.ID, "error", err)
			continue
		}
		// A name of its own for cooling: one unknown model must not take the others of the pattern away.
		opened, err := newTarget(&d, newHealth(), t.quota)
		if err != nil {
			w.r.log.Warn("a wildcard deployment could not be opened", "model_name", t.Alias, "id", t.ID, "error", err)
			continue
		}
		g.targets = append(g.targets, opened)
	}
	if len(g.targets) == 0 {
		return nil
	}
	return g
}

// fill puts parts in the place of the stars of an upstream id, one after the other. A star that a caller wrote into
// the name stays what it is.
func fill(upstreamID string, parts []string) string {
	var b strings.Builder
	for i, fixed := range strings.Split(upstreamID, "*") {
		if i > 0 && i <= len(parts) {
			b.WriteString(parts[i-1])
		}
		b.WriteString(fixed)
	}
	return b.String()
}

// keep stores a group that was opened, unless another call was faster, and drops any other when there are too many.
func (w *wildcards) keep(g *group) *group {
	if g == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if first := w.opened[g.name]; first != nil {
		return first
	}
	if len(w.opened) >= maxOpened {
		for name := range w.opened {
			delete(w.opened, name)
			break
		}
	}
	w.opened[g.name] = g
	return g
}
