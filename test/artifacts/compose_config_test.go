package artifacts_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// required are the variables without which the sample does not start.
var required = []string{
	"OCI_REGION", "OCI_USER", "OCI_FINGERPRINT", "OCI_TENANCY", "OCI_KEY_FILE", "OCI_COMPARTMENT_ID", "LITELLM_MASTER_KEY", "LITELLM_DB_PASSWORD",
}

// environment gives each variable its own lower-case name as a value; the key's path must be a path.
func environment(names ...string) []string {
	var out []string
	for _, name := range names {
		value := strings.ToLower(name)
		if name == "OCI_KEY_FILE" {
			value = "/somewhere/key.pem"
		}
		out = append(out, name+"="+value)
	}
	return out
}

// rendered is what Docker's compose makes of the files: variables replaced, short forms written out.
type rendered struct {
	Services map[string]struct {
		Image       string
		User        string
		Environment map[string]string
		ReadOnly    bool `yaml:"read_only"`
		Ports       []struct {
			HostIP    string `yaml:"host_ip"`
			Target    int
			Published string
		}
		Volumes []struct {
			Type, Source, Target string
			ReadOnly             bool `yaml:"read_only"`
		}
		DependsOn map[string]struct {
			Condition string
			Required  bool
		} `yaml:"depends_on"`
		Command []string
	}
}

func composeConfig(t *testing.T, environment []string, files ...string) (text, stderr string, err error) {
	t.Helper()
	arguments := []string{"--env-file", os.DevNull}
	for _, file := range files {
		arguments = append(arguments, "--file", file)
	}
	return run(t, environment, tool(t, "docker-compose"), append(arguments, "config")...)
}

func render(t *testing.T, environment []string, files ...string) rendered {
	t.Helper()
	text, stderr, err := composeConfig(t, environment, files...)
	if err != nil {
		t.Fatalf("docker compose config: %v\n%s", err, stderr)
	}
	if strings.Contains(stderr, "level=warning") {
		t.Errorf("docker compose warns:\n%s", stderr)
	}
	return decodeText[rendered](t, "docker compose config", []byte(text))
}

func TestDockerComposeRefusesWithoutEachVariable(t *testing.T) {
	for _, missing := range required {
		for _, how := range []string{"not set", "empty"} {
			t.Run(missing+" "+how, func(t *testing.T) {
				t.Parallel()
				given := environment(slices.DeleteFunc(slices.Clone(required), func(name string) bool { return name == missing })...)
				if how == "empty" {
					given = append(given, missing+"=")
				}
				text, stderr, err := composeConfig(t, given, compose)
				if err == nil {
					t.Fatalf("it renders:\n%s", text)
				}
				if !strings.Contains(stderr, missing) {
					t.Errorf("the refusal does not name %s: %s", missing, stderr)
				}
			})
		}
	}
}

func TestDockerComposeRendersTheSample(t *testing.T) {
	c := render(t, environment(required...), compose)
	gateway, db := c.Services["gateway"], c.Services["db"]
	if gateway.Image != "tollgate:latest" || db.Image != "postgres:17-alpine" {
		t.Errorf("the images are %q and %q", gateway.Image, db.Image)
	}
	if got, want := gateway.Environment["DATABASE_URL"], "postgresql://litellm:litellm_db_password@db:5432/litellm"; got != want {
		t.Errorf("DATABASE_URL is %q, want %q", got, want)
	}
	for _, name := range []string{"OCI_REGION", "OCI_USER", "OCI_FINGERPRINT", "OCI_TENANCY", "OCI_COMPARTMENT_ID", "LITELLM_MASTER_KEY"} {
		if got, want := gateway.Environment[name], strings.ToLower(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if got := db.Environment["POSTGRES_PASSWORD"]; got != "litellm_db_password" {
		t.Errorf("the database's password is %q", got)
	}
	if got := gateway.DependsOn["db"]; got.Condition != "service_healthy" || !got.Required {
		t.Errorf("the gateway depends on %+v", gateway.DependsOn)
	}
	if len(gateway.Ports) != 1 || gateway.Ports[0].Published != "4000" || gateway.Ports[0].Target != 4000 || gateway.Ports[0].HostIP != "127.0.0.1" {
		t.Errorf("the ports are %+v", gateway.Ports)
	}
	if len(db.Ports) > 0 {
		t.Errorf("the database's ports are %+v", db.Ports)
	}
	if !gateway.ReadOnly || gateway.User != "65532:65532" {
		t.Errorf("the gateway's root can be written (%v) by %q", !gateway.ReadOnly, gateway.User)
	}
	config, err := filepath.Abs(local(config))
	if err != nil {
		t.Fatal(err)
	}
	for target, source := range map[string]string{"/app/config.yaml": config, "/oci-keys/key.pem": "/somewhere/key.pem"} {
		var found bool
		for _, v := range gateway.Volumes {
			found = found || v.Target == target && v.Source == source && v.Type == "bind" && v.ReadOnly
		}
		if !found {
			t.Errorf("no read-only mount of %s at %s in %+v", source, target, gateway.Volumes)
		}
	}
}

// Behind a corporate proxy both images come from a mirror.
func TestDockerComposeTakesOtherImages(t *testing.T) {
	given := append(environment(required...), "LITELLM_IMAGE=registry.example.com/tollgate:1", "LITELLM_DB_IMAGE=mirror.example.com/postgres:17")
	c := render(t, given, compose)
	if got := c.Services["gateway"].Image; got != "registry.example.com/tollgate:1" {
		t.Errorf("the gateway's image is %q", got)
	}
	if got := c.Services["db"].Image; got != "mirror.example.com/postgres:17" {
		t.Errorf("the database's image is %q", got)
	}
}

func TestDockerComposeRendersTheFallbackDemo(t *testing.T) {
	c := render(t, environment(required...), compose, demoCompose)
	gateway := c.Services["gateway"]
	if !slices.Contains(gateway.Command, "/app/config.fallback-demo.yaml") {
		t.Errorf("the command is %q", gateway.Command)
	}
	// config.fallback-demo.yaml includes config.yaml, which lies beside it.
	for _, target := range []string{"/app/config.yaml", "/app/config.fallback-demo.yaml"} {
		var found bool
		for _, v := range gateway.Volumes {
			found = found || v.Target == target && v.ReadOnly
		}
		if !found {
			t.Errorf("%s is not mounted read-only", target)
		}
	}
}

func TestDockerComposeRendersMonitoring(t *testing.T) {
	given := environment(append(slices.Clone(required), "GRAFANA_PASSWORD")...)
	c := render(t, given, compose, monitoring)
	for _, service := range []string{"gateway", "db", "prometheus", "grafana"} {
		if _, ok := c.Services[service]; !ok {
			t.Errorf("there is no service %s", service)
		}
	}
	for _, service := range []string{"prometheus", "grafana"} {
		for _, port := range c.Services[service].Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s is open to other machines: %+v", service, port)
			}
		}
		for _, v := range c.Services[service].Volumes {
			if v.Type != "bind" {
				continue
			}
			if !v.ReadOnly {
				t.Errorf("%s may write %s", service, v.Source)
			}
			if _, err := os.Stat(v.Source); err != nil {
				t.Errorf("%s mounts what is not there: %v", service, err)
			}
		}
	}
	if _, stderr, err := composeConfig(t, environment(required...), compose, monitoring); err == nil || !strings.Contains(stderr, "GRAFANA_PASSWORD") {
		t.Errorf("it renders without a password for Grafana: %v %s", err, stderr)
	}
}
