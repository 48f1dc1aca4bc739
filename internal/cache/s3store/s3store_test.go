package s3store_test

import (
	"crypto/rand"
	"encoding/pem"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tollgate/internal/awssign"
	"tollgate/internal/cache"
	"tollgate/internal/cache/cachetest"
	"tollgate/internal/cache/s3store"
	"tollgate/internal/s3"
	"tollgate/internal/secret"
	"tollgate/internal/setting"
	"tollgate/internal/testkit"
)

// world is a server with a bucket.
type world struct {
	server *testkit.S3
	bucket *s3.Client
	values map[string]any
}

func newWorld(t testing.TB, server *testkit.S3) *world {
	t.Helper()
	bucket := "cache-" + strings.ToLower(rand.Text()[:12])
	signer, err := awssign.New(awssign.Options{AccessKey: server.AccessKey, Secret: secret.New(server.SecretKey), Region: server.Region})
	if err != nil {
		t.Fatal(err)
	}
	c, err := s3.New(s3.Options{Bucket: bucket, Endpoint: server.URL, Signer: signer, Client: &http.Client{}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.CreateBucket(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &world{server, c, map[string]any{
		"s3_bucket_name": bucket, "s3_endpoint_url": server.URL, "s3_region_name": server.Region,
		"s3_aws_access_key_id": server.AccessKey, "s3_aws_secret_access_key": server.SecretKey, "s3_path": "some/path/",
	}}
}

// open opens a cache with some settings changed.
func (w *world) open(t testing.TB, changes map[string]any, env map[string]string) cache.Store {
	t.Helper()
	all := maps.Clone(w.values)
	maps.Copy(all, changes)
	m := setting.New("cache_params", all, func(name string) string { return env[name] })
	s, err := s3store.Open(m, s3store.Options{Client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}})
	if err != nil {
		t.Fatal(err)
	}
	if unknown := m.Unknown(); len(unknown) > 0 {
		t.Errorf("nobody asked for %v", unknown)
	}
	return s
}

func TestMoto(t *testing.T) {
	t.Parallel()
	w := newWorld(t, testkit.Moto(t))
	gate := cachetest.NewGate(t, w.server.Addr)
	w.values["s3_endpoint_url"] = "http://" + gate.Addr
	cachetest.RunStore(t, cachetest.StoreWorld{
		Open: func(t *testing.T, namespace string) cache.Store {
			return w.open(t, map[string]any{"namespace": namespace}, nil)
		},
		Server: gate, Entries: 200, Largest: 1 << 20,
	})
	w.own(t)
}

// own checks what only S3 has.
func (w *world) own(t *testing.T) {
	ctx := t.Context()
	s := w.open(t, nil, nil)
	t.Run("headers", func(t *testing.T) {
		before := time.Now()
		if err := s.Set(ctx, "ns:c2f1", []byte("{}"), 90*time.Second); err != nil {
			t.Fatal(err)
		}
		o, err := w.bucket.Head(ctx, "some/path/=none/ns:c2f1")
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]string{
			"Cache-Control": "immutable, max-age=90, s-maxage=90", "Content-Type": "application/json", "Content-Language": "en",
			"Content-Disposition": `inline; filename="ns:c2f1.json"`,
		} {
			if got := o.Header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		if end, err := http.ParseTime(o.Header.Get("Expires")); err != nil || end.Sub(before) < 85*time.Second || end.Sub(before) > 95*time.Second {
			t.Errorf("Expires: %q", o.Header.Get("Expires"))
		}
		if err := s.Set(ctx, "standard", []byte("{}"), 0); err != nil {
			t.Fatal(err)
		}
		o, err = w.bucket.Head(ctx, "some/path/=none/standard")
		if err != nil || o.Header.Get("Cache-Control") != "immutable, max-age=31536000, s-maxage=31536000" || o.Header.Get("Expires") != "" {
			t.Errorf("without a life: %v, %v", o, err)
		}
	})
	t.Run("flush keeps the rest of the bucket", func(t *testing.T) {
		if err := w.bucket.Put(ctx, "some/other", []byte("v"), nil); err != nil {
			t.Fatal(err)
		}
		if err := s.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := w.bucket.Get(ctx, "some/other"); err != nil {
			t.Error(err)
		}
	})
	t.Run("keys of the environment", func(t *testing.T) {
		env := map[string]string{"AWS_ACCESS_KEY_ID": w.server.AccessKey, "AWS_SECRET_ACCESS_KEY": w.server.SecretKey, "AWS_REGION_NAME": w.server.Region}
		s := w.open(t, map[string]any{"s3_aws_access_key_id": nil, "s3_aws_secret_access_key": nil, "s3_region_name": nil}, env)
		if err := s.Ping(ctx); err != nil {
			t.Error(err)
		}
	})
	for name, changes := range map[string]map[string]any{
		"a wrong secret":         {"s3_aws_secret_access_key": "open-sesame"},
		"a bucket that is not":   {"s3_bucket_name": "no-such-bucket"},
		"a service that is away": {"s3_endpoint_url": "http://127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			s := w.open(t, changes, nil)
			_, err := s.Get(ctx, "k")
			if ping := s.Ping(ctx); err == nil || errors.Is(err, cache.ErrMiss) || ping == nil || strings.Contains(err.Error()+ping.Error(), "open-sesame") {
				t.Errorf("Get: %v, Ping: %v", err, ping)
			}
		})
	}
}

// A service over TLS whose certificate the system does not know.
func TestVerify(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer srv.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	w := &world{values: map[string]any{"s3_bucket_name": "b", "s3_endpoint_url": srv.URL, "s3_aws_access_key_id": "a", "s3_aws_secret_access_key": "b"}}
	for _, c := range []struct {
		verify any
		ok     bool
	}{{nil, false}, {true, false}, {false, true}, {"False", true}, {ca, true}} {
		if err := w.open(t, map[string]any{"s3_verify": c.verify}, nil).Ping(t.Context()); (err == nil) != c.ok {
			t.Errorf("s3_verify %v: %v", c.verify, err)
		}
	}
}

func TestFaults(t *testing.T) {
	good := map[string]any{"s3_bucket_name": "b", "s3_region_name": "r", "s3_aws_access_key_id": "a", "s3_aws_secret_access_key": "b"}
	for _, c := range []struct {
		name    string
		changes map[string]any
		want    string
	}{
		{"no bucket", map[string]any{"s3_bucket_name": nil}, "cache_params.s3_bucket_name: is missing"},
		{"no region", map[string]any{"s3_region_name": nil}, "cache_params: the region is missing; see s3_bucket_name, s3_region_name"},
		{"half a key", map[string]any{"s3_aws_secret_access_key": nil}, "of the access key id and the secret access key only one is given"},
		{"an endpoint", map[string]any{"s3_endpoint_url": "ftp://x"}, "cache_params: the endpoint must be http://"},
		{"authorities", map[string]any{"s3_verify": "/does/not/exist"}, "cache_params.s3_verify: open /does/not/exist"},
		{"boto3", map[string]any{"s3_config": map[string]any{}}, "cache_params.s3_config: is not served"},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := maps.Clone(good)
			maps.Copy(all, c.changes)
			_, err := s3store.Open(setting.New("cache_params", all, nil), s3store.Options{Client: &http.Client{Transport: &http.Transport{}}})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
