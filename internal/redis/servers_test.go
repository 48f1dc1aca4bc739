package redis_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// server is a redis-server with options of its own, which testkit's has not.
type server struct {
	addr string
	args []string
	cmd  *exec.Cmd
	log  bytes.Buffer
}

// start starts a redis-server with the arguments on the port, and waits until ready says that it answers.
func start(t *testing.T, port int, ready func(addr string) error, args ...string) *server {
	t.Helper()
	s := &server{addr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), args: append(args, "--dir", t.TempDir(), "--bind", "127.0.0.1")}
	s.run(t, ready)
	t.Cleanup(s.kill)
	return s
}

func (s *server) run(t *testing.T, ready func(addr string) error) {
	t.Helper()
	s.cmd = exec.Command("redis-server", s.args...)
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var err error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if err = ready(s.addr); err == nil {
			return
		}
	}
	s.kill()
	t.Fatalf("redis-server does not answer: %v\n%s", err, &s.log)
}

// kill ends the server at once.
func (s *server) kill() {
	if s.cmd.ProcessState == nil {
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
	}
}

// ports finds free ports.
func ports(t *testing.T, n int) []int {
	t.Helper()
	var list []int
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		list = append(list, l.Addr().(*net.TCPAddr).Port)
	}
	return list
}

// do runs one command on one server.
func do(addr string, args ...any) (string, error) {
	c := goredis.NewClient(&goredis.Options{Addr: addr, MaxRetries: -1})
	defer c.Close()
	v, err := c.Do(ctx, args...).Result()
	return fmt.Sprint(v), err
}

func answers(addr string) error {
	_, err := do(addr, "PING")
	return err
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never: " + what)
		}
	}
}

// startCluster starts a cluster of three masters.
func startCluster(t *testing.T) []string {
	const nodes = 3
	p := ports(t, 2*nodes)
	var addrs []string
	for i := range nodes {
		s := start(t, p[i], answers, "--port", strconv.Itoa(p[i]), "--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(p[nodes+i]), "--save", "")
		addrs = append(addrs, s.addr)
		if _, err := do(s.addr, "CLUSTER", "ADDSLOTSRANGE", i*16384/nodes, (i+1)*16384/nodes-1); err != nil {
			t.Fatal(err)
		}
	}
	for i := 1; i < nodes; i++ {
		if _, err := do(addrs[0], "CLUSTER", "MEET", "127.0.0.1", p[i], p[nodes+i]); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the cluster is whole", func() bool {
		for _, a := range addrs {
			info, err := do(a, "CLUSTER", "INFO")
			if err != nil || !bytes.Contains([]byte(info), []byte("cluster_state:ok")) || !bytes.Contains([]byte(info), []byte("cluster_known_nodes:3")) {
				return false
			}
		}
		return true
	})
	return addrs
}

// startSentinel starts a master, a replica of it and a sentinel that watches them.
func startSentinel(t *testing.T) (sentinel string, master *server) {
	p := ports(t, 3)
	port := func(i int) string { return strconv.Itoa(p[i]) }
	master = start(t, p[0], answers, "--port", port(0), "--save", "")
	replica := start(t, p[1], answers, "--port", port(1), "--save", "", "--replicaof", "127.0.0.1", port(0))
	eventually(t, "the replica follows", func() bool {
		role, err := do(replica.addr, "ROLE")
		return err == nil && bytes.Contains([]byte(role), []byte("connected"))
	})
	conf := filepath.Join(t.TempDir(), "sentinel.conf")
	text := "port " + port(2) + "\nsentinel monitor main 127.0.0.1 " + port(0) + " 1\nsentinel down-after-milliseconds main 500\nsentinel failover-timeout main 2000\n"
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &server{addr: net.JoinHostPort("127.0.0.1", port(2)), args: []string{conf, "--sentinel", "--bind", "127.0.0.1"}}
	s.run(t, answers)
	t.Cleanup(s.kill)
	eventually(t, "the sentinel knows the replica", func() bool {
		list, err := do(s.addr, "SENTINEL", "REPLICAS", "main")
		return err == nil && bytes.Contains([]byte(list), []byte(port(1)))
	})
	return s.addr, master
}

// startTLS starts a server that speaks TLS alone, and returns what a client needs to trust it.
func startTLS(t *testing.T) (addr string, trust *x509.CertPool) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "redis of a test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for file, content := range map[string][]byte{certFile: certPEM, keyFile: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	trust = x509.NewCertPool()
	trust.AppendCertsFromPEM(certPEM)
	p := ports(t, 1)[0]
	ready := func(addr string) error {
		c, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: trust})
		if err == nil {
			c.Close()
		}
		return err
	}
	s := start(t, p, ready, "--port", "0", "--tls-port", strconv.Itoa(p), "--tls-cert-file", certFile, "--tls-key-file", keyFile,
		"--tls-ca-cert-file", certFile, "--tls-auth-clients", "no", "--requirepass", "let-me-in", "--save", "")
	return s.addr, trust
}
