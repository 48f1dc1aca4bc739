package auth

import "strings"

// LooksLikeOCID tells whether s has the form of an OCID,
// ocid1.<kind>.<realm>.[region][.future use].<unique id>. An empty kind admits
// any. It is meant for warnings: Oracle promises the form, not the length.
func LooksLikeOCID(kind, s string) bool {
	parts := strings.Split(s, ".")
	if len(parts) < 5 || parts[0] != "ocid1" {
		return false
	}
	if kind != "" && parts[1] != kind {
		return false
	}
	unique := parts[len(parts)-1]
	return parts[1] != "" && isRealmKey(parts[2]) && unique != "" && !strings.ContainsFunc(s, unfitForOCID)
}

// RealmOfOCID returns the realm key of an OCID, for example "oc1"; empty if s has none.
func RealmOfOCID(s string) string {
	if parts := strings.Split(s, "."); len(parts) >= 5 && isRealmKey(parts[2]) {
		return parts[2]
	}
	return ""
}

// isRealmKey recognises "oc" and a number.
func isRealmKey(s string) bool {
	digits, found := strings.CutPrefix(s, "oc")
	return found && digits != "" && strings.Trim(digits, "0123456789") == ""
}

func unfitForOCID(r rune) bool {
	return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' || r == '_')
}
