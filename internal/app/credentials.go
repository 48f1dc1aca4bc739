package app

import "tollgate/internal/telemetry"

// credentialSeries are the credentials that are renewed, as the metrics show them.
func (a *App) credentialSeries() []telemetry.Credential {
	var out []telemetry.Credential
	for _, s := range a.credentials.Status() {
		if s.Expires {
			out = append(out, telemetry.Credential{Principal: s.Name, Expiry: s.Expiry, Renewals: s.Renewals, Failures: s.Failures})
		}
	}
	return out
}

// keep puts what signs for a configuration in force, and lets go what only the one before used.
func (a *App) keep(b *built) {
	b.lease.Start()
	if a.lease != nil {
		a.lease.Release()
	}
	a.lease = b.lease
}
