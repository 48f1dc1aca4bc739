package cli

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"tollgate/internal/account"
	"tollgate/internal/client"
)

// fieldKind is how the text of an option becomes a value of JSON.
type fieldKind int

const (
	textField   fieldKind = iota
	listField             // separated by commas
	numberField           // whole
	amountField           // dollars, exact
	jsonField
)

// fieldFlag is an option that sets a field of a request.
type fieldFlag struct {
	flag, field string
	kind        fieldKind
	usage       string
}

// limitFlags are the options for the limits that keys, teams, users and budgets share.
var limitFlags = []fieldFlag{
	{"max-budget", "max_budget", amountField, "dollars that may be spent in each period"},
	{"budget-duration", "budget_duration", textField, "the period of the budget: 1d, 7d, 30d, 1mo ..."},
	{"rpm", "rpm_limit", numberField, "requests per minute"},
	{"tpm", "tpm_limit", numberField, "tokens per minute"},
	{"max-parallel", "max_parallel_requests", numberField, "calls at once"},
}

const setUsage = "another field of the request, as name=value with the value in JSON or as text; may be given again"

// addFieldFlags adds the options, and --set for every other field.
func addFieldFlags(f *pflag.FlagSet, list ...[]fieldFlag) {
	for _, flags := range list {
		for _, flag := range flags {
			f.String(flag.flag, "", flag.usage)
		}
	}
	f.StringArray("set", nil, setUsage)
}

// readFields makes the fields of a request of the options that were given, and of nothing else.
func readFields(f *pflag.FlagSet, list ...[]fieldFlag) (client.Fields, error) {
	fields := client.Fields{}
	for _, flags := range list {
		for _, flag := range flags {
			given := f.Lookup(flag.flag)
			if !given.Changed {
				continue
			}
			value, err := flag.value(given.Value.String())
			if err != nil {
				return nil, err
			}
			fields[flag.field] = value
		}
	}
	set, err := f.GetStringArray("set")
	if err != nil {
		return nil, err
	}
	return fields, readPairs(fields, "set", set)
}

// taken are the fields of a request that an update can take away, by the word none.
var taken = []string{"max_budget", "soft_budget", "budget_duration", "budget_id", "rpm_limit", "tpm_limit", "max_parallel_requests", "duration"}

// noneUsage tells of it in the help of updates.
const noneUsage = "none takes a limit away: --max-budget none"

// readChanges makes the fields of an update: as readFields, and the names of those that the word none takes away.
func readChanges(f *pflag.FlagSet, list ...[]fieldFlag) (fields client.Fields, gone []string, err error) {
	var left [][]fieldFlag
	for _, flags := range list {
		left = append(left, slices.DeleteFunc(slices.Clone(flags), func(flag fieldFlag) bool {
			given := f.Lookup(flag.flag)
			away := given.Changed && given.Value.String() == "none" && slices.Contains(taken, flag.field)
			if away {
				gone = append(gone, flag.field)
			}
			return away
		}))
	}
	fields, err = readFields(f, left...)
	return fields, gone, err
}

// readUpdate is readChanges for requests that name the fields to be taken away in unset.
func readUpdate(f *pflag.FlagSet, list ...[]fieldFlag) (client.Fields, error) {
	fields, gone, err := readChanges(f, list...)
	if err == nil && len(gone) > 0 {
		fields["unset"] = gone
	}
	return fields, err
}

func (f fieldFlag) value(text string) (any, error) {
	switch f.kind {
	case listField:
		list := []string{}
		for part := range strings.SplitSeq(text, ",") {
			if part = strings.TrimSpace(part); part != "" {
				list = append(list, part)
			}
		}
		return list, nil
	case numberField:
		if strings.Trim(text, "0123456789") != "" || text == "" {
			return nil, usagef("--%s %q is not a whole number", f.flag, text)
		}
		return json.Number(text), nil
	case amountField:
		amount, err := account.ParseAmount(text)
		if err != nil || amount.None() || amount.Negative() {
			return nil, usagef("--%s %q is not an amount of dollars", f.flag, text)
		}
		return amount, nil
	case jsonField:
		if !json.Valid([]byte(text)) {
			return nil, usagef("--%s %q is not JSON", f.flag, text)
		}
		return json.RawMessage(text), nil
	}
	return text, nil
}

// readPairs puts pairs of name=value into fields. A value is JSON where it can be read so, else text.
func readPairs(fields client.Fields, flag string, pairs []string) error {
	for _, pair := range pairs {
		name, text, found := strings.Cut(pair, "=")
		switch {
		case !found || name == "":
			return usagef("--%s %s: write it as name=value", flag, pair)
		case json.Valid([]byte(text)):
			fields[name] = json.RawMessage(text)
		default:
			fields[name] = text
		}
	}
	return nil
}
