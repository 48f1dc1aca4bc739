package cli

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// played runs the binary under another name.
func played(t *testing.T, name string, args ...string) (status int, stderr string) {
	t.Helper()
	read, ok := applet(name)
	if !ok {
		t.Fatalf("the binary does not play %s", name)
	}
	var out bytes.Buffer
	status = runApplet(t.Context(), &out, name, read, args)
	return status, out.String()
}

// patient is a gateway that is well at /health/liveness and /health/liveliness alone.
func patient(t *testing.T, start func(http.Handler) *httptest.Server) (base string) {
	t.Helper()
	server := start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/health/liveness", "/health/liveliness":
		case "/moved":
			http.Redirect(w, r, "http://192.0.2.1/", http.StatusFound)
		default:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(server.Close)
	return strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
}

// TestHealthChecksOfOtherImages holds the health checks of LiteLLM's compose files and documentation, and the forms that
// are common elsewhere. URL stands for a gateway that is well, GONE for an address where nothing listens.
func TestHealthChecksOfOtherImages(t *testing.T) {
	base := patient(t, httptest.NewServer)
	secure := patient(t, httptest.NewTLSServer)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	fill := strings.NewReplacer("URL", base, "TLS", secure, "GONE", gone.URL)

	for _, test := range []struct {
		command string
		status  int
	}{
		{`wget --no-verbose --tries=1 --spider URL/health/liveness || exit 1`, 0},
		{`wget --no-verbose --tries=1 URL/health/liveliness || exit 1`, 0},
		{`wget --spider -q URL/health/liveness`, 0},
		{`wget -qO- URL/health/liveness`, 0},
		{`wget -q -T 3 -t 1 -O /dev/null URL/health/liveness || exit 1`, 0},
		{`wget -nv --spider "URL/health/liveness" || exit 1`, 0},
		{`wget --spider URL/health/readiness || exit 1`, 1},
		{`wget --spider URL/health/readiness`, 8},
		{`wget --spider GONE/health/liveness || exit 1`, 1},
		{`wget --spider GONE/health/liveness`, 4},
		{`wget --spider TLS/health/liveness || exit 1`, 0},
		{`wget --spider URL/moved || exit 1`, 0},
		{`curl -f URL/health/liveness || exit 1`, 0},
		{`curl -fsS -o /dev/null URL/health/liveness || false`, 0},
		{`/usr/bin/curl --fail --silent URL/health/liveness > /dev/null 2>&1 || exit 1`, 0},
		{`curl -fk TLS/health/liveness || exit 1`, 0},
		{`curl -f URL/health/readiness`, 22},
		{`curl -s URL/health/readiness`, 0},
		{`curl -f --max-time 2 GONE/health/liveness`, 7},
		{`python3 -c "import urllib.request; urllib.request.urlopen('URL/health/liveliness')"`, 0},
		{`python3 -c 'import urllib.request; urllib.request.urlopen("URL/health/liveliness", timeout=3)'`, 0},
		{`python3 -c "import urllib.request; urllib.request.urlopen(\"URL/health/liveliness\")" || exit 1`, 0},
		{`python3 -c "import urllib.request; urllib.request.urlopen('URL/health/readiness')"`, 1},
	} {
		if got, said := played(t, "sh", "-c", fill.Replace(test.command)); got != test.status {
			t.Errorf("%s: exit status %d, want %d; it said %q", test.command, got, test.status, said)
		} else if got == exitCannotRun || got != 0 && !strings.Contains(test.command, "-q") && said == "" {
			t.Errorf("%s: exit status %d without a reason", test.command, got)
		}
	}
}

// TestNoShell holds what a shell would do and ours must not.
func TestNoShell(t *testing.T) {
	base := patient(t, httptest.NewServer)
	for _, command := range []string{
		"", "ls", "sh -c ls", "/bin/sh -c 'wget URL/health/liveness'", "sleep 5", "wget", "python3 --version", "exit 0", "|| exit 1",
		"wget URL/health/liveness; ls", "wget URL/health/liveness && ls", "wget URL/health/liveness || ls", "wget URL/health/liveness | cat",
		"wget URL/health/liveness > /etc/passwd", "wget -O /tmp/file URL/health/liveness", "wget -i list URL/health/liveness", "curl -o file URL/health/liveness",
		"curl -f -d secret URL/health/liveness", "curl -f file:///etc/passwd", "wget URL/health/liveness URL/health/liveness",
		"wget http://192.0.2.1/", "wget http://localhost.example.com/", "wget http://localhost@192.0.2.1/", "wget http://[::ffff:192.0.2.1]/", "wget //192.0.2.1/", "wget http://169.254.169.254/opc/v2/", "wget ftp://localhost/",
		`wget "http://localhost:$PORT/health"`, "wget `id`", "wget 'http://localhost", `wget \http://localhost`,
		`python3 -c "import os; os.system('ls')"`, `python3 -c "import urllib.request; urllib.request.urlopen('http://192.0.2.1/')"`,
		`python3 -c "import urllib.request; urllib.request.urlopen('URL/health/liveness'); print(1)"`,
	} {
		status, said := played(t, "sh", "-c", strings.ReplaceAll(command, "URL", base))
		if status != exitCannotRun || !strings.Contains(said, "This image has no shell") {
			t.Errorf("%q: exit status %d, it said %q", command, status, said)
		}
	}
	if status, _ := played(t, "sh"); status != exitCannotRun {
		t.Errorf("an interactive shell: exit status %d", status)
	}
	if status, _ := played(t, "wget", "--spider", "http://192.0.2.1/"); status != exitCannotRun {
		t.Errorf("wget elsewhere: exit status %d", status)
	}
}

// What "localhost" means is what the machine's files and name servers say: a connection that leaves the machine is none.
func TestLocalhostElsewhere(t *testing.T) {
	for address, own := range map[string]bool{
		"127.0.0.1:4000": true, "127.1.2.3:4000": true, "[::1]:4000": true, "[::ffff:127.0.0.1]:4000": true,
		"192.0.2.1:4000": false, "[2001:db8::1]:4000": false, "0.0.0.0:4000": false, "169.254.169.254:80": false,
	} {
		if err := refuseOthers("tcp", address, nil); (err == nil) != own {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestMainPlaysByName(t *testing.T) {
	base := patient(t, httptest.NewServer)
	for _, argv := range [][]string{
		{"/usr/bin/wget", "--spider", base + "/health/liveness"},
		{"curl", "-f", base + "/health/liveness"},
		{"/bin/sh", "-c", "wget -q --spider " + base + "/health/liveness || exit 1"},
		{"/usr/bin/python3", "-c", "import urllib.request; urllib.request.urlopen('" + base + "/health/liveliness')"},
		{"/usr/bin/tollgate", "healthcheck", base + "/health/liveness"},
		{"tollgate", "version"},
	} {
		if got := Main(argv); got != 0 {
			t.Errorf("%v: exit status %d", argv, got)
		}
	}
}

func TestHealthcheck(t *testing.T) {
	base, secure := patient(t, httptest.NewServer), patient(t, httptest.NewTLSServer)
	for _, test := range []struct {
		name   string
		env    map[string]string
		args   []string
		status int
		stderr string
	}{
		{"an address", nil, []string{base + "/health/liveness"}, 0, ""},
		{"a certificate of its owner", nil, []string{secure + "/health/liveness"}, 0, ""},
		{"ill", nil, []string{base + "/health/readiness"}, 1, "/health/readiness answers 503"},
		{"the port of the environment", map[string]string{"PORT": base[strings.LastIndex(base, ":")+1:]}, nil, 0, ""},
		{"TLS of the environment", map[string]string{"PORT": secure[strings.LastIndex(secure, ":")+1:], "SSL_CERTFILE_PATH": "cert.pem"}, nil, 0, ""},
		{"nobody there", map[string]string{"PORT": "1"}, nil, 1, "http://localhost:1/health/liveness"},
		{"no URL", nil, []string{"localhost"}, exitUsage, "is not a URL"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := typed{env: test.env}.run(t, append([]string{"healthcheck"}, test.args...)...)
			if got.status != test.status || !strings.Contains(got.stderr, test.stderr) {
				t.Errorf("exit status %d, want %d; it said %q, want %q", got.status, test.status, got.stderr, test.stderr)
			}
		})
	}
}

func FuzzShell(f *testing.F) {
	f.Add(`wget -q "http://localhost:4000/health" || exit 1`)
	f.Add(`python3 -c "import urllib.request; urllib.request.urlopen('http://localhost:4000/')"`)
	f.Fuzz(func(t *testing.T, command string) {
		c, err := readShell([]string{"-c", command})
		if err != nil || c.allowed() != nil {
			return
		}
		// Whatever is accepted holds its address as it stands: nothing was expanded.
		if address := strings.TrimPrefix(c.address, "http://"); !strings.Contains(strings.NewReplacer(`"`, "", `'`, "", `\`, "").Replace(command), strings.NewReplacer(`"`, "", `'`, "", `\`, "").Replace(address)) {
			t.Errorf("%q asks %q", command, c.address)
		}
	})
}
