package config

import (
	"slices"
	"strings"
)

// unknownKey reports a key that its section has not. In an open section other
// keys are legal, so only one that is nearly a known key is worth a word.
func (l *loader) unknownKey(e entry, s *section, to slot) {
	if s == &litellmParams && slices.Contains(openAIParams, e.key) {
		return
	}
	near := l.nearest(e.key, s.names())
	if s.open {
		if near != "" && closeEnough(e.key, near) {
			l.add(Warning, e.keyPos, to.path, CodeUnlikelyParam,
				"%s is no key of %s and is passed on as it is; did you mean %s?", quote(e.key), s.name, near)
		}
		return
	}
	where := "the file"
	if s != &topLevel {
		where = s.name
	}
	remedy := "remove it"
	if home := homeOf(e.key, s); home != "" {
		remedy = "it belongs in " + home
	} else if near != "" {
		remedy = "did you mean " + near + "?"
	}
	l.add(Warning, e.keyPos, to.path, CodeUnknownKey, "%s is no key of %s and is ignored; %s", quote(e.key), where, remedy)
}

// names are the section's keys that a misspelling can be compared with.
func (s *section) names() []string {
	names := make([]string, 0, len(s.keys))
	for _, k := range s.keys {
		if !k.isPattern() {
			names = append(names, k.name)
		}
	}
	if s == &litellmParams {
		names = append(names, openAIParams...)
	}
	return names
}

// homeOf finds a key that was put into the wrong section.
func homeOf(name string, wrong *section) string {
	for _, s := range []*section{&litellmSettings, &generalSettings, &routerSettings, &tollgateSettings, &topLevel} {
		if s == wrong {
			continue
		}
		if k, known := s.find(name); known && !k.isPattern() {
			if s == &topLevel {
				return "the top level of the file"
			}
			return s.name
		}
	}
	return ""
}

// didYouMean is "; did you mean x?" when one of the values is near, else "".
func (r *report) didYouMean(word string, values []string) string {
	if near := r.nearest(word, values); near != "" {
		return "; did you mean " + near + "?"
	}
	return ""
}

// maxGuesses bounds the search for near names in one run; after so many unknown
// names the file is no misspelt configuration.
const maxGuesses = 1000

// nearest is the candidate that takes the fewest edits, at most one in three
// characters; "" when none is that near. Of equals the first wins.
func (r *report) nearest(word string, candidates []string) string {
	if r.guesses++; r.guesses > maxGuesses {
		return ""
	}
	best, least := "", max(1, len(word)/3)+1
	for _, candidate := range candidates {
		if abs(len(candidate)-len(word)) >= least {
			continue
		}
		if d := distance(strings.ToLower(word), strings.ToLower(candidate)); d < least && d < len(word) {
			best, least = candidate, d
		}
	}
	return best
}

// closeEnough is the stricter measure for places where any name is legal.
func closeEnough(word, known string) bool {
	return len(word) > 3 && distance(word, known) <= max(1, len(word)/6)
}

func abs(i int) int { return max(i, -i) }

// distance counts the insertions, deletions, replacements and swaps of neighbours
// between two words (optimal string alignment). Long words are cut: nothing near
// a key is that long.
func distance(a, b string) int {
	const most = 80
	a, b = a[:min(len(a), most)], b[:min(len(b), most)]
	var beforeLast, last []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		beforeLast, last, row = last, row, make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			replace := 1
			if a[i-1] == b[j-1] {
				replace = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+replace)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], beforeLast[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
