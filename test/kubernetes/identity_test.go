//go:build kubernetes

package kubernetes_test

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

const simulator = "http://127.0.0.1:4499"

// testWorkloadIdentity installs the sample on a cluster in which no key to OCI exists, and lives with it: calls, the live
// checks, the network policy, an upgrade, a rollback, the end.
func (w *world) testWorkloadIdentity(t *testing.T) {
	s := w.namespace(t, "tollgate")
	// The policy of the how-to, and nothing else: neither another workload nor the simulator's API key may call.
	check(t, ask(t.Context(), "PUT", simulator+"/_sim/identity/policies", "", map[string]any{"policies": []any{map[string]string{
		"kind": "workload", "namespace": "tollgate", "service_account": "tollgate-gateway", "cluster": clusterOCID,
	}}}, nil))
	t.Cleanup(func() {
		check(t, ask(context.Background(), "PUT", simulator+"/_sim/identity/policies", "", map[string]any{"policies": []any{}}, nil))
	})
	s.install(t, s.workloadIdentity()...)
	gateway := s.url(t, "gateway-tollgate")

	t.Run("Chat", func(t *testing.T) { s.answers(t, gateway) })
	t.Run("ExchangedTokens", s.testExchangedTokens)
	t.Run("NoKeyAnywhere", s.testNoKeyAnywhere)
	t.Run("PodAsRendered", s.testPodAsRendered)
	t.Run("Commands", s.testCommands)
	t.Run("HelmTest", func(t *testing.T) { s.helm(t, "test", "gateway", "--timeout=2m") })
	t.Run("Live", func(t *testing.T) { s.live(t, gateway) })
	t.Run("NetworkPolicy", func(t *testing.T) { s.testNetworkPolicy(t, gateway) })
	t.Run("UpgradeAndRollback", func(t *testing.T) { s.testUpgradeAndRollback(t, gateway) })
	t.Run("Uninstall", s.testUninstall)
}

// testExchangedTokens: each pod has traded the token that the API server gave it.
func (s space) testExchangedTokens(t *testing.T) {
	var state struct {
		Tokens   map[string]int
		Requests map[string]struct{ Requests, Refused int }
	}
	check(t, ask(t.Context(), "GET", simulator+"/_sim/identity", "", nil, &state))
	t.Logf("the simulator's identity services: %+v", state)
	if exchanges := state.Requests["workload"]; state.Tokens["workload"] < 2 || exchanges.Requests < 2 || exchanges.Refused > 0 {
		t.Errorf("two pods have not traded their tokens: %+v", state)
	}
}

// testNoKeyAnywhere searches the pods' files, environments and the namespace's Secrets for anything that signs.
func (s space) testNoKeyAnywhere(t *testing.T) {
	for name, text := range s.secrets(t) {
		if found := signs([]byte(text)); found != "" {
			t.Errorf("the Secret %s holds %s", name, found)
		}
	}
	for _, pod := range s.processes(t, 2) {
		environment, err := os.ReadFile(pod + "/environ")
		check(t, err)
		for _, variable := range strings.Split(string(environment), "\x00") {
			name, value, _ := strings.Cut(variable, "=")
			if found := signs([]byte(value)); found != "" || regexp.MustCompile(`^OCI_(USER|FINGERPRINT|TENANCY|KEY.*)$`).MatchString(name) {
				t.Errorf("%s: the environment holds %s (%s)", pod, name, found)
			}
		}
		files := 0
		searched(t, pod+"/root", func(name string, data []byte) {
			files++
			if name == pod+"/root/usr/bin/tollgate" {
				return // it reads keys, and so holds the words that they begin with
			}
			if found := signs(data); found != "" {
				t.Errorf("%s holds %s", name, found)
			}
		})
		t.Logf("%s: %d files", pod, files)
		if files < 5 {
			t.Errorf("only %d files were found in the pod", files)
		}
	}
}

// searched calls visit with every regular file below root, the kernel's file systems left out.
func searched(t testing.TB, root string, visit func(name string, data []byte)) {
	t.Helper()
	check(t, filepath.WalkDir(root+"/", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // it has gone meanwhile
			}
			return err
		}
		if relative := strings.TrimPrefix(name, root); entry.IsDir() && (relative == "/proc" || relative == "/sys" || relative == "/dev") {
			return fs.SkipDir
		}
		if !entry.Type().IsRegular() {
			return nil
		}
		data, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		visit(name, data)
		return err
	}))
}

// signs says which kind of key the text holds; empty for none.
func signs(text []byte) string {
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		if strings.Contains(block.Type, "PRIVATE KEY") {
			return "a PEM block " + block.Type
		}
		text = rest
	}
	if bytes.Contains(text, []byte("PRIVATE KEY-----")) {
		return "the words PRIVATE KEY"
	}
	return ""
}

// testPodAsRendered looks at the process itself: the user, the capabilities, the root file system.
func (s space) testPodAsRendered(t *testing.T) {
	for _, pod := range s.processes(t, 2) {
		status, err := os.ReadFile(pod + "/status")
		check(t, err)
		for _, want := range []string{"Uid:\t65534\t", "Gid:\t65534\t", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
			if !strings.Contains(string(status), want) {
				t.Errorf("%s: the process is not %q:\n%s", pod, want, status)
			}
		}
		mounts, err := os.ReadFile(pod + "/mountinfo")
		check(t, err)
		writable := map[string]bool{}
		for _, line := range strings.Split(strings.TrimSpace(string(mounts)), "\n") {
			fields := strings.Fields(line)
			writable[fields[4]] = strings.HasPrefix(fields[5], "rw")
		}
		for path, want := range map[string]bool{"/": false, "/app": false, "/var/lib/tollgate": true, "/var/run/secrets/kubernetes.io/serviceaccount": false} {
			if got, mounted := writable[path]; !mounted || got != want {
				t.Errorf("%s: %s is writable: %v (mounted: %v), want %v", pod, path, got, mounted, want)
			}
		}
	}
}

// testCommands runs what the chart's notes and the how-to tell an operator to run.
func (s space) testCommands(t *testing.T) {
	key := s.kubectl(t, "get", "secret", "litellm-master", "--output=go-template={{.data.LITELLM_MASTER_KEY|base64decode}}")
	cmd := s.command(t.Context(), "kubectl", "--namespace="+s.name, "port-forward", "service/gateway-tollgate", "4400:4000")
	check(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	eventually(t, "the forwarded port answers", func(ctx context.Context) error { return chat(ctx, "http://127.0.0.1:4400", key) })

	for _, command := range []struct {
		args []string
		want string
	}{
		{[]string{"validate", "/app/config.yaml"}, "oke_workload_identity"},
		{[]string{"migrate", "--status"}, "0001 objects"},
		{[]string{"healthcheck"}, ""},
	} {
		out := s.kubectl(t, append([]string{"exec", "deployment/gateway-tollgate", "--", "tollgate"}, command.args...)...)
		t.Logf("tollgate %s:\n%s", strings.Join(command.args, " "), out)
		if !strings.Contains(out, command.want) {
			t.Errorf("tollgate %s does not say %q", strings.Join(command.args, " "), command.want)
		}
	}
}

// testNetworkPolicy enforces the policy's ports by the node's packet filter, since the network plugin of the test does
// not: new pods start and answer with nothing else let out, and without OKE's port they cannot call.
func (s space) testNetworkPolicy(t *testing.T, gateway string) {
	var policy struct {
		Spec struct {
			Egress []struct {
				To    []any
				Ports []struct {
					Port     int
					Protocol string
				}
			}
		}
	}
	s.get(t, &policy, "--namespace="+s.name, "networkpolicy/gateway-tollgate")
	filter := func(args ...string) { s.output(t, "iptables", append([]string{"--wait"}, args...)...) }
	filter("--new-chain", "PODS-OUT")
	filter("--append", "PODS-OUT", "--match", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "--jump", "RETURN")
	ports := 0
	for _, rule := range policy.Spec.Egress {
		for _, p := range rule.Ports {
			ports++
			filter("--append", "PODS-OUT", "--protocol", strings.ToLower(p.Protocol), "--dport", strconv.Itoa(p.Port), "--jump", "RETURN")
		}
	}
	if ports != 5 {
		t.Errorf("the policy has %d ports, want DNS twice, HTTPS, PostgreSQL and OKE's token service: %+v", ports, policy)
	}
	filter("--append", "PODS-OUT", "--jump", "DROP")
	for _, chain := range []string{"INPUT", "FORWARD"} {
		filter("--insert", chain, "1", "--source", "10.244.0.0/24", "--jump", "PODS-OUT")
		t.Cleanup(func() { filter("--delete", chain, "--source", "10.244.0.0/24", "--jump", "PODS-OUT") })
	}
	s.restart(t)
	s.answers(t, gateway)

	filter("--delete", "PODS-OUT", "--protocol", "tcp", "--dport", "12250", "--jump", "RETURN")
	s.restart(t) // readiness does not depend on OCI
	eventually(t, "without port 12250 a call is refused", func(ctx context.Context) error {
		err := chat(ctx, gateway, s.key)
		var refused *statusError
		switch {
		case err == nil:
			t.Fatal("without port 12250 a call is answered")
		case errors.As(err, &refused):
			t.Logf("without port 12250: %v", refused)
			return nil
		}
		return err // kube-proxy has not heard of the new pods
	})
	logs := s.kubectl(t, "logs", "deployment/gateway-tollgate", "--tail=20")
	if !strings.Contains(logs, "let the pod out to port 12250") {
		t.Errorf("the log does not say what to do:\n%s", logs)
	}
	filter("--insert", "PODS-OUT", "1", "--protocol", "tcp", "--dport", "12250", "--jump", "RETURN")
	s.restart(t)
	s.answers(t, gateway)
}

// restart replaces the pods at once, without the time that callers get.
func (s space) restart(t testing.TB) {
	t.Helper()
	s.kubectl(t, "delete", "pods", "--selector=app.kubernetes.io/name=tollgate", "--grace-period=1", "--timeout=2m")
	s.kubectl(t, "rollout", "status", "deployment/gateway-tollgate", "--timeout=2m")
}

// testUpgradeAndRollback exchanges image and configuration under load, and takes it back.
func (s space) testUpgradeAndRollback(t *testing.T, gateway string) {
	if got := len(models(t, gateway, s.key)); got != aliases {
		t.Fatalf("%d aliases are served, want %d", got, aliases)
	}
	stop := s.load(gateway)
	// What was set before stays; what is new is added.
	s.helm(t, "upgrade", "gateway", chart, "--reuse-values", "--wait", "--timeout=3m", "--set=image.tag=next,replicaCount=3",
		`--set-json=configOverlay={"model_list":[{"model_name":"later","litellm_params":{"model":"oci/cohere.command-latest","oci_region":"os.environ/OCI_REGION","oci_compartment_id":"os.environ/OCI_COMPARTMENT_ID"}}]}`)
	s.settled(t, 3)
	if got := len(models(t, gateway, s.key)); got != aliases+1 {
		t.Errorf("%d aliases are served after the upgrade, want %d", got, aliases+1)
	}
	s.helm(t, "rollback", "gateway", "--wait", "--timeout=3m")
	s.settled(t, 2)
	if got := len(models(t, gateway, s.key)); got != aliases {
		t.Errorf("%d aliases are served after the rollback, want %d", got, aliases)
	}
	answered, failed := stop()
	t.Logf("%d calls were answered during the upgrade and the rollback, %d failed", answered, len(failed))
	if answered < 20 || len(failed) > 0 {
		t.Errorf("%d calls were answered, and these failed: %v", answered, failed)
	}
}

// settled waits until the old pods are gone.
func (s space) settled(t testing.TB, replicas int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d pods are left", replicas), func(ctx context.Context) error {
		out, err := s.try(ctx, "kubectl", "--namespace="+s.name, "get", "pods", "--selector=app.kubernetes.io/name=tollgate", "--output=name")
		if got := strings.Count(out, "\n"); err == nil && got != replicas {
			err = fmt.Errorf("there are %d", got)
		}
		return err
	})
}

// load asks the gateway, one call after the other, until stop is called.
func (s space) load(gateway string) (stop func() (answered int, failed []error)) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	var answered int
	var failed []error
	running.Go(func() {
		for ctx.Err() == nil {
			if err := chat(context.Background(), gateway, s.key); err != nil {
				failed = append(failed, err)
			} else {
				answered++
			}
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond): // pace
			}
		}
	})
	return func() (int, []error) {
		cancel()
		running.Wait()
		return answered, failed
	}
}

// testUninstall leaves nothing of the chart's.
func (s space) testUninstall(t *testing.T) {
	s.helm(t, "uninstall", "gateway", "--wait", "--timeout=3m")
	eventually(t, "nothing is left of the release", func(ctx context.Context) error {
		left, err := s.try(ctx, "kubectl", "--namespace="+s.name, "get", "all,configmaps,secrets,serviceaccounts,networkpolicies,poddisruptionbudgets",
			"--selector=app.kubernetes.io/instance=gateway", "--output=name")
		if err == nil && left != "" {
			err = errors.New(left)
		}
		return err
	})
}
