package ocisim

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"
)

// NoCluster is the address of a cluster's endpoint that is not served.
const NoCluster = "none"

// ListenOptions say where a simulator is served.
type ListenOptions struct {
	// Address is that of everything but the cluster's endpoint. Empty means a free port of 127.0.0.1.
	Address string
	// ClusterAddress is that of the cluster's endpoint; Oracle's SDKs know port 12250 only, so it needs an address of
	// its own for two on one machine, such as 127.0.0.2:12250. Empty means a free port of 127.0.0.1.
	ClusterAddress string
	// ClusterNames are further names and addresses in the certificate of that endpoint.
	ClusterNames []string
	// ClusterTLS replaces the certificate that the simulated cluster's authority makes.
	ClusterTLS *tls.Config
	// Dir is where the files of principals are written: resource/, session/ and serviceaccount/. Empty writes none.
	Dir string
	// Namespace and ServiceAccount are those of the service account token in Dir; tollgate and gateway when empty.
	Namespace, ServiceAccount string
}

// Listening is a simulator that is being served. Close it.
type Listening struct {
	*Server
	// URL is that of everything but the cluster's endpoint, without a slash at its end.
	URL string
	// ClusterAddress is host and port of the cluster's endpoint, empty when there is none.
	ClusterAddress string
	// Dir holds the files of principals, empty when none were asked for.
	Dir string

	servers []*http.Server
	serving sync.WaitGroup
	failed  chan error
}

// Listen builds a simulator and serves it until Close.
func Listen(o Options, l ListenOptions) (*Listening, error) {
	s, err := New(o)
	if err != nil {
		return nil, err
	}
	return s.Listen(l)
}

// Listen serves the simulator until Close.
func (s *Server) Listen(l ListenOptions) (_ *Listening, err error) {
	up := &Listening{Server: s, failed: make(chan error, 2)}
	defer func() {
		if err != nil {
			up.Close()
		}
	}()
	if l.Dir != "" {
		// Oracle's SDKs take a path that is not absolute for the thing itself.
		if up.Dir, err = filepath.Abs(l.Dir); err != nil {
			return nil, fmt.Errorf("ocisim: %w", err)
		}
		if err := up.writePrincipals(l); err != nil {
			return nil, err
		}
	}
	address, err := up.serve(orFree(l.Address), s.Handler(), nil)
	if err != nil {
		return nil, err
	}
	up.URL = "http://" + address
	if l.ClusterAddress == NoCluster {
		return up, nil
	}
	config := l.ClusterTLS
	if config == nil {
		host, _, _ := net.SplitHostPort(l.ClusterAddress)
		if config, err = s.identity.ClusterTLS(append([]string{host}, l.ClusterNames...)...); err != nil {
			return nil, err
		}
	}
	up.ClusterAddress, err = up.serve(orFree(l.ClusterAddress), s.identity.ClusterHandler(), config)
	return up, err
}

func orFree(address string) string {
	if address == "" {
		return "127.0.0.1:0"
	}
	return address
}

// serve listens and returns the address.
func (l *Listening) serve(address string, handler http.Handler, config *tls.Config) (string, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return "", fmt.Errorf("ocisim: %w", err)
	}
	address = listener.Addr().String()
	if config != nil {
		listener = tls.NewListener(listener, config)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 30 * time.Second, ErrorLog: slog.NewLogLogger(l.log.Handler(), slog.LevelDebug)}
	l.servers = append(l.servers, server)
	l.serving.Go(func() { l.failed <- server.Serve(listener) })
	return address, nil
}

// Failed gets an error for each listener that ends: http.ErrServerClosed after Close.
func (l *Listening) Failed() <-chan error { return l.failed }

// Close ends every connection and waits for the listeners.
func (l *Listening) Close() {
	for _, server := range l.servers {
		_ = server.Close() // closing a listener twice does no harm
	}
	l.serving.Wait()
}

// writePrincipals writes the files of every principal that has some.
func (l *Listening) writePrincipals(o ListenOptions) error {
	namespace, account := o.Namespace, o.ServiceAccount
	if namespace == "" {
		namespace = "tollgate"
	}
	if account == "" {
		account = "gateway"
	}
	return errors.Join(
		l.identity.WriteResource(filepath.Join(l.Dir, "resource")),
		l.identity.WriteSession(filepath.Join(l.Dir, "session")),
		l.identity.WriteServiceAccount(filepath.Join(l.Dir, "serviceaccount"), namespace, account),
	)
}
