package cli

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"tollgate/internal/client"
)

// The exit statuses beside 0.
const (
	exitFailed      = 1 // something else went wrong
	exitUsage       = 2 // the command line is wrong
	exitRefused     = 3 // the gateway said no
	exitUnreachable = 4 // the gateway cannot be reached, or failed
)

// usageError is a command line that cannot be meant.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// status is the exit status for an error.
func status(err error) int {
	var refused *client.Error
	var unreachable *url.Error
	switch {
	case err == nil:
		return 0
	case errors.As(err, new(usageError)):
		return exitUsage
	case errors.As(err, &refused) && refused.Status < http.StatusInternalServerError:
		return exitRefused
	case errors.As(err, &refused), errors.As(err, &unreachable):
		return exitUnreachable
	}
	return exitFailed
}

// strictUsage makes the errors that cobra finds on a command line of these commands usage errors.
func strictUsage(cmd *cobra.Command) {
	cmd.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usagef("%w; `%s --help` tells its options", err, c.CommandPath())
	})
	if check := cmd.Args; check != nil {
		cmd.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return usagef("%w: %s", err, c.UseLine())
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		strictUsage(sub)
	}
}

// advised adds to an error of a call what to do next.
func advised(err error, base string) error {
	var refused *client.Error
	if errors.As(err, &refused) {
		return advisedRefusal(err, refused, base)
	}
	var unreachable *url.Error
	if !errors.As(err, &unreachable) {
		return err
	}
	if unreachable.Timeout() {
		return fmt.Errorf("%s did not answer in time; try --timeout with more: %w", base, unreachable)
	}
	var dial *net.OpError
	if errors.As(err, &dial) && dial.Op == "dial" {
		return fmt.Errorf("nothing answers at %s: is the gateway running, and is that its address? (--url, TOLLGATE_URL or `tollgate login`): %w", base, unreachable)
	}
	return fmt.Errorf("%s cannot be asked: %w", base, unreachable)
}

func advisedRefusal(err error, refused *client.Error, base string) error {
	switch {
	case refused.Status == http.StatusUnauthorized:
		return fmt.Errorf("%w\n%s does not take the key that was sent, or not for this: pass another with --key or TOLLGATE_KEY, or run `tollgate login`", err, base)
	case refused.Status == http.StatusForbidden:
		return fmt.Errorf("%w\nThis needs a key with more rights: the master key, or one of a user with the role proxy_admin", err)
	case refused.Type == "no_db_connection" && refused.Status == http.StatusInternalServerError: // not of one that is away
		return fmt.Errorf("%w\nThe gateway was started without a database: start it with --data-dir or DATABASE_URL", err)
	case refused.Status == http.StatusNotFound && refused.Type == "":
		return fmt.Errorf("%w\nIs %s a gateway, and new enough for this command?", err, base)
	}
	return err
}
