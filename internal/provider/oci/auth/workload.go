package auth

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"time"
)

// What OKE workload identity finds in a pod, where no variable says otherwise.
const (
	DefaultServiceAccountToken = "/var/run/secrets/kubernetes.io/serviceaccount/token" //nolint:gosec // a path
	DefaultServiceAccountCA    = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"
	// DefaultProxymuxPort is the port, beside the API server, of the endpoint that
	// trades service account tokens.
	DefaultProxymuxPort = "12250"
)

const (
	adviceEnhanced = "workload identity needs an enhanced cluster: check the cluster's type"
	adviceAccount  = "the service account's token was refused: check that it is mounted from the cluster that the process runs in, and that the clock is right"
	adviceReach    = "let the pod out to port 12250 of the API server (network policy), and check that the CA file is the cluster's"
	adviceMount    = "mount a service account: serviceAccountName and automountServiceAccountToken: true"
)

// WorkloadIdentity is the source of a pod on an enhanced OKE cluster: its service
// account's token is traded for one of OCI's. Nothing that signs is on any disk.
func WorkloadIdentity(getenv func(string) string, way Way) (Source, error) {
	host := strings.TrimSpace(getenv(variableKubernetes))
	if host == "" {
		return nil, errors.New("oci: OKE workload identity: " + variableKubernetes + " is not set; Kubernetes sets it in every pod")
	}
	or := func(variable, standard string) string {
		if value := strings.TrimSpace(getenv(variable)); value != "" {
			return value
		}
		return standard
	}
	return &workload{
		endpoint: "https://" + net.JoinHostPort(strings.Trim(host, "[]"), or(variableProxymuxPort, DefaultProxymuxPort)) + "/resourcePrincipalSessionTokens",
		account:  location{name: "the service account's token", value: or(variableAccountToken, DefaultServiceAccountToken), file: true},
		ca:       location{name: "the cluster's CA", value: or(variableAccountCA, DefaultServiceAccountCA), file: true},
		region:   CanonicalRegion(getenv(variableResourceRegion)), way: way,
	}, nil
}

type workload struct {
	endpoint    string
	account, ca location // read anew each time: both are rotated
	region      string
	way         Way
}

var _ Source = (*workload)(nil)

// Issue makes a key and has a token bound to it.
func (w *workload) Issue(ctx context.Context) (Issued, error) {
	account, roots, err := w.read()
	if err != nil {
		return Issued{}, w.unread(err)
	}
	session, err := newSessionKey()
	if err != nil {
		return Issued{}, err
	}
	token, err := w.trade(ctx, account, roots, session)
	if err != nil {
		return Issued{}, &AcquireError{Doing: "ask " + hostOf(w.endpoint) + " for a token of this workload", Remedy: workloadRemedy(err), Err: err}
	}
	return session.issued(token, w.region), nil
}

func (w *workload) read() (account string, roots *x509.CertPool, err error) {
	if account, err = w.account.read(); err != nil {
		return "", nil, err
	}
	account = strings.TrimSpace(account)
	token, err := ParseToken(account)
	if err != nil {
		return "", nil, fmt.Errorf("%s, the file %s: %w", w.account.name, w.account.value, err)
	}
	if !time.Now().Before(token.Expiry) {
		return "", nil, fmt.Errorf("%s, the file %s: it expired at %s", w.account.name, w.account.value, token.Expiry.UTC().Format(time.RFC3339))
	}
	text, err := w.ca.read()
	if err != nil {
		return "", nil, err
	}
	certificates, err := parseCertificates([]byte(text))
	if err != nil {
		return "", nil, fmt.Errorf("%s, the file %s: %w", w.ca.name, w.ca.value, err)
	}
	roots = x509.NewCertPool()
	for _, c := range certificates {
		roots.AddCert(c)
	}
	return account, roots, nil
}

func (w *workload) trade(ctx context.Context, account string, roots *x509.CertPool, session sessionKey) (Token, error) {
	body, err := json.Marshal(map[string]string{"podKey": session.pem()})
	if err != nil {
		return Token{}, err
	}
	req, err := newRequest(ctx, http.MethodPost, w.endpoint, body)
	if err != nil {
		return Token{}, err
	}
	req.Header.Set("Authorization", "Bearer "+account)
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	req.Header.Set("Opc-Request-Id", strings.ToUpper(hex.EncodeToString(id[:])))
	direct := w.way.direct(roots)
	defer closeIdle(direct)
	r, err := roundTrip(direct, req)
	if err != nil {
		return Token{}, err
	}
	return parseWorkloadReply(r.body)
}

// parseWorkloadReply reads a JSON string that holds the base64 of {"token": "ST$..."}.
func parseWorkloadReply(body []byte) (Token, error) {
	var encoded string
	if err := json.Unmarshal(body, &encoded); err != nil {
		return Token{}, errors.New("the answer is no JSON string")
	}
	inner, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return Token{}, errors.New("the answer is no base64 in a JSON string")
	}
	return parseTokenReply(inner)
}

// workloadRemedy tells the refusals of the endpoint from not reaching it.
func workloadRemedy(err error) string {
	switch status := statusOf(err); {
	case status == http.StatusForbidden:
		return adviceEnhanced
	case status == http.StatusUnauthorized:
		return adviceAccount
	case status != 0:
		return ""
	}
	return adviceReach
}

func (w *workload) preflight() error {
	_, _, err := w.read()
	return w.unread(err)
}

// unread is the error of a service account that cannot be read; nil for nil.
func (w *workload) unread(err error) error {
	if err == nil {
		return nil
	}
	remedy := ""
	if errors.Is(err, fs.ErrNotExist) {
		remedy = adviceMount
	}
	return &AcquireError{Doing: "read the service account of this pod", Remedy: remedy, Err: err}
}
