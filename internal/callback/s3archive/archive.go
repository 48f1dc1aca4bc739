// Package s3archive writes every finished call to an S3 bucket, one object each, as LiteLLM's s3_v2: the object's body is the
// payload, its key tells day and time.
package s3archive

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tollgate/internal/awssign"
	"tollgate/internal/callback"
	"tollgate/internal/callback/post"
	"tollgate/internal/s3"
)

const (
	// atOnce is how many objects are on their way at once.
	atOnce = 16
	// standardEvery is LiteLLM's DEFAULT_S3_FLUSH_INTERVAL_SECONDS.
	standardEvery = 10 * time.Second
)

// Archive is a bucket, or a folder of one. It is safe for concurrent use.
type Archive struct {
	bucket  *s3.Client
	path    string // "" or ending in a slash
	byTeam  bool
	byKey   bool
	strip   bool
	timeout time.Duration
	batch   callback.Batch
}

// Open reads LiteLLM's s3_callback_params. Without keys there AWS's usual places are looked at: the environment, profiles,
// roles, the machine's identity.
func Open(spec callback.Spec) (callback.Callback, error) {
	m := spec.Settings
	if spec.Own {
		m.Fault("", "keys and teams have no bucket of their own: configure it for the gateway, with s3_use_team_prefix or s3_use_key_prefix")
		return nil, m.Err()
	}
	a := &Archive{
		path: folder(m.Text("s3_path")), byTeam: m.Flag("s3_use_team_prefix", false), byKey: m.Flag("s3_use_key_prefix", false),
		strip: m.Flag("s3_strip_base64_files", false), timeout: m.Seconds("timeout", callback.Timeout),
		batch: callback.Batch{
			Events: m.Int("s3_batch_size", callback.StandardBatch, "DEFAULT_S3_BATCH_SIZE"),
			Every:  m.Seconds("s3_flush_interval", standardEvery, "DEFAULT_S3_FLUSH_INTERVAL_SECONDS"),
		},
	}
	m.Text("s3_api_version") // there is one
	if !m.Flag("s3_verify", true) {
		m.Fault("s3_verify", "certificates are always checked here: name the CA with litellm_settings.ssl_verify instead")
	}
	o := s3.Options{
		Bucket: m.Need("s3_bucket_name"), Endpoint: m.Text("s3_endpoint_url", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
		Region: m.Text("s3_region_name", "AWS_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION"), Client: spec.Client,
		Virtual: m.Flag("s3_use_virtual_hosted_style", false), Plain: !m.Flag("s3_use_ssl", true),
	}
	signer, err := awssign.New(awssign.Options{
		AccessKey: m.Text("s3_aws_access_key_id"), Secret: m.Secret("s3_aws_secret_access_key"), Token: m.Secret("s3_aws_session_token"), Region: o.Region,
		Profile: m.Text("s3_aws_profile_name"), Role: m.Text("s3_aws_role_name"), SessionName: m.Text("s3_aws_session_name"),
		WebIdentity: m.Text("s3_aws_web_identity_token"), STS: m.Text("s3_aws_sts_endpoint"), Getenv: m.Getenv, Client: spec.Client,
	})
	if err != nil {
		m.Fault("", "%v", err)
		return nil, m.Err()
	}
	o.Signer = signer
	if m.Err() == nil {
		if a.bucket, err = s3.New(o); err != nil {
			m.Fault("", "%v", err)
		}
	}
	if err := m.Err(); err != nil {
		return nil, err
	}
	return a, nil
}

// folder is a path that a key can begin with.
func folder(path string) string {
	path = strings.Trim(path, "/")
	if path == "" {
		return ""
	}
	return path + "/"
}

// Batch implements callback.Batcher.
func (a *Archive) Batch() callback.Batch { return a.batch }

// Deliver implements callback.Callback. An object that is written twice is the same object.
func (a *Archive) Deliver(ctx context.Context, batch []*callback.Event) error {
	return post.Each(batch, atOnce, func(e *callback.Event) error {
		p := e.Payload
		if a.strip {
			p.Messages, p.Response = stripFiles(p.Messages), stripFiles(p.Response)
		}
		text, err := p.JSON()
		if err != nil {
			return &post.Refused{Text: err.Error()}
		}
		return a.put(ctx, a.key(&p), text)
	})
}

func (a *Archive) put(ctx context.Context, key string, text []byte) error {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	err := a.bucket.Put(ctx, key, text, http.Header{"Content-Type": {"application/json"}, "Cache-Control": {"private, immutable, max-age=31536000, s-maxage=0"}})
	var failed *s3.Error
	if errors.As(err, &failed) && (failed.Status == http.StatusBadRequest || failed.Status == http.StatusRequestEntityTooLarge) && !failed.Temporary() && aboutObject(failed.Code) {
		return &post.Refused{Status: failed.Status, Text: failed.Code}
	}
	return err
}

// aboutObject reports whether an error is about what was written, rather than about the bucket, the keys or the request.
func aboutObject(code string) bool {
	switch code {
	case "EntityTooLarge", "KeyTooLongError", "InvalidObjectName", "MetadataTooLarge":
		return true
	}
	return false
}

// key is where the object of a call is: s3_path, team, key, day, and a file named by time and id.
func (a *Archive) key(p *callback.Payload) string {
	var b strings.Builder
	b.WriteString(a.path)
	if a.byTeam && p.Metadata.TeamAlias != "" {
		b.WriteString(name(p.Metadata.TeamAlias) + "/")
	}
	if a.byKey && p.Metadata.KeyAlias != "" {
		b.WriteString(name(p.Metadata.KeyAlias) + "/")
	}
	start := time.UnixMicro(int64(p.StartTime*1e6 + 0.5)).UTC()
	b.WriteString(start.Format("2006-01-02") + "/time-" + start.Format("15-04-05-") + micros(start) + "_" + name(p.ID) + ".json")
	return b.String()
}

func micros(t time.Time) string {
	text := strconv.Itoa(t.Nanosecond() / 1000)
	return strings.Repeat("0", 6-len(text)) + text
}

// name is a part of a key: what means something in a path, or must be escaped in one, becomes "_".
func name(s string) string {
	const longest = 200
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_.=@+ ", r) {
			return r
		}
		return '_'
	}, s)
	if len(s) > longest {
		s = s[:longest]
	}
	if strings.Trim(s, ".") == "" {
		return "_"
	}
	return s
}

// Ping writes an object and takes it away again, where it may.
func (a *Archive) Ping(ctx context.Context) error {
	key := a.path + "tollgate-check.json"
	if err := a.put(ctx, key, []byte(`{"check":true}`)); err != nil {
		return err
	}
	_ = a.bucket.Delete(ctx, key) // an archive may be allowed to write alone
	return nil
}
