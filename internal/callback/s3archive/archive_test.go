package s3archive_test

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/awssign"
	"tollgate/internal/callback"
	"tollgate/internal/callback/callbacktest"
	"tollgate/internal/callback/s3archive"
	"tollgate/internal/record"
	"tollgate/internal/s3"
	"tollgate/internal/secret"
	"tollgate/internal/testkit"
)

// bucket makes a bucket of a server.
func bucket(t *testing.T, server *testkit.S3) *s3.Client {
	t.Helper()
	signer, err := awssign.New(awssign.Options{AccessKey: server.AccessKey, Secret: secret.New(server.SecretKey), Region: server.Region})
	if err != nil {
		t.Fatal(err)
	}
	c, err := s3.New(s3.Options{Bucket: "archive-" + strings.ToLower(rand.Text()[:12]), Endpoint: server.URL, Signer: signer, Client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.CreateBucket(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// archive opens the callback on a bucket.
func archive(t *testing.T, server *testkit.S3, bucket string, settings map[string]any) callback.Callback {
	t.Helper()
	all := map[string]any{
		"s3_bucket_name": bucket, "s3_region_name": server.Region, "s3_endpoint_url": server.URL,
		"s3_aws_access_key_id": "os.environ/ARCHIVE_KEY", "s3_aws_secret_access_key": "os.environ/ARCHIVE_SECRET",
	}
	for k, v := range settings {
		all[k] = v
	}
	cb, err := s3archive.Open(callbacktest.Spec(t, all, map[string]string{"ARCHIVE_KEY": server.AccessKey, "ARCHIVE_SECRET": server.SecretKey}))
	if err != nil {
		t.Fatal(err)
	}
	return cb
}

func keys(t *testing.T, c *s3.Client) []string {
	t.Helper()
	var list []string
	for page, err := range c.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, page...)
	}
	slices.Sort(list)
	return list
}

func TestMoto(t *testing.T) {
	t.Parallel()
	suite(t, testkit.Moto(t))
}

func suite(t *testing.T, server *testkit.S3) {
	t.Run("Deliver", func(t *testing.T) { deliver(t, server) })
	t.Run("Prefixes", func(t *testing.T) { prefixes(t, server) })
	t.Run("Troubles", func(t *testing.T) { troubles(t, server) })
}

func deliver(t *testing.T, server *testkit.S3) {
	b := bucket(t, server)
	cb := archive(t, server, b.Bucket(), nil)
	events := callbacktest.Events(t, 40, nil)
	for range 2 { // what comes twice is one object
		if err := cb.Deliver(t.Context(), events); err != nil {
			t.Fatal(err)
		}
	}
	list := keys(t, b)
	if len(list) != 40 {
		t.Fatalf("%d objects for 40 calls", len(list))
	}
	form := regexp.MustCompile(`^\d{4}-\d\d-\d\d/time-\d\d-\d\d-\d\d-\d{6}_chatcmpl-\d+\.json$`)
	for _, key := range list {
		if !form.MatchString(key) {
			t.Fatalf("the key %s", key)
		}
	}
	o, err := b.Get(t.Context(), list[0])
	if err != nil {
		t.Fatal(err)
	}
	var got callback.Payload
	if err := json.Unmarshal(o.Body, &got); err != nil || o.Header.Get("Content-Type") != "application/json" {
		t.Fatal(err, o.Header)
	}
	i := slices.IndexFunc(events, func(e *callback.Event) bool { return e.Payload.CallID == got.CallID })
	want, _ := events[i].Payload.JSON()
	if d := cmp.Diff(string(want), string(o.Body)); d != "" {
		t.Error(d)
	}
	if err := cb.Ping(t.Context()); err != nil {
		t.Error(err)
	}
	if n := len(keys(t, b)); n != 40 {
		t.Errorf("a ping leaves %d objects", n-40)
	}
}

func prefixes(t *testing.T, server *testkit.S3) {
	b := bucket(t, server)
	cb := archive(t, server, b.Bucket(), map[string]any{"s3_path": "/litellm/logs/", "s3_use_team_prefix": true, "s3_use_key_prefix": "true", "s3_strip_base64_files": true})
	events := callbacktest.Events(t, 3, func(i int, c *record.Call) {
		switch i {
		case 1:
			c.TeamAlias, c.KeyAlias, c.RequestID = "../up / down", "", "arn:aws/x?y"
		case 2:
			c.TeamAlias = ""
			c.Request = []byte(`{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,` + strings.Repeat("QUJD", 100) + `"}},{"type":"text","text":"data of base64"},{"type":"input_audio","input_audio":{"data":"` + strings.Repeat("QUJD", 100) + `","format":"wav"}}]}]}`)
		}
	})
	if err := cb.Deliver(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	list := keys(t, b)
	day := `/\d{4}-\d\d-\d\d/time-[0-9-]{15}_`
	for i, want := range []string{`^litellm/logs/\.\._up _ down` + day + `arn_aws_x_y\.json$`, `^litellm/logs/ci` + day + `chatcmpl-2\.json$`, `^litellm/logs/platform/ci` + day + `chatcmpl-0\.json$`} {
		if len(list) != 3 || !regexp.MustCompile(want).MatchString(list[i]) {
			t.Fatalf("keys: %q, want %s", list, want)
		}
	}
	o, err := b.Get(t.Context(), list[1])
	if err != nil {
		t.Fatal(err)
	}
	if text := string(o.Body); strings.Contains(text, "QUJD") || !strings.Contains(text, "data:image/png;base64,[400 bytes left out]") || !strings.Contains(text, `"[400 bytes left out]"`) || !strings.Contains(text, "data of base64") {
		t.Errorf("files were not left out: %s", text)
	}
}

func troubles(t *testing.T, server *testkit.S3) {
	events := callbacktest.Events(t, 2, nil)
	for name, cb := range map[string]callback.Callback{
		"no bucket": archive(t, server, "there-is-none", nil),
		"wrong key": archive(t, server, bucket(t, server).Bucket(), map[string]any{"s3_aws_secret_access_key": "wrong"}),
	} {
		err := cb.Deliver(t.Context(), events)
		var rejected *callback.Rejected
		if err == nil || errors.As(err, &rejected) {
			t.Errorf("%s: %v: the events must wait until somebody mends it", name, err)
		}
		if cb.Ping(t.Context()) == nil {
			t.Errorf("%s: a ping finds nothing", name)
		}
	}
}

func TestOpen(t *testing.T) {
	for name, c := range map[string]struct {
		settings map[string]any
		own      bool
		want     string
	}{
		"no bucket":     {map[string]any{"s3_region_name": "eu-west-1"}, false, "s3_bucket_name"},
		"no region":     {map[string]any{"s3_bucket_name": "b"}, false, "region"},
		"no host":       {map[string]any{"s3_bucket_name": "b", "s3_endpoint_url": "minio:9000"}, false, "endpoint"},
		"unverified":    {map[string]any{"s3_bucket_name": "b", "s3_region_name": "eu-west-1", "s3_verify": false}, false, "s3_verify"},
		"of a tenant's": {map[string]any{"s3_bucket_name": "b", "s3_region_name": "eu-west-1"}, true, "no bucket of their own"},
	} {
		spec := callbacktest.Spec(t, c.settings, nil)
		spec.Own = c.own
		if _, err := s3archive.Open(spec); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
