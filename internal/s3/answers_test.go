package s3_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tollgate/internal/awssign"
	"tollgate/internal/s3"
	"tollgate/internal/secret"
)

// answers is a service in place of the network.
type answers func(r *http.Request) (status int, header http.Header, body string)

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	status, header, body := a(r)
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader(body)), ContentLength: -1, Request: r}, nil
}

// client opens a bucket of AWS that answers so.
func client(t *testing.T, a answers, o s3.Options) *s3.Client {
	t.Helper()
	signer, err := awssign.New(awssign.Options{AccessKey: "AKIDEXAMPLE", Secret: secret.New("open-sesame"), Token: secret.New("session"), Region: "eu-central-1"})
	if err != nil {
		t.Fatal(err)
	}
	o.Signer, o.Client = signer, &http.Client{Transport: a}
	if o.Bucket == "" {
		o.Bucket = "bucket"
	}
	c, err := s3.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAddresses(t *testing.T) {
	for _, c := range []struct {
		o    s3.Options
		key  string
		want string
	}{
		{s3.Options{}, "a/b", "https://bucket.s3.eu-central-1.amazonaws.com/a/b"},
		{s3.Options{Plain: true}, "k", "http://bucket.s3.eu-central-1.amazonaws.com/k"},
		{s3.Options{Region: "cn-north-1"}, "k", "https://bucket.s3.cn-north-1.amazonaws.com.cn/k"},
		{s3.Options{Bucket: "a.b"}, "k", "https://s3.eu-central-1.amazonaws.com/a.b/k"},
		{s3.Options{Endpoint: "http://127.0.0.1:9000/"}, "k", "http://127.0.0.1:9000/bucket/k"},
		{s3.Options{Endpoint: "https://store.example/s3", Virtual: true}, "k", "https://bucket.store.example/s3/k"},
		{s3.Options{}, "a b:c=ä%2F", "https://bucket.s3.eu-central-1.amazonaws.com/a%20b%3Ac%3D%C3%A4%252F"},
		{s3.Options{}, "../x//./y", "https://bucket.s3.eu-central-1.amazonaws.com/../x//./y"},
	} {
		var got *http.Request
		cl := client(t, func(r *http.Request) (int, http.Header, string) { got = r; return 200, nil, "" }, c.o)
		if _, err := cl.Get(t.Context(), c.key); err != nil {
			t.Fatal(err)
		}
		if got.URL.String() != c.want {
			t.Errorf("got %s, want %s", got.URL, c.want)
		}
		if a := got.Header.Get("Authorization"); !strings.HasPrefix(a, "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/") || !strings.Contains(a, "/s3/aws4_request") {
			t.Errorf("Authorization %s", a)
		}
		if got.Header.Get("X-Amz-Security-Token") != "session" || got.Header.Get("X-Amz-Content-Sha256") == "" {
			t.Errorf("headers %v", got.Header)
		}
	}
}

// A service that is too busy is asked again, a little later, and no more often than that.
func TestSlowDown(t *testing.T) {
	const busy = `<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message><RequestId>R1</RequestId></Error>`
	for _, c := range []struct {
		name  string
		busy  int32 // answers that say so
		tries int
		calls int32
		ok    bool
	}{{"once", 1, 0, 2, true}, {"twice", 2, 0, 3, true}, {"always", 99, 0, 3, false}, {"tries", 99, 1, 1, false}} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var calls atomic.Int32
				cl := client(t, func(r *http.Request) (int, http.Header, string) {
					body, err := io.ReadAll(r.Body)
					if err != nil || string(body) != "value" {
						t.Errorf("the body is %q, %v", body, err)
					}
					if calls.Add(1) <= c.busy {
						return 503, nil, busy
					}
					return 200, nil, ""
				}, s3.Options{Tries: c.tries})
				begun := time.Now()
				err := cl.Put(t.Context(), "k", []byte("value"), nil)
				if c.ok != (err == nil) || calls.Load() != c.calls || time.Since(begun) > 500*time.Millisecond {
					t.Errorf("%v after %d calls and %v", err, calls.Load(), time.Since(begun))
				}
				if want := "s3: HTTP 503 SlowDown: Please reduce your request rate. (request R1)"; err != nil && err.Error() != want {
					t.Errorf("got %v", err)
				}
			})
		})
	}
	t.Run("no time left", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			cl := client(t, func(*http.Request) (int, http.Header, string) { return 503, nil, busy }, s3.Options{})
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			var failure *s3.Error
			if err := cl.Put(ctx, "k", nil, nil); !errors.As(err, &failure) || failure.Code != "SlowDown" {
				t.Errorf("got %v", err)
			}
		})
	})
}

func TestAnswers(t *testing.T) {
	get := func(c *s3.Client) error { _, err := c.Get(t.Context(), "k"); return err }
	list := func(c *s3.Client) error {
		for _, err := range c.List(t.Context(), "p") {
			if err != nil {
				return err
			}
		}
		return nil
	}
	remove := func(c *s3.Client) error { return c.DeleteAll(t.Context(), []string{"a", "b"}) }
	for _, c := range []struct {
		name   string
		ask    func(c *s3.Client) error
		status int
		header http.Header
		body   string
		want   string
	}{
		{"a key that is not there", get, 404, nil, `<?xml version="1.0"?><Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>`,
			"s3: HTTP 404 NoSuchKey: The specified key does not exist."},
		{"a bucket that is not there", get, 404, nil, `<Error><Code>NoSuchBucket</Code></Error>`, "s3: HTTP 404 NoSuchBucket"},
		{"another region", get, 301, http.Header{"Location": {"https://elsewhere.example"}, "X-Amz-Bucket-Region": {"us-west-2"}}, `<Error><Code>PermanentRedirect</Code></Error>`,
			"s3: HTTP 301 PermanentRedirect (the bucket is in the region us-west-2)"},
		{"no XML", get, 403, nil, "<html>", "s3: HTTP 403"},
		{"many lines", get, 400, nil, "<Error><Code>X</Code><Message>a\nb " + strings.Repeat("c", 1000) + "</Message></Error>", "s3: HTTP 400 X: a b " + strings.Repeat("c", 296) + "…"},
		{"too large", get, 200, nil, strings.Repeat("x", 1001), "s3: the object has more than the 1000 bytes that are read"},
		{"a list that is none", list, 200, nil, "<html/>", "s3: a list of objects: expected element type <ListBucketResult> but have <html>"},
		{"a list without an end", list, 200, nil, "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>", "s3: a list of objects does not say how it goes on"},
		{"a key that was kept", remove, 200, nil, `<DeleteResult><Error><Key>b</Key><Code>AccessDenied</Code><Message>no</Message></Error></DeleteResult>`,
			"s3: 1 of 2 objects were not deleted, the first: s3: HTTP 200 AccessDenied: no"},
		{"a key that was gone", remove, 200, nil, `<DeleteResult><Error><Key>b</Key><Code>NoSuchKey</Code></Error></DeleteResult>`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			cl := client(t, func(*http.Request) (int, http.Header, string) { return c.status, c.header, c.body }, s3.Options{Largest: 1000})
			err := c.ask(cl)
			if (err == nil) != (c.want == "") || err != nil && err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if found := !errors.Is(err, s3.ErrNotFound); found == (c.name == "a key that is not there") {
				t.Errorf("is it a miss: %v", !found)
			}
		})
	}
}

// Where there is no request for many deletions each key has its own.
func TestDeleteEach(t *testing.T) {
	var deleted []string
	cl := client(t, func(r *http.Request) (int, http.Header, string) {
		if r.Method == http.MethodPost {
			return 501, nil, "<Error><Code>NotImplemented</Code></Error>"
		}
		deleted = append(deleted, r.Method+" "+r.URL.Path)
		return 204, nil, ""
	}, s3.Options{})
	if err := cl.DeleteAll(t.Context(), []string{"a", "b"}); err != nil || strings.Join(deleted, ", ") != "DELETE /a, DELETE /b" {
		t.Errorf("got %v, %v", deleted, err)
	}
}

func TestOptions(t *testing.T) {
	signer, err := awssign.New(awssign.Options{AccessKey: "a", Secret: secret.New("b")})
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]s3.Options{
		"no bucket":           {Signer: signer, Client: &http.Client{}, Region: "r"},
		"a bucket that isn't": {Signer: signer, Client: &http.Client{}, Region: "r", Bucket: "a/b"},
		"no region":           {Signer: signer, Client: &http.Client{}, Bucket: "b"},
		"no signer":           {Client: &http.Client{}, Bucket: "b", Region: "r"},
		"no client":           {Signer: signer, Bucket: "b", Region: "r"},
		"an endpoint":         {Signer: signer, Client: &http.Client{}, Bucket: "b", Endpoint: "127.0.0.1:9000"},
		"a user":              {Signer: signer, Client: &http.Client{}, Bucket: "b", Endpoint: "http://u:open-sesame@h"},
	} {
		if _, err := s3.New(o); err == nil || strings.Contains(err.Error(), "open-sesame") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzAnswers(f *testing.F) {
	for _, text := range []string{
		`<Error><Code>NoSuchKey</Code></Error>`, `<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken><Contents><Key>k</Key></Contents></ListBucketResult>`,
		`<DeleteResult><Error><Key>k</Key><Code>c</Code></Error></DeleteResult>`, ``, `<`,
	} {
		for _, status := range []int{200, 404, 400} {
			f.Add(status, []byte(text))
		}
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 200 || status > 599 {
			return
		}
		asked := 0
		c := client(t, func(*http.Request) (int, http.Header, string) { asked++; return status, nil, string(body) }, s3.Options{Tries: 1})
		for range c.List(t.Context(), "p") {
			if asked > 3 { // the same page for ever
				t.Fatal("a list that does not go on is walked on")
			}
		}
		if _, err := c.Get(t.Context(), "k"); err != nil && (strings.ContainsAny(err.Error(), "\r\n") || len(err.Error()) > 2000) {
			t.Errorf("an error of %d bytes: %q", len(err.Error()), err)
		}
		_ = c.DeleteAll(t.Context(), []string{"k"})
	})
}
