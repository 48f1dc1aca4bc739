package oci

import (
	"fmt"

	"tollgate/internal/provider"
	"tollgate/internal/provider/oci/auth"
)

var _ provider.Checker = (*Deployment)(nil)

// Check implements provider.Checker: a fingerprint of another key is refused by OCI on every call, unusual OCIDs and
// regions are only unusual.
func (d *Deployment) Check() (warnings []string, err error) {
	if region := d.settings.region; region != "" && !auth.KnownRegion(region) {
		warnings = append(warnings, fmt.Sprintf("oci_region: %q is no region that this version knows; calls go to it all the same", region))
	}
	if d.settings.surface == surfaceOpenAI && d.fam.format != Generic {
		warnings = append(warnings, "oci_surface: OCI's OpenAI surface is known to answer 400 \"Unsupported OpenAI operation\" for models of Cohere; actions serves them")
	}
	key, ok := d.principal.(*auth.APIKey)
	if !ok {
		return warnings, nil
	}
	return append(warnings, key.Warnings()...), key.Verify()
}
