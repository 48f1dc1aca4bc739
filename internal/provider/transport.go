package provider

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
)

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
