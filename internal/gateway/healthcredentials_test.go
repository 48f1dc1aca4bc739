package gateway

import (
	"encoding/json"
	"testing"
	"time"

	"tollgate/internal/provider"
)

func TestHealth_Credentials(t *testing.T) {
	soon := time.Now().Add(time.Hour)
	g := &Gateway{opts: Options{Credentials: func() []provider.CredentialStatus {
		return []provider.CredentialStatus{
			{Name: "api_key:ab:cd", Kind: "api_key"},
			{Name: "instance_principal", Kind: "instance_principal", Expires: true, Expiry: soon, Renewed: time.Unix(0, 0), Renewals: 2, Failures: 1, Err: "refused", Failed: time.Unix(60, 0)},
			{Name: "security_token:DEFAULT", Kind: "security_token", Expires: true, Failures: 7},
		}
	}}}
	when := soon.UTC().Format(time.RFC3339)
	with := `{"expires_at":"` + when + `","failures":1,"kind":"instance_principal","last_error":"refused","last_failure_at":"1970-01-01T00:01:00Z",` +
		`"last_renewed_at":"1970-01-01T00:00:00Z","principal":"instance_principal","renewals":2,"status":"valid"}`
	without := `{"expires_at":"` + when + `","failures":1,"kind":"instance_principal","last_failure_at":"1970-01-01T00:01:00Z",` +
		`"last_renewed_at":"1970-01-01T00:00:00Z","principal":"instance_principal","renewals":2,"status":"valid"}`
	for details, own := range map[bool]string{true: with, false: without} {
		text, err := json.Marshal(g.credentials(details))
		want := `[{"kind":"api_key","principal":"api_key:ab:cd"},` + own +
			`,{"expires_at":null,"failures":7,"kind":"security_token","last_renewed_at":null,"principal":"security_token:DEFAULT","renewals":0,"status":"missing"}]`
		if err != nil || string(text) != want {
			t.Errorf("details %v:\n got %s\nwant %s\n%v", details, text, want, err)
		}
	}
	if got := (&Gateway{}).credentials(true); got == nil || len(got) > 0 {
		t.Errorf("without credentials: %#v", got)
	}
}
