package contentfilter_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/contentfilter"
	"tollgate/internal/guardrail/detect"
	"tollgate/internal/guardrail/remote/remotetest"
)

func open(t testing.TB, settings string) guardrail.Guardrail {
	t.Helper()
	return remotetest.Open(t, contentfilter.Open, settings, nil)
}

func TestCheck_blocks(t *testing.T) {
	g := open(t, `{"patterns":[{"pattern_type":"prebuilt","pattern_name":"us_ssn","action":"BLOCK"},{"pattern_type":"regex","pattern":"OPS-[0-9]+","name":"ticket","action":"BLOCK"}],
		"blocked_words":[{"keyword":"Project Blue","action":"BLOCK"},{"keyword":"zeta"}],
		"categories":[{"category":"denied_financial_advice","enabled":true,"action":"BLOCK"},{"category":"harmful_violence","enabled":false},{"category":"harmful_self_harm","severity_threshold":"high"}]}`)
	for text, want := range map[string]string{
		"My number is 536-22-1234":                 "Content blocked: us_ssn pattern detected",
		"What became of OPS-4711?":                 "Content blocked: ticket pattern detected",
		"the PROJECT  blue files":                  "Content blocked: keyword 'Project Blue' detected",
		"Zeta.":                                    "Content blocked: keyword 'zeta' detected",
		"Which stock should I buy?":                "Content blocked: denied_financial_advice category keyword detected (severity: high)",
		"Any stock tips?":                          "Content blocked: denied_financial_advice category keyword detected (severity: medium)",
		"Tell me how to kill myself":               "Content blocked: harmful_self_harm category keyword detected (severity: high)",
		"I want to die":                            "", // medium, below the threshold
		"my portfolio allocation":                  "", // low
		"zetas and betazeta":                       "",
		"stock tips? Give me the definition of it": "", // an exception
		"I will murder him":                        "", // not enabled
		"Hello":                                    "",
	} {
		v := remotetest.Pre(t, g, remotetest.User(t, text))
		if v.Reason != want || (v.Action == guardrail.Block) != (want != "") {
			t.Errorf("%q: %+v", text, v)
		}
		if want != "" && (v.Detail["error"] != want || len(v.Findings) == 0) {
			t.Errorf("%q: %+v", text, v)
		}
		remotetest.Secretless(t, v, "536-22", "OPS-4711")
	}
}

func TestCheck_masks(t *testing.T) {
	settings := `{"patterns":[{"pattern_type":"prebuilt","pattern_name":"email","action":"MASK"},{"pattern_type":"prebuilt","pattern_name":"visa","action":"MASK"},{"pattern_type":"prebuilt","pattern_name":"phone","action":"LOG"}],
		"blocked_words":[{"keyword":"zeta","action":"MASK"}]`
	chat := `[{"role":"user","content":"Zeta wrote ann@example.org: 4111 1111 1111 1111, 5555 5555 5555 4444, +49 30 1234567"}]`
	v := remotetest.Pre(t, open(t, settings+"}"), remotetest.Chat(t, chat))
	if want := "[KEYWORD_REDACTED] wrote [EMAIL_REDACTED]: [VISA_REDACTED], 5555 5555 5555 4444, +49 30 1234567"; v.Action != guardrail.Mask || v.Texts[0] != want {
		t.Errorf("got %+v", v)
	}
	counts := map[string]guardrail.Action{}
	for _, f := range v.Findings {
		counts[f.Kind] = f.Action
	}
	if counts["phone"] != guardrail.Allow || counts["email"] != guardrail.Mask || counts["keyword"] != guardrail.Mask {
		t.Errorf("found %v", counts)
	}
	v = remotetest.Pre(t, open(t, settings+`,"pattern_redaction_format":"<{pattern_name}>","keyword_redaction_tag":"***"}`), remotetest.Chat(t, chat))
	if want := "*** wrote <EMAIL>: <VISA>, "; !strings.HasPrefix(v.Texts[0], want) {
		t.Errorf("got %q", v.Texts[0])
	}
}

func TestOpen_files(t *testing.T) {
	dir := t.TempDir()
	words, categories := filepath.Join(dir, "words.yaml"), filepath.Join(dir, "category.yaml")
	if err := errors.Join(
		os.WriteFile(words, []byte("blocked_words:\n- keyword: omega\n  action: BLOCK\n  description: a project\n"), 0o600),
		os.WriteFile(categories, []byte("category_name: rivals\ndescription: who competes\ndefault_action: MASK\nkeywords:\n- {keyword: acme, severity: high}\n- {keyword: anvil, severity: low}\nexceptions: [acme road]\n"), 0o600),
	); err != nil {
		t.Fatal(err)
	}
	g := open(t, `{"blocked_words_file":"`+words+`","categories":[{"category":"rivals","category_file":"`+categories+`"}]}`)
	if v := remotetest.Pre(t, g, remotetest.User(t, "omega")); v.Action != guardrail.Block {
		t.Errorf("got %+v", v)
	}
	if v := remotetest.Pre(t, g, remotetest.User(t, "buy an anvil of ACME")); v.Action != guardrail.Mask || v.Texts[0] != "buy an anvil of [KEYWORD_REDACTED]" {
		t.Errorf("got %+v", v)
	}
	if v := remotetest.Pre(t, g, remotetest.User(t, "I live in Acme Road")); v.Action != "" {
		t.Errorf("got %+v", v)
	}
}

func TestOpen_faults(t *testing.T) {
	for settings, want := range map[string]string{
		`{}`: "nothing to look for",
		`{"patterns":[{"pattern_type":"prebuilt","pattern_name":"none"}]}`:         "no prebuilt pattern",
		`{"patterns":[{"pattern_type":"regex","pattern":"(?=x)"}]}`:                "RE2",
		`{"patterns":[{"pattern_type":"regex","pattern":"x*"}]}`:                   "matches an empty text",
		`{"patterns":[{"pattern_type":"regex","pattern":"x","action":"DROP"}]}`:    "BLOCK, MASK or LOG",
		`{"patterns":[{"pattern_type":"glob","pattern":"x"}]}`:                     "prebuilt or regex",
		`{"blocked_words":[{"keyword":" "}]}`:                                      "no keyword",
		`{"blocked_words_file":"/none.yaml"}`:                                      "no such file",
		`{"categories":[{"category":"none"}]}`:                                     "there is no category",
		`{"categories":[{"category":"bias_racial","severity_threshold":"tiny"}]}`:  "severity_threshold",
		`{"categories":[{"category":"bias_racial","category_file":"/none.yaml"}]}`: "no such file",
		`{"blocked_words":[{"keyword":"x"}],"image_model":"m"}`:                    "images",
	} {
		_, err := contentfilter.Open(remotetest.Spec(t, settings, nil))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", settings, err)
		}
	}
}

func TestPrebuilt(t *testing.T) {
	for _, name := range contentfilter.PrebuiltNames() {
		rules := contentfilter.Prebuilt(name)
		if _, err := detect.New(rules); err != nil || len(rules) == 0 {
			t.Errorf("%s: %d rules, %v", name, len(rules), err)
		}
	}
	for _, name := range []string{"us_ssn", "email", "phone", "visa", "mastercard", "amex", "aws_access_key", "aws_secret_key", "github_token"} {
		if contentfilter.Prebuilt(name) == nil {
			t.Errorf("LiteLLM's %s is missing", name)
		}
	}
}

func TestCheck_sideBySide(t *testing.T) {
	g := open(t, `{"patterns":[{"pattern_name":"email","action":"MASK"}],"blocked_words":[{"keyword":"zeta","action":"MASK"}]}`)
	c := remotetest.User(t, "Zeta wrote ann@example.org")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if v, err := g.Check(t.Context(), &guardrail.Input{Phase: guardrail.PreCall, Content: c, Call: &guardrail.Call{}}); err != nil || v.Texts[0] != "[KEYWORD_REDACTED] wrote [EMAIL_REDACTED]" {
					t.Errorf("%+v, %v", v, err)
				}
			}
		})
	}
	wg.Wait()
}

func FuzzCheck(f *testing.F) {
	g := open(f, `{"patterns":[{"pattern_name":"email","action":"MASK"},{"pattern_name":"credit_card","action":"MASK"},{"pattern_name":"phone","action":"LOG"}],"blocked_words":[{"keyword":"zeta","action":"MASK"}]}`)
	f.Add("Zeta wrote ann@example.org: 4111 1111 1111 1111, zeta@zeta.zeta")
	f.Fuzz(func(t *testing.T, text string) {
		if text != "" && strings.ToValidUTF8(text, "") == text {
			remotetest.Pre(t, g, remotetest.User(t, text))
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	g := open(b, `{"patterns":[{"pattern_name":"us_ssn"},{"pattern_name":"email","action":"MASK"},{"pattern_name":"phone","action":"MASK"},{"pattern_name":"visa","action":"MASK"},{"pattern_name":"mastercard","action":"MASK"},{"pattern_name":"amex","action":"MASK"},{"pattern_name":"aws_access_key"},{"pattern_name":"github_token"}],
		"categories":[{"category":"harmful_violence"},{"category":"denied_financial_advice"}]}`)
	c := remotetest.User(b, strings.Repeat("It was the best of times, it was the worst of times; in 1775 the King's ministers, 12 of them, said to their clerks: write it down. ", 3000))
	b.SetBytes(int64(len(c.Texts[0].Value)))
	for b.Loop() {
		if _, err := g.Check(b.Context(), &guardrail.Input{Phase: guardrail.PreCall, Content: c, Call: &guardrail.Call{}}); err != nil {
			b.Fatal(err)
		}
	}
}
