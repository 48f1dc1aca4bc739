package s3_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"tollgate/internal/awssign"
	"tollgate/internal/s3"
	"tollgate/internal/secret"
	"tollgate/internal/testkit"
)

// open opens a bucket of a server.
func open(t *testing.T, server *testkit.S3, change func(o *s3.Options, keys *awssign.Options)) *s3.Client {
	t.Helper()
	keys := awssign.Options{AccessKey: server.AccessKey, Secret: secret.New(server.SecretKey), Region: server.Region}
	o := s3.Options{Bucket: "b-" + strings.ToLower(rand.Text()[:12]), Endpoint: server.URL, Client: &http.Client{Transport: &http.Transport{}}}
	if change != nil {
		change(&o, &keys)
	}
	signer, err := awssign.New(keys)
	if err != nil {
		t.Fatal(err)
	}
	o.Signer = signer
	c, err := s3.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestMoto(t *testing.T) {
	t.Parallel()
	suite(t, testkit.Moto(t))
}

func suite(t *testing.T, server *testkit.S3) {
	t.Run("Objects", func(t *testing.T) { objects(t, server) })
	t.Run("List", func(t *testing.T) { list(t, server) })
	t.Run("Refused", func(t *testing.T) { refused(t, server) })
}

func objects(t *testing.T, server *testkit.S3) {
	c := open(t, server, nil)
	ctx := t.Context()
	if err := c.HeadBucket(ctx); err == nil {
		t.Error("a bucket that is not there yet")
	}
	must(t, c.CreateBucket(ctx))
	must(t, c.HeadBucket(ctx))
	large := make([]byte, 5<<20)
	_, _ = rand.Read(large) // never fails
	for key, body := range map[string][]byte{
		"plain": []byte("text"), "a folder/with spaces/ä+b=c&d;e:f@g,h!(i)*'j'$~.json": []byte("x"), "empty": {}, "large/one": large, "%41%2F": []byte("percent"),
	} {
		must(t, c.Put(ctx, key, body, http.Header{"Content-Type": {"application/json"}, "Cache-Control": {"max-age=60"}, "X-Amz-Meta-Own": {"a value"}}))
		o, err := c.Get(ctx, key)
		must(t, err)
		if !bytes.Equal(o.Body, body) || o.Size != int64(len(body)) {
			t.Errorf("%s: %d bytes, size %d, want %d", key, len(o.Body), o.Size, len(body))
		}
		head, err := c.Head(ctx, key)
		must(t, err)
		for name, want := range map[string]string{"Content-Type": "application/json", "Cache-Control": "max-age=60", "X-Amz-Meta-Own": "a value"} {
			if o.Header.Get(name) != want || head.Header.Get(name) != want {
				t.Errorf("%s: %s: %q by GET, %q by HEAD, want %q", key, name, o.Header.Get(name), head.Header.Get(name), want)
			}
		}
		if head.Size != int64(len(body)) || head.Body != nil || time.Since(head.Modified).Abs() > time.Hour {
			t.Errorf("%s: HEAD: size %d, modified %v", key, head.Size, head.Modified)
		}
		must(t, c.Delete(ctx, key))
		_, err = c.Get(ctx, key)
		if _, headErr := c.Head(ctx, key); !errors.Is(err, s3.ErrNotFound) || !errors.Is(headErr, s3.ErrNotFound) {
			t.Errorf("%s: deleted: GET %v, HEAD %v", key, err, headErr)
		}
		must(t, c.Delete(ctx, key))
	}
	small := open(t, server, func(o *s3.Options, _ *awssign.Options) { o.Bucket, o.Largest = c.Bucket(), 1000 })
	must(t, c.Put(ctx, "k", make([]byte, 1001), nil))
	if _, err := small.Get(ctx, "k"); err == nil || errors.Is(err, s3.ErrNotFound) {
		t.Errorf("an object that is too large: %v", err)
	}
}

func list(t *testing.T, server *testkit.S3) {
	c := open(t, server, nil)
	ctx := t.Context()
	must(t, c.CreateBucket(ctx))
	const n = 1100 // more than a page
	write := make(chan int)
	done := make(chan error)
	for range 8 {
		go func() {
			var err error
			for i := range write {
				err = errors.Join(err, c.Put(ctx, fmt.Sprintf("p/%04d", i), nil, nil))
			}
			done <- err
		}()
	}
	for i := range n {
		write <- i
	}
	close(write)
	for range 8 {
		must(t, <-done)
	}
	must(t, c.Put(ctx, "other", nil, nil))
	all := func(prefix string) (keys []string) {
		for part, err := range c.List(ctx, prefix) {
			must(t, err)
			keys = append(keys, part...)
		}
		return keys
	}
	keys := all("p/")
	if len(keys) != n || keys[0] != "p/0000" || keys[n-1] != "p/1099" {
		t.Fatalf("%d keys", len(keys))
	}
	if got := all("none/"); len(got) != 0 {
		t.Errorf("keys of no prefix: %v", got)
	}
	must(t, c.DeleteAll(ctx, append(keys, "absent")))
	must(t, c.DeleteAll(ctx, nil))
	if got := all(""); len(got) != 1 || got[0] != "other" {
		t.Errorf("left: %v", got)
	}
}

func refused(t *testing.T, server *testkit.S3) {
	c := open(t, server, nil)
	must(t, c.CreateBucket(t.Context()))
	for name, change := range map[string]func(o *s3.Options, keys *awssign.Options){
		"a wrong key":      func(_ *s3.Options, keys *awssign.Options) { keys.Secret = secret.New("open-sesame") },
		"an unknown key":   func(_ *s3.Options, keys *awssign.Options) { keys.AccessKey = "NOBODY" },
		"no such bucket":   func(o *s3.Options, _ *awssign.Options) { o.Bucket = "absent-bucket" },
		"a wrong endpoint": func(o *s3.Options, _ *awssign.Options) { o.Endpoint = "http://127.0.0.1:1" },
	} {
		t.Run(name, func(t *testing.T) {
			bad := open(t, server, func(o *s3.Options, keys *awssign.Options) {
				o.Bucket = c.Bucket()
				change(o, keys)
			})
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			_, getErr := bad.Get(ctx, "k")
			for what, err := range map[string]error{"GET": getErr, "PUT": bad.Put(ctx, "k", []byte("v"), nil), "HEAD": bad.HeadBucket(ctx), "POST": bad.DeleteAll(ctx, []string{"k"})} {
				if err == nil || errors.Is(err, s3.ErrNotFound) && what != "HEAD" || strings.Contains(err.Error(), "open-sesame") {
					t.Errorf("%s: %v", what, err)
				}
			}
			t.Log(getErr)
		})
	}
}
