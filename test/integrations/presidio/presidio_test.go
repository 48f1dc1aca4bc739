//go:build presidio

// Package presidio_test runs the guardrail `presidio` against Microsoft Presidio's own engines: see server.py for what they are
// and are not. test/integrations/presidio/run installs them and runs this.
package presidio_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/presidio"
	"tollgate/internal/guardrail/remote/remotetest"
)

// address is where Presidio listens.
var address string

func TestMain(m *testing.M) {
	python := filepath.Join("..", "..", "..", ".cache", "python", "test-integrations-presidio", "bin", "python")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	listener.Close()
	server := exec.Command(python, "server.py", fmt.Sprint(port))
	var said bytes.Buffer
	server.Stdout, server.Stderr = &said, &said
	if err := server.Start(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	address = fmt.Sprintf("http://127.0.0.1:%d", port)
	code := 1
	if err := ready(); err != nil {
		fmt.Fprintf(os.Stderr, "Presidio does not come up: %v\n", err)
	} else {
		code = m.Run()
	}
	_ = server.Process.Kill()
	_ = server.Wait() // it was killed
	if code != 0 {
		fmt.Fprintf(os.Stderr, "Presidio said:\n%s\n", said.Bytes())
	}
	os.Exit(code)
}

// ready waits until Presidio has loaded its recognizers, which takes seconds.
func ready() (err error) {
	for range 240 {
		var resp *http.Response
		if resp, err = http.Get(address + "/health"); err == nil {
			resp.Body.Close()
			return nil
		}
		time.Sleep(250 * time.Millisecond)
	}
	return err
}

func open(t *testing.T, more string) guardrail.Guardrail {
	t.Helper()
	return remotetest.Open(t, presidio.Open, `{"presidio_analyzer_api_base":"`+address+`","presidio_anonymizer_api_base":"`+address+`"`+more+`}`, nil)
}

const entities = `,"pii_entities_config":{"EMAIL_ADDRESS":"MASK","CREDIT_CARD":"MASK","IBAN_CODE":"MASK","IP_ADDRESS":"MASK","US_SSN":"BLOCK"}`

func TestMasks(t *testing.T) {
	g := open(t, entities)
	tests := []struct{ text, want string }{
		{"My mail is ada@example.org.", "My mail is <EMAIL_ADDRESS>."},
		{"👍👍🏽 ada@example.org 👨‍👩‍👧‍👦 4111 1111 1111 1111 é", "👍👍🏽 <EMAIL_ADDRESS> 👨‍👩‍👧‍👦 <CREDIT_CARD> é"},
		{"Jose\u0301, 𝒜: GB33BUKB20201555555555 from 10.11.12.13", "Jose\u0301, 𝒜: <IBAN_CODE> from <IP_ADDRESS>"},
		{"4111 1111 1111 1112 is no card", "4111 1111 1111 1112 is no card"},
	}
	for _, test := range tests {
		v := remotetest.Pre(t, g, remotetest.User(t, test.text))
		got := test.text
		if v.Action == guardrail.Mask {
			got = v.Texts[0]
		}
		if got != test.want {
			t.Errorf("got  %q\nwant %q", got, test.want)
		}
	}
}

func TestBlocks(t *testing.T) {
	v := remotetest.Pre(t, open(t, entities+`,"presidio_score_thresholds":{"ALL":0.3}`), remotetest.User(t, "my social security number, ssn, is 536-22-8726"))
	if v.Action != guardrail.Block || !strings.HasPrefix(v.Reason, "Blocked PII entity detected: US_SSN by Guardrail: guard.") {
		t.Errorf("got %+v", v)
	}
}

func TestNumberedTokens(t *testing.T) {
	v := remotetest.Pre(t, open(t, entities+`,"output_parse_pii":true`), remotetest.User(t, "👍 ada@example.org and alan@example.org, ada@example.org from 10.11.12.13"))
	if want := "👍 <EMAIL_ADDRESS_1> and <EMAIL_ADDRESS_2>, <EMAIL_ADDRESS_1> from <IP_ADDRESS_3>"; v.Action != guardrail.Mask || v.Texts[0] != want {
		t.Errorf("got %q", v.Texts)
	}
	if len(v.Restore) != 3 || v.Restore["<EMAIL_ADDRESS_2>"] != "alan@example.org" {
		t.Errorf("restores %v", v.Restore)
	}
}

func TestLanguageAndAdHocRecognizers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "recognizers.json")
	text := `[{"name":"Ticket","supported_language":"de","supported_entity":"TICKET","patterns":[{"name":"t","regex":"T-[0-9]+","score":0.9}]}]`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	in := &guardrail.Input{Phase: guardrail.PreCall, Content: remotetest.User(t, "é T-42, ada@example.org"), Language: "de"}
	v, err := open(t, `,"presidio_ad_hoc_recognizers":"`+file+`","presidio_entities_deny_list":["URL"]`).Check(t.Context(), in)
	if err != nil || v.Action != guardrail.Mask || v.Texts[0] != "é <TICKET>, <EMAIL_ADDRESS>" {
		t.Errorf("got %+v, %v", v, err)
	}
	in.Language = "xx"
	if _, err := open(t, "").Check(t.Context(), in); err == nil {
		t.Error("a language that Presidio does not have was taken")
	}
}

func TestChunks(t *testing.T) {
	g := open(t, entities+`,"presidio_analyze_chunk_size_bytes":3000`)
	for _, at := range []int{0, 2650, 2980, 2990, 3000, 5000} {
		text := strings.Repeat("x ", at/2) + "ada@example.org" + strings.Repeat(" é", 2000)
		v := remotetest.Pre(t, g, remotetest.User(t, text))
		if want := strings.Replace(text, "ada@example.org", "<EMAIL_ADDRESS>", 1); v.Action != guardrail.Mask || v.Texts[0] != want {
			t.Errorf("at %d: %+v", at, v.Findings)
		}
	}
}

func TestPing(t *testing.T) {
	if err := open(t, "").(guardrail.Pinger).Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

// The double that other tests use answers in the shapes of the real one.
func TestDoubleIsFaithful(t *testing.T) {
	post := func(path, body string) (int, string) {
		resp, err := http.Post(address+path, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, resp.Header.Get("Content-Type") + " " + strings.TrimSpace(string(text))
	}
	tests := []struct {
		path, body string
		status     int
		want       []string
	}{
		{"/analyze", `{"text":"","language":"en"}`, 500, []string{"application/json", `"No text provided"`}},
		{"/analyze", `{"text":"x"}`, 500, []string{`"No language provided"`}},
		{"/analyze", `{"text":"👍 ada@example.org","language":"en","entities":["EMAIL_ADDRESS"]}`, 200, []string{"application/json", `"start": 2`, `"end": 17`, `"entity_type": "EMAIL_ADDRESS"`, `"analysis_explanation": null`}},
		{"/analyze", `{"text":["a","b"],"language":"en"}`, 200, []string{"[[], []]"}},
		{"/anonymize", `{"text":"👍 ada","analyzer_results":[{"start":2,"end":5,"score":1,"entity_type":"PERSON"}]}`, 200, []string{`<PERSON>`, `"items"`, `"operator": "replace"`}},
		{"/anonymize", `{"text":"ada","analyzer_results":[{"start":2,"end":9,"score":1,"entity_type":"PERSON"}]}`, 422, []string{"application/json", `"error"`}},
	}
	for _, test := range tests {
		status, got := post(test.path, test.body)
		missing := slices.IndexFunc(test.want, func(s string) bool { return !strings.Contains(got, s) })
		if status != test.status || missing >= 0 {
			t.Errorf("%s %s: %d %s", test.path, test.body, status, got)
		}
	}
}
