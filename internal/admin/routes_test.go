package admin_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/account"
	"tollgate/internal/admin"
)

// Every management route of LiteLLM is served, or says why it is not.
func TestRoutes_coverLiteLLM(t *testing.T) {
	text, err := os.ReadFile("testdata/litellm_routes.txt")
	if err != nil {
		t.Fatal(err)
	}
	served := map[string]bool{}
	for _, rt := range newWorld(t).api.Routes() {
		if served[rt.Method+" "+rt.Path] {
			t.Errorf("%s %s stands in the table twice", rt.Method, rt.Path)
		}
		served[rt.Method+" "+rt.Path] = true
		if !strings.HasSuffix(rt.Summary, ".") || rt.Permission == "" {
			t.Errorf("%s %s: summary %q, permission %q", rt.Method, rt.Path, rt.Summary, rt.Permission)
		}
	}
	routes := 0
	for line := range strings.Lines(string(text)) {
		method, path, found := strings.Cut(strings.TrimSpace(line), " ")
		if method == "#" || !found {
			continue
		}
		routes++
		if why := admin.Decline(path); !served[method+" "+path] && (why == nil || why.Status != http.StatusBadRequest || !strings.Contains(why.Message, "because")) {
			t.Errorf("%s %s is neither served nor declined", method, path)
		}
	}
	if routes < 150 {
		t.Errorf("the list has %d routes", routes)
	}
	for _, path := range []string{"/nothing", "/projects", "/"} {
		if admin.Decline(path) != nil {
			t.Errorf("%s is declined, and nobody knows it", path)
		}
	}
}

// The grid of who may use which route at all: x gets to the handler, - is refused. It is meant to be read.
func TestRoutes_roles(t *testing.T) {
	w := newFullWorld(t)
	// Each call is made by somebody new: some end with a key that works no more.
	person := func(role account.Role) func(n int) string {
		return func(n int) string { return w.person(fmt.Sprintf("%s %d", role, n), role) }
	}
	callers := []struct {
		name string
		key  func(n int) string
	}{
		{"viewer", person(account.ProxyAdminViewer)}, {"user", person(account.InternalUser)}, {"uviewer", person(account.InternalUserViewer)},
		{"keyonly", func(int) string { return w.key(nil) }}, {"nobody", func(int) string { return "sk-nobody" }},
	}
	var grid bytes.Buffer
	grid.WriteString("viewer user uviewer keyonly nobody\n")
	for n, rt := range w.api.Routes() {
		target := strings.NewReplacer("{", "", "}", "").Replace(rt.Path)
		for _, c := range callers {
			mark := "x"
			if r := w.call(c.key(n), rt.Method, target, "{}"); r.Status == http.StatusUnauthorized || r.Status == http.StatusForbidden {
				mark = "-"
			}
			fmt.Fprintf(&grid, "%-*s", len(c.name)+1, mark)
		}
		fmt.Fprintf(&grid, "%-6s %s\n", rt.Method, rt.Path)
	}
	const golden = "testdata/roles.golden"
	if *update {
		if err := os.WriteFile(golden, grid.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), grid.String()); d != "" {
		t.Errorf("the grid differs (-want +got):\n%s", d)
	}
}

// Without a database every call that needs one says so, and none panics.
func TestRoutes_noDatabase(t *testing.T) {
	w := newWorld(t)
	w.api = admin.New(admin.Options{Settings: func() *admin.Settings { return w.settings }, Models: liveModels{}, Catalog: catalog{}, Log: w.log()})
	w.serve()
	said := 0
	for _, rt := range w.api.Routes() {
		r := w.call(w.master, rt.Method, strings.NewReplacer("{", "", "}", "").Replace(rt.Path), "{}")
		if r.Status == http.StatusInternalServerError && (strings.Contains(string(r.Raw), "DB not connected") || strings.Contains(string(r.Raw), "Connect Proxy to database")) {
			said++
		} else if r.Status == http.StatusInternalServerError {
			t.Errorf("%s %s: %s", rt.Method, rt.Path, r.Raw)
		}
	}
	if said < 100 {
		t.Errorf("%d routes say that there is no database", said)
	}
}
