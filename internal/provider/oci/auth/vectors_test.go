package auth_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"tollgate/internal/provider/oci/auth"
)

// publishedKey is the 1024-bit key of Oracle's documentation and of its SDKs'
// tests. It is read where Oracle published it: in our tree it would only set off
// secret scanners.
func publishedKey(t testing.TB) *auth.Key {
	t.Helper()
	source := sdkFile(t, "common/http_signer_test.go")
	text := regexp.MustCompile(`(?s)-----BEGIN RSA PRIVATE KEY-----.*?-----END RSA PRIVATE KEY-----`).FindString(source)
	private, err := auth.ParsePrivateKey(text, "")
	if err != nil {
		t.Fatal(err)
	}
	key := mustKey(t, private)
	if want := "73:61:a2:21:67:e0:df:be:7e:4b:93:1e:15:98:a5:b7"; key.Fingerprint() != want {
		t.Fatalf("fingerprint of the published key: got %s, want %s", key.Fingerprint(), want)
	}
	return key
}

const (
	vectorDate = "Thu, 05 Jan 2014 21:31:40 GMT"
	genAIDate  = "Tue, 24 Nov 2026 12:00:00 GMT"
	genAIHost  = "https://inference.generativeai.us-chicago-1.oci.oraclecloud.com"

	vectorBodyB = `{
    "compartmentId": "ocid1.compartment.oc1..aaaaaaaam3we6vgnherjq5q2idnccdflvjsnog7mlr6rtdb25gilchfeyjxa",
    "instanceId": "ocid1.instance.oc1.phx.abuw4ljrlsfiqw6vzzxb43vyypt4pkodawglp3wqxjqofakrwvou52gb6s5a",
    "volumeId": "ocid1.volume.oc1.phx.abyhqljrgvttnlx73nmrwfaux7kcvzfs3s66izvxf2h4lgvyndsdsnoiwr5q"
}`
	vectorBodyC = `{"compartmentId":"ocid1.compartment.oc1..aaaaaaaatest","servingMode":{"servingType":"ON_DEMAND","modelId":"meta.llama-3.3-70b-instruct"},` +
		`"chatRequest":{"apiFormat":"GENERIC","messages":[{"role":"USER","content":[{"type":"TEXT","text":"ping"}]}],"maxTokens":16}}`

	listPlain = "date (request-target) host"
	listBody  = listPlain + " content-length content-type x-content-sha256"
)

// TestSign_Vectors compares with signatures that others made: A and B are in
// Oracle's documentation ("Request Signatures"), C to E were made with the signer
// of Oracle's SDK for Go. PKCS#1 v1.5 is deterministic, so they must be equal.
func TestSign_Vectors(t *testing.T) {
	key := publishedKey(t)
	tests := []struct {
		name, method, url, date, body string

		length, sum string // headers; empty for a method without a body
		list        string
		signature   string
	}{
		{
			name: "A GET with an escaped query", method: http.MethodGet, date: vectorDate,
			url: "https://iaas.us-phoenix-1.oraclecloud.com/20160918/instances?availabilityDomain=Pjwf%3A%20PHX-AD-1" +
				"&compartmentId=ocid1.compartment.oc1..aaaaaaaam3we6vgnherjq5q2idnccdflvjsnog7mlr6rtdb25gilchfeyjxa" +
				"&displayName=TeamXInstances&volumeId=ocid1.volume.oc1.phx.abyhqljrgvttnlx73nmrwfaux7kcvzfs3s66izvxf2h4lgvyndsdsnoiwr5q",
			list:      listPlain,
			signature: "GBas7grhyrhSKHP6AVIj/h5/Vp8bd/peM79H9Wv8kjoaCivujVXlpbKLjMPeDUhxkFIWtTtLBj3sUzaFj34XE6YZAHc9r2DmE4pMwOAy/kiITcZxa1oHPOeRheC0jP2dqbTll8fmTZVwKZOKHYPtrLJIJQHJjNvxFWeHQjMaR7M=",
		},
		{
			name: "B POST", method: http.MethodPost, date: vectorDate, body: vectorBodyB,
			url:    "https://iaas.us-phoenix-1.oraclecloud.com/20160918/volumeAttachments",
			length: "316", sum: "V9Z20UJTvkvpJ50flBzKE32+6m2zJjweHpDMX/U4Uy0=", list: listBody,
			signature: "Mje8vIDPlwIHmD/cTDwRxE7HaAvBg16JnVcsuqaNRim23fFPgQfLoOOxae6WqKb1uPjYEl0qIdazWaBy/Ml8DRhqlocMwoSXv0fbukP8J5N80LCmzT/FFBvIvTB91XuXI3hYfP9Zt1l7S6ieVadHUfqBedWH0itrtPJBgKmrWso=",
		},
		{
			name: "C chat", method: http.MethodPost, date: genAIDate, body: vectorBodyC,
			url:    genAIHost + "/20231130/actions/chat",
			length: "261", sum: "70Gus3oeJGYT65S8VdvK0ii3ebpSwtUnwf4Utm8l7fY=", list: listBody,
			signature: "bXb5YwU8xhdnq6I90NkDF9cVl2YoJYGqCQIPd4VBdWaqcMEZc1bBQUAfs65uSQt7EnwLvKzyv90WqenRV8frpOq2RC72NgoHz4z1ig8eJwf9ppNYWMPrp7h19KcVnlexNvkEF9hDpV1Wz8GE/oqO64VXWDzt/XSV0cSKnFTYhNs=",
		},
		{
			name: "D chat without a body", method: http.MethodPost, date: genAIDate,
			url:    genAIHost + "/20231130/actions/chat",
			length: "0", sum: "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", list: listBody,
			signature: "Y6hMkUECPRMIkjHj9vo73mPBcVV3OeHnFomQf698PlHz+OWi+wm0+sMHqfPDBX64J+dnOYGTNOs0JW3assN8emgtZ1ukOnCXDtyHOY+xMxkwGq36XH4ge2HqjbJ2Yl/kf2MBHD8gYAjNfiaUD8fc/RdWf2JFUOn1pMLQuHKQtEY=",
		},
		{
			name: "E list of models", method: http.MethodGet, date: genAIDate,
			url:       "https://generativeai.us-chicago-1.oci.oraclecloud.com/20231130/models?compartmentId=ocid1.compartment.oc1..aaaaaaaatest&capability=CHAT",
			list:      listPlain,
			signature: "qs5hTNg60kjD3/ogfzhp5C489wVb9oY7Dx6OiMdmGvIJjFV9XZjlVB0uq652bvTTFTe0h01FU59uYaWERS+raKO2Kyu+EvItvXc5DgwKAzaB5f1uBDQ4fZuKeLg5w7pyGDpyqmjBrlG4ETS4szT99mKQNTOj1E2O5vnGOqITsKI=",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequest(tt.method, tt.url, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			body := auth.HashBody([]byte(tt.body))
			if tt.body == "" {
				body = auth.Body{}
			}
			snap := auth.Snapshot{KeyID: "tenancy/user/fingerprint", Key: key}
			if err := auth.SignDated(req, snap, body, tt.date, nil); err != nil {
				t.Fatal(err)
			}
			want := `Signature version="1",headers="` + tt.list + `",keyId="tenancy/user/fingerprint",algorithm="rsa-sha256",signature="` + tt.signature + `"`
			for header, want := range map[string]string{
				"Authorization":    want,
				"Date":             tt.date,
				"Content-Length":   tt.length,
				"X-Content-Sha256": tt.sum,
			} {
				if got := req.Header.Get(header); got != want {
					t.Errorf("%s:\n got %q\nwant %q", header, got, want)
				}
			}
		})
	}
}
