package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// typed runs a command line in a world of its own: environment variables, what is typed, and a home that is empty
// unless the environment names one.
type typed struct {
	env   map[string]string
	stdin string
}

// outcome is what a command line left.
type outcome struct {
	stdout, stderr string
	status         int
}

func (ty typed) run(t *testing.T, args ...string) outcome {
	t.Helper()
	vars := map[string]string{"HOME": t.TempDir()}
	maps.Copy(vars, ty.env)
	var stdout, stderr bytes.Buffer
	env := &Environment{
		Stdin: strings.NewReader(ty.stdin), Stdout: &stdout, Stderr: &stderr,
		LookupEnv: func(name string) (string, bool) { value, ok := vars[name]; return value, ok },
	}
	status := execute(t.Context(), env, args)
	return outcome{stdout.String(), stderr.String(), status}
}

// asked is one request that a fake gateway was sent.
type asked struct {
	method, path, query, key, body string
}

// fake is a gateway that answers from a list, by method and path, and notes what it is asked.
type fake struct {
	*httptest.Server
	mu    sync.Mutex
	asked []asked
}

func newFake(t *testing.T, answers map[string]string) *fake {
	t.Helper()
	f := &fake{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		f.mu.Lock()
		f.asked = append(f.asked, asked{r.Method, r.URL.EscapedPath(), r.URL.RawQuery, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "), string(body)})
		f.mu.Unlock()
		answer, ok := answers[r.Method+" "+r.URL.Path]
		if !ok {
			answer = `404 {"detail": "Not Found"}`
		}
		if status, rest, found := strings.Cut(answer, " "); found && len(status) == 3 {
			var code int
			_ = json.Unmarshal([]byte(status), &code)
			w.WriteHeader(code)
			answer = rest
		}
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(f.Close)
	return f
}

// last is the last request.
func (f *fake) last(t *testing.T) asked {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.asked) == 0 {
		t.Fatal("the gateway was not asked")
	}
	return f.asked[len(f.asked)-1]
}

// sameJSON compares two texts of JSON.
func sameJSON(t *testing.T, got, want string) {
	t.Helper()
	var a, b any
	if err := json.Unmarshal([]byte(got), &a); err != nil {
		t.Fatalf("%q: %v", got, err)
	}
	if err := json.Unmarshal([]byte(want), &b); err != nil {
		t.Fatalf("%q: %v", want, err)
	}
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	if !bytes.Equal(x, y) {
		t.Errorf("got  %s\nwant %s", x, y)
	}
}

func TestWhichGatewayAndKey(t *testing.T) {
	one, two := newFake(t, map[string]string{"GET /budget/list": "[]"}), newFake(t, map[string]string{"GET /budget/list": "[]"})
	home := t.TempDir()
	for _, p := range []struct{ name, url, key string }{{"first", one.URL, "sk-profile-1"}, {"second", two.URL, "sk-profile-2"}} {
		got := typed{env: map[string]string{"HOME": home}, stdin: p.key + "\n"}.run(t, "login", "--url", p.url, "--profile", p.name, "--no-check")
		if got.status != 0 {
			t.Fatal(got)
		}
	}
	tests := []struct {
		name string
		env  map[string]string
		args []string
		at   *fake
		key  string
		fail string
	}{
		{"the current profile is the last", nil, nil, two, "sk-profile-2", ""},
		{"a profile by option", nil, []string{"--profile", "first"}, one, "sk-profile-1", ""},
		{"a profile by variable", map[string]string{"TOLLGATE_PROFILE": "first"}, nil, one, "sk-profile-1", ""},
		{"a profile wins over variables", map[string]string{"TOLLGATE_URL": two.URL, "TOLLGATE_KEY": "sk-env"}, []string{"--profile", "first"}, one, "sk-profile-1", ""},
		{"variables", map[string]string{"TOLLGATE_URL": one.URL, "TOLLGATE_KEY": "sk-env"}, nil, one, "sk-env", ""},
		{"the sample's variables", map[string]string{"LITELLM_GATEWAY_URL": one.URL + "/", "LITELLM_MASTER_KEY": "sk-master"}, nil, one, "sk-master", ""},
		{"options", map[string]string{"TOLLGATE_URL": two.URL, "TOLLGATE_KEY": "sk-env"}, []string{"--url", one.URL, "--key", "sk-option"}, one, "sk-option", ""},
		{"an address of a profile finds its key", map[string]string{"TOLLGATE_URL": two.URL}, nil, two, "sk-profile-2", ""},
		{"a profile's key goes nowhere else", nil, []string{"--url", one.URL}, nil, "", "there is no key for " + one.URL},
		{"not even by its name", nil, []string{"--url", one.URL, "--profile", "second"}, nil, "", "there is no key for " + one.URL},
		{"no such profile", nil, []string{"--profile", "third"}, nil, "", `there is no profile "third" (there are: first, second)`},
		{"no address", nil, []string{"--url", "localhost:4000", "--key", "k"}, nil, "", "is not the address of a gateway"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			one.asked, two.asked = nil, nil
			env := map[string]string{"HOME": home}
			maps.Copy(env, tt.env)
			got := typed{env: env}.run(t, append([]string{"budgets", "list"}, tt.args...)...)
			if tt.fail != "" {
				if got.status != exitUsage || !strings.Contains(got.stderr, tt.fail) || len(one.asked)+len(two.asked) > 0 {
					t.Errorf("%+v, asked %v %v; want it to fail with %q", got, one.asked, two.asked, tt.fail)
				}
				return
			}
			if got.status != 0 {
				t.Fatal(got)
			}
			if key := tt.at.last(t).key; key != tt.key {
				t.Errorf("key %q, want %q", key, tt.key)
			}
		})
	}
}

func TestLogin(t *testing.T) {
	gateway := newFake(t, map[string]string{"GET /v1/models": `{"data": []}`})
	home := t.TempDir()
	world := typed{env: map[string]string{"HOME": home}, stdin: "  sk-typed \n"}
	got := world.run(t, "login", "--url", gateway.URL)
	file := filepath.Join(home, ".config", "tollgate", "config.yaml")
	if got.status != 0 || !strings.Contains(got.stdout, file) || strings.Contains(got.stdout+got.stderr, "sk-typed") {
		t.Fatal(got)
	}
	if key := gateway.last(t).key; key != "sk-typed" {
		t.Errorf("asked with %q", key)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info.Mode(), err)
	}
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	if got := world.run(t, "keys", "list"); got.status != exitFailed || !strings.Contains(got.stderr, "chmod 600 "+file) {
		t.Errorf("a file that others can read: %+v", got)
	}

	refusing := newFake(t, map[string]string{"GET /v1/models": `401 {"error": {"message": "Authentication Error", "type": "auth_error", "param": "None", "code": "401"}}`})
	fresh := typed{stdin: "sk-wrong"}
	if got := fresh.run(t, "login", "--url", refusing.URL); got.status != exitRefused || !strings.Contains(got.stderr, "does not take the key") || strings.Contains(got.stderr, "sk-wrong") {
		t.Errorf("a wrong key: %+v", got)
	}
	for _, key := range []string{"", "\n", "   "} {
		if got := (typed{stdin: key}).run(t, "login", "--url", gateway.URL); got.status != exitUsage {
			t.Errorf("key %q: %+v", key, got)
		}
	}
	if got := (typed{stdin: "k"}).run(t, "login", "--url", "ftp://x"); got.status != exitUsage {
		t.Errorf("%+v", got)
	}
}

func TestExitStatusAndAdvice(t *testing.T) {
	envelope := func(status, message, kind string) string {
		return status + ` {"error": {"message": "` + message + `", "type": "` + kind + `", "param": null, "code": "` + status + `"}}`
	}
	closed := httptest.NewServer(nil)
	closed.Close()
	for name, tt := range map[string]struct {
		answer string
		args   []string
		status int
		says   []string
	}{
		"wrong key":      {envelope("401", "Invalid proxy server token", "token_not_found_in_db"), nil, exitRefused, []string{"Invalid proxy server token", "TOLLGATE_KEY", "tollgate login"}},
		"no right":       {envelope("403", "not allowed", "auth_error"), nil, exitRefused, []string{"not allowed", "proxy_admin"}},
		"no database":    {envelope("500", "DB not connected", "no_db_connection"), nil, exitUnreachable, []string{"DB not connected", "--data-dir or DATABASE_URL"}},
		"bad request":    {envelope("400", "Budget is wrong", "bad_request_error"), nil, exitRefused, []string{"400: Budget is wrong"}},
		"FastAPI detail": {`422 {"detail": {"error": "a detail"}}`, nil, exitRefused, []string{"422: a detail"}},
		"not a gateway":  {`404 <html>nothing here</html>`, nil, exitRefused, []string{"<html>", "Is http://"}},
		"not JSON":       {`<html>hello</html>`, nil, exitFailed, []string{"is this a gateway?"}},
		"broken":         {envelope("502", "bad gateway", "x"), nil, exitUnreachable, []string{"bad gateway"}},
		"unreachable":    {"", []string{"--url", closed.URL}, exitUnreachable, []string{"nothing answers at " + closed.URL, "--url"}},
		"unknown option": {"", []string{"--colour"}, exitUsage, []string{"--colour", "tollgate budgets list --help"}},
		"argument":       {"", []string{"extra"}, exitUsage, []string{"tollgate budgets list"}},
	} {
		t.Run(name, func(t *testing.T) {
			gateway := newFake(t, map[string]string{"GET /budget/list": tt.answer})
			got := typed{env: map[string]string{"TOLLGATE_URL": gateway.URL, "TOLLGATE_KEY": "sk-secret"}}.run(t, append([]string{"budgets", "list"}, tt.args...)...)
			if got.status != tt.status {
				t.Errorf("status %d, want %d: %s", got.status, tt.status, got.stderr)
			}
			for _, want := range tt.says {
				if !strings.Contains(got.stderr, want) {
					t.Errorf("says %q, not %q", got.stderr, want)
				}
			}
			if strings.Contains(got.stdout+got.stderr, "sk-secret") {
				t.Error("the key is printed")
			}
		})
	}
	// A database that is away for a moment is no database that was never there.
	away := newFake(t, map[string]string{"GET /budget/list": envelope("503", "the database is temporarily unreachable", "no_db_connection")})
	if got := (typed{env: map[string]string{"TOLLGATE_URL": away.URL, "TOLLGATE_KEY": "sk-x"}}).run(t, "budgets", "list"); got.status != exitUnreachable || strings.Contains(got.stderr, "without a database") {
		t.Errorf("%+v", got)
	}
	if got := (typed{}).run(t, "keys", "frobnicate"); got.status != exitUsage || !strings.Contains(got.stderr, `no command "frobnicate"`) {
		t.Errorf("%+v", got)
	}
	if got := (typed{}).run(t, "keys"); got.status != 0 || !strings.Contains(got.stdout, "rotate") {
		t.Errorf("%+v", got)
	}
}

// A gateway that does not answer is given up after the time that was given.
func TestTimeout(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-ctx.Done():
		}
	}))
	t.Cleanup(slow.Close)
	t.Cleanup(cancel)
	got := typed{}.run(t, "budgets", "list", "--url", slow.URL, "--key", "k", "--timeout", "50ms")
	if got.status != exitUnreachable || !strings.Contains(got.stderr, "did not answer in time") {
		t.Errorf("%+v", got)
	}
}

// Names are chosen by callers, and a terminal obeys what it is sent.
func TestNamesCannotMoveTheCursor(t *testing.T) {
	gateway := newFake(t, map[string]string{"GET /budget/list": `[{"budget_id": "a\u001b[2Jb\r\n\u202ec"}]`})
	got := typed{}.run(t, "budgets", "list", "--url", gateway.URL, "--key", "k")
	if !strings.Contains(got.stdout, "a?[2Jb???c") || strings.ContainsAny(got.stdout, "\x1b\r\u202e") {
		t.Errorf("%q", got.stdout)
	}
}

// Every command that has a list names each of its options once, and no option of the group.
func TestOptionsAreSound(t *testing.T) {
	env := &Environment{Stdout: io.Discard, Stderr: io.Discard, LookupEnv: func(string) (string, bool) { return "", false }}
	names := []string{}
	for _, cmd := range newRoot(env).Commands() {
		for _, sub := range cmd.Commands() {
			names = append(names, cmd.Name()+" "+sub.Name())
			if sub.Short == "" || sub.RunE == nil {
				t.Errorf("%s has no words or does nothing", sub.CommandPath())
			}
		}
	}
	for _, want := range []string{
		"keys create", "keys list", "keys info", "keys update", "keys block", "keys unblock", "keys rotate", "keys delete", "keys reset-spend",
		"teams create", "teams list", "teams info", "teams add-member", "users create", "users list", "budgets create", "budgets list",
		"models list", "models add", "models delete", "spend logs", "spend report", "prices update",
	} {
		if !slices.Contains(names, want) {
			t.Errorf("there is no command %s", want)
		}
	}
}
