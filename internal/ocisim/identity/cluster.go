package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"
)

// clusterIssuer is who says so in the service account tokens that a Cluster makes.
const clusterIssuer = "https://kubernetes.default.svc.cluster.local"

// Cluster is an OKE cluster as far as workload identity goes: it makes service account tokens, knows good ones, and has
// the authority that its pods trust. It is safe for concurrent use.
type Cluster struct {
	id       string
	tenancy  string
	home     string // compartment
	key      func() (*rsa.PrivateKey, error)
	trusted  []crypto.PublicKey
	trustAll bool
	ca       func() (*certified, error)
}

// ClusterOptions describe a cluster.
type ClusterOptions struct {
	ID, Tenancy, Compartment string // OCIDs
	// Keys are those of further issuers whose tokens are good, such as a real API server's.
	Keys []crypto.PublicKey
	// TrustAll takes any signature: the claims are still read and checked.
	TrustAll bool
}

// NewCluster returns a cluster. Its keys are made when they are first needed.
func NewCluster(o ClusterOptions) *Cluster {
	return &Cluster{
		id: o.ID, tenancy: o.Tenancy, home: o.Compartment, key: lazyKey(), trusted: o.Keys, trustAll: o.TrustAll,
		ca: sync.OnceValues(func() (*certified, error) { return newCA("Simulated Kubernetes CA", nil, time.Now()) }),
	}
}

// kubernetesClaims are those of a bound service account token, as kube-apiserver writes them.
type kubernetesClaims struct {
	Audience   audience `json:"aud"`
	Expires    int64    `json:"exp"`
	IssuedAt   int64    `json:"iat"`
	NotBefore  int64    `json:"nbf"`
	Issuer     string   `json:"iss"`
	ID         string   `json:"jti"`
	Subject    string   `json:"sub"`
	Kubernetes struct {
		Namespace      string `json:"namespace"`
		ServiceAccount object `json:"serviceaccount"`
		Pod            object `json:"pod"`
	} `json:"kubernetes.io"`
}

type object struct {
	Name string `json:"name"`
	UID  string `json:"uid"`
}

// audience is one text or a list of them.
type audience []string

// UnmarshalJSON reads either form.
func (a *audience) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*a = audience{one}
		return nil
	}
	var all []string
	if err := json.Unmarshal(b, &all); err != nil {
		return errors.New("an audience is a text or a list of texts")
	}
	*a = all
	return nil
}

// ServiceAccountToken makes the token that a pod of the service account would find in its file system.
func (c *Cluster) ServiceAccountToken(namespace, account string, life Life) (string, error) {
	key, err := c.key()
	if err != nil {
		return "", err
	}
	k := kubernetesClaims{
		Audience: audience{clusterIssuer}, Issuer: clusterIssuer, ID: rand.Text(),
		IssuedAt: life.Issued.Unix(), NotBefore: life.Issued.Unix(), Expires: life.Expires.Unix(),
		Subject: "system:serviceaccount:" + namespace + ":" + account,
	}
	k.Kubernetes.Namespace = namespace
	k.Kubernetes.ServiceAccount = object{Name: account, UID: rand.Text()}
	k.Kubernetes.Pod = object{Name: account + "-0", UID: rand.Text()}
	return sign(key, "simulated-cluster", k)
}

// Workload returns the principal that a service account token stands for.
func (c *Cluster) Workload(token string, now time.Time) (Principal, error) {
	t, err := parseToken(token)
	if err != nil {
		return Principal{}, err
	}
	if err := c.trust(t); err != nil {
		return Principal{}, err
	}
	var k kubernetesClaims
	if err := json.Unmarshal(t.claims, &k); err != nil {
		return Principal{}, errors.New("the token's claims are not those of a service account")
	}
	parts := strings.Split(k.Subject, ":")
	switch {
	case k.Expires == 0:
		return Principal{}, errors.New("the token has no exp")
	case now.Unix() >= k.Expires:
		return Principal{}, errors.New("the token is expired")
	case now.Unix() < k.NotBefore:
		return Principal{}, errors.New("the token is not good yet")
	case len(parts) != 4 || parts[0] != "system" || parts[1] != "serviceaccount" || parts[2] == "" || parts[3] == "":
		return Principal{}, errors.New("the token's subject is not a service account")
	case k.Kubernetes.Namespace != parts[2] || k.Kubernetes.ServiceAccount.Name != parts[3]:
		return Principal{}, errors.New("the token's subject and its service account differ")
	}
	return Principal{
		Kind: Workload, ID: c.id, Tenancy: c.tenancy, Compartment: c.home, Namespace: parts[2], ServiceAccount: parts[3],
	}, nil
}

// trust checks the signature against every known issuer: key ids differ between API servers' versions.
func (c *Cluster) trust(t rawToken) error {
	if c.trustAll {
		return nil
	}
	own, err := c.key()
	if err != nil {
		return err
	}
	err = t.verify(&own.PublicKey)
	for _, key := range c.trusted {
		if err == nil {
			break
		}
		err = t.verify(key)
	}
	return err
}

// CA is the certificate of the authority that pods find in ca.crt: PEM.
func (c *Cluster) CA() ([]byte, error) {
	ca, err := c.ca()
	if err != nil {
		return nil, err
	}
	return ca.pem(), nil
}

// ServerCertificate makes a certificate of the cluster's authority for the names under which an API server is reached
// inside a cluster, for the loopback addresses 127.0.0.1 to 127.0.0.9 and ::1, and for the given names and addresses.
func (c *Cluster) ServerCertificate(names []string) (tls.Certificate, error) {
	ca, err := c.ca()
	if err != nil {
		return tls.Certificate{}, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("identity: server key: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: "proxymux"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(365 * 24 * time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"},
		IPAddresses: []net.IP{net.IPv6loopback},
	}
	for last := byte(1); last < 10; last++ {
		template.IPAddresses = append(template.IPAddresses, net.IPv4(127, 0, 0, last))
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else if name != "" {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	server, err := certify(template, key, ca)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{server.cert.Raw, ca.cert.Raw}, PrivateKey: key, Leaf: server.cert}, nil
}
