package seal_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"tollgate/internal/seal"
)

func TestTextsLeavesTheValueAsItIs(t *testing.T) {
	v := map[string]any{"a": "x", "n": 1.5, "list": []any{"y", nil, true, map[string]any{"b": "z"}}}
	got, err := seal.Texts(v, func(text string) (string, error) { return strings.ToUpper(text), nil })
	want := map[string]any{"a": "X", "n": 1.5, "list": []any{"Y", nil, true, map[string]any{"b": "Z"}}}
	if err != nil || !reflect.DeepEqual(got, want) || v["a"] != "x" || v["list"].([]any)[0] != "y" {
		t.Errorf("%v %v, from %v", got, err, v)
	}
	failed := errors.New("no")
	if _, err := seal.Texts(v, func(text string) (string, error) {
		if text == "z" {
			return "", failed
		}
		return text, nil
	}); !errors.Is(err, failed) {
		t.Error(err)
	}
}

func TestReseal(t *testing.T) {
	s := func(key string) *seal.Sealer {
		made, err := seal.New(key)
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	text, err := s("old").Seal(seal.ModelParams, "secret")
	if err != nil {
		t.Fatal(err)
	}
	again, changed, err := s("new").Reseal(seal.ModelParams, s("old"), text)
	if plain, e := s("new").Open(seal.ModelParams, again); err != nil || e != nil || !changed || plain != "secret" {
		t.Errorf("%q %v %v %v", plain, changed, err, e)
	}
	for _, c := range []struct {
		text    string
		purpose seal.Purpose
		err     error
	}{{again, seal.ModelParams, nil}, {"not sealed", seal.ModelParams, nil}, {text, seal.Environment, seal.ErrOpen}} {
		got, changed, err := s("new").Reseal(c.purpose, s("old"), c.text)
		if !errors.Is(err, c.err) || changed || err == nil && got != c.text {
			t.Errorf("%q: %q %v %v", c.text, got, changed, err)
		}
	}
}
