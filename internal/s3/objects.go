package s3

import (
	"context"
	"crypto/md5" //nolint:gosec // S3 wants this sum of a list of keys; it protects nothing
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// Object is an object that was read.
type Object struct {
	Body   []byte // nil of Head
	Header http.Header
	Size   int64
	// Modified is when it was written, to the second; zero where the service does not say so.
	Modified time.Time
}

// Put writes an object. header holds what is stored with it: Content-Type, Cache-Control, X-Amz-Meta-... nil = nothing.
func (c *Client) Put(ctx context.Context, key string, body []byte, header http.Header) error {
	_, err := c.do(ctx, call{method: http.MethodPut, key: key, header: header, body: body, limit: errorBytes})
	return err
}

// Get reads an object, ErrNotFound when there is none.
func (c *Client) Get(ctx context.Context, key string) (*Object, error) {
	answer, err := c.do(ctx, call{method: http.MethodGet, key: key, limit: c.largest})
	if err != nil {
		return nil, err
	}
	o := describe(answer)
	o.Body, o.Size = answer.body, int64(len(answer.body))
	return o, nil
}

// Head asks for all of an object but its body, ErrNotFound when there is none.
func (c *Client) Head(ctx context.Context, key string) (*Object, error) {
	// The answer to HEAD has a length and no body.
	answer, err := c.do(ctx, call{method: http.MethodHead, key: key, limit: 1 << 62})
	if err != nil {
		return nil, err
	}
	return describe(answer), nil
}

func describe(answer *reply) *Object {
	modified, err := http.ParseTime(answer.header.Get("Last-Modified"))
	if err != nil {
		modified = time.Time{}
	}
	return &Object{Header: answer.header, Size: answer.length, Modified: modified}
}

// Delete removes an object; one that is not there is no error.
func (c *Client) Delete(ctx context.Context, key string) error {
	_, err := c.do(ctx, call{method: http.MethodDelete, key: key, limit: errorBytes})
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// HeadBucket tries whether the bucket is there and may be used.
func (c *Client) HeadBucket(ctx context.Context) error {
	_, err := c.do(ctx, call{method: http.MethodHead, limit: 1 << 62})
	return err
}

// CreateBucket makes the bucket in the client's region.
func (c *Client) CreateBucket(ctx context.Context) error {
	var body []byte
	if c.region != "us-east-1" { // which must not be named
		body = []byte(`<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LocationConstraint>` + c.region + `</LocationConstraint></CreateBucketConfiguration>`)
	}
	_, err := c.do(ctx, call{method: http.MethodPut, body: body, limit: errorBytes})
	return err
}

// page is how many keys go in one list, and in one request to delete: S3's most.
const page = 1000

// List walks over the keys that begin with prefix, in order, a page at a time. It ends after the first error.
func (c *Client) List(ctx context.Context, prefix string) iter.Seq2[[]string, error] {
	return func(yield func([]string, error) bool) {
		for token := ""; ; {
			keys, next, err := c.list(ctx, prefix, token)
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(keys, nil) || next == "" {
				return
			}
			token = next
		}
	}
}

// list asks for one page.
func (c *Client) list(ctx context.Context, prefix, token string) (keys []string, next string, err error) {
	const limit = 16 << 20 // a thousand keys of at most 1024 bytes, with their descriptions
	query := url.Values{"list-type": {"2"}, "max-keys": {fmt.Sprint(page)}, "prefix": {prefix}}
	if token != "" {
		query.Set("continuation-token", token)
	}
	answer, err := c.do(ctx, call{method: http.MethodGet, query: query, limit: limit})
	if err != nil {
		return nil, "", err
	}
	var result struct {
		XMLName   xml.Name `xml:"ListBucketResult"`
		Truncated bool     `xml:"IsTruncated"`
		Next      string   `xml:"NextContinuationToken"`
		Contents  []struct {
			Key string `xml:"Key"`
		} `xml:"Contents"`
	}
	if err := xml.Unmarshal(answer.body, &result); err != nil {
		return nil, "", fmt.Errorf("s3: a list of objects: %w", err)
	}
	for _, o := range result.Contents {
		keys = append(keys, o.Key)
	}
	if result.Truncated && (result.Next == "" || result.Next == token) {
		return nil, "", errors.New("s3: a list of objects does not say how it goes on")
	}
	if !result.Truncated {
		result.Next = ""
	}
	return keys, result.Next, nil
}

// DeleteAll removes many objects; those that are not there are no error. Where the service knows no request for many, each
// is removed by its own.
func (c *Client) DeleteAll(ctx context.Context, keys []string) error {
	for part := range slices.Chunk(keys, page) {
		err := c.deletePart(ctx, part)
		var refused *Error
		if errors.As(err, &refused) && (refused.Status == http.StatusNotImplemented || refused.Status == http.StatusMethodNotAllowed) {
			err = c.deleteEach(ctx, part)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *Client) deleteEach(ctx context.Context, keys []string) error {
	for _, k := range keys {
		if err := c.Delete(ctx, k); err != nil {
			return err
		}
	}
	return nil
}

type deletion struct {
	XMLName xml.Name  `xml:"http://s3.amazonaws.com/doc/2006-03-01/ Delete"`
	Quiet   bool      `xml:"Quiet"`
	Objects []deleted `xml:"Object"`
}

type deleted struct {
	Key string `xml:"Key"`
}

// deletePart removes up to a page of objects in one request.
func (c *Client) deletePart(ctx context.Context, keys []string) error {
	d := deletion{Quiet: true}
	for _, k := range keys {
		d.Objects = append(d.Objects, deleted{k})
	}
	text, err := xml.Marshal(d)
	if err != nil {
		return fmt.Errorf("s3: %w", err)
	}
	sum := md5.Sum(text) //nolint:gosec // S3 wants it
	const limit = 4 << 20
	answer, err := c.do(ctx, call{
		method: http.MethodPost, query: url.Values{"delete": {""}}, body: text, limit: limit,
		header: http.Header{"Content-Md5": {base64.StdEncoding.EncodeToString(sum[:])}, "Content-Type": {"application/xml"}},
	})
	if err != nil {
		return err
	}
	var result struct {
		Errors []struct {
			Key     string `xml:"Key"`
			Code    string `xml:"Code"`
			Message string `xml:"Message"`
		} `xml:"Error"`
	}
	if err := xml.Unmarshal(answer.body, &result); err != nil {
		return fmt.Errorf("s3: the answer to a deletion: %w", err)
	}
	for _, e := range result.Errors {
		if e.Code != "NoSuchKey" {
			return fmt.Errorf("s3: %d of %d objects were not deleted, the first: %w", len(result.Errors), len(keys),
				&Error{Status: http.StatusOK, Code: clip(e.Code), Message: clip(e.Message)})
		}
	}
	return nil
}
