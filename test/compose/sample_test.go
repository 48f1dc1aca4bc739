//go:build docker

// Package compose_test brings examples/oci up with a real Docker engine and a real PostgreSQL. `test/compose/run` prepares
// what it needs. Nothing of the sample is changed: override.yml adds a stand-in for OCI under OCI's own name.
package compose_test

import (
	"bufio"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestSample is one story in chapters, which need each other's order: a stack takes half a minute to become healthy.
func TestSample(t *testing.T) {
	s := newStack(t)
	s.up(t)

	t.Run("both are healthy by their own health checks", s.isHealthy)
	t.Run("six models are served", s.servesSix)
	t.Run("the gateway is confined", s.isConfined)
	t.Run("PostgreSQL holds the keys", s.usesPostgres)
	t.Run("test-live passes", func(t *testing.T) { s.suite(t, "test/live/run") })
	t.Run("test-costs passes", func(t *testing.T) { s.suite(t, "test/costs/run") })
	t.Run("a restart keeps keys and spend", s.survivesRestart)
	t.Run("down and up again keep keys and spend", s.survivesDown)
	t.Run("docker stop lets a stream end and exits 0", s.drains)
	t.Run("kill -9 loses no row and writes none twice", s.survivesKill)
	t.Run("LiteLLM's health checks pass", s.takesLiteLLMHealthChecks)
	t.Run("a broken alias falls back", s.fallsBack)
	t.Run("Prometheus scrapes the gateway", s.isScraped)
	t.Run("down takes everything away", s.goesAway)
}

func (s *stack) isHealthy(t *testing.T) {
	for _, name := range []string{container, "tollgate-test-db"} {
		if got := inspect(t, name).State; got.Status != "running" || got.Health.Status != "healthy" {
			t.Errorf("%s is %s, %s", name, got.Status, got.Health.Status)
		}
	}
}

func (s *stack) servesSix(t *testing.T) {
	list := must[struct{ Data []struct{ ID string } }](t, s, "GET", "/v1/models", nil)
	var got []string
	for _, model := range list.Data {
		got = append(got, model.ID)
	}
	slices.Sort(got)
	want := []string{"oci-cohere-command", "oci-cohere-embed", "oci-gemini-2.5-flash", "oci-gpt5-mini", "oci-grok", "oci-llama-4-maverick"}
	if !slices.Equal(got, want) {
		t.Errorf("/v1/models lists %q, want %q", got, want)
	}
}

// isConfined looks from outside, at what the kernel says of the process.
func (s *stack) isConfined(t *testing.T) {
	state := inspect(t, container)
	if host := state.HostConfig; !host.ReadonlyRootfs || host.Privileged || !slices.Contains(host.CapDrop, "ALL") || len(host.CapAdd) > 0 {
		t.Errorf("the container's limits are %+v", host)
	}
	status := procFile(t, state.State.Pid, "status")
	for field, want := range map[string]string{"CapEff": "0000000000000000", "CapPrm": "0000000000000000", "CapBnd": "0000000000000000", "NoNewPrivs": "1", "Seccomp": "2"} {
		if got := statusField(status, field); got != want {
			t.Errorf("%s of the process is %q, want %q", field, got, want)
		}
	}
	if uid := strings.Fields(statusField(status, "Uid")); len(uid) == 0 || uid[0] == "0" {
		t.Errorf("the process runs as %q", uid)
	}
	mounts := mountOptions(procFile(t, state.State.Pid, "mountinfo"))
	for point, want := range map[string]string{"/": "ro", "/app/config.yaml": "ro", "/oci-keys/key.pem": "ro", "/var/lib/tollgate": "rw"} {
		if got := mounts[point]; got != want {
			t.Errorf("%s is mounted %q, want %q", point, got, want)
		}
	}
}

func procFile(t *testing.T, pid int, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), name))
	if err != nil {
		t.Fatalf("the process of the container is not on this machine: %v", err)
	}
	return string(text)
}

func statusField(status, field string) string {
	for line := range strings.Lines(status) {
		if name, value, _ := strings.Cut(line, ":"); name == field {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// mountOptions reads /proc/PID/mountinfo: the first option of each mount point, which is ro or rw.
func mountOptions(text string) map[string]string {
	found := map[string]string{}
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) > 5 {
			found[fields[4]], _, _ = strings.Cut(fields[5], ",")
		}
	}
	return found
}

// usesPostgres asks PostgreSQL itself, by the names that reports written for LiteLLM use.
func (s *stack) usesPostgres(t *testing.T) {
	ready := must[struct{ DB string }](t, s, "GET", "/health/readiness", nil)
	if ready.DB != "connected" {
		t.Errorf("readiness says that the database is %q", ready.DB)
	}
	query := func(text string) string {
		return docker(t, "exec", "tollgate-test-db", "psql", "-U", "litellm", "-d", "litellm", "-Atc", text)
	}
	t.Logf("PostgreSQL %s", query("SHOW server_version"))
	key := s.newKey(t, "oci-grok")
	if !s.answered(key, "oci-grok", "What is the capital of Italy?") {
		t.Error("the key's call is not answered")
	}
	if got := query(`SELECT count(*) FROM "LiteLLM_VerificationToken" WHERE max_budget = 5`); got != "1" {
		t.Errorf("PostgreSQL shows %s keys, want 1", got)
	}
	eventually(t, 15*time.Second, "PostgreSQL shows the call", func() bool {
		return query(`SELECT count(*) FROM "LiteLLM_SpendLogs" l JOIN "LiteLLM_VerificationToken" k ON k.token = l.api_key WHERE l.spend > 0`) == "1"
	})
}

var passed = regexp.MustCompile(`(\d+) passed`)

// suite runs one of the suites for running gateways; a test that it skips is a failure here.
func (s *stack) suite(t *testing.T, script string) {
	cmd := exec.Command(filepath.Join(s.root, script))
	cmd.Env = append(withoutSample(os.Environ()), "LITELLM_GATEWAY_URL="+s.url, "LITELLM_GATEWAY_KEY="+s.key)
	out, err := cmd.CombinedOutput()
	if err != nil || !passed.Match(out) || regexp.MustCompile(`\d+ skipped`).Match(out) {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	t.Logf("%s", passed.Find(out))
}

func (s *stack) survivesRestart(t *testing.T) {
	s.survives(t, func() { s.compose(t, nil, "restart", "gateway", "db") })
}

func (s *stack) survivesDown(t *testing.T) {
	s.survives(t, func() {
		s.compose(t, nil, "down")
		s.up(t)
	})
}

// survives spends with a key, does something to the stack, and wants key, rows and sums as they were.
func (s *stack) survives(t *testing.T, incident func()) {
	key := s.newKey(t, "oci-cohere-command")
	if !s.answered(key, "oci-cohere-command", "What is the capital of Italy?") {
		t.Fatal("the first call is not answered")
	}
	eventually(t, 15*time.Second, "the call stands in the log", func() bool { return len(s.rows(t, key)) == 1 })
	before := s.spent(t, key)
	incident()
	s.ready(t)
	if got := s.spent(t, key); got != before || got == 0 {
		t.Errorf("the key had spent %v and now has %v", before, got)
	}
	if got := len(s.rows(t, key)); got != 1 {
		t.Errorf("%d rows, want 1", got)
	}
	if !s.answered(key, "oci-cohere-command", "What is the capital of Japan?") {
		t.Error("the key does not work any more")
	}
}

// drains stops the container in the middle of a stream. The stand-in makes Llama's streams slow.
func (s *stack) drains(t *testing.T) {
	key := s.newKey(t, "oci-llama-4-maverick")
	body := `{"model": "oci-llama-4-maverick", "stream": true, "max_tokens": 400, "messages": [{"role": "user", "content": "Tell me a story of 200 words."}]}`
	request, err := http.NewRequest("POST", s.url+"/v1/chat/completions", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+key)
	reply, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	lines := bufio.NewScanner(reply.Body)
	if !lines.Scan() {
		t.Fatalf("no first line: %v", lines.Err())
	}
	began := time.Now()
	stopped := make(chan error, 1)
	go func() {
		stopped <- exec.Command("docker", "stop", "--time", "80", container).Run()
	}()
	events, last := 0, ""
	for lines.Scan() {
		if text, found := strings.CutPrefix(lines.Text(), "data: "); found {
			events, last = events+1, text
		}
	}
	if took := time.Since(began); last != "[DONE]" || events < 50 || took < time.Second {
		t.Errorf("the stream ended with %q after %d events and %s: %v", last, events, took, lines.Err())
	}
	if err := <-stopped; err != nil {
		t.Fatal(err)
	}
	if got := inspect(t, container).State; got.Status != "exited" || got.ExitCode != 0 {
		t.Errorf("after docker stop the container is %s with %d", got.Status, got.ExitCode)
	}
	s.up(t)
	if rows := s.rows(t, key); len(rows) != 1 || rows[0].Spend == 0 {
		t.Errorf("the stream's rows are %+v", rows)
	}
}

// survivesKill kills the process, as a crash would, while calls are under way; the engine starts it again. Whoever had an
// answer stands in the log once.
func (s *stack) survivesKill(t *testing.T) {
	const callers, each = 8, 40
	key := s.newKey(t, "oci-cohere-command")
	before := inspect(t, container)
	var wg sync.WaitGroup
	var mu sync.Mutex
	answers := 0
	half := make(chan struct{})
	for range callers {
		wg.Go(func() {
			for range each {
				if !s.answered(key, "oci-cohere-command", "What is the capital of Italy?") {
					return // the process is gone
				}
				mu.Lock()
				if answers++; answers == callers*each/4 {
					close(half)
				}
				mu.Unlock()
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	select {
	case <-half:
	case <-done:
		t.Fatalf("%d calls were answered before anything was killed", answers)
	}
	if err := syscall.Kill(before.State.Pid, syscall.SIGKILL); err != nil {
		t.Fatalf("only root can kill the container's process from outside: %v", err)
	}
	<-done
	eventually(t, time.Minute, "the engine starts the container again", func() bool {
		now := inspect(t, container)
		return now.State.Status == "running" && now.State.Pid != before.State.Pid
	})
	s.ready(t)
	if answers == callers*each {
		t.Fatal("the process was killed too late to interrupt anything")
	}
	eventually(t, 30*time.Second, "every answer stands in the log", func() bool { return len(s.rows(t, key)) >= answers })
	rows := s.rows(t, key)
	// A call that was under way may have been spooled before its answer went out: it has a row and no answer.
	if len(rows) > answers+callers || unique(rows) != len(rows) {
		t.Errorf("%d rows (%d different) for %d answers and %d callers", len(rows), unique(rows), answers, callers)
	}
	if sum, spent := total(rows), usd(s.spent(t, key)); sum != spent {
		t.Errorf("the rows cost %s, the key has spent %s", sum, spent)
	}
	t.Logf("%d answers before the kill, %d rows after it", answers, len(rows))
}

// takesLiteLLMHealthChecks starts the gateway with the health checks of LiteLLM's own compose files, letter by letter, in
// place of the sample's.
func (s *stack) takesLiteLLMHealthChecks(t *testing.T) {
	for _, file := range []string{"healthcheck-python.yml", "healthcheck-wget.yml", "healthcheck-curl.yml"} {
		t.Run(file, func(t *testing.T) {
			s.up(t, filepath.Join(s.root, "test/compose", file))
			if got := inspect(t, container).State.Health.Status; got != "healthy" {
				t.Errorf("health is %q", got)
			}
		})
	}
	t.Run("they can fail", func(t *testing.T) {
		for _, command := range []string{
			`wget --no-verbose --tries=1 --spider http://localhost:4001/health/liveness || exit 1`,
			`python3 -c "import urllib.request; urllib.request.urlopen('http://localhost:4001/health/liveliness')"`,
		} {
			if out, err := exec.Command("docker", "exec", container, "/bin/sh", "-c", command).CombinedOutput(); err == nil {
				t.Errorf("%s succeeds: %s", command, out)
			}
		}
		if out, err := exec.Command("docker", "exec", container, "/bin/sh", "-c", "ls /").CombinedOutput(); err == nil {
			t.Errorf("the image's sh runs other commands: %s", out)
		}
	})
}

func (s *stack) fallsBack(t *testing.T) {
	s.up(t, "compose.fallback-demo.yml")
	reply := must[struct {
		Model   string
		Choices []struct{ Message struct{ Content string } }
	}](t, s, "POST", "/v1/chat/completions", chat("oci-broken-demo", "What is the capital of Italy? Answer in one word."))
	if reply.Model != "cohere.command-latest" || len(reply.Choices) != 1 || reply.Choices[0].Message.Content != "Rome." {
		t.Errorf("the reply is %+v", reply)
	}
}

func (s *stack) isScraped(t *testing.T) {
	s.compose(t, []string{"compose.monitoring.yml"}, "up", "--detach", "--wait", "--wait-timeout", "180", "prometheus")
	prometheus := *s
	prometheus.url = "http://127.0.0.1:9090"
	query := func(expression string) []struct{ Value []any } {
		got := must[struct {
			Data struct{ Result []struct{ Value []any } }
		}](t, &prometheus, "GET", "/api/v1/query?query="+expression, nil)
		return got.Data.Result
	}
	eventually(t, time.Minute, "Prometheus has scraped the gateway with its key", func() bool {
		result := query("up%7Bjob%3D%22tollgate%22%7D")
		return len(result) == 1 && result[0].Value[1] == "1"
	})
	if len(query("tollgate_requests_in_flight")) != 1 {
		t.Error("the gateway's own series are not there")
	}
	rules := must[struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError string }
			}
		}
	}](t, &prometheus, "GET", "/api/v1/rules", nil)
	if len(rules.Data.Groups) == 0 {
		t.Error("no alert is loaded")
	}
	for _, group := range rules.Data.Groups {
		for _, rule := range group.Rules {
			if rule.Health == "err" {
				t.Errorf("alert %s: %s", rule.Name, rule.LastError)
			}
		}
	}
}

func (s *stack) goesAway(t *testing.T) {
	s.down(t)
	for _, kind := range []string{"container", "volume", "network"} {
		arguments := []string{kind, "ls", "--quiet", "--filter", "label=com.docker.compose.project=" + project}
		if kind == "container" {
			arguments = append(arguments, "--all")
		}
		if left := docker(t, arguments...); left != "" {
			t.Errorf("left behind: %s %s", kind, left)
		}
	}
}
