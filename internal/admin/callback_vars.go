package admin

import (
	"fmt"
	"slices"

	"tollgate/internal/account"
	"tollgate/internal/apierr"
	"tollgate/internal/callback"
	"tollgate/internal/seal"
)

// Keys and teams may have accounts of their own with callbacks: metadata.logging, a list of {callback_name, callback_type,
// callback_vars}, or metadata.callback_settings, {success_callback, failure_callback, callback_vars}. The variables are
// stored sealed.

// callbackTypes are the values of callback_type.
var callbackTypes = []string{"", "success", "failure", "success_and_failure"}

// checkLogging checks metadata.logging and seals its variables in place.
func (c *call) checkLogging(v any) *apierr.Error {
	if v == nil {
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		return named("logging", badRequest("logging must be a list of objects with callback_name, callback_type and callback_vars"))
	}
	for i, e := range list {
		entry, ok := e.(map[string]any)
		name, _ := entry["callback_name"].(string)
		if !ok || name == "" {
			return named("logging", badRequest("logging[%d] needs a callback_name, such as langfuse", i))
		}
		on, isText := entry["callback_type"].(string)
		if entry["callback_type"] != nil && !isText || !slices.Contains(callbackTypes, on) {
			return named("logging", badRequest("logging[%d].callback_type must be success, failure or success_and_failure", i))
		}
		if err := c.sealVars(fmt.Sprintf("logging[%d].callback_vars", i), entry["callback_vars"]); err != nil {
			return err
		}
	}
	return nil
}

// checkCallbackSettings checks metadata.callback_settings and seals its variables in place.
func (c *call) checkCallbackSettings(v any) *apierr.Error {
	if v == nil {
		return nil
	}
	settings, ok := v.(map[string]any)
	if !ok {
		return named("callback_settings", badRequest("callback_settings must be an object with success_callback, failure_callback and callback_vars"))
	}
	return c.sealVars("callback_settings.callback_vars", settings["callback_vars"])
}

// sealVars seals the variables of a callback in place: texts, but for references to the environment, what is sealed already and
// addresses, for which the rest is sealed.
func (c *call) sealVars(where string, v any) *apierr.Error {
	if v == nil {
		return nil
	}
	vars, ok := v.(map[string]any)
	if !ok {
		return named("callback_vars", badRequest("%s must be an object of texts", where))
	}
	purpose := seal.CallbackVars(callback.Destination(vars))
	for name, value := range vars {
		text, isText := value.(string)
		switch {
		case value == nil, isText && text == "":
			continue
		case !isText:
			switch value.(type) {
			case map[string]any, []any:
				return named("callback_vars", badRequest("%s.%s must be a text", where, name))
			}
			continue
		case !callback.Confidential(name, text):
			continue
		case c.api.opts.Sealer == nil:
			return c.noSealer()
		}
		switch _, err := c.api.opts.Sealer.Open(purpose, text); {
		case err == nil: // an echo
			continue
		case seal.IsSealed(text):
			return named("callback_vars", badRequest("%s.%s was sealed for another address: give the value itself", where, name))
		}
		sealed, err := c.api.opts.Sealer.Seal(purpose, text)
		if err != nil {
			return named("callback_vars", badRequest("%s.%s cannot be stored: %v", where, name, err))
		}
		vars[name] = sealed
	}
	return nil
}

// teamLogging is metadata.callback_settings of a team, of a shape that may be written to.
func teamLogging(t *account.Team) (success, failure []string, vars map[string]any) {
	settings, _ := t.Metadata["callback_settings"].(map[string]any)
	vars, _ = settings["callback_vars"].(map[string]any)
	return listOf(settings["success_callback"]), listOf(settings["failure_callback"]), vars
}

func listOf(v any) []string {
	list := []string{}
	switch v := v.(type) {
	case []string:
		list = append(list, v...)
	case []any:
		for _, e := range v {
			if s, ok := e.(string); ok {
				list = append(list, s)
			}
		}
	}
	return list
}
