// Package s3 stores objects in S3 and in what speaks like it (SeaweedFS, MinIO, Ceph, Cloud Storage's XML API ...): put, get,
// head, delete and list over plain HTTP, signed with Signature Version 4. It is shared by the cache and the archive.
package s3

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"tollgate/internal/awssign"
)

const (
	// DefaultLargest bounds an object that is read, in bytes.
	DefaultLargest = 64 << 20
	// DefaultTries is how often a request is sent that the service was too busy for.
	DefaultTries = 3
	// errorBytes bounds what is read of an error.
	errorBytes = 64 << 10
	// longestRequest bounds one request that has no shorter time of its own.
	longestRequest = time.Minute
	// pause is the wait before the second try; it doubles, and a part of it is left to chance.
	pause = 100 * time.Millisecond
)

// Options say where a bucket is and who asks.
type Options struct {
	Bucket string
	// Endpoint is the service's URL, which may have a path; "" = AWS in the region.
	Endpoint string
	// Region is signed for; "" = the signer's, and for an Endpoint us-east-1 where there is none either.
	Region string
	// Virtual puts the bucket into the host's name instead of the path. AWS is always asked so, unless the bucket's name
	// has dots, which its certificates do not cover.
	Virtual bool
	// Plain asks AWS over HTTP instead of HTTPS. An Endpoint says so itself.
	Plain   bool
	Signer  *awssign.Signer
	Client  *http.Client // not nil; its redirects are not followed
	Largest int64        // of an object that is read, in bytes; 0 = DefaultLargest
	Tries   int          // 0 = DefaultTries
}

// Client speaks to one bucket. It is safe for concurrent use.
type Client struct {
	base    url.URL // with the bucket, without a slash at the end
	bucket  string
	region  string
	signer  *awssign.Signer
	http    *http.Client
	largest int64
	tries   int
}

// New makes a Client. It calls nobody; an error says which option is wrong.
func New(o Options) (*Client, error) {
	if o.Signer == nil || o.Client == nil {
		return nil, errors.New("s3: no signer or no client")
	}
	c := &Client{
		bucket: o.Bucket, region: cmp.Or(o.Region, o.Signer.Region()), signer: o.Signer,
		largest: cmp.Or(o.Largest, DefaultLargest), tries: max(cmp.Or(o.Tries, DefaultTries), 1),
	}
	if c.bucket == "" || strings.ContainsAny(c.bucket, "/?# ") {
		return nil, errors.New("s3: the bucket's name is missing, or is none")
	}
	client := *o.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	c.http = &client
	return c, c.locate(&o)
}

// locate works out the bucket's URL and the region.
func (c *Client) locate(o *Options) error {
	virtual := o.Virtual
	if o.Endpoint == "" {
		if c.region == "" {
			return errors.New("s3: the region is missing")
		}
		c.base = url.URL{Scheme: "https", Host: "s3." + c.region + "." + domain(c.region)}
		if o.Plain {
			c.base.Scheme = "http"
		}
		virtual = !strings.Contains(c.bucket, ".")
	} else {
		u, err := url.Parse(o.Endpoint)
		if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || (u.Scheme != "http" && u.Scheme != "https") {
			return errors.New("s3: the endpoint must be http:// or https:// and a host, without a user and a query")
		}
		c.base = url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimRight(u.Path, "/")}
		c.region = cmp.Or(c.region, "us-east-1")
	}
	if virtual {
		c.base.Host = c.bucket + "." + c.base.Host
	} else {
		c.base.Path += "/" + c.bucket
	}
	return nil
}

// domain is AWS's domain of a region.
func domain(region string) string {
	if strings.HasPrefix(region, "cn-") {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}

// Bucket is the bucket's name.
func (c *Client) Bucket() string { return c.bucket }

// call is one request as it is tried, perhaps more than once.
type call struct {
	method string
	key    string // "" = the bucket itself
	query  url.Values
	header http.Header // taken over
	body   []byte
	limit  int64 // of the answer's body, in bytes
}

// reply is what the service answered.
type reply struct {
	header http.Header
	length int64 // that the answer says its body has; -1 = it does not say
	body   []byte
}

// do sends a request until it is answered with something else than that the service is too busy.
func (c *Client) do(ctx context.Context, r call) (*reply, error) {
	wait := pause
	for try := 1; ; try++ {
		answer, err := c.once(ctx, r)
		var failure *Error
		if err == nil || try >= c.tries || !errors.As(err, &failure) || !failure.Temporary() {
			return answer, err
		}
		timer := time.NewTimer(wait/2 + rand.N(wait/2)) //nolint:gosec // only spreads tries
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, err
		case <-timer.C:
		}
		wait *= 2
	}
}

func (c *Client) once(ctx context.Context, r call) (*reply, error) {
	ctx, cancel := context.WithTimeout(ctx, longestRequest)
	defer cancel()
	u := c.base
	if r.key != "" {
		u.Path += "/" + r.key
	}
	u.RawPath = escape(u.Path)
	u.RawQuery = strings.ReplaceAll(r.query.Encode(), "+", "%20") // as it is signed
	req, err := http.NewRequestWithContext(ctx, r.method, u.String(), bytes.NewReader(r.body))
	if err != nil {
		return nil, fmt.Errorf("s3: %w", err)
	}
	if r.header != nil {
		req.Header = r.header.Clone()
	}
	sum := sha256.Sum256(r.body)
	if err := c.signer.SignIn(ctx, req, hex.EncodeToString(sum[:]), "s3", c.region, time.Now()); err != nil {
		return nil, fmt.Errorf("s3: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("s3: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return nil, readError(resp, r.method)
	}
	body, err := read(resp, r.limit)
	if err != nil {
		return nil, err
	}
	return &reply{header: resp.Header, length: resp.ContentLength, body: body}, nil
}

// read reads a body up to limit.
func read(resp *http.Response, limit int64) ([]byte, error) {
	if resp.ContentLength > limit {
		return nil, fmt.Errorf("s3: the object has %d bytes, more than the %d that are read", resp.ContentLength, limit)
	}
	var b bytes.Buffer
	if resp.ContentLength > 0 {
		b.Grow(int(resp.ContentLength) + bytes.MinRead)
	}
	if _, err := b.ReadFrom(io.LimitReader(resp.Body, limit+1)); err != nil {
		return nil, fmt.Errorf("s3: %w", err)
	}
	if int64(b.Len()) > limit {
		return nil, fmt.Errorf("s3: the object has more than the %d bytes that are read", limit)
	}
	return b.Bytes(), nil
}

// escape writes a path as S3 signs it: all but the unreserved characters and the slash is escaped.
func escape(path string) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(path) {
		ch := path[i]
		if 'a' <= ch && ch <= 'z' || 'A' <= ch && ch <= 'Z' || '0' <= ch && ch <= '9' || strings.IndexByte("-._~/", ch) >= 0 {
			b.WriteByte(ch)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(hexDigits[ch>>4])
		b.WriteByte(hexDigits[ch&15])
	}
	return b.String()
}
