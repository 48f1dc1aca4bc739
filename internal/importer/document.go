package importer

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"time"

	"tollgate/internal/account"
	"tollgate/internal/money"
)

// document is a row of one of LiteLLM's tables: its columns as PostgreSQL writes them in JSON.
type document map[string]json.RawMessage

// text is a column of text; "" where it is null or not there.
func (d document) text(column string) string {
	var s string
	_ = json.Unmarshal(d[column], &s) // what is no text reads as none
	return s
}

// spent is a column of money.
func (d document) spent(column string) money.USD {
	var a account.Amount
	_ = json.Unmarshal(d[column], &a) // a number or null: NaN has no JSON form
	return a.USD()
}

// rename gives a column another name.
func (d document) rename(from, to string) {
	if v, ok := d[from]; ok {
		d[to] = v
		delete(d, from)
	}
}

// into reads the columns into the fields of an object that have their names.
func (d document) into(o any) error {
	v := reflect.ValueOf(o).Elem()
	for _, f := range reflect.VisibleFields(v.Type()) {
		raw, ok := d[nameOf(f)]
		if !ok || f.Anonymous {
			continue
		}
		fitted := fit(f.Type, raw)
		if fitted == nil {
			continue
		}
		if err := json.Unmarshal(fitted, v.FieldByIndex(f.Index).Addr().Interface()); err != nil {
			return fmt.Errorf("%s: %w", nameOf(f), err)
		}
	}
	return nil
}

// without are the columns that say something and that the object has no field for.
func (d document) without(o account.Object, elsewhere []string) []string {
	known := map[string]bool{}
	for _, f := range reflect.VisibleFields(reflect.TypeOf(o).Elem()) {
		known[nameOf(f)] = true
	}
	for _, name := range elsewhere {
		known[name] = true
	}
	var names []string
	for name, raw := range d {
		if !known[name] && !empty(raw) {
			names = append(names, name)
		}
	}
	return names
}

// nameOf is the JSON name of a field.
func nameOf(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// blank is an object of the same kind without anything in it.
func blank(o account.Object) account.Object {
	return reflect.New(reflect.TypeOf(o).Elem()).Interface().(account.Object)
}

// empty reports whether a value says nothing.
func empty(raw json.RawMessage) bool {
	switch string(bytes.TrimSpace(raw)) {
	case "", "null", `""`, "{}", "[]", "0", "0.0", "false", `"{}"`, `"[]"`:
		return true
	}
	return false
}

// fit turns a value of LiteLLM's into what a field of the type is read from; nil leaves the field as it is.
func fit(t reflect.Type, raw json.RawMessage) json.RawMessage {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == reflect.TypeFor[time.Time]():
		return moment(raw)
	case t == reflect.TypeFor[account.Amount]():
		return raw
	case t == reflect.TypeFor[[]account.Window]():
		return windows(collection(t, unwrap(raw)))
	case t == reflect.TypeFor[map[string]account.ModelBudget]():
		return modelBudgets(unwrap(raw))
	case t.Kind() == reflect.String && raw[0] != '"':
		text, _ := json.Marshal(string(raw)) // a string always has a JSON form
		return text
	case t == reflect.TypeFor[account.JSON](), t.Kind() == reflect.Map, t.Kind() == reflect.Slice:
		return collection(t, unwrap(raw))
	}
	return raw
}

// unwrap is the JSON in a text: some versions of LiteLLM stored an object as the text of it.
func unwrap(raw json.RawMessage) json.RawMessage {
	var text string
	if json.Unmarshal(raw, &text) == nil && json.Valid([]byte(text)) {
		return json.RawMessage(text)
	}
	return raw
}

// collection leaves out an empty list in the place of an object, and the other way round, which are LiteLLM's defaults
// of some columns.
func collection(t reflect.Type, raw json.RawMessage) json.RawMessage {
	list := t.Kind() == reflect.Slice && t != reflect.TypeFor[account.JSON]()
	if s := string(raw); s == "{}" && list || s == "[]" && t.Kind() == reflect.Map {
		return nil
	}
	return raw
}

// moment is a time stamp without a zone, which is UTC, with it.
func moment(raw json.RawMessage) json.RawMessage {
	text := strings.Trim(string(raw), `"`)
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if at, err := time.Parse(form, text); err == nil {
			out, _ := at.UTC().MarshalJSON() // of a year with four digits
			return out
		}
	}
	return raw // its error says what it is
}

// windows are the budgets of an object with the moments of their ends as they are read here.
func windows(raw json.RawMessage) json.RawMessage {
	var list []map[string]json.RawMessage
	if raw == nil || json.Unmarshal(raw, &list) != nil {
		return raw
	}
	for _, w := range list {
		if at, ok := w["reset_at"]; ok && !empty(at) {
			w["reset_at"] = moment(at)
		}
	}
	out, _ := json.Marshal(list) // it was JSON before
	return out
}

// modelBudgets folds the two spellings of a model's budget into one. A bare number is the budget.
func modelBudgets(raw json.RawMessage) json.RawMessage {
	var models map[string]json.RawMessage
	if json.Unmarshal(raw, &models) != nil {
		return nil
	}
	folded := make(map[string]account.ModelBudget, len(models))
	for name, value := range models {
		var m struct {
			BudgetLimit    account.Amount `json:"budget_limit"`
			MaxBudget      account.Amount `json:"max_budget"`
			TimePeriod     string         `json:"time_period"`
			BudgetDuration string         `json:"budget_duration"`
		}
		if json.Unmarshal(value, &m) != nil && json.Unmarshal(value, &m.BudgetLimit) != nil {
			continue
		}
		b := account.ModelBudget{BudgetLimit: m.BudgetLimit, TimePeriod: m.TimePeriod}
		if b.BudgetLimit.None() {
			b.BudgetLimit = m.MaxBudget
		}
		if b.TimePeriod == "" {
			b.TimePeriod = m.BudgetDuration
		}
		folded[name] = b
	}
	out, _ := json.Marshal(folded) // it is JSON's own
	return out
}

// dollars reads an amount that PostgreSQL has written; what is no amount (NaN) is none.
func dollars(text string) (money.USD, bool) {
	usd, err := money.ParseRounded(text)
	return usd, err == nil
}
