package presidio_test

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/presidio"
	"tollgate/internal/guardrail/remote"
	"tollgate/internal/guardrail/remote/remotetest"
	"tollgate/internal/recorder/guardrails"
)

func open(t *testing.T, s *guardrails.Server, more string, phases ...guardrail.Phase) guardrail.Guardrail {
	t.Helper()
	// The scheme may be missing, as LiteLLM lets it.
	return remotetest.Open(t, presidio.Open, `{"presidio_analyzer_api_base":"`+strings.TrimPrefix(s.URL, "http://")+`"`+more+`}`,
		map[string]string{"PRESIDIO_ANONYMIZER_API_BASE": s.URL + "/"}, phases...)
}

func TestCheck_masks(t *testing.T) {
	g := open(t, guardrails.Presidio(t), "")
	tests := []struct{ name, text, want string }{
		{"nothing", "Hello", ""},
		{"blank", " \n", ""},
		{"a mail address", "I am ada@example.org.", "I am <EMAIL_ADDRESS>."},
		{"behind emoji", "👍👍🏽 ada@example.org 👍 +44 207 9460000", "👍👍🏽 <EMAIL_ADDRESS> 👍 <PHONE_NUMBER>"},
		{"behind a combining accent", "Jose\u0301 ada@example.org", "Jose\u0301 <EMAIL_ADDRESS>"},
		{"behind a family", "👨‍👩‍👧‍👦 Ada Lovelace", "👨‍👩‍👧‍👦 <PERSON>"},
		{"outside of the basic plane", "𝒜𝒷 ada@example.org", "𝒜𝒷 <EMAIL_ADDRESS>"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			v := remotetest.Pre(t, g, remotetest.User(t, test.text))
			if test.want == "" {
				if v.Action != "" || v.Texts != nil {
					t.Errorf("got %+v", v)
				}
				return
			}
			if v.Action != guardrail.Mask || v.Texts[0] != test.want || v.Restore != nil {
				t.Errorf("got %+v", v)
			}
			remotetest.Secretless(t, []any{v.Reason, v.Detail, v.Log, v.Findings}, "ada@example.org", "Lovelace")
		})
	}
}

func TestCheck_entities(t *testing.T) {
	s := guardrails.Presidio(t)
	g := open(t, s, `,"pii_entities_config":{"EMAIL_ADDRESS":"MASK","CREDIT_CARD":"BLOCK"}`)
	v := remotetest.Pre(t, g, remotetest.User(t, "ada@example.org, 4111 1111 1111 1111"))
	if v.Action != guardrail.Block || !strings.HasPrefix(v.Reason, "Blocked PII entity detected: CREDIT_CARD by Guardrail: guard.") {
		t.Errorf("got %+v", v)
	}
	remotetest.Secretless(t, []any{v.Reason, v.Detail, v.Log, v.Findings}, "4111", "ada@example.org")
	if entities := s.Calls()[0].Fields()["entities"]; !slices.Equal(entities.([]any), []any{"CREDIT_CARD", "EMAIL_ADDRESS"}) {
		t.Errorf("entities are %v", entities)
	}
	if v := remotetest.Pre(t, g, remotetest.User(t, "ada@example.org, Ada Lovelace")); v.Action != guardrail.Mask || v.Texts[0] != "<EMAIL_ADDRESS>, Ada Lovelace" {
		t.Errorf("an entity that is not asked for: %+v", v)
	}
}

func TestCheck_thresholdsAndDenyList(t *testing.T) {
	text := "Ada Lovelace, +44 207 9460000, 123-45-6789"
	for more, want := range map[string]string{
		`,"presidio_score_thresholds":{"ALL":0.8}`:                             "<PERSON>, +44 207 9460000, 123-45-6789",
		`,"presidio_score_thresholds":{"ALL":0.8,"US_SSN":0.4}`:                "<PERSON>, +44 207 9460000, <US_SSN>",
		`,"presidio_score_thresholds":{"PERSON":0.9}`:                          "Ada Lovelace, <PHONE_NUMBER>, <US_SSN>",
		`,"presidio_entities_deny_list":["PERSON","US_SSN"]`:                   "Ada Lovelace, <PHONE_NUMBER>, 123-45-6789",
		`,"presidio_score_thresholds":{"US_SSN":0.5,"ALL":0.75}`:               "<PERSON>, <PHONE_NUMBER>, <US_SSN>",
		`,"pii_entities_config":{"PERSON":"MASK"},"presidio_language":"de"`:    "<PERSON>, +44 207 9460000, 123-45-6789",
		`,"mask_pii_fail_closed":false,"presidio_entities_deny_list":["X_ID"]`: "<PERSON>, <PHONE_NUMBER>, <US_SSN>",
	} {
		if v := remotetest.Pre(t, open(t, guardrails.Presidio(t), more), remotetest.User(t, text)); v.Action != guardrail.Mask || v.Texts[0] != want {
			t.Errorf("%s: got %+v", more, v)
		}
	}
	// Below the threshold even a BLOCK does not count.
	v := remotetest.Pre(t, open(t, guardrails.Presidio(t), `,"pii_entities_config":{"US_SSN":"BLOCK"},"presidio_score_thresholds":{"ALL":0.9}`), remotetest.User(t, text))
	if v.Action != "" {
		t.Errorf("got %+v", v)
	}
}

func TestCheck_request(t *testing.T) {
	s := guardrails.Presidio(t)
	file := filepath.Join(t.TempDir(), "recognizers.json")
	recognizers := `[{"name":"Ticket","supported_language":"de","supported_entity":"TICKET","patterns":[{"name":"t","regex":"T-[0-9]+","score":0.9}]}]`
	if err := os.WriteFile(file, []byte(recognizers), 0o600); err != nil {
		t.Fatal(err)
	}
	g := open(t, s, `,"presidio_ad_hoc_recognizers":"`+file+`","presidio_language":"en"`)
	in := &guardrail.Input{
		Phase: guardrail.PreCall, Content: remotetest.User(t, "👍 T-42"), Language: "de",
		Extra: map[string]any{"text": "harmless", "language": "en", "entities": []any{"NRP"}, "score_threshold": 1, "allow_list": []any{"T-42"}, "correlation_id": "c-1"},
	}
	v, err := g.Check(t.Context(), in)
	if err != nil || v.Action != guardrail.Mask || v.Texts[0] != "👍 <TICKET>" {
		t.Fatalf("got %+v, %v", v, err)
	}
	sent := s.Calls()[0].Fields()
	if got := slices.Sorted(maps.Keys(sent)); !slices.Equal(got, []string{"ad_hoc_recognizers", "correlation_id", "language", "text"}) || sent["language"] != "de" {
		t.Errorf("the analyzer gets %v", sent)
	}
}

func TestCheck_numberedTokens(t *testing.T) {
	s := guardrails.Presidio(t)
	g := open(t, s, `,"output_parse_pii":true`)
	v := remotetest.Pre(t, g, remotetest.Chat(t, `[{"role":"system","content":"👍 Ada Lovelace is here"},
		{"role":"user","content":"I am ada@example.org, Jose\u0301 and Alan Turing; <PERSON_3> is a joke. Ada Lovelace again"}]`))
	want := []string{"👍 <PERSON_1> is here", "I am <EMAIL_ADDRESS_2>, Jose\u0301 and <PERSON_4>; <PERSON_3> is a joke. <PERSON_1> again"}
	if v.Action != guardrail.Mask || !slices.Equal(v.Texts, want) {
		t.Errorf("texts are %q", v.Texts)
	}
	if restore := map[string]string{"<PERSON_1>": "Ada Lovelace", "<EMAIL_ADDRESS_2>": "ada@example.org", "<PERSON_4>": "Alan Turing"}; !maps.Equal(v.Restore, restore) {
		t.Errorf("restores %v", v.Restore)
	}
	for _, c := range s.Calls() {
		if c.Path != "/analyze" {
			t.Errorf("asked %s", c.Path)
		}
	}
	if v := remotetest.Post(t, g, remotetest.User(t, "x"), remotetest.Answer(t, "ada@example.org")); v.Action != "" {
		t.Errorf("the answer gets the data back and is not masked: %+v", v)
	}
}

// Whatever the texts, the masked ones with the data put back are the texts again.
func TestCheck_tokensRestore(t *testing.T) {
	g := open(t, guardrails.Presidio(t), `,"output_parse_pii":true`)
	for _, text := range []string{
		"ada@example.org", "👍ada@example.org👍ada@example.org", "<EMAIL_ADDRESS_1> ada@example.org", "ada@example.org alan@example.org Ada Lovelace +44 207 9460000",
		"<EMAIL_ADDRESS_1><EMAIL_ADDRESS_2> a@b.cd e@f.gh", "é\u0301𝒜 4111 1111 1111 1111",
	} {
		v := remotetest.Pre(t, g, remotetest.User(t, text))
		got := v.Texts[0]
		for token, value := range v.Restore {
			if strings.Contains(text, token) {
				t.Errorf("%q: %s was there before", text, token)
			}
			got = strings.ReplaceAll(got, token, value)
		}
		if got != text || v.Texts[0] == text {
			t.Errorf("%q becomes %q, and back %q", text, v.Texts[0], got)
		}
	}
}

func TestCheck_scope(t *testing.T) {
	mail, answer := remotetest.User(t, "ada@example.org"), remotetest.Answer(t, "ada@example.org")
	tests := []struct {
		more      string
		pre, post guardrail.Action
	}{
		{"", guardrail.Mask, guardrail.Mask},
		{`,"presidio_filter_scope":"input"`, guardrail.Mask, ""},
		{`,"presidio_filter_scope":"output"`, "", guardrail.Mask},
		{`,"presidio_filter_scope":"both"`, guardrail.Mask, guardrail.Mask},
		{`,"presidio_run_on":"output"`, "", guardrail.Mask},
		{`,"output_parse_pii":true`, guardrail.Mask, ""},
		{`,"output_parse_pii":true,"presidio_filter_scope":"both"`, guardrail.Mask, guardrail.Mask},
		{`,"output_parse_pii":true,"apply_to_output":true`, guardrail.Mask, guardrail.Mask},
	}
	for _, test := range tests {
		g := open(t, guardrails.Presidio(t), test.more)
		if v := remotetest.Pre(t, g, mail); v.Action != test.pre {
			t.Errorf("%s: the request: %+v", test.more, v)
		}
		if v := remotetest.Post(t, g, mail, answer); v.Action != test.post {
			t.Errorf("%s: the answer: %+v", test.more, v)
		}
	}
}

// A long text goes in overlapping pieces; what lies across a border is found whole, once.
func TestCheck_chunks(t *testing.T) {
	s := guardrails.Presidio(t)
	g := open(t, s, `,"presidio_analyze_chunk_size_bytes":2000`)
	for _, at := range []int{0, 100, 150, 160, 165, 170, 400} {
		text := strings.Repeat("👍 ", at) + "ada@example.org, Ada Lovelace" + strings.Repeat(" é", 900)
		v := remotetest.Pre(t, g, remotetest.User(t, text))
		want := strings.NewReplacer("ada@example.org", "<EMAIL_ADDRESS>", "Ada Lovelace", "<PERSON>").Replace(text)
		if v.Action != guardrail.Mask || v.Texts[0] != want {
			t.Errorf("at %d: %.300q", at, v.Texts)
		}
		if len(v.Findings) != 2 || v.Findings[0].Count != 1 {
			t.Errorf("at %d: findings %+v", at, v.Findings)
		}
	}
	for _, c := range s.Calls() {
		text, _ := c.Fields()["text"].(string)
		if ascii, err := json.Marshal(text); c.Path == "/analyze" && (err != nil || len(ascii) > 2002) {
			t.Errorf("a piece of %d bytes", len(ascii))
		}
	}
}

func TestCheck_failsClosed(t *testing.T) {
	tests := map[string]guardrails.Reply{
		"HTML with 200":      {Type: "text/html", Body: "<html>"},
		"an error":           {Status: 500, Body: `{"error":"No matching recognizers were found to serve the request."}`},
		"an error with 200":  {Body: `{"error":"No text provided"}`},
		"no list":            {Body: `"fine"`},
		"behind the end":     {Body: `[{"start":0,"end":99,"score":1,"entity_type":"PERSON"}]`},
		"nothing found":      {Body: `[{"start":2,"end":2,"score":1,"entity_type":"PERSON"}]`},
		"without its entity": {Body: `[{"start":0,"end":2,"score":1}]`},
		"503":                {Status: 503, Type: "text/html", Body: ""},
	}
	for name, r := range tests {
		t.Run(name, func(t *testing.T) {
			s := guardrails.Presidio(t)
			s.Always(r)
			for _, more := range []string{``, `,"pii_entities_config":{"PERSON":"MASK"}`, `,"output_parse_pii":true`} {
				err := remotetest.Fails(t, open(t, s, more), remotetest.User(t, "my secret text"))
				remotetest.Secretless(t, err.Error(), "my secret text")
			}
			v := remotetest.Pre(t, open(t, s, `,"mask_pii_fail_closed":false`), remotetest.User(t, "my secret text"))
			if v.Action != "" || len(v.Findings) != 1 {
				t.Errorf("open: %+v", v)
			}
		})
	}
}

func TestCheck_anonymizerFails(t *testing.T) {
	for _, r := range []guardrails.Reply{{Type: "text/html", Body: "<html>"}, {Status: 422, Body: `{"error":"Invalid input"}`}, {Body: `{}`}, {Body: `{"text":"ada@example.org"}`}} {
		s := guardrails.Presidio(t)
		s.Next(guardrails.Reply{Body: `[{"start":0,"end":15,"score":1,"entity_type":"EMAIL_ADDRESS","analysis_explanation":null}]`}, r)
		remotetest.Fails(t, open(t, s, ""), remotetest.User(t, "ada@example.org"))
	}
}

func TestOpen(t *testing.T) {
	g := open(t, guardrails.Presidio(t), "")
	if err := g.(guardrail.Pinger).Ping(t.Context()); err != nil {
		t.Error(err)
	}
	s := guardrails.Presidio(t)
	s.Always(guardrails.Reply{Status: 503, Type: "text/html"})
	var e *remote.Error
	if err := open(t, s, "").(guardrail.Pinger).Ping(t.Context()); !errors.As(err, &e) || e.Status != 503 {
		t.Errorf("got %v", err)
	}
	for settings, want := range map[string]string{
		`{}`: "PRESIDIO_ANALYZER_API_BASE",
		`{"presidio_analyzer_api_base":"x","presidio_anonymizer_api_base":"y","pii_entities_config":{"PERSON":"HIDE"}}`:                               "PERSON must be MASK or BLOCK",
		`{"presidio_analyzer_api_base":"x","presidio_anonymizer_api_base":"y","presidio_ad_hoc_recognizers":"/nowhere.json"}`:                         "/nowhere.json",
		`{"presidio_analyzer_api_base":"x","presidio_anonymizer_api_base":"y","mask_pii_fail_closed":false,"pii_entities_config":{"PERSON":"BLOCK"}}`: "mask_pii_fail_closed",
		`{"presidio_analyzer_api_base":"x"}`: "PRESIDIO_ANONYMIZER_API_BASE",
		`{"presidio_analyzer_api_base":"x","presidio_anonymizer_api_base":"y","presidio_score_thresholds":{"ALL":2}}`: "presidio_score_thresholds",
	} {
		if _, err := presidio.Open(remotetest.Spec(t, settings, nil)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", settings, err)
		}
	}
	mock := remotetest.Open(t, presidio.Open, `{"mock_redacted_text":{"text":"redacted","items":[]}}`, nil)
	if v := remotetest.Pre(t, mock, remotetest.User(t, "anything")); v.Texts[0] != "redacted" {
		t.Errorf("got %+v", v)
	}
}

func FuzzReplies(f *testing.F) {
	seed := `[{"start":2,"end":9,"score":1,"entity_type":"PERSON"},{"start":0,"end":4,"score":0.5,"entity_type":"X>"}]`
	remotetest.FuzzReplies(f, presidio.Open, `{"presidio_analyzer_api_base":"a","output_parse_pii":true,"apply_to_output":true}`, seed)
}
