package admin

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"
	"testing/quick"

	"tollgate/internal/account"
)

// Whatever a request says, the key that comes of it can be stored and read back, and has no limit below zero.
func FuzzKeyFields(f *testing.F) {
	for _, s := range []string{
		`{"metadata":{"tags":[1],"x":1e999}}`, `{"budget_duration":"0s","duration":"99999999999999999d"}`, `{"max_budget":1e-300,"soft_budget":"1."}`, `{"tpm_limit":"9223372036854775807"}`,
		`{"aliases":{"a":"\u0000"},"budget_limits":[{"budget_duration":"1h","max_budget":".5"}]}`, `{"auto_rotate":true,"rotation_interval":"1s"}`, `{"object_permission":{"mcp_tool_permissions":[1]}}`,
		`{"model_max_budget":{"a":{"max_budget":1,"budget_duration":"1mo"}}}`,
	} {
		f.Add(s)
	}
	fields := fieldsOf(reflect.TypeFor[keyGenerateRequest](), inBody)
	f.Fuzz(func(t *testing.T, body string) {
		var members map[string]json.RawMessage
		if json.Unmarshal([]byte(body), &members) != nil {
			return
		}
		api := New(Options{Settings: func() *Settings { return &Settings{} }})
		c := api.inside(t.Context(), api.now())
		var in keyGenerateRequest
		k := &account.Key{}
		if c.decodeMembers(reflect.ValueOf(&in).Elem(), fields, members) != nil || in.apply(c, k) != nil {
			return
		}
		back := copyOf(k) // panics on what cannot be read
		if left := changed(k, back); len(left) > 0 {
			t.Errorf("%s: %v differ after reading back", body, left)
		}
		if k.MaxBudget.Negative() || k.SoftBudget.Negative() || k.TPMLimit != nil && *k.TPMLimit < 0 {
			t.Errorf("%s: below zero: %s", body, document(k))
		}
		given(&in)
		keyRow(k, account.Counter{})
	})
}

// The tables of rights name every column and folded field, so that a new one is decided on before it can be written.
func TestEveryFieldIsInTheTable(t *testing.T) {
	for _, tt := range []struct {
		o      account.Object
		rights []right
		skip   []string
	}{
		{&account.Key{}, keyRights, []string{"team_member_budget_id", "team_member_key_duration"}},
		{&account.Team{}, teamRights, []string{"temp_budget_increase", "temp_budget_expiry", "service_account_id", "allow_client_tags", "enforced_params"}},
	} {
		names := append(slices.Clone(foldedFields), "metadata")
		for name := range flat(tt.o) {
			names = append(names, name)
		}
		for _, name := range names {
			has := slices.ContainsFunc(tt.rights, func(r right) bool { return r.field == name })
			if !has && !slices.Contains(tt.skip, name) {
				t.Errorf("%s: %s is in no line of the table", tt.o.Kind(), name)
			}
		}
		for _, r := range tt.rights {
			for _, l := range r.create + r.update {
				if relations(string(l)) == 0 {
					t.Errorf("%s: letter %c means nothing", r.field, l)
				}
			}
		}
	}
}

func TestHoldsNUL(t *testing.T) {
	for text, want := range map[string]bool{`"\u0000"`: true, `"a\\u0000"`: false, `"\\\u0000"`: true, `"\\u0000\u0000"`: true, `"0000"`: false} {
		if got := holdsNUL(json.RawMessage(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	agrees := func(s string) bool {
		text, _ := json.Marshal(s)
		return holdsNUL(text) == slices.Contains([]byte(s), 0)
	}
	if err := quick.Check(agrees, nil); err != nil {
		t.Error(err)
	}
}
