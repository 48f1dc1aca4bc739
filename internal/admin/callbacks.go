package admin

import (
	"context"
	"slices"
)

// callbackLists are the callbacks of litellm_settings, by when they are called.
func (a *API) callbackLists(ctx context.Context, c *call) (success, failure, both []string, err error) {
	values, _, err := a.inForce(ctx, c, "litellm_settings")
	names := func(key string) []string {
		out := []string{}
		items, _ := values[key].([]any)
		for _, item := range items {
			if name, ok := item.(string); ok {
				out = append(out, name)
			}
		}
		return out
	}
	success, failure, both = names("success_callback"), names("failure_callback"), names("callbacks")
	return success, failure, both, err
}

// listCallbacks is GET /callbacks/list.
func (a *API) listCallbacks(ctx context.Context, c *call, _ nothing) (any, error) {
	success, failure, both, err := a.callbackLists(ctx, c)
	for _, name := range slices.Clone(success) {
		if slices.Contains(failure, name) {
			both = append(both, name)
		}
	}
	is := func(name string) bool { return slices.Contains(both, name) }
	return row{"success": slices.DeleteFunc(success, is), "failure": slices.DeleteFunc(failure, is), "success_and_failure": both}, err
}

// activeCallbacks is GET /active/callbacks.
func (a *API) activeCallbacks(ctx context.Context, c *call, _ nothing) (any, error) {
	success, failure, both, err := a.callbackLists(ctx, c)
	return row{
		"alerting": nil, "litellm.callbacks": both, "litellm.input_callback": []string{}, "litellm.failure_callback": failure,
		"litellm.success_callback": success, "num_callbacks": len(success) + len(failure) + len(both), "num_alerting": 0,
	}, err
}

// getCallbacks is GET /get/config/callbacks. The variables of a callback are secrets and are not repeated.
func (a *API) getCallbacks(ctx context.Context, c *call, _ nothing) (any, error) {
	success, failure, both, err := a.callbackLists(ctx, c)
	if err != nil {
		return nil, err
	}
	out := []row{}
	for _, kind := range []struct {
		name  string
		names []string
	}{{"success", success}, {"failure", failure}, {"success_and_failure", both}} {
		for _, name := range kind.names {
			out = append(out, row{"name": name, "variables": map[string]any{}, "type": kind.name})
		}
	}
	router, _, err := a.inForce(ctx, c, "router_settings")
	return row{"status": "success", "callbacks": out, "alerts": []any{}, "router_settings": router, "available_callbacks": map[string]any{}}, err
}
