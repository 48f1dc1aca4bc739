package config

import (
	"strings"

	"tollgate/internal/secret"
)

// filled completes the parameters that do not come from one key alone.
func (p *Params) filled(n *node, path string) {
	p.node, p.path = n, path
	p.Costs = costs(n)
	if base := n.get("base_url"); p.APIBase == "" && !base.isNull() && base.kind == scalarNode {
		p.APIBase = base.text
	}
	headers := n.get("headers")
	if headers == nil || headers.kind != mapNode {
		return
	}
	if p.ExtraHeaders == nil {
		p.ExtraHeaders = make(map[string]secret.String)
	}
	for _, e := range headers.entries {
		if _, own := p.ExtraHeaders[e.key]; !own && e.value.kind == scalarNode && !e.value.isNull() {
			p.ExtraHeaders[e.key] = secret.New(e.value.text)
		}
	}
}

// Pos is where the parameters begin; zero when the file does not hold them.
func (p Params) Pos() Position {
	if p.node == nil {
		return Position{}
	}
	return p.node.pos
}

// Path is where the parameters stand: model_list[0].litellm_params.
func (p Params) Path() string { return p.path }

// Provider returns the value of a key that belongs to a provider (oci_region,
// aws_role_name ...), or of any other key; false when it is absent or null.
func (p Params) Provider(key string) (Value, bool) {
	n := p.node.get(key)
	if n.isNull() {
		return Value{}, false
	}
	return Value{node: n, path: keyPath(p.path, key), masked: secretKey(&litellmParams, key)}, true
}

// Text is Provider for the common case: the text of a key that is no secret, ""
// when it is absent.
func (p Params) Text(key string) string {
	v, _ := p.Provider(key)
	return v.String()
}

// Secret is Provider for a key that holds a secret, empty when it is absent.
func (p Params) Secret(key string) secret.String {
	v, _ := p.Provider(key)
	return v.Secret()
}

// Extra returns the keys that the table of keys does not know: default request
// parameters (temperature, max_tokens ...). The values are what encoding/json
// makes of JSON, with numbers as json.Number; the map is new at each call and
// encodes in the same order each time.
func (p Params) Extra() map[string]any {
	if p.node == nil {
		return nil
	}
	out := make(map[string]any)
	for _, e := range p.node.entries {
		if _, known := litellmParams.find(e.key); !known {
			out[e.key] = e.value.asJSON()
		}
	}
	return out
}

// Echo returns everything that the file says in model_info, as JSON-ready values:
// what /model/info repeats. The id is not in it unless the file gives it.
func (i ModelInfo) Echo() map[string]any {
	if i.node == nil {
		return map[string]any{}
	}
	out, _ := i.node.asJSON().(map[string]any)
	return out
}

func (i *ModelInfo) filled(n *node, _ string) { i.node = n }

// Value is one value of the file with its place. The zero Value is an absent one.
type Value struct {
	node   *node
	path   string
	masked bool
}

// String is the text of a scalar. Of a key that holds a secret it is the mask, so
// that a Value may be printed; Secret gives that one.
func (v Value) String() string {
	if v.masked {
		return v.Secret().String()
	}
	return v.text()
}

// Secret is the text of a scalar that is a secret.
func (v Value) Secret() secret.String { return secret.New(v.text()) }

func (v Value) text() string {
	if v.node == nil || v.node.kind != scalarNode {
		return ""
	}
	return v.node.text
}

// Bool reads a boolean, a text such as "true" included; false when it is none.
func (v Value) Bool() (value, ok bool) {
	if v.node == nil {
		return false, false
	}
	return v.node.asBool()
}

// JSON is the value as encoding/json knows it, see Params.Extra. It is not masked.
func (v Value) JSON() any {
	if v.node == nil {
		return nil
	}
	return v.node.asJSON()
}

// Pos is where the value stands.
func (v Value) Pos() Position {
	if v.node == nil {
		return Position{}
	}
	return v.node.pos
}

// Path is where the value stands in the merged configuration.
func (v Value) Path() string { return v.path }

// secretKey reports whether a key of a section holds a secret.
func secretKey(s *section, name string) bool {
	if k, known := s.find(name); known {
		return k.masked
	}
	return SecretName(name)
}

// SecretName guesses by its name whether a key that the table does not know holds
// a secret. max_tokens and the like are counts.
func SecretName(name string) bool {
	name = strings.ToLower(name)
	for _, word := range []string{"api_key", "apikey", "api-key", "password", "passphrase", "secret", "credential", "private_key", "authorization", "webhook", "database_url", "redis_url"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return strings.HasSuffix(name, "token") && !strings.Contains(name, "cost") || strings.HasSuffix(name, "_key")
}
