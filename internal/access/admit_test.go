package access_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/access"
	"tollgate/internal/account"
	"tollgate/internal/budget"
	"tollgate/internal/money"
)

// Each step refuses in its turn: a call that every step would refuse is repaired step by step, and the next text shows.
// The order is that of litellm's auth builder and common_checks.
func TestAdmitModel_OrderOfRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		past := now.Add(-time.Hour)
		k := virtual(callersKey, func(k *account.Key) {
			k.Blocked, k.Models, k.Expires, k.AllowedRoutes = ptr(true), []string{"a"}, &past, []string{"/v1/embeddings"}
			k.TeamID, k.UserID = "t1", "u1"
		})
		team := &account.Team{TeamID: "t1", Blocked: true, Models: []string{"x"}, DefaultTeamMemberModels: []string{"y"}}
		user := &account.User{UserID: "u1", Deactivated: true}
		m := newMemory(k, team, user)
		g, d := gate(m, access.Policy{EnforceUserParam: true, EnforcedParams: []string{"metadata.run"}, RejectClientTags: true}, synced)
		c := access.ModelCall{Model: "b", Tags: []string{"mine"}}
		change := func(o account.Object) { d.Apply(m.put(o)) }
		steps := []struct {
			repair  func()
			status  int
			kind    string
			message string
		}{
			{func() {}, 401, "auth_error", "Authentication Error, Key is blocked. Update via `/key/unblock` if you're an admin."},
			{func() { k.Blocked = nil; change(k) }, 403, "key_model_access_denied", "key not allowed to access model. This key can only access models=['a']. Tried to access b"},
			{func() { c.Model, c.Fallbacks = "a", []string{"c"} }, 403, "key_model_access_denied", "key not allowed to access model. This key can only access models=['a']. Tried to access c"},
			{func() { c.Fallbacks = nil }, 401, "auth_error", "Authentication Error, User=u1 is deactivated."},
			{func() { user.Deactivated = false; change(user) }, 401, "expired_key",
				"Authentication Error - Expired Key. Key Expiry time 1999-12-31 23:00:00+00:00 and current time 2000-01-01 00:00:00+00:00"},
			{func() { k.Expires = nil; change(k) }, 403, "auth_error",
				"Virtual key is not allowed to call this route. Only allowed to call routes: ['/v1/embeddings']. Tried to call route: /v1/chat/completions"},
			{func() { k.AllowedRoutes = []string{"llm_api_routes"}; change(k) }, 401, "auth_error", "Authentication Error, Team=t1 is blocked. Update via `/team/unblock` if you're an admin."},
			{func() { team.Blocked = false; change(team) }, 403, "team_model_access_denied", "team not allowed to access model. This team can only access models=['x']. Tried to access a"},
			{func() { team.Models = nil; change(team) }, 401, "team_model_access_denied",
				"Team member not allowed to access model. User=u1, Team=t1, Model=a. Allowed member models = ['y']"},
			{func() {
				team.DefaultTeamMemberModels = nil
				user.Models = []string{"z"} // of personal keys alone
				change(team)
				change(user)
			}, 401, "auth_error", "Authentication Error, 'user' param not passed in. 'enforce_user_param'=True"},
			{func() { k.TeamID = ""; change(k) }, 403, "user_model_access_denied", "user not allowed to access model. This user can only access models=['z']. Tried to access a"},
			{func() { user.Models = []string{account.NoDefaultModels}; change(user) }, 403, "user_model_access_denied",
				"User not allowed to access model. No default model access, only team models allowed. Tried to access a"},
			{func() { user.Models = nil; change(user); c.HasUser = true }, 400, "bad_request_error",
				"BadRequest please pass param=[metadata][run] in request body. This is a required param"},
			{func() { c.HasParam = func(string) bool { return true } }, 400, "bad_request_error",
				"Client-side 'metadata.tags' not allowed in request. 'reject_clientside_metadata_tags'=True. Tags can only be set via API key metadata."},
		}
		for _, step := range steps {
			step.repair()
			_, err := call(g, callersKey, c)
			wantRefusal(t, err, step.status, step.kind, step.message)
		}
		c.Tags = nil
		if _, err := call(g, callersKey, c); err != nil {
			t.Errorf("repaired, but refused: %s", err.Message)
		}
	})
}

func TestAdmitModel_ModelLists(t *testing.T) {
	groups := func(name string) []string {
		if name == "o3" {
			return []string{"beta"}
		}
		return nil
	}
	alias := func(name string) string {
		return map[string]string{"fast": "o3", "openai/x": "o3", "oci/any": "oci/*"}[name]
	}
	tests := []struct {
		name   string
		key    []string
		model  string
		team   []string
		stored []string // access groups of the key
		want   string   // "" = admitted, else what the text holds
	}{
		{"an empty list is open", nil, "o3", nil, nil, ""},
		{"a name", []string{"a", "o3"}, "o3", nil, nil, ""},
		{"another", []string{"a", "b"}, "o3", nil, nil, "models=['a', 'b']. Tried to access o3"},
		{"star", []string{"*"}, "o3", nil, nil, ""},
		{"all proxy models", []string{account.AllProxyModels}, "o3", nil, nil, ""},
		{"a provider's wildcard", []string{"openai/*"}, "openai/gpt-4o", nil, nil, ""},
		{"a provider's wildcard is its own", []string{"openai/*"}, "azure/openai/gpt-4o", nil, nil, "Tried to access azure/openai/gpt-4o"},
		{"a wildcard inside", []string{"oci/*.r-*"}, "oci/cohere.command.r-plus", nil, nil, ""},
		{"a dot is a dot", []string{"oci/a.*"}, "oci/axb", nil, nil, "Tried"},
		{"an access group", []string{"beta"}, "o3", nil, nil, ""},
		{"another access group", []string{"gamma"}, "o3", nil, nil, "models=['gamma']"},
		{"a stored access group", []string{"a"}, "b", nil, []string{"b", "c"}, ""},
		{"all team models", []string{account.AllTeamModels}, "o3", []string{"o3"}, nil, ""},
		{"not the team's", []string{account.AllTeamModels}, "b", []string{"o3"}, nil, "team not allowed to access model. This team can only access models=['o3']. Tried to access b"},
		{"the team bounds the key", []string{"a"}, "a", []string{"b"}, nil, "team not allowed"},
		{"no default models", []string{account.NoDefaultModels}, "a", nil, nil, "models=['no-default-models']"},
		{"an alias that is listed", []string{"fast"}, "fast", nil, nil, ""},
		{"what an alias stands for", []string{"o3"}, "fast", nil, nil, ""},
		{"an alias opens nothing by a wildcard", []string{"openai/*"}, "openai/x", nil, nil, "Tried to access openai/x"},
		{"a name that a pattern serves", []string{"oci/any"}, "oci/any", nil, nil, ""},
		{"quotes", []string{"it's", `a"b'c`, `a\b`, "tab\t", "é"}, "x", nil, nil, `models=["it's", 'a"b\'c', 'a\\b', 'tab\t', 'é']. Tried`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := virtual(callersKey, func(k *account.Key) { k.Models = tt.key })
			m := newMemory(&account.Team{TeamID: "t", Models: tt.team}, &account.AccessGroup{AccessGroupID: "g", AccessModelNames: tt.stored})
			if tt.team != nil {
				k.TeamID = "t"
			}
			if tt.stored != nil {
				k.AccessGroupIDs = []string{"g"}
			}
			m.put(k)
			g, _ := gate(m, access.Policy{ModelGroups: groups}, synced)
			out, err := call(g, callersKey, access.ModelCall{Model: tt.model, Resolve: alias})
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("refused: %s", err.Message)
			case tt.want == "" && out.Model != tt.model:
				t.Errorf("model %q", out.Model)
			case tt.want != "" && err == nil:
				t.Error("admitted")
			case tt.want != "" && (err.Status != 403 || err.Param != "model" || !strings.Contains(err.Message, tt.want)):
				t.Errorf("%d %s", err.Status, err.Message)
			}
		})
	}
}

func TestAdmitModel_LegacyAndOwnText(t *testing.T) {
	m := newMemory(virtual(callersKey, func(k *account.Key) { k.Models = []string{"a"} }))
	g, _ := gate(m, access.Policy{LegacyStatus: true, ModelDeniedMessage: "Ask the desk for {model}."}, synced)
	_, err := call(g, callersKey, access.ModelCall{Model: "b"})
	wantRefusal(t, err, 401, "key_model_access_denied", "Ask the desk for b.")
}

// A key's alias is the key's own name for a model, a team's is one for all of its keys. An alias of the key passes the key's
// list by what stands behind it, as in LiteLLM's documented use (models ["my-free-tier"], aliases {"mistral-7b":
// "my-free-tier"}), or by itself; the lists above the key judge what stands behind it.
func TestAdmitModel_Aliases(t *testing.T) {
	k := virtual(callersKey, func(k *account.Key) {
		k.Models, k.Aliases, k.TeamID = []string{"mine", "free-tier", "oci/*"}, account.JSON(`{"mine": "big", "other": "big", "mistral-7b": "free-tier", "oci/x": "big"}`), "t"
	})
	team := &account.Team{TeamID: "t", Models: []string{"small", "big", "free-tier"}, ModelAliases: map[string]string{"ours": "hidden"}}
	m := newMemory(k, team)
	g, d := gate(m, access.Policy{}, synced)
	for _, tt := range []struct{ asked, want, refusal string }{
		{"mine", "big", ""},
		{"mistral-7b", "free-tier", ""},
		{"free-tier", "free-tier", ""},
		{"ours", "hidden", ""},
		{"big", "", "key not allowed"},
		{"other", "", "Tried to access other"},
		{"oci/x", "", "Tried to access oci/x"}, // a pattern opens no alias
	} {
		out, err := call(g, callersKey, access.ModelCall{Model: tt.asked})
		switch {
		case tt.refusal == "" && (err != nil || out.Model != tt.want):
			t.Errorf("%s: %v %v", tt.asked, out, err)
		case tt.refusal != "" && (err == nil || !strings.Contains(err.Message, tt.refusal)):
			t.Errorf("%s: %v", tt.asked, err)
		}
	}
	team.Models = []string{"small"}
	d.Apply(m.put(team))
	if _, err := call(g, callersKey, access.ModelCall{Model: "mine"}); err == nil || !strings.Contains(err.Message, "team not allowed to access model. This team can only access models=['small']. Tried to access big") {
		t.Errorf("an alias got past the team: %v", err)
	}
}

// everybody is a caller for whom each kind of budget and limit is set.
func everybody() *memory {
	row := func(id, amount string, change ...func(*account.Budget)) *account.Budget {
		b := &account.Budget{BudgetID: id, Spending: account.Spending{MaxBudget: account.Amount(amount), BudgetDuration: "1d"}, Limits: account.Limits{RPMLimit: ptr(int64(7))}}
		for _, c := range change {
			c(b)
		}
		return b
	}
	spending := func(amount string) account.Spending {
		return account.Spending{MaxBudget: account.Amount(amount), BudgetDuration: "30d"}
	}
	return newMemory(
		virtual(callersKey, func(k *account.Key) {
			k.Token, k.KeyAlias, k.UserID, k.TeamID, k.OrganizationID = account.HashKey(callersKey), "robot", "u", "t", "o"
			k.Spending, k.SoftBudget = spending("1"), "0.5"
			k.BudgetLimits = []account.Window{{BudgetDuration: "3h", MaxBudget: "30"}}
			k.ModelMaxBudget = map[string]account.ModelBudget{"gpt": {BudgetLimit: "2", TimePeriod: "1d"}, "else": {BudgetLimit: "9"}}
			k.RPMLimit, k.TPMLimit = ptr(int64(10)), ptr(int64(0))
			k.Metadata = map[string]any{"tags": []string{"red"}, "model_rpm_limit": map[string]any{"gpt": 3, "else": 4}}
		}),
		&account.Team{TeamID: "t", Spending: spending("4"), BudgetLimits: []account.Window{{BudgetDuration: "1h", MaxBudget: "5"}},
			Limits: account.Limits{TPMLimit: ptr(int64(11))}, Metadata: map[string]any{"tags": []string{"blue"}, "model_tpm_limit": map[string]any{"gpt": 5}}},
		&account.User{UserID: "u", Spending: spending("6"), Limits: account.Limits{MaxParallelRequests: ptr(int64(12))}},
		&account.TeamMember{TeamID: "t", UserID: "u", BudgetID: "of member"}, row("of member", "7", func(b *account.Budget) {
			b.ModelMaxBudget = map[string]account.ModelBudget{"gpt": {BudgetLimit: "8"}}
		}),
		&account.Organization{OrganizationID: "o", BudgetID: "of org", Metadata: map[string]any{"model_rpm_limit": map[string]any{"gpt": 6, "else": 7}}}, row("of org", "9"),
		&account.OrgMember{OrganizationID: "o", UserID: "u", BudgetID: "of org member"}, row("of org member", "14"),
		&account.Tag{Name: "red", BudgetID: "of red"}, row("of red", "10"),
		&account.Customer{UserID: "c", BudgetID: "of customer"}, row("of customer", "11", func(b *account.Budget) {
			b.ModelMaxBudget = map[string]account.ModelBudget{"gpt": {BudgetLimit: "12"}}
		}),
		row("default", "13"),
	)
}

var everyPolicy = access.Policy{GlobalBudget: "100", GlobalDuration: "30d", GlobalParallel: ptr(int64(50)), KeyParallel: ptr(int64(5)), CustomerBudgetID: "default"}

func TestAdmitModel_Budgets(t *testing.T) {
	g, _ := gate(everybody(), everyPolicy, synced)
	hash := account.HashKey(callersKey)
	out, err := call(g, callersKey, access.ModelCall{Model: "openai/gpt", EndUser: "c", Tags: []string{"green"}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, b := range out.Budgets {
		got = append(got, fmt.Sprintf("%s %s %s soft=%s header=%v: %s", b.Counter, b.Cap, b.Duration, b.Soft, b.Header, b.Refusal))
	}
	want := []string{
		"key:" + hash + " 1 30d soft=0.5 header=true: Budget has been exceeded! Current cost: {spent}, Max budget: {cap}",
		"key:" + hash + "#gpt 2 1d soft=0 header=false: LiteLLM Virtual Key: " + hash + ", key_alias: robot, exceeded budget for model=gpt",
		"customer:c#gpt 12  soft=0 header=false: LiteLLM End User: c, exceeded budget for model=gpt",
		"team:t 4 30d soft=0 header=false: Budget has been exceeded! Team=t Current cost: {spent}, Max budget: {cap}",
		"team:t@1h 5 1h soft=0 header=false: ExceededBudget: Team=t over 1h budget. Spend=${spent4}, Limit=${cap2}",
		"key:" + hash + "@3h 30 3h soft=0 header=false: ExceededBudget: Key over 3h budget. Spend=${spent4}, Limit=${cap2}",
		"org:o 9 1d soft=0 header=false: Budget has been exceeded! Organization=o Current cost: {spent}, Max budget: {cap}",
		"orgmember:o/u 14 1d soft=0 header=false: Budget has been exceeded! User=u in Organization=o Current cost: {spent}, Max budget: {cap}",
		"tag:red 10 1d soft=0 header=false: Budget has been exceeded! Tag=red Current cost: {spent}, Max budget: {cap}",
		"member:t/u 7 1d soft=0 header=false: Budget has been exceeded! User=u in Team=t Current cost: {spent}, Max budget: {cap}",
		"member:t/u#gpt 8  soft=0 header=false: ExceededBudget: Team member model budget exceeded. User=u, Team=t, Model=gpt. Spend=${spent6}, Budget=${cap6}",
		"customer:c 11 1d soft=0 header=false: ExceededBudget: End User=c over budget. Spend={spent}, Budget={cap}",
		"global 100 30d soft=0 header=false: Budget has been exceeded! Current cost: {spent}, Max budget: {cap}",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("budgets (-want +got):\n%s", diff)
	}
	charges := slices.Sorted(slices.Values(out.Charges))
	wantCharges := []account.Scope{"customer:c", "customer:c#gpt", "global", account.Scope("key:" + hash), account.Scope("key:" + hash + "#gpt"), account.Scope("key:" + hash + "@3h"),
		"member:t/u", "member:t/u#gpt", "org:o", "orgmember:o/u", "tag:blue", "tag:green", "tag:red", "team:t", "team:t@1h", "user:u"}
	if diff := cmp.Diff(wantCharges, charges); diff != "" {
		t.Errorf("charges (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"green", "red", "blue"}, out.Tags); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	if !strings.Contains(string(out.Metadata), `"tags":["red"]`) {
		t.Errorf("metadata %s", out.Metadata)
	}
}

func TestAdmitModel_Limits(t *testing.T) {
	g, _ := gate(everybody(), everyPolicy, synced)
	hash := account.HashKey(callersKey)
	out, err := call(g, callersKey, access.ModelCall{Model: "gpt", EndUser: "c"})
	if err != nil {
		t.Fatal(err)
	}
	show := func(n *int64) string {
		if n == nil {
			return "-"
		}
		return fmt.Sprint(*n)
	}
	var got []string
	for _, r := range out.Limits {
		got = append(got, fmt.Sprintf("%s=%s rpm=%s tpm=%s parallel=%s", r.Descriptor, r.Value, show(r.Requests), show(r.Tokens), show(r.Parallel)))
	}
	want := []string{
		"api_key=" + hash + " rpm=10 tpm=0 parallel=5",
		"user=u rpm=- tpm=- parallel=12",
		"team=t rpm=- tpm=11 parallel=-",
		"team_member=t:u rpm=7 tpm=- parallel=-",
		"end_user=c rpm=7 tpm=- parallel=-",
		"model_per_key=" + hash + ":gpt rpm=3 tpm=- parallel=-",
		"model_per_team=t:gpt rpm=- tpm=5 parallel=-",
		"model_per_organization=o:gpt rpm=6 tpm=- parallel=-",
		"organization=o rpm=7 tpm=- parallel=-",
		"organization_member=o:u rpm=7 tpm=- parallel=-",
		"tag=red rpm=7 tpm=- parallel=-",
		"global= rpm=- tpm=- parallel=50",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("limits (-want +got):\n%s", diff)
	}
}

func TestAdmitModel_BudgetRules(t *testing.T) {
	caps := func(t *testing.T, g *access.Gate, raw string, c access.ModelCall) map[account.Scope]money.USD {
		t.Helper()
		c.Model = "gpt"
		out, err := call(g, raw, c)
		if err != nil {
			t.Fatal(err)
		}
		got := map[account.Scope]money.USD{}
		for _, b := range out.Budgets {
			got[b.Counter] = b.Cap
		}
		return got
	}
	keyScope := account.KeyScope(account.HashKey(callersKey))
	usd := func(text string) money.USD { return account.Amount(text).USD() }

	t.Run("a model that costs nothing fits every budget", func(t *testing.T) {
		g, _ := gate(everybody(), everyPolicy, synced)
		out, err := call(g, callersKey, access.ModelCall{Model: "gpt", Free: func(model string) bool { return model == "gpt" }})
		if err != nil || len(out.Budgets) != 0 || len(out.Charges) == 0 || len(out.Limits) == 0 {
			t.Errorf("%v %+v", err, out)
		}
	})
	t.Run("unless it may fall back to one that costs", func(t *testing.T) {
		g, _ := gate(everybody(), everyPolicy, synced)
		out, err := call(g, callersKey, access.ModelCall{Model: "gpt", Fallbacks: []string{"dear"}, Free: func(model string) bool { return model == "gpt" }})
		if err != nil || len(out.Budgets) == 0 {
			t.Errorf("%v %+v", err, out)
		}
	})
	t.Run("an unknown customer has the default budget", func(t *testing.T) {
		g, _ := gate(everybody(), everyPolicy, synced)
		if got := caps(t, g, callersKey, access.ModelCall{EndUser: "stranger"}); got["customer:stranger"] != usd("13") {
			t.Error(got)
		}
	})
	t.Run("or an amount", func(t *testing.T) {
		g, _ := gate(everybody(), access.Policy{CustomerBudget: "0"}, synced)
		if got, ok := caps(t, g, callersKey, access.ModelCall{EndUser: "stranger"})["customer:stranger"]; !ok || got != 0 {
			t.Error(got, ok)
		}
	})
	t.Run("the user's budget on a key of a team", func(t *testing.T) {
		g, _ := gate(everybody(), access.Policy{UserBudgetOnTeamKeys: true}, synced)
		out, err := call(g, callersKey, access.ModelCall{Model: "gpt"})
		if err != nil {
			t.Fatal(err)
		}
		at := slices.IndexFunc(out.Budgets, func(b budget.Scope) bool { return b.Counter == "user:u" })
		if at < 0 || out.Budgets[at].Refusal != "Budget has been exceeded! User=u Current cost: {spent}, Max budget: {cap}" {
			t.Error(out.Budgets)
		}
	})
	t.Run("the user's budget on the user's own key", func(t *testing.T) {
		m := everybody()
		m.put(virtual(callersKey, func(k *account.Key) { k.UserID = "u" }))
		g, _ := gate(m, access.Policy{}, synced)
		if got := caps(t, g, callersKey, access.ModelCall{}); len(got) != 1 || got["user:u"] != usd("6") {
			t.Error(got)
		}
	})
	t.Run("of a key's own budget and the one it refers to the smaller binds", func(t *testing.T) {
		m := newMemory(virtual(callersKey, func(k *account.Key) { k.MaxBudget, k.BudgetID = "5", "b" }), &account.Budget{BudgetID: "b", Spending: account.Spending{MaxBudget: "3", BudgetDuration: "7d"}})
		g, _ := gate(m, access.Policy{}, synced)
		if got := caps(t, g, callersKey, access.ModelCall{}); got[keyScope] != usd("3") {
			t.Error(got)
		}
	})
	t.Run("a budget of 0 allows nothing, an organisation's is none", func(t *testing.T) {
		m := newMemory(virtual(callersKey, func(k *account.Key) { k.MaxBudget, k.OrganizationID = "0", "o" }),
			&account.Organization{OrganizationID: "o", BudgetID: "b"}, &account.Budget{BudgetID: "b", Spending: account.Spending{MaxBudget: "0"}})
		g, _ := gate(m, access.Policy{GlobalBudget: "0"}, synced)
		got := caps(t, g, callersKey, access.ModelCall{})
		if most, ok := got[keyScope]; len(got) != 1 || !ok || most != 0 {
			t.Error(got)
		}
	})
	t.Run("a soft budget alone refuses nothing", func(t *testing.T) {
		for _, m := range []*memory{
			newMemory(virtual(callersKey, func(k *account.Key) { k.SoftBudget = "2" })),
			newMemory(virtual(callersKey, func(k *account.Key) { k.BudgetID = "b" }), &account.Budget{BudgetID: "b", SoftBudget: "2"}),
		} {
			g, _ := gate(m, access.Policy{}, synced)
			out, err := call(g, callersKey, access.ModelCall{Model: "gpt"})
			if err != nil || len(out.Budgets) != 1 || out.Budgets[0].Cap != money.Max || out.Budgets[0].Soft != usd("2") || out.Budgets[0].Header {
				t.Errorf("%v %+v", err, out)
			}
		}
	})
	t.Run("members have the team's default budget", func(t *testing.T) {
		m := newMemory(virtual(callersKey, func(k *account.Key) { k.TeamID, k.UserID = "t", "u" }),
			&account.Team{TeamID: "t", Metadata: map[string]any{"team_member_budget_id": "b"}}, &account.Budget{BudgetID: "b", Spending: account.Spending{MaxBudget: "2"}})
		g, _ := gate(m, access.Policy{}, synced)
		if got := caps(t, g, callersKey, access.ModelCall{}); got["member:t/u"] != usd("2") {
			t.Error(got)
		}
	})
	t.Run("the master key", func(t *testing.T) {
		for _, bound := range []bool{false, true} {
			g, _ := gate(everybody(), access.Policy{GlobalBudget: "3", GlobalForMaster: bound}, synced)
			if got := caps(t, g, key, access.ModelCall{}); (got[account.GlobalScope] == usd("3")) != bound {
				t.Error(bound, got)
			}
		}
	})
}

// A temporary increase of a key's budget ends by itself.
func TestAdmitModel_TemporaryIncrease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(virtual(callersKey, func(k *account.Key) {
			k.MaxBudget = "1"
			k.Metadata = map[string]any{"temp_budget_increase": 0.5, "temp_budget_expiry": time.Now().Add(time.Hour).UTC().Format("2006-01-02T15:04:05")}
		}))
		g, _ := gate(m, access.Policy{}, synced)
		capOf := func() string {
			out, err := call(g, callersKey, access.ModelCall{Model: "gpt"})
			if err != nil {
				t.Fatal(err)
			}
			return out.Budgets[0].Cap.String()
		}
		if got := capOf(); got != "1.5" {
			t.Errorf("before: %s", got)
		}
		time.Sleep(time.Hour)
		if got := capOf(); got != "1" {
			t.Errorf("after: %s", got)
		}
	})
}

func TestAdmitModel_Tags(t *testing.T) {
	for _, tt := range []struct {
		name     string
		metadata map[string]any
		want     []string
	}{
		{"kept", nil, []string{"mine", "team"}},
		{"stripped", map[string]any{"allow_client_tags": false, "tags": []string{"key"}}, []string{"key", "team"}},
		{"each once", map[string]any{"tags": []string{"mine", "key"}}, []string{"mine", "key", "team"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := newMemory(virtual(callersKey, func(k *account.Key) { k.Metadata, k.TeamID = tt.metadata, "t" }), &account.Team{TeamID: "t", Metadata: map[string]any{"tags": []string{"team"}}})
			g, _ := gate(m, access.Policy{}, synced)
			out, err := call(g, callersKey, access.ModelCall{Model: "gpt", Tags: []string{"mine"}})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, out.Tags); diff != "" {
				t.Error(diff)
			}
		})
	}
	g, _ := gate(newMemory(virtual(callersKey)), access.Policy{}, synced)
	if _, err := call(g, callersKey, access.ModelCall{Model: "gpt", Tags: make([]string, 65)}); err == nil || err.Status != 400 {
		t.Errorf("65 tags: %v", err)
	}
}

// Names that PostgreSQL does not take would be lost with the call's row.
func TestAdmitModel_Names(t *testing.T) {
	g, _ := gate(newMemory(virtual(callersKey)), access.Policy{}, synced)
	for _, name := range []string{"a\x00b", "\xff", strings.Repeat("x", 1025)} {
		if _, err := call(g, callersKey, access.ModelCall{Model: "gpt", EndUser: name}); err == nil || err.Status != 400 || err.Param != "user" {
			t.Errorf("%.10q: %v", name, err)
		}
		if _, err := call(g, callersKey, access.ModelCall{Model: "gpt", Tags: []string{name}}); err == nil || err.Status != 400 || err.Param != "metadata.tags" {
			t.Errorf("%.10q: %v", name, err)
		}
	}
}

// A page is refused for what ends a key as a call is.
func TestAdmit_EndedKeys(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*account.Key)
		want   string
	}{
		{"expired", func(k *account.Key) { k.Expires = ptr(time.Now().Add(-time.Second)) }, "Expired Key"},
		{"blocked", func(k *account.Key) { k.Blocked = ptr(true) }, "Key is blocked"},
		{"of a blocked team", func(k *account.Key) { k.TeamID = "t" }, "Team=t is blocked"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g, _ := gate(newMemory(virtual(callersKey, tt.change), &account.Team{TeamID: "t", Blocked: true}), access.Policy{}, synced)
			for _, route := range []*access.Route{infoRoute, chatRoute} {
				if err := page(g, callersKey, route); err == nil || err.Status != 401 || !strings.Contains(err.Message, tt.want) {
					t.Errorf("%s: %v", route.Path, err)
				}
			}
		})
	}
}

func TestAdmitModel_Customers(t *testing.T) {
	m := newMemory(virtual(callersKey), &account.Customer{UserID: "bad", Blocked: true}, &account.Customer{UserID: "few", Models: []string{"a"}})
	g, _ := gate(m, access.Policy{}, synced)
	_, err := call(g, callersKey, access.ModelCall{Model: "gpt", EndUser: "bad"})
	wantRefusal(t, err, 400, "bad_request_error", "User blocked from making LLM API Calls. User=bad")
	_, err = call(g, callersKey, access.ModelCall{Model: "gpt", EndUser: "few"})
	wantRefusal(t, err, 403, "end_user_model_access_denied", "end_user not allowed to access model. This end_user can only access models=['a']. Tried to access gpt")

	g, _ = gate(m, access.Policy{NoCustomers: true}, synced)
	out, err := call(g, callersKey, access.ModelCall{Model: "gpt", EndUser: "bad"})
	if err != nil || slices.Contains(out.Charges, "customer:bad") {
		t.Errorf("%v %v", out, err)
	}
}

func TestCallerModels(t *testing.T) {
	all := []string{"a", "b", "c"}
	tests := []struct {
		name   string
		change func(*account.Key)
		want   []string
	}{
		{"open", func(*account.Key) {}, all},
		{"two", func(k *account.Key) { k.Models = []string{"c", "a", "gone"} }, []string{"a", "c"}},
		{"one that only a pattern serves", func(k *account.Key) { k.Models = []string{"b", "oci/x"} }, []string{"b", "oci/x"}},
		{"the team's", func(k *account.Key) { k.TeamID = "t" }, []string{"b", "c"}},
		{"the team's by name", func(k *account.Key) { k.TeamID, k.Models = "t", []string{account.AllTeamModels} }, []string{"b", "c"}},
		{"both", func(k *account.Key) { k.TeamID, k.Models = "t", []string{"a", "b"} }, []string{"b"}},
		{"a user without models", func(k *account.Key) { k.UserID = "none" }, []string{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newMemory(virtual(callersKey, tt.change), &account.Team{TeamID: "t", Models: []string{"b", "c"}}, &account.User{UserID: "none", Models: []string{account.NoDefaultModels}})
			g, _ := gate(m, access.Policy{}, synced)
			who := identify(t, g, callersKey)
			if diff := cmp.Diff(tt.want, g.CallerModels(&who, all, func(name string) bool { return name == "oci/x" })); diff != "" {
				t.Error(diff)
			}
		})
	}
	g, _ := gate(newMemory(), access.Policy{}, synced)
	who := identify(t, g, key)
	if diff := cmp.Diff(all, g.CallerModels(&who, all, nil)); diff != "" {
		t.Error(diff)
	}
}

// What a pattern lets pass is what a listing shows, whatever the bytes.
func FuzzCallerModels(f *testing.F) {
	f.Add("openai/*", "openai/gpt")
	f.Add("a*b*c", "abc")
	f.Add("it's", "it's")
	f.Add("**", "")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if name == "" || len(pattern) > 100 {
			return
		}
		m := newMemory(virtual(callersKey, func(k *account.Key) { k.Models = []string{pattern} }))
		g, _ := gate(m, access.Policy{}, synced)
		who := identify(t, g, callersKey)
		listed := len(g.CallerModels(&who, []string{name}, nil)) == 1
		_, err := g.AdmitModel(context.Background(), &who, &access.ModelCall{Route: chatRoute, Model: name})
		if listed != (err == nil) {
			t.Fatalf("%q, %q: listed %v, admitted %v", pattern, name, listed, err == nil)
		}
	})
}
