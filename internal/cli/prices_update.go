package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"tollgate/internal/egress"
	"tollgate/internal/price"
)

type priceUpdate struct {
	dataDir string
	all     bool
	dryRun  bool
	timeout time.Duration
}

func newPricesUpdate(env *Environment) *cobra.Command {
	o := &priceUpdate{}
	cmd := &cobra.Command{
		Use: "update FILE|URL", Short: "Replace the prices in force by those of a file", Args: cobra.ExactArgs(1),
		Long: `Replace the prices in force by those of a file or URL, in the form of prices.csv or of LiteLLM's model_prices_and_context_window.json. The new
table is checked, compared with the one before and written to the data directory in one step. A gateway takes it up at its next start.

OCI's models stay as they are built in where the file is LiteLLM's: it takes Oracle's prices for a character for those of a token. --all takes
them too.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := applyEnvironment(cmd.Flags(), env); err != nil {
				return err
			}
			return updatePrices(cmd.Context(), env, o, args[0])
		},
	}
	cmd.Flags().StringVar(&o.dataDir, "data-dir", "", dataDirUsage)
	cmd.Flags().BoolVar(&o.all, "all", false, "take OCI's models from a file of LiteLLM's as well")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "tell what would change, and change nothing")
	cmd.Flags().DurationVar(&o.timeout, "timeout", 2*time.Minute, "how long a download may take")
	return cmd
}

func updatePrices(ctx context.Context, env *Environment, o *priceUpdate, from string) error {
	dir, remedy, err := dataDir(env, o.dataDir)
	if err != nil {
		return err
	}
	if dir == "" {
		return usagef("the prices cannot be kept where the gateway keeps its data: %s", remedy)
	}
	before, _, err := price.Load(dir)
	if err != nil {
		// A broken table is a reason to replace it.
		if before, err = price.Builtin(); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	text, err := fetchPrices(ctx, env, from)
	if err != nil {
		return err
	}
	next, err := o.read(env, text, from)
	if err != nil {
		return err
	}
	if err := printChanges(env.Stdout, before, next); err != nil {
		return err
	}
	if o.dryRun {
		_, err := fmt.Fprintln(env.Stderr, "nothing was written (--dry-run)")
		return err
	}
	if err := price.Save(dir, next); err != nil {
		return fmt.Errorf("the prices stay as they were: %w", err)
	}
	_, err = fmt.Fprintf(env.Stderr, "wrote %s; a gateway takes it up at its next start\n", filepath.Join(dir, price.FileName))
	return err
}

// read reads a table in whichever of the two forms it is.
func (o *priceUpdate) read(env *Environment, text []byte, from string) (*price.Table, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // of an editor
	if !bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		return price.Read(bytes.NewReader(text))
	}
	name := from
	if u, err := url.Parse(from); err == nil && u.Scheme != "" {
		u.User, u.RawQuery = nil, "" // may hold a secret
		name = u.String()
	}
	next, report, err := price.ReadLiteLLM(bytes.NewReader(text), name, time.Now().UTC().Format(time.DateOnly))
	if err != nil {
		return nil, err
	}
	if err := printReport(env.Stderr, report); err != nil {
		return nil, err
	}
	if o.all {
		return next, nil
	}
	builtin, err := price.Builtin()
	if err != nil {
		return nil, err
	}
	return next.Keeping(builtin, "oci"), nil
}

// printReport tells what of a file of LiteLLM's is not in the table.
func printReport(w io.Writer, r price.Report) error {
	_, err := fmt.Fprintf(w, "read %d models; %d entries were left out\n", r.Models, len(r.Skipped))
	const most = 10
	for i, s := range r.Skipped {
		if i == most {
			_, err = fmt.Fprintf(w, "  ... and %d more\n", len(r.Skipped)-most)
			break
		}
		_, err = fmt.Fprintf(w, "  %s: %s\n", printable(s.ID), printable(s.Reason))
	}
	if unread := r.UnreadPrices(); len(unread) > 0 && err == nil {
		shown := unread[:min(len(unread), most)]
		_, err = fmt.Fprintf(w, "prices that are not counted: %s%s\n", printable(strings.Join(shown, ", ")), andMore(len(unread)-len(shown)))
	}
	return err
}

func andMore(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" and %d more", n)
}

// printChanges tells what the new table does to the prices.
func printChanges(w io.Writer, before, next *price.Table) error {
	changes := price.Diff(before, next)
	counts := map[string]int{}
	for _, d := range changes {
		counts[d.Kind()]++
	}
	c := newColumns(w)
	c.row(fmt.Sprintf("%d models before, %d now: %d added, %d changed, %d removed", len(before.Models()), len(next.Models()), counts["added"], counts["changed"], counts["removed"]))
	const most = 20
	shown := map[string]int{}
	for _, d := range changes {
		kind := d.Kind()
		if shown[kind]++; shown[kind] > most {
			continue
		}
		switch kind {
		case "added":
			c.row("added", d.ID, "", inAndOut(&d.New))
		case "removed":
			c.row("removed", d.ID, inAndOut(&d.Old), "")
		default:
			c.row("changed", d.ID, inAndOut(&d.Old), inAndOut(&d.New))
		}
	}
	for _, kind := range []string{"added", "changed", "removed"} {
		if n := counts[kind] - most; n > 0 {
			c.row(kind, fmt.Sprintf("... and %d more", n))
		}
	}
	return c.flush()
}

// inAndOut is the gist of a model's prices.
func inAndOut(e *price.Entry) string {
	if e.Query.Known {
		return e.Query.USD.String() + " a search"
	}
	if e.Input.Known || e.Output.Known {
		return perMillion(e.Input) + "/" + perMillion(e.Output)
	}
	for name, rate := range e.All() {
		return name + " " + rate.USD.String()
	}
	return "no price"
}

// maxPrices bounds a price file. LiteLLM's has 4 MB.
const maxPrices = 64 << 20

// fetchPrices reads a file, or a URL that the operator named.
func fetchPrices(ctx context.Context, env *Environment, from string) ([]byte, error) {
	if !strings.HasPrefix(from, "http://") && !strings.HasPrefix(from, "https://") {
		text, err := os.ReadFile(strings.TrimPrefix(from, "file://"))
		if err == nil && len(text) > maxPrices {
			err = fmt.Errorf("%s is larger than %d bytes", from, maxPrices)
		}
		return text, err
	}
	out, err := egress.New(egress.Options{})
	if err != nil {
		return nil, err
	}
	defer out.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, err
	}
	resp, err := out.HTTPClient().Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	switch {
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		return nil, fmt.Errorf("the server sends on to %s: if you trust it, name that address", resp.Header.Get("Location"))
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the server answered %s", resp.Status)
	}
	progress := &progress{w: env.Stderr, size: resp.ContentLength}
	text, err := io.ReadAll(io.TeeReader(io.LimitReader(resp.Body, maxPrices+1), progress))
	progress.end()
	if err == nil && len(text) > maxPrices {
		err = errors.New("the answer is larger than a price file can be")
	}
	return text, err
}

// progress shows on a terminal how far a download is.
type progress struct {
	w          io.Writer
	size, done int64
	shown      time.Time
}

func (p *progress) Write(b []byte) (int, error) {
	p.done += int64(len(b))
	if f, ok := p.w.(*os.File); ok && term.IsTerminal(int(f.Fd())) && time.Since(p.shown) > 100*time.Millisecond {
		p.shown = time.Now()
		if p.size > 0 {
			_, _ = fmt.Fprintf(p.w, "\rread %d of %d kB", p.done/1000, p.size/1000)
		} else {
			_, _ = fmt.Fprintf(p.w, "\rread %d kB", p.done/1000)
		}
	}
	return len(b), nil
}

// end leaves the line.
func (p *progress) end() {
	if !p.shown.IsZero() {
		_, _ = fmt.Fprintln(p.w)
	}
}
