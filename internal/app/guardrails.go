package app

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"tollgate/internal/config"
	"tollgate/internal/guardrail"
	"tollgate/internal/secret"
	"tollgate/internal/setting"
)

// openGuardrails opens the guardrails of a configuration. One that cannot be opened is an error that the configuration is
// not served with: calls would go unchecked.
func (a *App) openGuardrails(b *built) {
	if a.opts.Integrations.Guardrails != nil {
		b.guardrailKinds = a.opts.Integrations.Guardrails(b.getenv, b.egress, b.lease)
	}
	var list []guardrail.Config
	for i := range b.config.Guardrails {
		if c, ok := a.openGuardrail(b, fmt.Sprintf("guardrails[%d]", i), &b.config.Guardrails[i]); ok {
			list = append(list, c)
		}
	}
	for _, g := range hookGuardrails(b.config) {
		if c, ok := a.openGuardrail(b, g.path, &g.Guardrail); ok {
			list = append(list, c)
		}
	}
	set, err := guardrail.New(list, guardrail.Options{SkipSystem: b.config.Litellm.SkipSystem, Log: a.log})
	if err != nil {
		b.refuseSetting("guardrails", err)
		return
	}
	b.guardrails = set
	known := set.Names()
	for i := range b.config.Models {
		m := &b.config.Models[i]
		for _, name := range m.Params.Guardrails {
			if !slices.Contains(known, name) {
				b.refuseSetting(m.Params.Path()+".guardrails", fmt.Errorf("there is no guardrail %q; there are %s", name, names(known)))
			}
		}
	}
}

func names(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

// openGuardrail opens one entry; false when it could not, which b.found tells.
func (a *App) openGuardrail(b *built, path string, g *config.Guardrail) (guardrail.Config, bool) {
	params := path + ".litellm_params"
	values := g.Params.Values.JSON()
	if values == nil {
		values = map[string]any{}
	}
	settings := setting.New(params, values, b.getenv)
	for _, name := range [...]string{"guardrail", "mode", "default_on"} {
		settings.Any(name)
	}
	mode, ignored, err := guardrail.ParseMode(g.Params.Mode)
	if err != nil {
		b.refuseSetting(params+".mode", err)
		return guardrail.Config{}, false
	}
	for _, m := range ignored {
		b.warnSetting(params+".mode", m+" has no effect: MCP is not served")
	}
	c := guardrail.Config{
		Name: g.Name, Kind: g.Params.Kind, Mode: mode, DefaultOn: g.Params.DefaultOn, Info: g.Info, Params: maskedParams(values),
		Timeout: settings.Seconds("timeout", 0), FailOpen: settings.Choice("unreachable_fallback", "fail_closed", "fail_open") == "fail_open", FailOpenAlways: !settings.Flag("fail_on_error", true),
	}
	if settings.Has("skip_system_message_in_guardrail") {
		c.SkipSystem = new(settings.Flag("skip_system_message_in_guardrail", false))
	}
	if settings.Has("check_tool_definitions") {
		c.Definitions = new(settings.Flag("check_tool_definitions", false))
	}
	open, ok := b.guardrailKinds[g.Params.Kind]
	if !ok {
		b.refuseSetting(params+".guardrail", fmt.Errorf("%s", a.noGuardrail(b, g.Params.Kind)))
		return c, false
	}
	c.Guardrail, err = open(guardrail.Spec{
		Name: g.Name, Kind: g.Params.Kind, Phases: mode.Phases(), Settings: settings, Client: b.egress.HTTPClient(), Log: a.log,
	})
	if err == nil {
		err = settings.Err()
	}
	if err != nil {
		b.refuseSetting("", err)
		return c, false
	}
	for _, name := range settings.Unknown() {
		b.warnSetting(params+"."+name, fmt.Sprintf("the guardrail %s has no such setting", g.Params.Kind))
	}
	if p, ok := c.Guardrail.(guardrail.Pinger); ok {
		b.probes = append(b.probes, Probe{Kind: "guardrail", Name: g.Name, Service: g.Params.Kind, Ping: p.Ping})
	}
	return c, true
}

// noGuardrail says why a kind is not served and what serves instead.
func (a *App) noGuardrail(b *built, kind string) string {
	if kind == "" {
		return "is missing; there are " + names(slices.Sorted(maps.Keys(b.guardrailKinds)))
	}
	for _, d := range a.opts.Integrations.DeclinedGuardrails {
		if d.Name == kind {
			return kind + " " + d.Why
		}
	}
	if strings.Contains(kind, ".") {
		return kind + " is a Python class, which a binary cannot load; put it behind generic_guardrail_api"
	}
	return kind + " is not known; there are " + names(slices.Sorted(maps.Keys(b.guardrailKinds)))
}

// hook is a guardrail that LiteLLM registers as a callback.
type hook struct {
	path string
	config.Guardrail
}

// hookGuardrails are the guardrails that the configuration names in its other places: LiteLLM's hooks among the callbacks, and
// its older list below litellm_settings.
func hookGuardrails(cfg *config.Config) []hook {
	var list []hook
	l := &cfg.Litellm
	for _, name := range l.Callbacks {
		values := map[string]any{}
		switch name {
		case "detect_prompt_injection":
			maps.Copy(values, l.PromptInjection.JSON())
		case "hide_secrets":
			if v := l.DetectSecrets.JSON(); v != nil {
				values["detect_secrets_config"] = v
			}
		case "banned_keywords":
			values["banned_keywords_list"] = textList(l.BannedKeywords)
		case "blocked_user_check":
			values["blocked_user_list"] = textList(l.BlockedUsers)
		default:
			continue
		}
		kind := strings.ReplaceAll(name, "hide_secrets", "hide-secrets")
		list = append(list, hook{"litellm_settings.callbacks", config.Guardrail{
			Name: name, Params: config.GuardrailParams{Kind: kind, Mode: "pre_call", DefaultOn: true, Values: config.ValuesOf(values)},
		}})
	}
	for i, entry := range l.OldGuardrails {
		object, _ := entry.(map[string]any)
		for _, name := range slices.Sorted(maps.Keys(object)) {
			path := fmt.Sprintf("litellm_settings.guardrails[%d].%s", i, name)
			list = append(list, oldGuardrail(path, name, object)...)
		}
	}
	return list
}

// oldGuardrail reads an entry of litellm_settings.guardrails: {NAME: {callbacks: [KIND], default_on: true}}, or the newer form.
func oldGuardrail(path, name string, object map[string]any) []hook {
	if params, ok := object["litellm_params"].(map[string]any); ok {
		if name != "guardrail_name" {
			return nil
		}
		title, _ := object["guardrail_name"].(string)
		kind, _ := params["guardrail"].(string)
		on, _ := params["default_on"].(bool)
		return []hook{{strings.TrimSuffix(path, ".guardrail_name"), config.Guardrail{
			Name: title, Params: config.GuardrailParams{Kind: kind, Mode: params["mode"], DefaultOn: on, Values: config.ValuesOf(params)},
		}}}
	}
	old, _ := object[name].(map[string]any)
	on, _ := old["default_on"].(bool)
	var list []hook
	kinds, _ := old["callbacks"].([]any)
	for _, k := range kinds {
		kind, _ := k.(string)
		if kind == "lakera_prompt_injection" {
			kind = "lakera_v2"
		}
		list = append(list, hook{path, config.Guardrail{
			Name: name, Params: config.GuardrailParams{Kind: strings.ReplaceAll(kind, "hide_secrets", "hide-secrets"), Mode: "pre_call", DefaultOn: on, Values: config.ValuesOf(nil)},
		}})
	}
	return list
}

func textList(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

// maskedParams are the settings of a guardrail as they are shown: whatever may be a secret is masked, at any depth.
func maskedParams(values map[string]any) map[string]any {
	out := make(map[string]any, len(values))
	for name, v := range values {
		out[name] = maskedParam(name, v)
	}
	return out
}

func maskedParam(name string, value any) any {
	if config.SecretName(name) || name == "headers" { // of a vendor's service, which tells who calls by them
		return secret.Mask
	}
	switch v := value.(type) {
	case map[string]any:
		return maskedParams(v)
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = maskedParam("", v[i])
		}
		return out
	}
	return value
}
