package admin

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
)

// This file is the one place that says who may write which field of which object. A handler builds the object that the request
// asks for, and mayWrite compares it with what was there: a field that is sent again unchanged is no change (BerriAI/litellm
// #33277), and one that differs must be in the table for the caller's relation to the object.

// relation is what a caller is to an object. A caller may be several things at once.
type relation uint

// The relations.
const (
	asAdmin     relation = 1 << iota // A: proxy admin
	asOrgAdmin                       // O: admin of the organisation that the object belongs to
	asTeamAdmin                      // T: admin of the team that the object belongs to, or is
	asMember                         // M: member of a key's team, which grants its members what is being done
	asOwner                          // U: the user that a key without a team belongs to, or that the user is
	asTeamOwner                      // W: the user that a team's key belongs to, where the team grants nothing
)

// letters are the relations as the tables write them, in the order of their bits.
const letters = "AOTMUW"

// relations reads the letters of a table.
func relations(text string) relation {
	var r relation
	for _, l := range text {
		if i := strings.IndexRune(letters, l); i >= 0 {
			r |= 1 << i
		}
	}
	return r
}

// right says which relations may write a field when an object is made, and when it is changed.
type right struct {
	field          string
	create, update string
}

// Fields of metadata stand in these tables by their own names: LiteLLM folds them into metadata, where they would else be
// written by everybody who may write metadata. foldedFields has them all.

// keyRights are the fields of a key. What an owner, a member or a team admin writes is besides bounded by the user and the team
// (bounds.go): a key never reaches beyond them.
var keyRights = []right{
	{"key_alias", "AOTMU", "AOTMUW"},
	{"duration", "AOTMU", "AOTMU"},
	{"models", "AOTMU", "AOTMU"},
	{"aliases", "AOTMU", "AOTMU"},
	{"spend", "A", "A"},
	{"max_budget", "AOTMU", "AOTMU"},
	{"soft_budget", "AOTMU", "AOTMU"},
	{"budget_duration", "AOTMU", "AOTMU"},
	{"budget_limits", "AOTMU", "AOTMU"},
	{"model_max_budget", "AOTMU", "AOTMU"},
	{"budget_id", "A", "A"},
	{"user_id", "AOTMU", "AOT"},
	{"team_id", "AOTMU", "AOT"},
	{"organization_id", "AO", "AO"},
	{"max_parallel_requests", "AOTMU", "AOTMU"},
	{"tpm_limit", "AOTMU", "AOTMU"},
	{"rpm_limit", "AOTMU", "AOTMU"},
	{"model_tpm_limit", "AOTMU", "AOTMU"},
	{"model_rpm_limit", "AOTMU", "AOTMU"},
	{"tpm_limit_type", "AOT", "AOT"},
	{"rpm_limit_type", "AOT", "AOT"},
	{"blocked", "AOT", "AOT"},
	{"metadata", "AOTMU", "AOTMUW"},
	{"tags", "AOTMU", "AOT"},
	{"guardrails", "AOTMU", "AO"},
	{"logging", "AOT", "AOT"},
	{"callback_settings", "A", "A"},
	{"allow_client_tags", "AOT", "AOT"},
	{"enforced_params", "AOT", "AOT"},
	{"service_account_id", "AOTM", "A"},
	{"temp_budget_increase", "AOT", "AOT"},
	{"temp_budget_expiry", "AOT", "AOT"},
	{"allowed_routes", "AOTMU", "AOTMU"},
	{"allowed_cache_controls", "AOTMU", "AOTMU"},
	{"access_group_ids", "AOT", "AOT"},
	{"auto_rotate", "AOTMU", "AOTMUW"},
	{"rotation_interval", "AOTMU", "AOTMUW"},
}

// teamRights are the fields of a team. A team admin runs the team and cannot widen it.
var teamRights = []right{
	{"team_alias", "AO", "AOT"},
	{"organization_id", "AO", "AO"},
	{"members_with_roles", "AO", "AOT"},
	{"metadata", "AO", "AOT"},
	{"tags", "AO", "AO"},
	{"guardrails", "AO", "AO"},
	{"logging", "AO", "AO"},
	{"callback_settings", "AO", "AO"},
	{"models", "AO", "AO"},
	{"model_aliases", "AO", "AO"},
	{"max_budget", "AO", "AO"},
	{"soft_budget", "AO", "AOT"},
	{"budget_duration", "AO", "AO"},
	{"budget_limits", "AO", "AO"},
	{"model_max_budget", "AO", "AO"},
	{"max_parallel_requests", "AO", "AO"},
	{"tpm_limit", "AO", "AO"},
	{"rpm_limit", "AO", "AO"},
	{"model_tpm_limit", "AO", "AO"},
	{"model_rpm_limit", "AO", "AO"},
	{"tpm_limit_type", "AO", "AO"},
	{"rpm_limit_type", "AO", "AO"},
	{"blocked", "AO", "AO"},
	{"access_group_ids", "AO", "AO"},
	{"team_member_permissions", "AO", "AOT"},
	{"default_team_member_models", "AO", "AOT"},
	{"team_member_budget", "AO", "AOT"},
	{"team_member_budget_id", "A", "A"},
	{"team_member_key_duration", "AO", "AOT"},
}

// Who may do a thing that is not the writing of a field.
var (
	mayDeleteKey     = relations("AOTMUW")
	mayRegenerateKey = relations("AOTMUW")
	mayBlockKey      = relations("AOTM")
	mayResetKey      = relations("AOTM")
	maySeeKey        = relations("AOTMUW")
	mayDeleteTeam    = relations("AO")
	mayBlockTeam     = relations("AO")
	mayManageMembers = relations("AOT")
)

// foldedFields are the fields that LiteLLM keeps in metadata though they are fields of their own.
var foldedFields = []string{
	"tags", "guardrails", "model_rpm_limit", "model_tpm_limit", "rpm_limit_type", "tpm_limit_type", "temp_budget_increase", "temp_budget_expiry",
	"team_member_budget_id", "team_member_key_duration", "service_account_id", "logging", "callback_settings", "allow_client_tags",
	"enforced_params",
}

// columnFields name the fields that write a column of another name.
var columnFields = map[string]string{"expires": "duration"}

// computed are columns that nobody writes: the gateway computes them, or they mean nothing here (unserved.go).
var computed = []string{
	"token", "key_id", "key_name", "budget_reset_at", "last_active", "rotation_count", "last_rotation_at", "key_rotation_at", "config", "permissions",
	"policies", "admins", "members", "created_at", "created_by", "updated_at", "updated_by", "project_id", "agent_id", "router_settings", "object_permission_id",
}

// changed lists the fields in which two objects differ, sorted.
func changed(before, after account.Object) []string {
	was, is := flat(before), flat(after)
	var names []string
	for name, raw := range is {
		if !same(raw, was[name]) {
			names = append(names, name)
		}
	}
	for name, raw := range was {
		if _, still := is[name]; !still && !same(raw, nil) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// flat is the document of an object by its fields, the folded ones taken out of metadata.
func flat(o account.Object) map[string]json.RawMessage {
	fields := map[string]json.RawMessage{}
	for name, raw := range split(document(o)) {
		if name == "team_id" && o.Kind() == account.Teams || slices.Contains(computed, name) {
			continue
		}
		if as, ok := columnFields[name]; ok {
			name = as
		}
		fields[name] = raw
	}
	metadata := split(account.JSON(fields["metadata"]))
	for _, name := range foldedFields {
		if raw, ok := metadata[name]; ok {
			fields[name] = raw
			delete(metadata, name)
		}
	}
	fields["metadata"] = json.RawMessage(join(metadata))
	return fields
}

// same compares two values; null, "", [], {} and nothing at all are the same.
func same(a, b json.RawMessage) bool {
	if bytes.Equal(a, b) {
		return true
	}
	return hollow(a) && hollow(b)
}

func hollow(raw json.RawMessage) bool {
	switch string(raw) {
	case "", "null", `""`, "[]", "{}":
		return true
	}
	return false
}

// mayWrite refuses a change of an object when one of the fields that differ is not the caller's to write. before is nil for an
// object that is being made. beside names fields that are written besides the object's own: its spend, what it refers to.
func mayWrite(who *caller, rel relation, rights []right, before, after account.Object, beside ...string) *apierr.Error {
	making := before == nil
	if making {
		before = blank(after)
	}
	for _, name := range append(changed(before, after), beside...) {
		if err := mayWriteField(who, rel, rights, making, name); err != nil {
			return err
		}
	}
	return nil
}

func mayWriteField(who *caller, rel relation, rights []right, making bool, name string) *apierr.Error {
	i := slices.IndexFunc(rights, func(r right) bool { return r.field == name })
	allowed := asAdmin
	if i >= 0 && making {
		allowed = relations(rights[i].create)
	} else if i >= 0 {
		allowed = relations(rights[i].update)
	}
	if rel&allowed != 0 {
		return nil
	}
	verb := "change"
	if making {
		verb = "set"
	}
	return named(name, forbidden("You are not allowed to %s %s. Your role=%s", verb, name, who.role))
}

// blank is a new object of the same kind.
func blank(o account.Object) account.Object {
	switch o.(type) {
	case *account.Team:
		return &account.Team{}
	case *account.Key:
		return &account.Key{}
	case *account.User:
		return &account.User{}
	}
	panic(fmt.Sprintf("admin: objects of kind %s have no table of rights", o.Kind()))
}
