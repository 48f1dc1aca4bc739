package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strconv"
	"syscall"
)

// script is a group that is a program of its own: one of the `run` files below test, which say how many tests ran with
// pytest's closing lines or with lines of the form "N passed, N failed".
func script(name string, arguments ...string) func(context.Context, io.Writer) (tally, error) {
	return func(ctx context.Context, show io.Writer) (tally, error) {
		cmd := exec.CommandContext(ctx, name, arguments...)
		cmd.Stderr = show
		// A script that is called off tidies up, and what it has started ends with it.
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
		out, err := cmd.StdoutPipe()
		if err != nil {
			return tally{}, err
		}
		if err := cmd.Start(); err != nil {
			return tally{}, err
		}
		t, err := readClosingLines(out, show)
		if exit := cmd.Wait(); err == nil && exit != nil && t.failed == 0 {
			err = fmt.Errorf("%s: %w", name, exit)
		}
		return t, err
	}
}

var (
	// closingLine is a line that counts tests, and nothing else: pytest's, with its frame and its time or without.
	closingLine = regexp.MustCompile(`^(?:=+ )?\d+ [a-z]+(?:, \d+ [a-z]+)*(?: in [0-9.]+s(?: \([0-9:]+\))?)?(?: =+)?$`)
	count       = regexp.MustCompile(`(\d+) (passed|failed|errors?|skipped)`)
)

// readClosingLines passes text on and adds up what its closing lines count. An error outside a test is a failure.
func readClosingLines(text io.Reader, show io.Writer) (tally, error) {
	var t tally
	lines := bufio.NewScanner(text)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		_, _ = fmt.Fprintln(show, lines.Text())
		if !closingLine.MatchString(lines.Text()) {
			continue
		}
		for _, m := range count.FindAllStringSubmatch(lines.Text(), -1) {
			n, err := strconv.Atoi(m[1])
			if err != nil {
				return t, err
			}
			switch m[2] {
			case "passed":
				t.passed += n
			case "skipped":
				t.skipped += n
			default:
				t.failed += n
			}
		}
	}
	return t, lines.Err()
}
