// Command suite runs every test of the repository that needs no engine of containers and no cluster, and says how many
// ran: the Go tests with the race detector, the signer that uses OpenSSL, real clients in Python and Node against the
// built program, the sample and the chart, the checks of a live gateway, the pages. Its last line is
// "N passed, N failed", with ", N skipped" where tests were skipped; it exits 1 when a test failed or could not run.
//
// What a group needs is installed first, side by side, while the Go tests run. A group that cannot be set up fails.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
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
	run    func(context.Context) (tally, error)
}

// artifacts is a package of Go tests that needs tools that take minutes to build, and so is a group of its own.
const artifacts = "tollgate/test/artifacts"

func groups() []group {
	return []group{
		{"go", []string{"test/setup/go.sh", "test/setup/postgres.sh", "test/setup/redis.sh", "test/setup/litellm-schema.sh"}, func(ctx context.Context) (tally, error) {
			packages, err := goPackages(ctx, artifacts)
			if err != nil {
				return tally{}, err
			}
			return goTests(ctx, ".", append([]string{"-race"}, packages...)...)
		}},
		{"openssl", []string{"test/setup/openssl.sh"}, func(ctx context.Context) (tally, error) {
			return goTests(ctx, ".", "-tags=openssl", "./internal/provider/oci/auth/...")
		}},
		{"python", []string{"test/setup/python.sh"}, pythonTests},
		{"node", []string{"test/setup/node.sh"}, nodeTests},
		{"artifacts", []string{"test/setup/artifacts.sh"}, func(ctx context.Context) (tally, error) { return goTests(ctx, ".", artifacts) }},
		{"live", nil, script("test/live/run", "--demo")},
		{"costs", nil, script("test/costs/run", "--demo")},
		{"locus", nil, script("test/locus/run", "--demo")},
		{"clients", []string{"test/setup/clients.sh"}, script("test/clients/run")},
		{"monitoring", nil, script("deploy/prometheus/check")},
		{"release", nil, func(ctx context.Context) (tally, error) { return goTests(ctx, "deploy/release", "./...") }},
		{"docs", nil, script("docs/build", "--test")},
	}
}

func main() {
	only := flag.String("only", "", "groups to run, separated by commas (go, openssl, python, node, artifacts, live, costs, locus, clients, monitoring, release, docs)")
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

// run runs the groups one after the other and reports whether all is well.
func run(ctx context.Context, chosen []group) bool {
	started := time.Now()
	setups := startSetups(ctx, chosen)
	var total tally
	var lines []string
	for _, g := range chosen {
		begun := time.Now()
		fmt.Printf("\n== %s\n", g.name)
		var t tally
		err := setups.await(g)
		if err == nil {
			t, err = g.run(ctx)
		}
		if err == nil && t == (tally{}) {
			err = fmt.Errorf("no tests were found")
		}
		if err != nil {
			t.failed++ // a group that cannot run is a failure, never a gap
			fmt.Printf("FAIL %s: %v\n", g.name, err)
		}
		total.add(t)
		lines = append(lines, fmt.Sprintf("%-10s %-40s %4.0f s", g.name, t, time.Since(begun).Seconds()))
	}
	fmt.Printf("\n%s\n%-10s %-40s %4.0f s\n\n%s\n", strings.Join(lines, "\n"), "all", "", time.Since(started).Seconds(), total)
	return total.failed == 0
}
