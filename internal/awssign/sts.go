package awssign

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"tollgate/internal/secret"
)

// maxReply bounds what is read of STS and of a metadata service, in bytes.
const maxReply = 64 << 10

// role is a role that is taken on by STS: with keys that sign the call, or with a token that is the call's proof itself.
type role struct {
	o                      *Options
	arn, session, external string
	region                 string
	base                   source
	identity               string // a token, or the file of one; "" = base signs
}

func (r *role) source() (source, error) {
	if !strings.HasPrefix(r.arn, "arn:") {
		return nil, fmt.Errorf("aws: %q is no ARN of a role", r.arn)
	}
	region := cmp.Or(r.region, "us-east-1")
	endpoint := cmp.Or(r.o.STS, r.o.Getenv("AWS_ENDPOINT_URL_STS"), "https://sts."+region+"."+domain(region))
	if err := checkEndpoint("STS endpoint", endpoint); err != nil {
		return nil, err
	}
	if r.identity != "" {
		return func(ctx context.Context) (credentials, error) {
			token, err := webIdentity(r.identity)
			if err != nil {
				return credentials{}, err
			}
			form := url.Values{"Action": {"AssumeRoleWithWebIdentity"}, "WebIdentityToken": {token}}
			return r.call(ctx, endpoint, form, nil)
		}, nil
	}
	signer := &Signer{source: r.base, region: region, now: r.o.Now, v4: newV4()}
	return func(ctx context.Context) (credentials, error) {
		return r.call(ctx, endpoint, url.Values{"Action": {"AssumeRole"}}, signer)
	}, nil
}

// domain is where the services of a region are.
func domain(region string) string {
	if strings.HasPrefix(region, "cn-") {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}

// webIdentity is the token itself, or what is in its file now: the cluster renews it there.
func webIdentity(tokenOrFile string) (string, error) {
	if strings.Count(tokenOrFile, ".") == 2 && !strings.ContainsAny(tokenOrFile, "/\\ ") {
		return tokenOrFile, nil // a JSON web token
	}
	text, err := os.ReadFile(tokenOrFile)
	if err != nil {
		return "", fmt.Errorf("aws: web identity token: %w", withoutPath(err))
	}
	return strings.TrimSpace(string(text)), nil
}

// withoutPath keeps a token that was taken for a path out of the error.
func withoutPath(err error) error {
	var path *os.PathError
	if errors.As(err, &path) && len(path.Path) > 256 {
		return path.Err
	}
	return err
}

// call makes one call of STS's query API and reads its XML. signer is nil where the form is its own proof.
func (r *role) call(ctx context.Context, endpoint string, form url.Values, signer *Signer) (credentials, error) {
	form.Set("Version", "2011-06-15")
	form.Set("RoleArn", r.arn)
	form.Set("RoleSessionName", r.session)
	if r.external != "" && signer != nil {
		form.Set("ExternalId", r.external)
	}
	body := []byte(form.Encode())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimRight(endpoint, "/")+"/", bytes.NewReader(body))
	if err != nil {
		return credentials{}, fmt.Errorf("aws: sts: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	if signer != nil {
		if err := signer.Sign(ctx, req, Hash(body), "sts", r.o.Now()); err != nil {
			return credentials{}, err
		}
	}
	status, text, err := send(r.o.Client, req)
	if err != nil {
		return credentials{}, fmt.Errorf("aws: sts: %w", err)
	}
	if status != http.StatusOK {
		var refusal struct {
			Code string `xml:"Error>Code"`
		}
		_ = xml.Unmarshal(text, &refusal) // the status says enough where there is no code
		return credentials{}, fmt.Errorf("aws: sts refused to take on the role: %d %s", status, cmp.Or(refusal.Code, http.StatusText(status)))
	}
	var reply struct {
		Keys    stsKeys `xml:"AssumeRoleResult>Credentials"`
		WebKeys stsKeys `xml:"AssumeRoleWithWebIdentityResult>Credentials"`
	}
	if err := xml.Unmarshal(text, &reply); err != nil {
		return credentials{}, errors.New("aws: sts: the reply cannot be read")
	}
	keys := reply.Keys
	if keys.AccessKeyID == "" {
		keys = reply.WebKeys
	}
	return keys.credentials("sts")
}

// stsKeys are the credentials in a reply of STS (XML), of a container's agent or of a machine (JSON).
type stsKeys struct {
	AccessKeyID     string `xml:"AccessKeyId" json:"AccessKeyId"`
	SecretAccessKey string `xml:"SecretAccessKey" json:"SecretAccessKey"`
	SessionToken    string `xml:"SessionToken" json:"Token"`
	Expiration      string `xml:"Expiration" json:"Expiration"`
}

func (k *stsKeys) credentials(who string) (credentials, error) {
	if k.AccessKeyID == "" || k.SecretAccessKey == "" {
		return credentials{}, fmt.Errorf("aws: %s: the reply holds no credentials", who)
	}
	c := credentials{accessKey: k.AccessKeyID, secret: secret.New(k.SecretAccessKey), token: secret.New(k.SessionToken)}
	if k.Expiration != "" {
		at, err := time.Parse(time.RFC3339, k.Expiration)
		if err != nil {
			return credentials{}, fmt.Errorf("aws: %s: the expiry cannot be read", who)
		}
		c.expires = at
	}
	return c, nil
}

// Hash is the payload hash of a body: its SHA-256 in lower-case hexadecimal.
func Hash(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// send makes a call without following a redirect and reads the bounded reply.
func send(client *http.Client, req *http.Request) (int, []byte, error) {
	if client == nil {
		return 0, nil, errors.New("there is no HTTP client to fetch credentials with")
	}
	once := *client
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := once.Do(req)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err // without the address, which may hold what should not be logged
		}
		return 0, nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	return resp.StatusCode, text, err
}

// keysFrom reads credentials as JSON from an address of the surroundings.
func keysFrom(client *http.Client, req *http.Request, who string) (credentials, error) {
	status, text, err := send(client, req)
	if err != nil {
		return credentials{}, fmt.Errorf("aws: %s: %w", who, err)
	}
	if status != http.StatusOK {
		return credentials{}, fmt.Errorf("aws: %s answered %d", who, status)
	}
	var keys stsKeys
	if err := json.Unmarshal(text, &keys); err != nil {
		return credentials{}, fmt.Errorf("aws: %s: the reply cannot be read", who)
	}
	return keys.credentials(who)
}
