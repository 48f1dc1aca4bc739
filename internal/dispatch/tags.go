package dispatch

import (
	"net/http"
	"slices"
	"strings"
)

// defaultTag marks the deployments for callers that bring no tag.
const defaultTag = "default"

// byTags narrows list in place to the deployments for the query's tags and headers: those that match; else those
// tagged "default"; else, for a query without tags, those that have no tags, else all. Empty when there are none.
func (r *Router) byTags(list []*target, q *Query) []*target {
	for _, rule := range []func(*target) bool{
		func(t *target) bool { return r.tagged(t, q) || t.matchesHeader(q.Header) },
		func(t *target) bool { return slices.Contains(t.Tags, defaultTag) },
		func(t *target) bool { return len(q.Tags) == 0 && len(t.Tags) == 0 && len(t.regex) == 0 },
		func(*target) bool { return len(q.Tags) == 0 },
	} {
		if slices.ContainsFunc(list, rule) {
			return slices.DeleteFunc(list, func(t *target) bool { return !rule(t) })
		}
	}
	return list[:0]
}

// tagged reports whether the deployment's tags meet the query's: one of them (or, with TagMatchAll, each). A tag
// "a&b" asks for both, a tag "!a" for a deployment without a.
func (r *Router) tagged(t *target, q *Query) bool {
	var wanted, met int
	for _, tag := range q.Tags {
		if name, not := strings.CutPrefix(tag, "!"); not {
			if slices.Contains(t.Tags, name) {
				return false
			}
			continue
		}
		wanted++
		if hasAll(t.Tags, tag) {
			met++
		}
	}
	if wanted == 0 {
		return len(q.Tags) > 0
	}
	if r.o.TagMatchAll {
		return met == wanted
	}
	return met > 0
}

func hasAll(tags []string, conjunction string) bool {
	for name := range strings.SplitSeq(conjunction, "&") {
		if !slices.Contains(tags, strings.TrimSpace(name)) {
			return false
		}
	}
	return true
}

// matchesHeader applies tag_regex, which LiteLLM writes as "^User-Agent:\s*claude-code\/". Credentials are not looked at.
func (t *target) matchesHeader(h http.Header) bool {
	if len(t.regex) == 0 {
		return false
	}
	for name, values := range h {
		if name == "Authorization" || name == "Cookie" {
			continue
		}
		for _, v := range values {
			line := name + ": " + v
			for _, re := range t.regex {
				if re.MatchString(line) {
					return true
				}
			}
		}
	}
	return false
}
