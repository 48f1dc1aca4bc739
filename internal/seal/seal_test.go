package seal_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"tollgate/internal/seal"
)

func sealer(t testing.TB, master string) *seal.Sealer {
	t.Helper()
	s, err := seal.New(master)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var purposes = []seal.Purpose{seal.ModelParams, seal.CredentialValues, seal.Environment, "", "model-params/v1", "tollgate"}

// Every value opens for its own purpose and for none of the others.
func TestOnePurposeNeverOpensAnother(t *testing.T) {
	s := sealer(t, "a salt key")
	for _, text := range []string{"", "x", "deux clés ✓", strings.Repeat("long ", 5000)} {
		for _, sealedFor := range purposes {
			sealed, err := s.Seal(sealedFor, text)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasPrefix(sealed, "tg1:") || len(text) > 3 && strings.Contains(sealed, text) {
				t.Fatalf("sealed as %.60q", sealed)
			}
			for _, openedFor := range purposes {
				got, err := s.Open(openedFor, sealed)
				if openedFor == sealedFor {
					if err != nil || got != text {
						t.Errorf("%q: Open = %.20q, %v", openedFor, got, err)
					}
				} else if !errors.Is(err, seal.ErrOpen) || got != "" {
					t.Errorf("sealed for %q, opened for %q: %.20q, %v", sealedFor, openedFor, got, err)
				}
			}
			if got, err := s.OpenLiteLLM(sealed); err == nil {
				t.Errorf("OpenLiteLLM opens ours: %.20q", got)
			}
		}
	}
}

func TestSealIsFreshEachTime(t *testing.T) {
	s := sealer(t, "a salt key")
	seen := map[string]bool{}
	for range 100 {
		sealed, err := s.Seal(seal.ModelParams, "the same")
		if err != nil || seen[sealed] {
			t.Fatalf("%q came twice, %v", sealed, err)
		}
		seen[sealed] = true
	}
}

func TestOtherMasterDoesNotOpen(t *testing.T) {
	sealed, err := sealer(t, "one").Seal(seal.ModelParams, "text")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := sealer(t, "other").Open(seal.ModelParams, sealed); !errors.Is(err, seal.ErrOpen) {
		t.Errorf("Open = %q, %v", got, err)
	}
}

// A changed, cut or lengthened value does not open, whatever place is changed.
func TestAlteredValueDoesNotOpen(t *testing.T) {
	s := sealer(t, "a salt key")
	sealed, err := s.Seal(seal.ModelParams, "text")
	if err != nil {
		t.Fatal(err)
	}
	for i := range len(sealed) {
		for _, changed := range []string{
			sealed[:i] + other(sealed[i]) + sealed[i+1:], sealed[:i], sealed[:i] + "A" + sealed[i:], sealed[:i] + "\n" + sealed[i:],
		} {
			if got, err := s.Open(seal.ModelParams, changed); err == nil {
				t.Errorf("%q opens: %q", changed, got)
			}
		}
	}
}

func other(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}

func TestNotSealed(t *testing.T) {
	s := sealer(t, "a salt key")
	for _, text := range []string{"", "plain", "tg1", "tg2:AAAA", "v3:gcm:AAAA", "tg1:***"} {
		if _, err := s.Open(seal.ModelParams, text); !errors.Is(err, seal.ErrFormat) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := seal.New(""); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("New without a key: %v", err)
	}
}

func TestSealerDoesNotPrintItsKey(t *testing.T) {
	s := sealer(t, "the-master-text")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if text := fmt.Sprintf(verb, s) + fmt.Sprintf(verb, *s); strings.Contains(text, "master-text") || strings.Contains(text, fmt.Sprintf("%x", "the-master-text")) {
			t.Errorf("%s prints %s", verb, text)
		}
	}
}

// vector is a line of testdata/litellm.tsv.
type vector struct{ form, master, text, sealed string }

func vectors(t testing.TB) []vector {
	t.Helper()
	file, err := os.ReadFile("testdata/litellm.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	for line := range strings.Lines(string(file)) {
		if fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t"); len(fields) == 4 {
			all = append(all, vector{fields[0], fields[1], fields[2], fields[3]})
		}
	}
	if len(all) != 48 {
		t.Fatalf("%d vectors, want 48", len(all))
	}
	return all
}

func TestOpenLiteLLM(t *testing.T) {
	for _, v := range vectors(t) {
		s := sealer(t, v.master)
		if got, err := s.OpenLiteLLM(v.sealed); err != nil || got != v.text {
			t.Errorf("%s: OpenLiteLLM(%.40s) = %.20q, %v; want %.20q", v.form, v.sealed, got, err, v.text)
		}
		if got, err := s.OpenLiteLLM(strings.TrimRight(v.sealed, "=")); err != nil || got != v.text {
			t.Errorf("%s without padding: %.20q, %v", v.form, got, err)
		}
		if got, err := sealer(t, "another").OpenLiteLLM(v.sealed); !errors.Is(err, seal.ErrOpen) {
			t.Errorf("%s with another key: %q, %v", v.form, got, err)
		}
		for _, p := range purposes {
			if got, err := s.Open(p, v.sealed); !errors.Is(err, seal.ErrFormat) {
				t.Errorf("%s as ours: %q, %v", v.form, got, err)
			}
		}
	}
}

// A form's value under another form's prefix is not opened: the forms have keys of their own, or ciphers.
func TestLiteLLMFormsDoNotMix(t *testing.T) {
	for _, v := range vectors(t) {
		bare := strings.TrimPrefix(strings.TrimPrefix(v.sealed, "v3:gcm:"), "v2:gcm:")
		for form, prefix := range map[string]string{"v3": "v3:gcm:", "v2": "v2:gcm:", "nacl": ""} {
			if strings.HasPrefix(v.form, form) {
				continue
			}
			if got, err := sealer(t, v.master).OpenLiteLLM(prefix + bare); err == nil {
				t.Errorf("%s opens as %s: %q", v.form, form, got)
			}
		}
	}
}

func TestOpenLiteLLMNotSealed(t *testing.T) {
	s := sealer(t, "a salt key")
	for _, text := range []string{
		"", "plain text", "v3:gcm:", "v2:gcm:AAAA", "v3:gcm:%%%", base64.StdEncoding.EncodeToString(make([]byte, 39)),
		"v2:gcm:" + base64.URLEncoding.EncodeToString(make([]byte, 27)), "us-chicago-1",
	} {
		if _, err := s.OpenLiteLLM(text); !errors.Is(err, seal.ErrFormat) {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{base64.StdEncoding.EncodeToString(make([]byte, 40)), "v3:gcm:" + base64.URLEncoding.EncodeToString(make([]byte, 28))} {
		if _, err := s.OpenLiteLLM(text); !errors.Is(err, seal.ErrOpen) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Whatever bytes come, opening ends with a text that sealing made or with one of the two errors.
func FuzzOpen(f *testing.F) {
	s := sealer(f, "salt key of the vectors")
	known := map[string]bool{"": true}
	for _, v := range vectors(f) {
		f.Add(v.sealed)
		known[v.text] = true
	}
	ours, err := s.Seal(seal.ModelParams, "ours")
	if err != nil {
		f.Fatal(err)
	}
	known["ours"] = true
	f.Add(ours)
	f.Add("tg1:")
	f.Fuzz(func(t *testing.T, text string) {
		for _, open := range []func() (string, error){
			func() (string, error) { return s.Open(seal.ModelParams, text) },
			func() (string, error) { return s.OpenLiteLLM(text) },
		} {
			got, err := open()
			switch {
			case err == nil && !known[got]:
				t.Errorf("%q opens to %q", text, got)
			case err != nil && !errors.Is(err, seal.ErrOpen) && !errors.Is(err, seal.ErrFormat):
				t.Errorf("%q: %v", text, err)
			case err != nil && got != "":
				t.Errorf("%q: %q beside an error", text, got)
			}
		}
	})
}
