package ocisim

import (
	"net/http"
	"strings"
)

// metadata plays an instance's metadata service, version 2 only. Which status a request gets that does not carry the
// header, or that was forwarded, is not known; the documentation says that it is rejected. Version 1 is 404, as on an
// instance that has it switched off.
func (x *exchange) metadata() error {
	path, v2 := strings.CutPrefix(strings.TrimSuffix(x.r.URL.Path, "/"), "/opc/v2/")
	if !v2 {
		return x.text(http.StatusNotFound, "404 Not Found")
	}
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host"} {
		if x.r.Header.Get(name) != "" {
			x.failure = "the request was forwarded"
			return x.text(http.StatusForbidden, "403 Forbidden")
		}
	}
	if x.r.Header.Get("Authorization") != "Bearer Oracle" {
		x.failure = "the header Authorization: Bearer Oracle is missing"
		return x.text(http.StatusForbidden, "403 Forbidden")
	}
	if file, ok := strings.CutPrefix(path, "identity/"); ok {
		return x.identityFile(file)
	}
	document := x.s.instanceDocument()
	if path == "instance" {
		return x.reply(document)
	}
	var value any = document
	for name := range strings.SplitSeq(strings.TrimPrefix(path, "instance/"), "/") {
		members, _ := value.(map[string]any) // a text has no members
		member, ok := members[name]
		if !ok {
			return x.text(http.StatusNotFound, "404 Not Found")
		}
		value = member
	}
	if text, ok := value.(string); ok {
		return x.text(http.StatusOK, text)
	}
	return x.reply(value)
}

// identityFile serves the instance's certificate, its key and the certificate above it.
func (x *exchange) identityFile(name string) error {
	i := x.s.identity
	leaf, err := i.authority.Leaf(x.s.clock(), i.Options().CertificateLife)
	if err != nil {
		return err
	}
	switch name {
	case "cert.pem":
		return x.text(http.StatusOK, string(leaf.Certificate))
	case "key.pem":
		return x.text(http.StatusOK, string(leaf.Key))
	case "intermediate.pem":
		return x.text(http.StatusOK, string(leaf.Intermediate))
	}
	return x.text(http.StatusNotFound, "404 Not Found")
}

// text answers in plain text.
func (x *exchange) text(status int, body string) error {
	x.w.Header().Set("Content-Type", "text/plain")
	if status != http.StatusOK && x.failure == "" {
		x.failure = body
	}
	return x.send(status, []byte(body))
}

// region codes: the oldest regions have a short name in an instance's metadata, the others their whole identifier.
var (
	shortRegions = map[string]string{
		"us-phoenix-1": "phx", "us-ashburn-1": "iad", "eu-frankfurt-1": "fra", "uk-london-1": "lhr",
	}
	regionKeys = map[string]string{
		"us-phoenix-1": "PHX", "us-ashburn-1": "IAD", "eu-frankfurt-1": "FRA", "uk-london-1": "LHR",
		"us-chicago-1": "ORD", "sa-saopaulo-1": "GRU", "ap-osaka-1": "KIX", "ap-tokyo-1": "NRT", "ap-mumbai-1": "BOM",
		"ap-hyderabad-1": "HYD", "ap-singapore-1": "SIN", "me-dubai-1": "DXB", "me-riyadh-1": "RUH",
	}
)

// instanceDocument is what /opc/v2/instance tells of the instance: the members that clients of Oracle's read.
func (s *Server) instanceDocument() map[string]any {
	o := s.identity.Options()
	short, ok := shortRegions[s.region]
	if !ok {
		short = s.region
	}
	key, ok := regionKeys[s.region]
	if !ok {
		key = s.region
	}
	return map[string]any{
		"id": o.Instance, "compartmentId": o.Compartment, "tenantId": o.Tenancy,
		"displayName": "simulated", "hostname": "simulated", "state": "Running", "shape": "VM.Standard.E5.Flex",
		"region": short, "canonicalRegionName": s.region,
		"availabilityDomain": "Simu:" + strings.ToUpper(s.region) + "-AD-1", "ociAdName": s.region + "-ad-1", "faultDomain": "FAULT-DOMAIN-1",
		"regionInfo": map[string]any{
			"realmKey": "oc1", "realmDomainComponent": "oraclecloud.com", "regionKey": key, "regionIdentifier": s.region,
		},
		"metadata": map[string]any{"oke-cluster-id": o.Cluster},
	}
}
