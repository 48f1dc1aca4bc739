package ocisim

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"

	"tollgate/internal/ocisim/identity"
)

// ClusterHandler is the endpoint of an OKE cluster that gives pods their tokens: port 12250 of the API server's address.
// Clients reach it by TLS only, see ClusterTLS.
func (i *Identity) ClusterHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /resourcePrincipalSessionTokens", i.s.serve(operation{opWorkload, open, (*exchange).exchangeServiceAccount}))
	return mux
}

// ClusterTLS makes the certificate of the cluster's endpoint, signed by the cluster's authority: for the names of an API
// server inside a cluster, for loopback addresses, and for further names and addresses.
func (i *Identity) ClusterTLS(names ...string) (*tls.Config, error) {
	cert, err := i.cluster.ServerCertificate(names)
	if err != nil {
		return nil, err
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, nil
}

// exchangeServiceAccount gives a pod the token of its workload for the token of its service account. The reply is a JSON
// text with the base64 of an object, which is what Oracle's SDKs take apart.
func (x *exchange) exchangeServiceAccount() error {
	scheme, token, _ := strings.Cut(x.r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return x.refuse(errors.New("there is no bearer token"))
	}
	i := x.s.identity
	who, err := i.cluster.Workload(strings.TrimSpace(token), x.s.clock())
	if err != nil {
		return x.refuse(err)
	}
	o := i.Options()
	if o.BasicCluster {
		x.failure = "the cluster is not enhanced"
		return &serviceError{status: http.StatusForbidden, code: "NotAllowed", message: "Workload identity needs an enhanced cluster."}
	}
	var body struct {
		PodKey string `json:"podKey"`
	}
	if err := x.readJSON(&body); err != nil {
		return err
	}
	pod, err := identity.SessionKey(body.PodKey)
	if err != nil {
		return badParameter("podKey: %s", err)
	}
	granted, err := i.grant(who, pod, o.TokenLife, "")
	if err != nil {
		return err
	}
	inner, err := encode(tokenReply{tokenPrefix + granted})
	if err != nil {
		return err
	}
	return x.reply(base64.StdEncoding.EncodeToString(inner))
}
