package oci

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"

	"tollgate/internal/provider"
	"tollgate/internal/provider/oci/auth"
	"tollgate/internal/secret"
)

// defaultRegion is LiteLLM's.
const defaultRegion = "us-ashburn-1"

// Credentials says who signs, as far as the entry and the environment say it.
type Credentials struct {
	// Auth is oci_auth: auto, api_key, security_token, instance_principal, resource_principal or
	// oke_workload_identity; "" is auto.
	Auth string
	// The API key of a user, from oci_tenancy, oci_user, oci_fingerprint, oci_key_file, oci_key, oci_key_passphrase.
	Tenancy, User, Fingerprint, KeyFile string
	Key, Passphrase                     secret.String
	// ConfigFile and Profile name a profile of an OCI configuration file; both empty means the usual one.
	ConfigFile, Profile string
	// Named: the entry itself names an API key or a profile.
	Named bool
}

// String names the credentials without their secrets.
func (c Credentials) String() string {
	return fmt.Sprintf("oci credentials (%s) of user %s in tenancy %s", c.Auth, c.User, c.Tenancy)
}

// GoString is String, so that %#v shows no more than %v.
func (c Credentials) GoString() string { return c.String() }

// LogValue is String, so that a structured log shows no more than a plain one.
func (c Credentials) LogValue() slog.Value { return slog.StringValue(c.String()) }

// surface is which of OCI's two APIs a deployment uses.
type surface string

const (
	surfaceAuto    surface = "auto"    // what the model and the request need
	surfaceActions surface = "actions" // the signed one, in OCI's own formats
	surfaceOpenAI  surface = "openai"  // the one in OpenAI's
)

// settings is a deployment's part of the configuration, read and checked.
type settings struct {
	credentials Credentials
	region      string
	compartment string // OCID; "" when only a GenAI API key is used
	endpoint    string // OCID of a dedicated cluster's endpoint; "" = on demand
	format      Format // "" = what the model id says
	surface     surface
	apiKey      secret.String // a GenAI API key
	actionsURL  string        // without a slash at its end: .../20231130/actions
	openaiURL   string        // .../openai/v1
	choice      choice        // who signs; the zero one when nobody does
	late        bool          // region or compartment are the principal's, and not known before its first token
}

// needsPrincipal reports whether calls have to be signed, or may be: a GenAI API key serves the OpenAI-shaped surface
// alone, which has neither Cohere's models nor dedicated clusters.
func (s *settings) needsPrincipal(fam *family) bool {
	switch {
	case s.apiKey.Empty() || s.endpoint != "" || s.surface == surfaceActions:
		return true
	case s.surface == surfaceOpenAI:
		return false
	}
	return fam.format != Generic || s.credentials.Named || (s.credentials.Auth != "" && s.credentials.Auth != kindAuto)
}

// readSettings reads what a deployment's parameters and the environment say.
func (f *Factory) readSettings(spec provider.Spec) (settings, error) {
	p := spec.Params
	s := settings{
		credentials: readCredentials(p, f.o.Getenv),
		format:      Format(p.Text("oci_api_format")),
		surface:     surface(p.Text("oci_surface")),
		apiKey:      p.APIKey,
		endpoint:    p.Text("oci_endpoint_id"),
	}
	if s.surface == "" {
		s.surface = surfaceAuto
	}
	if s.apiKey.Empty() {
		s.apiKey = secret.New(f.o.Getenv("OCI_GENAI_API_KEY"))
	}
	if spec.Model == "" {
		return s, errors.New("oci: litellm_params.model: no model after oci/")
	}
	if s.endpoint == "" && strings.HasPrefix(spec.Model, "ocid1.generativeaiendpoint.") {
		s.endpoint = spec.Model
	}
	if mode := p.Text("oci_serving_mode"); mode == "ON_DEMAND" {
		s.endpoint = ""
	} else if mode == "DEDICATED" && s.endpoint == "" {
		return s, errors.New("oci: litellm_params.oci_serving_mode is DEDICATED, but there is no oci_endpoint_id")
	}
	return s, f.readPlace(&s, p, p.APIBase, familyOf(spec.Model, s.format))
}

// parameters are where settings stand: a deployment's litellm_params, or a guardrail's.
type parameters interface {
	Text(key string) string
	Secret(key string) secret.String
}

// readPlace finds who signs, region, compartment and addresses. What neither the entry nor the environment says comes
// from the profile that signs, or else from the principal's token: then the place is not complete before there is one.
func (f *Factory) readPlace(s *settings, p parameters, base string, fam *family) error {
	signed := s.needsPrincipal(fam)
	if signed {
		var err error
		if s.choice, err = f.choose(s.credentials); err != nil && f.o.Principal == nil {
			return err
		}
	}
	profile := s.choice.profile
	s.region = auth.CanonicalRegion(firstOf(p.Text("oci_region"), f.o.Getenv("OCI_REGION"), profile.Region, s.choice.region))
	s.compartment = firstOf(p.Text("oci_compartment_id"), f.o.Getenv("OCI_COMPARTMENT_ID"), f.o.Getenv("OCI_COMPARTMENT"), s.credentials.Tenancy, profile.Tenancy)
	if s.region == "" && base == "" && s.choice.kind == kindWorkload {
		return errors.New("oci: no region: set litellm_params.oci_region, OCI_REGION or OCI_RESOURCE_PRINCIPAL_REGION")
	}
	if s.region == "" && (base != "" || !s.choice.tellsRegion()) {
		s.region = defaultRegion
	}
	if s.compartment == "" && signed && !s.choice.renews() {
		return errors.New("oci: no compartment: set litellm_params.oci_compartment_id or OCI_COMPARTMENT_ID")
	}
	s.late = s.region == "" || s.compartment == "" && signed
	return s.readBase(base)
}

// readCredentials reads who signs. What the entry does not say comes from the environment, as LiteLLM has it; but the
// parts of one API key do not mix with those of another one, nor with a profile.
func readCredentials(p parameters, getenv func(string) string) Credentials {
	c := Credentials{
		Auth: firstOf(p.Text("oci_auth"), getenv("OCI_AUTH")), Tenancy: p.Text("oci_tenancy"), User: p.Text("oci_user"), Fingerprint: p.Text("oci_fingerprint"),
		KeyFile: p.Text("oci_key_file"), Key: p.Secret("oci_key"), Passphrase: p.Secret("oci_key_passphrase"),
		ConfigFile: p.Text("oci_config_file"), Profile: p.Text("oci_profile"),
	}
	profile := c.ConfigFile != "" || c.Profile != ""
	c.Named = c.hasKey() || profile
	c.ConfigFile = firstOf(c.ConfigFile, getenv("OCI_CONFIG_FILE"))
	if profile && !c.hasKey() {
		return c
	}
	if c.User == "" {
		c.User = getenv("OCI_USER")
		c.Fingerprint = firstOf(c.Fingerprint, getenv("OCI_FINGERPRINT"))
	}
	if c.KeyFile == "" && c.Key.Empty() {
		c.KeyFile, c.Key = getenv("OCI_KEY_FILE"), secret.New(getenv("OCI_KEY"))
		if c.Passphrase.Empty() {
			c.Passphrase = secret.New(getenv("OCI_KEY_PASSPHRASE"))
		}
	}
	c.Tenancy = firstOf(c.Tenancy, getenv("OCI_TENANCY"))
	return c
}

// readBase finds the addresses of both surfaces. An api_base may be the host, or any address of OCI's below it as
// it stands in somebody's documentation; one that ends in /v1 also chooses the OpenAI-shaped surface.
func (s *settings) readBase(base string) error {
	if base == "" {
		domain := auth.RegionDomain(s.region, firstOf(s.credentials.Tenancy, s.compartment))
		base = "https://inference.generativeai." + s.region + ".oci." + domain
	}
	u, err := url.Parse(strings.TrimSpace(base))
	if err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") || u.User != nil {
		return errors.New("oci: litellm_params.api_base: expected http:// or https:// and a host, without a user name")
	}
	u.RawQuery, u.Fragment = "", ""
	root := strings.TrimRight(u.String(), "/")
	root = strings.TrimSuffix(root, "/chat/completions")
	openai := "/openai/v1"
	for _, end := range []string{"/openai/v1", "/20231130/actions/v1"} {
		if host, ok := strings.CutSuffix(root, end); ok {
			root, openai = host, end
			if s.surface == surfaceAuto {
				s.surface = surfaceOpenAI
			}
		}
	}
	for _, end := range []string{"/chat", "/actions", "/20231130"} {
		root = strings.TrimSuffix(root, end)
	}
	s.actionsURL, s.openaiURL = root+"/20231130/actions", root+openai
	return nil
}

// target is compartmentId and servingMode, the members that every body has.
func (s *settings) target(model string) []byte {
	var o jsonOut
	o.strMember("compartmentId", s.compartment)
	o.key("servingMode")
	o.open('{')
	if s.endpoint != "" {
		o.strMember("servingType", "DEDICATED")
		o.strMember("endpointId", s.endpoint)
	} else {
		o.strMember("servingType", "ON_DEMAND")
		o.strMember("modelId", model)
	}
	o.close('}')
	return o.b
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
