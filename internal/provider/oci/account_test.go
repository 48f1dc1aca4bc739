package oci

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"testing"

	"tollgate/internal/ocisim"
)

func (w *identities) account(t *testing.T, params map[string]string) *Account {
	t.Helper()
	way, err := testEgress()
	if err != nil {
		t.Fatal(err)
	}
	a, err := w.factory.Account(AccountSpec{
		Text: func(name string) string { return params[name] }, APIBase: w.URL, Egress: way, Credentials: w.lease, Log: slog.New(slog.NewTextHandler(&w.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// apply calls applyGuardrails as an account, and returns the status.
func apply(t *testing.T, a *Account) (status int, reply string) {
	t.Helper()
	actions, compartment, err := a.Place(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	body := []byte(`{"compartmentId":"` + compartment + `","guardrailConfigs":{"promptInjectionConfig":{}},"input":{"type":"TEXT","content":"Hello"}}`)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, actions+"/applyGuardrails", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	if err := a.Sign(t.Context(), r, body); err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// An account signs by every principal, learns the compartment of its token where nothing says it, and goes on after a renewal.
func TestAccount_Principals(t *testing.T) {
	for _, way := range ocisim.Ways() {
		t.Run(string(way), func(t *testing.T) {
			t.Parallel()
			w := newIdentities(t, way, ocisim.Options{Seed: 1})
			a := w.account(t, map[string]string{"oci_region": "us-chicago-1"})
			w.lease.Start()
			for range 2 {
				if status, reply := apply(t, a); status != http.StatusOK {
					t.Fatalf("%d %s", status, reply)
				}
			}
			w.Identity().Revoke(kindOf[way].kind)
			if err := w.Identity().Renew(); err != nil { // what is on disk was revoked as well
				t.Fatal(err)
			}
			if status, _ := apply(t, a); status != http.StatusUnauthorized {
				t.Fatalf("a revoked token: %d", status)
			}
			if err := a.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			if status, reply := apply(t, a); status != http.StatusOK {
				t.Errorf("renewed: %d %s", status, reply)
			}
		})
	}
}

// An account with the credentials of a deployment shares its token.
func TestAccount_SharesThePrincipal(t *testing.T) {
	w := newIdentities(t, ocisim.WayInstance, ocisim.Options{Seed: 1})
	d, err := w.factory.Open(w.spec(t))
	if err != nil {
		t.Fatal(err)
	}
	a := w.account(t, nil)
	w.lease.Start()
	w.ask(t, d)
	if status, reply := apply(t, a); status != http.StatusOK {
		t.Fatalf("%d %s", status, reply)
	}
	if list := w.credentials.Status(); len(list) != 1 || list[0].Renewals != 1 {
		t.Errorf("credentials %+v", list)
	}
}

func TestAccount_Faults(t *testing.T) {
	f := New(Options{ChassisTag: "none"})
	for _, params := range []map[string]string{
		{"oci_auth": "password"}, {"oci_user": "u"}, {"oci_user": "u", "oci_tenancy": "t", "oci_key_file": "/nowhere.pem"}, {"oci_profile": "nobody", "oci_config_file": "/nowhere"},
	} {
		if _, err := f.Account(AccountSpec{Text: func(name string) string { return params[name] }}); err == nil {
			t.Errorf("%v was taken", params)
		}
	}
}
