package main

import (
	"bufio"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// pythonFolders hold Python tests, each with a requirements.txt. test/litellm runs apart.
var pythonFolders = []string{"test/sdk/python", "test/strangers/python"}

// pythonTests runs pytest in each of its folders, with the virtual environment that test/setup/python.sh made for it.
func pythonTests(ctx context.Context, show io.Writer) (tally, error) {
	w, err := buildWorld(ctx, show)
	if err != nil {
		return tally{}, err
	}
	defer w.close()
	if err := w.startSimulator(ctx, show); err != nil {
		return tally{}, err
	}
	var total tally
	for _, folder := range pythonFolders {
		t, err := w.pytest(ctx, folder, show)
		total.add(t)
		if err != nil {
			return total, fmt.Errorf("pytest %s: %w", folder, err)
		}
	}
	return total, nil
}

func (w *world) pytest(ctx context.Context, folder string, show io.Writer) (tally, error) {
	python := filepath.Join(".cache", "python", strings.ReplaceAll(folder, "/", "-"), "bin", "python")
	report := filepath.Join(w.dir, "junit.xml")
	cmd := exec.CommandContext(ctx, python, "-m", "pytest", "-q", "--disable-warnings", "-p", "no:cacheprovider", "--junitxml="+report, folder)
	cmd.Env = w.environment
	cmd.Stdout, cmd.Stderr = show, show
	exit := cmd.Run()
	t, err := readJUnit(report)
	if err != nil {
		return t, errors.Join(exit, err)
	}
	if exit != nil && t.failed == 0 {
		return t, exit
	}
	return t, nil
}

// nodeTests runs node's own test runner in test/sdk/node.
func nodeTests(ctx context.Context, show io.Writer) (tally, error) {
	w, err := buildWorld(ctx, show)
	if err != nil {
		return tally{}, err
	}
	defer w.close()
	// test/setup/node.sh puts Node here where the machine has none.
	own, err := filepath.Abs(".cache/node/bin")
	if err != nil {
		return tally{}, err
	}
	w.set("PATH", own+string(os.PathListSeparator)+os.Getenv("PATH"))
	cmd := exec.CommandContext(ctx, "bash", "-c", "exec node --test --test-reporter=tap")
	cmd.Dir = "test/sdk/node"
	cmd.Env = w.environment
	cmd.Stderr = show
	out, err := cmd.StdoutPipe()
	if err != nil {
		return tally{}, err
	}
	if err := cmd.Start(); err != nil {
		return tally{}, err
	}
	t, err := readTAP(out, show)
	if exit := cmd.Wait(); err == nil && exit != nil && t.failed == 0 {
		err = fmt.Errorf("node --test: %w", exit)
	}
	return t, err
}

// readJUnit counts the tests of a JUnit report. An error outside a test is a failure.
func readJUnit(path string) (tally, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return tally{}, err
	}
	var report struct {
		Suites []struct {
			Tests    int `xml:"tests,attr"`
			Failures int `xml:"failures,attr"`
			Errors   int `xml:"errors,attr"`
			Skipped  int `xml:"skipped,attr"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(text, &report); err != nil {
		return tally{}, err
	}
	var t tally
	for _, s := range report.Suites {
		t.failed += s.Failures + s.Errors
		t.skipped += s.Skipped
		t.passed += max(s.Tests-s.Failures-s.Errors-s.Skipped, 0)
	}
	return t, os.Remove(path)
}

// summary are the lines of node's TAP that count the tests.
var summary = regexp.MustCompile(`^# (pass|fail|cancelled|skipped|todo) (\d+)$`)

// readTAP shows the results of a TAP stream, with the details of what failed, and takes the counts from its end.
func readTAP(stream io.Reader, show io.Writer) (tally, error) {
	var t tally
	found, failing := false, false
	lines := bufio.NewScanner(stream)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		text := strings.TrimSpace(lines.Text())
		failing = failing && text != "..." || strings.HasPrefix(text, "not ok ")
		if failing || strings.HasPrefix(text, "ok ") {
			_, _ = fmt.Fprintln(show, lines.Text())
		}
		m := summary.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		n, err := strconv.Atoi(m[2])
		if err != nil {
			return t, err
		}
		found = true
		switch m[1] {
		case "pass":
			t.passed = n
		case "fail", "cancelled":
			t.failed += n
		default:
			t.skipped += n
		}
	}
	if lines.Err() == nil && !found {
		return t, errors.New("node --test wrote no summary")
	}
	return t, lines.Err()
}
