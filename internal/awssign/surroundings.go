package awssign

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

func newV4() *v4.Signer { return v4.NewSigner() }

const (
	containerHost = "http://169.254.170.2" // of ECS's agent
	machineHost   = "http://169.254.169.254"
	// machineWait bounds a call of the machine's metadata: where there is none, nobody answers.
	machineWait = 2 * time.Second
)

// surroundings finds who signs where nothing is configured: the role of the container (ECS, EKS Pod Identity) or of the machine.
func (o *Options) surroundings() (source, string, error) {
	relative, full := o.Getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"), o.Getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI")
	switch {
	case relative != "":
		return o.container(containerHost + relative), "", nil
	case full != "":
		if err := checkContainer(full); err != nil {
			return nil, "", err
		}
		return o.container(full), "", nil
	case strings.EqualFold(o.Getenv("AWS_EC2_METADATA_DISABLED"), "true"):
		return nil, "", errors.New("aws: no credentials: give an access key, a profile, a role or a web identity")
	}
	return o.machine, "", nil
}

// checkContainer lets the address of a container's credentials be one of AWS's own or of this machine, or any over TLS, as
// AWS's tools do: the variable might be somebody else's.
func checkContainer(address string) error {
	const name = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
	if err := checkEndpoint(name, address); err != nil {
		return err
	}
	u, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("aws: %s: %w", name, err)
	}
	ip := net.ParseIP(u.Hostname())
	switch {
	case u.Scheme == "https", u.Hostname() == "localhost", ip != nil && ip.IsLoopback():
		return nil
	case ip.Equal(net.IPv4(169, 254, 170, 2)), ip.Equal(net.IPv4(169, 254, 170, 23)), ip.Equal(net.ParseIP("fd00:ec2::23")):
		return nil
	}
	return fmt.Errorf("aws: %s: plain HTTP is taken only from this machine and from AWS's own addresses", name)
}

func (o *Options) container(address string) source {
	return func(ctx context.Context) (credentials, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
		if err != nil {
			return credentials{}, fmt.Errorf("aws: container credentials: %w", err)
		}
		token := o.Getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN")
		if file := o.Getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"); file != "" {
			text, err := os.ReadFile(file)
			if err != nil {
				return credentials{}, fmt.Errorf("aws: container credentials: %w", err)
			}
			token = strings.TrimSpace(string(text))
		}
		if token != "" {
			req.Header.Set("Authorization", token)
		}
		return keysFrom(o.Direct, req, "container credentials")
	}
}

// machine asks the metadata service of an EC2 machine (IMDSv2) for the keys of its role.
func (o *Options) machine(ctx context.Context) (credentials, error) {
	ctx, cancel := context.WithTimeout(ctx, machineWait)
	defer cancel()
	host := strings.TrimRight(cmp.Or(o.Getenv("AWS_EC2_METADATA_SERVICE_ENDPOINT"), machineHost), "/")
	token, err := o.metadata(ctx, http.MethodPut, host+"/latest/api/token", "X-Aws-Ec2-Metadata-Token-Ttl-Seconds", "21600")
	if err != nil {
		return credentials{}, fmt.Errorf("aws: no credentials: nothing is configured, and this is no machine of AWS's: %w", err)
	}
	const roles = "/latest/meta-data/iam/security-credentials/"
	name, err := o.metadata(ctx, http.MethodGet, host+roles, "X-Aws-Ec2-Metadata-Token", token)
	if err != nil {
		return credentials{}, fmt.Errorf("aws: the machine's role: %w", err)
	}
	name, _, _ = strings.Cut(strings.TrimSpace(name), "\n")
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, host+roles+url.PathEscape(name), http.NoBody)
	if err != nil {
		return credentials{}, fmt.Errorf("aws: the machine's role: %w", err)
	}
	req.Header.Set("X-Aws-Ec2-Metadata-Token", token)
	return keysFrom(o.Direct, req, "the machine's role")
}

// metadata reads a text of the metadata service.
func (o *Options) metadata(ctx context.Context, method, address, header, value string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, http.NoBody)
	if err != nil {
		return "", err
	}
	req.Header.Set(header, value)
	status, text, err := send(o.Direct, req)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("the metadata service answered %d", status)
	}
	return string(text), err
}
