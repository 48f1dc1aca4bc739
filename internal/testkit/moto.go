//go:build unix

package testkit

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

// Moto starts an empty moto, which plays S3 and verifies signatures (test/setup/moto.sh installs
// it). It forgets everything when it stops.
func Moto(t testing.TB) *S3 {
	t.Helper()
	program := cached(t, "python/test-integrations-moto/bin/moto_server", "test/setup/moto.sh")
	s := &S3{Region: "us-east-1"}
	s.Server = startAt(t, launch{name: "moto", trusted: true, command: func(_ string, port int) ([]string, error) {
		return []string{program, "-H", "127.0.0.1", "-p", strconv.Itoa(port)}, nil
	}, ready: func(addr string) error { return answersWith(addr, http.StatusOK) }})
	s.URL = "http://" + s.Addr
	motoCall(t, s.URL+"/", url.Values{"Action": {"CreateUser"}, "UserName": {"test"}})
	motoCall(t, s.URL+"/", url.Values{"Action": {"PutUserPolicy"}, "UserName": {"test"}, "PolicyName": {"all"}, "PolicyDocument": {
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`}})
	var made struct {
		ID     string `xml:"CreateAccessKeyResult>AccessKey>AccessKeyId"`
		Secret string `xml:"CreateAccessKeyResult>AccessKey>SecretAccessKey"`
	}
	if err := xml.Unmarshal(motoCall(t, s.URL+"/", url.Values{"Action": {"CreateAccessKey"}, "UserName": {"test"}}), &made); err != nil {
		t.Fatal(err)
	}
	s.AccessKey, s.SecretKey = made.ID, made.Secret
	motoCall(t, s.URL+"/moto-api/reset-auth", nil) // from now on signatures and policies are checked
	return s
}

// motoCall calls moto's own IAM, which finds the service by the name in the signature and does not check it yet, or with
// no form the switch that makes it check.
func motoCall(t testing.TB, address string, form url.Values) []byte {
	t.Helper()
	body, kind := form.Encode(), "application/x-www-form-urlencoded"
	if form == nil {
		body, kind = "0", "text/plain"
	}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", kind)
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/iam/aws4_request, SignedHeaders=host, Signature=x")
	resp, err := (&http.Client{}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("HTTP %d: %s", resp.StatusCode, text)
	}
	if err != nil {
		t.Fatal(err)
	}
	return text
}
