package otel

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"

	"tollgate/internal/callback"
	"tollgate/internal/callback/otlp"
)

// wires are the ways to the backend while a callback is opened: signals to the same address share a connection of gRPC.
type wires struct {
	spec    *callback.Spec
	dialled map[string]*line
}

// line is one connection of gRPC.
type line struct{ conn *grpc.ClientConn }

// hangUp closes what was dialled for a callback that could not be opened.
func (w *wires) hangUp() {
	for _, l := range w.dialled {
		_ = l.conn.Close()
	}
}

// way is how one signal is sent.
type way struct {
	endpoint otlp.Endpoint
	grpc     bool
	tls      *tls.Config // as the variables want it
	own      bool        // the certificates are others than the gateway's
}

// protocols are the words that LiteLLM and OpenTelemetry have for how it is sent; true = by gRPC.
var protocols = map[string]bool{
	"http/protobuf": false, "otlp_http": false, "http": false, "grpc": true, "otlp_grpc": true,
}

// way reads how a signal is sent. Faults go to the settings.
func (w *wires) way(signal otlp.Signal) (way, bool) {
	m := w.spec.Settings
	name := strings.ToUpper(string(signal))
	word := variable(m, "exporter", name, "PROTOCOL", "OTEL_EXPORTER")
	address := m.Getenv("OTEL_EXPORTER_OTLP_" + name + "_ENDPOINT")
	own := address != ""
	if !own {
		address = m.Text("endpoint", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_ENDPOINT")
	}
	if word == "" || word == "console" && address != "" { // LiteLLM's default, which an endpoint overrules
		word = "http/protobuf"
	}
	byGRPC, known := protocols[word]
	switch {
	case word == "http/json":
		m.Fault("exporter", "http/json is not served; every backend that takes it takes http/protobuf at the same address: use that")
		return way{}, false
	case word == "console" || word == "in_memory":
		m.Fault("exporter", "%s is not served; the log has a line for each call, and a Collector with the debug exporter shows traces: give its endpoint", word)
		return way{}, false
	case !known:
		m.Fault("exporter", "must be http/protobuf or grpc")
		return way{}, false
	case address == "":
		m.Fault("endpoint", "is missing; give it here or in the environment variable OTEL_EXPORTER_OTLP_ENDPOINT, such as http://localhost:4318, or http://localhost:4317 with exporter: grpc")
		return way{}, false
	}
	v := way{grpc: byGRPC, endpoint: otlp.Endpoint{
		Signal: signal, Header: header(m, name), Gzip: variable(m, "compression", name, "COMPRESSION") == "gzip", Timeout: w.timeout(name), Log: w.spec.Log,
	}}
	v.endpoint.Header.Set("User-Agent", "tollgate/"+w.spec.Version)
	v.endpoint.URL = w.address(address, name, own, byGRPC)
	v.tls, v.own = w.tls(name)
	return v, m.Err() == nil
}

// timeout is how long one request may take. The variables have milliseconds.
func (w *wires) timeout(signal string) time.Duration {
	m := w.spec.Settings
	if text := m.Getenv("OTEL_EXPORTER_OTLP_" + signal + "_TIMEOUT"); text != "" && !m.Has("timeout") {
		if ms, err := strconv.Atoi(text); err == nil && ms > 0 {
			return time.Duration(ms) * time.Millisecond
		}
	}
	if text := m.Getenv("OTEL_EXPORTER_OTLP_TIMEOUT"); text != "" && !m.Has("timeout") {
		if ms, err := strconv.Atoi(text); err == nil && ms > 0 {
			return time.Duration(ms) * time.Millisecond
		}
	}
	return m.Seconds("timeout", callback.Timeout)
}

// address is where a signal is sent: of HTTP, the path of the signal is appended to what is given for all of them.
func (w *wires) address(given, signal string, own, byGRPC bool) string {
	m := w.spec.Settings
	if !strings.Contains(given, "://") {
		scheme := "https://"
		if !byGRPC || m.Flag("insecure", false, "OTEL_EXPORTER_OTLP_"+signal+"_INSECURE", "OTEL_EXPORTER_OTLP_INSECURE") {
			scheme = "http://"
		}
		given = scheme + given
	}
	u, err := url.Parse(given)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		m.Fault("endpoint", "must be an http or https URL")
		return ""
	}
	if byGRPC || own {
		return given
	}
	for _, other := range [...]string{"traces", "metrics", "logs"} { // LiteLLM takes the address of the traces, too
		u.Path = strings.TrimSuffix(strings.TrimSuffix(u.Path, "/"), "/v1/"+other)
	}
	u.Path = path.Join("/", u.Path, "v1", strings.ToLower(signal))
	return u.String()
}

// tls reads the certificates of a signal.
func (w *wires) tls(signal string) (config *tls.Config, own bool) {
	config = &tls.Config{MinVersion: tls.VersionTLS12}
	if t, ok := w.spec.Client.Transport.(*http.Transport); ok && t.TLSClientConfig != nil {
		config = t.TLSClientConfig.Clone() // with the certificates that the gateway trusts
	}
	m := w.spec.Settings
	read := func(name string) string {
		return cmp.Or(m.Getenv("OTEL_EXPORTER_OTLP_"+signal+"_"+name), m.Getenv("OTEL_EXPORTER_OTLP_"+name))
	}
	if file := read("CERTIFICATE"); file != "" {
		pem, err := os.ReadFile(file) //nolint:gosec // the operator names it
		pool := x509.NewCertPool()
		if err != nil || !pool.AppendCertsFromPEM(pem) {
			m.Fault("endpoint", "OTEL_EXPORTER_OTLP_CERTIFICATE names no file of certificates")
			return config, false
		}
		config.RootCAs, own = pool, true
	}
	cert, key := read("CLIENT_CERTIFICATE"), read("CLIENT_KEY")
	if cert == "" && key == "" {
		return config, own
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		m.Fault("endpoint", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and _CLIENT_KEY do not make a pair")
		return config, false
	}
	config.Certificates = []tls.Certificate{pair}
	return config, true
}

// client is the gateway's, or one with the backend's own certificates.
func (w *wires) client(v *way) *http.Client {
	t, ok := w.spec.Client.Transport.(*http.Transport)
	if !v.own || !ok {
		return w.spec.Client
	}
	t = t.Clone()
	t.TLSClientConfig = v.tls
	client := *w.spec.Client
	client.Transport = t
	return &client
}

// conn is the connection to an address.
func (w *wires) conn(v *way) *grpc.ClientConn {
	if l := w.dialled[v.endpoint.URL]; l != nil {
		return l.conn
	}
	secure := v.tls
	if strings.HasPrefix(v.endpoint.URL, "http://") {
		secure = nil
	}
	conn, err := otlp.Dial(v.endpoint.URL, secure)
	if err != nil {
		w.spec.Settings.Fault("endpoint", "%v", err)
		return nil
	}
	w.dialled[v.endpoint.URL] = &line{conn}
	return conn
}

// sender is the way of a signal and the longest request that it takes; nil where it is not told.
func (w *wires) sender(signal otlp.Signal) (sender otlp.Sender, longest int) {
	v, ok := w.way(signal)
	if !ok {
		return nil, 0
	}
	if !v.grpc {
		return otlp.NewHTTP(v.endpoint, w.client(&v)), longestHTTP
	}
	conn := w.conn(&v)
	if conn == nil {
		return nil, 0
	}
	return otlp.NewGRPC(v.endpoint, conn), longestGRPC
}
