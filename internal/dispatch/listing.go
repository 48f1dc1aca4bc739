package dispatch

// FallbacksOf lists what a name falls back to, for lists of models. kind is "general", "context_window" or
// "content_policy"; anything else has none.
func (r *Router) FallbacksOf(name, kind string) []Fallback {
	lists := map[string]map[string][]Fallback{
		"general": r.o.Fallbacks, "context_window": r.o.ContextWindowFallbacks, "content_policy": r.o.ContentPolicyFallbacks,
	}[kind]
	if list, ok := lists[name]; ok {
		return list
	}
	if kind == "general" {
		return r.defaultFallbacks()
	}
	return nil
}
