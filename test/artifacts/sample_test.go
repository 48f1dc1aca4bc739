package artifacts_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tollgate/internal/app"
	"tollgate/internal/builtin"
	conf "tollgate/internal/config"
	"tollgate/internal/ocisim"
)

// sample is what the tests read of a configuration.
type sample struct {
	Include   []string
	ModelList []struct {
		ModelName     string            `yaml:"model_name"`
		LitellmParams map[string]string `yaml:"litellm_params"`
	} `yaml:"model_list"`
	RouterSettings struct {
		Fallbacks        []map[string][]string
		DefaultFallbacks []string `yaml:"default_fallbacks"`
	} `yaml:"router_settings"`
	LitellmSettings struct {
		DropParams bool `yaml:"drop_params"`
		SetVerbose bool `yaml:"set_verbose"`
	} `yaml:"litellm_settings"`
	GeneralSettings struct {
		MasterKey   string `yaml:"master_key"`
		DatabaseURL string `yaml:"database_url"`
	} `yaml:"general_settings"`
}

// aliases maps each alias to its upstream, as the configuration has it: oci/vendor.model.
func (s sample) aliases() map[string]string {
	out := map[string]string{}
	for _, entry := range s.ModelList {
		out[entry.ModelName] = entry.LitellmParams["model"]
	}
	return out
}

// The six aliases, and what stands behind them. This is the one place where a test names them.
var wantAliases = map[string]string{
	"oci-cohere-command":   "oci/cohere.command-latest",
	"oci-grok":             "oci/xai.grok-4.20",
	"oci-gpt5-mini":        "oci/openai.gpt-5-mini",
	"oci-llama-4-maverick": "oci/meta.llama-4-maverick-17b-128e-instruct-fp8",
	"oci-gemini-2.5-flash": "oci/google.gemini-2.5-flash",
	"oci-cohere-embed":     "oci/cohere.embed-v4.0",
}

const (
	brokenAlias    = "oci-broken-demo"
	brokenUpstream = "oci/xai.grok-NONEXISTENT-9999"
)

func TestConfigHasSixAliases(t *testing.T) {
	s := decode[sample](t, config)
	got := s.aliases()
	if len(s.ModelList) != len(wantAliases) {
		t.Errorf("%d entries, want %d", len(s.ModelList), len(wantAliases))
	}
	for alias, upstream := range wantAliases {
		if got[alias] != upstream {
			t.Errorf("%s is %q, want %q", alias, got[alias], upstream)
		}
	}
}

func TestConfigPrefixesUpstreamsWithOCI(t *testing.T) {
	for _, file := range []string{config, fallbackDemo} {
		for alias, upstream := range decode[sample](t, file).aliases() {
			if !strings.HasPrefix(upstream, "oci/") || strings.Count(upstream, "/") != 1 {
				t.Errorf("%s: %s is %q, want oci/<id>", file, alias, upstream)
			}
		}
	}
}

func TestConfigWiresEachCredentialFromTheEnvironment(t *testing.T) {
	for field, variable := range map[string]string{
		"oci_region": "OCI_REGION", "oci_user": "OCI_USER", "oci_fingerprint": "OCI_FINGERPRINT",
		"oci_tenancy": "OCI_TENANCY", "oci_key_file": "OCI_KEY_FILE", "oci_compartment_id": "OCI_COMPARTMENT_ID",
	} {
		t.Run(field, func(t *testing.T) {
			for _, file := range []string{config, fallbackDemo} {
				for _, entry := range decode[sample](t, file).ModelList {
					if got, want := entry.LitellmParams[field], "os.environ/"+variable; got != want {
						t.Errorf("%s: %s has %s %q, want %q", file, entry.ModelName, field, got, want)
					}
				}
			}
		})
	}
}

func TestConfigSettings(t *testing.T) {
	s := decode[sample](t, config)
	if !s.LitellmSettings.DropParams {
		t.Error("drop_params is not true")
	}
	if s.LitellmSettings.SetVerbose {
		t.Error("set_verbose is not false")
	}
	if got := s.GeneralSettings.MasterKey; got != "os.environ/LITELLM_MASTER_KEY" {
		t.Errorf("master_key is %q, want it from the environment", got)
	}
	if got := s.GeneralSettings.DatabaseURL; got != "" {
		t.Errorf("database_url is %q; DATABASE_URL connects without it", got)
	}
}

func TestConfigShowsTheHooksAsComments(t *testing.T) {
	text := read(t, config)
	for _, hook := range []string{`success_callback: ["langfuse"]`, `failure_callback: ["langfuse"]`, "cache: true", "cache_params:", "type: redis", "host: redis", "port: 6379", "database_url: os.environ/DATABASE_URL"} {
		found := false
		for line := range strings.Lines(text) {
			if trimmed := strings.TrimSpace(line); strings.HasPrefix(trimmed, "#") && strings.Contains(trimmed, hook) {
				found = true
			}
		}
		if !found {
			t.Errorf("no comment shows %s", hook)
		}
	}
}

func TestConfigHoldsNoSecret(t *testing.T) {
	for _, file := range under(t, "examples", "deploy") {
		for line := range strings.Lines(read(t, file)) {
			if strings.Contains(line, "PRIVATE KEY-----") || strings.Contains(line, "ocid1.") && !strings.Contains(line, "<") && !strings.Contains(line, "..") && !strings.Contains(line, "example") {
				t.Errorf("%s holds %q", file, strings.TrimSpace(line))
			}
		}
	}
}

func TestFallbacksNameDeclaredAliases(t *testing.T) {
	main := decode[sample](t, config)
	if len(main.RouterSettings.Fallbacks) == 0 {
		t.Error("no fallback is declared")
	}
	declared := main.aliases()
	for _, file := range []string{config, fallbackDemo} {
		s := decode[sample](t, file)
		known := map[string]bool{}
		for alias := range declared {
			known[alias] = true
		}
		for alias := range s.aliases() {
			known[alias] = true
		}
		for _, chain := range s.RouterSettings.Fallbacks {
			if len(chain) != 1 {
				t.Errorf("%s: %v is not a map of one alias", file, chain)
			}
			for source, targets := range chain {
				checkChain(t, file, source, targets, known)
			}
		}
		for _, target := range s.RouterSettings.DefaultFallbacks {
			if !known[target] {
				t.Errorf("%s: the default fallback %q is no alias", file, target)
			}
		}
	}
}

func checkChain(t *testing.T, file, source string, targets []string, known map[string]bool) {
	t.Helper()
	if !known[source] {
		t.Errorf("%s: the fallback's source %q is no alias", file, source)
	}
	if len(targets) == 0 {
		t.Errorf("%s: %s falls back to nothing", file, source)
	}
	for _, target := range targets {
		if !known[target] || target == source || strings.Contains(target, "embed") {
			t.Errorf("%s: %s falls back to %q", file, source, target)
		}
	}
}

// The alias that is broken on purpose lives apart, so that the sample lists six models.
func TestFallbackDemo(t *testing.T) {
	s := decode[sample](t, fallbackDemo)
	if len(s.Include) != 1 || s.Include[0] != "config.yaml" {
		t.Errorf("it includes %q", s.Include)
	}
	if got := s.aliases(); len(got) != 1 || got[brokenAlias] != brokenUpstream {
		t.Errorf("its aliases are %v", got)
	}
	targets := s.RouterSettings.DefaultFallbacks
	for _, chain := range s.RouterSettings.Fallbacks {
		if chain[brokenAlias] != nil {
			targets = chain[brokenAlias]
		}
	}
	if len(targets) != 1 || targets[0] != "oci-cohere-command" {
		t.Errorf("%s falls back to %q", brokenAlias, targets)
	}
}

// complete is the environment of the sample on a laptop, with a key that was made for this test.
func complete(t *testing.T) map[string]string {
	t.Helper()
	folder := t.TempDir()
	credential, err := ocisim.GenerateCredential(folder)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"OCI_REGION": credential.Region, "OCI_USER": credential.UserOCID, "OCI_FINGERPRINT": credential.Fingerprint,
		"OCI_TENANCY": credential.TenancyOCID, "OCI_KEY_FILE": credential.KeyFile, "OCI_COMPARTMENT_ID": credential.CompartmentOCID,
		"LITELLM_MASTER_KEY": "sk-0123456789abcdef0123456789abcdef", "OCI_ENDPOINT": "http://127.0.0.1:1",
	}
}

// findings is what `tollgate validate` would say.
func findings(t *testing.T, file string, environment map[string]string) conf.Diagnostics {
	t.Helper()
	return app.Check(app.Options{
		ConfigPath: local(file), Providers: builtin.Providers, Version: "test", DataDir: t.TempDir(),
		Env: func(name string) (string, bool) { value, ok := environment[name]; return value, ok },
	})
}

func TestConfigsPassValidate(t *testing.T) {
	for _, file := range []string{config, fallbackDemo, demo} {
		t.Run(filepath.Base(file), func(t *testing.T) {
			for _, d := range findings(t, file, complete(t)) {
				if d.Severity != conf.Notice {
					t.Errorf("%v", d)
				}
			}
		})
	}
}

// The same file serves OKE, where there is no key: the variables of the user are not set, and what the pod has instead is.
func TestConfigPassesValidateOnOKE(t *testing.T) {
	environment := complete(t)
	for _, name := range []string{"OCI_USER", "OCI_FINGERPRINT", "OCI_TENANCY", "OCI_KEY_FILE"} {
		delete(environment, name)
	}
	folder := t.TempDir()
	for variable, content := range map[string]string{
		"OCI_KUBERNETES_SERVICE_ACCOUNT_TOKEN_PATH": serviceAccountToken(), "OCI_KUBERNETES_SERVICE_ACCOUNT_CERT_PATH": authority(t),
	} {
		environment[variable] = filepath.Join(folder, variable)
		if err := os.WriteFile(environment[variable], []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	environment["OCI_RESOURCE_PRINCIPAL_VERSION"] = "2.2"
	environment["KUBERNETES_SERVICE_HOST"] = "10.96.0.1"
	for _, d := range findings(t, config, environment) {
		if d.Severity != conf.Notice {
			t.Errorf("%v", d)
		}
	}
}

// serviceAccountToken has the form of a pod's token; whoever is asked for more than its form refuses it.
func serviceAccountToken() string {
	part := base64.RawURLEncoding.EncodeToString
	return part([]byte(`{"alg":"RS256"}`)) + "." + part(fmt.Appendf(nil, `{"exp":%d}`, time.Now().Add(time.Hour).Unix())) + "." + part([]byte("no signature"))
}

// authority is the certificate of an authority, as a pod has its cluster's.
func authority(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// Each variable is really read: without it validate must find an error.
func TestConfigNeedsItsVariables(t *testing.T) {
	for _, variable := range []string{"OCI_KEY_FILE", "OCI_USER", "OCI_TENANCY", "LITELLM_MASTER_KEY"} {
		t.Run(variable, func(t *testing.T) {
			environment := complete(t)
			delete(environment, variable)
			if found := findings(t, config, environment); !found.HasErrors() {
				t.Errorf("validate finds no error without %s: %v", variable, found)
			}
		})
	}
	t.Run("a fingerprint of another key", func(t *testing.T) {
		environment := complete(t)
		environment["OCI_FINGERPRINT"] = complete(t)["OCI_FINGERPRINT"]
		if found := findings(t, config, environment); !found.HasErrors() {
			t.Errorf("validate finds no error: %v", found)
		}
	})
	t.Run("a file that is no key", func(t *testing.T) {
		environment := complete(t)
		if err := os.WriteFile(environment["OCI_KEY_FILE"], []byte("no key\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if found := findings(t, config, environment); !found.HasErrors() {
			t.Errorf("validate finds no error: %v", found)
		}
	})
}
