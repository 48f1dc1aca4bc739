package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/internal/testkit"
)

// entry is one operation of the table of routes, as /openapi.json tells it.
type entry struct {
	method, path string
	public       bool
}

// routes are all operations that the gateway says it has, parameters of paths filled in.
func (r *replica) routes() []entry {
	r.t.Helper()
	a, err := r.try("", "GET", "/openapi.json", nil)
	if err != nil || a.status != http.StatusOK {
		r.t.Fatalf("/openapi.json: %v %d", err, a.status)
	}
	var document struct {
		Paths map[string]map[string]struct{ Security []any }
	}
	if err := json.Unmarshal(a.body, &document); err != nil {
		r.t.Fatal(err)
	}
	var all []entry
	for path, operations := range document.Paths {
		for strings.Contains(path, "{") {
			before, rest, _ := strings.Cut(path, "{")
			_, after, _ := strings.Cut(rest, "}")
			path = before + "x1" + after
		}
		for method, o := range operations {
			all = append(all, entry{strings.ToUpper(method), path, len(o.Security) == 0})
		}
	}
	slices.SortFunc(all, func(a, b entry) int { return strings.Compare(a.path+" "+a.method, b.path+" "+b.method) })
	if len(all) < 150 {
		r.t.Fatalf("only %d operations", len(all))
	}
	return all
}

// public are the pages that need no key. One more is a decision, not an accident.
var public = []string{"/", "/health/liveliness", "/health/liveness", "/health/readiness", "/openapi.json"}

// TestEveryRouteAsksForAKey takes the routes from the table, so that a new one cannot be forgotten (Portkey-AI/gateway#1718).
func TestEveryRouteAsksForAKey(t *testing.T) {
	t.Parallel()
	r := newWorld(t, settings{}).replicas[0]
	for _, e := range r.routes() {
		if e.public {
			if !slices.Contains(public, e.path) {
				t.Errorf("%s %s is public", e.method, e.path)
			}
			continue
		}
		for _, key := range []string{"", "sk-nobody-knows-this-key", "Bearer", "null", "undefined"} {
			a, err := r.try(key, e.method, e.path, obj{})
			if err != nil || a.status != http.StatusUnauthorized {
				t.Errorf("%s %s with the key %q: %v %d %.200s", e.method, e.path, key, err, a.status, a.body)
			}
		}
	}
}

// TestNoRouteIsOpenedByItsSpelling is CVE-2026-49468 on every route: no Host header, target or encoding makes a route
// answer 200 without a key.
func TestNoRouteIsOpenedByItsSpelling(t *testing.T) {
	t.Parallel()
	r := newWorld(t, settings{}).replicas[0]
	hosts := []string{"localhost", "localhost:4000/#@x", "localhost/?", "127.0.0.1/health/liveness?", "a@b", "/health/liveness"}
	spellings := []func(string) string{
		func(s string) string { return s },
		func(s string) string { return "/" + s },
		func(s string) string { return "/health/liveness/.." + s },
		func(s string) string { return "/health/liveness/%2e%2e" + s },
		func(s string) string { return s + "?/health/liveness" },
		func(s string) string { return s + "#/health/liveness" },
		func(s string) string { return s + ";/health/liveness" },
		func(s string) string { return strings.Replace(s, "/", "/%2f", 1) },
		func(s string) string { return "http://health/health/liveness/../.." + s },
		func(s string) string { return s + "/." },
		func(s string) string { return strings.ToUpper(s) },
	}
	n := 0
	for _, e := range r.routes() {
		if e.public {
			continue
		}
		for i, spell := range spellings {
			host := hosts[n%len(hosts)]
			n++
			status, body := raw(t, r.process(), fmt.Sprintf("%s %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}", e.method, spell(e.path), host))
			if status >= 200 && status < 300 {
				t.Errorf("%s %s (spelling %d) with Host %s: %d without a key: %.200s", e.method, e.path, i, host, status, body)
			}
		}
	}
}

// TestInjectionInTheKeyOnEveryRoute is CVE-2026-42208 with a real PostgreSQL behind: the text of a key never reaches SQL.
func TestInjectionInTheKeyOnEveryRoute(t *testing.T) {
	t.Parallel()
	r := newWorld(t, settings{database: testkit.Postgres(t)}).replicas[0]
	slowest := time.Duration(0)
	for _, e := range r.routes() {
		if e.public {
			continue
		}
		for _, key := range []string{"x' OR '1'='1", "x' OR (SELECT pg_sleep(8)) IS NOT NULL --", `sk-"; DROP TABLE keys; --`} {
			began := time.Now()
			a, err := r.try(key, e.method, e.path, obj{})
			took := time.Since(began)
			slowest = max(slowest, took)
			if err != nil || a.status != http.StatusUnauthorized || took > 2*time.Second || strings.Contains(string(a.body), "pg_sleep") {
				t.Errorf("%s %s: %v %d in %s: %.200s", e.method, e.path, err, a.status, took, a.body)
			}
		}
	}
	t.Logf("the slowest refusal took %s", slowest)
	if log := r.process().stderr.String(); strings.Contains(log, "pg_sleep") || strings.Contains(log, "DROP TABLE") {
		t.Error("the log repeats the key")
	}
}

// TestInjectionInNames sends SQL as ids and filters, with a key that may ask: they are data.
func TestInjectionInNames(t *testing.T) {
	t.Parallel()
	onBothStores(t, func(t *testing.T, database string) {
		w := newWorld(t, settings{database: database})
		r := w.replicas[0]
		key := w.key(obj{"key_alias": "x' OR '1'='1", "metadata": obj{"a'b": `"; DROP TABLE keys; --`}})
		w.manage("POST", "/team/new", obj{"team_id": "t'; DROP TABLE teams; --", "team_alias": "x' OR 'a'='a"})
		if a := r.call(key, question("chat", obj{"user": "c' OR '1'='1"}), "x-litellm-tags", "tag' OR '1'='1"); !a.ok() {
			t.Fatalf("%v %d %s", a.err, a.status, a.body)
		}
		const evil = "%27%20OR%20(SELECT%20pg_sleep(8))%20IS%20NOT%20NULL%20--"
		for _, path := range []string{
			"/key/info?key=x" + evil, "/key/list?key_alias=x" + evil, "/key/list?sort_by=spend" + evil, "/key/list?sort_by=created_at;select%201&sort_order=desc" + evil,
			"/team/info?team_id=x" + evil, "/user/info?user_id=x" + evil, "/user/list?user_email=x" + evil, "/user/list?sort_by=x" + evil, "/customer/info?end_user_id=x" + evil,
			"/spend/logs?api_key=x" + evil, "/spend/logs?request_id=x" + evil, "/spend/logs?user_id=x" + evil,
			"/spend/logs/v2?start_date=2026-01-01%2000:00:00&end_date=2027-01-01%2000:00:00&model=x" + evil, "/spend/logs/v2?start_date=2026-01-01%2000:00:00&end_date=2027-01-01%2000:00:00&sort_by=x" + evil,
			"/global/spend/tags?tags=x" + evil, "/team/daily/activity?start_date=2026-01-01&end_date=2027-01-01&team_ids=x" + evil, "/audit?object_id=x" + evil,
			"/global/spend/report?start_date=2026-01-01&end_date=2027-01-01&group_by=team" + evil, "/tag/daily/activity?start_date=2026-01-01&end_date=2027-01-01&tags=x" + evil,
		} {
			began := time.Now()
			a, err := r.try(masterKey, "GET", path, nil)
			took := time.Since(began)
			if err != nil || a.status >= 500 || took > 4*time.Second || strings.Contains(string(a.body), "sk-") && strings.Contains(path, "key") {
				t.Errorf("%s: %v %d in %s: %.300s", path, err, a.status, took, a.body)
			}
		}
		if rows := w.rows(key, 1); len(rows) != 1 {
			t.Errorf("%d rows", len(rows))
		}
		w.verify()
	})
}

// TestNoRouteStartsAProcess is CVE-2026-42271, CVE-2026-40217 and CVE-2026-42203: what LiteLLM runs a caller's command,
// code or template for is not here, whoever asks.
func TestNoRouteStartsAProcess(t *testing.T) {
	t.Parallel()
	w := newWorld(t, settings{})
	for _, key := range []string{"", masterKey, w.key(nil)} {
		for path, body := range map[string]obj{
			"/mcp-rest/test/connection":         {"transport": "stdio", "command": "touch", "args": []string{"/tmp/pwned"}},
			"/mcp-rest/test/tools/list":         {"transport": "stdio", "command": "touch", "args": []string{"/tmp/pwned"}},
			"/guardrails/test_custom_code":      {"custom_code": "import os", "test_input": obj{}},
			"/guardrails/validate_blocked_word": {"x": 1},
			"/prompts/test":                     {"dotprompt_content": "{{ 7*7 }}"},
		} {
			a, err := w.replicas[0].try(key, "POST", path, body)
			if err != nil || a.status < 400 || strings.Contains(string(a.body), "49") && path == "/prompts/test" {
				t.Errorf("%s: %v %d %s", path, err, a.status, a.body)
			}
		}
	}
}
