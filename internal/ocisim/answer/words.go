package answer

import (
	"regexp"
	"strings"
	"unicode"
)

// stopWords carry no meaning of their own, so they neither choose a tool nor a document.
var stopWords = setOf(strings.Fields(`a about an and any are as at be by call can could current currently do does find for
	from get gets give given how i if in into is it its let me my of on one or please return returns right say set show so
	tell that the their them then there these this to tool up us use using value was we what what's when where which who
	will with would you your now function name`))

// synonyms maps words to the word that tools are usually named with, so that "how warm is it" finds get_weather.
var synonyms = map[string]string{
	"temperature": "weather", "forecast": "weather", "rain": "weather", "raining": "weather", "warm": "weather",
	"sunny": "weather", "cold": "weather",
	"clock": "time", "hour": "time",
	"plus": "add", "sum": "add", "adding": "add", "addition": "add",
	"times": "multiply", "multiplied": "multiply", "product": "multiply",
	"minus": "subtract", "divided": "divide",
	"compute": "calculate", "calculator": "calculate", "calculation": "calculate",
	"lookup": "search", "google": "search",
	"mail": "email", "e-mail": "email",
}

var (
	wordPattern  = regexp.MustCompile(`[\p{L}\p{N}]+(?:['’-][\p{L}\p{N}]+)*`)
	camelPattern = regexp.MustCompile(`([a-z0-9])([A-Z])`)
)

func setOf(words []string) map[string]bool {
	set := make(map[string]bool, len(words))
	for _, w := range words {
		set[w] = true
	}
	return set
}

// keywords returns the meaningful words of a text: lower case, stop words dropped, a plural s cut, synonyms folded.
func keywords(text string) map[string]bool {
	set := make(map[string]bool)
	for _, w := range wordPattern.FindAllString(strings.ToLower(text), -1) {
		if stopWords[w] {
			continue
		}
		if s, ok := synonyms[w]; ok {
			w = s
		}
		if len(w) > 3 && strings.HasSuffix(w, "s") && !strings.HasSuffix(w, "ss") {
			w = w[:len(w)-1]
		}
		set[w] = true
	}
	return set
}

// nameWords splits an identifier such as get_weather, getWeather or get-weather into keywords.
func nameWords(identifier string) map[string]bool {
	spaced := camelPattern.ReplaceAllString(identifier, "$1 $2")
	return keywords(strings.NewReplacer("_", " ", "-", " ", ".", " ").Replace(spaced))
}

func overlap(a, b map[string]bool) int {
	n := 0
	for w := range a {
		if b[w] {
			n++
		}
	}
	return n
}

// properNouns returns the capitalised names of a text in order ("New York" is one), leaving out the words that are
// capitalised only because a sentence begins there.
func properNouns(text string) []string {
	var names []string
	previousEnd, open := 0, false
	for _, at := range wordPattern.FindAllStringIndex(text, -1) {
		word, gap := text[at[0]:at[1]], text[previousEnd:at[0]]
		if strings.HasSuffix(word, "'s") || strings.HasSuffix(word, "’s") {
			word = strings.TrimSuffix(strings.TrimSuffix(word, "'s"), "’s")
		}
		sentenceStart := previousEnd == 0 || strings.ContainsAny(gap, ".?!:\n")
		previousEnd = at[1]
		switch {
		case !startsUpper(word) || stopWords[strings.ToLower(word)] || (sentenceStart && !knownPlace(word)) || word == "I":
			open = false
		case open && gap == " ":
			names[len(names)-1] += " " + word
		default:
			names, open = append(names, word), true
		}
	}
	return names
}

func startsUpper(word string) bool {
	for _, r := range word {
		return unicode.IsUpper(r)
	}
	return false
}

var quotedPattern = regexp.MustCompile(`"([^"]+)"|“([^”]+)”|‘([^’]+)’|(?:^|[\s:])'([^']+)'(?:$|[\s.,!?])`)

// quoted returns the first quoted phrase of a text.
func quoted(text string) (string, bool) {
	m := quotedPattern.FindStringSubmatch(text)
	for i := 1; i < len(m); i++ {
		if m[i] != "" {
			return m[i], true
		}
	}
	return "", false
}
