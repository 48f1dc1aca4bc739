//go:build kubernetes

// Package kubernetes_test installs the chart on a Kubernetes node of its own. `run` beside it prepares the namespaces in
// which it must run; README.md of the chart and docs/how-to/run-on-kubernetes.md hold the commands that it proves.
package kubernetes_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	nodeName         = "node"
	nodeAddress      = "192.168.213.2" // inside.sh makes it, and the ones of outside_test.go
	apiService       = "10.96.0.1"
	containerdSocket = "/run/containerd/containerd.sock"
	pauseName        = "docker.io/library/pause:test"
)

// node is a Kubernetes cluster of one node.
type node struct {
	folder   string
	ca       *authority
	admin    string // the administrator's kubeconfig
	tokenKey pair   // with which the API server signs service account tokens
	running  []*exec.Cmd
}

// startNode starts the programs and returns when the node is ready for pods.
func startNode(t testing.TB, folder string) *node {
	t.Helper()
	n := &node{folder: folder}
	for _, name := range []string{"pki", "logs", "pods", "etcd", "kubelet", "containerd", "cni", "networks"} {
		check(t, os.MkdirAll(n.path(name), 0o755))
	}
	n.ca = newAuthority(t, n.path("pki"))
	private, public := n.ca.tokenKeys(t)
	n.tokenKey = pair{cert: public, key: private}
	admin := n.ca.client(t, "admin", "system:masters")
	n.admin = n.kubeconfig(t, admin)

	n.startContainerd(t)
	n.startEtcd(t)
	n.startAPIServer(t, admin)
	n.start(t, "kube-controller-manager", "--kubeconfig="+n.admin, "--leader-elect=false",
		"--service-account-private-key-file="+private, "--root-ca-file="+n.ca.certFile(), "--allocate-node-cidrs=false")
	n.start(t, "kube-scheduler", "--kubeconfig="+n.admin, "--leader-elect=false")
	n.startKubelet(t)
	n.start(t, "kube-proxy", "--kubeconfig="+n.admin, "--hostname-override="+nodeName, "--proxy-mode=iptables", "--cluster-cidr=10.244.0.0/16",
		// The counters of connections belong to the machine, not to these namespaces.
		"--conntrack-max-per-core=0", "--conntrack-tcp-timeout-established=0s", "--conntrack-tcp-timeout-close-wait=0s")
	n.kubectl(t, "wait", "--for=create", "--timeout=2m", "node/"+nodeName)
	n.kubectl(t, "wait", "--for=condition=Ready", "--timeout=2m", "node/"+nodeName)
	return n
}

func (n *node) path(parts ...string) string {
	return filepath.Join(append([]string{n.folder}, parts...)...)
}

func (n *node) startContainerd(t testing.TB) {
	t.Helper()
	writeFile(t, n.path("containerd.toml"), fmt.Sprintf(`
version = 2
root = %q
state = "/run/containerd"
[grpc]
  address = %q
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = %q
  disable_apparmor = true
  # The machine may not let even root lower it.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = %q
`, n.path("containerd"), containerdSocket, pauseName, n.path("cni")))
	// Every pod has a cable of its own to the node, which routes.
	writeFile(t, n.path("cni", "10-test.conflist"), fmt.Sprintf(`{
  "cniVersion": "0.4.0", "name": "test", "plugins": [
    {"type": "ptp", "ipMasq": false, "mtu": 1500,
     "ipam": {"type": "host-local", "dataDir": %q, "ranges": [[{"subnet": "10.244.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
    {"type": "portmap", "capabilities": {"portMappings": true}}]}`, n.path("networks")))
	n.start(t, "containerd", "--config", n.path("containerd.toml"))
	eventually(t, "containerd answers", func(ctx context.Context) error {
		return exec.CommandContext(ctx, "ctr", "--address", containerdSocket, "version").Run()
	})
}

func (n *node) startEtcd(t testing.TB) {
	t.Helper()
	n.start(t, "etcd", "--data-dir="+n.path("etcd"), "--unsafe-no-fsync=true",
		"--listen-client-urls=http://127.0.0.1:2379", "--advertise-client-urls=http://127.0.0.1:2379", "--listen-peer-urls=http://127.0.0.1:2380")
}

func (n *node) startAPIServer(t testing.TB, admin pair) {
	t.Helper()
	serving := n.ca.server(t, "kube-apiserver", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "127.0.0.1", nodeAddress, apiService)
	n.start(t, "kube-apiserver",
		"--etcd-servers=http://127.0.0.1:2379", "--advertise-address="+nodeAddress, "--secure-port=6443",
		"--tls-cert-file="+serving.cert, "--tls-private-key-file="+serving.key, "--client-ca-file="+n.ca.certFile(),
		"--service-cluster-ip-range=10.96.0.0/16", "--authorization-mode=Node,RBAC", "--allow-privileged=true",
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--service-account-key-file="+n.tokenKey.cert, "--service-account-signing-key-file="+n.tokenKey.key,
		"--kubelet-client-certificate="+admin.cert, "--kubelet-client-key="+admin.key, "--kubelet-preferred-address-types=InternalIP")
	eventually(t, "the API server is ready", func(ctx context.Context) error {
		return n.command(ctx, "kubectl", "get", "--raw=/readyz").Run()
	})
}

func (n *node) startKubelet(t testing.TB) {
	t.Helper()
	writeFile(t, n.path("resolv.conf"), "nameserver "+dnsAddress+"\n")
	writeFile(t, n.path("kubelet.yaml"), fmt.Sprintf(`
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {x509: {clientCAFile: %q}, anonymous: {enabled: false}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
cgroupRoot: /%s
clusterDNS: [%s]
clusterDomain: cluster.local
containerRuntimeEndpoint: unix://%s
evictionHard: {memory.available: 1Mi, nodefs.available: 1Mi, imagefs.available: 1Mi}
failSwapOn: false
localStorageCapacityIsolation: true
podLogsDir: %q
resolvConf: %q
syncFrequency: 5s
volumePluginDir: %q
`, n.ca.certFile(), os.Getenv("KUBERNETES_GROUP"), dnsAddress, containerdSocket, n.path("pods"), n.path("resolv.conf"), n.path("kubelet", "plugins")))
	n.start(t, "kubelet", "--config="+n.path("kubelet.yaml"), "--kubeconfig="+n.admin, "--root-dir="+n.path("kubelet"), "--cert-dir="+n.path("pki"),
		"--hostname-override="+nodeName, "--node-ip="+nodeAddress)
}

// kubeconfig writes how to reach the API server with a certificate.
func (n *node) kubeconfig(t testing.TB, who pair) string {
	t.Helper()
	encoded := func(file string) string {
		data, err := os.ReadFile(file)
		check(t, err)
		return base64.StdEncoding.EncodeToString(data)
	}
	file := strings.TrimSuffix(who.cert, ".crt") + ".kubeconfig"
	writeFile(t, file, fmt.Sprintf(`
apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: "https://127.0.0.1:6443", certificate-authority-data: %s}}]
users: [{name: test, user: {client-certificate-data: %s, client-key-data: %s}}]
contexts: [{name: test, context: {cluster: test, user: test}}]
current-context: test
`, encoded(n.ca.certFile()), encoded(who.cert), encoded(who.key)))
	return file
}

// start starts a program, whose output goes to a log of its name.
func (n *node) start(t testing.TB, name string, args ...string) {
	t.Helper()
	log, err := os.Create(n.path("logs", name+".log"))
	check(t, err)
	defer log.Close()
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = log, log
	check(t, cmd.Start())
	n.running = append(n.running, cmd)
}

// stop ends the programs in the opposite order. What they leave running ends with the process namespace.
func (n *node) stop() {
	for i := len(n.running) - 1; i >= 0; i-- {
		cmd := n.running[i]
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		ended := make(chan struct{})
		go func() { _ = cmd.Wait(); close(ended) }()
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill()
		}
	}
}

// tails returns the ends of the logs.
func (n *node) tails() string {
	var b strings.Builder
	files, _ := filepath.Glob(n.path("logs", "*.log"))
	for _, file := range files {
		data, _ := os.ReadFile(file)
		lines := strings.Split(strings.TrimSpace(string(data)), "\n")
		fmt.Fprintf(&b, "--- %s\n%s\n", filepath.Base(file), strings.Join(lines[max(0, len(lines)-15):], "\n"))
	}
	return b.String()
}

// command is a program that talks to the cluster as its administrator.
func (n *node) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+n.admin, "HOME="+n.folder)
	return cmd
}

// try runs a program and returns its output, and its standard error in the error.
func (n *node) try(ctx context.Context, name string, args ...string) (string, error) {
	cmd := n.command(ctx, name, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%s %s: %w\n%s%s", name, strings.Join(args, " "), err, stderr.String(), stdout.String())
	}
	return stdout.String(), nil
}

// output runs a program that must succeed.
func (n *node) output(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := n.try(context.Background(), name, args...)
	check(t, err)
	return out
}

func (n *node) kubectl(t testing.TB, args ...string) string {
	t.Helper()
	return n.output(t, "kubectl", args...)
}

// get reads an object of the cluster into v.
func (n *node) get(t testing.TB, v any, args ...string) {
	t.Helper()
	out := n.kubectl(t, append([]string{"get", "--output=json"}, args...)...)
	check(t, json.Unmarshal([]byte(out), v))
}

// eventually tries again until there is no error.
func eventually(t testing.TB, what string, try func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for {
		err := try(ctx)
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not within two minutes: %v", what, err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func writeFile(t testing.TB, file, text string) {
	t.Helper()
	check(t, os.WriteFile(file, []byte(text), 0o600))
}

// statusError is an answer that is not 2xx.
type statusError struct {
	status int
	body   string
}

func (e *statusError) Error() string { return fmt.Sprintf("status %d: %s", e.status, e.body) }

// ask calls a URL with a bearer key and decodes the reply into v, unless v is nil.
func ask(ctx context.Context, method, url, key string, body, v any) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	// A new connection for each call: kube-proxy chooses a pod when one is opened.
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	reply, err := client.Do(req)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(reply.Body); err != nil {
		return err
	}
	if reply.StatusCode/100 != 2 {
		return &statusError{reply.StatusCode, b.String()}
	}
	if v == nil {
		return nil
	}
	return errors.Join(json.Unmarshal(b.Bytes(), v))
}
