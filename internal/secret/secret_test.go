package secret_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"tollgate/internal/secret"
)

const plain = "hunter2-hunter2"

type exported struct{ Key secret.String }

type hidden struct{ key secret.String }

type nested struct {
	m map[string]secret.String
	l []hidden
	p *hidden
}

func TestString_NeverPrints(t *testing.T) {
	s := secret.New(plain)
	values := map[string]any{
		"value":    s,
		"pointer":  &s,
		"exported": exported{s},
		"hidden":   hidden{s},
		"nested":   nested{map[string]secret.String{"k": s}, []hidden{{s}}, &hidden{s}},
		"mapkey":   map[secret.String]int{s: 1},
	}
	for name, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%p", "%10s", "%T"} {
			if got := fmt.Sprintf(verb, v); strings.Contains(got, plain) || strings.Contains(got, fmt.Sprintf("%x", plain)) {
				t.Errorf("%s printed with %s shows the secret: %s", name, verb, got)
			}
		}
	}
	if got := fmt.Sprintf("%v|%s|%q|%#v|%x", s, s, s, s, s); got != `*****|*****|"*****"|secret.String("*****")|*****` {
		t.Errorf("printed forms: %s", got)
	}
}

func TestString_NeverEncodes(t *testing.T) {
	s := secret.New(plain)
	asJSON, err := json.Marshal(map[string]any{"s": s, "e": exported{s}, "k": map[secret.String]int{s: 1}})
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"e":{"Key":"*****"},"k":{"*****":1},"s":"*****"}`; string(asJSON) != want {
		t.Errorf("JSON %s, want %s", asJSON, want)
	}
	asYAML, err := yaml.Marshal(exported{s})
	if err != nil {
		t.Fatal(err)
	}
	asXML, err := xml.Marshal(exported{s})
	if err != nil {
		t.Fatal(err)
	}
	var logged bytes.Buffer
	slog.New(slog.NewTextHandler(&logged, nil)).Info("m", "s", s, "e", exported{s}, "h", hidden{s})
	slog.New(slog.NewJSONHandler(&logged, nil)).Info("m", "s", s, "e", exported{s}, "h", hidden{s})
	for _, out := range [][]byte{asYAML, asXML, logged.Bytes()} {
		if bytes.Contains(out, []byte(plain)) {
			t.Errorf("the secret shows in %s", out)
		}
		if !bytes.Contains(out, []byte(secret.Mask)) {
			t.Errorf("no mask in %s", out)
		}
	}
}

func TestString_Values(t *testing.T) {
	var zero secret.String
	s := secret.New(plain)
	if s.Reveal() != plain || s.Empty() {
		t.Errorf("Reveal gave %d bytes, Empty %v", len(s.Reveal()), s.Empty())
	}
	if zero.Reveal() != "" || !zero.Empty() || zero.String() != "" || secret.New("") != zero {
		t.Error("the zero value is not the empty secret")
	}
	if !s.Equal(secret.New(plain)) || s.Equal(zero) || s.Equal(secret.New(plain+"x")) || !zero.Equal(secret.New("")) {
		t.Error("Equal does not compare the texts")
	}
}
