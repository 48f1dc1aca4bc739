package auth_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

var authorizationParam = regexp.MustCompile(`(\w+)="([^"]*)"`)

// verify is the service's side, written from the published description and not
// from our signer: it checks a request as it arrived at a server and returns the
// names of the signed headers.
func verify(r *http.Request, keys map[string]*rsa.PublicKey, now time.Time) ([]string, error) {
	params := make(map[string]string)
	rest, found := strings.CutPrefix(r.Header.Get("Authorization"), "Signature ")
	if !found {
		return nil, errors.New("no Signature")
	}
	for _, m := range authorizationParam.FindAllStringSubmatch(rest, -1) {
		params[m[1]] = m[2]
	}
	if params["version"] != "1" || params["algorithm"] != "rsa-sha256" {
		return nil, fmt.Errorf("version or algorithm: %v", params)
	}
	key := keys[params["keyId"]]
	if key == nil {
		return nil, fmt.Errorf("unknown key id %q", params["keyId"])
	}

	signed := strings.Split(params["headers"], " ")
	required := []string{"date", "(request-target)", "host"}
	if slices.Contains([]string{"POST", "PUT", "PATCH"}, r.Method) {
		required = append(required, "content-length", "content-type", "x-content-sha256")
	}
	for _, name := range required {
		if !slices.Contains(signed, name) {
			return nil, fmt.Errorf("%s is not signed", name)
		}
	}
	date, err := http.ParseTime(r.Header.Get("Date"))
	if err != nil {
		return nil, err
	}
	if skew := now.Sub(date).Abs(); skew > 5*time.Minute {
		return nil, fmt.Errorf("skew of %v", skew)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	if slices.Contains(signed, "content-length") && r.ContentLength != int64(len(body)) {
		return nil, fmt.Errorf("content-length was not sent: %d for %d bytes", r.ContentLength, len(body))
	}
	sum := sha256.Sum256(body)
	if slices.Contains(signed, "x-content-sha256") && r.Header.Get("X-Content-Sha256") != base64.StdEncoding.EncodeToString(sum[:]) {
		return nil, errors.New("body does not match x-content-sha256")
	}

	var lines []string
	for _, name := range signed {
		var value string
		switch name {
		case "(request-target)":
			value = strings.ToLower(r.Method) + " " + r.RequestURI
		case "host":
			value = r.Host
		case "content-length":
			value = strconv.Itoa(len(body))
		default:
			value = strings.Join(r.Header.Values(name), ", ")
		}
		lines = append(lines, name+": "+value)
	}
	digest := sha256.Sum256([]byte(strings.Join(lines, "\n")))
	signature, err := base64.StdEncoding.DecodeString(params["signature"])
	if err != nil {
		return nil, err
	}
	return signed, rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature)
}
