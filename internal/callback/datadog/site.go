// Package datadog sends finished calls to Datadog: as logs, as spans of LLM observability and as metrics.
package datadog

import (
	"cmp"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"tollgate/internal/callback"
	"tollgate/internal/callback/post"
	"tollgate/internal/setting"
)

// site is where an account is, and how what is sent to it is tagged.
type site struct {
	name   string // datadoghq.eu ...
	agent  string // host and port of an agent that takes what is sent; "" = it goes to the site itself
	base   string // DD_BASE_URL: in place of both, for proxies and tests
	header http.Header

	source, service, env, version, host, pod string
}

// sites are Datadog's.
var sites = []string{
	"datadoghq.com", "us3.datadoghq.com", "us5.datadoghq.com", "ap1.datadoghq.com", "ap2.datadoghq.com", "datadoghq.eu", "uk1.datadoghq.com", "ddog-gov.com",
}

var siteName = regexp.MustCompile(`^[a-z0-9.-]+$`)

// readSite reads dd_api_key (DD_API_KEY), dd_site (DD_SITE), dd_agent_host (LITELLM_DD_AGENT_HOST), dd_agent_port,
// dd_base_url (DD_BASE_URL), dd_source, dd_service, dd_env, dd_version and the host's names. port is what the agent listens
// on by default and portEnv names the variable that says otherwise.
func readSite(spec callback.Spec, port int, portEnv string) *site {
	m := spec.Settings
	env := func(names ...string) []string {
		if spec.Own {
			return nil // nothing of the gateway's goes to another account
		}
		return names
	}
	s := &site{
		agent:   m.Text("dd_agent_host", env("LITELLM_DD_AGENT_HOST")...),
		base:    strings.TrimSuffix(m.Text("dd_base_url", env("DD_BASE_URL")...), "/"),
		source:  cmp.Or(m.Text("dd_source", "DD_SOURCE"), "litellm"),
		service: cmp.Or(m.Text("dd_service", "DD_SERVICE"), "litellm-server"),
		env:     cmp.Or(m.Text("dd_env", "DD_ENV"), "unknown"),
		version: cmp.Or(m.Text("dd_version", "DD_VERSION"), "unknown"),
		host:    m.Getenv("HOSTNAME"),
		pod:     m.Getenv("POD_NAME"),
	}
	s.header = http.Header{"Content-Type": {"application/json"}, "User-Agent": {"tollgate/" + spec.Version}}
	agentPort := m.Int("dd_agent_port", port, env(portEnv)...)
	key := m.Secret("dd_api_key", env("DD_API_KEY")...)
	if s.agent != "" {
		s.agent += ":" + strconv.Itoa(agentPort)
	} else {
		s.name = m.Need("dd_site", env("DD_SITE")...)
		if key.Empty() {
			m.NeedSecret("dd_api_key", env("DD_API_KEY")...)
		}
		s.check(m)
	}
	if !key.Empty() {
		s.header.Set("Dd-Api-Key", key.Reveal())
	}
	return s
}

// check refuses a site that is no host's name. One that is not known is Datadog's newest, or a mistake.
func (s *site) check(m *setting.Map) {
	if s.name == "" || slices.Contains(sites, s.name) {
		return
	}
	if !siteName.MatchString(s.name) || !strings.Contains(s.name, ".") {
		m.Fault("dd_site", "must be one of %s", strings.Join(sites, ", "))
	}
}

// url is the address of an intake: subdomain stands before the site's name, path is the same everywhere.
func (s *site) url(subdomain, path string) string {
	switch {
	case s.base != "":
		return s.base + path
	case s.agent != "":
		return "http://" + s.agent + path
	}
	return "https://" + subdomain + "." + s.name + path
}

// poster sends to an intake.
func (s *site) poster(spec callback.Spec, subdomain, path string) post.Poster {
	return post.Poster{Client: spec.Client, URL: s.url(subdomain, path), Header: s.header, Timeout: spec.Settings.Seconds("timeout", callback.Timeout)}
}

// tags are those of the process, and of what a call says of itself.
func (s *site) tags(p *callback.Payload) []string {
	tags := []string{"env:" + tag(s.env), "service:" + tag(s.service), "version:" + tag(s.version)}
	if s.host != "" {
		tags = append(tags, "HOSTNAME:"+tag(s.host))
	}
	if s.pod != "" {
		tags = append(tags, "POD_NAME:"+tag(s.pod))
	}
	if p == nil {
		return tags
	}
	for _, t := range p.RequestTags {
		tags = append(tags, "request_tag:"+tag(t))
	}
	if team := cmp.Or(p.Metadata.TeamAlias, p.Metadata.TeamID); team != "" {
		tags = append(tags, "team:"+tag(team))
	}
	return tags
}

// tag is a value as Datadog takes it: commas would begin another tag, and 200 characters are the most.
func tag(value string) string {
	const longest = 200
	value = strings.Map(func(r rune) rune {
		if r == ',' || r < ' ' {
			return '_'
		}
		return r
	}, strings.ToValidUTF8(value, "_"))
	if r := []rune(value); len(r) > longest {
		value = string(r[:longest])
	}
	return value
}
