package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tollgate/internal/client"
)

// remote is a running gateway that commands ask, and how they show what it answers.
type remote struct {
	env               *Environment
	url, key, profile string
	asJSON            bool
	timeout           time.Duration
}

// defaultURL is where a gateway listens when nobody says otherwise.
const defaultURL = "http://127.0.0.1:4000"

// The environment variables for a gateway's address and key; the first that is set counts.
var (
	urlNames = []string{"TOLLGATE_URL", "LITELLM_GATEWAY_URL", "LITELLM_PROXY_URL"}
	keyNames = []string{"TOLLGATE_KEY", "LITELLM_GATEWAY_KEY", "LITELLM_PROXY_API_KEY", "LITELLM_MASTER_KEY"}
)

// newGroup makes a command that holds others, each against a running gateway.
func newGroup(env *Environment, use, short, long string) (*cobra.Command, *remote) {
	r := &remote{env: env}
	cmd := &cobra.Command{Use: use, Short: short, Long: long, Args: cobra.ArbitraryArgs, RunE: func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usagef("%s has no command %q; `%s --help` lists those that it has", cmd.CommandPath(), args[0], cmd.CommandPath())
		}
		return cmd.Help()
	}}
	f := cmd.PersistentFlags()
	f.StringVar(&r.url, "url", "", "address of the gateway ["+strings.Join(urlNames, ", ")+"]; "+defaultURL+" when nothing names one")
	f.StringVar(&r.key, "key", "", "key to call it with ["+strings.Join(keyNames, ", ")+"]; other users of the machine can see options, so prefer the variable or a profile")
	f.StringVar(&r.profile, "profile", "", "profile that tollgate login made [TOLLGATE_PROFILE]")
	f.BoolVar(&r.asJSON, "json", false, "print the gateway's answer as JSON")
	f.DurationVar(&r.timeout, "timeout", time.Minute, "how long the gateway may take")
	return cmd, r
}

// leaf makes a command that asks the gateway.
func (r *remote) leaf(use, short string, args cobra.PositionalArgs, run func(ctx context.Context, c *client.Client, cmd *cobra.Command, args []string) error) *cobra.Command {
	return &cobra.Command{Use: use, Short: short, Args: args, RunE: func(cmd *cobra.Command, args []string) error {
		at, err := r.gateway()
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), r.timeout)
		defer cancel()
		return advised(run(ctx, client.New(at.URL, at.Key), cmd, args), at.URL)
	}}
}

// gateway finds the address and the key: options, then the named profile, then the environment, then the current
// profile. A profile's key goes to the profile's address alone.
func (r *remote) gateway() (profile, error) {
	found := profile{URL: r.url, Key: r.key}
	name := r.profile
	if name == "" {
		name, _ = r.env.LookupEnv("TOLLGATE_PROFILE")
	}
	if name == "" {
		found.URL = firstOf(found.URL, r.variable(urlNames))
		found.Key = firstOf(found.Key, r.variable(keyNames))
		if found.URL == "" && found.Key != "" {
			found.URL = defaultURL
		}
	}
	if found.URL == "" || found.Key == "" {
		if err := r.complete(&found, name); err != nil {
			return profile{}, err
		}
	}
	found.URL = firstOf(found.URL, defaultURL)
	if found.Key == "" {
		return profile{}, usagef("there is no key for %s: set TOLLGATE_KEY, pass --key, or run `tollgate login --url %s`", found.URL, found.URL)
	}
	if u, err := url.Parse(found.URL); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return profile{}, usagef("%q is not the address of a gateway: write it as %s", found.URL, defaultURL)
	}
	return found, nil
}

// complete fills in from a profile what is missing.
func (r *remote) complete(found *profile, name string) error {
	all, err := readProfiles(r.env)
	if err != nil || name == "" && all.Current == "" {
		return err
	}
	p, err := all.named(name)
	if err != nil {
		return err
	}
	found.URL = firstOf(found.URL, p.URL)
	if found.Key == "" && strings.TrimRight(found.URL, "/") == strings.TrimRight(p.URL, "/") {
		found.Key = p.Key
	}
	return nil
}

// variable is the first environment variable that is set to something.
func (r *remote) variable(names []string) string {
	for _, name := range names {
		if value, _ := r.env.LookupEnv(name); value != "" {
			return value
		}
	}
	return ""
}

func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// show prints an answer: as JSON when that was asked for, else as human prints it.
func (r *remote) show(raw json.RawMessage, human func(*columns)) error {
	if r.asJSON {
		var text bytes.Buffer
		if err := json.Indent(&text, raw, "", "  "); err != nil {
			return err
		}
		_, err := fmt.Fprintln(r.env.Stdout, text.String())
		return err
	}
	c := newColumns(r.env.Stdout)
	human(c)
	return c.flush()
}

// said prints an answer that is all in a sentence.
func (r *remote) said(raw json.RawMessage, format string, args ...any) error {
	return r.show(raw, func(c *columns) { c.row(fmt.Sprintf(format, args...)) })
}

// more says on the standard error that a list goes on.
func (r *remote) more(page, pages, total int, what string) error {
	if page >= pages || r.asJSON {
		return nil
	}
	_, err := fmt.Fprintf(r.env.Stderr, "page %d of %d, %d %s in all: --page %d shows more\n", page, pages, total, what, page+1)
	return err
}

// pageFlags are the options of a list.
type pageFlags struct{ page, size int }

func (p *pageFlags) add(cmd *cobra.Command, size int) {
	cmd.Flags().IntVar(&p.page, "page", 1, "page of the list")
	cmd.Flags().IntVar(&p.size, "size", size, "lines of a page, 100 at most")
}

// queryFlag is an option that narrows a list.
type queryFlag struct{ flag, param, usage string }

func addQueryFlags(cmd *cobra.Command, flags []queryFlag) {
	for _, f := range flags {
		cmd.Flags().String(f.flag, "", f.usage)
	}
}

// readQuery makes the query of the options that were given.
func readQuery(cmd *cobra.Command, flags []queryFlag) url.Values {
	query := url.Values{}
	for _, f := range flags {
		if given := cmd.Flags().Lookup(f.flag); given.Changed {
			query.Set(f.param, given.Value.String())
		}
	}
	return query
}
