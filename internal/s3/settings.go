package s3

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"os"
	"strconv"
	"strings"

	"tollgate/internal/awssign"
	"tollgate/internal/setting"
)

// Open makes a Client out of LiteLLM's settings s3_..., which caches and archives share. Without keys AWS's usual places are
// looked at: the environment, profiles, roles, the machine's identity. client asks the service, direct a machine's metadata
// past any proxy (nil = client). Faults are noted in m and returned.
func Open(m *setting.Map, client, direct *http.Client) (*Client, error) {
	m.Text("s3_api_version") // boto3 knows one
	o := Options{
		Bucket: m.Need("s3_bucket_name"), Endpoint: m.Text("s3_endpoint_url", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
		Region:  m.Text("s3_region_name", "AWS_REGION_NAME", "AWS_REGION", "AWS_DEFAULT_REGION"),
		Virtual: m.Flag("s3_use_virtual_hosted_style", false), Plain: !m.Flag("s3_use_ssl", true), Client: client,
	}
	if o.Endpoint != "" && !strings.Contains(o.Endpoint, "://") {
		o.Endpoint = map[bool]string{false: "https://", true: "http://"}[o.Plain] + o.Endpoint
	}
	if v := m.Text("s3_verify"); v != "" {
		verified, err := verifying(client, v)
		if err != nil {
			m.Fault("s3_verify", "%v", err)
		}
		o.Client = cmp.Or(verified, client)
	}
	signer, err := awssign.New(awssign.Options{
		AccessKey: m.Text("s3_aws_access_key_id"), Secret: m.Secret("s3_aws_secret_access_key"), Token: m.Secret("s3_aws_session_token"),
		Region: o.Region, Profile: m.Text("s3_aws_profile_name"), Role: m.Text("s3_aws_role_name"), SessionName: m.Text("s3_aws_session_name"),
		WebIdentity: m.Text("s3_aws_web_identity_token"), STS: m.Text("s3_aws_sts_endpoint"),
		Getenv: m.Getenv, Client: client, Direct: direct,
	})
	if err != nil {
		m.Fault("", "%s", strings.TrimPrefix(err.Error(), "aws: "))
	}
	if err := m.Err(); err != nil {
		return nil, err
	}
	o.Signer = signer
	c, err := New(o)
	if err != nil {
		m.Fault("", "%s; see s3_bucket_name, s3_region_name (AWS_REGION) and s3_endpoint_url", strings.TrimPrefix(err.Error(), "s3: "))
		return nil, m.Err()
	}
	return c, nil
}

// verifying is the client with other rules for certificates: how is false, true, or the file of the authorities that are
// trusted alone.
func verifying(client *http.Client, how string) (*http.Client, error) {
	on, err := strconv.ParseBool(strings.ToLower(how))
	if err == nil && on {
		return client, nil
	}
	transport, is := client.Transport.(*http.Transport)
	if !is {
		return nil, errors.New("the gateway's client takes no other rules for certificates")
	}
	transport = transport.Clone()
	if transport.TLSClientConfig == nil {
		transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if err == nil {
		transport.TLSClientConfig.InsecureSkipVerify = true // the operator's word
	} else {
		pem, err := os.ReadFile(how)
		if err != nil {
			return nil, err
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, errors.New("the file holds no certificate in PEM")
		}
		transport.TLSClientConfig.RootCAs = roots
	}
	other := *client
	other.Transport = transport
	return &other, nil
}
