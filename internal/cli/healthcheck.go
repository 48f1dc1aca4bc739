package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// healthTimeout is less than the five seconds that Docker is usually told to wait, so that the reason is still told.
const healthTimeout = 4 * time.Second

func newHealthcheck(env *Environment) *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use: "healthcheck [URL]", Short: "Ask a gateway whether it is well: 0 for yes, 1 for no", Args: cobra.MaximumNArgs(1),
		Long: `Ask a gateway whether it is well. Exits 0 when it answers with a status below 400, and 1 when it does not.

Without a URL the gateway of this machine is asked for /health/liveness, on the port of the environment variable PORT, else 4000, by TLS where
SSL_CERTFILE_PATH is set. The certificate of a gateway on this machine is not checked: it is made for another name, or by its owner.

A link to the binary by the name of wget, curl, python3 or sh serves health checks on this machine and nothing else, so that those written for LiteLLM's
image work in one that has no shell: "wget --spider http://localhost:4000/health/liveness || exit 1", "curl -f ... || exit 1", and
python3 -c "import urllib.request; urllib.request.urlopen('http://localhost:4000/health/liveliness')".`,
		RunE: func(cmd *cobra.Command, args []string) error {
			address := ownHealth(env)
			if len(args) == 1 {
				address = args[0]
			}
			status, err := askHealth(cmd.Context(), address, timeout)
			switch {
			case errors.As(err, new(usageError)):
				return err
			case err == nil && status < http.StatusBadRequest:
				return nil
			case err == nil:
				err = fmt.Errorf("%s answers %d", address, status)
			}
			_, _ = fmt.Fprintln(env.Stderr, "not well:", err)
			return exitError(exitFailed) // Docker and Kubernetes know 1
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", healthTimeout, "how long the answer may take")
	return cmd
}

// ownHealth is where a gateway with this environment says that it lives.
func ownHealth(env *Environment) string {
	scheme, port := "http", "4000"
	if file, ok := env.LookupEnv("SSL_CERTFILE_PATH"); ok && file != "" {
		scheme = "https"
	}
	if value, ok := env.LookupEnv("PORT"); ok && value != "" {
		port = value
	}
	return scheme + "://" + net.JoinHostPort("localhost", port) + "/health/liveness"
}

// askHealth gets an address and returns the status of its answer. Proxies are not used and redirects are not followed.
func askHealth(ctx context.Context, address string, timeout time.Duration) (int, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return 0, usagef("%q is not a URL such as http://localhost:4000/health/liveness", address)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return 0, err
	}
	own := loopback(u)
	var control func(network, address string, c syscall.RawConn) error
	if own {
		control = refuseOthers
	}
	client := &http.Client{
		Transport: &http.Transport{
			DialContext:       (&net.Dialer{Control: control}).DialContext, //nolint:forbidigo // no upstream is called
			DisableKeepAlives: true,
			TLSClientConfig:   &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: own}, // #nosec G402 -- nobody stands between a machine and itself
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	reply, err := client.Do(request)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, io.LimitReader(reply.Body, 1<<20))
	_ = reply.Body.Close() // nothing was written
	return reply.StatusCode, err
}

// refuseOthers keeps a connection from leaving this machine. An image from scratch has no /etc/hosts of its own, so that
// "localhost" may be what a name server says it is.
func refuseOthers(_, address string, _ syscall.RawConn) error {
	if at, err := netip.ParseAddrPort(address); err != nil || !at.Addr().Unmap().IsLoopback() {
		return fmt.Errorf("%s is not this machine", address)
	}
	return nil
}

// loopback tells whether a URL says that it leads to this machine. Where its name leads is seen by refuseOthers.
func loopback(u *url.URL) bool {
	if u.Hostname() == "localhost" {
		return true
	}
	address, err := netip.ParseAddr(u.Hostname())
	return err == nil && address.Unmap().IsLoopback()
}
