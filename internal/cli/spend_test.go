package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"tollgate/internal/account"
)

func TestSpendLogs(t *testing.T) {
	gateway := newFake(t, map[string]string{"GET /spend/logs/v2": `{"data": [{"request_id": "chatcmpl-1", "api_key": "` + account.HashKey("sk-a") + `", "spend": 2.85e-05, "startTime": "2026-11-25T10:11:12.345000Z", "model": "oci/xai.grok-4.20", "team_id": "t1", "user": "", "status": "success", "prompt_tokens": 12, "completion_tokens": 20, "metadata": {"user_api_key_alias": "ci", "status": "success"}}], "total": 51, "page": 1, "page_size": 50, "total_pages": 2}`})
	got := typed{}.run(t, "spend", "logs", "--url", gateway.URL, "--key", "k", "--of", "sk-a", "--team", "t1", "--from", "2026-11-25", "--to", "2026-11-25 12:30:00", "--status", "success")
	if got.status != 0 {
		t.Fatal(got)
	}
	query, err := url.ParseQuery(gateway.last(t).query)
	if err != nil {
		t.Fatal(err)
	}
	want := url.Values{"start_date": {"2026-11-25 00:00:00"}, "end_date": {"2026-11-25 12:30:00"}, "api_key": {account.HashKey("sk-a")}, "team_id": {"t1"}, "status_filter": {"success"}, "page": {"1"}, "page_size": {"50"}}
	if query.Encode() != want.Encode() {
		t.Errorf("asked for %v\nwant %v", query, want)
	}
	for _, text := range []string{"2026-11-25 10:11:12 ", "ci", "0.0000285", "chatcmpl-1"} {
		if !strings.Contains(got.stdout, text) {
			t.Errorf("%q lacks %q", got.stdout, text)
		}
	}
	if !strings.Contains(got.stderr, "page 1 of 2, 51 calls in all") {
		t.Errorf("%q", got.stderr)
	}
	if got := (typed{}).run(t, "spend", "logs", "--url", gateway.URL, "--key", "k", "--from", "yesterday"); got.status != exitUsage {
		t.Errorf("%+v", got)
	}
}

func TestPeriodOfLogs(t *testing.T) {
	now := time.Date(2026, 11, 25, 10, 0, 0, 0, time.FixedZone("", 3600))
	from, to, err := (&logOptions{since: time.Hour}).period(now)
	if err != nil || from != "2026-11-25 08:00:00" || to != "2026-11-25 09:00:01" {
		t.Errorf("%s to %s, %v", from, to, err)
	}
}

// usage is what one page of activity shows for a day.
type usage map[string]float64 // id to dollars; one request of 10 and 5 tokens each

func activityDay(date, breakdown string, parts usage, total float64, n int) string {
	metrics := func(spend float64, n int) string {
		return fmt.Sprintf(`{"spend": %v, "prompt_tokens": %d, "completion_tokens": %d, "total_tokens": %d, "api_requests": %d, "successful_requests": %d, "failed_requests": 0}`, spend, 10*n, 5*n, 15*n, n, n)
	}
	var list []string
	for id, spend := range parts {
		name, _ := json.Marshal(id)
		list = append(list, fmt.Sprintf(`%s: {"metrics": %s, "metadata": {"team_alias": "the team %s"}, "api_key_breakdown": {}}`, name, metrics(spend, 1), strings.Trim(string(name), `"`)))
	}
	return fmt.Sprintf(`{"date": %q, "metrics": %s, "breakdown": {%q: {%s}}}`, date, metrics(total, n), breakdown, strings.Join(list, ", "))
}

// newActivity is a gateway that answers with pages of activity.
func newActivity(t *testing.T, pages map[string][]string) *fake {
	f := &fake{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind := strings.Split(r.URL.Path, "/")[1]
		f.asked = append(f.asked, asked{path: r.URL.Path, query: r.URL.RawQuery})
		var page int
		_, _ = fmt.Sscan(r.URL.Query().Get("page"), &page)
		list := pages[kind]
		if page < 1 || page > len(list) || !strings.HasSuffix(r.URL.Path, "/daily/activity") {
			w.WriteHeader(http.StatusNotFound)
			_, _ = fmt.Fprint(w, `{"detail": "Not Found"}`)
			return
		}
		_, _ = fmt.Fprintf(w, `{"results": [%s], "metadata": {"page": %d, "total_pages": %d, "has_more": %v}}`, list[page-1], page, len(list), page < len(list))
	}))
	t.Cleanup(f.Close)
	return f
}

// The parts of one day stand on two pages; 0.1 and 0.2 make 0.3 and not what floats make of them; the calls without a
// team are the rest, so that the report adds up.
func TestSpendReport(t *testing.T) {
	gateway := newActivity(t, map[string][]string{
		"team": {
			activityDay("2026-11-01", "entities", usage{"t1": 0.1, "t2": 3}, 3.1, 2),
			activityDay("2026-11-01", "entities", usage{"t1": 0.2}, 0.2, 1) + "," + activityDay("2026-11-02", "entities", usage{"t2": 1e-9, "=cmd": 0}, 0, 1),
		},
		"key": {
			activityDay("2026-11-01", "api_keys", usage{"h1": 3.3, "h2": 0.7}, 4, 4) + "," + activityDay("2026-11-02", "api_keys", usage{"h1": 1e-9}, 1e-9, 2),
		},
	})
	report := func(args ...string) outcome {
		t.Helper()
		got := typed{env: map[string]string{"TOLLGATE_URL": gateway.URL, "TOLLGATE_KEY": "k"}}.run(t, append([]string{"spend", "report", "--from", "2026-11-01", "--to", "2026-11-02"}, args...)...)
		if got.status != 0 {
			t.Fatal(got)
		}
		return got
	}
	const csv = "team,name,requests,successful_requests,failed_requests,prompt_tokens,completion_tokens,total_tokens,spend_usd\n" +
		"t2,the team t2,2,2,0,20,10,30,3.000000001\n" +
		",,1,1,0,10,5,15,0.7\n" +
		"t1,the team t1,2,2,0,20,10,30,0.3\n" +
		"'=cmd,the team =cmd,1,1,0,10,5,15,0\n"
	if got := report("--by", "team", "--csv", "--timezone", "Europe/Paris"); got.stdout != csv {
		t.Errorf("got\n%s\nwant\n%s", got.stdout, csv)
	}
	query, _ := url.ParseQuery(gateway.asked[0].query)
	if want := (url.Values{"start_date": {"2026-11-01"}, "end_date": {"2026-11-02"}, "timezone": {"Europe/Paris"}, "page": {"1"}, "page_size": {"1000"}}); query.Encode() != want.Encode() {
		t.Errorf("asked for %v", query)
	}
	const daily = "date,team,name,requests,successful_requests,failed_requests,prompt_tokens,completion_tokens,total_tokens,spend_usd\n" +
		"2026-11-01,t2,the team t2,1,1,0,10,5,15,3\n" +
		"2026-11-01,,,1,1,0,10,5,15,0.7\n" +
		"2026-11-01,t1,the team t1,2,2,0,20,10,30,0.3\n" +
		"2026-11-02,t2,the team t2,1,1,0,10,5,15,0.000000001\n" +
		"2026-11-02,'=cmd,the team =cmd,1,1,0,10,5,15,0\n"
	if got := report("--daily", "--csv"); got.stdout != daily {
		t.Errorf("got\n%s\nwant\n%s", got.stdout, daily)
	}
	var lines []struct {
		ID    string      `json:"id"`
		Spend json.Number `json:"spend"`
	}
	if err := json.Unmarshal([]byte(report("--by", "key", "--json").stdout), &lines); err != nil {
		t.Fatal(err)
	}
	if len(lines) != 3 || lines[0].ID != "h1" || lines[0].Spend != "3.300000001" || lines[1].Spend != "0.7" {
		t.Errorf("%v", lines)
	}
	for _, text := range []string{"TEAM", "(none)", "3.000000001", "the team t1"} {
		if got := report(); !strings.Contains(got.stdout, text) {
			t.Errorf("%q lacks %q", got.stdout, text)
		}
	}
}

// A call with two tags counts under both, so that there is no rest.
func TestSpendReportByTag(t *testing.T) {
	gateway := newActivity(t, map[string][]string{"tag": {activityDay("2026-11-01", "entities", usage{"a": 1, "b": 1}, 2, 2)}})
	got := typed{}.run(t, "spend", "report", "--by", "tag", "--csv", "--url", gateway.URL, "--key", "k", "--month", "2026-02")
	if got.status != 0 || strings.Count(got.stdout, "\n") != 3 || len(gateway.asked) != 1 {
		t.Errorf("%+v, asked %v", got, gateway.asked)
	}
	if q := gateway.asked[0].query; !strings.Contains(q, "start_date=2026-02-01") || !strings.Contains(q, "end_date=2026-02-28") {
		t.Errorf("asked for %s", q)
	}
}

func TestSpendReportUsage(t *testing.T) {
	gateway := newActivity(t, nil)
	for _, args := range []string{
		"--by colour", "--from 1.11.2026", "--from 2026-11-02 --to 2026-11-01", "--month 2026-13", "--month 2026-10 --from 2026-10-01", "--to 2026-11-31",
	} {
		got := typed{}.run(t, append([]string{"spend", "report", "--url", gateway.URL, "--key", "k"}, strings.Fields(args)...)...)
		if got.status != exitUsage {
			t.Errorf("%s: %+v", args, got)
		}
	}
	if len(gateway.asked) > 0 {
		t.Errorf("asked %v", gateway.asked)
	}
	if got := (typed{}).run(t, "spend", "report", "--by", "model", "--url", gateway.URL, "--key", "k"); got.status != exitRefused || !strings.Contains(got.stderr, "/key/daily/activity") {
		t.Errorf("%+v", got)
	}
}

func TestPeriodOfReports(t *testing.T) {
	now := time.Date(2026, 12, 1, 2, 0, 0, 0, time.UTC)
	for zone, want := range map[string]string{"": "2026-12-01 2026-12-01", "America/New_York": "2026-11-01 2026-11-30", "480": "2026-12-01 2026-12-01"} {
		query, err := (&reportOptions{timezone: zone}).query(now)
		if err != nil || query.Get("start_date")+" "+query.Get("end_date") != want || query.Get("timezone") != zone {
			t.Errorf("%q: %v, %v", zone, query, err)
		}
	}
}
