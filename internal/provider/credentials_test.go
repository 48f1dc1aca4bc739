package provider_test

import (
	"errors"
	"fmt"
	"testing"

	"tollgate/internal/provider"
)

// counted is a credential that knows how often it was started and closed.
type counted struct {
	name            string
	started, closed int
}

func (c *counted) Start()                            { c.started++ }
func (c *counted) Close()                            { c.closed++ }
func (c *counted) Status() provider.CredentialStatus { return provider.CredentialStatus{Name: c.name} }

func TestCredentials_OutliveAConfiguration(t *testing.T) {
	var all provider.Credentials
	made := map[string]*counted{}
	get := func(l *provider.Lease, name string) *counted {
		t.Helper()
		c, err := l.Get(provider.CredentialID{name[0]}, func() (provider.Credential, error) {
			made[name] = &counted{name: "credential"}
			return made[name], nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return c.(*counted)
	}
	first := all.Lease()
	a, b := get(first, "a"), get(first, "b")
	if get(first, "a") != a || a == b || a.started != 0 || len(all.Status()) != 0 {
		t.Fatalf("before Start: %+v, %+v, %v", a, b, all.Status())
	}
	first.Start()
	if c := get(first, "c"); a.started != 1 || b.started != 1 || c.started != 1 {
		t.Errorf("after Start: %+v %+v %+v", a, b, c)
	}
	if s := all.Status(); fmt.Sprint(s[0].Name, s[1].Name, s[2].Name) != "credentialcredential#2credential#3" {
		t.Errorf("names %+v", s)
	}

	checked := all.Lease() // a configuration that is refused
	if get(checked, "a") != a || get(checked, "d").started != 0 {
		t.Error("a configuration that is not in force has started something")
	}
	checked.Release()
	if made["d"].closed != 1 || a.closed != 0 {
		t.Errorf("after the refused configuration: %+v, %+v", made["d"], a)
	}

	second := all.Lease()
	if get(second, "a") != a {
		t.Error("the next configuration has another one")
	}
	second.Start()
	first.Release()
	if a.closed != 0 || b.closed != 1 || made["c"].closed != 1 {
		t.Errorf("after the change: %+v %+v %+v", a, b, made["c"])
	}
	if late := get(first, "e"); late.started != 0 || late.closed != 1 {
		t.Errorf("of a configuration that is over: %+v", late)
	}
	if get(first, "a") != a {
		t.Error("a call of the configuration before has another one")
	}
	second.Release()
	second.Release()
	if a.closed != 1 || len(all.Status()) != 0 {
		t.Errorf("at the end: %+v, %v", a, all.Status())
	}

	refused := errors.New("no key")
	if _, err := all.Lease().Get(provider.CredentialID{}, func() (provider.Credential, error) { return nil, refused }); !errors.Is(err, refused) {
		t.Errorf("%v", err)
	}
}
