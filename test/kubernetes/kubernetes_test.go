//go:build kubernetes

package kubernetes_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tollgate/internal/testkit"
)

const (
	chart        = "../../deploy/helm/tollgate"
	sampleValues = "../../examples/oci/helm-values.yaml"
	sampleConfig = "../../examples/oci/config.yaml"
	chatModel    = "oci-cohere-command"
	embedModel   = "oci-cohere-embed"
	aliases      = 6 // of the sample
)

// world is a node and what is around it.
type world struct {
	*node
	*outside
}

// TestKubernetes shares one node among its parts, each of which has a namespace of its own.
func TestKubernetes(t *testing.T) {
	w := world{}
	w.node = startNode(t, os.Getenv("KUBERNETES_WORK"))
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(w.tails())
		}
		w.stop()
	})
	w.importImages(t, os.Getenv("TOLLGATE_IMAGE"))
	w.outside = startOutside(t, w.node, os.Getenv("TOLLGATE_BIN"))

	t.Run("Lint", w.testLint)
	t.Run("ServerSideValidation", w.testServerSideValidation)
	t.Run("WorkloadIdentity", w.testWorkloadIdentity)
	t.Run("Others", func(t *testing.T) { // side by side
		t.Run("APIKey", w.testAPIKey)
		t.Run("Trial", w.testTrial)
		t.Run("PersistentSpool", w.testPersistentSpool)
		if os.Getenv("LITELLM_CHART") != "" { // `run` says why it must be given
			t.Run("LiteLLMsChart", w.testLiteLLMsChart)
		}
	})
}

// quick spares the test the time that callers get when a pod goes.
const quick = "--set=drain.preStopSeconds=1,readinessProbe.periodSeconds=1"

// namespace makes a namespace that takes only pods of the restricted Pod Security Standard, with the Secrets that the
// how-to names and the authority of OCI's certificate; it is removed when the test ends.
func (w *world) namespace(t *testing.T, name string) space {
	t.Helper()
	w.kubectl(t, "create", "namespace", name)
	w.kubectl(t, "label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
	s := space{world: w, name: name, key: "sk-" + strings.Repeat(name+"-", 3) + "0123456789abcdef0123456789"}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(s.state())
		}
		w.kubectl(t, "delete", "namespace", name, "--wait=true", "--timeout=2m")
	})
	database, err := url.Parse(testkit.Postgres(t))
	check(t, err)
	database.Host, database.RawQuery = databaseAddress+":5432", ""
	s.database = database
	password, _ := database.User.Password()
	s.kubectl(t, "create", "secret", "generic", "litellm-master", "--from-literal=LITELLM_MASTER_KEY="+s.key)
	s.kubectl(t, "create", "secret", "generic", "litellm-db", "--from-literal=username="+database.User.Username(),
		"--from-literal=password="+password, "--from-literal=DATABASE_URL="+database.String())
	s.kubectl(t, "create", "configmap", "corporate-ca", "--from-file=ca.crt="+w.ca.certFile())
	return s
}

// apiKeySecrets makes the Secrets of the API key mode from the simulator's credential.
func (s space) apiKeySecrets(t *testing.T) {
	t.Helper()
	args := []string{"create", "secret", "generic", "oci-credentials"}
	for _, name := range []string{"OCI_REGION", "OCI_USER", "OCI_FINGERPRINT", "OCI_TENANCY", "OCI_COMPARTMENT_ID"} {
		args = append(args, "--from-literal="+name+"="+s.oci[name])
	}
	s.kubectl(t, args...)
	s.kubectl(t, "create", "secret", "generic", "oci-key", "--from-file=key.pem="+s.oci["OCI_KEY_FILE"])
}

// space is a namespace of the cluster.
type space struct {
	*world
	name     string
	key      string // the master key
	database *url.URL
}

func (s space) kubectl(t testing.TB, args ...string) string {
	t.Helper()
	return s.node.kubectl(t, append([]string{"--namespace=" + s.name}, args...)...)
}

func (s space) helm(t testing.TB, args ...string) string {
	t.Helper()
	return s.output(t, "helm", append([]string{"--namespace=" + s.name}, args...)...)
}

// install installs or upgrades the release and waits until its pods are ready.
func (s space) install(t testing.TB, args ...string) {
	t.Helper()
	s.helm(t, append([]string{"upgrade", "--install", "gateway", chart, "--wait", "--timeout=3m", "--set=extraCA.configMapName=corporate-ca"}, args...)...)
}

// workloadIdentity are the arguments with which the sample is installed on OKE.
func (s space) workloadIdentity() []string {
	return []string{"--values=" + sampleValues, "--set-file=config=" + sampleConfig,
		"--set=oci.region=us-chicago-1,oci.compartmentId=" + s.oci["OCI_COMPARTMENT_ID"],
		"--set=db.endpoint=" + databaseAddress + ",db.database=" + strings.Trim(s.database.Path, "/"),
		// The machine of the test is smaller than a node of OKE.
		"--set=resources.requests.cpu=50m,resources.requests.memory=64Mi"}
}

// url is the address of the release's Service. The test asks it from the node, where kube-proxy leads it to a pod.
func (s space) url(t testing.TB, service string) string {
	t.Helper()
	return fmt.Sprintf("http://%s:4000", s.kubectl(t, "get", "service", service, "--output=jsonpath={.spec.clusterIP}"))
}

// chat asks one question.
func chat(ctx context.Context, url, key string) error {
	var reply struct {
		Choices []struct {
			Message struct{ Content string }
		}
	}
	body := map[string]any{"model": chatModel, "max_tokens": 60, "messages": []any{map[string]string{"role": "user", "content": "What is the capital of Japan? Answer in one word."}}}
	if err := ask(ctx, "POST", url+"/v1/chat/completions", key, body, &reply); err != nil {
		return err
	}
	if len(reply.Choices) != 1 || !strings.Contains(reply.Choices[0].Message.Content, "Tokyo") {
		return fmt.Errorf("the answer is %+v", reply)
	}
	return nil
}

// answers waits for an answer: kube-proxy hears of a pod a little later than Helm.
func (s space) answers(t testing.TB, url string) {
	t.Helper()
	eventually(t, "the gateway answers", func(ctx context.Context) error { return chat(ctx, url, s.key) })
}

// models lists the aliases that the gateway serves.
func models(t testing.TB, url, key string) []string {
	t.Helper()
	var reply struct{ Data []struct{ ID string } }
	check(t, ask(t.Context(), "GET", url+"/v1/models", key, nil, &reply))
	names := []string{}
	for _, m := range reply.Data {
		names = append(names, m.ID)
	}
	return names
}

// live runs the live checks against a gateway.
func (s space) live(t *testing.T, url string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "../live/run", "-q")
	cmd.Env = append(os.Environ(), "LITELLM_GATEWAY_URL="+url, "LITELLM_GATEWAY_KEY="+s.key)
	out, err := cmd.CombinedOutput()
	t.Logf("the live checks:\n%s", out)
	check(t, err)
}

// state is what an operator would look at.
func (s space) state() string {
	var b strings.Builder
	for _, args := range [][]string{{"get", "all,events", "--output=wide"}, {"describe", "pods"}, {"logs", "--all-containers", "--prefix", "--tail=40", "--selector=app.kubernetes.io/instance=gateway"}} {
		out, err := s.try(context.Background(), "kubectl", append([]string{"--namespace=" + s.name}, args...)...)
		fmt.Fprintf(&b, "--- kubectl %s\n%s", strings.Join(args, " "), out)
		if err != nil {
			fmt.Fprintln(&b, err)
		}
	}
	return b.String()
}

// processes returns the gateways that run in the namespace's pods, as folders of /proc: those that have its master key.
func (s space) processes(t testing.TB, want int) []string {
	t.Helper()
	found, err := filepath.Glob("/proc/[0-9]*")
	check(t, err)
	var pods []string
	for _, p := range found {
		exe, err := os.Readlink(p + "/exe")
		if err != nil || exe != "/usr/bin/tollgate" {
			continue
		}
		environment, err := os.ReadFile(p + "/environ")
		if err == nil && strings.Contains(string(environment), "LITELLM_MASTER_KEY="+s.key) {
			pods = append(pods, p)
		}
	}
	if len(pods) != want {
		t.Fatalf("%d gateways run in the pods of %s, want %d", len(pods), s.name, want)
	}
	return pods
}

// secrets returns what the Secrets of the namespace hold.
func (s space) secrets(t testing.TB) map[string]string {
	t.Helper()
	var list struct {
		Items []struct {
			Metadata struct{ Name string }
			Data     map[string]string
		}
	}
	s.get(t, &list, "--namespace="+s.name, "secrets")
	held := map[string]string{}
	for _, secret := range list.Items {
		for name, value := range secret.Data {
			text, err := base64.StdEncoding.DecodeString(value)
			check(t, err)
			held[secret.Metadata.Name+"/"+name] = string(text)
		}
	}
	return held
}
