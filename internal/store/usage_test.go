package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/ledger"
	"tollgate/internal/money"
	"tollgate/internal/record"
	"tollgate/internal/store"
	"tollgate/internal/store/storetest"
)

func TestUsage(t *testing.T) { ledgerOn(t, store.Options{}, usage) }

// Usage is what one gets by adding up the calls.
func usage(t *testing.T, s *store.Store) {
	f := storetest.Traffic{Seed: 3, From: time.Date(2026, 11, 20, 5, 7, 0, 0, time.UTC), Span: 5 * 24 * time.Hour, Keys: 8}
	calls := f.Calls(0, 600, 600)
	write(t, s, calls[:300])
	write(t, s, calls[300:])
	oslo, err := time.LoadLocation("Europe/Oslo")
	if err != nil {
		t.Fatal(err)
	}
	from, to := f.From.Add(8*time.Minute), f.From.Add(3*24*time.Hour+53*time.Minute)
	for name, q := range map[string]ledger.UsageQuery{
		"all":       {},
		"dates":     {By: []ledger.Dimension{ledger.ByDate}},
		"oslo":      {By: []ledger.Dimension{ledger.ByDate, ledger.ByGroup}, Zone: oslo},
		"hours":     {By: []ledger.Dimension{ledger.ByHour}, Zone: time.FixedZone("", 19800), From: from, To: to},
		"keys":      {By: []ledger.Dimension{ledger.ByKey}, From: from, To: to},
		"teams":     {By: []ledger.Dimension{ledger.ByTeam, ledger.ByModel, ledger.ByDate}, From: from},
		"tags":      {By: []ledger.Dimension{ledger.ByTag}, To: to},
		"one tag":   {By: []ledger.Dimension{ledger.ByDate}, Where: map[ledger.Dimension][]string{ledger.ByTag: {calls[0].Tags[0]}}},
		"customers": {By: []ledger.Dimension{ledger.ByCustomer}},
		"customer":  {By: []ledger.Dimension{ledger.ByKey, ledger.ByDate}, Where: map[ledger.Dimension][]string{ledger.ByCustomer: {"customer-7", "customer-8", "customer-9"}}},
		"without":   {By: []ledger.Dimension{ledger.ByModel}, Exclude: map[ledger.Dimension][]string{ledger.ByModel: {"oci/xai.grok-4"}}},
		"some":      {By: []ledger.Dimension{ledger.ByProvider, ledger.ByModelID, ledger.ByEndpoint}, Where: map[ledger.Dimension][]string{ledger.ByKey: {calls[0].KeyHash, calls[1].KeyHash}, ledger.ByOrganization: {"org-1"}}},
		"nobody":    {Where: map[ledger.Dimension][]string{ledger.ByUser: {"nobody"}}},
		"no value":  {Where: map[ledger.Dimension][]string{ledger.ByUser: {}}},
		"none":      {From: to, To: from},
	} {
		want, got := sumOf(calls, q), map[string]ledger.Metrics{}
		var keys []string
		for _, line := range usageLines(t, s, q) {
			keys = append(keys, strings.Join(line.Values, "|"))
			got[keys[len(keys)-1]] = line.Metrics
		}
		if len(got) != len(want) || len(keys) != len(got) {
			t.Errorf("%s: %d lines, want %d", name, len(keys), len(want))
		}
		for key, m := range want {
			if got[key] != m {
				t.Errorf("%s: %s is %+v, want %+v", name, key, got[key], m)
			}
		}
	}
	top := usageLines(t, s, ledger.UsageQuery{By: []ledger.Dimension{ledger.ByKey}, Sort: "spend", Desc: true, Limit: 3})
	if len(top) != 3 || !slices.IsSortedFunc(top, func(a, b ledger.Usage) int { return int(b.Metrics.Spend - a.Metrics.Spend) }) {
		t.Errorf("the first three by spend: %v", top)
	}
	for _, by := range [][]ledger.Dimension{{"weather"}, {ledger.ByTag, ledger.ByCustomer}} {
		if err := s.Usage(t.Context(), ledger.UsageQuery{By: by}, nil); !errors.Is(err, store.ErrField) {
			t.Errorf("by %v: %v", by, err)
		}
	}
}

// sumOf adds up calls as a UsageQuery asks, without SQL. Its ends are taken to whole quarters of an hour.
func sumOf(calls []record.Call, q ledger.UsageQuery) map[string]ledger.Metrics {
	sums := map[string]ledger.Metrics{}
	zone := q.Zone
	if zone == nil {
		zone = time.UTC
	}
	const quarter = 15 * time.Minute
	tagged := slices.Contains(q.By, ledger.ByTag) || q.Where[ledger.ByTag] != nil
	for i := range calls {
		c, r := &calls[i], ledger.RowOf(&calls[i])
		if (!q.From.IsZero() && r.StartTime.Before(q.From.Truncate(quarter))) || (!q.To.IsZero() && !r.StartTime.Before(q.To.Add(quarter-1).Truncate(quarter))) {
			continue
		}
		tags := []string{""}
		if tagged {
			tags = ledger.TagsOf(c)
		}
		for _, tag := range tags {
			values := map[ledger.Dimension]string{
				ledger.ByDate: r.StartTime.In(zone).Format("2006-01-02"), ledger.ByHour: r.StartTime.In(zone).Format("2006-01-02T15"),
				ledger.ByKey: r.APIKey, ledger.ByUser: r.User, ledger.ByTeam: r.TeamID, ledger.ByOrganization: r.OrganizationID,
				ledger.ByCustomer: r.EndUser, ledger.ByTag: tag, ledger.ByModel: r.Model, ledger.ByGroup: r.ModelGroup, ledger.ByModelID: r.ModelID,
				ledger.ByProvider: r.Provider, ledger.ByEndpoint: c.Route,
			}
			if !chosen(values, q) || (r.EndUser == "" && (slices.Contains(q.By, ledger.ByCustomer) || q.Where[ledger.ByCustomer] != nil)) {
				continue
			}
			var key []string
			for _, d := range q.By {
				key = append(key, values[d])
			}
			m := sums[strings.Join(key, "|")]
			m.Spend += r.Spend
			m.PromptTokens += r.PromptTokens
			m.CompletionTokens += r.CompletionTokens
			m.CacheReadTokens += int64(c.CachedTokens)
			m.TotalTokens += r.TotalTokens
			m.Requests++
			if r.Status == ledger.StatusSuccess {
				m.Successful++
			} else {
				m.Failed++
			}
			sums[strings.Join(key, "|")] = m
		}
	}
	return sums
}

func chosen(values map[ledger.Dimension]string, q ledger.UsageQuery) bool {
	for d, any := range q.Where {
		if !slices.Contains(any, values[d]) {
			return false
		}
	}
	for d, any := range q.Exclude {
		if slices.Contains(any, values[d]) {
			return false
		}
	}
	return true
}

func TestUsage_DaysInZones(t *testing.T) { ledgerOn(t, store.Options{}, daysInZones) }

// A day of 23 or 25 hours holds what its clocks show, and zones that are not whole hours from UTC are cut exactly.
func daysInZones(t *testing.T, s *store.Store) {
	at := func(text string) record.Call {
		c := traffic().Call(1, 2)
		started, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		c.ID, c.RequestID, c.Started, c.Ended, c.Cost = text, "", started, started.Add(time.Second), money.Dollar
		return c
	}
	write(t, s, []record.Call{
		// Clocks in New York go back on 1 November 2026 at 06:00 UTC: that day begins at 04:00 and ends at 05:00 UTC.
		at("2026-11-01T03:59:59Z"), at("2026-11-01T04:00:00Z"), at("2026-11-02T04:59:59Z"), at("2026-11-02T05:00:00Z"),
		// They go forward on 8 March at 07:00 UTC.
		at("2026-03-08T04:59:59Z"), at("2026-03-08T05:00:00Z"), at("2026-03-09T03:59:59Z"), at("2026-03-09T04:00:00Z"),
	})
	for zone, want := range map[string]map[string]int64{
		"America/New_York": {"2026-03-07": 1, "2026-03-08": 2, "2026-03-09": 1, "2026-10-31": 1, "2026-11-01": 2, "2026-11-02": 1},
		"Asia/Kathmandu":   {"2026-03-08": 2, "2026-03-09": 2, "2026-11-01": 2, "2026-11-02": 2}, // UTC+05:45
		"UTC":              {"2026-03-08": 2, "2026-03-09": 2, "2026-11-01": 2, "2026-11-02": 2},
	} {
		loc, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range []ledger.UsageQuery{
			{By: []ledger.Dimension{ledger.ByDate}, Zone: loc},
			{By: []ledger.Dimension{ledger.ByDate}, Zone: loc, From: time.Date(2026, 3, 1, 0, 0, 0, 0, loc), To: time.Date(2026, 12, 1, 0, 0, 0, 0, loc)},
		} {
			got := map[string]int64{}
			for _, line := range usageLines(t, s, q) {
				got[line.Values[0]] = line.Metrics.Requests
			}
			for day, n := range want {
				if got[day] != n {
					t.Errorf("%s: %s has %d calls, want %d", zone, day, got[day], n)
				}
			}
			if len(got) != len(want) {
				t.Errorf("%s: %v", zone, got)
			}
		}
	}
}

func TestValues(t *testing.T) { ledgerOn(t, store.Options{}, values) }

func values(t *testing.T, s *store.Store) {
	calls := traffic().Calls(0, 50, 50)
	write(t, s, calls)
	for d, of := range map[ledger.Dimension]func(record.Call) []string{
		ledger.ByTag:  func(c record.Call) []string { return ledger.TagsOf(&c) },
		ledger.ByTeam: func(c record.Call) []string { return []string{c.TeamID} },
		ledger.ByCustomer: func(c record.Call) []string {
			if c.EndUser == "" {
				return nil
			}
			return []string{c.EndUser}
		},
	} {
		var want []string
		for _, c := range calls {
			want = append(want, of(c)...)
		}
		slices.Sort(want)
		want = slices.Compact(want)
		got, err := s.Values(t.Context(), d, noon, noon.Add(time.Hour))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v; want %v", d, got, err, want)
		}
		if got, err := s.Values(t.Context(), d, noon.AddDate(0, 0, 1), time.Time{}); err != nil || len(got) != 0 {
			t.Errorf("%s the day after: %v, %v", d, got, err)
		}
	}
	if _, err := s.Values(t.Context(), ledger.ByDate, noon, noon); !errors.Is(err, store.ErrField) {
		t.Errorf("values of dates: %v", err)
	}
}

// Callers without a key cannot make usage grow.
func TestUsage_StrangersDoNotGrowIt(t *testing.T) {
	ledgerOn(t, store.Options{}, func(t *testing.T, s *store.Store) {
		calls := traffic().Calls(0, 40, 40)
		for i := range calls {
			c := &calls[i]
			*c = record.Call{
				ID: c.ID, Route: c.Route, Started: noon, Ended: noon, Alias: c.ID, EndUser: c.ID, Tags: []string{c.ID}, UserAgent: c.ID,
				Outcome: record.Refused, Status: 401, Charges: []account.Scope{account.GlobalScope},
			}
		}
		write(t, s, calls)
		for _, d := range []ledger.Dimension{ledger.ByModel, ledger.ByGroup, ledger.ByCustomer, ledger.ByTag} {
			if got, err := s.Values(t.Context(), d, time.Time{}, time.Time{}); err != nil || len(got) > 0 {
				t.Errorf("%s: %v, %v", d, got, err)
			}
		}
		if n := sumUsage(t, s, ledger.UsageQuery{}).Failed; n != 40 {
			t.Errorf("%d calls failed, want 40", n)
		}
		if got := rows(t, s, ledger.RowQuery{Model: calls[7].ID}); len(got) != 1 {
			t.Errorf("the row of a stranger's call does not say what was asked: %d", len(got))
		}
	})
}

// What callers make up does not let the usage grow: models that are none of ours, and tags of calls that nothing served.
func TestUsage_InventedNames(t *testing.T) {
	ledgerOn(t, store.Options{}, func(t *testing.T, s *store.Store) {
		calls := traffic().Calls(0, 40, 40)
		for i := range calls {
			c := &calls[i]
			c.KeyHash, c.Upstream, c.Alias, c.Group, c.Provider, c.Deployment = "k", "", fmt.Sprint("invented-", i), "", "", ""
			c.Tags, c.Charges = []string{fmt.Sprint("tag-", i)}, []account.Scope{account.KeyScope("k")}
			c.EndUser, c.TeamID, c.UserID, c.OrgID, c.Outcome, c.Status, c.Cost = "", "", "", "", record.Refused, 400, 0
		}
		calls[0].Charges = append(calls[0].Charges, account.TagScope("tag-0"))
		write(t, s, calls)
		dims, err := s.Number(t.Context(), `SELECT count(*) FROM usage_dims`)
		if err != nil || dims != 3 { // of the key, of no model, of the tag that has a budget
			t.Errorf("%d rows, %v", dims, err)
		}
		if m := sumUsage(t, s, ledger.UsageQuery{}); m.Failed != 40 {
			t.Errorf("%+v", m)
		}
		wantVerified(t, s)
	})
}
