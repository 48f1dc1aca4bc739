package ocisim_test

import (
	"bytes"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"tollgate/internal/ocisim"
)

// BenchmarkChat shows what the simulator itself costs when it stands behind a gateway under load.
func BenchmarkChat(b *testing.B) {
	for name, text := range map[string]string{"1kB": strings.Repeat("word ", 200), "400kB": strings.Repeat("word ", 80_000)} {
		b.Run(name, func(b *testing.B) {
			c := newCaller(b, ocisim.Options{})
			body := []byte(chatBody("meta.llama-3.3-70b-instruct", ask(text, `,"maxTokens":50`)))
			r := c.request("POST", chatPath, body)
			r.RequestURI, r.Host = chatPath, r.URL.Host
			for b.Loop() {
				r.Body = io.NopCloser(bytes.NewReader(body))
				w := httptest.NewRecorder()
				c.sim.Handler().ServeHTTP(w, r)
				if w.Code != 200 {
					b.Fatal(w.Body)
				}
			}
		})
	}
}
