package identity

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"time"
)

// issuerName is the iss claim of every token of the auth service.
const issuerName = "authService.oracle.com"

// Issuer is the auth service's hand: it signs the tokens of principals. Its key is made when the first token is asked
// for. It is safe for concurrent use.
type Issuer struct {
	key func() (*rsa.PrivateKey, error)
}

// NewIssuer returns an issuer with a key of its own.
func NewIssuer() *Issuer { return &Issuer{key: lazyKey()} }

// lazyKey makes an RSA-2048 key when it is first asked for.
func lazyKey() func() (*rsa.PrivateKey, error) {
	return sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })
}

// Life is from when to when a token is good.
type Life struct{ Issued, Expires time.Time }

// claims are those of OCI's tokens. The names of an instance's and a resource's are known from tokens that were shown
// in public; those of a workload beyond res_tenant and res_compartment are assumed.
type claims struct {
	Subject    string `json:"sub"`
	Issuer     string `json:"iss"`
	Audience   string `json:"aud"`
	Type       string `json:"ttype"` // x509, login, res_sp, and rpt and spst for the two halves of a resource's proof
	Principal  Kind   `json:"ptype"`
	Tenancy    string `json:"tenant"`
	IssuedAt   int64  `json:"iat"`
	Expires    int64  `json:"exp"`
	ID         string `json:"jti"`
	Key        string `json:"jwk,omitempty"` // the session's public key, a JWK in a string
	CertType   string `json:"opc-certtype,omitempty"`
	OPCTenancy string `json:"opc-tenant,omitempty"`
	// Fingerprint is that of the certificate that a token was given for.
	Fingerprint    string `json:"fprint,omitempty"`
	OPCInstance    string `json:"opc-instance,omitempty"`
	OPCCompartment string `json:"opc-compartment,omitempty"`

	ResourceType        string `json:"res_type,omitempty"`
	ResourceID          string `json:"res_id,omitempty"`
	ResourceTenancy     string `json:"res_tenant,omitempty"`
	ResourceCompartment string `json:"res_compartment,omitempty"`

	Namespace      string `json:"k8s_namespace,omitempty"`
	ServiceAccount string `json:"k8s_service_account,omitempty"`
	Cluster        string `json:"k8s_cluster_id,omitempty"`
}

// Token returns the token of a principal that is bound to the session key pub. fingerprint is that of an instance's
// certificate and empty for the others.
func (i *Issuer) Token(who Principal, pub *rsa.PublicKey, life Life, fingerprint string) (string, error) {
	key, err := jwk(pub)
	if err != nil {
		return "", err
	}
	c := base(who, life)
	c.Key = key
	switch who.Kind {
	case Session:
		c.Type, c.Principal = "login", User
	case Instance:
		c.Type, c.CertType, c.Fingerprint = "x509", "instance", fingerprint
		c.OPCInstance, c.OPCCompartment, c.OPCTenancy = who.ID, who.Compartment, who.Tenancy
	case Resource:
		c.Type, c.Principal = "res_sp", Resource
		c.ResourceType, c.ResourceID = resourceType(who.ID), who.ID
		c.ResourceTenancy, c.ResourceCompartment = who.Tenancy, who.Compartment
	case Workload:
		c.Type, c.ResourceType, c.ResourceID = "res_sp", "workload", who.ID
		c.ResourceTenancy, c.ResourceCompartment = who.Tenancy, who.Compartment
		c.Namespace, c.ServiceAccount, c.Cluster = who.Namespace, who.ServiceAccount, who.ID
	default:
		return "", fmt.Errorf("identity: a %s has no token", who.Kind)
	}
	return i.sign(c)
}

// proof types: what a service says of its resource, and of itself.
const (
	resourceProof = "rpt"
	serviceProof  = "spst"
)

// Proof returns what a service hands to a resource of its own: the resource principal token, which says which resource
// it is, and the service principal session token, which says which service says so. Clients take both for opaque.
func (i *Issuer) Proof(resource Principal, life Life) (rpt, spst string, err error) {
	c := base(resource, life)
	c.Type, c.ResourceType, c.ResourceID = resourceProof, resourceType(resource.ID), resource.ID
	c.ResourceTenancy, c.ResourceCompartment = resource.Tenancy, resource.Compartment
	if rpt, err = i.sign(c); err != nil {
		return "", "", err
	}
	service := base(Principal{Kind: "service", ID: resourceType(resource.ID), Tenancy: resource.Tenancy}, life)
	service.Type = serviceProof
	spst, err = i.sign(service)
	return rpt, spst, err
}

// ReadProof returns the resource that the two halves of a proof speak of.
func (i *Issuer) ReadProof(rpt, spst string, now time.Time) (Principal, error) {
	about, err := i.read(rpt, resourceProof, now)
	if err != nil {
		return Principal{}, fmt.Errorf("resource principal token: %w", err)
	}
	by, err := i.read(spst, serviceProof, now)
	if err != nil {
		return Principal{}, fmt.Errorf("service principal session token: %w", err)
	}
	if by.Subject != about.ResourceType {
		return Principal{}, errors.New("the service does not own the resource")
	}
	return Principal{Kind: Resource, ID: about.ResourceID, Tenancy: about.ResourceTenancy, Compartment: about.ResourceCompartment}, nil
}

func (i *Issuer) read(token, kind string, now time.Time) (claims, error) {
	t, err := parseToken(token)
	if err != nil {
		return claims{}, err
	}
	key, err := i.key()
	if err != nil {
		return claims{}, err
	}
	if err := t.verify(&key.PublicKey); err != nil {
		return claims{}, err
	}
	var c claims
	if err := json.Unmarshal(t.claims, &c); err != nil {
		return claims{}, errors.New("the token's claims are not JSON")
	}
	switch {
	case c.Type != kind:
		return claims{}, errors.New("the token is of another type")
	case now.Unix() >= c.Expires:
		return claims{}, errors.New("the token is expired")
	}
	return c, nil
}

func (i *Issuer) sign(c claims) (string, error) {
	key, err := i.key()
	if err != nil {
		return "", err
	}
	return sign(key, "asw_simulator", c)
}

func base(who Principal, life Life) claims {
	return claims{
		Subject: who.ID, Issuer: issuerName, Audience: "oci", Principal: who.Kind, Tenancy: who.Tenancy,
		IssuedAt: life.Issued.Unix(), Expires: life.Expires.Unix(), ID: rand.Text(),
	}
}

// resourceType is the second part of an OCID.
func resourceType(ocid string) string {
	_, rest, _ := strings.Cut(ocid, ".")
	kind, _, _ := strings.Cut(rest, ".")
	return kind
}

// jwk writes a public key as the jwk claim holds it: a JSON text.
func jwk(pub *rsa.PublicKey) (string, error) {
	b, err := json.Marshal(webKey{
		KeyID: "session", Type: "RSA", Algorithm: "RS256", Use: "sig",
		N: base64.RawURLEncoding.EncodeToString(pub.N.Bytes()),
		E: base64.RawURLEncoding.EncodeToString(big.NewInt(int64(pub.E)).Bytes()),
	})
	return string(b), err
}
