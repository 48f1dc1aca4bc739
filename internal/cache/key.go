package cache

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"tollgate/internal/jsonscan"
	"tollgate/internal/openai"
)

// Scope says who shares cached answers (tollgate_settings.cache_scope).
type Scope string

// The scopes. A caller without a team or an organisation has the next narrower one.
const (
	ScopeTeam   Scope = "team" // what "" means
	ScopeKey    Scope = "key"
	ScopeOrg    Scope = "organization"
	ScopeGlobal Scope = "global" // everybody, as LiteLLM's caches by key have it
)

// Tenant is whose call it is. The fields hold what the gateway has found out, never what a caller says of itself, but for
// EndUser.
type Tenant struct {
	Key  string // the key's hash; the master key's name
	Team string
	Org  string
	User string // of callers without a key of ours
	// EndUser is the customer that the call is made for. It parts entries by meaning where that is configured.
	EndUser string
}

// within names the tenant's part of the cache, "" for a caller whom nothing tells from others.
func (t *Tenant) within(s Scope) string {
	switch {
	case s == ScopeGlobal:
		return "global"
	case s == ScopeOrg && t.Org != "":
		return "org:" + t.Org
	case s != ScopeKey && t.Team != "":
		return "team:" + t.Team
	case t.Key != "":
		return "key:" + t.Key
	case t.User != "":
		return "user:" + t.User
	}
	return ""
}

// keyVersion changes when keys are made in another way, so that old entries are not found.
const keyVersion = "tollgate-cache-1"

// answerFields are members that speak to the gateway and change its answer all the same, so they are part of the key; the
// others are not. Where api_key and api_base may be sent at all, they choose who answers.
var answerFields = map[string]bool{
	"drop_params": true, "additional_drop_params": true, "allowed_openai_params": true, "extra_headers": true, "extra_body": true,
	"prompt_id": true, "prompt_variables": true, "custom_llm_provider": true, "user_config": true, "specific_deployment": true,
	"mock_response": true, "mock_tool_calls": true, "mock_testing_fallbacks": true, "mock_testing_context_fallbacks": true,
	"mock_testing_content_policy_fallbacks": true, "mock_testing_rate_limit_error": true, "mock_timeout": true,
	"api_key": true, "api_base": true, "base_url": true, "api_version": true,
}

// controlFields say how the answer travels, or speak to the cache. caching is LiteLLM's switch for one call.
var controlFields = map[string]bool{"stream": true, "stream_options": true, "caching": true, "model": true}

// params are the members of a request that its answer depends on. A null counts as absent.
func params(r *openai.Request, without func(name string) bool) []jsonscan.Member {
	list := make([]jsonscan.Member, 0, len(r.Members))
	for _, m := range r.Members {
		name := string(m.Name)
		switch {
		case string(m.Value) == "null", controlFields[name], without(name):
		case openai.IsGatewayField(m.Name) && !answerFields[name], strings.HasPrefix(name, "litellm_"):
		default:
			list = append(list, m)
		}
	}
	return list
}

// keyed makes the keys of one call.
type keyed struct {
	namespace string
	digest    digest
}

// newKeyed begins with everything that is no parameter.
func (c *Cache) newKeyed(call *Call, namespace, tenant, kind string) *keyed {
	k := &keyed{namespace: cmp.Or(namespace, c.o.Namespace), digest: digest{Hash: sha256.New()}}
	k.digest.words(keyVersion, kind, tenant, k.namespace, string(call.Request.Operation), c.group(call.Alias))
	also := slices.Clone(call.Also)
	slices.Sort(also)
	k.digest.words(also...)
	k.digest.mark('.')
	return k
}

// key is the key as stores and the header x-litellm-cache-key have it: 64 hexadecimal digits, behind the namespace and a colon
// where there is one.
func (k *keyed) key() string {
	var sum [sha256.Size]byte
	text := hex.EncodeToString(k.digest.Sum(sum[:0]))
	if k.namespace == "" {
		return text
	}
	return k.namespace + ":" + text
}

// group is the name under which an alias is cached (caching_groups).
func (c *Cache) group(alias string) string {
	for _, g := range c.o.Groups {
		if slices.Contains(g, alias) {
			return "group:" + strings.Join(g, ",")
		}
	}
	return alias
}

// wholeKey is the key of the answer to a whole request.
func (c *Cache) wholeKey(call *Call, namespace, tenant string) string {
	k := c.newKeyed(call, namespace, tenant, "answer")
	k.digest.members(params(call.Request, func(string) bool { return false }))
	return k.key()
}

// itemKeys are the keys of each input of a request for embeddings.
func (c *Cache) itemKeys(call *Call, namespace, tenant string, inputs [][]byte) []string {
	shared := c.newKeyed(call, namespace, tenant, "item")
	shared.digest.members(params(call.Request, func(name string) bool { return name == "input" }))
	state := shared.key()
	keys := make([]string, len(inputs))
	one := keyed{namespace: shared.namespace, digest: digest{Hash: sha256.New()}}
	for i, input := range inputs {
		one.digest.Reset()
		one.digest.words(state)
		one.digest.value(input)
		keys[i] = one.key()
	}
	return keys
}

// inputsOf are the inputs of a request for embeddings, each an entry of its own: texts, lists of token numbers, or what else an
// upstream takes. A list of numbers is one input. listed is false where the input stands alone.
func inputsOf(r *openai.Request) (inputs [][]byte, listed bool) {
	raw, ok := r.Get("input")
	if !ok {
		return nil, false
	}
	if raw[0] != '[' {
		return [][]byte{raw}, false
	}
	list, err := jsonscan.InnerArray(raw, nil)
	if err != nil || len(list) == 0 {
		return nil, true
	}
	if c := list[0][0]; c == '-' || c >= '0' && c <= '9' {
		return [][]byte{raw}, false
	}
	return list, true
}

// joined is a JSON array of elements.
func joined(list [][]byte) []byte {
	return append(append([]byte{'['}, bytes.Join(list, []byte(","))...), ']')
}
