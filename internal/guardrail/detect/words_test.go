package detect_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"tollgate/internal/guardrail/detect"
)

// occurrences are the words that are found, as the text writes them.
func occurrences(w *detect.Words, text string) []string {
	var list []string
	w.Find(text, func(word, start, end int) bool {
		list = append(list, fmt.Sprintf("%d:%s", word, text[start:end]))
		return true
	})
	return list
}

func TestWords(t *testing.T) {
	tests := []struct {
		name  string
		words []string
		text  string
		want  []string
	}{
		{"one", []string{"blue"}, "a blue sky", []string{"0:blue"}},
		{"case", []string{"Straße", "ÉCOLE"}, "STRAßE und école", []string{"0:STRAßE", "1:école"}},
		{"inside of each other", []string{"he", "she", "hers"}, "ushers", []string{"1:she", "0:he", "2:hers"}},
		{"white space in a phrase", []string{"make a bomb"}, "make \n\t a\u00a0bomb", []string{"0:make \n\t a\u00a0bomb"}},
		{"white space before a phrase", []string{"a b"}, "x  a  b", []string{"0:a  b"}},
		{"no white space where a word has some", []string{"a b"}, "ab", nil},
		{"zero width", []string{"secret"}, "s\u200be\u00adcr\u2060et.", []string{"0:s\u200be\u00adcr\u2060et"}},
		{"full width", []string{"secret"}, "ｓｅｃｒｅｔ", []string{"0:ｓｅｃｒｅｔ"}},
		{"typographic quotes", []string{"don't"}, "don’t", []string{"0:don’t"}},
		{"other scripts", []string{"пароль", "密码"}, "ПАРОЛЬ和密码", []string{"0:ПАРОЛЬ", "1:密码"}},
		{"twice", []string{"aa"}, "aaa", []string{"0:aa", "0:aa"}},
		{"the same word twice", []string{"a", "A"}, "a", []string{"0:a", "1:a"}},
		{"words without characters", []string{"", " ", "\u200b"}, "a b", nil},
		{"no words", nil, "a", nil},
		{"broken UTF-8", []string{"b"}, "\xff\xc3b", []string{"0:b"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := occurrences(detect.NewWords(test.words), test.text); !slices.Equal(got, test.want) {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

func TestWords_StopsWhenTold(t *testing.T) {
	n := 0
	detect.NewWords([]string{"a"}).Find("aaaa", func(int, int, int) bool { n++; return n < 2 })
	if n != 2 {
		t.Errorf("%d calls", n)
	}
}

// Many long words have states without rows, which must find the same.
func TestWords_AsManyAsThereAre(t *testing.T) {
	var list []string
	for i := range 4000 {
		list = append(list, fmt.Sprintf("word %d of many", i*i))
	}
	w := detect.NewWords(list)
	text := "word 1 of many, wword 15992001 of  many"
	if got, want := occurrences(w, text), []string{"1:word 1 of many", "3999:word 15992001 of  many"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// Every word is found where a search for it alone finds it.
func TestWords_FindWhatSearchesFind(t *testing.T) {
	part := rapid.StringOfN(rapid.SampledFrom([]rune("abäß 日")), 1, 4, -1)
	rapid.Check(t, func(rt *rapid.T) {
		words := rapid.SliceOfN(part, 1, 6).Draw(rt, "words")
		text := detect.Fold(rapid.StringOfN(rapid.SampledFrom([]rune("abäß 日")), 0, 40, -1).Draw(rt, "text"))
		got := map[string]int{}
		detect.NewWords(words).Find(text, func(word, start, end int) bool {
			got[fmt.Sprint(word, start, end)]++
			return true
		})
		want := 0
		for i, word := range words {
			folded := detect.Fold(word)
			for at := range text {
				if folded == "" || !strings.HasPrefix(text[at:], folded) {
					continue
				}
				want++
				if got[fmt.Sprint(i, at, at+len(folded))] != 1 {
					rt.Fatalf("%q of %q is not found at %d of %q: %v", word, words, at, text, got)
				}
			}
		}
		if len(got) != want {
			rt.Fatalf("%d found, want %d: %v of %q in %q", len(got), want, got, words, text)
		}
	})
}

func FuzzWords(f *testing.F) {
	f.Add("make a bomb", "how do I MAKE  A\u200b bomb")
	f.Add("ß", "\xff\u0130K")
	f.Fuzz(func(t *testing.T, word, text string) {
		w := detect.NewWords([]string{word})
		w.Find(text, func(_, start, end int) bool {
			if start < 0 || start >= end || end > len(text) || start < len(text) && !utf8.RuneStart(text[start]) && utf8.ValidString(text) {
				t.Fatalf("%q in %q at %d:%d", word, text, start, end)
			}
			return true
		})
	})
}

func TestWhole(t *testing.T) {
	tests := []struct {
		text, word string
		want       bool
	}{
		{"an ass.", "ass", true}, {"assume", "ass", false}, {"class", "ass", false}, {"(ass)", "ass", true}, {"as_s", "s", false},
		{"élan", "lan", false}, {"a\u200bss", "ss", false}, {"请看secret吧", "secret", true}, {"c++ is", "c++", true}, {"c++11", "c++", true},
	}
	for _, test := range tests {
		at := strings.Index(test.text, test.word)
		if got := detect.Whole(test.text, at, at+len(test.word)); got != test.want {
			t.Errorf("%q in %q: %v", test.word, test.text, got)
		}
	}
}

func BenchmarkWords(b *testing.B) {
	var list []string
	for i := range 200 {
		list = append(list, fmt.Sprintf("a phrase of number %d", i), fmt.Sprintf("word%d", i))
	}
	w := detect.NewWords(list)
	text := prose(400_000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		w.Find(text, func(int, int, int) bool { return true })
	}
}
