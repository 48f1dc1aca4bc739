package admin_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/account"
	"tollgate/internal/money"
	"tollgate/internal/record"
)

// booked is a call of the tests: a success of 10 + 5 tokens that cost a cent, unless a change says otherwise.
func booked(id, hash string, at time.Time, changes ...func(c *record.Call)) record.Call {
	c := record.Call{
		ID: id, RequestID: "chatcmpl-" + id, CallType: "acompletion", Route: "/v1/chat/completions", Started: at, Ended: at.Add(time.Second), KeyHash: hash,
		Alias: "a", Group: "a", Upstream: "cohere.command", Provider: "oci", Deployment: "dep-1", APIBase: "https://oci.test", Outcome: record.Success, Status: 200,
		PromptTokens: 10, CompletionTokens: 5, UsageKnown: true, Cost: money.Dollar / 100, CostKnown: true,
	}
	if hash != "" {
		c.Charges = []account.Scope{account.KeyScope(hash)}
	}
	for _, change := range changes {
		change(&c)
	}
	return c
}

func (w *world) book(calls ...record.Call) {
	w.t.Helper()
	if n, err := w.store.Write(w.t.Context(), calls); err != nil || n != len(calls) {
		w.t.Fatal(n, err)
	}
}

// list wants a 200 and gives its list.
func (r *reply) list() []map[string]any {
	r.t.Helper()
	var l []map[string]any
	if r.Status != http.StatusOK {
		r.t.Fatalf("status %d: %s", r.Status, r.Raw)
	}
	if err := json.Unmarshal(r.Raw, &l); err != nil {
		r.t.Fatalf("%v: %s", err, r.Raw)
	}
	return l
}

// same compares an answer with JSON that is written down.
func (r *reply) same(want string) {
	r.t.Helper()
	if r.Status != http.StatusOK {
		r.t.Fatalf("status %d: %s", r.Status, r.Raw)
	}
	var got, wanted any
	if err := json.Unmarshal(r.Raw, &got); err != nil {
		r.t.Fatalf("%v: %s", err, r.Raw)
	}
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		r.t.Fatalf("%v: %s", err, want)
	}
	if d := cmp.Diff(wanted, got); d != "" {
		r.t.Errorf("the answer differs (-want +got):\n%s", d)
	}
}

// ids are the request ids of rows.
func ids(rows []map[string]any) []string {
	var out []string
	for _, r := range rows {
		id, _ := r["request_id"].(string)
		out = append(out, strings.TrimPrefix(id, "chatcmpl-"))
	}
	return out
}

// hours is a time of the tests' day and the days before it.
func hours(ago int) time.Time { return start.Add(-time.Duration(ago) * time.Hour) }

func TestSpendLogs_newestLast(t *testing.T) {
	w := newWorld(t)
	key := w.key(map[string]any{"models": []string{"a"}})
	other := w.key(nil)
	hash := account.HashKey(key)
	w.book(booked("1", hash, hours(3)), booked("2", hash, hours(2)), booked("3", hash, hours(1)), booked("x", account.HashKey(other), hours(1)))

	// The raw key and its hash ask the same; the last row is the newest, which LiteLLM's cost tests read.
	for _, arg := range []string{key, hash} {
		rows := w.call(w.master, "GET", "/spend/logs?api_key="+arg, nil).list()
		if got := ids(rows); !slices.Equal(got, []string{"1", "2", "3"}) {
			t.Fatalf("rows %v", got)
		}
		last := rows[2]
		for name, want := range map[string]any{"model": "oci/cohere.command", "total_tokens": 15.0, "spend": 0.01, "api_key": hash, "status": "success", "model_group": "a"} {
			if last[name] != want {
				t.Errorf("%s = %v, want %v", name, last[name], want)
			}
		}
		for _, name := range []string{"api_key", "request_tags", "metadata", "team_id"} {
			if _, ok := last[name]; !ok {
				t.Errorf("a row has no %s", name)
			}
		}
	}
	// A raw key is hashed where dates are given, too; LiteLLM's does not.
	rows := w.call(w.master, "GET", "/spend/logs?summarize=false&start_date=2026-11-25&end_date=2026-11-26&api_key="+key, nil).list()
	if got := ids(rows); !slices.Equal(got, []string{"3", "2", "1"}) {
		t.Errorf("rows of dates %v, want the newest first", got)
	}
	if got := w.call(w.master, "GET", "/spend/logs?request_id=chatcmpl-2", nil).list(); !slices.Equal(ids(got), []string{"2"}) {
		t.Errorf("one request: %v", got)
	}
	w.call(w.master, "GET", "/spend/logs?request_id=nobody", nil).same(`[null]`)
	w.call(w.master, "GET", "/spend/logs?api_key=sk-nobody", nil).same(`[]`)
	w.call(w.master, "GET", "/spend/logs?start_date=yesterday&end_date=2026-11-26", nil).refused(400, "start_date")
}

func TestSpendLogs_pages(t *testing.T) {
	w := newWorld(t)
	const n = 23
	var all []string
	for i := range n {
		id := fmt.Sprintf("%02d", i)
		all = append(all, id)
		w.book(booked(id, "h", hours(1).Add(time.Duration(i/4)*time.Minute))) // four calls of each moment
	}
	for _, mode := range []string{"", "&summarize=false&start_date=2026-11-25&end_date=2026-11-26"} {
		var seen []string
		cursor := ""
		for page := 0; ; page++ {
			r := w.call(w.master, "GET", "/spend/logs?limit=5&cursor="+cursor+mode, nil)
			got := ids(r.list())
			if mode == "" {
				seen = append(slices.Clone(got), seen...)
			} else {
				slices.Reverse(got)
				seen = append(slices.Clone(got), seen...)
			}
			cursor = r.Header.Get("x-tollgate-next-cursor")
			if (cursor != "") != (r.Header.Get("x-tollgate-truncated") == "true") {
				t.Fatal("a cursor and no truncation, or the reverse")
			}
			if cursor == "" {
				break
			}
			if len(got) != 5 || page > n {
				t.Fatalf("page %d has %v", page, got)
			}
		}
		if !slices.Equal(seen, all) {
			t.Errorf("mode %q: the pages have %v", mode, seen)
		}
	}
	w.call(w.master, "GET", "/spend/logs?limit=0", nil).refused(400, "limit")
	w.call(w.master, "GET", "/spend/logs?limit=10001", nil).refused(400, "limit")
	w.call(w.master, "GET", "/spend/logs?cursor=abc", nil).refused(400, "cursor")
	r := w.call(w.master, "GET", "/spend/logs?limit=23", nil)
	if r.Header.Get("x-tollgate-truncated") != "" || len(r.list()) != n {
		t.Errorf("23 rows of 23 are cut: %v", r.Header)
	}
}

func TestSpendLogs_summary(t *testing.T) {
	w := newWorld(t)
	day := func(d, h int) time.Time { return time.Date(2026, 11, d, h, 0, 0, 0, time.UTC) }
	by := func(user string) func(*record.Call) { return func(c *record.Call) { c.UserID = user } }
	w.book(
		booked("1", "h1", day(20, 23), by("u1")), booked("2", "h1", day(22, 0), by("u1")), booked("3", "h2", day(22, 23), by("u2")),
		booked("4", "h2", day(24, 0), by("u2")), // the end date's first moment, which is left out
	)
	// No day before the first with data, none between, and one for each day after the last.
	want := `[
		{"startTime":"2026-11-20","spend":0.01,"h1":0.01,"users":{"u1":0.01},"models":{"oci/cohere.command":0.01}},
		{"startTime":"2026-11-22","spend":0.02,"h1":0.01,"h2":0.01,"users":{"u1":0.01,"u2":0.01},"models":{"oci/cohere.command":0.02}},
		{"startTime":"2026-11-23","spend":0,"users":{},"models":{}},
		{"startTime":"2026-11-24","spend":0,"users":{},"models":{}}]`
	w.call(w.master, "GET", "/spend/logs?start_date=2026-11-18&end_date=2026-11-24", nil).same(want)
	w.call(w.master, "GET", "/spend/logs?start_date=2026-11-18&end_date=2026-11-24&summarize=true", nil).same(want)
	w.call(w.master, "GET", "/spend/logs?start_date=2026-11-01&end_date=2026-11-02", nil).same(`[]`)
	w.call(w.master, "GET", "/spend/logs?start_date=2026-11-22&end_date=2026-11-23&user_id=u2", nil).same(
		`[{"startTime":"2026-11-22","spend":0.01,"h2":0.01,"users":{"u2":0.01},"models":{"oci/cohere.command":0.01}},{"startTime":"2026-11-23","spend":0,"users":{},"models":{}}]`)
	w.call(w.master, "GET", "/spend/logs?start_date=2026-11-22&end_date=2026-11-23&request_id=chatcmpl-3", nil).same(
		`[{"startTime":"2026-11-22","spend":0.01,"h2":0.01,"users":{"u2":0.01},"models":{"oci/cohere.command":0.01}},{"startTime":"2026-11-23","spend":0,"users":{},"models":{}}]`)
}

// Who sees which rows: the operator and its viewers everything, a user its own whatever it asks for, a key without a user its own.
func TestSpendLogs_roles(t *testing.T) {
	w := newWorld(t)
	viewer, user, userViewer := w.person("v", account.ProxyAdminViewer), w.person("u", account.InternalUser), w.person("uv", account.InternalUserViewer)
	keyOnly := w.key(nil)
	mine := func(user string) func(*record.Call) { return func(c *record.Call) { c.UserID = user } }
	w.book(booked("u", account.HashKey(user), hours(4), mine("u")), booked("uv", account.HashKey(userViewer), hours(3), mine("uv")),
		booked("k", account.HashKey(keyOnly), hours(2)), booked("x", "h", hours(1), mine("somebody")))
	for _, tc := range []struct {
		who, key, query string
		want            []string
	}{
		{"admin", w.master, "", []string{"u", "uv", "k", "x"}},
		{"viewer", viewer, "", []string{"u", "uv", "k", "x"}},
		{"user", user, "", []string{"u"}},
		{"user", user, "?user_id=somebody", []string{"u"}},
		{"user", user, "?api_key=h", nil},
		{"user", user, "?request_id=chatcmpl-x", []string{""}},
		{"user viewer", userViewer, "", []string{"uv"}},
		{"key", keyOnly, "", []string{"k"}},
		{"key", keyOnly, "?api_key=" + keyOnly, []string{"k"}},
		{"key", keyOnly, "?user_id=somebody", nil},
	} {
		if got := ids(w.call(tc.key, "GET", "/spend/logs"+tc.query, nil).list()); !slices.Equal(got, tc.want) {
			t.Errorf("%s%s sees %v, want %v", tc.who, tc.query, got, tc.want)
		}
	}
	w.call(keyOnly, "GET", "/spend/logs?api_key=h", nil).refused(403, "not allowed")
}

func TestLogPage(t *testing.T) {
	w := newWorld(t)
	failed := func(c *record.Call) {
		c.Outcome, c.Status, c.Error, c.ErrorType, c.Cost, c.CostKnown = record.Refused, 429, "Rate limit exceeded", "throttling_error", 0, false
	}
	w.book(booked("1", "h1", hours(3)), booked("2", "h1", hours(2), failed), booked("3", "h2", hours(1), func(c *record.Call) {
		c.Cost, c.TeamID, c.SessionID, c.EndUser, c.Prompt = money.Dollar, "t1", "s1", "cust", account.JSON(`[{"role":"user","content":"hi"}]`)
	}))
	const dates = "?start_date=2026-11-25%2000:00:00&end_date=2026-11-25%2023:59:59"
	for query, want := range map[string][]string{
		"":                                      {"3", "2", "1"},
		"&sort_order=asc":                       {"1", "2", "3"},
		"&sort_by=spend&sort_order=asc":         {"2", "1", "3"},
		"&status_filter=failure":                {"2"},
		"&status_filter=success":                {"3", "1"},
		"&min_spend=0.005&max_spend=0.5":        {"1"},
		"&api_key=h1":                           {"2", "1"},
		"&team_id=t1":                           {"3"},
		"&session_id=s1":                        {"3"},
		"&end_user=cust":                        {"3"},
		"&error_code=429":                       {"2"},
		"&error_message=limit":                  {"2"},
		"&model_group=a&model=oci/none":         nil,
		"&model_id=dep-1&request_id=chatcmpl-1": {"1"},
		"&page=2&page_size=2":                   {"1"},
	} {
		got := w.admin("GET", "/spend/logs/v2"+dates+query, nil)
		var rows []map[string]any
		for _, r := range got["data"].([]any) {
			rows = append(rows, r.(map[string]any))
		}
		if !slices.Equal(ids(rows), want) {
			t.Errorf("%q: %v, want %v", query, ids(rows), want)
		}
		for _, r := range rows {
			if m, _ := r["messages"].(map[string]any); m == nil || len(m) > 0 {
				t.Errorf("a list shows what was said: %v", r["messages"])
			}
		}
	}
	got := w.admin("GET", "/spend/logs/ui"+dates+"&page_size=2", nil)
	delete(got, "data")
	if d := cmp.Diff(map[string]any{"total": 3.0, "page": 1.0, "page_size": 2.0, "total_pages": 2.0}, got); d != "" {
		t.Error(d)
	}
	w.call(w.master, "GET", "/spend/logs/v2?start_date=2026-11-25", nil).refused(400, "Start date and end date are required")
	w.call(w.master, "GET", "/spend/logs/v2"+dates+"&page_size=101", nil).refused(400, "page_size")
	w.call(w.master, "GET", "/spend/logs/v2"+dates+"&sort_by=user", nil).refused(400, "sort_by")
	if said := w.admin("GET", "/spend/logs/ui/chatcmpl-3?start_date=2026-11-25", nil); said["messages"] == nil {
		t.Errorf("detail %v", said)
	}
	w.call(w.master, "GET", "/spend/logs/ui/none", nil).refused(404, "request id")
	if got := ids(w.call(w.master, "GET", "/spend/logs/session/ui?session_id=s1", nil).list()); !slices.Equal(got, []string{"3"}) {
		t.Errorf("session: %v", got)
	}
}

// A team's admin sees the team's rows, a member its own unless the team grants it /spend/logs.
func TestLogPage_teams(t *testing.T) {
	w := newWorld(t)
	lead, member, granted, out := w.person("lead", account.InternalUser), w.person("m", account.InternalUser), w.person("g", account.InternalUser), w.person("o", account.InternalUser)
	people := []account.Member{{Role: account.MemberAdmin, UserID: "lead"}, {Role: account.MemberUser, UserID: "m"}, {Role: account.MemberUser, UserID: "g"}}
	w.put(&account.Team{TeamID: "closed", MembersWithRoles: people}, &account.Team{TeamID: "open", MembersWithRoles: people, TeamMemberPermissions: []string{"/spend/logs"}})
	of := func(team, user string) func(*record.Call) {
		return func(c *record.Call) { c.TeamID, c.UserID = team, user }
	}
	w.book(booked("1", "h", hours(3), of("closed", "lead")), booked("2", "h", hours(2), of("closed", "m")), booked("3", "h", hours(1), of("open", "lead")))
	for _, tc := range []struct {
		key, team string
		want      float64
	}{{lead, "closed", 2}, {member, "closed", 1}, {granted, "closed", 0}, {out, "closed", 0}, {lead, "open", 1}, {granted, "open", 1}, {out, "open", 0}} {
		got := w.call(tc.key, "GET", "/spend/logs/v2?start_date=2026-11-25&end_date=2026-11-25&team_id="+tc.team, nil).ok()
		if got["total"] != tc.want {
			t.Errorf("team %s: %v rows, want %v", tc.team, got["total"], tc.want)
		}
	}
}
