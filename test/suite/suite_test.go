package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestReadGoTests(t *testing.T) {
	for name, tt := range map[string]struct {
		events []string
		want   tally
	}{
		"a test with subtests is counted by them": {[]string{
			`{"Action":"run","Package":"p","Test":"A"}`,
			`{"Action":"run","Package":"p","Test":"A/one"}`,
			`{"Action":"run","Package":"p","Test":"A/two"}`,
			`{"Action":"pass","Package":"p","Test":"A/one"}`,
			`{"Action":"fail","Package":"p","Test":"A/two"}`,
			`{"Action":"fail","Package":"p","Test":"A"}`,
			`{"Action":"fail","Package":"p"}`,
		}, tally{passed: 1, failed: 1}},
		"a test that fails by itself is counted beside its subtests": {[]string{
			`{"Action":"run","Package":"p","Test":"A"}`,
			`{"Action":"run","Package":"p","Test":"A/one"}`,
			`{"Action":"pass","Package":"p","Test":"A/one"}`,
			`{"Action":"fail","Package":"p","Test":"A"}`,
			`{"Action":"fail","Package":"p"}`,
		}, tally{passed: 1, failed: 1}},
		"a package that does not build is a failure": {[]string{
			`{"ImportPath":"p [p.test]","Action":"build-output","Output":"p.go:1: no\n"}`,
			`{"ImportPath":"p [p.test]","Action":"build-fail"}`,
			`{"Action":"start","Package":"p"}`,
			`{"Action":"fail","Package":"p","FailedBuild":"p [p.test]"}`,
		}, tally{failed: 1}},
		"a panic in a test is one failure": {[]string{
			`{"Action":"run","Package":"p","Test":"A"}`,
			`{"Action":"output","Package":"p","Test":"A","Output":"panic: oh\n"}`,
			`{"Action":"fail","Package":"p","Test":"A"}`,
			`{"Action":"fail","Package":"p"}`,
		}, tally{failed: 1}},
		"skips are told apart": {[]string{
			`{"Action":"run","Package":"p","Test":"A"}`,
			`{"Action":"skip","Package":"p","Test":"A"}`,
			`{"Action":"pass","Package":"p"}`,
		}, tally{skipped: 1}},
		"a package without tests counts nothing": {[]string{
			`{"Action":"start","Package":"p"}`,
			`{"Action":"skip","Package":"p"}`,
		}, tally{}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := readGoTests(strings.NewReader(strings.Join(tt.events, "\n")), io.Discard)
			if err != nil || got != tt.want {
				t.Errorf("readGoTests = %+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
}

func TestReadGoTestsShowsWhatFailed(t *testing.T) {
	var shown strings.Builder
	_, err := readGoTests(strings.NewReader(`{"Action":"run","Package":"tollgate/p","Test":"A"}
{"Action":"output","Package":"tollgate/p","Test":"A","Output":"a_test.go:3: not so\n"}
{"Action":"fail","Package":"tollgate/p","Test":"A"}
{"Action":"fail","Package":"tollgate/p"}`), &shown)
	if err != nil || !strings.Contains(shown.String(), "FAIL p A\na_test.go:3: not so\n") {
		t.Errorf("shown %q, %v", shown.String(), err)
	}
}

func TestReadTAP(t *testing.T) {
	var shown strings.Builder
	got, err := readTAP(strings.NewReader("# Subtest: a\nok 1 - a\n  ---\n  duration_ms: 1\n  ...\nnot ok 2 - b\n  ---\n  error: no\n  ...\n# tests 5\n# pass 2\n# fail 1\n# cancelled 1\n# skipped 1\n# todo 0\n"), &shown)
	if want := "ok 1 - a\nnot ok 2 - b\n  ---\n  error: no\n"; shown.String() != want {
		t.Errorf("shown %q, want %q", shown.String(), want)
	}
	if want := (tally{passed: 2, failed: 2, skipped: 1}); err != nil || got != want {
		t.Errorf("readTAP = %+v, %v, want %+v", got, err, want)
	}
	if _, err := readTAP(strings.NewReader("TAP version 13\n"), io.Discard); err == nil {
		t.Error("a stream without a summary is no error")
	}
}

func TestReadJUnit(t *testing.T) {
	report := filepath.Join(t.TempDir(), "junit.xml")
	if err := os.WriteFile(report, []byte(`<?xml version="1.0"?><testsuites name="pytest tests"><testsuite name="pytest" errors="1" failures="2" skipped="1" tests="9"></testsuite></testsuites>`), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := readJUnit(report)
	if want := (tally{passed: 5, failed: 3, skipped: 1}); err != nil || got != want {
		t.Errorf("readJUnit = %+v, %v, want %+v", got, err, want)
	}
	if _, err := readJUnit(report); err == nil {
		t.Error("the report of the run before was read again")
	}
}

func TestTheLastLine(t *testing.T) {
	if got := (tally{passed: 3}).String(); got != "3 passed, 0 failed" {
		t.Errorf("%q", got)
	}
	if got := (tally{passed: 3, failed: 1, skipped: 2}).String(); got != "3 passed, 1 failed, 2 skipped" {
		t.Errorf("%q", got)
	}
}

func TestReadClosingLines(t *testing.T) {
	var shown strings.Builder
	text := "test_a.py ..F\n" +
		"=========== 2 passed, 1 failed in 3.20s ===========\n" +
		"7 passed, 1 warning in 61.02s (0:01:01)\n" +
		"1 failed, 2 passed, 3 skipped, 1 error in 0.10s\n" +
		"it said 9 passed by the way\n" +
		"4 passed, 0 failed\n"
	got, err := readClosingLines(strings.NewReader(text), &shown)
	if want := (tally{passed: 15, failed: 3, skipped: 3}); err != nil || got != want {
		t.Errorf("readClosingLines = %+v, %v, want %+v", got, err, want)
	}
	if shown.String() != text {
		t.Errorf("shown %q", shown.String())
	}
}

func TestAScriptThatFailsWithoutAFailedTestIsAnError(t *testing.T) {
	run := filepath.Join(t.TempDir(), "run")
	if err := os.WriteFile(run, []byte("#!/bin/sh\necho 3 passed in 0.1s\nexit 4\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if got, err := script(run)(t.Context(), io.Discard); err == nil || got != (tally{passed: 3}) {
		t.Errorf("script = %+v, %v, want 3 passed and an error", got, err)
	}
}

func TestAScriptThatIsCalledOffTakesItsThingsAway(t *testing.T) {
	run := filepath.Join(t.TempDir(), "run")
	text := "#!/usr/bin/env bash\ntrap 'rm \"$0.thing\"' EXIT\ntouch \"$0.thing\"\n(echo >\"$0.begun\"; exec sleep 600) &\nwait\n"
	if err := errors.Join(os.WriteFile(run, []byte(text), 0o700), syscall.Mkfifo(run+".begun", 0o600)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, _ = os.ReadFile(run + ".begun") // waits for the script
		cancel()
	}()
	if got, err := script(run)(ctx, io.Discard); err == nil {
		t.Errorf("script = %+v without an error", got)
	}
	if _, err := os.Stat(run + ".thing"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what it made is still there: %v", err)
	}
}
