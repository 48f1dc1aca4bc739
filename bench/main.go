// Command bench measures what the gateway costs. It builds the real binary, starts it, a plain upstream and a reverse
// proxy of httputil (the floor) as processes of their own on loopback, drives them in turn in one run, and prints the
// CPU that each spends per call, what it adds to the latency, and how the two compare. README.md says how to read it.
//
//	go run ./bench [-quick] [-only REGEXP] [-json FILE] [-profile DIR] [-ungoverned]
//
// Files: ladder.go is what is measured, measure.go how; upstream.go, floor.go and gateway.go are the other processes;
// load.go and client.go are the callers; report.go prints.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are the command line.
type options struct {
	quick   bool
	only    *regexp.Regexp
	json    string
	profile string
	// ungoverned calls the gateway with the master key.
	ungoverned bool
}

// run is the driver, or one of the processes that the driver starts out of its own executable.
func run(ctx context.Context, args []string, out io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case "upstream":
			return serveUpstream(ctx, args[1:])
		case "floor":
			return serveFloor(ctx, args[1:])
		case "gateway":
			return serveProfiled(args[1:])
		}
	}
	o, err := parseOptions(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	return drive(ctx, o, out)
}

func parseOptions(args []string) (options, error) {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.BoolVar(&o.quick, "quick", false, "shorter rounds: about a minute, with more noise")
	only := f.String("only", "", "regular expression of the cells to run; the start-up figures are left out then")
	f.StringVar(&o.json, "json", "", "also write all figures to this file")
	f.BoolVar(&o.ungoverned, "ungoverned", false, "call the gateway with the master key instead of a virtual key with budget and limits")
	f.StringVar(&o.profile, "profile", "", "drive only the gateway, inside this program, and write its profiles (cpu.pprof, allocs.pprof) to this folder")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if *only != "" {
		var err error
		if o.only, err = regexp.Compile(*only); err != nil {
			return o, fmt.Errorf("-only: %w", err)
		}
	}
	return o, nil
}
