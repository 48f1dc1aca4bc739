//go:build docker

package compose_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

const (
	project   = "tollgate-test"
	container = "tollgate-test-gateway"
	ourselves = 65532 // the user of the image
)

// stack is the sample, as one project of Docker's compose.
type stack struct {
	t           *testing.T
	root        string // of the repository
	environment []string
	url, key    string
}

// newStack prepares the sample's environment and leaves nothing of it behind when the test ends, whatever happens.
func newStack(t *testing.T) *stack {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	// Not t.TempDir: the folder is mounted into containers of other users.
	folder, err := os.MkdirTemp("", "tollgate-compose-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	oci := newOCI(t, folder)
	port := freePort(t)
	s := &stack{t: t, root: root, url: "http://127.0.0.1:" + port, key: "sk-" + randomText()}
	s.environment = append(withoutSample(os.Environ()),
		"OCI_REGION="+oci.Region, "OCI_USER="+oci.UserOCID, "OCI_FINGERPRINT="+oci.Fingerprint, "OCI_TENANCY="+oci.TenancyOCID,
		"OCI_KEY_FILE="+oci.KeyFile, "OCI_COMPARTMENT_ID="+oci.CompartmentOCID,
		"LITELLM_MASTER_KEY="+s.key, "LITELLM_DB_PASSWORD="+randomText(), "GRAFANA_PASSWORD="+randomText(),
		"LITELLM_IMAGE="+image("LITELLM_IMAGE", "gateway"), "LITELLM_DB_IMAGE="+image("LITELLM_DB_IMAGE", "postgres"),
		"PROMETHEUS_IMAGE="+image("PROMETHEUS_IMAGE", "prometheus"),
		"TOLLGATE_PORT="+port, "TEST_FOLDER="+folder)
	if os.Getuid() != 0 { // only root can give the key file to the image's own user
		s.environment = append(s.environment, "TOLLGATE_UID="+strconv.Itoa(os.Getuid()), "TOLLGATE_GID="+strconv.Itoa(os.Getgid()))
	}
	s.down(t) // what a run that was killed has left
	t.Cleanup(func() {
		if t.Failed() {
			logs, _ := s.run("logs", "--no-color", "--tail", "60")
			t.Logf("%s", logs)
		}
		s.down(t)
	})
	return s
}

// withoutSample leaves out what the caller's shell says to the sample or to the suites.
func withoutSample(environment []string) []string {
	var kept []string
	for _, entry := range environment {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "OCI_") || strings.HasPrefix(name, "LITELLM_") || strings.HasPrefix(name, "TOLLGATE_") ||
			strings.HasPrefix(name, "COMPOSE_") || strings.HasSuffix(strings.ToUpper(name), "_PROXY") {
			continue
		}
		kept = append(kept, entry)
	}
	return kept
}

func image(variable, name string) string {
	if chosen := os.Getenv(variable); chosen != "" {
		return chosen
	}
	return "tollgate-test/" + name
}

// compose runs Docker's compose on the sample, with further files where extra names them (relative to examples/oci), and
// fails the test when compose fails.
func (s *stack) compose(t *testing.T, extra []string, arguments ...string) string {
	t.Helper()
	out, err := s.run(append(files(extra), arguments...)...)
	if err != nil {
		t.Fatalf("docker compose %s: %v\n%s", strings.Join(arguments, " "), err, out)
	}
	return out
}

func files(extra []string) []string {
	var arguments []string
	for _, name := range extra {
		arguments = append(arguments, "--file", name)
	}
	return arguments
}

func (s *stack) run(arguments ...string) (string, error) {
	// --env-file: an .env beside the sample is its owner's.
	base := []string{"--env-file", os.DevNull, "--project-name", project, "--file", "docker-compose.yml", "--file", filepath.Join(s.root, "test/compose/override.yml")}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(s.root, ".cache/bin/docker-compose"), append(base, arguments...)...)
	cmd.Dir = filepath.Join(s.root, "examples/oci")
	cmd.Env = s.environment
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// up starts the sample and waits until every service is healthy by its own health check.
func (s *stack) up(t *testing.T, extra ...string) {
	t.Helper()
	s.compose(t, extra, "up", "--detach", "--wait", "--wait-timeout", "180", "gateway")
}

func (s *stack) down(t *testing.T) {
	t.Helper()
	s.compose(t, []string{"compose.monitoring.yml"}, "down", "--volumes", "--remove-orphans", "--timeout", "20")
}

// docker runs the docker command and returns its standard output.
func docker(t *testing.T, arguments ...string) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command("docker", arguments...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("docker %s: %v\n%s%s", strings.Join(arguments, " "), err, out, stderr.String())
	}
	return strings.TrimSpace(string(out))
}

// inspection is what the engine says of a container.
type inspection struct {
	State struct {
		Status   string
		Pid      int
		ExitCode int
		Health   struct{ Status string }
	}
	RestartCount int
	Config       struct{ User string }
	HostConfig   struct {
		ReadonlyRootfs bool
		Privileged     bool
		CapDrop        []string
		CapAdd         []string
		SecurityOpt    []string
	}
	Mounts []struct {
		Destination string
		RW          bool
	}
}

func inspect(t *testing.T, name string) inspection {
	t.Helper()
	var all []inspection
	if err := json.Unmarshal([]byte(docker(t, "inspect", name)), &all); err != nil || len(all) != 1 {
		t.Fatalf("docker inspect %s: %v", name, err)
	}
	return all[0]
}

// eventually waits for a condition, and fails the test when it does not come true in time.
func eventually(t *testing.T, within time.Duration, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	end := time.After(within)
	for !condition() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("not within %s: %s", within, what)
		}
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func randomText() string {
	b := make([]byte, 24)
	rand.Read(b)
	return hex.EncodeToString(b)
}
