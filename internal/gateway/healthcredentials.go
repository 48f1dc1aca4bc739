package gateway

import "time"

// credentials are the credentials of upstreams as GET /health shows them. Why one could not be renewed is shown with the
// other details only.
func (g *Gateway) credentials(details bool) []map[string]any {
	out := []map[string]any{}
	if g.opts.Credentials == nil {
		return out
	}
	for _, s := range g.opts.Credentials() {
		one := map[string]any{"principal": s.Name, "kind": s.Kind}
		if s.Expires {
			one["expires_at"], one["last_renewed_at"] = moment(s.Expiry), moment(s.Renewed)
			one["renewals"], one["failures"] = s.Renewals, s.Failures
			one["status"] = "valid"
			if s.Expiry.IsZero() || !time.Now().Before(s.Expiry) {
				one["status"] = "missing"
			}
		}
		if s.Err != "" {
			one["last_failure_at"] = moment(s.Failed)
			if details {
				one["last_error"] = s.Err
			}
		}
		out = append(out, one)
	}
	return out
}

// moment is a time as JSON has it, null for none.
func moment(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(time.RFC3339)
}
