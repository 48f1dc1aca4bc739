package answer

import (
	"regexp"
	"strings"
)

// capitals is what the simulated models know of geography.
var capitals = map[string]string{
	"argentina": "Buenos Aires", "australia": "Canberra", "austria": "Vienna", "belgium": "Brussels", "bolivia": "Sucre",
	"brazil": "Brasília", "bulgaria": "Sofia", "canada": "Ottawa", "chile": "Santiago", "china": "Beijing",
	"colombia": "Bogotá", "costa rica": "San José", "croatia": "Zagreb", "cuba": "Havana", "cyprus": "Nicosia",
	"czechia": "Prague", "the czech republic": "Prague", "denmark": "Copenhagen", "ecuador": "Quito", "egypt": "Cairo",
	"estonia": "Tallinn", "ethiopia": "Addis Ababa", "finland": "Helsinki", "france": "Paris", "georgia": "Tbilisi",
	"germany": "Berlin", "ghana": "Accra", "greece": "Athens", "hungary": "Budapest", "iceland": "Reykjavik",
	"india": "New Delhi", "indonesia": "Jakarta", "iran": "Tehran", "iraq": "Baghdad", "ireland": "Dublin",
	"israel": "Jerusalem", "italy": "Rome", "japan": "Tokyo", "kenya": "Nairobi", "latvia": "Riga", "lebanon": "Beirut",
	"lithuania": "Vilnius", "luxembourg": "Luxembourg", "malaysia": "Kuala Lumpur", "malta": "Valletta",
	"mexico": "Mexico City", "morocco": "Rabat", "nepal": "Kathmandu", "the netherlands": "Amsterdam",
	"netherlands": "Amsterdam", "new zealand": "Wellington", "nigeria": "Abuja", "norway": "Oslo",
	"pakistan": "Islamabad", "peru": "Lima", "the philippines": "Manila", "philippines": "Manila", "poland": "Warsaw",
	"portugal": "Lisbon", "romania": "Bucharest", "russia": "Moscow", "saudi arabia": "Riyadh", "senegal": "Dakar",
	"serbia": "Belgrade", "singapore": "Singapore", "slovakia": "Bratislava", "slovenia": "Ljubljana",
	"south africa": "Pretoria", "south korea": "Seoul", "korea": "Seoul", "spain": "Madrid", "sweden": "Stockholm",
	"switzerland": "Bern", "thailand": "Bangkok", "turkey": "Ankara", "ukraine": "Kyiv",
	"the united kingdom": "London", "united kingdom": "London", "the uk": "London", "england": "London",
	"the united states": "Washington, D.C.", "united states": "Washington, D.C.", "the usa": "Washington, D.C.",
	"uruguay": "Montevideo", "venezuela": "Caracas", "vietnam": "Hanoi",
}

var (
	capitalPattern  = regexp.MustCompile(`(?i)\bcapital(?:\s+city)?\s+(?:of|for|in)\s+([\p{L} .'’-]+)`)
	capitalsPattern = regexp.MustCompile(`(?i)([\p{L} -]+?)['’]s?\s+capital\b`)
)

// capital answers "What is the capital of Italy?" and "Japan's capital" with one short sentence.
func capital(question string) (string, bool) {
	if m := capitalPattern.FindStringSubmatch(question); m != nil {
		if city, ok := longestCountry(strings.Fields(strings.ToLower(m[1])), false); ok {
			return city + ".", true
		}
	}
	if m := capitalsPattern.FindStringSubmatch(question); m != nil {
		if city, ok := longestCountry(strings.Fields(strings.ToLower(m[1])), true); ok {
			return city + ".", true
		}
	}
	return "", false
}

// longestCountry looks up the longest run of words that names a country, taken from the start of the words or, when
// fromEnd is set, from their end.
func longestCountry(words []string, fromEnd bool) (string, bool) {
	for n := min(len(words), 3); n > 0; n-- {
		run := words[:n]
		if fromEnd {
			run = words[len(words)-n:]
		}
		name := strings.Trim(strings.Join(run, " "), ".'’- ")
		if city, ok := capitals[name]; ok {
			return city, true
		}
	}
	return "", false
}

// knownPlace reports whether the word is a country or a capital, which is a name wherever it stands.
func knownPlace(word string) bool {
	if _, ok := capitals[strings.ToLower(word)]; ok {
		return true
	}
	for _, city := range capitals {
		if city == word {
			return true
		}
	}
	return false
}

var (
	toldPattern  = regexp.MustCompile(`(?i)\bmy ([\p{L} ]{2,30}?) is (?:called )?([\p{L}\p{N}][\p{L}\p{N} '’-]{0,40})`)
	askedPattern = regexp.MustCompile(`(?i)\bwhat(?:'s|’s| is| was) my ([\p{L} ]{2,30})`)
)

// recall answers "What is my name?" from what the user said earlier in the same conversation.
func recall(messages []Message, question string) (string, bool) {
	asked := askedPattern.FindStringSubmatch(question)
	if asked == nil {
		return "", false
	}
	thing := strings.ToLower(strings.TrimSpace(asked[1]))
	for i := len(messages) - 1; i >= 0; i-- {
		if messages[i].Role != User {
			continue
		}
		for _, m := range toldPattern.FindAllStringSubmatch(gist(messages[i].Text), -1) {
			if strings.ToLower(m[1]) == thing {
				return "Your " + thing + " is " + strings.TrimSpace(m[2]) + ".", true
			}
		}
	}
	return "You have not told me your " + thing + ".", true
}
