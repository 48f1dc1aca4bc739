package oci

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tollgate/internal/provider"
	"tollgate/internal/provider/oci/auth"
)

// The order in which a principal is found is documented in docs/how-to/choose-an-oci-principal.md.
func TestChoose(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	keyProfile := file("key-profile", "[DEFAULT]\nuser=u\ntenancy=ocid1.tenancy.oc1..p\nregion=eu-paris-1\nkey_file=k\n[TEAM]\nuser=v\n")
	session := file("session-profile", "[DEFAULT]\ntenancy=ocid1.tenancy.oc1..s\nregion=eu-milan-1\nkey_file=k\nsecurity_token_file=t\n")
	half := file("half-profile", "[DEFAULT]\ntenancy=ocid1.tenancy.oc1..h\n")
	account, none := file("account", "x"), filepath.Join(dir, "none")
	oracle, other := file("oracle-tag", "OracleCloud.com\n"), file("other-tag", "Default string\n")
	const version, rpst = "OCI_RESOURCE_PRINCIPAL_VERSION=2.2", "OCI_RESOURCE_PRINCIPAL_RPST=t"
	pod := []string{version, "KUBERNETES_SERVICE_HOST=10.0.0.1", "OCI_RESOURCE_PRINCIPAL_REGION=IAD", "OCI_KUBERNETES_SERVICE_ACCOUNT_TOKEN_PATH=" + account}
	with := func(more ...string) []string { return append(more, pod...) }
	tests := []struct {
		name, params string
		env          []string
		tag          string
		want         string // kind, because why; or the error's beginning
	}{
		{"a key of the entry", "oci_user: u\noci_tenancy: t\noci_key: k", with(rpst), oracle, "api_key, because oci_user is given"},
		{"a key of the environment, as LiteLLM reads it", "oci_key: ''", []string{"OCI_USER=u", "OCI_TENANCY=t", "OCI_KEY_FILE=f", "OCI_FINGERPRINT=x"}, oracle, "api_key, because OCI_USER is set in the environment"},
		{"half a key of the entry is completed", "oci_user: u\noci_tenancy: t", []string{"OCI_KEY_FILE=f"}, other, "api_key, because oci_user is given"},
		{"half a key", "oci_fingerprint: f", nil, oracle, "error: oci: an API key signs, because oci_fingerprint is given, but it is not whole: there is no oci_user (or OCI_USER), no oci_tenancy (or OCI_TENANCY), no oci_key_file"},
		{"a tenancy alone is none", "oci_tenancy: t", nil, oracle, "instance_principal, because this machine is one of OCI's"},
		{"a profile of the entry", "oci_config_file: " + keyProfile, with(rpst, "OCI_USER=u"), oracle, "api_key of DEFAULT, because oci_config_file or oci_profile names it"},
		{"a profile of the entry that is not there", "oci_config_file: " + none, with(rpst), oracle, "error: oci: profile file " + none},
		{"a resource principal", "", with(rpst, "OCI_CONFIG_FILE="+keyProfile), oracle, "resource_principal, because OCI_RESOURCE_PRINCIPAL_VERSION and OCI_RESOURCE_PRINCIPAL_RPST are set"},
		{"a pod", "", with("OCI_CONFIG_FILE=" + keyProfile), oracle, "oke_workload_identity, because OCI_RESOURCE_PRINCIPAL_VERSION is set in a pod with a service account token at " + account},
		{"empty references are no credentials", "oci_user: os.environ/OCI_USER\noci_key_file: os.environ/OCI_KEY_FILE\noci_auth: os.environ/OCI_AUTH", pod, other, "oke_workload_identity, because OCI_RESOURCE_PRINCIPAL_VERSION is set in a pod with a service account token at " + account},
		{"a pod without the variable", "", []string{pod[1], pod[3], "OCI_CONFIG_FILE=" + session}, oracle, "security_token of DEFAULT, because nothing else is configured and this profile is there"},
		{"a profile of the environment", "", []string{"OCI_CONFIG_FILE=" + keyProfile}, oracle, "api_key of DEFAULT, because nothing else is configured and this profile is there"},
		{"half a profile", "", []string{"OCI_CONFIG_FILE=" + half}, oracle, "instance_principal, because this machine is one of OCI's"},
		{"a metadata service", "", []string{"OCI_METADATA_BASE_URL=http://127.0.0.1:1"}, other, "instance_principal, because OCI_METADATA_BASE_URL is set"},
		{"nothing", "", []string{"OCI_CONFIG_FILE=" + none}, other, "error: oci: no credential of OCI was found. Looked for, in this order: (1) an API key: none of oci_user, oci_fingerprint, oci_key_file, oci_key is given, nor OCI_USER, OCI_FINGERPRINT, OCI_KEY_FILE, OCI_KEY set; " +
			"(2) a resource principal or OKE workload identity: OCI_RESOURCE_PRINCIPAL_VERSION is not set; (3) a profile: profile file " + none + ": no such file or directory"},

		{"by name", "oci_auth: instance_principal\noci_user: u", with(rpst), other, "instance_principal, because oci_auth is instance_principal"},
		{"by the default", "", with("OCI_AUTH=instance_principal"), other, "instance_principal, because oci_auth is instance_principal"},
		{"the entry before the default", "oci_auth: oke_workload_identity", with("OCI_AUTH=instance_principal"), other, "oke_workload_identity, because oci_auth is oke_workload_identity"},
		{"auto before the default", "oci_auth: auto", with("OCI_AUTH=instance_principal"), other, "oke_workload_identity, because OCI_RESOURCE"},
		{"a key by name", "oci_auth: api_key", []string{"OCI_CONFIG_FILE=" + keyProfile}, other, "api_key of DEFAULT, because oci_auth is api_key"},
		{"no key by name", "oci_auth: api_key", []string{"OCI_CONFIG_FILE=" + session}, other, "error: oci: profile DEFAULT holds a session token"},
		{"a session by name", "oci_auth: security_token", with("OCI_CONFIG_FILE=" + session), other, "security_token of DEFAULT, because oci_auth is security_token"},
		{"no session by name", "oci_auth: security_token", []string{"OCI_CONFIG_FILE=" + keyProfile}, other, "error: oci: profile DEFAULT has no security_token_file"},
		{"a default that is none", "", []string{"OCI_AUTH=key"}, other, `error: oci: oci_auth: "key" is no kind of principal`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			getenv := func(name string) string {
				for _, pair := range tt.env {
					if value, ok := strings.CutPrefix(pair, name+"="); ok {
						return value
					}
				}
				return ""
			}
			f := New(Options{Getenv: getenv, ChassisTag: tt.tag})
			s, err := f.readSettings(readSpec(t, "model: oci/xai.grok-4\n"+tt.params))
			got := fmt.Sprintf("error: %v", err)
			if err == nil {
				got = s.choice.kind
				if name := s.choice.profile.Name; name != "" {
					got += " of " + name
				}
				got += ", because " + s.choice.why
			}
			if !strings.HasPrefix(got, tt.want) || err == nil && !strings.HasPrefix(tt.want, "oke") && got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// A GenAI API key signs nothing, so nobody is looked for; nothing is fetched where nothing was started.
func TestOpen_AsksNobody(t *testing.T) {
	f := New(Options{ChassisTag: "none"})
	d, err := f.Open(readSpec(t, "model: oci/xai.grok-4\napi_key: sk-x\noci_surface: openai"))
	if err != nil || d.(*Deployment).principal != nil || len(d.(*Deployment).Explain()) != 1 {
		t.Errorf("%v", err)
	}
	var credentials provider.Credentials
	lease := credentials.Lease()
	defer lease.Release()
	spec := readSpec(t, "model: oci/xai.grok-4\noci_auth: instance_principal")
	spec.Credentials = lease
	opened, err := f.Open(spec)
	if err != nil {
		t.Fatal(err)
	}
	p := opened.(*lateDeployment).principal.(*principal)
	if s := p.Principal.(*auth.Renewing).Status(); s.Failures+s.Renewals != 0 || len(credentials.Status()) != 0 {
		t.Errorf("it was asked for a token: %+v", s)
	}
}

// Two deployments, and the same ones of the next configuration, have one principal; another environment has another.
func TestOpen_KeepsPrincipals(t *testing.T) {
	region := "us-chicago-1"
	getenv := func(name string) string {
		return map[string]string{"OCI_RESOURCE_PRINCIPAL_VERSION": "2.2", "KUBERNETES_SERVICE_HOST": "10.0.0.1", "OCI_RESOURCE_PRINCIPAL_REGION": region}[name]
	}
	var credentials provider.Credentials
	spec := readSpec(t, "model: oci/xai.grok-4\noci_auth: oke_workload_identity\noci_compartment_id: c")
	open := func(lease *provider.Lease) auth.Principal {
		t.Helper()
		spec.Credentials = lease
		d, err := New(Options{Getenv: getenv}).Open(spec)
		if err != nil {
			t.Fatal(err)
		}
		return d.(*Deployment).principal
	}
	one, two, three := credentials.Lease(), credentials.Lease(), credentials.Lease()
	first := open(one)
	if open(one) != first || open(two) != first {
		t.Error("equal credentials have principals of their own")
	}
	one.Release()
	if open(two) != first {
		t.Error("the next configuration has another principal")
	}
	region = "us-ashburn-1"
	if open(three) == first {
		t.Error("another environment has the same principal")
	}
	two.Release()
	three.Release()
	if list := credentials.Status(); len(list) != 0 {
		t.Errorf("%+v are left", list)
	}
}
