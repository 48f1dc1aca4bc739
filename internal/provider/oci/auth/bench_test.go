package auth_test

import (
	"bytes"
	"crypto/rsa"
	"crypto/sha256"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/oracle/oci-go-sdk/v65/common"

	"tollgate/internal/provider/oci/auth"
)

// BenchmarkRSA is the arithmetic alone, of the engine that was built in.
func BenchmarkRSA(b *testing.B) {
	digest := sha256.Sum256([]byte("x"))
	for _, size := range []struct {
		name string
		key  *rsa.PrivateKey
	}{{"2048", testKey()}, {"4096", mustGenerate(4096)}} {
		key := mustKey(b, size.key)
		b.Run(size.name+"/"+auth.Engine, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := key.SignDigest(digest); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(size.name+"/"+auth.Engine+"/parallel", func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := key.SignDigest(digest); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkSignRequest signs a body whose hash is known, as every attempt after
// the first does; "overhead" does so with a key that costs nothing.
func BenchmarkSignRequest(b *testing.B) {
	hash := auth.HashBody(make([]byte, 4096))
	for _, bm := range []struct {
		name string
		key  auth.Signer
	}{
		{"rsa2048/" + auth.Engine, mustKey(b, testKey())},
		{"overhead", constantSigner(make([]byte, 256))},
	} {
		b.Run(bm.name, func(b *testing.B) {
			req, err := http.NewRequest("POST", genAIHost+"/20231130/actions/chat", nil)
			if err != nil {
				b.Fatal(err)
			}
			snap := auth.Snapshot{KeyID: testTenancy + "/" + testUser + "/aa:bb", Key: bm.key}
			now := time.Now()
			b.ReportAllocs()
			for b.Loop() {
				if err := auth.SignRequest(req, snap, hash, now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkHashBody is what the first attempt pays besides.
func BenchmarkHashBody(b *testing.B) {
	for _, size := range []struct {
		name  string
		bytes int
	}{{"4kB", 4 << 10}, {"400kB", 400 << 10}} {
		b.Run(size.name, func(b *testing.B) {
			body := make([]byte, size.bytes)
			b.SetBytes(int64(size.bytes))
			b.ReportAllocs()
			for b.Loop() {
				auth.HashBody(body)
			}
		})
	}
}

// BenchmarkOracleSDK is the yardstick: the signer of Oracle's SDK for Go with a
// key that is parsed once, the best it can do.
func BenchmarkOracleSDK(b *testing.B) {
	signer := common.DefaultRequestSigner(sdkKey{testKey()})
	for _, size := range []struct {
		name  string
		bytes int
	}{{"4kB", 4 << 10}, {"400kB", 400 << 10}} {
		b.Run(size.name, func(b *testing.B) {
			body := make([]byte, size.bytes)
			b.ReportAllocs()
			for b.Loop() {
				req, err := http.NewRequest("POST", genAIHost+"/20231130/actions/chat", nil)
				if err != nil {
					b.Fatal(err)
				}
				req.Body = io.NopCloser(bytes.NewReader(body))
				req.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
				req.Header.Set("Content-Type", "application/json")
				if err := signer.Sign(req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

type sdkKey struct{ key *rsa.PrivateKey }

func (k sdkKey) PrivateRSAKey() (*rsa.PrivateKey, error) { return k.key, nil }
func (k sdkKey) KeyID() (string, error)                  { return testTenancy + "/" + testUser + "/aa:bb", nil }
