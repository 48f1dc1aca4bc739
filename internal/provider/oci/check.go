package oci

import (
	"fmt"

	"tollgate/internal/provider"
	"tollgate/internal/provider/oci/auth"
)

var (
	_ provider.Checker   = (*Deployment)(nil)
	_ provider.Explainer = (*Deployment)(nil)
)

// Check implements provider.Checker: a fingerprint of another key is refused by OCI on every call, so is a token that
// has expired; unusual OCIDs and regions are only unusual.
func (d *Deployment) Check() (warnings []string, err error) {
	if region := d.settings.region; region != "" && !auth.KnownRegion(region) {
		warnings = append(warnings, fmt.Sprintf("oci_region: %q is no region that this version knows; calls go to it all the same", region))
	}
	if d.settings.surface == surfaceOpenAI && d.fam.format != Generic {
		warnings = append(warnings, "oci_surface: OCI's OpenAI surface is known to answer 400 \"Unsupported OpenAI operation\" for models of Cohere; actions serves them")
	}
	p, ok := d.principal.(*principal)
	if !ok {
		return warnings, nil
	}
	switch p := p.Principal.(type) {
	case *auth.APIKey:
		return append(warnings, p.Warnings()...), p.Verify()
	case *auth.Renewing:
		return warnings, p.Check()
	}
	return warnings, nil
}

// Explain implements provider.Explainer.
func (d *Deployment) Explain() []string {
	ch := d.settings.choice
	if ch.kind == "" {
		return []string{"calls of OCI go by a GenAI API key and are not signed"}
	}
	text := "calls of OCI are signed by " + ch.kind
	switch {
	case ch.profile.Name != "":
		text += " of profile " + ch.profile.Name
	case ch.kind == kindAPIKey:
		text += " of user " + ch.key.User
	}
	text += ", because " + ch.why
	region, compartment := d.settings.region, d.settings.compartment
	if region == "" {
		region = "the principal's own, known at the start"
	}
	if compartment == "" {
		compartment = "the principal's tenancy, known at the start"
	}
	return []string{text + "; region: " + region + "; compartment: " + compartment}
}
