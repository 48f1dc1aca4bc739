package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// crowdClient calls as a crowd does: each caller has a connection of its own, which is used again.
var crowdClient = &http.Client{
	Timeout:   60 * time.Second,
	Transport: &http.Transport{MaxIdleConns: 2048, MaxIdleConnsPerHost: 1024, DisableCompression: true},
}

// answered is how a call went, as its caller saw it.
type answered struct {
	status int // 0 = no answer at all
	err    error
	key    string // that it was made with
	header http.Header
	body   string // of a stream: all its events
	callID string
	id     string // of the reply
	finish string
	done   bool // the answer is complete: a stream has said [DONE]
	took   time.Duration
}

func (a answered) ok() bool { return a.status == http.StatusOK && a.done && a.err == nil }

// question is a short call of a model.
func question(model string, more ...obj) obj {
	return ask(model, "hello there", append([]obj{{"max_tokens": outputTokens}}, more...)...)
}

var asStream = obj{"stream": true}

// call asks a replica with a key.
func (r *replica) call(key string, body obj, header ...string) answered {
	began := time.Now()
	resp, err := r.open(key, body, header...)
	if err != nil {
		return answered{err: err, key: key}
	}
	a := readAnswer(resp)
	a.key, a.took = key, time.Since(began)
	return a
}

// open asks a replica with a key and returns when the answer begins.
func (r *replica) open(key string, body obj, header ...string) (*http.Response, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, r.url()+"/v1/chat/completions", strings.NewReader(string(text)))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+key)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return crowdClient.Do(req)
}

// readAnswer reads an answer to its end and closes it.
func readAnswer(resp *http.Response) answered {
	defer resp.Body.Close()
	a := answered{status: resp.StatusCode, header: resp.Header, callID: resp.Header.Get("X-Litellm-Call-Id")}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream") {
		a.readStream(resp.Body)
		return a
	}
	text, err := io.ReadAll(resp.Body)
	a.body, a.err, a.done = string(text), err, err == nil
	a.note(text)
	return a
}

func (a *answered) readStream(body io.Reader) {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		data, isData := strings.CutPrefix(lines.Text(), "data: ")
		if !isData {
			continue
		}
		a.body += data + "\n"
		if data == "[DONE]" {
			a.done = true
			continue
		}
		a.note([]byte(data))
	}
	a.err = lines.Err()
}

// note takes the id and the finish reason from a reply or a chunk.
func (a *answered) note(text []byte) {
	var v struct {
		ID      string
		Choices []struct {
			FinishReason string `json:"finish_reason"`
		}
	}
	if json.Unmarshal(text, &v) != nil {
		return
	}
	if v.ID != "" {
		a.id = v.ID
	}
	if len(v.Choices) > 0 && v.Choices[0].FinishReason != "" {
		a.finish = v.Choices[0].FinishReason
	}
}

// crowd lets n callers begin at once and returns how each went.
func crowd(n int, call func(i int) answered) []answered {
	all := make([]answered, n)
	gate := make(chan struct{})
	var callers sync.WaitGroup
	for i := range n {
		callers.Go(func() {
			<-gate
			all[i] = call(i)
		})
	}
	close(gate)
	callers.Wait()
	return all
}

// served counts the calls that were answered in full.
func served(all []answered) int {
	n := 0
	for _, a := range all {
		if a.ok() {
			n++
		}
	}
	return n
}

// outcomes tells how calls went, for messages.
func outcomes(all []answered) string {
	kinds := map[string]int{}
	for _, a := range all {
		switch {
		case a.err != nil:
			kinds[a.err.Error()]++
		case a.ok():
			kinds["answered"]++
		default:
			kinds[fmt.Sprintf("%d %.160s", a.status, a.body)]++
		}
	}
	return fmt.Sprint(kinds)
}

// manage calls the management API of the first replica and fails unless it says 200.
func (w *world) manage(method, path string, body any) map[string]any {
	w.t.Helper()
	return w.replicas[0].manage(method, path, body)
}

func (r *replica) manage(method, path string, body any) map[string]any {
	r.t.Helper()
	a, err := r.try(masterKey, method, path, body)
	if err != nil || a.status != http.StatusOK {
		r.t.Fatalf("%s %s: %v %d %s", method, path, err, a.status, a.body)
	}
	var v map[string]any
	if err := json.Unmarshal(a.body, &v); err != nil {
		v = nil // a list or null
	}
	return v
}

// try calls any route with a key, "" for none.
func (r *replica) try(key, method, path string, body any) (reply, error) {
	text := ""
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return reply{}, err
		}
		text = string(b)
	}
	req, err := http.NewRequestWithContext(context.Background(), method, r.url()+path, strings.NewReader(text))
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	resp, err := crowdClient.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, answer}, err
}

// key makes a virtual key.
func (w *world) key(fields obj) string {
	w.t.Helper()
	key, _ := w.manage("POST", "/key/generate", fields)["key"].(string)
	if key == "" {
		w.t.Fatal("/key/generate gave no key")
	}
	return key
}

// row is one line of the ledger.
type row struct {
	RequestID        string      `json:"request_id"`
	APIKey           string      `json:"api_key"`
	Spend            json.Number `json:"spend"`
	PromptTokens     int64       `json:"prompt_tokens"`
	CompletionTokens int64       `json:"completion_tokens"`
	TotalTokens      int64       `json:"total_tokens"`
	Model            string      `json:"model"`
	Status           string      `json:"status"`
	Metadata         struct {
		CallID     string `json:"tollgate_call_id"`
		UpstreamID string `json:"tollgate_upstream_request_id"`
		Outcome    string `json:"tollgate_outcome"`
	} `json:"metadata"`
}

// rows reads what the ledger holds of a key, "" for all, once it is want rows or more. The rows of other replicas come
// within a second.
func (w *world) rows(key string, want int) []row {
	w.t.Helper()
	var all []row
	eventually(w.t, 20*time.Second, func() string {
		all = nil
		path := "/spend/logs"
		if key != "" {
			path += "?api_key=" + url.QueryEscape(key)
		}
		r, err := w.replicas[0].try(masterKey, "GET", path, nil)
		if err != nil || r.status != http.StatusOK {
			return fmt.Sprintf("%s: %v %d %s", path, err, r.status, r.body)
		}
		if err := json.Unmarshal(r.body, &all); err != nil {
			return err.Error()
		}
		if len(all) < want {
			return fmt.Sprintf("the ledger has %d rows of %d calls", len(all), want)
		}
		return ""
	})
	return all
}

// dollars reads a number exactly.
func dollars(t *testing.T, text any) *big.Rat {
	t.Helper()
	r, ok := new(big.Rat).SetString(fmt.Sprint(text))
	if !ok {
		t.Fatalf("%v is no amount", text)
	}
	return r
}

// spent adds up rows.
func spent(t *testing.T, rows []row) *big.Rat {
	t.Helper()
	sum := new(big.Rat)
	for _, r := range rows {
		sum.Add(sum, dollars(t, r.Spend))
	}
	return sum
}

// shown reads one number of a reply by the path to it, such as "info.spend".
func (w *world) shown(method, path string, body any, at string) *big.Rat {
	w.t.Helper()
	r, err := w.replicas[0].try(masterKey, method, path, body)
	if err != nil || r.status != http.StatusOK {
		w.t.Fatalf("%s: %v %d %s", path, err, r.status, r.body)
	}
	value, err := numberAt(r.body, at)
	if err != nil {
		w.t.Fatalf("%s: %v: %.300s", path, err, r.body)
	}
	return dollars(w.t, value)
}

func numberAt(text []byte, at string) (json.Number, error) {
	dec := json.NewDecoder(strings.NewReader(string(text)))
	dec.UseNumber()
	var v any
	if err := dec.Decode(&v); err != nil {
		return "", err
	}
	for _, name := range strings.Split(at, ".") {
		switch inner := v.(type) {
		case map[string]any:
			v = inner[name]
		case []any:
			if len(inner) == 0 {
				return "", errors.New("an empty list")
			}
			v = inner[0]
		}
	}
	n, ok := v.(json.Number)
	if !ok {
		return "", fmt.Errorf("%s is %v", at, v)
	}
	return n, nil
}
