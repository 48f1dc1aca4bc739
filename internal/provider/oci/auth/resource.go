package auth

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// The paths of the calls by which a resource principal comes about.
const (
	resourceTokenPath = "/20180711/resourcePrincipalToken/{id}"
	sessionTokenPath  = "/v1/resourcePrincipalSessionToken" //nolint:gosec // a path
)

const adviceResource = "the service that runs this process has to support resource principals, and a dynamic group has to match the resource"

// ResourcePrincipal is the source of what OCI_RESOURCE_PRINCIPAL_VERSION and its
// companions describe: versions 2.2 (a token and a key, or the paths of both), 1.1 (a
// service that vouches for the resource) and 3.0 (a chain of such services).
func ResourcePrincipal(getenv func(string) string, way Way) (Source, error) {
	switch version := getenv(variableVersion); version {
	case "2.2":
		return newGivenResource(getenv, "")
	case "1.1":
		return newVouched(getenv, way, "")
	case "3.0":
		return newNested(getenv, way)
	case "":
		return nil, errors.New("oci: resource principal: " + variableVersion + " is not set; services of OCI that support resource principals set it")
	default:
		return nil, fmt.Errorf("oci: resource principal: %s is %q; 1.1, 2.2 and 3.0 are known", variableVersion, version)
	}
}

// forLeaf is the end of the variables that describe the innermost resource of version 3.0.
const forLeaf = "_FOR_LEAF_RESOURCE"

// newGivenResource reads version 2.2. end is "" or forLeaf.
func newGivenResource(getenv func(string) string, end string) (*givenToken, error) {
	get := func(name string) location { return contentOrPath(name+end, getenv(name+end)) }
	g := &givenToken{
		doing: "read the resource principal", remedy: adviceResource,
		token: get(variableRPST), key: get(variableKey), passphrase: get(variableKeyPassphrase), region: CanonicalRegion(getenv(variableResourceRegion + end)),
	}
	for _, part := range []location{g.token, g.key} {
		if part.value == "" {
			return nil, fmt.Errorf("oci: resource principal 2.2: %s is not set", part.name)
		}
	}
	if g.passphrase.value != "" && g.passphrase.file != g.key.file {
		return nil, fmt.Errorf("oci: resource principal 2.2: %s and %s have to be both paths, or neither", g.key.name, g.passphrase.name)
	}
	return g, nil
}

// vouched is version 1.1: a service vouches for the resource, and identity takes its word.
type vouched struct {
	instance *instance
	endpoint string // of the service that vouches
	path, id string // id "" asks the instance for its own
	sessions string // where the word is traded; "" = the region's auth service
	way      Way
}

var _ Source = (*vouched)(nil)

func newVouched(getenv func(string) string, way Way, end string) (*vouched, error) {
	first := func(names ...string) string {
		for _, name := range names {
			if value := strings.TrimSpace(getenv(name)); value != "" {
				return value
			}
		}
		return ""
	}
	v := &vouched{instance: InstancePrincipal(getenv, way).(*instance), way: way, sessions: getenv(variableRPSTEndpoint)}
	if end == "" {
		v.endpoint, v.path, v.id = first(variableRPTEndpoint), first(variableRPTPath), first(variableRPTID)
	} else {
		v.endpoint = first(variableRPTEndpoint+end, variableRPTEndpoint)
		v.path, v.id = first(variableRPTPath+end), first(variableResourceID+end)
		v.sessions = first(variableRPSTEndpoint+end, variableRPSTEndpoint)
	}
	if v.path == "" {
		v.path = resourceTokenPath
	}
	if v.endpoint == "" {
		return nil, fmt.Errorf("oci: resource principal 1.1: %s is not set", variableRPTEndpoint+end)
	}
	if !hasScheme(v.endpoint) {
		return nil, fmt.Errorf("oci: resource principal 1.1: %s is %q, which is no address", variableRPTEndpoint+end, v.endpoint)
	}
	return v, nil
}

// Issue signs as the instance: it asks the service for its word on the resource, and
// trades that for a token.
func (v *vouched) Issue(ctx context.Context) (Issued, error) {
	signer, err := v.instance.Issue(ctx)
	if err != nil {
		return Issued{}, err
	}
	id := v.id
	if id == "" {
		text, err := v.instance.metadata.get(ctx, "/instance/id")
		if err != nil {
			return Issued{}, err
		}
		id = strings.TrimSpace(string(text))
	}
	session, err := newSessionKey()
	if err != nil {
		return Issued{}, err
	}
	address := strings.TrimRight(v.endpoint, "/") + strings.ReplaceAll(v.path, "{id}", url.PathEscape(id))
	word, err := askForWord(ctx, v.way, address, signer.Snapshot)
	if err != nil {
		return Issued{}, err
	}
	sessions := sessionEndpoint(v.sessions, v.instance.authURL, signer.Region, signer.Tenancy)
	token, err := tradeWord(ctx, v.way, sessions, word, session, signer.Snapshot)
	if err != nil {
		return Issued{}, err
	}
	issued := session.issued(token, signer.Region)
	if issued.Tenancy == "" {
		issued.Tenancy = signer.Tenancy
	}
	return issued, nil
}

// word is what a service says of a resource.
type word struct {
	ResourceToken string `json:"resourcePrincipalToken"`
	ServiceToken  string `json:"servicePrincipalSessionToken"`
	// parent is who vouches for what is around the resource; "" for nobody.
	parent string
}

// askForWord asks the service at address for its word, signed as the resource below.
func askForWord(ctx context.Context, way Way, address string, signer Snapshot) (word, error) {
	fail := func(err error) (word, error) {
		return word{}, &AcquireError{Doing: "ask " + hostOf(address) + " for a resource principal token", Remedy: adviceResource, Err: err}
	}
	req, err := newRequest(ctx, http.MethodGet, address, nil)
	if err != nil {
		return fail(errors.New("the address cannot be used"))
	}
	if err := SignRequest(req, signer, Body{}, time.Now()); err != nil {
		return fail(err)
	}
	r, err := roundTrip(way.Upstream, req)
	if err != nil {
		return fail(err)
	}
	w, err := parseWord(r.body)
	if err != nil {
		return fail(err)
	}
	w.parent = r.header.Get("Opc-Parent-Rpt-Url")
	return w, nil
}

func parseWord(body []byte) (word, error) {
	var w word
	if err := json.Unmarshal(body, &w); err != nil || w.ResourceToken == "" {
		return word{}, errors.New("the answer holds no resourcePrincipalToken")
	}
	return w, nil
}

// tradeWord trades a service's word for a token that is bound to session.
func tradeWord(ctx context.Context, way Way, endpoint string, w word, session sessionKey, signer Snapshot) (Token, error) {
	fail := func(err error) (Token, error) {
		return Token{}, &AcquireError{Doing: "ask " + hostOf(endpoint) + " for a resource principal session token", Remedy: adviceResource, Err: err}
	}
	body, err := json.Marshal(map[string]string{
		"resourcePrincipalToken": w.ResourceToken, "servicePrincipalSessionToken": w.ServiceToken, "sessionPublicKey": session.base64(),
	})
	if err != nil {
		return fail(err)
	}
	req, err := newRequest(ctx, http.MethodPost, endpoint+sessionTokenPath, body)
	if err != nil {
		return fail(errors.New("the address cannot be used"))
	}
	if err := SignRequest(req, signer, HashBody(body), time.Now()); err != nil {
		return fail(err)
	}
	r, err := roundTrip(way.Upstream, req)
	if err != nil {
		return fail(err)
	}
	token, err := parseTokenReply(r.body)
	if err != nil {
		return fail(err)
	}
	return token, nil
}

// sessionEndpoint is where words are traded. Of an address that is named, host and
// scheme count alone, as in Oracle's SDKs.
func sessionEndpoint(named, authURL, region, realmHint string) string {
	if u, err := url.Parse(named); named != "" && err == nil && u.Host != "" {
		return u.Scheme + "://" + u.Host
	}
	return authEndpoint(authURL, region, realmHint)
}

// hostOf is the part of an address that may be shown.
func hostOf(address string) string {
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		return u.Host
	}
	return "an address that cannot be read"
}

// nested is version 3.0: each service vouches for the resource around the one before.
type nested struct {
	leaf     Source
	parent   string // the first address that is asked
	sessions string
	authURL  string
	way      Way
}

var _ Source = (*nested)(nil)

// maxDepth bounds a chain of resources, as Oracle's SDKs do.
const maxDepth = 10

func newNested(getenv func(string) string, way Way) (Source, error) {
	n := &nested{parent: getenv(variableParentRPT), sessions: getenv(variableParentRPST), authURL: getenv(variableAuthURL), way: way}
	if !hasScheme(n.parent) {
		return nil, fmt.Errorf("oci: resource principal 3.0: %s is not set to an address", variableParentRPT)
	}
	var err error
	switch version := getenv(variableVersion + forLeaf); version {
	case "2.2":
		n.leaf, err = newGivenResource(getenv, forLeaf)
	case "1.1":
		n.leaf, err = newVouched(getenv, way, forLeaf)
	default:
		err = fmt.Errorf("oci: resource principal 3.0: %s is %q; 1.1 and 2.2 are known", variableVersion+forLeaf, version)
	}
	if err != nil {
		return nil, err
	}
	return n, nil
}

// Issue walks from the innermost resource outwards; all tokens are bound to one key.
func (n *nested) Issue(ctx context.Context) (Issued, error) {
	leaf, err := n.leaf.Issue(ctx)
	if err != nil {
		return Issued{}, err
	}
	session, err := newSessionKey()
	if err != nil {
		return Issued{}, err
	}
	sessions := sessionEndpoint(n.sessions, n.authURL, leaf.Region, leaf.Tenancy)
	signer, address := leaf.Snapshot, n.parent
	for depth := 1; ; depth++ {
		w, err := askForWord(ctx, n.way, address, signer)
		if err != nil {
			return Issued{}, err
		}
		token, err := tradeWord(ctx, n.way, sessions, w, session, signer)
		if err != nil {
			return Issued{}, err
		}
		issued := session.issued(token, leaf.Region)
		if depth == maxDepth || w.parent == "" || strings.EqualFold(w.parent, address) {
			if issued.Tenancy == "" {
				issued.Tenancy = leaf.Tenancy
			}
			return issued, nil
		}
		if !hasScheme(w.parent) {
			return Issued{}, &AcquireError{Doing: "follow the chain of resource principals", Err: errors.New("the next service has no address of http or https")}
		}
		signer, address = issued.Snapshot, w.parent
	}
}

func pemBody(c *x509.Certificate) string { return base64.StdEncoding.EncodeToString(c.Raw) }

func pemBodies(list []*x509.Certificate) []string {
	out := make([]string, len(list))
	for i, c := range list {
		out[i] = pemBody(c)
	}
	return out
}
