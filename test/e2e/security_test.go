package e2e_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// raw sends bytes as they are and returns the status of the answer, 0 when the connection was closed without one.
func raw(t *testing.T, p *process, request string) (int, string) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		return 0, ""
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, ""
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}

// TestNobodyGetsInByTheSpelling tries to make a protected route look like a public one (CVE-2026-49468 and its kind):
// by the Host header, an absolute target, encoded or doubled slashes, fragments and queries. Without a key, none of
// them may ever be answered with 200, but for the pages that really are public.
func TestNobodyGetsInByTheSpelling(t *testing.T) {
	t.Parallel()
	_, env := sim(t)
	p := serve(t, env, sample(t))
	protected := []string{"/v1/models", "/v1/chat/completions", "/health", "/metrics", "/model/info", "/key/generate"}
	hosts := []string{"localhost", "localhost:4000/#@x", "localhost/?", "127.0.0.1/health/liveness?", "a@b", "[::1]", "/health/liveness"}
	spell := []func(string) string{
		func(s string) string { return s },
		func(s string) string { return "/" + s },
		func(s string) string { return "/health/liveness/.." + s },
		func(s string) string { return "/health/liveness/%2e%2e" + s },
		func(s string) string { return "/health/liveness;" + s },
		func(s string) string { return s + "?/health/liveness" },
		func(s string) string { return s + "#/health/liveness" },
		func(s string) string { return s + ";/health/liveness" },
		func(s string) string { return strings.Replace(s, "/", "/%2f", 1) },
		func(s string) string { return strings.Replace(s, "/", "%2f", 1) },
		func(s string) string { return "http://health/health/liveness/../.." + s },
		func(s string) string { return "http://localhost" + s },
		func(s string) string { return s + "/%00" },
		func(s string) string { return strings.ToUpper(s) },
	}
	for _, method := range []string{"GET", "POST", "HEAD", "PUT"} {
		for _, path := range protected {
			for _, host := range hosts {
				for i, f := range spell {
					target := f(path)
					status, body := raw(t, p, fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}", method, target, host))
					if status == 200 {
						t.Errorf("%s %s (spelling %d) with Host %s: 200 without a key: %.200s", method, target, i, host, body)
					}
				}
			}
		}
	}
	if status, _ := raw(t, p, "GET /health/liveness HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); status != 200 {
		t.Errorf("the public page: %d", status)
	}
}

// TestInjectionInTheKey is CVE-2026-42208: the bearer text is data, whatever it says, and the refusal is quick.
func TestInjectionInTheKey(t *testing.T) {
	t.Parallel()
	_, env := sim(t)
	p := serve(t, env, sample(t))
	for _, key := range []string{"x' OR '1'='1", "x' OR (SELECT pg_sleep(8)) IS NOT NULL --", "sk-x' OR '1'='1", "{{7*7}}", "../../etc/passwd"} {
		for _, path := range []string{"/v1/models", "/v1/chat/completions", "/health", "/metrics"} {
			method := "GET"
			if strings.HasSuffix(path, "completions") {
				method = "POST"
			}
			status, body := raw(t, p, fmt.Sprintf("%s %s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}", method, path, key))
			if status != 401 || strings.Contains(body, "pg_sleep") || strings.Contains(body, "49") && key == "{{7*7}}" {
				t.Errorf("%s with the key %q: %d %s", path, key, status, body)
			}
		}
	}
	if log := p.stderr.String(); strings.Contains(log, "pg_sleep") || strings.Contains(log, "OR '1'") {
		t.Errorf("the log repeats the key:\n%s", log)
	}
}

// TestURLsOfCallersAreNotFetched: an image URL is passed on or refused, but never fetched by the gateway.
func TestURLsOfCallersAreNotFetched(t *testing.T) {
	t.Parallel()
	_, env := sim(t)
	p := serve(t, env, sample(t))
	trap, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer trap.Close()
	caught := make(chan struct{}, 16)
	go func() {
		for {
			conn, err := trap.Accept()
			if err != nil {
				return
			}
			conn.Close()
			caught <- struct{}{}
		}
	}()
	for _, model := range []string{"oci-llama-4-maverick", "oci-gemini-2.5-flash", "oci-cohere-command", "oci-grok"} {
		body := obj{"model": model, "messages": []obj{{"role": "user", "content": []obj{{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": obj{"url": "http://" + trap.Addr().String() + "/x.png"}}}}}}
		if _, err := p.post("/v1/chat/completions", body); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-caught:
		t.Error("the gateway fetched a caller's URL")
	default:
	}
}
