package alert

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"tollgate/internal/record"
)

// outage counts the failures of one deployment, or of all behind one address.
type outage struct {
	began       time.Time
	failures    int
	statuses    map[int]int
	deployments map[string]bool
	minor       bool // was told
	major       bool // was told
}

// outages are those that may be beginning. The zero value is ready.
type outages struct {
	mu  sync.Mutex
	all map[string]*outage // by type and name; guarded by mu
}

// noteOutage counts a failure, and tells of an outage when it is the one too many within the TTL. Of a region it takes the
// failures of at least two deployments, as in LiteLLM: one alone may be its own fault.
func (a *Alerter) noteOutage(s *Settings, c *record.Call, t Type) {
	name := c.Deployment
	if t == RegionOutage {
		if name = c.APIBase; name == "" {
			return
		}
	}
	level, o, found := a.outages.count(s, c, t, name, c.Ended)
	if !found {
		return
	}
	word, urgency := "Minor", Medium
	if level == s.Args.major() {
		word, urgency = "Major", High
	}
	var statuses []string
	for _, status := range slices.Sorted(maps.Keys(o.statuses)) {
		statuses = append(statuses, fmt.Sprintf("%d: %d", status, o.statuses[status]))
	}
	message := fmt.Sprintf("*⚠️ %s Service Outage*\n\nModel Name: `%s`\nUpstream: `%s`\nProvider: `%s`\nAPI Base: `%s`\n\n", word, c.Alias, c.Upstream, c.Provider, c.APIBase)
	if t == RegionOutage {
		message = fmt.Sprintf("*⚠️ %s Service Outage*\n\nProvider: `%s`\nAPI Base: `%s`\nDeployments: `%s`\n\n", word, c.Provider, c.APIBase, strings.Join(slices.Sorted(maps.Keys(o.deployments)), ", "))
	}
	message += fmt.Sprintf("Failures: `%d` within `%ss`\nStatuses: `%s`", o.failures, seconds(s.Args.outageTTL(t == RegionOutage)), strings.Join(statuses, ", "))
	a.raise(&note{kind: t, level: urgency, model: c.Alias, base: c.APIBase, message: message})
}

// count counts a failure. found is true when a threshold is reached that was not told of yet; o is a copy then.
func (l *outages) count(s *Settings, c *record.Call, t Type, name string, now time.Time) (level int, o outage, found bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all == nil {
		l.all = map[string]*outage{}
	}
	ttl, key := s.Args.outageTTL(t == RegionOutage), string(t)+"\x00"+name
	one := l.all[key]
	if one == nil || now.Sub(one.began) > ttl {
		if one == nil && len(l.all) >= or(s.Args.MaxOutages, 1000) {
			maps.DeleteFunc(l.all, func(_ string, o *outage) bool { return now.Sub(o.began) > ttl })
			if len(l.all) >= or(s.Args.MaxOutages, 1000) {
				return 0, o, false
			}
		}
		one = &outage{began: now, statuses: map[int]int{}, deployments: map[string]bool{}}
		l.all[key] = one
	}
	one.failures++
	one.statuses[c.Status]++
	one.deployments[c.Deployment] = true
	if t == RegionOutage && len(one.deployments) < 2 {
		return 0, o, false
	}
	switch {
	case one.failures >= s.Args.major() && !one.major:
		one.major, one.minor, level = true, true, s.Args.major()
	case one.failures >= s.Args.minor() && !one.minor:
		one.minor, level = true, s.Args.minor()
	default:
		return 0, o, false
	}
	o = *one
	o.statuses, o.deployments = maps.Clone(one.statuses), maps.Clone(one.deployments)
	return level, o, true
}
