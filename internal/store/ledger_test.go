package store_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/ledger"
	"tollgate/internal/money"
	"tollgate/internal/record"
	"tollgate/internal/store"
	"tollgate/internal/store/storetest"
	"tollgate/internal/testkit"
)

// ledgerOn runs a test on every engine.
func ledgerOn(t *testing.T, o store.Options, test func(t *testing.T, s *store.Store)) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) {
		o := o
		o.Dir = t.TempDir()
		test(t, open(t, o))
	})
	t.Run("Postgres", func(t *testing.T) {
		o := o
		o.URL = testkit.Postgres(t)
		test(t, open(t, o))
	})
}

// clock is a clock that a test sets.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time      { return time.UnixMicro(c.at.Load()) }
func (c *clock) set(t time.Time)     { c.at.Store(t.UnixMicro()) }
func (c *clock) add(d time.Duration) { c.set(c.now().Add(d)) }

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func traffic() storetest.Traffic {
	return storetest.Traffic{Seed: 7, From: noon, Span: 3 * time.Hour, Keys: 8}
}

func write(t *testing.T, s *store.Store, calls []record.Call) int {
	t.Helper()
	n, err := s.Write(t.Context(), calls)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func rows(t *testing.T, s *store.Store, q ledger.RowQuery) []ledger.Row {
	t.Helper()
	var all []ledger.Row
	err := s.Rows(t.Context(), q, func(r *ledger.Row) error {
		all = append(all, *r)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// wantSums checks what the ledger has against the calls that were made: rows, counters and usage.
func wantSums(t *testing.T, s *store.Store, calls []record.Call) {
	t.Helper()
	spent, all := map[account.Scope]money.USD{}, money.USD(0)
	for _, c := range calls {
		all += c.Cost
		for _, scope := range c.Charges {
			spent[scope] += c.Cost
		}
	}
	var rowSum money.USD
	n := 0
	for _, r := range rows(t, s, ledger.RowQuery{}) {
		rowSum += r.Spend
		n++
	}
	if n != len(calls) || rowSum != all {
		t.Errorf("%d rows of %v, want %d of %v", n, rowSum, len(calls), all)
	}
	scopes := make([]account.Scope, 0, len(spent))
	for scope := range spent {
		scopes = append(scopes, scope)
	}
	got, err := s.Spend(t.Context(), scopes...)
	if err != nil {
		t.Fatal(err)
	}
	for scope, want := range spent {
		if c := got[scope]; c.Total != want || c.Spent != want {
			t.Errorf("%s: spent %v, total %v, want %v", scope, c.Spent, c.Total, want)
		}
	}
	m := sumUsage(t, s, ledger.UsageQuery{})
	if m.Spend != all || m.Requests != int64(len(calls)) {
		t.Errorf("usage has %d calls of %v, want %d of %v", m.Requests, m.Spend, len(calls), all)
	}
	wantVerified(t, s)
}

func sumUsage(t *testing.T, s *store.Store, q ledger.UsageQuery) (m ledger.Metrics) {
	t.Helper()
	for _, line := range usageLines(t, s, q) {
		m.Spend += line.Metrics.Spend
		m.Requests += line.Metrics.Requests
		m.Successful += line.Metrics.Successful
		m.Failed += line.Metrics.Failed
		m.TotalTokens += line.Metrics.TotalTokens
	}
	return m
}

func usageLines(t *testing.T, s *store.Store, q ledger.UsageQuery) []ledger.Usage {
	t.Helper()
	var all []ledger.Usage
	err := s.Usage(t.Context(), q, func(u ledger.Usage) error {
		all = append(all, u)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func wantVerified(t *testing.T, s *store.Store) {
	t.Helper()
	findings, err := s.Verify(t.Context(), nil)
	if err != nil || len(findings) > 0 {
		t.Errorf("Verify: %v, %v", findings, err)
	}
}

func TestWrite_BooksOnce(t *testing.T) { ledgerOn(t, store.Options{}, bookedOnce) }

func bookedOnce(t *testing.T, s *store.Store) {
	calls := traffic().Calls(0, 300, 300)
	if n := write(t, s, calls); n != 300 {
		t.Errorf("booked %d, want 300", n)
	}
	if n := write(t, s, calls); n != 0 {
		t.Errorf("a replay booked %d", n)
	}
	more := traffic().Calls(0, 400, 400)
	for i := range more[:300] {
		more[i] = calls[i]
	}
	if n := write(t, s, more[250:]); n != 100 {
		t.Errorf("a batch of 50 old and 100 new calls booked %d", n)
	}
	if n := write(t, s, slices.Concat(more[:5], more[:5])); n != 0 {
		t.Errorf("a batch that repeats itself booked %d", n)
	}
	if n := write(t, s, nil); n != 0 {
		t.Errorf("nothing booked %d", n)
	}
	wantSums(t, s, more)
}

// Two replicas that replay the same spool at once book every call once.
func TestWrite_ReplayedByFourAtOnce(t *testing.T) { ledgerOn(t, store.Options{}, twoWritersAtOnce) }

func twoWritersAtOnce(t *testing.T, s *store.Store) {
	calls := traffic().Calls(0, 600, 600)
	var booked atomic.Int64
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 12 {
				part := calls[(i*50+w*150)%600:]
				n, err := s.Write(t.Context(), part[:50])
				if err != nil {
					t.Error(err)
				}
				booked.Add(int64(n))
			}
		})
	}
	wg.Wait()
	if booked.Load() != 600 {
		t.Errorf("booked %d, want 600", booked.Load())
	}
	wantSums(t, s, calls)
}

// Writers of different calls meet at the same counters, in whatever order their calls name them.
func TestWrite_DoesNotDeadlock(t *testing.T) { ledgerOn(t, store.Options{}, writersDoNotDeadlock) }

func writersDoNotDeadlock(t *testing.T, s *store.Store) {
	var all []record.Call
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			f := traffic()
			f.Seed = uint64(100 + w)
			for i := range 8 {
				part := f.Calls(i*20, i*20+20, 160)
				for j := range part {
					if w%2 == 0 {
						slices.Reverse(part[j].Charges)
					}
				}
				if w%2 == 0 {
					slices.Reverse(part)
				}
				if _, err := s.Write(t.Context(), part); err != nil {
					t.Error(err)
				}
				mu.Lock()
				all = append(all, part...)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	wantSums(t, s, all)
}

func TestRows_RoundTrip(t *testing.T) { ledgerOn(t, store.Options{}, rowRoundTrip) }

func rowRoundTrip(t *testing.T, s *store.Store) {
	c := traffic().Call(3, 10)
	c.SessionID, c.Prompt, c.Reply = "session", account.JSON(`{"messages":[{"role":"user","content":"hi"}]}`), account.JSON(`{"id":"x"}`)
	write(t, s, []record.Call{c})
	got := rows(t, s, ledger.RowQuery{})
	want := ledger.RowOf(&c)
	if len(got) != 1 {
		t.Fatalf("%d rows", len(got))
	}
	a, b := asTree(t, got[0]), asTree(t, want)
	if fmt.Sprint(a) != fmt.Sprint(b) || got[0].CallID != c.ID {
		t.Errorf("got  %v\nwant %v", a, b)
	}
}

// asTree is v as its JSON, so that spaces and the order of fields do not count.
func asTree(t *testing.T, v any) (tree any) {
	t.Helper()
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, &tree)
	}
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// An upstream that gives every reply the same id, or none.
func TestWrite_RequestIDsAreUnique(t *testing.T) { ledgerOn(t, store.Options{}, requestIDsAreUnique) }

func requestIDsAreUnique(t *testing.T, s *store.Store) {
	calls := traffic().Calls(0, 6, 6)
	for i := range calls {
		calls[i].RequestID = []string{"chatcmpl-1", ""}[i%2]
	}
	write(t, s, calls[:4])
	write(t, s, calls[2:])
	seen := map[string]bool{}
	for _, r := range rows(t, s, ledger.RowQuery{}) {
		if seen[r.RequestID] || r.RequestID == "" {
			t.Errorf("request_id %q twice", r.RequestID)
		}
		seen[r.RequestID] = true
	}
	for _, want := range []string{"chatcmpl-1", "chatcmpl-1_" + calls[2].ID, "chatcmpl-1_" + calls[4].ID, calls[1].ID, calls[3].ID, calls[5].ID} {
		if !seen[want] {
			t.Errorf("no row %q among %v", want, seen)
		}
	}
	if got := rows(t, s, ledger.RowQuery{RequestID: "chatcmpl-1"}); len(got) != 1 {
		t.Errorf("chatcmpl-1 is %d rows", len(got))
	}
}

// What a caller sends cannot keep others' calls out of the ledger.
func TestWrite_PoisonDoesNotHoldTheLedger(t *testing.T) { ledgerOn(t, store.Options{}, poison) }

func poison(t *testing.T, s *store.Store) {
	calls := traffic().Calls(0, 20, 20)
	calls[3].EndUser = "a\x00b\xff"
	calls[5].Metadata = account.JSON(`{"a":"\u0000","b\u0000":"\ud800"}`)
	calls[7].Prompt = account.JSON(`{"n":1e999999}`)
	calls[8].Prompt = account.JSON(strings.Repeat("[", 9000) + strings.Repeat("]", 9000))
	calls[9].SessionID = strings.Repeat("x", 100_000)
	calls[11].Metadata = account.JSON(`not JSON`)
	calls[12].UserAgent = "curl/" + strings.Repeat("ü", 5000)
	if n := write(t, s, calls); n != 20 {
		t.Errorf("booked %d, want 20", n)
	}
	wantSums(t, s, calls)
}

func TestRows_FilterAndCount(t *testing.T) { ledgerOn(t, store.Options{}, rowsAndCounts) }

func rowsAndCounts(t *testing.T, s *store.Store) {
	calls := traffic().Calls(0, 500, 500)
	calls[7].CacheHit, calls[7].CacheKey = true, "k"
	write(t, s, calls)
	one := calls[slices.IndexFunc(calls, func(c record.Call) bool { return c.Outcome == record.Success && c.EndUser != "" })]
	refused := calls[slices.IndexFunc(calls, func(c record.Call) bool { return c.Outcome == record.Refused })]
	low, high := money.USD(2_000_000_000), money.USD(4_000_000_000)
	for name, q := range map[string]ledger.RowQuery{
		"all":     {},
		"key":     {APIKey: one.KeyHash},
		"user":    {User: one.UserID},
		"team":    {TeamID: refused.TeamID, Status: ledger.StatusFailure},
		"group":   {ModelGroup: one.Group, Status: ledger.StatusSuccess},
		"model":   {Model: "oci/" + one.Upstream},
		"id":      {ModelID: one.Deployment, OrganizationID: "org-1"},
		"end":     {EndUser: one.EndUser},
		"request": {RequestID: one.RequestID},
		"call":    {CallID: one.ID},
		"session": {SessionID: one.ID},
		"alias":   {KeyAlias: strings.ToUpper(one.KeyAlias[1:])},
		"percent": {KeyAlias: "%"},
		"code":    {ErrorCode: "429"},
		"cached":  {CacheHit: "True"},
		"message": {ErrorMessage: "budget HAS been"},
		"spend":   {MinSpend: &low, MaxSpend: &high},
		"time":    {From: noon.Add(7 * time.Minute), To: noon.Add(100*time.Minute + time.Second)},
		"short":   {From: noon.Add(7 * time.Minute), To: noon.Add(9 * time.Minute)},
		"since":   {From: noon.Add(50 * time.Minute), TeamID: one.TeamID},
		"until":   {To: noon.Add(50*time.Minute + time.Millisecond)},
		"nobody":  {User: "nobody\x00"},
	} {
		var want []string
		for i := range calls {
			if r := ledger.RowOf(&calls[i]); matches(&r, q) {
				want = append(want, r.CallID)
			}
		}
		var got []string
		for _, r := range rows(t, s, q) {
			got = append(got, r.CallID)
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %d rows, want %d", name, len(got), len(want))
		}
		if len(want) == 0 && name != "nobody" && name != "percent" {
			t.Errorf("%s matches nothing: the test is empty", name)
		}
		n, err := s.CountRows(t.Context(), q)
		if err != nil || n != int64(len(want)) {
			t.Errorf("%s: counted %d, %v; want %d", name, n, err, len(want))
		}
	}
	sorted := rows(t, s, ledger.RowQuery{Sort: "spend", Desc: true, Limit: 50, Offset: 10})
	if len(sorted) != 50 || !slices.IsSortedFunc(sorted, func(a, b ledger.Row) int { return int(b.Spend - a.Spend) }) {
		t.Errorf("%d rows are not sorted by spend", len(sorted))
	}
	if err := s.Rows(t.Context(), ledger.RowQuery{Sort: "1; DROP TABLE spend_logs"}, nil); !errors.Is(err, store.ErrField) {
		t.Errorf("sorted by nonsense: %v", err)
	}
	stop := errors.New("stop")
	if err := s.Rows(t.Context(), ledger.RowQuery{}, func(*ledger.Row) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("the caller's error is lost: %v", err)
	}
}

// matches is what a RowQuery means, without SQL.
func matches(r *ledger.Row, q ledger.RowQuery) bool {
	var m struct {
		Alias string `json:"user_api_key_alias"`
		Error struct {
			Code    string `json:"error_code"`
			Message string `json:"error_message"`
		} `json:"error_information"`
	}
	_ = json.Unmarshal(r.Metadata, &m)
	for want, is := range map[[2]string]string{
		{"request", q.RequestID}: r.RequestID, {"call", q.CallID}: r.CallID, {"session", q.SessionID}: r.SessionID, {"key", q.APIKey}: r.APIKey,
		{"user", q.User}: r.User, {"team", q.TeamID}: r.TeamID, {"org", q.OrganizationID}: r.OrganizationID, {"end", q.EndUser}: r.EndUser,
		{"model", q.Model}: r.Model, {"id", q.ModelID}: r.ModelID, {"group", q.ModelGroup}: r.ModelGroup, {"status", q.Status}: r.Status,
		{"code", q.ErrorCode}: m.Error.Code, {"cached", q.CacheHit}: r.CacheHit,
	} {
		if want[1] != "" && want[1] != is {
			return false
		}
	}
	return strings.Contains(strings.ToLower(m.Alias), strings.ToLower(q.KeyAlias)) &&
		strings.Contains(strings.ToLower(m.Error.Message), strings.ToLower(q.ErrorMessage)) &&
		(q.MinSpend == nil || r.Spend >= *q.MinSpend) && (q.MaxSpend == nil || r.Spend <= *q.MaxSpend) &&
		(q.From.IsZero() || !r.StartTime.Before(q.From)) && (q.To.IsZero() || r.StartTime.Before(q.To))
}

// Pages that continue behind the last row miss none and repeat none, though rows have the same start.
func TestRows_Keyset(t *testing.T) { ledgerOn(t, store.Options{}, keyset) }

func keyset(t *testing.T, s *store.Store) {
	calls := traffic().Calls(0, 100, 100)
	for i := range calls {
		calls[i].Started = noon.Add(time.Duration(i/7) * time.Second)
	}
	write(t, s, calls)
	for _, desc := range []bool{false, true} {
		var ids []string
		q := ledger.RowQuery{Limit: 9, Desc: desc}
		for {
			page := rows(t, s, q)
			for _, r := range page {
				ids = append(ids, r.CallID)
			}
			if len(page) < q.Limit {
				break
			}
			last := page[len(page)-1]
			q.AfterTime, q.AfterCall = last.StartTime, last.CallID
		}
		slices.Sort(ids)
		if len(ids) != 100 || len(slices.Compact(ids)) != 100 {
			t.Errorf("desc %v: %d rows", desc, len(ids))
		}
	}
}

func TestImportRows(t *testing.T) { ledgerOn(t, store.Options{}, importRows) }

func importRows(t *testing.T, s *store.Store) {
	calls := traffic().Calls(0, 50, 50)
	var all []ledger.Row
	for i := range calls {
		all = append(all, ledger.RowOf(&calls[i]))
	}
	for _, want := range []int{50, 0} {
		if n, err := s.ImportRows(t.Context(), all); err != nil || n != want {
			t.Errorf("imported %d, %v; want %d", n, err, want)
		}
	}
	if got, err := s.Spend(t.Context(), account.GlobalScope); err != nil || len(got) > 0 {
		t.Errorf("an import charges counters: %v, %v", got, err)
	}
	if n := sumUsage(t, s, ledger.UsageQuery{}).Requests; n != 50 {
		t.Errorf("usage has %d calls", n)
	}
	wantVerified(t, s)
}

func TestVerify_Finds(t *testing.T) { ledgerOn(t, store.Options{}, verifyFinds) }

func verifyFinds(t *testing.T, s *store.Store) {
	calls := traffic().Calls(0, 50, 50)
	write(t, s, calls)
	for name, text := range map[string]string{
		"row":     `UPDATE spend_logs SET spend = spend + 1 WHERE call_id = '` + calls[4].ID + `'`,
		"counter": `UPDATE counters SET total = total + 1 WHERE scope = 'global'`,
		"day":     `UPDATE usage_tag_days SET spend = spend + 1 WHERE slot = (SELECT min(slot) FROM usage_tag_days)`,
	} {
		if err := s.Exec(t.Context(), text); err != nil {
			t.Fatal(err)
		}
		findings, err := s.Verify(t.Context(), nil)
		if err != nil || len(findings) == 0 {
			t.Errorf("%s: %v, %v", name, findings, err)
		}
		if err := s.Exec(t.Context(), strings.Replace(text, "+ 1", "- 1", 1)); err != nil {
			t.Fatal(err)
		}
		wantVerified(t, s)
	}
}

// Rows are found by a part of the alias that their key had when they were made, whatever its name is now.
func TestRows_ByAlias(t *testing.T) {
	ledgerOn(t, store.Options{}, func(t *testing.T, s *store.Store) {
		calls := traffic().Calls(0, 6, 6)
		for i, alias := range []string{"Ada's Key", "ada_2", "ADA%", "", "other", "ada_2"} {
			calls[i].KeyHash, calls[i].KeyAlias, calls[i].Tags = fmt.Sprint("k", i%3), alias, nil
		}
		write(t, s, calls[:3])
		write(t, s, calls[3:])
		imported := rows(t, s, ledger.RowQuery{CallID: calls[0].ID})[0]
		imported.CallID, imported.RequestID, imported.APIKey = "imported", "imported", "elsewhere"
		imported.Metadata = []byte(`{"user_api_key_alias": "Ada imported"}`)
		if n, err := s.ImportRows(t.Context(), []ledger.Row{imported}); err != nil || n != 1 {
			t.Fatal(n, err)
		}
		for text, want := range map[string]int{"ada": 5, "ADA_": 2, "%": 1, "'s k": 1, "import": 1, "nobody": 0, "other": 1, "a\x00": 0} {
			q := ledger.RowQuery{KeyAlias: text}
			n, err := s.CountRows(t.Context(), q)
			if got := len(rows(t, s, q)); got != want || err != nil || n != int64(want) {
				t.Errorf("%q: %d rows, %d counted, %v; want %d", text, got, n, err, want)
			}
		}
	})
}
