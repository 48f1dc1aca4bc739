package admin_test

import (
	"strings"
	"testing"

	"tollgate/internal/account"
	"tollgate/internal/money"
)

// Who leads one organisation has no say in the teams of another, whatever organisation a key is said to be of.
func TestOrgAdminsStayInTheirOrganization(t *testing.T) {
	w := newWorld(t)
	evil := w.person("evil", account.InternalUser)
	w.put(&account.Organization{OrganizationID: "A"}, &account.Organization{OrganizationID: "B"}, &account.OrgMember{UserID: "evil", OrganizationID: "A", UserRole: account.OrgAdmin},
		&account.Team{TeamID: "of B", OrganizationID: "B"}, &account.Team{TeamID: "of nobody"}, &account.Team{TeamID: "of A", OrganizationID: "A"})
	for _, team := range []string{"of B", "of nobody"} {
		for _, path := range []string{"/key/generate", "/key/service-account/generate"} {
			w.call(evil, "POST", path, map[string]any{"team_id": team, "organization_id": "A"}).refused(400, "")
		}
		key := w.key(map[string]any{"team_id": team, "organization_id": "A"})
		for _, path := range []string{"/key/update", "/key/block", "/key/delete", "/key/" + key + "/regenerate"} {
			body := map[string]any{"key": key, "max_budget": 5}
			if path == "/key/delete" {
				body = map[string]any{"keys": []string{key}}
			}
			if r := w.call(evil, "POST", path, body); r.Status != 401 && r.Status != 403 {
				t.Errorf("%s of a key of %s: %d %s", path, team, r.Status, r.Raw)
			}
		}
	}
	w.call(evil, "POST", "/key/generate", `{"team_id":"of A","organization_id":"A"}`).ok()
	w.call(evil, "POST", "/key/generate", `{"team_id":"of A","organization_id":"B"}`).refused(400, "organization_id=B is not the organization of the team=of A")
	w.call(evil, "POST", "/team/new", `{"team_id":"litellm-dashboard","organization_id":"A"}`).refused(400, "Team id = litellm-dashboard is reserved")
}

// A member who is taken out of a team, or of an organisation, keeps no key that spends its money.
func TestKeysOfMembersWhoLeave(t *testing.T) {
	w := newWorld(t)
	w.admin("POST", "/user/new", `{"user_id":"m"}`)
	w.admin("POST", "/organization/new", `{"organization_id":"o","organization_alias":"O"}`)
	w.admin("POST", "/organization/member_add", `{"organization_id":"o","member":{"role":"internal_user","user_id":"m"}}`)
	w.admin("POST", "/team/new", `{"team_id":"t","members_with_roles":[{"role":"user","user_id":"m"}]}`)
	ofTeam, ofOrg, own := w.key(map[string]any{"team_id": "t", "user_id": "m"}), w.key(map[string]any{"organization_id": "o", "user_id": "m"}), w.key(map[string]any{"user_id": "m"})
	service := w.key(map[string]any{"team_id": "t"})
	w.admin("POST", "/team/member_delete", `{"team_id":"t","user_id":"m"}`)
	w.call(ofTeam, "GET", "/key/info", nil).refused(401, "Invalid proxy server token")
	w.call(ofOrg, "GET", "/key/info", nil).ok()
	w.admin("DELETE", "/organization/member_delete", `{"organization_id":"o","user_id":"m"}`)
	w.call(ofOrg, "GET", "/key/info", nil).refused(401, "Invalid proxy server token")
	w.call(own, "GET", "/key/info", nil).ok()
	w.call(service, "GET", "/key/info", nil).ok()
	if got := w.admin("GET", "/key/list?status=deleted&user_id=m", nil); got["total_count"] != 2.0 {
		t.Errorf("deleted: %v", got)
	}
}

// A spend that is sent back as it was read sets nothing: calls may have been booked since.
func TestEchoOfSpendSetsNothing(t *testing.T) {
	w := newWorld(t)
	owner := w.person("u", account.InternalUser)
	key := w.key(map[string]any{"user_id": "u"})
	scope, userScope := account.KeyScope(account.HashKey(key)), account.UserScope("u")
	exact := 12345*money.Dollar + 678_901_234_567 // has no double
	w.spend(exact, scope, userScope)
	for _, who := range []string{owner, w.master} {
		w.call(who, "POST", "/key/update", map[string]any{"key": key, "spend": exact.Float64(), "rpm_limit": 5}).ok()
		w.call(who, "POST", "/user/update", map[string]any{"user_id": "u", "spend": exact.Float64()}).ok()
	}
	counters, err := w.store.Spend(t.Context(), scope, userScope)
	if err != nil || counters[scope].Spent != exact || counters[userScope].Spent != exact {
		t.Errorf("%v %v", counters, err)
	}
	w.call(owner, "POST", "/key/update", map[string]any{"key": key, "spend": 1}).refused(403, "You are not allowed to change spend")
	w.call(owner, "POST", "/user/update", `{"user_id":"u","spend":1}`).refused(403, "You are not allowed to change spend")
	if r := w.call(w.master, "GET", "/audit?object_id="+account.HashKey(key), nil); strings.Contains(string(r.Raw), `"spend"`) {
		t.Errorf("audit: %s", r.Raw)
	}
}

// Ids that no store can index are refused where they are made, lest each call of theirs fails.
func TestLongIDs(t *testing.T) {
	w := newWorld(t)
	long := strings.Repeat("x", 2049)
	for path, body := range map[string]map[string]any{
		"/user/new": {"user_id": long}, "/team/new": {"team_id": long}, "/customer/new": {"user_id": long}, "/organization/new": {"organization_id": long, "organization_alias": "o"},
		"/budget/new": {"budget_id": long}, "/tag/new": {"name": long},
	} {
		w.call(w.master, "POST", path, body).refused(400, "is longer than 2048 bytes")
	}
	w.admin("POST", "/team/new", `{"team_id":"t"}`)
	w.call(w.master, "POST", "/team/member_add", map[string]any{"team_id": "t", "member": map[string]any{"role": "user", "user_id": long}}).refused(400, "is longer than 2048 bytes")
}

// What a key's calls must have in their bodies is a field of its own, which its owner does not take away.
func TestEnforcedParams(t *testing.T) {
	w := newWorld(t)
	owner := w.person("u", account.InternalUser)
	key := w.key(map[string]any{"user_id": "u", "enforced_params": []string{"user", "metadata.run"}})
	if got := path(w.info(key), "metadata.enforced_params"); len(got.([]any)) != 2 {
		t.Errorf("%v", got)
	}
	w.call(owner, "POST", "/key/update", map[string]any{"key": key, "enforced_params": []string{}}).refused(403, "enforced_params")
	w.call(owner, "POST", "/key/update", map[string]any{"key": key, "metadata": map[string]any{"x": 1}}).ok()
	if got := path(w.info(key), "metadata.enforced_params"); len(got.([]any)) != 2 {
		t.Errorf("a new metadata has taken them away: %v", got)
	}
	w.admin("POST", "/key/update", map[string]any{"key": key, "enforced_params": []string{}})
	if got := path(w.info(key), "metadata.enforced_params"); got != nil {
		t.Errorf("%v", got)
	}
	w.call(w.master, "POST", "/key/generate", `{"metadata":{"enforced_params":5}}`).refused(422, "enforced_params")
}
