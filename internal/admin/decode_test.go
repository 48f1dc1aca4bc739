package admin_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"tollgate/internal/access"
	"tollgate/internal/account"
	"tollgate/internal/admin"
)

// Whatever comes as a request, the answer is JSON in our envelope, and nothing breaks: without a database every call that can be
// read ends with "no database".
func FuzzRequests(f *testing.F) {
	for _, s := range []string{
		`{}`, `null`, ``, `[]`, `{"models":["a"],"max_budget":"1e400","metadata":{"tags":[1]}}`, `{"budget_limits":[{"max_budget":{}}]}`, `{"key":"sk-\u0000"}`,
		`{"duration":"99999999999999999999d","budget_duration":"0d"}`, `{"metadata":{"model_rpm_limit":{"a":1e99}}}`, `{"object_permission":{"mcp_tool_permissions":[]}}`,
	} {
		f.Add(s)
	}
	api := admin.New(admin.Options{Settings: func() *admin.Settings { return &admin.Settings{} }, Log: slog.New(slog.NewTextHandler(io.Discard, nil))})
	routes := slices.DeleteFunc(api.Routes(), func(rt admin.Route) bool {
		return rt.Path != "/key/generate" && rt.Path != "/key/service-account/generate" // the calls that decode before they ask for the database
	})
	f.Fuzz(func(t *testing.T, body string) {
		for _, rt := range routes {
			rec := httptest.NewRecorder()
			rt.Serve(rec, httptest.NewRequestWithContext(t.Context(), rt.Method, rt.Path, strings.NewReader(body)), &access.Identity{Role: account.ProxyAdmin})
			var answer struct {
				Error struct{ Message, Type, Code string }
			}
			if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil || answer.Error.Message == "" || answer.Error.Code == "" {
				t.Fatalf("%s: %v %s", body, err, rec.Body)
			}
			if !slices.Contains([]int{http.StatusBadRequest, http.StatusUnprocessableEntity, http.StatusInternalServerError}, rec.Code) ||
				rec.Code == http.StatusInternalServerError && answer.Error.Type != "no_db_connection" {
				t.Fatalf("%s: %d %s", body, rec.Code, rec.Body)
			}
		}
	})
}

func TestLargeBudgetsStayAsTheyAre(t *testing.T) {
	w := newWorld(t)
	key := w.key(map[string]any{"max_budget": json.Number("123456789012.345678")})
	if r := w.call(w.master, "GET", "/key/info?key="+key, nil); !strings.Contains(string(r.Raw), `"max_budget":123456789012.345678`) {
		t.Errorf("%s", r.Raw)
	}
	w.settings = &admin.Settings{UpperBound: admin.KeyBounds{MaxBudget: "100000000"}}
	w.call(w.master, "POST", "/key/generate", `{"max_budget":100000001}`).
		refused(400, "max_budget is over max limit set in config - user_value=100000001.0; max_value=100000000.0")
}

func TestTheBodyIsBounded(t *testing.T) {
	w := newWorld(t)
	w.api = admin.New(admin.Options{Store: w.store, Reports: w.store, Settings: func() *admin.Settings { return w.settings }, MaxBody: 100})
	w.serve()
	w.call(w.master, "POST", "/key/generate", `{"key_alias":"`+strings.Repeat("a", 200)+`"}`).refused(400, "Request size is too large. Max size is 100 bytes")
}
