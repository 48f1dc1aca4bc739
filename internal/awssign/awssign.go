// Package awssign signs plain HTTP requests for AWS (Signature Version 4) and finds the credentials to sign them with: static
// keys, the environment, a profile of the usual files, a role taken on by STS, a web identity (EKS), a container's or a
// machine's own role. The signature itself is made by AWS's own signer; the rest is a few HTTP calls, so that the AWS SDK's
// configuration machinery stays out of the binary.
package awssign

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"tollgate/internal/secret"
)

// UnsignedPayload is the payload hash of a body that the signature does not cover. S3 takes it over TLS.
const UnsignedPayload = "UNSIGNED-PAYLOAD"

// DefaultSession names the session of a role that nobody has named.
const DefaultSession = "tollgate"

// Options says who signs. What is empty is looked up as AWS's own tools do.
type Options struct {
	// AccessKey, Secret and Token are static keys. With a Role they sign for taking it on.
	AccessKey     string
	Secret, Token secret.String
	// Region is the first one given of it, AWS_REGION, AWS_DEFAULT_REGION and the profile's.
	Region string
	// Profile names a section of the files ~/.aws/credentials and ~/.aws/config (or AWS_SHARED_CREDENTIALS_FILE and
	// AWS_CONFIG_FILE); "" takes AWS_PROFILE or "default" where nothing else is given.
	Profile string
	// Role is the ARN of a role to take on, SessionName the name of the session, ExternalID what the role may ask for.
	Role, SessionName, ExternalID string
	// WebIdentity is a token of an OpenID provider, or the file that holds one: the role is taken on with it instead of keys.
	WebIdentity string
	// STS is the address of the Security Token Service; "" is the region's.
	STS string
	// Getenv looks up environment variables; nil = there are none.
	Getenv func(string) string
	// Client calls STS; nil where static keys sign. Direct calls what stands beside the process, a container's agent and a
	// machine's metadata, which no proxy reaches; nil is Client.
	Client, Direct *http.Client
	// Now is the clock of expiries; nil is time.Now.
	Now func() time.Time
}

// Signer signs requests with the credentials of its Options, which it renews before they expire. It is safe for concurrent use.
type Signer struct {
	v4, s3 *v4.Signer
	region string
	source source
	now    func() time.Time

	mu      sync.Mutex
	current credentials // guarded by mu
	fetch   *fetching   // under way; guarded by mu
}

// credentials are what signs, for a time.
type credentials struct {
	accessKey     string
	secret, token secret.String
	expires       time.Time // zero: never
}

func (c *credentials) valid(now time.Time, margin time.Duration) bool {
	return c.accessKey != "" && (c.expires.IsZero() || now.Add(margin).Before(c.expires))
}

// source gets credentials; it may call the network and is called by one goroutine at a time.
type source func(ctx context.Context) (credentials, error)

// fetching is one call of the source that several requests may wait for.
type fetching struct {
	done chan struct{}
	err  error
}

const (
	// early is how long before their end credentials are renewed; late is when they are not used any more.
	early, late = 5 * time.Minute, 10 * time.Second
	// fetchTime bounds one renewal.
	fetchTime = 15 * time.Second
)

// New makes a Signer. It reads files, but calls nobody; an error says what is missing or contradicts itself.
func New(o Options) (*Signer, error) {
	if o.Getenv == nil {
		o.Getenv = func(string) string { return "" }
	}
	if o.Direct == nil {
		o.Direct = o.Client
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	s := &Signer{
		v4:  newV4(),
		s3:  v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }),
		now: o.Now,
	}
	o.Region = cmp.Or(o.Region, o.Getenv("AWS_REGION"), o.Getenv("AWS_DEFAULT_REGION"))
	source, region, err := o.choose()
	if err != nil {
		return nil, err
	}
	s.source, s.region = source, cmp.Or(o.Region, region)
	return s, nil
}

// Region is the region of the Options, of the environment or of the profile; "" when none of them names one.
func (s *Signer) Region() string { return s.region }

// Sign signs r for a service ("s3", "bedrock") in the Signer's region and leaves it ready to send. payloadHash is the
// body's SHA-256 in lower-case hexadecimal, or UnsignedPayload. It waits for the network only where there are no valid
// credentials yet; errors tell nothing secret.
func (s *Signer) Sign(ctx context.Context, r *http.Request, payloadHash, service string, now time.Time) error {
	return s.SignIn(ctx, r, payloadHash, service, s.region, now)
}

// SignIn is Sign for another region than the Signer's.
func (s *Signer) SignIn(ctx context.Context, r *http.Request, payloadHash, service, region string, now time.Time) error {
	if region == "" {
		return errors.New("aws: no region: set one, or AWS_REGION")
	}
	c, err := s.credentials(ctx)
	if err != nil {
		return err
	}
	signer := s.v4
	if service == "s3" {
		signer = s.s3
		r.Header.Set("X-Amz-Content-Sha256", payloadHash)
	}
	r.Header.Del("X-Amz-Security-Token")
	return signer.SignHTTP(ctx, aws.Credentials{AccessKeyID: c.accessKey, SecretAccessKey: c.secret.Reveal(), SessionToken: c.token.Reveal()},
		r, payloadHash, service, region, now)
}

// credentials returns those in force. Ones that end soon are renewed beside the calls that still use them.
func (s *Signer) credentials(ctx context.Context) (credentials, error) {
	s.mu.Lock()
	now := s.now()
	if s.current.valid(now, early) {
		defer s.mu.Unlock()
		return s.current, nil
	}
	f := s.fetch
	if f == nil {
		f = &fetching{done: make(chan struct{})}
		s.fetch = f
		go s.renew(context.WithoutCancel(ctx), f)
	}
	if s.current.valid(now, late) {
		defer s.mu.Unlock()
		return s.current, nil
	}
	s.mu.Unlock()
	select {
	case <-ctx.Done():
		return credentials{}, ctx.Err()
	case <-f.done:
	}
	if f.err != nil {
		return credentials{}, f.err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.current.valid(s.now(), 0) {
		return credentials{}, errors.New("aws: the credentials that came have expired already: is the clock of this machine right?")
	}
	return s.current, nil
}

// renew fetches credentials within fetchTime.
func (s *Signer) renew(ctx context.Context, f *fetching) {
	ctx, cancel := context.WithTimeout(ctx, fetchTime)
	defer cancel()
	c, err := s.source(ctx)
	s.mu.Lock()
	if err == nil {
		s.current = c
	}
	f.err, s.fetch = err, nil
	s.mu.Unlock()
	close(f.done)
}

// checkEndpoint refuses an address that credentials must not be sent to.
func checkEndpoint(name, address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || !strings.HasPrefix(u.Scheme, "http") {
		return fmt.Errorf("aws: %s: expected http:// or https:// and a host, without a user name", name)
	}
	return nil
}
