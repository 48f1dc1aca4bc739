package oci

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"

	"tollgate/internal/egress"
	"tollgate/internal/provider"
	"tollgate/internal/provider/oci/auth"
	"tollgate/internal/secret"
)

// Account is who calls OCI and where, for actions that are no model's, such as applyGuardrails. It is safe for concurrent use.
type Account struct {
	factory   *Factory
	settings  settings
	base      string
	principal auth.Principal
	late      atomic.Pointer[settings] // what the principal's token has told, nil before
}

// AccountSpec is what an Account is opened with. Parameters have the names of a deployment's litellm_params (oci_auth, oci_user,
// oci_region, oci_compartment_id ...).
type AccountSpec struct {
	Text    func(name string) string // of a parameter, "" when it is absent
	APIBase string                   // in place of the region's address; "" mostly
	Egress  *egress.Egress
	// Credentials keeps what signs beyond the configuration, shared with the deployments; nil keeps it in the Factory.
	Credentials *provider.Lease
	Log         *slog.Logger
}

// textParameters reads secrets as texts: they come from settings that are not printed.
type textParameters func(name string) string

func (p textParameters) Text(name string) string          { return p(name) }
func (p textParameters) Secret(name string) secret.String { return secret.New(p(name)) }

// Account makes an Account. It reads the key file, but does no network I/O. Equal credentials are one with those of deployments.
func (f *Factory) Account(spec AccountSpec) (*Account, error) {
	p := textParameters(spec.Text)
	s := settings{credentials: readCredentials(p, f.o.Getenv), surface: surfaceActions}
	if err := f.readPlace(&s, p, spec.APIBase, familyOf("", Generic)); err != nil {
		return nil, err
	}
	who, err := f.principal(&provider.Spec{Egress: spec.Egress, Credentials: spec.Credentials, Log: spec.Log}, s.credentials, s.choice)
	if err != nil {
		return nil, err
	}
	return &Account{factory: f, settings: s, base: spec.APIBase, principal: who}, nil
}

// Place tells the address of the actions and the compartment. It waits for the network only where the principal's first
// token tells one of the two.
func (a *Account) Place(ctx context.Context) (actions, compartment string, err error) {
	s := &a.settings
	if s.late {
		if s = a.late.Load(); s == nil {
			told, err := placed(ctx, a.settings, a.principal, a.base)
			if err != nil {
				return "", "", err
			}
			a.late.Store(&told)
			s = &told
		}
	}
	return s.actionsURL, s.compartment, nil
}

// Sign signs a request with the credential in force. body is what it sends.
func (a *Account) Sign(ctx context.Context, r *http.Request, body []byte) error {
	snapshot, err := a.principal.Snapshot(ctx)
	if err != nil {
		return err
	}
	return auth.SignRequest(r, snapshot, auth.HashBody(body), a.factory.o.Now())
}

// Refresh renews the credential after OCI has answered 401.
func (a *Account) Refresh(ctx context.Context) error { return a.principal.Refresh(ctx) }
