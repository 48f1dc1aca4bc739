package e2e_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func TestReloadUnderLoad(t *testing.T) {
	t.Parallel()
	_, env := sim(t)
	file := filepath.Join(t.TempDir(), "config.yaml")
	write(t, file, sample(t))
	g := serve(t, env, file)

	// Callers call without a pause while the configuration changes under them; none may fail.
	var calls atomic.Int64
	stop := make(chan struct{})
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				r, err := g.post("/v1/chat/completions", ask("oci-llama-4-maverick", "What is 7 x 8?"))
				if err != nil || r.status != 200 {
					t.Errorf("%v %d: %s", err, r.status, r.body)
					return
				}
				calls.Add(1)
			}
		})
	}
	models := func() string {
		r, err := g.send("GET", "/v1/models", "")
		must(t, r, err)
		return string(r.body)
	}

	renamed := strings.Replace(sample(t), "model_name: oci-cohere-embed", "model_name: oci-embed-renamed", 1)
	write(t, file, renamed)
	g.stderr.wait(t, `the configuration was reloaded.*the file changed`)
	if !strings.Contains(models(), "oci-embed-renamed") {
		t.Errorf("after the change of the file: %s", models())
	}

	write(t, file, renamed+"\nrouter_settings: {routing_strategy: nonsense}\n")
	g.stderr.wait(t, `the configuration was not reloaded: the one before stays in force`)
	if !strings.Contains(models(), "oci-embed-renamed") {
		t.Errorf("after a bad file: %s", models())
	}
	r, err := g.send("GET", "/metrics", "")
	must(t, r, err)
	if m := string(r.body); !strings.Contains(m, "tollgate_config_last_reload_successful 0") || !strings.Contains(m, `tollgate_config_reloads_total{result="success"} 1`) {
		t.Errorf("the metrics do not tell of the bad file")
	}

	write(t, file, strings.Replace(sample(t), "model_name: oci-cohere-embed", "model_name: oci-embed-again", 1))
	if err := g.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	g.stderr.wait(t, `(?s)not reloaded.*the configuration was reloaded`)
	if !strings.Contains(models(), "oci-embed-again") {
		t.Errorf("after SIGHUP: %s", models())
	}
	close(stop)
	callers.Wait()
	if calls.Load() < 10 {
		t.Errorf("only %d calls were made meanwhile", calls.Load())
	}
}

func TestStopLetsStreamsEnd(t *testing.T) {
	t.Parallel()
	url, env := sim(t)
	g := serve(t, env, sample(t))
	// One event every 40 ms, so that the stream is alive when the process is told to stop.
	resp, err := http.Post(url+"/_sim/faults", "application/json", strings.NewReader(`{"chunk_delay": "40ms"}`))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode >= 300 {
		t.Fatalf("the simulator refuses the fault: %d", resp.StatusCode)
	}
	text, err := json.Marshal(ask("oci-llama-4-maverick", "Tell me about the sea", obj{"stream": true, "max_tokens": 100}))
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest("POST", g.url+"/v1/chat/completions", strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+masterKey)
	stream, err := httpClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	r := bufio.NewReader(stream.Body)
	if _, err := r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if err := g.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	g.stderr.wait(t, `msg="stopping`)
	last := ""
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			break
		}
		if strings.TrimSpace(line) != "" {
			last = strings.TrimSpace(line)
		}
	}
	if last != "data: [DONE]" {
		t.Errorf("the stream ended with %q", last)
	}
	if err := <-g.ended; err != nil {
		t.Errorf("the process ended with %v", err)
	}
	g.ended <- nil
}

func TestLiteLLMsCommandLine(t *testing.T) {
	t.Parallel()
	_, env := sim(t)
	file := filepath.Join(t.TempDir(), "config.yaml")
	write(t, file, sample(t))
	port := freePort(t)
	p := start(t, append(env, "LITELLM_MASTER_KEY="+masterKey, "SERVER_ROOT_PATH=/llm"),
		"--config", file, "--port", port, "--num_workers", "4", "--detailed_debug", "--telemetry", "False", "--run_gunicorn")
	if address := listen(p).url; !strings.HasSuffix(address, ":"+port) || strings.Contains(address, "127.0.0.1") {
		t.Errorf("address %s, want all interfaces and the port %s", address, port)
	}
	p.stderr.wait(t, `options of LiteLLM that have no effect here.*num_workers`)
	p.url = "http://127.0.0.1:" + port
	for _, path := range []string{"/v1/chat/completions", "/llm/v1/chat/completions"} {
		r, err := p.post(path, ask("oci-cohere-command", "What is the capital of Italy?"))
		if must(t, r, err); content(t, r) != "Rome." {
			t.Errorf("%s: %s", path, r.body)
		}
	}
}

func TestModelWithoutAFile(t *testing.T) {
	t.Parallel()
	p := listen(start(t, []string{"LITELLM_MASTER_KEY=" + masterKey, "PORT=" + freePort(t), "HOST=127.0.0.1"},
		"--model", "openai/gpt-x", "--alias", "mine", "--api_base", "http://127.0.0.1:9/v1"))
	r, err := p.send("GET", "/v1/models", "")
	if must(t, r, err); !strings.Contains(string(r.body), `"id":"mine"`) {
		t.Errorf("%s", r.body)
	}
}

func TestAnEmptyFileStarts(t *testing.T) {
	t.Parallel()
	p := serve(t, []string{"HOME=/proc/none"}, "# nothing yet\n\n")
	p.stderr.wait(t, `no folder can be written \(--data-dir\) and no DATABASE_URL is set: there are no virtual keys and no ledger`)
	r, err := p.send("GET", "/health/readiness", "")
	must(t, r, err)
}

// A folder that was named must serve: what is stored elsewhere, or nowhere, would be lost in silence.
func TestANamedFolderMustBeWritable(t *testing.T) {
	t.Parallel()
	p := start(t, nil, "serve", "--port", "0", "--data-dir", "/proc/none")
	p.stderr.wait(t, `the data directory cannot be used: .*name another one with --data-dir`)
	err := <-p.ended
	p.ended <- err // for the end of the test, which waits for it too
	if err == nil {
		t.Error("it ended well")
	}
}

func TestNoMasterKey(t *testing.T) {
	t.Parallel()
	p := listen(start(t, nil, "serve", "--port", "0"))
	p.stderr.wait(t, `no master key is set: only callers on this machine are served`)
	r, err := p.send("GET", "/health", "")
	if err != nil || r.status != 401 {
		t.Errorf("the management API: %v %d %s", err, r.status, r.body)
	}
}

func TestRenewedCertificate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	makeCertificate(t, certFile, keyFile, 1)
	p := listen(start(t, []string{"LITELLM_MASTER_KEY=" + masterKey}, "serve", "--port", "0", "--ssl_certfile_path", certFile, "--ssl_keyfile_path", keyFile))
	serial := func() int64 {
		conn, err := tls.Dial("tcp", strings.TrimPrefix(p.url, "https://"), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	if got := serial(); got != 1 {
		t.Fatalf("serial %d", got)
	}
	makeCertificate(t, certFile, keyFile, 2)
	deadline := time.Now().Add(30 * time.Second) // the files are looked at every few seconds
	for serial() != 2 {
		if time.Now().After(deadline) {
			t.Fatal("the renewed certificate is not served")
		}
	}
}

func makeCertificate(t *testing.T, certFile, keyFile string, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	write(t, certFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})))
}

func TestValidate(t *testing.T) {
	t.Parallel()
	_, env := sim(t)
	dir := t.TempDir()
	validate := func(text string, args ...string) (string, int) {
		t.Helper()
		file := filepath.Join(dir, "config.yaml")
		write(t, file, text)
		cmd := exec.Command(binary, append([]string{"validate", file}, args...)...)
		cmd.Env = append(env, "LITELLM_MASTER_KEY="+masterKey)
		out, err := cmd.Output()
		if _, exited := err.(*exec.ExitError); err != nil && !exited {
			t.Fatal(err)
		}
		return string(out), cmd.ProcessState.ExitCode()
	}
	good := sample(t)
	if out, code := validate(good); code != 0 || !strings.Contains(out, "is valid: 0 errors") {
		t.Errorf("the sample: %d\n%s", code, out)
	}
	tests := []struct{ name, text, want string }{
		{"unknown fallback", strings.Replace(good, "[oci-cohere-command]", "[oci-nowhere]", 1), `oci-nowhere`},
		{"wrong type", good + "\ntollgate_settings: {config_reload: 7}\n", `config.yaml:43:36: error: tollgate_settings.config_reload`},
		{"missing variable", strings.Replace(good, "OCI_USER", "OCI_NOBODY", 1), `OCI_NOBODY`},
		{"key file is none", strings.ReplaceAll(good, "os.environ/OCI_KEY_FILE", "/dev/null"), "error: model_list[0].litellm_params"},
		{"fingerprint of another key", strings.ReplaceAll(good, "os.environ/OCI_FINGERPRINT", "20:3b:97:13:55:1c:5b:0d:d3:37:d8:50:4e:c5:3a:34"), "fingerprint"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, code := validate(tt.text)
			if code != 1 || !strings.Contains(out, tt.want) {
				t.Errorf("%d, want 1 and %q in\n%s", code, tt.want, out)
			}
		})
	}
	t.Run("warnings leave 0", func(t *testing.T) {
		out, code := validate(strings.Replace(good, "openai.gpt-5-mini", "openai.gpt-9-unknown", 1) + "\nlitelm_settings: {}\n")
		if code != 0 || !strings.Contains(out, "no price is known for oci/openai.gpt-9-unknown") || !strings.Contains(out, "litellm_settings") {
			t.Errorf("%d\n%s", code, out)
		}
	})
	t.Run("JSON", func(t *testing.T) {
		out, code := validate(tests[0].text, "--json")
		var report struct {
			Valid    bool
			Findings []struct {
				Severity, Message string
				Line              int
			}
		}
		if err := json.Unmarshal([]byte(out), &report); err != nil || report.Valid || code != 1 || len(report.Findings) == 0 || report.Findings[0].Line == 0 {
			t.Errorf("%v %d %s", err, code, out)
		}
	})
	t.Run("secrets do not print", func(t *testing.T) {
		out, err := exec.Command(binary, "config", "show", writeTemp(t, "general_settings: {master_key: "+masterKey+"}\n")).Output()
		if err != nil || strings.Contains(string(out), masterKey) || !strings.Contains(string(out), "master_key") {
			t.Errorf("%v\n%s", err, out)
		}
	})
	t.Run("the schema is JSON", func(t *testing.T) {
		out, err := exec.Command(binary, "config", "schema").Output()
		if err != nil || !json.Valid(out) {
			t.Errorf("%v: %.200s", err, out)
		}
	})
}

func writeTemp(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "config.yaml")
	write(t, file, text)
	return file
}
