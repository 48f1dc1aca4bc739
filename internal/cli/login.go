package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"tollgate/internal/client"
)

type loginOptions struct {
	url, profile string
	unchecked    bool
}

func newLogin(env *Environment) *cobra.Command {
	o := &loginOptions{}
	cmd := &cobra.Command{
		Use: "login", Short: "Note a gateway and a key for the commands that ask it", Args: cobra.NoArgs,
		Long: `Note a gateway's address and a key in a profile, ~/.config/tollgate/config.yaml, which its owner alone can read. The key is asked for,
or read from the standard input; it is never an option. The profile becomes the current one.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return login(cmd.Context(), env, o) },
	}
	cmd.Flags().StringVar(&o.url, "url", defaultURL, "address of the gateway")
	cmd.Flags().StringVar(&o.profile, "profile", "default", "name of the profile")
	cmd.Flags().BoolVar(&o.unchecked, "no-check", false, "do not ask the gateway whether it takes the key")
	return cmd
}

func login(ctx context.Context, env *Environment, o *loginOptions) error {
	at, err := url.Parse(o.url)
	if err != nil || at.Host == "" || at.Scheme != "http" && at.Scheme != "https" {
		return usagef("%q is not the address of a gateway: write it as %s", o.url, defaultURL)
	}
	all, err := readProfiles(env)
	if err != nil {
		return err
	}
	key, err := readKey(env, o.url)
	if err != nil {
		return err
	}
	if !o.unchecked {
		if err := checkKey(ctx, o.url, key); err != nil {
			return err
		}
	}
	if at.Scheme == "http" && !onThisMachine(at.Hostname()) {
		if _, err := fmt.Fprintf(env.Stderr, "warning: the key will travel to %s unencrypted\n", at.Host); err != nil {
			return err
		}
	}
	all.Current, all.Profiles[o.profile] = o.profile, profile{URL: o.url, Key: key}
	file, err := all.write(env)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(env.Stdout, "noted %s as profile %s in %s\n", o.url, o.profile, file)
	return err
}

// readKey asks for a key without showing it, or reads a line where nobody sits at the other end.
func readKey(env *Environment, base string) (string, error) {
	var text string
	if in, ok := env.Stdin.(*os.File); ok && term.IsTerminal(int(in.Fd())) {
		if _, err := fmt.Fprintf(env.Stderr, "Key for %s: ", base); err != nil {
			return "", err
		}
		typed, err := term.ReadPassword(int(in.Fd()))
		_, _ = fmt.Fprintln(env.Stderr)
		if err != nil {
			return "", err
		}
		text = string(typed)
	} else if env.Stdin != nil {
		text, _ = bufio.NewReader(env.Stdin).ReadString('\n') // without a line end it is the whole input
	}
	if text = strings.TrimSpace(text); text == "" {
		return "", usagef("no key was given: type it, or send it to the standard input")
	}
	return text, nil
}

// checkKey asks the gateway whether it knows the key. A key that may not list models is a key all the same.
func checkKey(ctx context.Context, base, key string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	err := client.New(base, key).Do(ctx, http.MethodGet, "/v1/models", nil, nil)
	var refused *client.Error
	if errors.As(err, &refused) && refused.Status == http.StatusForbidden {
		return nil
	}
	return advised(err, base)
}

func onThisMachine(host string) bool {
	return host == "localhost" || host == "::1" || strings.HasPrefix(host, "127.")
}
