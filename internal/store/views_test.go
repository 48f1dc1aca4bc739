package store_test

import (
	neturl "net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tollgate/internal/account"
	"tollgate/internal/record"
	"tollgate/internal/store"
	"tollgate/internal/store/storetest"
	"tollgate/internal/testkit"
)

// litellmNames are LiteLLM's tables and views that there are views for.
var litellmNames = strings.Fields(`LiteLLM_SpendLogs LiteLLM_VerificationToken LiteLLM_TeamTable LiteLLM_UserTable LiteLLM_OrganizationTable
	LiteLLM_EndUserTable LiteLLM_BudgetTable LiteLLM_TeamMembership LiteLLM_TagTable LiteLLM_DailyUserSpend LiteLLM_DailyTeamSpend
	LiteLLM_DailyOrganizationSpend LiteLLM_DailyEndUserSpend LiteLLM_DailyTagSpend LiteLLM_VerificationTokenView MonthlyGlobalSpend
	MonthlyGlobalSpendPerKey MonthlyGlobalSpendPerUserPerKey Last30dKeysBySpend Last30dModelsBySpend Last30dTopEndUsersSpend DailyTagSpend`)

// SQL that was written for LiteLLM's database.
func TestViews(t *testing.T) {
	t.Parallel()
	url := testkit.Postgres(t)
	s := open(t, store.Options{URL: url})
	calls := storetest.Traffic{Seed: 5, From: time.Now().AddDate(0, 0, -2), Span: 24 * time.Hour, Keys: 5}.Calls(0, 200, 200)
	calls[0].Outcome, calls[0].EndUser = record.Success, "customer-1"
	write(t, s, calls)
	hash, team := calls[0].KeyHash, calls[0].TeamID
	err := s.Update(t.Context(), func(tx account.Tx) error {
		for _, o := range []account.Object{
			&account.Key{Token: hash, KeyAlias: "an alias", KeyName: "sk-...abcd", TeamID: team, Models: []string{"a", "b"}, Metadata: map[string]any{"team": "x"}, Spending: account.Spending{MaxBudget: "12.5"}},
			&account.Team{TeamID: team, TeamAlias: "a team", MembersWithRoles: []account.Member{{Role: "admin", UserID: "u"}}},
			&account.User{UserID: calls[0].UserID, UserRole: account.InternalUser},
			&account.Organization{OrganizationID: "org-1"}, &account.Customer{UserID: "customer-1"}, &account.Budget{BudgetID: "b", Spending: account.Spending{MaxBudget: "1"}},
			&account.TeamMember{TeamID: team, UserID: calls[0].UserID}, &account.Tag{Name: "project-1"},
		} {
			if err := tx.Insert(t.Context(), o); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for _, name := range litellmNames {
		for _, schema := range []string{"litellm", "public"} {
			var n int
			if err := conn.QueryRow(t.Context(), `SELECT count(*) FROM (SELECT * FROM `+schema+`."`+name+`") AS v`).Scan(&n); err != nil || n == 0 {
				t.Errorf("%s.%s: %d rows, %v", schema, name, n, err)
			}
		}
	}
	for name, text := range map[string]string{
		"spend by team": `SELECT t.team_alias || ' ' || SUM(s.spend) FROM "LiteLLM_SpendLogs" s JOIN "LiteLLM_TeamTable" t ON t.team_id = s.team_id
			WHERE s."startTime" >= NOW() - INTERVAL '30 days' GROUP BY t.team_alias`,
		"the key's spend is the rows'": `SELECT 'same' FROM "LiteLLM_VerificationToken" v
			WHERE round(v.spend::numeric, 9) = (SELECT round(SUM(spend)::numeric, 9) FROM "LiteLLM_SpendLogs" WHERE api_key = v.token) AND v.spend > 0`,
		"key of a team": `SELECT key_alias || ' ' || team_alias || ' ' || max_budget || ' ' || models[2] || ' ' || (metadata->>'team') FROM "LiteLLM_VerificationTokenView"`,
		"daily by user": `SELECT user_id FROM "LiteLLM_DailyUserSpend" WHERE date >= '2020-01-01' AND api_key = '` + hash + `' GROUP BY user_id`,
		"tags":          `SELECT individual_request_tag FROM "DailyTagSpend" WHERE individual_request_tag LIKE 'project-%' LIMIT 1`,
		"tags of rows":  `SELECT jsonb_array_elements_text(request_tags) AS t FROM "LiteLLM_SpendLogs" GROUP BY 1 LIMIT 1`,
		"status":        `SELECT status FROM "LiteLLM_SpendLogs" WHERE status = 'failure' AND metadata->'error_information'->>'error_code' = '429' LIMIT 1`,
		"columns": `SELECT string_agg(data_type, ',' ORDER BY column_name) FROM information_schema.columns WHERE table_schema = 'public'
			AND table_name = 'LiteLLM_SpendLogs' AND column_name IN ('spend', 'startTime', 'metadata', 'total_tokens')`,
	} {
		var got *string
		if err := conn.QueryRow(t.Context(), text).Scan(&got); err != nil || got == nil || *got == "" {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if want, fixed := map[string]string{
			"key of a team": "an alias a team 12.5 b x", "columns": "jsonb,double precision,timestamp without time zone,bigint",
		}[name]; fixed && *got != want {
			t.Errorf("%s: %s, want %s", name, *got, want)
		}
	}
}

// LiteLLM's own tables, which an importer reads, stay what they are; and going back leaves them too.
func TestViews_LeaveOthersAlone(t *testing.T) {
	t.Parallel()
	url := testkit.Postgres(t)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), `CREATE TABLE "LiteLLM_SpendLogs" (request_id text PRIMARY KEY); INSERT INTO "LiteLLM_SpendLogs" VALUES ('theirs')`); err != nil {
		t.Fatal(err)
	}
	s := open(t, store.Options{URL: url})
	var id string
	if err := conn.QueryRow(t.Context(), `SELECT request_id FROM public."LiteLLM_SpendLogs"`).Scan(&id); err != nil || id != "theirs" {
		t.Errorf("their table: %q, %v", id, err)
	}
	if err := conn.QueryRow(t.Context(), `SELECT count(*)::text FROM litellm."LiteLLM_SpendLogs"`).Scan(&id); err != nil || id != "0" {
		t.Errorf("our view: %q, %v", id, err)
	}
	if err := s.Rollback(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if err := conn.QueryRow(t.Context(), `SELECT request_id FROM public."LiteLLM_SpendLogs"`).Scan(&id); err != nil || id != "theirs" {
		t.Errorf("their table after going back: %q, %v", id, err)
	}
	if err := s.Migrate(t.Context()); err != nil {
		t.Errorf("forward again: %v", err)
	}
}

// A role that is called litellm, as the sample's is, looks for names in a schema of that name first: with one, a second
// set of tables would be made there, and the views would show the first.
func TestViews_OfARoleCalledLiteLLM(t *testing.T) {
	t.Parallel()
	url := testkit.Postgres(t)
	admin, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(t.Context())
	for _, statement := range []string{
		`DO $$ BEGIN CREATE ROLE litellm LOGIN PASSWORD 'litellm'; EXCEPTION WHEN duplicate_object THEN NULL; END $$`,
		`DO $$ BEGIN EXECUTE format('ALTER DATABASE %I OWNER TO litellm', current_database()); END $$`,
	} {
		if _, err := admin.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	u, err := neturl.Parse(url)
	if err != nil {
		t.Fatal(err)
	}
	u.User = neturl.UserPassword("litellm", "litellm")
	open(t, store.Options{URL: u.String()})
	s := open(t, store.Options{URL: u.String()}) // as after a restart
	if err := put(t.Context(), s, "k"); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]int{
		`SELECT count(*) FROM pg_tables WHERE tablename = 'keys'`:     1,
		`SELECT count(*) FROM "LiteLLM_VerificationToken"`:            1,
		`SELECT count(*) FROM pg_namespace WHERE nspname = 'litellm'`: 0,
	} {
		conn, err := pgx.Connect(t.Context(), u.String())
		if err != nil {
			t.Fatal(err)
		}
		var n int
		if err := conn.QueryRow(t.Context(), query).Scan(&n); err != nil || n != want {
			t.Errorf("%s: %d, %v; want %d", query, n, err, want)
		}
		if err := conn.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
