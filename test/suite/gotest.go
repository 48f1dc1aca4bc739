package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// artifacts is a package of Go tests that needs tools that take minutes to build, and so is a group of its own.
const artifacts = "tollgate/test/artifacts"

// slowest are the packages that take longest. They begin first, or one of them would be left to run alone in the end.
var slowest = []string{"tollgate/test/e2e", "tollgate/internal/store", "tollgate/test/strangers", "tollgate/internal/importer"}

// raceTests runs the Go tests of the module with the race detector. SQLite goes without: it is C translated to Go and
// keeps its memory outside of Go's, so that the detector finds nothing in it, at ten times its price.
func raceTests(ctx context.Context, show io.Writer) (tally, error) {
	list := exec.CommandContext(ctx, "go", "list", "./...")
	list.Stderr = show
	out, err := list.Output()
	if err != nil {
		return tally{}, fmt.Errorf("go list: %w", err)
	}
	others := slices.DeleteFunc(strings.Fields(string(out)), func(p string) bool { return p == artifacts || slices.Contains(slowest, p) })
	args := append([]string{"-race", "-gcflags=modernc.org/sqlite/lib=-race=false"}, slowest...)
	return goTests(".", append(args, others...)...)(ctx, show)
}

// goTests is a group that runs `go test -json` with args in the folder of a module, and shows a line per package and the
// output of what failed. Nothing is taken from the cache, which does not see that a test builds and starts the program.
func goTests(module string, args ...string) func(context.Context, io.Writer) (tally, error) {
	return func(ctx context.Context, show io.Writer) (tally, error) {
		cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-json", "-count=1", "-timeout=15m"}, args...)...)
		cmd.Dir = module
		// A program with the race detector would sleep for a second before it exits.
		cmd.Env = append(os.Environ(), "CGO_ENABLED=1", "GORACE=atexit_sleep_ms=10 "+os.Getenv("GORACE"))
		cmd.Stderr = show
		out, err := cmd.StdoutPipe()
		if err != nil {
			return tally{}, err
		}
		if err := cmd.Start(); err != nil {
			return tally{}, err
		}
		t, err := readGoTests(out, show)
		if exit := cmd.Wait(); err == nil && exit != nil && t.failed == 0 {
			err = fmt.Errorf("go test: %w", exit)
		}
		return t, err
	}
}

// goEvent is one line of `go test -json`.
type goEvent struct {
	Action, Package, Test, Output, ImportPath string
	Elapsed                                   float64
}

// goPackage is what is known of a package whose tests are running.
type goPackage struct {
	tally
	output map[string][]string // of the tests under way, and of the package under ""
	failed map[string]bool
	parent map[string]bool // tests that have subtests
}

// readGoTests counts the tests of a stream of events. A test that has subtests is counted by them, unless it failed
// and none of them did; a package that fails without a failed test (it does not build, it panicked) is one failure.
func readGoTests(events io.Reader, show io.Writer) (tally, error) {
	var total tally
	packages := map[string]*goPackage{}
	lines := bufio.NewScanner(events)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e goEvent
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return total, fmt.Errorf("go test -json wrote %q: %w", lines.Text(), err)
		}
		if e.Action == "build-output" {
			_, _ = io.WriteString(show, e.Output)
			continue
		}
		if e.Package == "" {
			continue
		}
		p := packages[e.Package]
		if p == nil {
			p = &goPackage{output: map[string][]string{}, failed: map[string]bool{}, parent: map[string]bool{}}
			packages[e.Package] = p
		}
		if p.take(e, show) {
			total.add(p.tally)
			delete(packages, e.Package)
		}
	}
	return total, lines.Err()
}

// take takes up one event and reports whether it was the package's last.
func (p *goPackage) take(e goEvent, show io.Writer) (ended bool) {
	switch e.Action {
	case "run":
		if i := strings.LastIndexByte(e.Test, '/'); i > 0 {
			p.parent[e.Test[:i]] = true
		}
	case "output":
		p.output[e.Test] = append(p.output[e.Test], e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			p.end(e, show)
			return true
		}
		p.count(e, show)
	}
	return false
}

// count counts a test that ended.
func (p *goPackage) count(e goEvent, show io.Writer) {
	name := strings.TrimPrefix(e.Package, "tollgate/")
	switch {
	case e.Action == "fail":
		counted := p.parent[e.Test] && p.childFailed(e.Test)
		p.failed[e.Test] = true
		if !counted {
			p.tally.failed++
		}
		_, _ = fmt.Fprintf(show, "FAIL %s %s\n%s", name, e.Test, strings.Join(p.output[e.Test], ""))
	case p.parent[e.Test]:
	case e.Action == "skip":
		p.skipped++
		_, _ = fmt.Fprintf(show, "skip %s %s\n%s", name, e.Test, strings.Join(p.output[e.Test], ""))
	default:
		p.passed++
	}
	delete(p.output, e.Test)
}

func (p *goPackage) childFailed(test string) bool {
	for failed := range p.failed {
		if strings.HasPrefix(failed, test+"/") {
			return true
		}
	}
	return false
}

// end closes the package with a line.
func (p *goPackage) end(e goEvent, show io.Writer) {
	name := strings.TrimPrefix(e.Package, "tollgate/")
	switch {
	case e.Action == "fail":
		if p.tally.failed == 0 {
			p.tally.failed++
			for test, lines := range p.output { // what was running when the package died
				_, _ = fmt.Fprintf(show, "%s %s\n%s", name, test, strings.Join(lines, ""))
			}
		}
		_, _ = fmt.Fprintf(show, "FAIL %-34s %s  %.1f s\n", name, p.tally, e.Elapsed)
	case e.Action == "pass" && p.tally != (tally{}):
		_, _ = fmt.Fprintf(show, "ok   %-34s %s  %.1f s\n", name, p.tally, e.Elapsed)
	}
}
