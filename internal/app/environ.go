package app

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"tollgate/internal/secret"
)

// environ is the environment of the process, into which each configuration puts its environment_variables. It
// remembers what they hid, so that the next configuration starts from the environment that a restart would give it.
type environ struct {
	lookup func(string) (string, bool) // as os.LookupEnv

	mu     sync.Mutex
	hidden map[string]variable // by name, of each variable that is set by a configuration; guarded by mu
}

// variable is a value of the environment, or its absence.
type variable struct {
	value string
	set   bool
}

func newEnviron(lookup func(string) (string, bool)) *environ {
	return &environ{lookup: lookup, hidden: map[string]variable{}}
}

// outside looks a variable up as it was before any configuration.
func (e *environ) outside(name string) (string, bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if v, ok := e.hidden[name]; ok {
		return v.value, v.set
	}
	return e.lookup(name)
}

// with looks variables up as a configuration sees them: its own first. It stays true after the next one has come.
func (e *environ) with(own map[string]secret.String) func(string) (string, bool) {
	return func(name string) (string, bool) {
		if value, ok := own[name]; ok {
			return value.Reveal(), true
		}
		return e.outside(name)
	}
}

// apply makes the environment of the process what it was at start with the variables of one configuration in it, for
// what reads it by itself (proxies, SSL_CERT_FILE). To take it back, apply those of the configuration before.
func (e *environ) apply(own map[string]secret.String) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	var errs []error
	for name, before := range e.hidden {
		if _, stays := own[name]; stays {
			continue
		}
		delete(e.hidden, name)
		if before.set {
			errs = append(errs, os.Setenv(name, before.value))
		} else {
			errs = append(errs, os.Unsetenv(name))
		}
	}
	for name, value := range own {
		before := variable{}
		before.value, before.set = e.lookup(name)
		if err := os.Setenv(name, value.Reveal()); err != nil {
			errs = append(errs, fmt.Errorf("environment_variables: %w", err))
			continue
		}
		if _, known := e.hidden[name]; !known {
			e.hidden[name] = before
		}
	}
	return errors.Join(errs...)
}

// getenv is a variable as the configuration in force sees it.
func (a *App) getenv(name string) string {
	value, _ := a.environ.with(a.Config().Environment)(name)
	return value
}
