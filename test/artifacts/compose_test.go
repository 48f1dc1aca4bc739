package artifacts_test

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// composeFile is a compose file as it is written, before variables are replaced.
type composeFile struct {
	Name     string
	Services map[string]struct {
		Image         string
		Build         yaml.Node
		ContainerName string `yaml:"container_name"`
		Command       yaml.Node
		Environment   map[string]string
		Ports         []string
		Volumes       []string
		DependsOn     yaml.Node `yaml:"depends_on"`
		Healthcheck   struct {
			Test    []string
			Retries int
		}
		ReadOnly    bool     `yaml:"read_only"`
		CapDrop     []string `yaml:"cap_drop"`
		CapAdd      []string `yaml:"cap_add"`
		SecurityOpt []string `yaml:"security_opt"`
		Privileged  bool
		User        string
		Restart     string
	}
	Volumes map[string]yaml.Node
}

func TestComposeHasOneGatewayAndPostgres(t *testing.T) {
	c := decode[composeFile](t, compose)
	if names := slices.Sorted(maps.Keys(c.Services)); !slices.Equal(names, []string{"db", "gateway"}) {
		t.Fatalf("services are %q", names)
	}
	for service, want := range map[string][2]string{
		"gateway": {"${LITELLM_IMAGE:-tollgate:latest}", "tollgate-gateway"},
		"db":      {"${LITELLM_DB_IMAGE:-postgres:17-alpine}", "tollgate-db"},
	} {
		got := c.Services[service]
		if got.Image != want[0] || got.ContainerName != want[1] {
			t.Errorf("%s is image %q, container %q; want %q", service, got.Image, got.ContainerName, want)
		}
		if got.Restart != "unless-stopped" {
			t.Errorf("%s restarts %q", service, got.Restart)
		}
	}
}

// A variable without a value is a start with half a configuration: what is required is strict, with a message.
func TestComposeRequiresItsVariables(t *testing.T) {
	text := read(t, compose)
	for _, name := range required {
		t.Run(name, func(t *testing.T) {
			all := regexp.MustCompile(`\$\{`+name+`[^}]*\}`).FindAllString(text, -1)
			if len(all) == 0 {
				t.Fatal("it is not used")
			}
			for _, use := range all {
				if !regexp.MustCompile(`^\$\{` + name + `:\?[^}]{5,}\}$`).MatchString(use) {
					t.Errorf("%s is not ${%s:?message}", use, name)
				}
			}
		})
	}
}

// Whatever is not required has a default, if an empty one: the sample starts without an image override.
func TestComposeDefaultsTheRest(t *testing.T) {
	for _, file := range []string{compose, monitoring, demoCompose} {
		for _, use := range regexp.MustCompile(`\$\{[^}]*\}|\$[A-Za-z_]+`).FindAllString(read(t, file), -1) {
			if !regexp.MustCompile(`^\$\{[A-Z_]+:[?-][^}]*\}$`).MatchString(use) {
				t.Errorf("%s: %s has neither a default nor a message", file, use)
			}
		}
	}
	images := decode[composeFile](t, compose).Services
	for name, service := range decode[composeFile](t, monitoring).Services {
		images[name] = service
	}
	for name, service := range images {
		if !regexp.MustCompile(`^\$\{[A-Z_]+_IMAGE:-[a-z0-9./-]+:[a-zA-Z0-9._-]+\}$`).MatchString(service.Image) {
			t.Errorf("%s: the image %q cannot be replaced by a mirror's, or has no default", name, service.Image)
		}
	}
}

func TestComposeMounts(t *testing.T) {
	volumes := decode[composeFile](t, compose).Services["gateway"].Volumes
	for _, want := range []string{`^\./config\.yaml:/app/config\.yaml:ro$`, `^\$\{OCI_KEY_FILE:\?.+\}:/oci-keys/key\.pem:ro$`} {
		if !slices.ContainsFunc(volumes, regexp.MustCompile(want).MatchString) {
			t.Errorf("no mount is %s in %q", want, volumes)
		}
	}
	for _, v := range volumes {
		if strings.HasPrefix(v, ".") && !strings.HasSuffix(v, ":ro") {
			t.Errorf("%s can be written", v)
		}
	}
	if got := decode[composeFile](t, demoCompose).Services["gateway"].Volumes; len(got) != 1 || !strings.HasSuffix(got[0], ":ro") {
		t.Errorf("the demo's mounts are %q", got)
	}
}

func TestComposeGateway(t *testing.T) {
	gateway := decode[composeFile](t, compose).Services["gateway"]
	if got, want := gateway.Environment["OCI_KEY_FILE"], "/oci-keys/key.pem"; got != want {
		t.Errorf("OCI_KEY_FILE is %q, want %q, where the key is mounted", got, want)
	}
	if got := gateway.Environment["STORE_MODEL_IN_DB"]; got != "True" {
		t.Errorf("STORE_MODEL_IN_DB is %q", got)
	}
	var command []string
	if err := gateway.Command.Decode(&command); err != nil {
		t.Fatal(err)
	}
	if want := []string{"--config", "/app/config.yaml", "--port", "4000", "--num_workers", "1"}; !slices.Equal(command, want) {
		t.Errorf("the command is %q, want %q", command, want)
	}
	if test := strings.Join(gateway.Healthcheck.Test, " "); !strings.Contains(test, "http://localhost:4000/health/liveness") {
		t.Errorf("the health check is %q", test)
	}
	if gateway.Build.IsZero() {
		t.Error("the image cannot be built")
	}
	if !gateway.ReadOnly || gateway.Privileged || len(gateway.CapAdd) > 0 || !contains(gateway.CapDrop, "ALL") || !contains(gateway.SecurityOpt, "no-new-privileges:true") {
		t.Errorf("the gateway is not confined: %+v", gateway)
	}
}

func TestComposeDatabase(t *testing.T) {
	c := decode[composeFile](t, compose)
	db := c.Services["db"]
	if db.Environment["POSTGRES_DB"] != "litellm" || db.Environment["POSTGRES_USER"] != "litellm" {
		t.Errorf("the database's environment is %v", db.Environment)
	}
	if got := db.Environment["POSTGRES_PASSWORD"]; !strings.HasPrefix(got, "${LITELLM_DB_PASSWORD:?") {
		t.Errorf("the password is %q, want it strict", got)
	}
	if test := strings.Join(db.Healthcheck.Test, " "); !strings.Contains(test, "pg_isready") || db.Healthcheck.Retries != 10 {
		t.Errorf("the health check is %q, %d retries", test, db.Healthcheck.Retries)
	}
	if len(db.Ports) > 0 {
		t.Errorf("the database is published on %q", db.Ports)
	}
	var kept bool
	for _, v := range db.Volumes {
		name, target, _ := strings.Cut(v, ":")
		_, named := c.Volumes[name]
		kept = kept || named && target == "/var/lib/postgresql/data"
	}
	if !kept {
		t.Errorf("no named volume holds the data: %q", db.Volumes)
	}
}

// depends_on as a list would start the gateway before PostgreSQL answers.
func TestComposeWaitsForTheDatabase(t *testing.T) {
	var long map[string]struct{ Condition string }
	node := decode[composeFile](t, compose).Services["gateway"].DependsOn
	if err := node.Decode(&long); err != nil {
		t.Fatalf("depends_on is not in its long form: %v", err)
	}
	if long["db"].Condition != "service_healthy" {
		t.Errorf("depends_on is %v", long)
	}
}

func TestComposeDatabaseURL(t *testing.T) {
	text := decode[composeFile](t, compose).Services["gateway"].Environment["DATABASE_URL"]
	password := regexp.MustCompile(`\$\{LITELLM_DB_PASSWORD:\?[^}]+\}`)
	if !password.MatchString(text) {
		t.Errorf("the password of %q is not strict", text)
	}
	u, err := url.Parse(password.ReplaceAllString(text, "password"))
	if err != nil {
		t.Fatal(err)
	}
	if u.Scheme != "postgresql" || u.Host != "db:5432" || u.Path != "/litellm" || u.User.String() != "litellm:password" {
		t.Errorf("DATABASE_URL is %q", text)
	}
}

// .env.example names everything that the sample asks for, and nothing that it does not know.
func TestDotEnvNamesTheVariables(t *testing.T) {
	example := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^#?([A-Z_]+)=`).FindAllStringSubmatch(read(t, dotEnv), -1) {
		example[m[1]] = true
	}
	used := map[string]bool{}
	for _, file := range []string{compose, monitoring, demoCompose} {
		for _, m := range regexp.MustCompile(`\$\{([A-Z_]+)`).FindAllStringSubmatch(read(t, file), -1) {
			used[m[1]] = true
		}
	}
	delete(used, "TOLLGATE_VERSION") // what a build is called is the builder's, not the operator's
	if got, want := slices.Sorted(maps.Keys(example)), slices.Sorted(maps.Keys(used)); !slices.Equal(got, want) {
		t.Errorf("%s has\n%q, the compose files use\n%q", dotEnv, got, want)
	}
	for _, name := range required {
		if !regexp.MustCompile(`(?m)^` + name + `=`).MatchString(read(t, dotEnv)) {
			t.Errorf("%s leaves out %s, which is required", dotEnv, name)
		}
	}
}
