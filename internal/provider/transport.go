package provider

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

const (
	// drainTime is how long CloseStream waits for the connection's own end behind the end mark, so that the connection
	// goes back to the pool. The two nearly always come in one packet.
	drainTime = 100 * time.Millisecond
	// maxDrain bounds what is read behind the end mark, in bytes.
	maxDrain = 16 << 10
)

// CloseStream releases the body of a stream, whose call cancel ends. When the end mark has come (ended) it waits a
// moment for the end of the body, so that the connection can be used again; before it, the call is cancelled at once.
func CloseStream(body io.ReadCloser, cancel context.CancelFunc, ended bool) error {
	defer cancel()
	if ended {
		guard := time.AfterFunc(drainTime, cancel)
		_, _ = io.CopyN(io.Discard, body, maxDrain) // an error costs no more than the connection
		guard.Stop()
	} else {
		cancel()
	}
	return body.Close()
}

// ErrorFromTransport sorts a call that got no answer, or lost it on the way. Where no connection came about the
// upstream cannot have worked, and the call is NotBilled; else nobody knows.
func ErrorFromTransport(providerName string, err error) *UpstreamError {
	e := &UpstreamError{Provider: providerName, Cause: err, Billed: MaybeBilled}
	if neverSent(err) {
		e.Billed = NotBilled
	}
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		e.Reason, e.Status, e.Message = Timeout, http.StatusRequestTimeout, "The upstream did not answer in time."
		return e
	}
	e.Reason, e.Status, e.Message = Connection, http.StatusInternalServerError, "Connection error: the upstream could not be reached or broke off."
	return e
}

// neverSent reports whether err shows that no connection came about.
func neverSent(err error) bool {
	var (
		op     *net.OpError
		dns    *net.DNSError
		cert   *tls.CertificateVerificationError
		record tls.RecordHeaderError
	)
	if errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect") {
		return true
	}
	return errors.As(err, &dns) || errors.As(err, &cert) || errors.As(err, &record)
}

// ClosedWhileIdle reports whether the upstream had closed the pooled connection before the request was put on it.
// net/http sets this error only where its reader met the end of the connection while no answer was awaited, so
// nothing of the request can have been worked on and it may be sent again. net/http keeps the value to itself; the
// text is all there is.
func ClosedWhileIdle(err error) bool {
	return err != nil && err.Error() == "http: server closed idle connection"
}
