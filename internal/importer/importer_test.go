package importer_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/importer"
	"tollgate/internal/ledger"
	"tollgate/internal/money"
	"tollgate/internal/seal"
	"tollgate/internal/store"
	"tollgate/internal/testkit"
)

func TestEverythingComesOver(t *testing.T) {
	t.Parallel()
	for _, age := range []string{newest, mid2025, first} {
		c := newCompany(t, age)
		c.calls(rows, time.Now().UTC().Truncate(time.Minute).Add(-rows*time.Minute))
		for engine, open := range targets {
			t.Run(engine+" "+age, func(t *testing.T) {
				s := openStore(t, open(t))
				report := bring(t, c.database, s, c.options)
				if report.Unopened != 0 {
					t.Errorf("%d objects were not opened: %v", report.Unopened, report.Left)
				}
				checkAccounts(t, c, s)
				checkConfiguration(t, c, s)
				checkLedger(t, c, s)
				verified(t, s)
				if age == newest {
					checkNewer(t, c, s, report)
				}
				again := bring(t, c.database, s, c.options)
				for _, l := range again.Lines {
					if l.Brought != 0 {
						t.Errorf("a second run brought %+v", *l)
					}
				}
				checkLedger(t, c, s)
				verified(t, s)
			})
		}
	}
}

func get[T any, P interface {
	*T
	account.Object
}](t *testing.T, s *store.Store, id string) P {
	t.Helper()
	o, err := account.Get[T, P](t.Context(), s, id)
	if err != nil {
		t.Fatalf("%T %s: %v", o, id, err)
	}
	return o
}

func usd(t testing.TB, text string) money.USD {
	t.Helper()
	v, err := money.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func checkAccounts(t *testing.T, c *company, s *store.Store) {
	t.Helper()
	for alias, raw := range c.keys {
		var k account.Key
		err := s.Get(t.Context(), account.HashKey(raw), &k)
		if alias == "session" {
			if !errors.Is(err, account.ErrNotFound) {
				t.Errorf("a session key: %v", err)
			}
			continue
		}
		if err != nil || k.KeyName != "sk-..."+raw[len(raw)-4:] || k.KeyID == "" {
			t.Errorf("key %s: %+v %v", alias, k, err)
		}
	}
	k := get[account.Key](t, s, account.HashKey(c.keys["budgeted"]))
	if k.TeamID != "research" || k.UserID != "bob" || k.MaxBudget.USD() != 10*money.Dollar || k.BudgetDuration != "30d" || !k.BudgetResetAt.Equal(c.resetAt) ||
		!slices.Equal(k.Models, []string{"gpt"}) || k.Blocked == nil || !*k.Blocked || *k.TPMLimit != 1000 || k.Expires.Year() != 2035 ||
		k.ModelMaxBudget["gpt"] != (account.ModelBudget{BudgetLimit: "0.5", TimePeriod: "1d"}) || k.Metadata["tags"].([]any)[0] != "nightly" {
		t.Errorf("%+v", k)
	}
	if twin := get[account.Key](t, s, account.HashKey(c.keys["twin"])); !strings.HasPrefix(twin.KeyAlias, "plain") {
		t.Errorf("%+v", twin)
	}
	team := get[account.Team](t, s, "research")
	members := []account.Member{{Role: "admin", UserID: "ann"}, {Role: "user", UserID: "bob"}}
	if !reflect.DeepEqual(team.MembersWithRoles, members) || team.ModelAliases["fast"] != "oci/fast-1" || *team.TPMLimit != 9_000_000_000 || team.OrganizationID != "acme" ||
		team.CreatedAt.Format(time.RFC3339Nano) != "2025-03-01T12:30:00.123Z" {
		t.Errorf("%+v", team)
	}
	if !get[account.Team](t, s, "empty").Blocked {
		t.Error("the blocked team is not blocked")
	}
	if b := get[account.User](t, s, "bob"); b.SSOUserID != "sso-1" || b.ModelMaxBudget["gpt"] != (account.ModelBudget{BudgetLimit: "2.5", TimePeriod: "1d"}) {
		t.Errorf("%+v", b)
	}
	if a := get[account.User](t, s, "ann"); a.UserRole != account.ProxyAdmin || a.PasswordHash != "" {
		t.Errorf("%+v", a)
	}
	if o := get[account.Organization](t, s, "acme"); o.BudgetID != "b-org" || o.CreatedBy != "default_user_id" {
		t.Errorf("%+v", o)
	}
	if m := get[account.OrgMember](t, s, account.MemberID("acme", "ann")); m.UserRole != account.OrgAdmin {
		t.Errorf("%+v", m)
	}
	if cu := get[account.Customer](t, s, "customer/1"); !cu.Blocked || cu.BudgetID != "b-member" {
		t.Errorf("%+v", cu)
	}
	checkCounters(t, c, s)
}

func checkCounters(t *testing.T, c *company, s *store.Store) {
	t.Helper()
	key := account.KeyScope(account.HashKey(c.keys["budgeted"]))
	wants := map[account.Scope]account.Counter{
		key:                                      {Spent: usd(t, "2.5"), Duration: "30d", ResetAt: &c.resetAt},
		account.TeamScope("research"):            {Spent: usd(t, "7.75"), Duration: "1mo", ResetAt: &c.resetAt},
		account.OrgScope("acme"):                 {Spent: usd(t, "12.25"), Duration: "30d", ResetAt: &c.resetAt},
		account.UserScope("ann"):                 {Spent: usd(t, "3.5")},
		account.MemberScope("research", "bob"):   {Spent: usd(t, "1.5"), Duration: "7d", ResetAt: &c.resetAt}, // by the team's metadata
		account.MemberScope("research", "ann"):   {Spent: usd(t, "0.5"), Duration: "7d", ResetAt: &c.resetAt},
		account.OrgMemberScope("acme", "ann"):    {Spent: usd(t, "0.25")},
		account.CustomerScope("customer/1"):      {Spent: usd(t, "0.75"), Duration: "7d", ResetAt: &c.resetAt},
		account.UserScope("bob").Model("gpt"):    {Duration: "1d"},
		account.KeyScope("litellm-proxy-budget"): {},
	}
	got, err := s.Spend(t.Context(), slices.Collect(maps.Keys(wants))...)
	if err != nil {
		t.Fatal(err)
	}
	for scope, want := range wants {
		g := got[scope]
		if g.Spent != want.Spent || g.Duration != want.Duration || want.ResetAt != nil && (g.ResetAt == nil || !g.ResetAt.Equal(*want.ResetAt)) || g.Total < g.Spent {
			t.Errorf("%s: %+v, want %+v", scope, g, want)
		}
	}
}

func checkConfiguration(t *testing.T, c *company, s *store.Store) {
	t.Helper()
	ours := sealer(t, c.salt+"-ours")
	open := func(p seal.Purpose, v any) string {
		text, err := ours.Open(p, fmt.Sprint(v))
		if err != nil {
			t.Errorf("%s: %v", p, err)
		}
		return text
	}
	m := get[account.StoredModel](t, s, "m1")
	for name, want := range map[string]string{"model": "openai/gpt-x", "api_key": "key-one", "api_base": "https://models.example.com/v1", "mock_response": "in plain text"} {
		if got := open(seal.ModelParams, m.Params[name]); got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
	if m.Params["rpm"] != 5.0 || m.ModelName != "gpt" {
		t.Errorf("%+v", m)
	}
	cr := get[account.Credential](t, s, "shared")
	if open(seal.CredentialValues, cr.Values["api_key"]) != "key-two" || cr.Info["description"] != "of all" {
		t.Errorf("%+v", cr)
	}
	var values map[string]any
	if err := json.Unmarshal(get[account.Setting](t, s, "environment_variables").ParamValue, &values); err != nil || open(seal.Environment, values["SLACK_WEBHOOK_URL"]) != "https://hooks.example.com/x" {
		t.Error(values, err)
	}
	if got := string(get[account.Setting](t, s, "general_settings").ParamValue); strings.ReplaceAll(got, " ", "") != `{"alerting":["slack"]}` {
		t.Errorf("general_settings: %s", got)
	}
	n, err := s.AuditLog(t.Context(), account.Filter{Limit: 10}, func(e account.AuditEntry) error {
		if e.ID != "a1" || e.ObjectID != "research" {
			t.Errorf("%+v", e)
		}
		return nil
	})
	if n != 1 || err != nil {
		t.Errorf("%d entries of the audit log: %v", n, err)
	}
}

// checkLedger compares the rows and the usage with what PostgreSQL adds up of LiteLLM's.
func checkLedger(t *testing.T, c *company, s *store.Store) {
	t.Helper()
	source := map[string]money.USD{}
	list, err := c.Query(t.Context(), `SELECT api_key, sum(spend::text::numeric)::text FROM "LiteLLM_SpendLogs" GROUP BY api_key`)
	if err != nil {
		t.Fatal(err)
	}
	for list.Next() {
		var key, sum string
		if err := list.Scan(&key, &sum); err != nil {
			t.Fatal(err)
		}
		if key == account.HashKey(c.master) {
			key = ledger.MasterKey
		}
		source[key] = usd(t, sum)
	}
	if len(source) != 3 {
		t.Fatalf("%v", source)
	}
	got, n, failed := map[string]money.USD{}, 0, 0
	err = s.Rows(t.Context(), ledger.RowQuery{}, func(r *ledger.Row) error {
		n++
		got[r.APIKey] += r.Spend
		if r.Status == ledger.StatusFailure {
			failed++
		}
		if r.RequestDurationMS != 1500 || r.PromptTokens != 20 || r.Model != "openai/gpt-x" || !strings.HasPrefix(r.RequestID, "chatcmpl-") {
			t.Errorf("%+v", r)
		}
		return nil
	})
	if err != nil || !reflect.DeepEqual(got, source) || n != rows || failed != rows/7 {
		t.Errorf("%d rows, %d failed: %v, want %v: %v", n, failed, got, source, err)
	}
	usage := map[string]money.USD{}
	today := time.Now().UTC().Truncate(24 * time.Hour)
	err = s.Usage(t.Context(), ledger.UsageQuery{From: today.AddDate(0, 0, -5), To: today.AddDate(0, 0, 5), By: []ledger.Dimension{ledger.ByKey}}, func(u ledger.Usage) error {
		usage[u.Values[0]] = u.Metrics.Spend
		return nil
	})
	if err != nil || !reflect.DeepEqual(usage, source) {
		t.Errorf("usage: %v, want %v: %v", usage, source, err)
	}
	// What LiteLLM counts since the last reset is less than what the rows add up to: the total is the rows'.
	plain := account.KeyScope(account.HashKey(c.keys["plain"]))
	counters, err := s.Spend(t.Context(), plain, account.GlobalScope)
	if err != nil || counters[plain].Total != source[account.HashKey(c.keys["plain"])] || counters[plain].Spent != 0 {
		t.Errorf("%+v %v", counters, err)
	}
	if g := counters[account.GlobalScope]; g.Spent != 99*money.Dollar || g.Total != g.Spent { // more than all rows together
		t.Errorf("the whole gateway: %+v", g)
	}
}

// checkNewer holds what older schemas do not have.
func checkNewer(t *testing.T, c *company, s *store.Store, report *importer.Report) {
	t.Helper()
	key := account.KeyScope(account.HashKey(c.keys["budgeted"]))
	window := key.Window("1d")
	want := usd(t, c.text(`SELECT coalesce(sum(spend::text::numeric), 0)::text FROM "LiteLLM_SpendLogs" WHERE api_key = $1 AND "startTime" >= $2 AND "startTime" < $3`,
		account.HashKey(c.keys["budgeted"]), c.resetAt.Add(-24*time.Hour), c.resetAt))
	counters, err := s.Spend(t.Context(), window, account.TagScope("nightly"))
	if err != nil || counters[window].Spent != want || want == 0 || counters[window].Duration != "1d" || !counters[window].ResetAt.Equal(c.resetAt) {
		t.Errorf("the window: %+v, want %s: %v", counters[window], want, err)
	}
	if counters[account.TagScope("nightly")].Spent != usd(t, "1.25") {
		t.Errorf("%+v", counters)
	}
	if got := get[account.JWTKeyMapping](t, s, "j1"); got.Token != account.HashKey(c.keys["plain"]) || !got.IsActive {
		t.Errorf("%+v", got)
	}
	if got := get[account.RetiredKey](t, s, account.HashKey("sk-old")); !got.RevokeAt.Equal(c.resetAt) {
		t.Errorf("%+v", got)
	}
	if got := get[account.DeletedKey](t, s, "x1"); got.Token != account.HashKey("sk-gone") || got.DeletedBy != "ann" {
		t.Errorf("%+v", got)
	}
	if got := get[account.DeletedTeam](t, s, "x2"); got.TeamAlias != "Old" {
		t.Errorf("%+v", got)
	}
	if got := get[account.AccessGroup](t, s, "ag"); !slices.Equal(got.AccessModelNames, []string{"gpt"}) {
		t.Errorf("%+v", got)
	}
	if got := get[account.ObjectPermission](t, s, "op"); !slices.Equal(got.VectorStores, []string{"v"}) {
		t.Errorf("%+v", got)
	}
	var left strings.Builder
	for _, l := range report.Left {
		fmt.Fprintln(&left, l)
	}
	for _, want := range []string{
		"budget_fallbacks of keys: a model whose budget is used up is refused", "tpd_limit of budgets", "session keys", "passwords of users", "(ann)", "guardrails: ", "prompts: ",
		"stored settings: nothing here corresponds to this section (something_new)", "the alias of a key", "litellm-proxy-budget", "access_mcp_server_ids of access groups",
		"what was spent on budgets by model",
	} {
		if !strings.Contains(left.String(), want) {
			t.Errorf("the report does not tell %q:\n%s", want, left.String())
		}
	}
}

// stopping ends an import after so many batches of rows.
type stopping struct {
	*store.Store
	left int
	stop context.CancelFunc
}

func (s *stopping) ImportRows(ctx context.Context, rows []ledger.Row) (int, error) {
	if s.left--; s.left < 0 {
		s.stop()
		return 0, ctx.Err()
	}
	return s.Store.ImportRows(ctx, rows)
}

func TestAnInterruptedImportGoesOn(t *testing.T) {
	t.Parallel()
	for engine, open := range targets {
		t.Run(engine, func(t *testing.T) {
			c := newCompany(t, newest)
			c.calls(rows, time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -3))
			s := openStore(t, open(t))
			c.exec(`INSERT INTO "LiteLLM_SpendLogs" (request_id, call_type, api_key, spend, "startTime", "endTime") SELECT 'more-' || i, 'acompletion', 'k', 0.001, now(), now() FROM generate_series(1, 9000) i`)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			o := importer.Options{Source: c.Conn, Target: &stopping{s, 1, cancel}}
			c.options(&o)
			report, err := importer.Import(ctx, o)
			if err == nil || line(t, report, "spend rows").Brought != 5000 {
				t.Fatalf("the import was not ended: %v, %+v", err, report.Lines)
			}
			if c.Conn, err = store.Connect(t.Context(), c.url); err != nil { // a query that is cut ends its connection
				t.Fatal(err)
			}
			l := line(t, bring(t, c.database, s, c.options), "spend rows")
			if l.Found != rows+9000 || l.There != 5000 || l.Brought != rows+4000 {
				t.Errorf("%+v", l)
			}
			verified(t, s)
			n, err := s.CountRows(t.Context(), ledger.RowQuery{})
			if n != rows+9000 || err != nil {
				t.Errorf("%d rows: %v", n, err)
			}
			checkAccounts(t, c, s)
		})
	}
}

func TestADryRunWritesNothing(t *testing.T) {
	t.Parallel()
	c := newCompany(t, newest)
	c.calls(100, time.Now().UTC().AddDate(0, 0, -1))
	report, err := importer.Import(t.Context(), importer.Options{Source: c.Conn, Opener: sealer(t, c.salt), Sealer: sealer(t, c.salt)})
	if err != nil {
		t.Fatal(err)
	}
	if l := line(t, report, "keys"); l != (importer.Line{What: "keys", Found: 4, Brought: 3, Left: 1}) {
		t.Errorf("%+v", l)
	}
	if l := line(t, report, "spend rows"); l.Brought != 100 {
		t.Errorf("%+v", l)
	}
}

func TestSecretsThatDoNotOpen(t *testing.T) {
	t.Parallel()
	c := newCompany(t, newest)
	s := openStore(t, targets["sqlite"](t))
	report := bring(t, c.database, s, func(o *importer.Options) { o.Opener, o.Sealer = sealer(t, "another key"), sealer(t, c.salt) })
	if report.Unopened != 3 || line(t, report, "stored models").Left != 1 {
		t.Errorf("%d, %+v", report.Unopened, report.Lines)
	}
	if err := s.Get(t.Context(), "m1", new(account.StoredModel)); !errors.Is(err, account.ErrNotFound) {
		t.Error(err)
	}
	// With the right key a second run brings the rest.
	if report = bring(t, c.database, s, c.options); report.Unopened != 0 || line(t, report, "stored models").Brought != 1 {
		t.Errorf("%+v", report)
	}
	report = bring(t, c.database, openStore(t, targets["sqlite"](t)))
	if report.Unopened != 3 {
		t.Errorf("without a key %d objects stay behind", report.Unopened)
	}
}

func TestDaysWithoutRowsComeAsSums(t *testing.T) {
	t.Parallel()
	for engine, open := range targets {
		t.Run(engine, func(t *testing.T) {
			c := newCompany(t, newest)
			today := time.Now().UTC().Truncate(24 * time.Hour)
			c.calls(1000, today.AddDate(0, 0, -2))
			day := func(n int) string { return today.AddDate(0, 0, n).Format(time.DateOnly) }
			for i, d := range []string{day(-40), day(-40), day(-30), day(-2)} { // the last has rows
				c.insert("DailyUserSpend", map[string]any{
					"id": fmt.Sprint(i), "user_id": "bob", "date": d, "api_key": account.HashKey(c.keys["budgeted"]), "model": "openai/gpt-x", "model_group": "gpt", "custom_llm_provider": "openai",
					"endpoint": "/chat/completions" + fmt.Sprint(i), "prompt_tokens": 100, "completion_tokens": 50, "spend": 1.25, "api_requests": 5, "successful_requests": 4, "failed_requests": 1, "updated_at": today,
				})
			}
			c.insert("DailyTagSpend", map[string]any{"id": "t", "tag": "nightly", "date": day(-40), "api_key": account.HashKey(c.keys["budgeted"]), "model": "openai/gpt-x", "spend": 0.5, "api_requests": 2, "successful_requests": 2, "updated_at": today})
			s := openStore(t, open(t))
			for range 2 {
				bring(t, c.database, s, c.options)
				var got []string
				err := s.Usage(t.Context(), ledger.UsageQuery{From: today.AddDate(0, 0, -41), To: today.AddDate(0, 0, -3), By: []ledger.Dimension{ledger.ByDate, ledger.ByTeam}}, func(u ledger.Usage) error {
					got = append(got, fmt.Sprint(u.Values[0], " ", u.Values[1], " ", u.Metrics.Spend, " ", u.Metrics.Requests, " ", u.Metrics.Failed))
					return nil
				})
				if want := []string{day(-40) + " research 2.5 10 2", day(-30) + " research 1.25 5 1"}; err != nil || !slices.Equal(got, want) {
					t.Errorf("%q, want %q: %v", got, want, err)
				}
				verified(t, s)
			}
			if l := line(t, bring(t, c.database, s, c.options), "days without rows, as sums"); l.Brought != 2 || l.Found != 2 {
				t.Errorf("%+v", l)
			}
			key := account.KeyScope(account.HashKey(c.keys["budgeted"]))
			want := usd(t, c.text(`SELECT (3.75 + sum(spend::text::numeric))::text FROM "LiteLLM_SpendLogs" WHERE api_key = $1`, account.HashKey(c.keys["budgeted"])))
			if counters, err := s.Spend(t.Context(), key); err != nil || counters[key].Total != want {
				t.Errorf("the key has spent %s in all, want %s: %v", counters[key].Total, want, err)
			}
		})
	}
}

func TestSinceADay(t *testing.T) {
	t.Parallel()
	c := newCompany(t, newest)
	begin := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -3)
	c.calls(3000, begin)
	s := openStore(t, targets["sqlite"](t))
	report := bring(t, c.database, s, c.options, func(o *importer.Options) { o.Since = begin.AddDate(0, 0, 1) })
	if l := line(t, report, "spend rows"); l.Brought != 3000-24*60+1 {
		t.Errorf("%+v", l)
	}
	if l := line(t, bring(t, c.database, s, c.options), "spend rows"); l.Brought != 24*60-1 {
		t.Errorf("the rest: %+v", l)
	}
	verified(t, s)
}

func TestRowsThatHaveLeftTheLedgerStayAway(t *testing.T) {
	t.Parallel()
	c := newCompany(t, newest)
	begin := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -3)
	c.calls(3000, begin)
	s := openStore(t, targets["sqlite"](t))
	bring(t, c.database, s, c.options)
	if _, err := s.Prune(t.Context(), begin.AddDate(0, 0, 1), nil); err != nil {
		t.Fatal(err)
	}
	l := line(t, bring(t, c.database, s, c.options), "spend rows")
	if l.Brought != 0 || l.Left != 24*60-1 {
		t.Errorf("%+v", l)
	}
	verified(t, s)
}

func TestADatabaseOfSomebodyElse(t *testing.T) {
	t.Parallel()
	conn, err := store.Connect(t.Context(), testkit.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	_, err = importer.Import(t.Context(), importer.Options{Source: conn})
	if !errors.Is(err, importer.ErrNotLiteLLM) {
		t.Error(err)
	}
}

// Whoever leaves DATABASE_URL as it was has both gateways' tables in one database.
func TestIntoTheSameDatabase(t *testing.T) {
	t.Parallel()
	c := newCompany(t, newest)
	c.calls(rows, time.Now().UTC().Truncate(time.Minute).Add(-rows*time.Minute))
	s := openStore(t, store.Options{URL: c.url})
	bring(t, c.database, s, c.options)
	checkAccounts(t, c, s)
	checkLedger(t, c, s)
	verified(t, s)
}

// The sample's role is called litellm. Its "$user" comes first on the search path, so a schema of that name would hide both
// gateways' tables from it.
func TestIntoTheSameDatabaseByARoleCalledLiteLLM(t *testing.T) {
	t.Parallel()
	c := newCompany(t, newest)
	c.calls(rows, time.Now().UTC().Truncate(time.Minute).Add(-rows*time.Minute))
	c.exec(`DO $$ BEGIN CREATE ROLE litellm SUPERUSER LOGIN PASSWORD 'litellm'; EXCEPTION WHEN duplicate_object THEN NULL; END $$`)
	u, err := url.Parse(c.url)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword("litellm", "litellm")
	openStore(t, store.Options{URL: u.String()})
	s := openStore(t, store.Options{URL: u.String()}) // as after a restart
	if c.Conn, err = store.Connect(t.Context(), u.String()); err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	bring(t, c.database, s, c.options)
	checkAccounts(t, c, s)
	checkLedger(t, c, s)
	verified(t, s)
}

// FuzzDocument reads rows of any shape: it never panics, and what it has read can be stored.
func FuzzDocument(f *testing.F) {
	for _, seed := range []string{
		`{"token": "a", "expires": "2026-01-01T00:00:00", "models": {}, "metadata": "{\"a\": 1}", "max_budget": 1e300, "budget_limits": [{"reset_at": 5}]}`,
		`{"token": 5, "model_max_budget": {"m": 5, "n": "x", "o": {"max_budget": "1", "time_period": null}}, "blocked": null, "aliases": "text"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		key, err := importer.ReadKey(text)
		if err != nil {
			return
		}
		if _, err := json.Marshal(key); err != nil {
			t.Error(err)
		}
	})
}
