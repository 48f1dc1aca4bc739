package gateway

import (
	"net/http"
	"net/textproto"
	"strconv"
	"time"

	"tollgate/internal/limit"
)

// limitHeaders tell how limits stand: each under LiteLLM's names, the tightest of a kind under OpenAI's as well.
func (g *Gateway) limitHeaders(h http.Header, list []limit.Remaining) {
	var tightest [2]*limit.Remaining
	for i := range list {
		r := &list[i]
		kind := 0
		switch r.Type {
		case limit.Tokens:
			kind = 1
		case limit.Requests:
		default:
			continue // calls at once have no window
		}
		names := g.namesOf(r)
		h[names.limit] = []string{strconv.FormatInt(r.Limit, 10)}
		h[names.remaining] = []string{strconv.FormatInt(r.Remaining, 10)}
		if t := tightest[kind]; t == nil || r.Remaining < t.Remaining {
			tightest[kind] = r
		}
	}
	for kind, r := range tightest {
		if r == nil {
			continue
		}
		names := &openAILimits[kind]
		h[names.limit] = []string{strconv.FormatInt(r.Limit, 10)}
		h[names.remaining] = []string{strconv.FormatInt(r.Remaining, 10)}
		if wait := time.Until(r.ResetAt); wait > 0 {
			h[names.reset] = []string{strconv.FormatInt(int64((wait+time.Second-1)/time.Second), 10) + "s"}
		}
	}
}

// limitNames are the headers of one limit.
type limitNames struct{ limit, remaining, reset string }

// openAILimits are the headers that OpenAI's clients read, of requests and of tokens.
var openAILimits = [2]limitNames{
	{"X-Ratelimit-Limit-Requests", "X-Ratelimit-Remaining-Requests", "X-Ratelimit-Reset-Requests"},
	{"X-Ratelimit-Limit-Tokens", "X-Ratelimit-Remaining-Tokens", "X-Ratelimit-Reset-Tokens"},
}

// limitKind is what LiteLLM's headers of a limit are named by.
type limitKind struct {
	descriptor string
	kind       limit.Type
}

// namesOf are the names of a limit's headers. They are made once: there are a dozen descriptors.
func (g *Gateway) namesOf(r *limit.Remaining) *limitNames {
	key := limitKind{r.Descriptor, r.Type}
	if names, ok := g.limitNames.Load(key); ok {
		return names.(*limitNames)
	}
	name := func(what string) string {
		return textproto.CanonicalMIMEHeaderKey("x-ratelimit-" + r.Descriptor + "-" + what + "-" + string(r.Type))
	}
	names := &limitNames{limit: name("limit"), remaining: name("remaining")}
	g.limitNames.Store(key, names)
	return names
}
