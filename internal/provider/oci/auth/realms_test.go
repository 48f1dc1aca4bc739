package auth_test

import (
	"encoding/json"
	"testing"

	"github.com/oracle/oci-go-sdk/v65/common"

	"tollgate/internal/provider/oci/auth"
)

// TestRegions_AgreeWithOracle compares the table with the list that Oracle's SDK
// for Go ships: each region's code, its realm's domain, and that none is missing.
func TestRegions_AgreeWithOracle(t *testing.T) {
	var published []struct {
		RegionIdentifier, RegionKey, RealmKey, RealmDomainComponent string
	}
	if err := json.Unmarshal([]byte(sdkFile(t, "common/regions.json")), &published); err != nil {
		t.Fatal(err)
	}
	if len(published) < 60 {
		t.Fatalf("read only %d regions", len(published))
	}
	for _, r := range published {
		if !auth.KnownRegion(r.RegionIdentifier) {
			t.Errorf("%s is missing", r.RegionIdentifier)
		}
		if got := auth.CanonicalRegion(r.RegionKey); got != r.RegionIdentifier {
			t.Errorf("code %s: got %s, want %s", r.RegionKey, got, r.RegionIdentifier)
		}
		if got := auth.RegionDomain(r.RegionIdentifier, "oc999"); got != r.RealmDomainComponent {
			t.Errorf("%s: got %s, want %s", r.RegionIdentifier, got, r.RealmDomainComponent)
		}
		if got := auth.RegionDomain("xx-unknown-1", r.RealmKey); got != r.RealmDomainComponent {
			t.Errorf("realm %s: got %s, want %s", r.RealmKey, got, r.RealmDomainComponent)
		}
	}
	if region := common.StringToRegion("ord"); auth.CanonicalRegion("ORD") != string(region) {
		t.Errorf("ORD: got %s, want %s", auth.CanonicalRegion("ORD"), region)
	}
}

func TestRegionDomain(t *testing.T) {
	tests := []struct{ name, region, hint, want string }{
		{"commercial", "us-chicago-1", "", "oraclecloud.com"},
		{"code", "IAD", "", "oraclecloud.com"},
		{"case and spaces", " EU-Frankfurt-2 ", "", "oraclecloud.eu"},
		{"UK government", "uk-gov-london-1", "", "oraclegovcloud.uk"},
		{"US government", "us-gov-ashburn-1", "", "oraclegovcloud.com"},
		{"US defence", "us-langley-1", "", "oraclegovcloud.com"},
		{"region wins over the hint", "us-chicago-1", "ocid1.tenancy.oc4..x", "oraclecloud.com"},
		{"unknown region, OCID", "uk-gov-new-1", "ocid1.tenancy.oc4..x", "oraclegovcloud.uk"},
		{"unknown region, realm key", "eu-new-1", "oc19", "oraclecloud.eu"},
		{"unknown region and realm", "eu-new-1", "oc77", "oraclecloud77.com"},
		{"unknown region, no hint", "eu-new-1", "", "oraclecloud.com"},
		{"unknown region, useless hint", "eu-new-1", "ocx/../evil", "oraclecloud.com"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := auth.RegionDomain(tt.region, tt.hint); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestLooksLikeOCID(t *testing.T) {
	tests := []struct {
		kind, s, realm string
		want           bool
	}{
		{"tenancy", testTenancy, "oc1", true},
		{"user", testUser, "oc1", true},
		{"", testUser, "oc1", true},
		{"generativeaiendpoint", "ocid1.generativeaiendpoint.oc1.us-chicago-1.amaaaaaa", "oc1", true},
		{"volume", "ocid1.volume.oc1.phx.abyhqljrgvttnlx73n", "oc1", true},
		{"tenancy", "ocid1.tenancy.oc19..aaaa", "oc19", true},
		{"tenancy", "ocid1.tenancy.oc1.region.future.aaaa", "oc1", true},
		{"user", testTenancy, "oc1", false},
		{"user", "ocid1.user.oc1..", "oc1", false},
		{"user", "ocid1.user.oc1...", "oc1", false},
		{"user", "ocid1.user.oc1..<your user>", "oc1", false},
		{"user", "ocid1.user.oc1", "", false},
		{"user", "ocid1.user.aws..aaaa", "", false},
		{"user", "ocid1.user.oc..aaaa", "", false},
		{"", "ocid1..oc1..aaaa", "oc1", false},
		{"user", "cohere.command-r-plus", "", false},
		{"user", "", "", false},
	}
	for _, tt := range tests {
		if got := auth.LooksLikeOCID(tt.kind, tt.s); got != tt.want {
			t.Errorf("LooksLikeOCID(%q, %q) = %v", tt.kind, tt.s, got)
		}
		if got := auth.RealmOfOCID(tt.s); got != tt.realm {
			t.Errorf("RealmOfOCID(%q) = %q, want %q", tt.s, got, tt.realm)
		}
	}
}
