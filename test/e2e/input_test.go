package e2e_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// rss is the resident memory of the process in MB.
func rss(t *testing.T, p *process) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(text)
	if m == nil {
		t.Fatal("no VmRSS")
	}
	kb, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return kb / 1024
}

// endless is a body of n bytes that is never held in memory.
type endless struct{ left int64 }

func (e *endless) Read(b []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(b)), e.left)
	for i := range b[:n] {
		b[i] = ' '
	}
	e.left -= n
	return int(n), nil
}

func TestHugeBodiesAreRefusedWithoutBeingHeld(t *testing.T) {
	t.Parallel()
	_, env := sim(t)
	p := serve(t, env, sample(t))
	before := rss(t, p)
	for _, announced := range []bool{true, false} {
		for range 5 {
			req, err := http.NewRequest("POST", p.url+"/v1/chat/completions", &endless{left: 50 << 20})
			if err != nil {
				t.Fatal(err)
			}
			if announced {
				req.ContentLength = 50 << 20
			}
			req.Header.Set("Authorization", "Bearer "+masterKey)
			resp, err := httpClient.Do(req)
			if err != nil {
				continue // the answer came before the body was sent, and the connection was closed
			}
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode != 413 || !strings.Contains(string(body), "Max size is 32 MB") {
				t.Errorf("%d: %s", resp.StatusCode, body)
			}
		}
	}
	if after := rss(t, p); !raceEnabled && after > before+350 {
		t.Errorf("memory grew from %d to %d MB", before, after)
	}
}

func TestALargePromptPasses(t *testing.T) {
	t.Parallel()
	_, env := sim(t)
	p := serve(t, env, sample(t))
	r, err := p.post("/v1/chat/completions", ask("oci-gemini-2.5-flash", "What is the capital of Italy? "+strings.Repeat("Please consider this carefully. ", 13000)))
	must(t, r, err)
}

func TestAnUnfinishedBody(t *testing.T) {
	t.Parallel()
	_, env := sim(t)
	p := serve(t, env, sample(t))
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 100\r\n\r\n{\"model\":", masterKey)
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || len(answer) != 0 && !strings.HasPrefix(string(answer), "HTTP/1.1 4") {
		t.Errorf("%v: %s", err, answer)
	}
}
