package answer

import (
	"slices"
	"sort"
	"strings"
)

// enoughOverlap is the score at which a tool fits: one word of its name, or two of its description and parameters.
const enoughOverlap = 2

// chooseCalls decides which tools to call for the newest message. After a tool result the model answers instead, unless
// the caller forces a call.
func chooseCalls(p Prompt, last Message) []Call {
	if len(p.Tools) == 0 || p.Choice == None || (last.Role == Tool && p.Choice == Auto) {
		return nil
	}
	text := last.Text
	if last.Role == Tool {
		text = lastUserText(p.Messages)
	}
	ranked := rankTools(p.Tools, text)
	switch p.Choice {
	case Named:
		i := slices.IndexFunc(p.Tools, func(t Offer) bool { return t.Name == p.Named })
		if i < 0 {
			return nil
		}
		return callsOf(p.Tools[i], text, p.Parallel)
	case Required:
		return callsOf(ranked[0].tool, text, p.Parallel)
	}
	if ranked[0].score < enoughOverlap {
		return nil
	}
	calls := callsOf(ranked[0].tool, text, p.Parallel)
	for _, other := range ranked[1:] {
		// A second tool is called beside the first only when the user asked for it by a word of its name.
		if p.Parallel && overlap(nameWords(other.tool.Name), keywords(text)) > 0 {
			calls = append(calls, callsOf(other.tool, text, p.Parallel)...)
		}
	}
	return calls
}

type rankedTool struct {
	tool  Offer
	score int
}

func rankTools(tools []Offer, text string) []rankedTool {
	ranked := make([]rankedTool, len(tools))
	for i, t := range tools {
		ranked[i] = rankedTool{t, toolScore(t, text)}
	}
	sort.SliceStable(ranked, func(i, j int) bool { return ranked[i].score > ranked[j].score })
	return ranked
}

// toolScore weighs how well a tool fits a text: its name spelled out beats words of the name, which beat words of the
// description and of the parameters.
func toolScore(t Offer, text string) int {
	score := 0
	if strings.Contains(strings.ToLower(text), strings.ToLower(t.Name)) && t.Name != "" {
		score += 10
	}
	asked := keywords(text)
	if _, ok := arithmetic(text); ok {
		for _, w := range arithmeticWords(text) {
			asked[w] = true
		}
	}
	score += 3 * overlap(nameWords(t.Name), asked)
	score += overlap(keywords(t.Description), asked)
	for name := range properties(t.Schema) {
		score += overlap(nameWords(name), asked)
	}
	return score
}

// arithmeticWords names the operation that signs stand for, so that "7 * 8" finds a tool called multiply.
func arithmeticWords(text string) []string {
	words := []string{"calculate", "math", "arithmetic", "expression"}
	expression := strings.ToLower(expressionPattern.FindString(text))
	for sign, name := range map[string]string{"+": "add", "-": "subtract", "*": "multiply", "×": "multiply", "x": "multiply", "/": "divide", "÷": "divide"} {
		if strings.Contains(expression, sign) {
			words = append(words, name)
		}
	}
	return words
}

// callsOf fills the tool's arguments from the text. When the text names several things ("Paris and Tokyo") for a tool
// that takes one, and parallel calls are allowed, each gets a call of its own.
func callsOf(t Offer, text string, parallel bool) []Call {
	names := properNouns(text)
	if parallel && len(names) > 1 {
		if key := nameParameter(t.Schema); key != "" {
			calls := make([]Call, len(names))
			for i, name := range names {
				args := fillObject(t.Schema, t.Schema, newSource(text, names[i:i+1]))
				args[key] = name
				calls[i] = Call{Name: t.Name, Arguments: args}
			}
			return calls
		}
	}
	return []Call{{Name: t.Name, Arguments: fillObject(t.Schema, t.Schema, newSource(text, names))}}
}

// nameParameter returns the one required string parameter that takes a name, or "" when several would.
func nameParameter(schema map[string]any) string {
	found := ""
	for _, key := range required(schema) {
		property, _ := properties(schema)[key].(map[string]any)
		if property["type"] != "string" || property["enum"] != nil || !takesName(key) {
			continue
		}
		if found != "" {
			return ""
		}
		found = key
	}
	return found
}

// takesName reports whether a parameter of this name wants a proper noun.
func takesName(key string) bool {
	key = strings.ToLower(key)
	for _, part := range []string{"loc", "city", "place", "country", "port", "town", "region", "destination", "origin", "person", "station", "name"} {
		if strings.Contains(key, part) {
			return true
		}
	}
	return false
}
