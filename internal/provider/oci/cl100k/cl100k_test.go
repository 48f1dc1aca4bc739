package cl100k

import (
	"errors"
	"testing"
)

// The tokens are those of OpenAI's own examples of cl100k_base (openai-cookbook, "How to count tokens"; tiktoken's
// tests).
func TestDecode(t *testing.T) {
	tests := []struct {
		tokens []int
		want   string
	}{
		{nil, ""},
		{[]int{15339, 1917}, "hello world"},
		{[]int{83, 1609, 5963, 374, 2294, 0}, "tiktoken is great!"},
		{[]int{15339, 220, 100257}, "hello <|endoftext|>"},
		{[]int{9468, 239, 235}, "👍"},
		{[]int{9468}, "\uFFFD"},
	}
	for _, tt := range tests {
		if got, err := Decode(tt.tokens); err != nil || got != tt.want {
			t.Errorf("%v: got %q, %v, want %q", tt.tokens, got, err, tt.want)
		}
	}
}

func TestDecode_Unknown(t *testing.T) {
	for _, token := range []int{-1, 100256, 100277, 1 << 40} {
		var unknown *UnknownError
		if _, err := Decode([]int{token}); !errors.As(err, &unknown) || unknown.Token != token {
			t.Errorf("%d: %v", token, err)
		}
	}
}
