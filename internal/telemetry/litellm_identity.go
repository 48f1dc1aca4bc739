package telemetry

import (
	"strconv"
	"strings"

	"tollgate/internal/record"
)

// identity is what tells the series of calls apart.
type identity struct {
	key, keyAlias, team, teamAlias, user, email, endUser string
	ip, agent                                            string
	asked, group, upstream, deployment, base, provider   string
	route, status, class, stream                         string
	before                                               string // the status for which another model was asked
	custom                                               string // metadata and tags, behind each other
}

// text is the value of a label of a series.
func (i *identity) text(series, label string) string {
	switch label {
	case "hashed_api_key":
		return i.key
	case "api_key_alias":
		return i.keyAlias
	case "team":
		return i.team
	case "team_alias":
		return i.teamAlias
	case "user":
		return i.user
	case "user_email":
		return i.email
	case "end_user":
		return i.endUser
	case "client_ip":
		return i.ip
	case "user_agent":
		return i.agent
	case "requested_model":
		return i.asked
	case "model", "litellm_model_name":
		return i.upstream
	case "model_group", "fallback_model":
		return i.group
	case "model_id":
		return i.deployment
	case "api_base":
		return i.base
	case "api_provider":
		return i.provider
	case "route":
		return i.route
	case "status_code":
		return i.status
	case "exception_status":
		if strings.HasSuffix(series, "_fallbacks") {
			return i.before
		}
		return i.status
	case "exception_class":
		if strings.HasSuffix(series, "_fallbacks") {
			return classes[i.before]
		}
		return i.class
	case "stream":
		return i.stream
	}
	return ""
}

// identify is what tells the series of the call apart. Texts of callers are in it only where the options ask for them.
func (s *litellmSeries) identify(model string, c *record.Call) identity {
	i := identity{
		key: label(c.KeyHash), keyAlias: label(c.KeyAlias), team: label(c.TeamID), teamAlias: label(c.TeamAlias), user: label(c.UserID), email: label(c.UserEmail),
		endUser: none, ip: none, agent: none, asked: label(model), group: label(c.Group), upstream: label(c.Upstream), deployment: label(c.Deployment),
		base: label(c.APIBase), provider: label(c.Provider), route: c.Route, status: strconv.Itoa(c.Status), class: exceptionClass(c), before: none, stream: none,
		custom: s.options.custom(c),
	}
	if c.Fallbacks > 0 {
		i.before = firstFailure(c)
	}
	if s.options.EndUsers {
		i.endUser = label(c.EndUser)
	}
	if s.optional["client_ip"] {
		i.ip = label(c.ClientIP)
	}
	if s.optional["user_agent"] {
		i.agent = label(c.UserAgent)
	}
	if s.options.Stream {
		i.stream = "False"
		if c.Stream {
			i.stream = "True"
		}
	}
	return i
}

// firstFailure is the status for which the first model did not answer.
func firstFailure(c *record.Call) string {
	for i := range c.Attempts {
		if a := &c.Attempts[i]; a.Status >= 400 || a.Error != "" {
			return strconv.Itoa(a.Status)
		}
	}
	return none
}

// exceptionClass is the name of LiteLLM's exception for what happened to a call.
func exceptionClass(c *record.Call) string {
	switch {
	case c.Outcome == record.Success:
		return none
	case c.ErrorType == "budget_exceeded":
		return "BudgetExceededError"
	case c.ErrorType == "context_window_exceeded", c.ErrorType == "context_length_exceeded":
		return "ContextWindowExceededError"
	case c.Outcome == record.Refused && len(c.Attempts) == 0:
		return "ProxyException"
	}
	if class, ok := classes[strconv.Itoa(c.Status)]; ok {
		return class
	}
	return "APIError"
}

// classes are LiteLLM's exceptions by status.
var classes = map[string]string{
	"400": "BadRequestError", "401": "AuthenticationError", "403": "PermissionDeniedError", "404": "NotFoundError", "408": "Timeout", "422": "UnprocessableEntityError",
	"429": "RateLimitError", "499": "ClientDisconnected", "500": "InternalServerError", "502": "BadGatewayError", "503": "ServiceUnavailableError", "504": "Timeout",
}

// of returns the series of an identity, or, beyond the bound, those of the caller "other".
func (s *litellmSeries) of(i identity, c *record.Call) *callSeries {
	s.mu.RLock()
	found, full := s.series[i], len(s.series) >= maxSeries
	s.mu.RUnlock()
	if found != nil {
		return found
	}
	if full && i.key != other {
		s.folded.Inc()
		folded := i
		folded.key, folded.keyAlias, folded.team, folded.teamAlias, folded.user, folded.email, folded.endUser = other, other, other, other, other, other, other
		folded.ip, folded.agent, folded.upstream, folded.custom = other, other, other, s.options.folded()
		return s.of(folded, c)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if found := s.series[i]; found != nil {
		return found
	}
	made := s.open(&i)
	s.series[i] = made
	s.holdersLocked(c)
	return made
}

// open makes handles for those series alone that a call adds to: the vectors make a series when they are asked for one.
func (s *litellmSeries) open(i *identity) *callSeries {
	series := &callSeries{counters: make([]*lazyCounter, len(s.counters)), histograms: make([]*lazyObserver, len(s.histograms))}
	for n, v := range s.counters {
		if v != nil {
			series.counters[n] = &lazyCounter{vec: v, values: s.values(litellmCounters[n].name, i)}
		}
	}
	for n, v := range s.histograms {
		if v != nil {
			series.histograms[n] = &lazyObserver{vec: v, values: s.values(litellmHistograms[n].name, i)}
		}
	}
	return series
}
