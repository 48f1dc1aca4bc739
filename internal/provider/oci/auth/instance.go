package auth

import (
	"context"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// DefaultMetadataURL is the instance metadata service, version 2; OCI_METADATA_BASE_URL
// names another one.
const DefaultMetadataURL = "http://169.254.169.254/opc/v2"

// metadataTimeout bounds one question to the metadata service, which is a hop away.
const metadataTimeout = 10 * time.Second

const (
	adviceMetadata   = "instance principals work on machines of OCI alone; in a container 169.254.169.254 has to be reachable too (network policy, hop limit)"
	adviceFederation = "check that a dynamic group matches this instance, and that the clock of this machine is right"
)

// metadata asks the instance metadata service.
type metadata struct {
	base string
	way  http.RoundTripper // direct
}

func newMetadata(getenv func(string) string, way Way) metadata {
	base := strings.TrimRight(strings.TrimSpace(getenv(variableMetadata)), "/")
	if base == "" {
		base = DefaultMetadataURL
	}
	return metadata{base: base, way: way.direct(nil)}
}

// get reads one path, for example /instance/region.
func (m metadata) get(ctx context.Context, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, metadataTimeout)
	defer cancel()
	req, err := newRequest(ctx, http.MethodGet, m.base+path, nil)
	if err == nil {
		req.Header.Set("Authorization", "Bearer Oracle") // version 2 refuses calls without it
		var r reply
		if r, err = roundTrip(m.way, req); err == nil {
			return r.body, nil
		}
	}
	return nil, &AcquireError{Doing: "ask the instance metadata service for " + path, Remedy: adviceMetadata, Err: err}
}

// region is where the instance runs, spelled as endpoints spell it.
func (m metadata) region(ctx context.Context) (string, error) {
	text, err := m.get(ctx, "/instance/region")
	if err != nil {
		return "", err
	}
	region := CanonicalRegion(string(text))
	if !plausibleRegion(region) {
		return "", &AcquireError{Doing: "ask the instance metadata service for its region", Err: fmt.Errorf("it answered %q", scrub(text))}
	}
	return region, nil
}

// plausibleRegion keeps what would change a host name out of it.
func plausibleRegion(s string) bool {
	return s != "" && len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-')
	})
}

// identity is the certificate of an instance with its key, and who issued it.
type identity struct {
	leaf         *x509.Certificate
	key          *Key
	intermediate []*x509.Certificate
	tenancy      string // OCID
}

// identity reads what the instance proves itself with. It changes several times a
// day; certificate and key that do not belong together are read once more.
func (m metadata) identity(ctx context.Context) (identity, error) {
	var id identity
	for attempt := 0; ; attempt++ {
		var texts [3][]byte
		for i, path := range [...]string{"/identity/cert.pem", "/identity/key.pem", "/identity/intermediate.pem"} {
			var err error
			if texts[i], err = m.get(ctx, path); err != nil {
				return id, err
			}
		}
		id, private, err := parseIdentity(texts[0], texts[1], texts[2])
		if err != nil {
			return id, &AcquireError{Doing: "read the identity of this instance", Remedy: adviceMetadata, Err: err}
		}
		if private.PublicKey.Equal(id.leaf.PublicKey) {
			return id, nil
		}
		if attempt > 0 {
			return id, &AcquireError{Doing: "read the identity of this instance", Err: errors.New("the key is not that of the certificate")}
		}
	}
}

func parseIdentity(cert, key, intermediate []byte) (identity, *rsa.PrivateKey, error) {
	leaf, err := parseCertificates(cert)
	if err != nil {
		return identity{}, nil, fmt.Errorf("cert.pem: %w", err)
	}
	id := identity{leaf: leaf[0], tenancy: tenancyOf(leaf[0])}
	if id.tenancy == "" {
		return identity{}, nil, errors.New("cert.pem does not name a tenancy (opc-tenant)")
	}
	if id.intermediate, err = parseCertificates(intermediate); err != nil {
		return identity{}, nil, fmt.Errorf("intermediate.pem: %w", err)
	}
	private, err := ParsePrivateKey(string(key), "")
	if err != nil {
		return identity{}, nil, fmt.Errorf("key.pem: %w", err)
	}
	if id.key, err = NewKey(private); err != nil {
		return identity{}, nil, fmt.Errorf("key.pem: %w", err)
	}
	return id, private, nil
}

// parseCertificates reads one certificate or more in PEM.
func parseCertificates(text []byte) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	for _, block := range pemBlocks(string(text)) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, errors.New("a certificate that cannot be read")
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		return nil, errors.New("no certificate")
	}
	return out, nil
}

// tenancyOf is the tenancy that a certificate of an instance names in its subject:
// opc-tenant, opc-identity on older ones.
func tenancyOf(c *x509.Certificate) string {
	for _, prefix := range []string{"opc-tenant:", "opc-identity:"} {
		for _, name := range c.Subject.Names {
			text, _ := name.Value.(string)
			if tenancy, ok := strings.CutPrefix(text, prefix); ok && !strings.ContainsFunc(tenancy, unfitForOCID) {
				return tenancy
			}
		}
	}
	return ""
}

// InstancePrincipal is the source of the machine of OCI's that the process runs on.
func InstancePrincipal(getenv func(string) string, way Way) Source {
	return &instance{metadata: newMetadata(getenv, way), authURL: getenv(variableAuthURL), way: way}
}

type instance struct {
	metadata metadata
	authURL  string // in place of the region's; "" for that
	way      Way
}

var _ Source = (*instance)(nil)

// Issue trades the certificate of the instance for a token, which is bound to a key
// that is made for it.
func (i *instance) Issue(ctx context.Context) (Issued, error) {
	defer closeIdle(i.metadata.way)
	region, err := i.metadata.region(ctx)
	if err != nil {
		return Issued{}, err
	}
	id, err := i.metadata.identity(ctx)
	if err != nil {
		return Issued{}, err
	}
	session, err := newSessionKey()
	if err != nil {
		return Issued{}, err
	}
	token, err := i.federate(ctx, authEndpoint(i.authURL, region, id.tenancy), id, session)
	if err != nil {
		return Issued{}, &AcquireError{Doing: "ask OCI's auth service in " + region + " for a token of this instance", Remedy: federationRemedy(err), Err: err}
	}
	issued := session.issued(token, region)
	issued.Tenancy = id.tenancy
	return issued, nil
}

// federationRemedy speaks of the dynamic group only where the service has refused.
func federationRemedy(err error) string {
	if status := statusOf(err); status == http.StatusUnauthorized || status == http.StatusForbidden || status == http.StatusNotFound {
		return adviceFederation
	}
	return ""
}

// authEndpoint is where tokens are issued: the region's auth service, or the address
// that the operator named.
func authEndpoint(override, region, realmHint string) string {
	if override != "" {
		return withScheme(override)
	}
	return "https://auth." + region + "." + RegionDomain(region, realmHint)
}

// federate makes the call /v1/x509, which is signed with the instance's own key.
func (i *instance) federate(ctx context.Context, endpoint string, id identity, session sessionKey) (Token, error) {
	body, err := json.Marshal(map[string]any{
		"certificate": pemBody(id.leaf), "publicKey": session.base64(), "intermediateCertificates": pemBodies(id.intermediate), "fingerprintAlgorithm": "SHA256",
	})
	if err != nil {
		return Token{}, err
	}
	req, err := newRequest(ctx, http.MethodPost, endpoint+"/v1/x509", body)
	if err != nil {
		return Token{}, err
	}
	sum := sha256.Sum256(id.leaf.Raw)
	snapshot := Snapshot{KeyID: id.tenancy + "/fed-x509-sha256/" + colonHex(sum[:]), Key: id.key}
	if err := signWithoutHost(req, snapshot, HashBody(body), time.Now()); err != nil {
		return Token{}, err
	}
	r, err := roundTrip(i.way.Upstream, req)
	if err != nil {
		return Token{}, err
	}
	return parseTokenReply(r.body)
}
