//go:build unix

package testkit

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// RedisCluster starts an empty cluster of three masters and returns it once every node knows all slots.
func RedisCluster(t testing.TB) []*Server {
	t.Helper()
	const masters, slots = 3, 16384
	nodes, buses := make([]*Server, masters), make([]int, masters)
	for i := range nodes {
		nodes[i] = startRedis(t, "cluster", func(_ string, port int) (arguments []string, err error) {
			buses[i], err = freePort()
			return []string{"--port", strconv.Itoa(port), "--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(buses[i]), "--cluster-node-timeout", "2000", "--save", ""}, err
		}, ping)
		redisDo(t, nodes[i].Addr, "CLUSTER", "ADDSLOTSRANGE", i*slots/masters, (i+1)*slots/masters-1)
	}
	for i, n := range nodes[1:] {
		host, port, _ := net.SplitHostPort(n.Addr) // as startAt wrote it
		redisDo(t, nodes[0].Addr, "CLUSTER", "MEET", host, port, buses[i+1])
	}
	for _, n := range nodes {
		await(t, "the cluster is whole", func() bool {
			info := redisDo(t, n.Addr, "CLUSTER", "INFO")
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:3")
		})
	}
	return nodes
}

// RedisSentinel starts a master, a replica of it and a sentinel, which knows the master as "main" and replaces it within
// a second or two when it is gone.
func RedisSentinel(t testing.TB) (sentinel, master *Server) {
	t.Helper()
	master = startRedis(t, "master", plainRedis, ping)
	host, port, _ := net.SplitHostPort(master.Addr) // as startAt wrote it
	replica := startRedis(t, "replica", func(folder string, own int) ([]string, error) {
		arguments, err := plainRedis(folder, own)
		return append(arguments, "--replicaof", host, port, "--repl-diskless-sync-delay", "0"), err
	}, ping)
	await(t, "the replica follows", func() bool { return strings.Contains(redisDo(t, replica.Addr, "ROLE"), "connected") })
	sentinel = startRedis(t, "sentinel", func(folder string, own int) ([]string, error) {
		file, err := writeFile(folder, "sentinel.conf", fmt.Sprintf(
			"port %d\nsentinel monitor main %s %s 1\nsentinel down-after-milliseconds main 500\nsentinel failover-timeout main 2000\n", own, host, port))
		return []string{file, "--sentinel"}, err
	}, ping)
	await(t, "the sentinel knows the replica", func() bool {
		return strings.Contains(redisDo(t, sentinel.Addr, "SENTINEL", "REPLICAS", "main"), replica.Addr)
	})
	return sentinel, master
}

// RedisTLS starts a Redis that speaks TLS alone and wants a password. ca is the file of the authority that its certificate
// is of; the certificate names 127.0.0.1.
func RedisTLS(t testing.TB) (s *Server, ca, password string) {
	t.Helper()
	certificate, key := selfSigned(t)
	password = rand.Text()
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(certificate)
	s = startRedis(t, "tls", func(folder string, port int) ([]string, error) {
		certFile, err1 := writeFile(folder, "cert.pem", string(certificate))
		keyFile, err2 := writeFile(folder, "key.pem", string(key))
		return []string{"--port", "0", "--tls-port", strconv.Itoa(port), "--tls-cert-file", certFile, "--tls-key-file", keyFile,
			"--tls-ca-cert-file", certFile, "--tls-auth-clients", "optional", "--requirepass", password, "--save", ""}, errors.Join(err1, err2)
	}, func(addr string) error {
		c := redis.NewClient(&redis.Options{Addr: addr, Password: password, TLSConfig: &tls.Config{RootCAs: pool}, MaxRetries: -1, DialerRetries: 1})
		return errors.Join(c.Ping(context.Background()).Err(), c.Close())
	})
	ca = t.TempDir() + "/ca.pem"
	if err := os.WriteFile(ca, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	return s, ca, password
}

// plainRedis are the arguments of a server that keeps nothing on disk.
func plainRedis(_ string, port int) ([]string, error) {
	return []string{"--port", strconv.Itoa(port), "--save", "", "--appendonly", "no"}, nil
}

// startRedis starts a server with arguments that may depend on its folder and port, once more on another port where the
// first was taken in between.
func startRedis(t testing.TB, name string, arguments func(folder string, port int) ([]string, error), ready func(addr string) error) *Server {
	t.Helper()
	program, err := findRedis()
	if err != nil {
		t.Fatal(err)
	}
	return startAt(t, launch{name: name, ready: ready, command: func(folder string, port int) ([]string, error) {
		list, err := arguments(folder, port)
		return append([]string{program}, append(list, "--bind", "127.0.0.1", "--dir", folder)...), err
	}})
}

// redisDo runs one command on one server.
func redisDo(t testing.TB, addr string, arguments ...any) string {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1})
	defer c.Close()
	v, err := c.Do(context.Background(), arguments...).Result()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(v)
}

// await waits until something is so.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(startWithin); !ok(); time.Sleep(20 * time.Millisecond) { // between two questions
		if time.Now().After(deadline) {
			t.Fatal("never: " + what)
		}
	}
}

// selfSigned makes a certificate of 127.0.0.1 that is its own authority, and its key, in PEM.
func selfSigned(t testing.TB) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a server of a test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

// RedisCommand runs one command on a server and returns its reply as text.
func RedisCommand(t testing.TB, s *Server, arguments ...any) string {
	t.Helper()
	return redisDo(t, s.Addr, arguments...)
}
