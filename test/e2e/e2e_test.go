// Package e2e_test starts the real binary, as a user would, and talks to it over TCP.
//
// Most tests wait much of the time, so they run beside each other, each with processes of its own. Those that measure
// seconds (of a revocation, of a crowd) run alone.
package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// binary is the program under test: what TOLLGATE_BIN names, else built once. simBinary is the one that runs the
// simulator, which is no party to the tests: it is built without the race detector, which it has in its own tests.
var binary, simBinary string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	if binary = os.Getenv("TOLLGATE_BIN"); binary != "" {
		simBinary = binary
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "tollgate-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	simBinary = filepath.Join(dir, "sim")
	binary = simBinary
	err = build(simBinary)
	if err == nil && raceEnabled {
		binary = filepath.Join(dir, "tollgate")
		// SQLite is C translated to Go and keeps its memory outside of Go's: the detector finds nothing in it, at ten
		// times its price.
		err = build(binary, "-race", "-gcflags=modernc.org/sqlite/lib=-race=false")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

func build(file string, flags ...string) error {
	out, err := exec.Command("go", append(append([]string{"build", "-o", file}, flags...), "tollgate/cmd/tollgate")...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

const masterKey = "sk-e2e-master-0123456789"

// process is a running tollgate.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	url    string
	stdout *lines
	stderr *lines
	ended  chan error
}

// lines collects the output of a process and lets tests wait for a line.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
	grew chan struct{}
}

func newLines(r io.Reader) *lines {
	l := &lines{grew: make(chan struct{})}
	go func() {
		s := bufio.NewScanner(r)
		s.Buffer(nil, 1<<20)
		for s.Scan() {
			l.mu.Lock()
			l.text.WriteString(s.Text() + "\n")
			close(l.grew)
			l.grew = make(chan struct{})
			l.mu.Unlock()
		}
	}()
	return l
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// wait returns the submatches of re in the output, once they are there.
func (l *lines) wait(t *testing.T, re string) []string {
	t.Helper()
	pattern := regexp.MustCompile(re)
	deadline := time.After(30 * time.Second)
	for {
		l.mu.Lock()
		text, grew := l.text.String(), l.grew
		l.mu.Unlock()
		if m := pattern.FindStringSubmatch(text); m != nil {
			return m
		}
		select {
		case <-grew:
		case <-deadline:
			t.Fatalf("no %s in the output:\n%s", re, text)
		}
	}
}

// start runs the binary with a bare environment.
func start(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	return startProgram(t, binary, env, args...)
}

func startProgram(t *testing.T, program string, env []string, args ...string) *process {
	t.Helper()
	cmd := exec.Command(program, args...)
	// A program with the race detector would sleep for a second before it exits.
	cmd.Env = append([]string{"HOME=" + t.TempDir(), "PATH=/usr/bin:/bin", "GORACE=atexit_sleep_ms=10"}, env...)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: cmd, stdout: newLines(stdout), stderr: newLines(stderr), ended: make(chan error, 1)}
	go func() { p.ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		select {
		case <-p.ended:
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Kill()
			t.Errorf("the process did not stop:\n%s", p.stderr)
		}
		p.ended <- nil
		if strings.Contains(p.stderr.String(), "DATA RACE") || strings.Contains(p.stderr.String(), "panic") {
			t.Errorf("the process's log:\n%s", p.stderr)
		}
		if strings.Contains(p.stderr.String(), masterKey) {
			t.Errorf("the log shows the master key:\n%s", p.stderr)
		}
	})
	return p
}

// sim starts the simulator and returns the environment that a configuration needs to reach it.
func sim(t *testing.T, args ...string) (url string, env []string) {
	t.Helper()
	p := startProgram(t, simBinary, nil, append([]string{"sim", "--port", "0", "--dir", t.TempDir()}, args...)...)
	url = p.stdout.wait(t, `OCI simulator on (\S+)`)[1]
	p.stdout.wait(t, `export OCI_ENDPOINT=\S+`)
	for _, m := range regexp.MustCompile(`export (\S+=\S+)`).FindAllStringSubmatch(p.stdout.String(), -1) {
		env = append(env, m[1])
	}
	return url, env
}

// serve starts the gateway on a configuration and waits until it is ready.
func serve(t *testing.T, env []string, config string, args ...string) *process {
	t.Helper()
	file := config
	if strings.Contains(config, "\n") {
		file = filepath.Join(t.TempDir(), "config.yaml")
		write(t, file, config)
	}
	return listen(start(t, append([]string{"LITELLM_MASTER_KEY=" + masterKey}, env...), append([]string{"serve", "--config", file, "--port", "0"}, args...)...))
}

func listen(p *process) *process {
	p.t.Helper()
	p.url = p.stderr.wait(p.t, `msg=serving address=(\S+)`)[1]
	return p
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// sample is the demo's configuration, the shape that operators use.
func sample(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../internal/cli/demo.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var httpClient = &http.Client{Timeout: 60 * time.Second}

type reply struct {
	status int
	header http.Header
	body   []byte
}

func (r reply) json(t *testing.T) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(r.body, &v); err != nil {
		t.Fatalf("no JSON object: %v: %s", err, r.body)
	}
	return v
}

// post calls the gateway as an OpenAI client would.
func (p *process) post(path string, body any) (reply, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return reply{}, err
	}
	return p.send(http.MethodPost, path, string(text))
}

func (p *process) send(method, path, body string) (reply, error) {
	req, err := http.NewRequestWithContext(context.Background(), method, p.url+path, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+masterKey)
	resp, err := httpClient.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, text}, err
}

type obj = map[string]any

func ask(model, question string, more ...obj) obj {
	body := obj{"model": model, "messages": []obj{{"role": "user", "content": question}}}
	for _, m := range more {
		for k, v := range m {
			body[k] = v
		}
	}
	return body
}

// content is the text of the first choice.
func content(t *testing.T, r reply) string {
	t.Helper()
	choices, _ := r.json(t)["choices"].([]any)
	if len(choices) == 0 {
		t.Fatalf("no choices: %s", r.body)
	}
	text, _ := choices[0].(map[string]any)["message"].(map[string]any)["content"].(string)
	return text
}

func must(t *testing.T, r reply, err error) reply {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if r.status != http.StatusOK {
		t.Fatalf("%d: %s", r.status, r.body)
	}
	return r
}

// freePort is a port that was free a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}
