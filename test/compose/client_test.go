//go:build docker

package compose_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// client calls the gateway; no call may take longer than a slow stream.
var client = &http.Client{Timeout: 2 * time.Minute}

// ask sends a request with a bearer key and returns status and body; an error is the connection's.
func (s *stack) ask(method, path, key string, body any) (int, []byte, error) {
	var reader io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		reader = bytes.NewReader(text)
	}
	request, err := http.NewRequest(method, s.url+path, reader)
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Authorization", "Bearer "+key)
	request.Header.Set("Content-Type", "application/json")
	reply, err := client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer reply.Body.Close()
	text, err := io.ReadAll(reply.Body)
	return reply.StatusCode, text, err
}

// must is ask for what has to succeed, decoded.
func must[T any](t *testing.T, s *stack, method, path string, body any) T {
	t.Helper()
	var decoded T
	status, text, err := s.ask(method, path, s.key, body)
	if err == nil && status == http.StatusOK {
		err = json.Unmarshal(text, &decoded)
	}
	if err != nil || status != http.StatusOK {
		t.Fatalf("%s %s: %d %s %v", method, path, status, text, err)
	}
	return decoded
}

func chat(alias, question string) map[string]any {
	return map[string]any{"model": alias, "max_tokens": 60, "messages": []map[string]string{{"role": "user", "content": question}}}
}

// answered says whether a call of key was answered with 200.
func (s *stack) answered(key, alias, question string) bool {
	status, _, err := s.ask("POST", "/v1/chat/completions", key, chat(alias, question))
	return err == nil && status == http.StatusOK
}

func (s *stack) newKey(t *testing.T, alias string) string {
	t.Helper()
	made := must[struct{ Key string }](t, s, "POST", "/key/generate", map[string]any{"models": []string{alias}, "max_budget": 5, "duration": "1h"})
	return made.Key
}

// row is what the tests read of a row of the spend log.
type row struct {
	RequestID string  `json:"request_id"`
	Spend     float64 `json:"spend"`
	Status    string  `json:"status"`
}

// rows are the rows of a key, oldest first.
func (s *stack) rows(t *testing.T, key string) []row {
	t.Helper()
	return must[[]row](t, s, "GET", "/spend/logs?api_key="+url.QueryEscape(key), nil)
}

// spent is what the key has cost, as its own record says.
func (s *stack) spent(t *testing.T, key string) float64 {
	t.Helper()
	got := must[struct {
		Info struct{ Spend float64 }
	}](t, s, "GET", "/key/info?key="+url.QueryEscape(key), nil)
	return got.Info.Spend
}

// ready waits until the gateway answers again.
func (s *stack) ready(t *testing.T) {
	t.Helper()
	eventually(t, time.Minute, "the gateway is ready", func() bool {
		status, _, err := s.ask("GET", "/health/readiness", "", nil)
		return err == nil && status == http.StatusOK
	})
}

// unique is the number of different request ids; a row that was written twice would show.
func unique(rows []row) int {
	seen := map[string]bool{}
	for _, r := range rows {
		seen[r.RequestID] = true
	}
	return len(seen)
}

func total(rows []row) string {
	sum := 0.0
	for _, r := range rows {
		sum += r.Spend
	}
	return usd(sum)
}

// usd is an amount to a tenth of a billionth: sums of doubles differ after that.
func usd(amount float64) string { return fmt.Sprintf("%.10f", amount) }
