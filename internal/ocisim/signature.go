package ocisim

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"tollgate/internal/ocisim/identity"
)

// maxSkew is how far a request's date may be from the service's clock, either way.
const maxSkew = 300 * time.Second

// errLength marks a content-length that does not fit the body, which a variant answers with 400.
var errLength = errors.New("content-length does not match the body")

// authorization is a parsed header of the scheme Signature, version 1.
type authorization struct {
	keyID     string
	algorithm string
	version   string
	headers   []string // names to sign, in order, lower case
	signature []byte
}

// parseAuthorization reads `Signature key="value",...`; the order of the parameters is free.
func parseAuthorization(header string) (authorization, error) {
	scheme, rest, _ := strings.Cut(strings.TrimSpace(header), " ")
	if !strings.EqualFold(scheme, "Signature") {
		return authorization{}, errors.New("the scheme is not Signature")
	}
	params, err := parseParams(rest)
	if err != nil {
		return authorization{}, err
	}
	a := authorization{keyID: params["keyid"], algorithm: params["algorithm"], version: params["version"]}
	a.headers = strings.Fields(strings.ToLower(params["headers"]))
	if a.signature, err = base64.StdEncoding.DecodeString(params["signature"]); err != nil {
		return authorization{}, errors.New("the signature is not base64")
	}
	switch {
	case a.keyID == "" || len(a.headers) == 0 || len(a.signature) == 0:
		return authorization{}, errors.New("keyId, headers or signature is missing")
	case a.version != "1":
		return authorization{}, errors.New("the version is not 1")
	case !strings.EqualFold(a.algorithm, "rsa-sha256"):
		return authorization{}, errors.New("the algorithm is not rsa-sha256")
	}
	return a, nil
}

// parseParams reads key="value" pairs that commas separate; names come back in lower case.
func parseParams(text string) (map[string]string, error) {
	params := make(map[string]string)
	for rest := strings.TrimSpace(text); rest != ""; {
		name, after, ok := strings.Cut(rest, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		if after = strings.TrimLeft(after, " "); !ok || name == "" || !strings.HasPrefix(after, `"`) {
			return nil, errors.New(`a parameter is not of the form name="value"`)
		}
		value, tail, ok := strings.Cut(after[1:], `"`)
		if !ok {
			return nil, errors.New("a quote is not closed")
		}
		if _, twice := params[name]; twice {
			return nil, fmt.Errorf("parameter %s comes twice", name)
		}
		params[name] = value
		if rest = strings.TrimSpace(tail); rest == "" {
			break
		}
		if !strings.HasPrefix(rest, ",") {
			return nil, errors.New("parameters are not separated by commas")
		}
		rest = strings.TrimSpace(rest[1:])
	}
	return params, nil
}

// requiredHeaders is what a signature must cover: more for the methods that carry a body.
func requiredHeaders(method string) []string {
	names := []string{"date", "(request-target)", "host"}
	switch method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		names = append(names, "content-length", "content-type", "x-content-sha256")
	}
	return names
}

// verify checks the request's signature and returns the keyId that made it, with the principal behind it. Whatever is
// wrong, the service answers 401; the error says what for the log.
func (k *keyring) verify(r *http.Request, body []byte, now time.Time) (string, identity.Principal, error) {
	var who identity.Principal
	keyID, err := verifySignature(r, body, now, requiredHeaders(r.Method), func(id string) (*rsa.PublicKey, error) {
		s, err := k.signer(id, now)
		who = s.who
		return s.public, err
	})
	return keyID, who, err
}

// verifySignature checks that the signature covers the needed headers and verifies with the key that lookup finds for
// its keyId, which it returns.
func verifySignature(r *http.Request, body []byte, now time.Time, needed []string, lookup func(keyID string) (*rsa.PublicKey, error)) (string, error) {
	a, err := parseAuthorization(r.Header.Get("Authorization"))
	if err != nil {
		return "", err
	}
	for _, name := range needed {
		if !slices.Contains(a.headers, name) && (name != "date" || !slices.Contains(a.headers, "x-date")) {
			return "", fmt.Errorf("the signature does not cover %s", name)
		}
	}
	if err := checkDate(r, a.headers, now); err != nil {
		return "", err
	}
	if slices.Contains(needed, "x-content-sha256") {
		if err := checkBody(r, body); err != nil {
			return "", err
		}
	}
	public, err := lookup(a.keyID)
	if err != nil {
		return "", err
	}
	digest := sha256.Sum256([]byte(signingString(r, a.headers)))
	if err := rsa.VerifyPKCS1v15(public, crypto.SHA256, digest[:], a.signature); err != nil {
		return "", errors.New("the signature does not verify")
	}
	return a.keyID, nil
}

// checkDate compares the signed date, or x-date where a client cannot set Date, with the clock.
func checkDate(r *http.Request, signed []string, now time.Time) error {
	name := "date"
	if slices.Contains(signed, "x-date") {
		name = "x-date"
	}
	at, err := http.ParseTime(r.Header.Get(name))
	if err != nil {
		return fmt.Errorf("the %s header is not a date", name)
	}
	if skew := now.Sub(at); skew > maxSkew || skew < -maxSkew {
		return fmt.Errorf("the %s is %s away from the clock", name, skew.Round(time.Second))
	}
	return nil
}

func checkBody(r *http.Request, body []byte) error {
	sum := sha256.Sum256(body)
	if r.Header.Get("X-Content-Sha256") != base64.StdEncoding.EncodeToString(sum[:]) {
		return errors.New("x-content-sha256 does not match the body")
	}
	if contentLength(r) != strconv.Itoa(len(body)) {
		return errLength
	}
	return nil
}

// signingString rebuilds what the client signed, in the client's order and from the raw request target: to encode the
// query anew would change it.
func signingString(r *http.Request, names []string) string {
	lines := make([]string, len(names))
	for i, name := range names {
		lines[i] = name + ": " + signedValue(r, name)
	}
	return strings.Join(lines, "\n")
}

func signedValue(r *http.Request, name string) string {
	switch name {
	case "(request-target)":
		return strings.ToLower(r.Method) + " " + r.RequestURI
	case "host":
		return r.Host
	case "content-length":
		return contentLength(r)
	}
	return strings.Join(r.Header.Values(name), ", ")
}

// contentLength is the declared length. net/http keeps the header of a client that sent one; of an HTTP/2 client that
// sent none the length of the body is all there is.
func contentLength(r *http.Request) string {
	if v := r.Header.Get("Content-Length"); v != "" {
		return v
	}
	if r.ContentLength >= 0 {
		return strconv.FormatInt(r.ContentLength, 10)
	}
	return ""
}
