// Command suite runs every test of the repository that needs no engine of containers and no cluster, and says how many
// ran: the Go tests with the race detector, the signer that uses OpenSSL, real clients in Python and Node against the
// built program, the sample and the chart, the checks of a live gateway, the pages. Its last line is
// "N passed, N failed", with ", N skipped" where tests were skipped; it exits 1 when a test failed or could not run.
//
// The group "go" takes about as long as all others and waits most of the time, so the others run beside it, one after
// the other; its lines are shown as they come, what another group says when that ends. What a group needs is installed
// first, side by side. A group that cannot be set up fails.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// tally counts tests.
type tally struct{ passed, failed, skipped int }

func (t *tally) add(other tally) {
	t.passed += other.passed
	t.failed += other.failed
	t.skipped += other.skipped
}

// String is the form of the suite's last line.
func (t tally) String() string {
	text := fmt.Sprintf("%d passed, %d failed", t.passed, t.failed)
	if t.skipped > 0 {
		text += fmt.Sprintf(", %d skipped", t.skipped)
	}
	return text
}

// group is a set of tests with one way of running them.
type group struct {
	name string
	// setups are the scripts that install what the group needs.
	setups []string
	// run runs the tests and shows on out what they say.
	run func(ctx context.Context, out io.Writer) (tally, error)
}

func groups() []group {
	return []group{
		{"go", []string{"test/setup/go.sh", "test/setup/postgres.sh", "test/setup/redis.sh", "test/setup/litellm-schema.sh",
			"test/setup/moto.sh", "test/setup/qdrant.sh", "test/setup/pgvector.sh", "test/setup/redis-search.sh"}, raceTests},
		{"openssl", []string{"test/setup/openssl.sh"}, goTests(".", "-tags=openssl", "./internal/provider/oci/auth/...")},
		{"python", []string{"test/setup/python.sh"}, pythonTests},
		{"node", []string{"test/setup/node.sh"}, nodeTests},
		{"artifacts", []string{"test/setup/artifacts.sh"}, goTests(".", artifacts)},
		{"live", nil, script("test/live/run", "--demo")},
		{"costs", nil, script("test/costs/run", "--demo")},
		{"locus", nil, script("test/locus/run", "--demo")},
		{"clients", []string{"test/setup/clients.sh"}, script("test/clients/run")},
		{"integrations", nil, script("test/integrations/run", "--quick")},
		{"monitoring", nil, script("deploy/prometheus/check")},
		{"release", nil, goTests("deploy/release", "./...")},
		{"docs", nil, script("docs/build", "--test")},
	}
}

func main() {
	only := flag.String("only", "", "groups to run, separated by commas (go, openssl, python, node, artifacts, live, costs, locus, clients, integrations, monitoring, release, docs)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	well := run(ctx, chosen(*only))
	stop()
	if !well {
		os.Exit(1)
	}
}

// chosen are the groups named by a list, all when it is empty.
func chosen(list string) []group {
	if list == "" {
		return groups()
	}
	var out []group
	for name := range strings.SplitSeq(list, ",") {
		i := slices.IndexFunc(groups(), func(g group) bool { return g.name == name })
		if i < 0 {
			fmt.Fprintf(os.Stderr, "there is no group %q\n", name)
			os.Exit(2)
		}
		out = append(out, groups()[i])
	}
	return out
}

// output lets several groups write to one place.
type output struct {
	mu sync.Mutex
	to io.Writer // guarded by mu
}

func (o *output) Write(text []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.to.Write(text)
}

// result is how a group went.
type result struct {
	tally
	took time.Duration
}

// run runs the group "go" and the others side by side and reports whether all is well.
func run(ctx context.Context, chosen []group) bool {
	started := time.Now()
	setups := startSetups(ctx, chosen)
	screen := &output{to: os.Stdout}
	results := make([]result, len(chosen))
	var alone sync.WaitGroup
	for i, g := range chosen {
		if g.name == "go" {
			alone.Go(func() { results[i] = runGroup(ctx, g, setups, screen) })
		}
	}
	for i, g := range chosen {
		if g.name != "go" {
			var text bytes.Buffer
			results[i] = runGroup(ctx, g, setups, &output{to: &text})
			_, _ = screen.Write(text.Bytes())
		}
	}
	alone.Wait()

	var total tally
	fmt.Println()
	for i, r := range results {
		total.add(r.tally)
		fmt.Printf("%-10s %-40s %4.0f s\n", chosen[i].name, r.tally, r.took.Seconds())
	}
	fmt.Printf("%-10s %-40s %4.0f s\n\n%s\n", "all", "", time.Since(started).Seconds(), total)
	return total.failed == 0
}

func runGroup(ctx context.Context, g group, setups setups, out io.Writer) result {
	begun := time.Now()
	_, _ = fmt.Fprintf(out, "\n== %s\n", g.name)
	var t tally
	err := setups.await(g, out)
	if err == nil {
		t, err = g.run(ctx, out)
	}
	if err == nil && t == (tally{}) {
		err = errors.New("no tests were found")
	}
	if err != nil {
		t.failed++ // a group that cannot run is a failure, never a gap
		_, _ = fmt.Fprintf(out, "FAIL %s: %v\n", g.name, err)
	}
	return result{t, time.Since(begun)}
}
