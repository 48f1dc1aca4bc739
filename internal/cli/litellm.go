package cli

import (
	"errors"
	"strings"
	"time"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"tollgate/internal/account"
	"tollgate/internal/config"
)

// liteLLMOptions are the options of LiteLLM's command line beside those that serve has as well. Those of Uvicorn,
// Gunicorn and Prisma concern a Python process; they are taken and named in the log, so that an existing command works.
type liteLLMOptions struct {
	model, alias, apiBase, apiVersion string
	maxTokens                         int
	temperature                       float64
	requestTimeout                    float64
	maxBudget                         string
	dropParams, detailedDebug         bool
	keepaliveSeconds                  int
	skipServer                        bool
	flags                             *pflag.FlagSet
}

// ineffective are LiteLLM's options that are accepted and have no effect.
var ineffective = map[string]string{
	"num_workers": "one process uses all cores", "log_config": "logging is set by LITELLM_LOG and JSON_LOGS", "run_gunicorn": "there is no Python server",
	"run_hypercorn": "there is no Python server", "run_granian": "there is no Python server", "max_requests_before_restart": "memory is bounded",
	"max_requests_before_restart_jitter": "memory is bounded", "use_prisma_db_push": "there is no Prisma", "use_prisma_migrate": "there is no Prisma",
	"enforce_prisma_migration_check": "there is no Prisma", "iam_token_db_auth": "the database is opened with the password of DATABASE_URL", "telemetry": "nothing is sent home",
	"local": "", "use_queue": "", "add_function_to_prompt": "models call tools natively",
	"ciphers": "Go's choice of ciphers is used", "headers": "", "save": "", "test": "ask with curl", "test_async": "ask with curl", "num_requests": "ask with curl",
	"health": "ask GET /health",
}

// booleans among the ineffective options take no value.
var ineffectiveBooleans = map[string]bool{
	"run_gunicorn": true, "run_hypercorn": true, "run_granian": true, "use_prisma_db_push": true, "use_prisma_migrate": true, "enforce_prisma_migration_check": true,
	"iam_token_db_auth": true, "local": true, "use_queue": true, "test": true, "test_async": true, "health": true, "add_function_to_prompt": true, "save": true,
}

func (o *serveOptions) addLiteLLMFlags(f *pflag.FlagSet) {
	l := &o.lite
	l.flags = f
	f.StringVarP(&l.model, "model", "m", "", "serve this one model without a configuration file, or every chat with it")
	f.StringVar(&l.alias, "alias", "", "name under which --model is served")
	f.StringVar(&l.apiBase, "api_base", "", "address of --model's upstream")
	f.StringVar(&l.apiVersion, "api_version", "", "API version of --model's upstream (Azure)")
	f.IntVar(&l.maxTokens, "max_tokens", 0, "default max_tokens of --model")
	f.Float64Var(&l.temperature, "temperature", -1, "default temperature of --model")
	f.Float64Var(&l.requestTimeout, "request_timeout", 0, "timeout of --model in seconds")
	f.StringVar(&l.maxBudget, "max_budget", "", "dollars that the whole gateway may spend in litellm_settings.budget_duration; wins over the file's max_budget")
	f.BoolVar(&l.dropParams, "drop_params", false, "drop parameters that --model does not take")
	f.BoolVar(&l.detailedDebug, "detailed_debug", false, "log more [DETAILED_DEBUG]")
	f.IntVar(&l.keepaliveSeconds, "keepalive_timeout", 0, "seconds that an idle connection is kept [KEEPALIVE_TIMEOUT]")
	f.BoolVar(&l.skipServer, "skip_server_startup", false, "read the configuration, say what is wrong with it and stop")
	for name, why := range ineffective {
		usage := "accepted, no effect"
		if why != "" {
			usage += ": " + why
		}
		if ineffectiveBooleans[name] {
			f.Bool(name, false, usage)
		} else {
			f.String(name, "", usage)
		}
	}
}

// ignored lists the options of the command line that do nothing.
func (l *liteLLMOptions) ignored(f *pflag.FlagSet) []string {
	var out []string
	f.Visit(func(flag *pflag.Flag) {
		if _, ok := ineffective[flag.Name]; ok {
			out = append(out, flag.Name)
		}
	})
	return out
}

func (l *liteLLMOptions) keepalive() time.Duration {
	return time.Duration(l.keepaliveSeconds) * time.Second
}

// config is the configuration for --model without a file; nil when there is none.
func (l *liteLLMOptions) config(file string) ([]byte, error) {
	if l.model == "" || file != "" {
		if l.alias != "" && l.model == "" {
			return nil, errors.New("--alias names --model, which is missing")
		}
		return nil, nil
	}
	params := map[string]any{"model": l.model}
	set := func(name string, value any, given bool) {
		if given {
			params[name] = value
		}
	}
	set("api_base", l.apiBase, l.apiBase != "")
	set("api_version", l.apiVersion, l.apiVersion != "")
	set("max_tokens", l.maxTokens, l.maxTokens > 0)
	set("temperature", l.temperature, l.temperature >= 0)
	set("timeout", l.requestTimeout, l.requestTimeout > 0)
	set("drop_params", true, l.dropParams)
	name := l.alias
	if name == "" {
		name = l.model
	}
	return yaml.Marshal(map[string]any{"model_list": []any{map[string]any{"model_name": name, "litellm_params": params}}})
}

// documents are what the command line says of the configuration beside its file.
func (l *liteLLMOptions) documents() ([]config.Document, error) {
	if l.maxBudget == "" {
		return nil, nil
	}
	amount, err := account.ParseAmount(l.maxBudget)
	if err != nil || amount.None() || amount.Negative() {
		return nil, usagef("--max_budget %q is not an amount of dollars", l.maxBudget)
	}
	return []config.Document{{Name: "--max_budget", Data: []byte("litellm_settings: {max_budget: " + string(amount) + "}")}}, nil
}

// forcedModel is what every chat is answered with: LiteLLM does so with --model.
func (l *liteLLMOptions) forcedModel(inline []byte) string {
	if inline != nil && strings.TrimSpace(l.alias) != "" {
		return l.alias
	}
	return l.model
}
