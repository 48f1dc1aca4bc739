//go:build kubernetes

package kubernetes_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/url"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"tollgate/internal/testkit"
)

// What is outside of the cluster, at addresses that inside.sh makes.
const (
	dnsAddress      = "192.168.213.10"
	ociAddress      = "192.168.213.20"
	databaseAddress = "192.168.213.21"
	ociHost         = "inference.generativeai.us-chicago-1.oci.oraclecloud.com"
	clusterOCID     = "ocid1.cluster.oc1.us-chicago-1.aaaaaaaatest"
)

// outside is the world around the cluster: DNS, a PostgreSQL, and OCI, which the simulator plays.
type outside struct {
	oci map[string]string // the API key's variables, as `tollgate sim` prints them
}

func startOutside(t testing.TB, n *node, binary string) *outside {
	t.Helper()
	o := &outside{oci: map[string]string{}}
	// All databases of testkit.Postgres are on one server.
	local, err := url.Parse(testkit.Postgres(t))
	check(t, err)
	forward(t, listen(t, databaseAddress+":5432"), local.Host)

	token := n.ca.server(t, "proxymux", "kubernetes", "kubernetes.default.svc", apiService)
	o.startSimulator(t, n, binary,
		"--port=4499", "--dir="+n.path("sim"), "--cluster="+clusterOCID, "--oke-address="+apiService+":12250",
		"--oke-tls-cert="+token.cert, "--oke-tls-key="+token.key, "--oke-issuer-keys="+n.tokenKey.cert)
	serving := n.ca.server(t, "oci", ociHost)
	certificate, err := tls.LoadX509KeyPair(serving.cert, serving.key)
	check(t, err)
	forward(t, tls.NewListener(listen(t, ociAddress+":443"), &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}), "127.0.0.1:4499")
	o.serveNames(t, n)
	return o
}

// startSimulator starts the simulator and reads the variables that it prints.
func (o *outside) startSimulator(t testing.TB, n *node, binary string, args ...string) {
	t.Helper()
	cmd := exec.Command(binary, append([]string{"sim"}, args...)...)
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	n.running = append(n.running, cmd)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		line, ok := strings.CutPrefix(lines.Text(), "export ")
		if !ok {
			continue
		}
		name, value, _ := strings.Cut(line, "=")
		o.oci[name] = value
		if name == "OCI_ENDPOINT" { // the last one
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return
		}
	}
	t.Fatalf("the simulator did not start: %v", errors.Join(lines.Err(), cmd.Wait()))
}

func listen(t testing.TB, address string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	check(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// forward hands every connection on to the address.
func forward(t testing.TB, l net.Listener, address string) {
	t.Helper()
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer in.Close()
				out, err := net.Dial("tcp", address)
				if err != nil {
					return
				}
				defer out.Close()
				go func() { _, _ = io.Copy(out, in); _ = out.(*net.TCPConn).CloseWrite() }()
				_, _ = io.Copy(in, out)
			}()
		}
	}()
}

// serveNames answers for OCI's host, and for Services by asking the API server. It plays the cluster's DNS.
func (o *outside) serveNames(t testing.TB, n *node) {
	t.Helper()
	conn, err := net.ListenPacket("udp", dnsAddress+":53")
	check(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		buffer := make([]byte, 1500)
		for {
			size, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			if reply := answer(n, buffer[:size]); reply != nil {
				_, _ = conn.WriteTo(reply, from)
			}
		}
	}()
}

// answer is the reply to a DNS question; nil when it is none.
func answer(n *node, question []byte) []byte {
	var message dnsmessage.Message
	if err := message.Unpack(question); err != nil || len(message.Questions) != 1 {
		return nil
	}
	q := message.Questions[0]
	message.Response, message.Authoritative, message.RecursionAvailable, message.Additionals = true, true, true, nil
	address := resolve(n, strings.TrimSuffix(q.Name.String(), "."))
	switch {
	case address == nil:
		message.RCode = dnsmessage.RCodeNameError
	case q.Type == dnsmessage.TypeA:
		message.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET, TTL: 1},
			Body:   &dnsmessage.AResource{A: [4]byte(address)},
		}}
	}
	reply, err := message.Pack()
	if err != nil {
		return nil
	}
	return reply
}

// resolve finds the address of a name, nil when there is none.
func resolve(n *node, name string) net.IP {
	if name == ociHost {
		return net.ParseIP(ociAddress).To4()
	}
	service, ok := strings.CutSuffix(name, ".svc.cluster.local")
	parts := strings.Split(service, ".")
	if !ok || len(parts) != 2 {
		return nil
	}
	out, err := n.try(context.Background(), "kubectl", "--namespace="+parts[1], "get", "service", parts[0], "--output=jsonpath={.spec.clusterIP}")
	if err != nil {
		return nil
	}
	return net.ParseIP(out).To4()
}
