package ocisim

import (
	"errors"
	"slices"

	"tollgate/internal/ocisim/identity"
)

// parentHeader names, in a service's reply about a resource, the URL where that resource's own parent is asked for.
const parentHeader = "opc-parent-rpt-url"

// proveResource plays the service that owns a resource: it hands out what proves to the auth service which resource the
// caller is. The leaf of the chain is asked for by the instance that it runs on, each parent by the resource below it,
// and the instance may ask for itself, which is the default path of version 1.1.
func (x *exchange) proveResource() error {
	i := x.s.identity
	o := i.Options()
	id := x.r.PathValue("id")
	var resource identity.Principal
	n := slices.Index(o.Resources, id)
	switch {
	case id == o.Instance && x.who.ID == o.Instance:
		resource = identity.Principal{Kind: identity.Resource, ID: o.Instance, Tenancy: o.Tenancy, Compartment: o.Compartment}
	case n == 0 && x.who.ID == o.Instance, n > 0 && x.who.ID == o.Resources[n-1]:
		resource = o.resource(n)
	default:
		x.failure = "the resource is unknown, or the caller is not what it belongs to"
		return x.s.notFound()
	}
	rpt, spst, err := i.issuer.Proof(resource, i.life(o.TokenLife))
	if err != nil {
		return err
	}
	if n > 0 && n+1 < len(o.Resources) {
		x.w.Header().Set(parentHeader, "http://"+x.r.Host+resourcePath+o.Resources[n+1])
	}
	return x.reply(struct {
		Resource string `json:"resourcePrincipalToken"`
		Service  string `json:"servicePrincipalSessionToken"`
	}{rpt, spst})
}

// exchangeProof gives a resource its session token for what its service said of it.
func (x *exchange) exchangeProof() error {
	var body struct {
		Resource  string `json:"resourcePrincipalToken"`
		Service   string `json:"servicePrincipalSessionToken"`
		PublicKey string `json:"sessionPublicKey"`
	}
	if err := x.readJSON(&body); err != nil {
		return err
	}
	for name, value := range map[string]string{
		"resourcePrincipalToken": body.Resource, "servicePrincipalSessionToken": body.Service, "sessionPublicKey": body.PublicKey,
	} {
		if value == "" {
			return missingParameter("%s is missing", name)
		}
	}
	if x.who.Kind != identity.Instance && x.who.Kind != identity.Resource {
		return x.refuse(errors.New("the caller is neither an instance nor a resource"))
	}
	i := x.s.identity
	resource, err := i.issuer.ReadProof(body.Resource, body.Service, x.s.clock())
	if err != nil {
		return x.refuse(err)
	}
	session, err := identity.SessionKey(body.PublicKey)
	if err != nil {
		return badParameter("sessionPublicKey: %s", err)
	}
	token, err := i.grant(resource, session, i.Options().TokenLife, "")
	if err != nil {
		return err
	}
	return x.reply(tokenReply{token})
}

// resourcePath begins the path where a service is asked about a resource.
const resourcePath = "/20180711/resourcePrincipalToken/"
