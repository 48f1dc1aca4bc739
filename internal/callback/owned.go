package callback

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"tollgate/internal/record"
)

// The values of OwnCallback.On (LiteLLM's callback_type).
const (
	onSuccess = "success"
	onFailure = "failure"
	onBoth    = "success_and_failure"
)

// Owned are the callbacks that the metadata of a key or a team name: logging, a list of {callback_name, callback_type,
// callback_vars}, else callback_settings as LiteLLM writes it for teams. ref says whose metadata it is: "key:<hash>" or
// "team:<id>".
//
// Keys and teams may be managed by people who may not see the gateway's environment, so a reference counts only where
// it can tell nobody anything: NAME begins as the variables of that callback do, and callback_vars name no host of their
// own that the value would be sent to.
func Owned(metadata map[string]any, ref string, values Vars) []record.OwnCallback {
	if list, ok := metadata["logging"].([]any); ok {
		var own []record.OwnCallback
		for _, item := range list {
			entry, _ := item.(map[string]any)
			name, _ := entry["callback_name"].(string)
			if name == "" {
				continue
			}
			on, _ := entry["callback_type"].(string)
			vars, _ := entry["callback_vars"].(map[string]any)
			own = append(own, record.OwnCallback{Ref: ref, Name: name, On: on, Vars: values.read(vars)})
		}
		return own
	}
	settings, _ := metadata["callback_settings"].(map[string]any)
	vars, _ := settings["callback_vars"].(map[string]any)
	return byLists(settings, ref, values.read(vars))
}

// byLists are the callbacks of success_callback and failure_callback, which share their variables.
func byLists(settings map[string]any, ref string, vars map[string]string) []record.OwnCallback {
	var own []record.OwnCallback
	success, failure := texts(settings["success_callback"]), texts(settings["failure_callback"])
	for _, name := range success {
		on := onSuccess
		if slices.Contains(failure, name) {
			on = onBoth
		}
		own = append(own, record.OwnCallback{Ref: ref, Name: name, On: on, Vars: vars})
	}
	for _, name := range failure {
		if !slices.Contains(success, name) {
			own = append(own, record.OwnCallback{Ref: ref, Name: name, On: onFailure, Vars: vars})
		}
	}
	return own
}

// SwitchedOff reports whether a team's metadata says that no callback hears of its calls (POST
// /team/{team_id}/disable_logging).
func SwitchedOff(metadata map[string]any) bool {
	settings, ok := metadata["callback_settings"].(map[string]any)
	if !ok {
		return false
	}
	_, hasSuccess := settings["success_callback"]
	_, hasFailure := settings["failure_callback"]
	return hasSuccess && hasFailure && len(texts(settings["success_callback"])) == 0 && len(texts(settings["failure_callback"])) == 0
}

// Disabled are the callbacks that the metadata of a key switch off (litellm_disabled_callbacks).
func Disabled(metadata map[string]any) []string { return texts(metadata["litellm_disabled_callbacks"]) }

// TeamDefaults are the callbacks that the operator's default_team_settings give to teams: a list of objects with team_id,
// success_callback, failure_callback and the variables of the callbacks. getenv resolves os.environ/NAME.
func TeamDefaults(value any, getenv func(string) string) (map[string][]record.OwnCallback, error) {
	if value == nil {
		return nil, nil
	}
	list, ok := value.([]any)
	if !ok {
		return nil, fmt.Errorf("must be a list of objects with team_id")
	}
	teams := map[string][]record.OwnCallback{}
	for i, item := range list {
		entry, _ := item.(map[string]any)
		team, _ := entry["team_id"].(string)
		if team == "" {
			return nil, fmt.Errorf("item %d needs a team_id", i+1)
		}
		vars := map[string]string{}
		for name, v := range entry {
			if text, ok := asText(v); ok && name != "team_id" {
				if variable, is := strings.CutPrefix(text, "os.environ/"); is && getenv != nil {
					text = getenv(variable)
				}
				vars[name] = text
			}
		}
		teams[team] = byLists(entry, "team:"+team, vars)
	}
	return teams, nil
}

// NamesAddress reports whether a variable of callback_vars says where events go to. It goes by the endings that the names of
// all callbacks have in common, so that one that a callback learns to read is not forgotten here.
func NamesAddress(name string) bool {
	for _, ending := range [...]string{"_host", "_port", "_url", "_base", "_endpoint", "_site"} {
		if strings.HasSuffix(name, ending) {
			return true
		}
	}
	return false
}

// Confidential reports whether a value of callback_vars is one that is stored sealed: not an address, a reference, nor a
// switch.
func Confidential(name, text string) bool {
	return !NamesAddress(name) && !strings.HasPrefix(text, "os.environ/") && name != "turn_off_message_logging" && name != "litellm_disabled_callbacks"
}

// Destination tells where callback_vars say that events go to, "" where they say nothing.
func Destination(values map[string]any) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if text, _ := asText(values[name]); text != "" && NamesAddress(name) {
			b.WriteString(name + "=" + text + ";")
		}
	}
	return b.String()
}

// Vars is how the values of callback_vars are read.
type Vars struct {
	Getenv func(name string) string // resolves os.environ/NAME; nil = none is resolved
	// Open gives the text of a value that is stored sealed, and any other as it is; nil = none is sealed.
	Open func(destination, text string) (string, error)
}

func (v Vars) read(values map[string]any) map[string]string {
	destination := Destination(values)
	vars := make(map[string]string, len(values))
	for name, value := range values {
		text, ok := asText(value)
		if !ok {
			continue
		}
		if variable, is := strings.CutPrefix(text, "os.environ/"); is {
			text = ""
			if prefix, _, _ := strings.Cut(name, "_"); v.Getenv != nil && destination == "" && strings.HasPrefix(variable, strings.ToUpper(prefix)+"_") {
				text = v.Getenv(variable)
			}
		} else if v.Open != nil && !NamesAddress(name) {
			var err error
			if text, err = v.Open(destination, text); err != nil {
				continue // the account cannot be opened without it, which is counted and logged
			}
		}
		vars[name] = text
	}
	return vars
}

// asText is a value of callback_vars as a text; false for lists and objects.
func asText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	case fmt.Stringer: // json.Number
		return v.String(), true
	}
	return "", false
}

// texts are the texts of a list, or one text.
func texts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []string:
		return v
	case []any:
		var list []string
		for _, item := range v {
			if s, ok := item.(string); ok {
				list = append(list, s)
			}
		}
		return list
	}
	return nil
}
