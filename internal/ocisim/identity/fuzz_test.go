package identity

import (
	"testing"
	"time"
)

func FuzzWorkload(f *testing.F) {
	c := NewCluster(ClusterOptions{ID: "ocid1.cluster.oc1..k"})
	trusting := NewCluster(ClusterOptions{ID: "ocid1.cluster.oc1..k", TrustAll: true})
	for _, now := range []time.Time{start, start.Add(-2 * time.Hour)} {
		token, err := c.ServiceAccountToken("ai", "gateway", Life{now, now.Add(time.Hour)})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(token)
	}
	f.Add("a.b.c")
	f.Add("eyJhbGciOiJFUzI1NiJ9.eyJhdWQiOlsiYSJdfQ.AA")
	f.Fuzz(func(t *testing.T, token string) {
		own, ownErr := c.Workload(token, start)
		other, err := trusting.Workload(token, start)
		if ownErr == nil && (err != nil || own != other) {
			t.Errorf("a verified token is %+v, one that is not verified %+v, %v", own, other, err)
		}
		if err == nil && (other.Namespace == "" || other.ServiceAccount == "") {
			t.Errorf("a workload without a name: %+v", other)
		}
	})
}

func FuzzIssuerKeys(f *testing.F) {
	key := rsaKey(f, 2048)
	f.Add([]byte(publicPEM(f, &key.PublicKey)))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"},{"kty":"EC","crv":"P-256","x":"AQ","y":"AQ"}]}`))
	token := rawToken{header: header{Algorithm: "RS256"}, signed: "a.b", signature: []byte("signature")}
	elliptic := rawToken{header: header{Algorithm: "ES256"}, signed: "a.b", signature: make([]byte, 64)}
	f.Fuzz(func(t *testing.T, data []byte) {
		keys, err := IssuerKeys(data)
		if err == nil && len(keys) == 0 {
			t.Error("no key and no error")
		}
		for _, k := range keys {
			if token.verify(k) == nil || elliptic.verify(k) == nil {
				t.Error("a made-up signature verifies")
			}
		}
	})
}

func FuzzCertificate(f *testing.F) {
	a := NewAuthority(instance)
	leaf, err := a.Leaf(start, time.Hour)
	if err != nil {
		f.Fatal(err)
	}
	between := string(leaf.Intermediate)
	f.Add(string(leaf.Certificate), between)
	f.Add(bare(string(leaf.Certificate)), bare(between))
	f.Fuzz(func(t *testing.T, cert, intermediate string) {
		shown, err := a.Read(cert, []string{intermediate}, start)
		if err == nil && shown.Who != instance {
			t.Errorf("the authority knows %+v", shown.Who)
		}
		_, _ = SessionKey(cert) // it must not panic; what it takes is RSA of 2048 bits
	})
}
