package dispatch

import (
	"context"
	"slices"
	"strings"

	"tollgate/internal/provider"
)

// serve asks a group and, when it fails, the groups of its fallback lists in turn, each with its own retries and its
// own fallbacks. It returns the group's first failure, with what became of the fallbacks in its notes.
func (c *call) serve(ctx context.Context, s *stage) *failure {
	c.visited = append(c.visited, s.g)
	f := c.mockTesting(s)
	if f == nil {
		f = c.levels(ctx, s)
	}
	if f == nil || f.kind == gone {
		return f
	}
	if c.q.DisableFallbacks {
		return f
	}
	list := c.fallbacks(s, f.reason)
	if f.kind == callersOwn {
		f.note(s.name, list, nil)
		return f
	}
	var last *failure
	for i := range list {
		ff, tried := c.fallBack(ctx, s, f, &list[i])
		if !tried {
			continue
		}
		if ff == nil || ff.kind == gone {
			return ff
		}
		last = ff
	}
	f.note(s.name, list, last)
	return f
}

// fallBack tries one entry of a list. tried is false when it was left out: asked before in this call, or one too many.
func (c *call) fallBack(ctx context.Context, s *stage, f *failure, to *Fallback) (ff *failure, tried bool) {
	g := c.r.lookup(to.Model, false)
	if g != nil && slices.Contains(c.visited, g) || c.left <= 0 {
		return nil, false
	}
	c.left--
	c.out.Fallbacks++
	switch err := c.admit(to.Model); {
	case err != nil:
		ff = classify(err)
	case g == nil:
		ff = unknownGroup(c.q.Operation, to.Model)
	default:
		c.r.log.Info("falling back", "from", s.name, "to", to.Model, "status", f.status, "error", f.text)
		c.nested = true
		ff = c.serve(ctx, &stage{name: to.Model, g: g, overrides: to.Overrides})
	}
	if hook := c.r.o.Hooks.Fallback; hook != nil {
		var err error
		if ff != nil {
			err = ff
		}
		hook(s.name, to.Model, err)
	}
	return ff, true
}

func (c *call) admit(alias string) error {
	if c.q.Admit == nil {
		return nil
	}
	return c.q.Admit(alias)
}

// fallbacks is the list for a failure of s, nil for none. When there are lists for the failure's class, only they
// count, even if they have none for this group.
func (c *call) fallbacks(s *stage, reason provider.Reason) []Fallback {
	if lists := c.classLists(reason); lists != nil {
		return listFor(lists, s)
	}
	if c.q.Fallbacks != nil {
		if c.nested { // the rest of the same list follows anyway
			return nil
		}
		return c.q.Fallbacks
	}
	if list := listFor(c.r.o.Fallbacks, s); list != nil {
		return list
	}
	return c.r.o.DefaultFallbacks
}

// classLists are the fallback lists that are set for a class of failure; nil when none are.
func (c *call) classLists(reason provider.Reason) map[string][]Fallback {
	var asked, set map[string][]Fallback
	switch reason {
	case provider.ContextWindow:
		asked, set = c.q.ContextWindowFallbacks, c.r.o.ContextWindowFallbacks
	case provider.ContentPolicy:
		asked, set = c.q.ContentPolicyFallbacks, c.r.o.ContentPolicyFallbacks
	}
	if asked != nil {
		return asked
	}
	if len(set) == 0 {
		return nil
	}
	return set
}

// listFor finds a group's list: by the alias that was asked, by the group that it stands for, by either without its
// provider prefix, and then the list of "*".
func listFor(lists map[string][]Fallback, s *stage) []Fallback {
	for _, name := range [...]string{s.name, s.g.name} {
		if list, ok := lists[name]; ok {
			return list
		}
		if _, bare, ok := strings.Cut(name, "/"); ok {
			if list, ok := lists[bare]; ok {
				return list
			}
		}
	}
	return lists["*"]
}

// note adds what LiteLLM's router writes behind the message of a failure.
func (f *failure) note(name string, list []Fallback, last *failure) {
	if f.own != nil && f.kind == callersOwn || f.reason == "" {
		return // an answer of the gateway's own, which no upstream has spoken
	}
	if f.kind == unavailable && len(list) == 0 {
		return
	}
	names := "None"
	if list != nil {
		models := make([]string, len(list))
		for i := range list {
			models[i] = list[i].Model
		}
		names = pythonList(models)
	}
	f.notes = ". Received Model Group=" + name + "\nAvailable Model Group Fallbacks=" + names
	if last != nil {
		f.notes += "\nError doing the fallback: " + last.Error()
	}
}
