package admin_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/money"
	"tollgate/internal/record"
)

// newReportWorld has two teams' keys that spent on two days, and a key of a user.
func newReportWorld(t *testing.T) (w *world, alpha, beta string) {
	w = newWorld(t)
	w.put(&account.Team{TeamID: "t1", TeamAlias: "Alpha"}, &account.Team{TeamID: "t2"})
	alpha = w.key(map[string]any{"key_alias": "alpha", "team_id": "t1", "metadata": map[string]any{"team": "alpha", "owner": "ann"}})
	beta = w.key(map[string]any{"team_id": "t2"})
	w.person("u", account.InternalUser)
	team := func(id string) func(*record.Call) { return func(c *record.Call) { c.TeamID = id } }
	other := func(c *record.Call) {
		c.Upstream, c.Provider, c.Group, c.Cost = "gpt-5", "openai", "b", 2*money.Dollar
		c.Tags, c.EndUser = []string{"blue", "green"}, "cust"
	}
	yesterday := start.AddDate(0, 0, -1)
	w.book(
		booked("1", account.HashKey(alpha), yesterday, team("t1")), booked("2", account.HashKey(alpha), hours(2), team("t1"), other),
		booked("3", account.HashKey(beta), hours(2), team("t2"), func(c *record.Call) { c.Tags = []string{"blue"} }),
		booked("4", "gone", hours(1), func(c *record.Call) {
			c.UserID, c.Outcome, c.Status, c.Cost, c.Retries = "u", record.Failure, 429, 0, 0
		}),
	)
	return w, alpha, beta
}

func TestGlobalSpend(t *testing.T) {
	w, alpha, beta := newReportWorld(t)
	a, b := account.HashKey(alpha), account.HashKey(beta)
	get := func(target string) *reply { t.Helper(); return w.call(w.master, "GET", target, nil) }

	get("/global/spend").same(`{"spend":2.02,"max_budget":null}`)
	get("/global/spend/logs").same(`[{"date":"2026-11-24","spend":0.01},{"date":"2026-11-25","spend":2.01}]`)
	get("/global/spend/logs?api_key=" + beta).same(`[{"date":"2026-11-25","spend":0.01}]`)
	// Notebook 72 reads the metadata of the key beside what it spent.
	get("/global/spend/keys?limit=2").same(fmt.Sprintf(`[
		{"api_key":%q,"key_alias":"alpha","key_name":"sk-...%s","total_spend":2.01,"metadata":{"team":"alpha","owner":"ann"},"team_id":"t1","user_id":null},
		{"api_key":%q,"key_alias":null,"key_name":"sk-...%s","total_spend":0.01,"metadata":{},"team_id":"t2","user_id":null}]`, a, alpha[len(alpha)-4:], b, beta[len(beta)-4:]))
	get("/global/spend/keys?limit=x").refused(422, "limit")
	get("/global/spend/teams").same(`{"daily_spend":[{"date":"2026-11-24","Alpha":0.01},{"date":"2026-11-25","Alpha":2,"Unassigned":0.01}],
		"teams":["Alpha","Unassigned"],"total_spend_per_team":[{"team_id":"Alpha","total_spend":2.01},{"team_id":"Unassigned","total_spend":0.01}]}`)
	get("/global/spend/models").same(`[{"model":"openai/gpt-5","total_spend":2},{"model":"oci/cohere.command","total_spend":0.02}]`)
	get("/global/spend/provider?start_date=2026-11-24&end_date=2026-11-25").same(`[{"provider":"oci","spend":0.02},{"provider":"openai","spend":2}]`)
	get("/global/spend/provider").refused(400, "Please provide start_date and end_date")
	get("/global/spend/tags?start_date=2026-11-24&end_date=2026-11-25").same(`{"spend_per_tag":[{"name":"blue","spend":2.01,"log_count":2},{"name":"green","spend":2,"log_count":1}]}`)
	get("/global/spend/tags?start_date=2026-11-24&end_date=2026-11-25&tags=green").same(`{"spend_per_tag":[{"name":"green","spend":2,"log_count":1}]}`)
	get("/spend/tags").same(`[{"individual_request_tag":"blue","log_count":2,"total_spend":2.01},{"individual_request_tag":"green","log_count":1,"total_spend":2}]`)
	get("/spend/tags?start_date=2026-11-01&end_date=2026-11-02").same(`[]`)
	get("/global/spend/all_tag_names").same(`{"tag_names":["blue","green"]}`)
	get("/global/all_end_users").same(`{"end_users":["cust"]}`)
	w.call(w.master, "POST", "/global/spend/end_users", nil).same(`[{"end_user":"cust","total_count":1,"total_spend":2}]`)
	w.call(w.master, "POST", "/global/spend/end_users", map[string]string{"startTime": "2026-11-25T08:00:00Z", "endTime": "2026-11-25T08:10:00Z"}).same(
		`[{"end_user":"cust","total_count":1,"total_spend":2}]`)
	w.call(w.master, "POST", "/global/spend/end_users", map[string]string{"startTime": "2026-11-25T09:00:00Z", "endTime": "2026-11-25T10:00:00Z"}).same(`[]`)
	w.call(w.master, "POST", "/global/spend/end_users", map[string]string{"api_key": beta}).same(`[]`)
}

// A user sees in every report what it did itself, and no more.
func TestGlobalSpend_own(t *testing.T) {
	w, _, _ := newReportWorld(t)
	other := w.person("o", account.InternalUser)
	hash := account.HashKey(other)
	w.book(booked("own", hash, hours(1), func(c *record.Call) { c.UserID, c.Tags, c.EndUser = "o", []string{"mine"}, "my customer" }))
	get := func(target string) *reply { t.Helper(); return w.call(other, "GET", target, nil) }
	get("/global/spend").same(`{"spend":0.01,"max_budget":null}`)
	if rows := get("/global/spend/keys").list(); len(rows) != 1 || rows[0]["api_key"] != hash {
		t.Errorf("keys: %v", rows)
	}
	get("/global/spend/models").same(`[{"model":"oci/cohere.command","total_spend":0.01}]`)
	get("/global/spend/all_tag_names").same(`{"tag_names":["mine"]}`)
	get("/global/all_end_users").same(`{"end_users":["my customer"]}`)
	get("/global/spend/tags?start_date=2026-11-24&end_date=2026-11-25").same(`{"spend_per_tag":[{"name":"mine","spend":0.01,"log_count":1}]}`)
	get("/global/activity?start_date=2026-11-24&end_date=2026-11-25").same(
		`{"daily_data":[{"date":"Nov 25","api_requests":1,"total_tokens":15}],"sum_api_requests":1,"sum_total_tokens":15}`)
	get("/global/activity/exceptions?start_date=2026-11-24&end_date=2026-11-25").same(`{"daily_data":[],"sum_num_rate_limit_exceptions":0}`)
	if rows := get("/global/spend/report?start_date=2026-11-24&end_date=2026-11-25&group_by=api_key").list(); len(rows) != 1 || rows[0]["api_key"] != hash {
		t.Errorf("report: %v", rows)
	}
}

func TestSpendReport(t *testing.T) {
	w, alpha, beta := newReportWorld(t)
	a, b := account.HashKey(alpha), account.HashKey(beta)
	const dates = "/global/spend/report?start_date=2026-11-24&end_date=2026-11-25"
	get := func(target string) *reply { t.Helper(); return w.call(w.master, "GET", target, nil) }
	cohere := func(key string) string {
		return fmt.Sprintf(`{"model":"oci/cohere.command","api_key":%q,"spend":0.01,"total_tokens":15}`, key)
	}
	gpt := fmt.Sprintf(`{"model":"openai/gpt-5","api_key":%q,"spend":2,"total_tokens":15}`, a)

	get(dates + "&api_key=" + beta).same(fmt.Sprintf(`[{"api_key":%q,"total_cost":0.01,"total_input_tokens":10,"total_output_tokens":5,
		"model_details":[{"model":"oci/cohere.command","total_cost":0.01,"total_input_tokens":10,"total_output_tokens":5}]}]`, b))
	get(dates + "&group_by=customer").same(`[{"group_by_day":"2026-11-25T00:00:00+00:00","customers":[{"customer":"cust","total_spend":2,"metadata":[` + gpt + `]}]}]`)
	get(dates + "&team_id=t1&customer_id=cust").same(
		`[{"group_by_day":"2026-11-25T00:00:00+00:00","teams_customers":[{"team_name":"Alpha","customer":"cust","total_spend":2,"metadata":[` + gpt + `]}]}]`)
	get(dates + "&team_id=t1").same(`[
		{"group_by_day":"2026-11-24T00:00:00+00:00","teams":[{"team_name":"Alpha","total_spend":0.01,"metadata":[` + cohere(a) + `]}]},
		{"group_by_day":"2026-11-25T00:00:00+00:00","teams":[{"team_name":"Alpha","total_spend":2,"metadata":[` + gpt + `]}]}]`)
	if got := get(dates + "&group_by=api_key").list(); got[0]["api_key"] != a || got[0]["total_cost"] != 2.01 {
		t.Errorf("by key: %v", got)
	}
	days := get(dates).list()
	teams, _ := days[1]["teams"].([]any)
	if len(days) != 2 || path(teams[1], "team_name") != "Unassigned Team" {
		t.Errorf("by team: %v", days)
	}
	get(dates + "&internal_user_id=u").same(`[{"api_key":"gone","total_cost":0,"total_input_tokens":10,"total_output_tokens":5,
		"model_details":[{"model":"oci/cohere.command","total_cost":0,"total_input_tokens":10,"total_output_tokens":5}]}]`)
	get(dates+"&group_by=color").refused(400, "group_by")
	get("/global/spend/report?start_date=2026-11-24").refused(400, "Please provide")
}

func TestGlobalActivity(t *testing.T) {
	w, _, _ := newReportWorld(t)
	get := func(target string) *reply {
		t.Helper()
		return w.call(w.master, "GET", target+"?start_date=2026-11-24&end_date=2026-11-25", nil)
	}
	get("/global/activity").same(`{"daily_data":[{"date":"Nov 24","api_requests":1,"total_tokens":15},{"date":"Nov 25","api_requests":3,"total_tokens":45}],
		"sum_api_requests":4,"sum_total_tokens":60}`)
	get("/global/activity/model").same(`[
		{"model":"a","daily_data":[{"date":"Nov 24","api_requests":1,"total_tokens":15},{"date":"Nov 25","api_requests":2,"total_tokens":30}],"sum_api_requests":3,"sum_total_tokens":45},
		{"model":"b","daily_data":[{"date":"Nov 25","api_requests":1,"total_tokens":15}],"sum_api_requests":1,"sum_total_tokens":15}]`)
	get("/global/activity/exceptions").same(`{"daily_data":[{"date":"Nov 25","num_rate_limit_exceptions":1}],"sum_num_rate_limit_exceptions":1}`)
	get("/global/activity/exceptions/deployment").same(
		`[{"api_base":"https://oci.test","daily_data":[{"date":"Nov 25","num_rate_limit_exceptions":1}],"sum_num_rate_limit_exceptions":1}]`)
	w.book(booked("5", "cached", hours(1), func(c *record.Call) { c.CacheHit, c.CacheKey, c.Cost = true, "k", 0 }))
	var hits, tokens, generated float64
	rows := get("/global/activity/cache_hits").list()
	for _, r := range rows {
		hits, tokens = hits+r["cache_hit_true_rows"].(float64), tokens+r["cached_completion_tokens"].(float64)
		if r["cache_hit_true_rows"] == 1.0 {
			generated = r["generated_completion_tokens"].(float64)
		}
	}
	if len(rows) != 5 || hits != 1 || tokens != 5 || generated != 0 {
		t.Errorf("cache hits: %v", rows)
	}
	w.call(w.master, "GET", "/global/activity", nil).refused(400, "Please provide start_date and end_date")
}

// An entry's shape, and that the last day is part of the period.
func TestDailyActivity_shape(t *testing.T) {
	w := newWorld(t)
	w.put(&account.Team{TeamID: "t1", TeamAlias: "Alpha"})
	key := w.key(map[string]any{"key_alias": "k", "team_id": "t1"})
	hash := account.HashKey(key)
	w.book(booked("1", hash, start, func(c *record.Call) { c.TeamID, c.CachedTokens = "t1", 4 }))
	metrics := `{"spend":0.01,"prompt_tokens":10,"completion_tokens":5,"cache_read_input_tokens":4,"cache_creation_input_tokens":0,"total_tokens":15,
		"successful_requests":1,"failed_requests":0,"api_requests":1}`
	share := fmt.Sprintf(`{%q:{"metrics":%s,"metadata":{"key_alias":"k","team_id":"t1"}}}`, hash, metrics)
	part := fmt.Sprintf(`{"metrics":%s,"metadata":{},"api_key_breakdown":%s}`, metrics, share)
	want := fmt.Sprintf(`{"results":[{"date":"2026-11-25","metrics":%[1]s,"breakdown":{
		"models":{"oci/cohere.command":%[2]s},"model_groups":{"a":%[2]s},"providers":{"oci":%[2]s},"mcp_servers":{},"endpoints":{"/v1/chat/completions":%[2]s},"api_keys":%[3]s,
		"entities":{"t1":{"metrics":%[1]s,"metadata":{"team_alias":"Alpha"},"api_key_breakdown":%[3]s}}}}],
		"metadata":{"total_spend":0.01,"total_prompt_tokens":10,"total_completion_tokens":5,"total_tokens":15,"total_api_requests":1,"total_successful_requests":1,
		"total_failed_requests":0,"total_cache_read_input_tokens":4,"total_cache_creation_input_tokens":0,"page":1,"total_pages":1,"has_more":false}}`, metrics, part, share)
	w.call(w.master, "GET", "/team/daily/activity?team_ids=t1&start_date=2026-11-25&end_date=2026-11-25", nil).same(want)
	w.call(w.master, "GET", "/team/daily/activity?end_date=2026-11-25", nil).refused(400, "Please provide start_date and end_date")
	w.call(w.master, "GET", "/agent/daily/activity?start_date=2026-11-25&end_date=2026-11-25", nil).same(`{"results":[],
		"metadata":{"total_spend":0,"total_prompt_tokens":0,"total_completion_tokens":0,"total_tokens":0,"total_api_requests":0,"total_successful_requests":0,
		"total_failed_requests":0,"total_cache_read_input_tokens":0,"total_cache_creation_input_tokens":0,"page":1,"total_pages":0,"has_more":false}}`)
}

// Days are cut exactly in the zone that is asked for: no hour counts twice and none is lost (BerriAI/litellm#27780).
func TestDailyActivity_zones(t *testing.T) {
	w := newWorld(t)
	// One call at each half hour of three days.
	first := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	var calls []record.Call
	for i := range 3 * 48 {
		calls = append(calls, booked(fmt.Sprint(i), "h", first.Add(time.Duration(i)*30*time.Minute), func(c *record.Call) { c.UserID = "u" }))
	}
	w.book(calls...)
	for zone, want := range map[string]float64{"": 48, "0": 48, "480": 48, "-330": 48, "Asia/Kolkata": 48, "America/Los_Angeles": 48} {
		got := w.admin("GET", "/user/daily/activity/aggregated?start_date=2026-11-24&end_date=2026-11-24&timezone="+zone, nil)
		if n := path(got, "metadata.total_api_requests"); n != want {
			t.Errorf("zone %q: %v calls of a day, want %v", zone, n, want)
		}
		if days, _ := got["results"].([]any); len(days) != 1 || path(days[0], "date") != "2026-11-24" {
			t.Errorf("zone %q: days %v", zone, got["results"])
		}
	}
	// At UTC-8 the 23rd begins at 08:00, so the first eight hours belong to the 22nd.
	got := w.admin("GET", "/user/daily/activity/aggregated?start_date=2026-11-22&end_date=2026-11-22&timezone=480", nil)
	if n := path(got, "metadata.total_api_requests"); n != 16.0 {
		t.Errorf("the 22nd at UTC-8 has %v calls, want 16", n)
	}
	for _, bad := range []string{"7", "nowhere", "9999", "Local"} {
		w.call(w.master, "GET", "/user/daily/activity?start_date=2026-11-24&end_date=2026-11-24&timezone="+bad, nil).refused(400, "timezone")
	}
}

// Pages never overlap and leave nothing out, so that their sums are the period's (BerriAI/litellm#30164).
func TestDailyActivity_pages(t *testing.T) {
	w := newWorld(t)
	var calls []record.Call
	for i := range 40 {
		calls = append(calls, booked(fmt.Sprint(i), fmt.Sprintf("h%d", i%7), start.AddDate(0, 0, -i%5), func(c *record.Call) { c.UserID = "u" }))
	}
	w.book(calls...)
	total := 0.0
	var dates []string
	for page := 1; ; page++ {
		got := w.admin("GET", fmt.Sprintf("/user/daily/activity?start_date=2026-11-01&end_date=2026-11-25&page_size=4&page=%d", page), nil)
		n, _ := path(got, "metadata.total_api_requests").(float64)
		total += n
		for _, d := range got["results"].([]any) {
			dates = append(dates, path(d, "date").(string))
		}
		if path(got, "metadata.has_more") != true {
			break
		}
	}
	if total != 40 {
		t.Errorf("the pages have %v calls, want 40", total)
	}
	if !slices.IsSortedFunc(dates, func(a, b string) int { return strings.Compare(b, a) }) {
		t.Errorf("days are not the newest first: %v", dates)
	}
}

// Calls of keys without a user are users' activity, too: the usage page adds up to what the gateway has spent.
func TestDailyActivity_unassigned(t *testing.T) {
	w := newWorld(t)
	w.book(booked("1", "h", hours(3), func(c *record.Call) { c.UserID = "u" }), booked("2", "h", hours(2)), booked("3", "other", hours(1)))
	for _, target := range []string{"/user/daily/activity", "/user/daily/activity/aggregated"} {
		got := w.admin("GET", target+"?start_date=2026-11-25&end_date=2026-11-25", nil)
		day := got["results"].([]any)[0]
		if s := fields(path(got, "metadata.total_spend"), path(day, "breakdown.entities.u.metrics.spend"), path(day, "breakdown.entities.Unassigned.metrics.spend")); s != "0.03 0.01 0.02" {
			t.Errorf("%s: %s", target, s)
		}
		got = w.admin("GET", target+"?start_date=2026-11-25&end_date=2026-11-25&api_key=other", nil)
		if s := path(got, "metadata.total_spend"); s != 0.01 {
			t.Errorf("%s of a key: %v", target, s)
		}
	}
	got := w.admin("GET", "/team/daily/activity?start_date=2026-11-25&end_date=2026-11-25", nil)
	if days, _ := got["results"].([]any); len(days) != 0 {
		t.Errorf("teams: %v", days) // LiteLLM's table of teams has the calls of teams alone
	}
}

func TestDailyActivity_roles(t *testing.T) {
	w := newWorld(t)
	user, lead, member, viewer := w.person("u", account.InternalUser), w.person("lead", account.InternalUser), w.person("m", account.InternalUser), w.person("v", account.ProxyAdminViewer)
	orgAdmin, userViewer := w.person("oa", account.InternalUser), w.person("uv", account.InternalUserViewer)
	w.put(&account.Team{TeamID: "t", OrganizationID: "o", MembersWithRoles: []account.Member{{Role: account.MemberAdmin, UserID: "lead"}, {Role: account.MemberUser, UserID: "m"}}},
		&account.Organization{OrganizationID: "o"}, &account.OrgMember{UserID: "oa", OrganizationID: "o", UserRole: account.OrgAdmin})
	keyOnly := w.key(nil)
	of := func(user string) func(*record.Call) {
		return func(c *record.Call) { c.TeamID, c.OrgID, c.UserID = "t", "o", user }
	}
	w.book(booked("1", "h", hours(3), of("m")), booked("2", "h", hours(2), of("lead")), booked("3", account.HashKey(keyOnly), hours(1)))
	const dates = "start_date=2026-11-25&end_date=2026-11-25"
	for _, tc := range []struct {
		name, key, target string
		want              float64
	}{
		{"admin", w.master, "/team/daily/activity?", 2}, {"viewer", viewer, "/team/daily/activity?", 2}, {"team admin", lead, "/team/daily/activity?team_ids=t&", 2},
		{"member", member, "/team/daily/activity?team_ids=t&", 1}, {"stranger", user, "/team/daily/activity?team_ids=t&", 0}, {"org admin", orgAdmin, "/team/daily/activity?team_ids=t&", 2},
		{"member", member, "/user/daily/activity?user_id=lead&", 1}, {"admin", w.master, "/user/daily/activity?user_id=lead&", 1},
		{"org admin", orgAdmin, "/organization/daily/activity?organization_ids=o&", 2}, {"stranger", user, "/organization/daily/activity?organization_ids=o&", 0},
		{"key", keyOnly, "/key/daily/activity?", 1}, {"admin", w.master, "/key/daily/activity?api_key=h&", 2}, {"member", member, "/key/daily/activity?", 1},
		{"user viewer", userViewer, "/user/daily/activity?", 0}, {"admin", w.master, "/team/daily/activity?exclude_team_ids=t&", 0},
	} {
		got := w.call(tc.key, "GET", tc.target+dates, nil).ok()
		if n := path(got, "metadata.total_api_requests"); n != tc.want {
			t.Errorf("%s %s: %v calls, want %v", tc.name, tc.target, n, tc.want)
		}
	}
	for _, target := range []string{"/team/daily/activity", "/user/daily/activity", "/organization/daily/activity", "/tag/daily/activity", "/customer/daily/activity"} {
		if r := w.call(keyOnly, "GET", target+"?"+dates, nil); r.Status != 401 && r.Status != 403 {
			t.Errorf("a key without a user reads %s: %d", target, r.Status)
		}
	}
}
