package pii_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tollgate/internal/guardrail"
	"tollgate/internal/guardrail/pii"
	"tollgate/internal/guardrail/remote/remotetest"
)

func TestCheck_masks(t *testing.T) {
	g := remotetest.Open(t, pii.Open, `{"output_parse_pii":true}`, nil)
	c := remotetest.Chat(t, `[{"role":"system","content":"Answer ann@example.org"},{"role":"user","content":"I am bob@example.org (not ann@example.org), card 4111 1111 1111 1111"}]`)
	v := remotetest.Pre(t, g, c)
	want := []string{"Answer <EMAIL_ADDRESS_1>", "I am <EMAIL_ADDRESS_2> (not <EMAIL_ADDRESS_1>), card <CREDIT_CARD_1>"}
	if diff := cmp.Diff(want, v.Texts); diff != "" || v.Action != guardrail.Mask {
		t.Errorf("%s: %s", v.Action, diff)
	}
	restore := map[string]string{"<EMAIL_ADDRESS_1>": "ann@example.org", "<EMAIL_ADDRESS_2>": "bob@example.org", "<CREDIT_CARD_1>": "4111 1111 1111 1111"}
	if diff := cmp.Diff(restore, v.Restore); diff != "" {
		t.Error(diff)
	}
	remotetest.Secretless(t, []any{v.Findings, v.Reason, v.Detail, v.Log}, "ann@", "4111")
	if v := remotetest.Post(t, g, c, remotetest.Answer(t, "Ask carl@example.org")); v.Restore != nil || v.Texts[0] != "Ask <EMAIL_ADDRESS>" {
		t.Errorf("an answer: %+v", v)
	}
}

func TestCheck_holderThatIsThere(t *testing.T) {
	g := remotetest.Open(t, pii.Open, `{"output_parse_pii":true}`, nil)
	v := remotetest.Pre(t, g, remotetest.User(t, "<EMAIL_ADDRESS_1> is ann@example.org"))
	if v.Texts[0] != "<EMAIL_ADDRESS_1> is <EMAIL_ADDRESS_2>" || len(v.Restore) != 1 {
		t.Errorf("got %+v", v)
	}
}

func TestCheck_actions(t *testing.T) {
	g := remotetest.Open(t, pii.Open, `{"pii_entities_config":{"US_SSN":"BLOCK","EMAIL_ADDRESS":"LOG","URL":"MASK"}}`, nil)
	if v := remotetest.Pre(t, g, remotetest.User(t, "536-22-1234 and ann@example.org")); v.Action != guardrail.Block || v.Reason != "Personal data must not be sent: US_SSN" || len(v.Findings) != 2 {
		t.Errorf("got %+v", v)
	}
	if v := remotetest.Pre(t, g, remotetest.User(t, "ann@example.org, 4111 1111 1111 1111")); v.Action != "" || len(v.Findings) != 1 || v.Findings[0].Action != guardrail.Allow {
		t.Errorf("got %+v", v)
	}
	if v := remotetest.Pre(t, g, remotetest.User(t, "see https://example.org/x")); v.Texts == nil || v.Texts[0] != "see <URL_1>" || v.Restore != nil {
		t.Errorf("got %+v", v)
	}
}

func TestOpen_faults(t *testing.T) {
	for settings, want := range map[string]string{
		`{"pii_entities_config":{"PERSON":"MASK"}}`: "presidio",
		`{"pii_entities_config":{"SHOE":"MASK"}}`:   "there is no entity",
		`{"pii_entities_config":{"URL":"DROP"}}`:    "MASK, BLOCK, LOG",
	} {
		if _, err := pii.Open(remotetest.Spec(t, settings, nil)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", settings, err)
		}
	}
}

func FuzzCheck(f *testing.F) {
	g := remotetest.Open(f, pii.Open, `{"output_parse_pii":true}`, nil)
	f.Add("I am bob@example.org <EMAIL_ADDRESS_1>, card 4111 1111 1111 1111, AB 12 34 56 C")
	f.Fuzz(func(t *testing.T, text string) {
		if text == "" || strings.ToValidUTF8(text, "") != text {
			return
		}
		v := remotetest.Pre(t, g, remotetest.User(t, text))
		if v.Texts == nil {
			return
		}
		pairs := make([]string, 0, 2*len(v.Restore))
		for holder, was := range v.Restore {
			pairs = append(pairs, holder, was)
		}
		if got := strings.NewReplacer(pairs...).Replace(v.Texts[0]); got != text {
			t.Errorf("%q came back as %q", text, got)
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	g := remotetest.Open(b, pii.Open, `{}`, nil)
	c := remotetest.User(b, strings.Repeat("It was the best of times, it was the worst of times; in 1775 the King's ministers, 12 of them, said to their clerks: write it down. ", 3000))
	b.SetBytes(int64(len(c.Texts[0].Value)))
	for b.Loop() {
		if _, err := g.Check(b.Context(), &guardrail.Input{Phase: guardrail.PreCall, Content: c, Call: &guardrail.Call{}}); err != nil {
			b.Fatal(err)
		}
	}
}
