package answer_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"tollgate/internal/ocisim/answer"
)

func say(texts ...string) string {
	var p answer.Prompt
	for i, text := range texts {
		role := answer.User
		if i%2 == 1 {
			role = answer.Assistant
		}
		p.Messages = append(p.Messages, answer.Message{Role: role, Text: text})
	}
	return answer.Compose(p).Text
}

func TestCompose_KnowsThings(t *testing.T) {
	for question, want := range map[string]string{
		"What is the capital of Italy?":                 "Rome.",
		"what's the capital of the Netherlands":         "Amsterdam.",
		"Answer in one word: Japan's capital?":          "Tokyo.",
		"Name the capital city of South Korea, please.": "Seoul.",
		"In one word, what is the capital of Japan?":    "Tokyo.",
		"What is 7 x 8? Answer with one integer.":       "56",
		"7*8":                               "56",
		"Compute 2 + 3 * 4 - 1":             "13",
		"what is 10 divided by 4":           "2.5",
		"17 plus 25":                        "42",
		"-3 - -4":                           "1",
		"Repeat after me: the tide is high": "the tide is high",
		"Say hello":                         "hello",
		"Reply with the word pong and nothing else": "pong",
		`Please say "7 x 8" and nothing else`:       "7 x 8",
		"ping":                                      "pong",
		"Count from 3 to 6":                         "3, 4, 5, 6",
		"Count to 3":                                "1, 2, 3",
		"Please answer briefly: what is the capital of the UK, today?": "London.",
	} {
		if got := say(question); got != want {
			t.Errorf("%q: %q, want %q", question, got, want)
		}
	}
}

func TestCompose_LeavesOtherThingsAlone(t *testing.T) {
	for _, question := range []string{
		"What is the capital of Atlantis?", "On 2026-11-25 we met", "10 / 0", "Tell me about tides", "", "Write a story",
		"Answer in one word", "Count to 99999",
	} {
		got := say(question)
		if len(strings.Fields(got)) < 6 {
			t.Errorf("%q: %q, want a sensible paragraph", question, got)
		}
	}
	if got := say("Tell me about ocean tides"); !strings.Contains(got, "ocean tides") {
		t.Errorf("it does not stay on the user's words: %q", got)
	}
	if words := len(strings.Fields(say("Write an essay of 300 words about bread"))); words < 300 || words > 330 {
		t.Errorf("300 words came out as %d", words)
	}
}

func TestCompose_Recalls(t *testing.T) {
	if got := say("Hi, my name is Ada and my favourite colour is dark green.", "Hello Ada.", "What is my name?"); got != "Your name is Ada and my favourite colour is dark green." && got != "Your name is Ada." {
		t.Errorf("got %q", got)
	}
	if got := say("My dog is called Rex.", "Good.", "What's my dog?"); got != "Your dog is Rex." {
		t.Errorf("got %q", got)
	}
	if got := say("What is my name?"); got != "You have not told me your name." {
		t.Errorf("got %q", got)
	}
}

// The question of a long prompt stands at its end or at its beginning.
func TestCompose_LongPrompts(t *testing.T) {
	filler := strings.Repeat("é lorem ipsum dolor. ", 20_000)
	for _, prompt := range []string{filler + "\nWhat is the capital of Chile?", "What is the capital of Chile?\n" + filler} {
		if got := say(prompt); got != "Santiago." {
			t.Errorf("got %q", got)
		}
	}
}

func schema(t testing.TB, text string) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func tools(t testing.TB) []answer.Offer {
	return []answer.Offer{
		{Name: "get_weather", Description: "Get the current weather for a city", Schema: schema(t, `{"type":"object","properties":{"location":{"type":"string"},"unit":{"type":"string","enum":["celsius","fahrenheit"]}},"required":["location"]}`)},
		{Name: "multiply", Description: "Multiply two integers", Schema: schema(t, `{"type":"object","properties":{"a":{"type":"integer"},"b":{"type":"integer"}},"required":["a","b"]}`)},
		{Name: "searchWeb", Description: "Search the internet", Schema: schema(t, `{"type":"object","properties":{"query":{"type":"string"}},"required":["query"]}`)},
		{Name: "send_email", Description: "Sends a mail", Schema: schema(t, `{"type":"object","properties":{"to":{"type":"string","format":"email"},"urgent":{"type":"boolean"}},"required":["to","urgent"]}`)},
	}
}

func TestCompose_ChoosesTools(t *testing.T) {
	for _, tt := range []struct {
		name, question string
		choice         answer.Choice
		named          string
		parallel       bool
		want           string
	}{
		{"fits", "What is the weather in Tokyo?", answer.Auto, "", false, `get_weather{"location":"Tokyo"}`},
		{"fills what is optional", "weather in New York in fahrenheit", answer.Auto, "", false, `get_weather{"location":"New York","unit":"fahrenheit"}`},
		{"synonym", "How warm is it in Oslo?", answer.Auto, "", false, `get_weather{"location":"Oslo"}`},
		{"numbers in order", "What is 7 * 8?", answer.Auto, "", false, `multiply{"a":7,"b":8}`},
		{"camel case", "Search the web for ripe plums", answer.Auto, "", false, `searchWeb{"query":"Search the web for ripe plums"}`},
		{"address", "Send an email to bob@example.com", answer.Auto, "", false, `send_email{"to":"bob@example.com","urgent":true}`},
		{"by its name", "use the get_weather tool for Lima", answer.Auto, "", false, `get_weather{"location":"Lima"}`},
		{"two at once", "Compare the weather in Paris and Tokyo", answer.Auto, "", true, `get_weather{"location":"Paris"} get_weather{"location":"Tokyo"}`},
		{"one at a time", "Compare the weather in Paris and Tokyo", answer.Auto, "", false, `get_weather{"location":"Paris"}`},
		{"none fits", "Hello, how are you?", answer.Auto, "", true, ""},
		{"none fits a capital", "What is the capital of Italy?", answer.Auto, "", true, ""},
		{"forbidden", "What is the weather in Tokyo?", answer.None, "", true, ""},
		{"required", "Hello", answer.Required, "", false, `get_weather{"location":"Hello"}`},
		{"named", "What is the weather in Tokyo?", answer.Named, "searchWeb", false, `searchWeb{"query":"What is the weather in Tokyo?"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			reply := answer.Compose(answer.Prompt{
				Messages: []answer.Message{{Role: answer.User, Text: tt.question}},
				Tools:    tools(t), Choice: tt.choice, Named: tt.named, Parallel: tt.parallel,
			})
			var got []string
			for _, c := range reply.Calls {
				got = append(got, c.Name+c.ArgumentsJSON())
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestCompose_AnswersFromToolResults(t *testing.T) {
	p := answer.Prompt{
		Messages: []answer.Message{
			{Role: answer.User, Text: "What is the weather in Tokyo?"},
			{Role: answer.Assistant},
			{Role: answer.Tool, Results: []answer.Result{{Tool: "get_weather", Text: "17 degrees"}, {Text: "dry"}}},
		},
		Tools: tools(t),
	}
	if r := answer.Compose(p); len(r.Calls) > 0 || !strings.Contains(r.Text, "get_weather says: 17 degrees") || !strings.Contains(r.Text, "dry") {
		t.Errorf("got %+v", r)
	}
	p.Choice = answer.Required
	if r := answer.Compose(p); len(r.Calls) != 1 {
		t.Errorf("a required call after a result: %+v", r)
	}
}

var schemas = []string{
	`{"type":"object","properties":{"capital":{"type":"string"}},"required":["capital"],"additionalProperties":false}`,
	`{"type":"object","properties":{"n":{"type":"integer","minimum":10,"maximum":20},"ratio":{"type":"number","exclusiveMaximum":1}},"required":["n","ratio"]}`,
	`{"$ref":"#/$defs/Person","$defs":{"Person":{"type":"object","properties":{"name":{"type":"string","minLength":3,"maxLength":5},"friend":{"anyOf":[{"type":"null"},{"$ref":"#/$defs/Person"}]}},"required":["name"]}}}`,
	`{"type":"object","properties":{"mood":{"enum":["sunny","rainy"]},"kind":{"const":"report"},"maybe":{"type":["string","null"]}},"required":["mood","kind","maybe"]}`,
	`{"type":"array","items":{"type":"object","properties":{"x":{"type":"boolean"}},"required":["x"]},"minItems":3}`,
	`{"allOf":[{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]},{"properties":{"b":{"type":"string","format":"email"}},"required":["b"]}]}`,
	`{"type":"object","properties":{"node":{"$ref":"#/definitions/N"}},"required":["node"],"definitions":{"N":{"type":"object","properties":{"children":{"type":"array","items":{"$ref":"#/definitions/N"}}},"required":["children"]}}}`,
	`{"type":"object","properties":{"steps":{"type":"array","items":{"type":"object","properties":{"explanation":{"type":"string"},"output":{"type":"string"}},"required":["explanation","output"]}},"when":{"type":"string","format":"date-time"}},"required":["steps","when"]}`,
}

func TestCompose_FollowsSchemas(t *testing.T) {
	for _, text := range schemas {
		decoded, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		compiler := jsonschema.NewCompiler()
		if err := compiler.AddResource("mem:///schema.json", decoded); err != nil {
			t.Fatal(err)
		}
		compiled, err := compiler.Compile("mem:///schema.json")
		if err != nil {
			t.Fatal(err)
		}
		for _, question := range []string{"What is the capital of Italy?", "It is rainy and 500 people came", "x"} {
			reply := answer.Compose(answer.Prompt{
				Messages: []answer.Message{{Role: answer.User, Text: question}},
				Format:   answer.JSONSchema, Schema: schema(t, text),
			}).Text
			instance, err := jsonschema.UnmarshalJSON(strings.NewReader(reply))
			if err != nil {
				t.Fatalf("%s: %v", reply, err)
			}
			if err := compiled.Validate(instance); err != nil {
				t.Errorf("%s\ngives %s\n%v", text, reply, err)
			}
		}
	}
}

func TestCompose_JSONHoldsTheAnswer(t *testing.T) {
	italy := []answer.Message{{Role: answer.User, Text: "What is the capital of Italy? Answer in JSON."}}
	if got := answer.Compose(answer.Prompt{Messages: italy, Format: answer.JSONObject}).Text; got != `{"answer":"Rome"}` {
		t.Errorf("got %s", got)
	}
	if got := answer.Compose(answer.Prompt{Messages: italy, Format: answer.JSONSchema, Schema: schema(t, schemas[0])}).Text; got != `{"capital":"Rome"}` {
		t.Errorf("got %s", got)
	}
}

func TestDescribeImage_Broken(t *testing.T) {
	for _, picture := range []string{"", "GIF89a", "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x7f\xff\xff\xff\x7f\xff\xff\xff\x08\x02\x00\x00\x00"} {
		if got := answer.DescribeImage([]byte(picture)); !strings.Contains(got, "bytes") {
			t.Errorf("%q is %q", picture, got)
		}
	}
}

func FuzzPieces(f *testing.F) {
	f.Add("What is the capital of Italy?\n\n  42 €, naïve supercalifragilistic")
	f.Add("\xff\xfe")
	f.Fuzz(func(t *testing.T, text string) {
		if got := strings.Join(answer.Pieces(text), ""); got != text {
			t.Errorf("the pieces of %q join to %q", text, got)
		}
	})
}

func FuzzCompose(f *testing.F) {
	for _, s := range schemas {
		f.Add("Compare 7 x 8 in Paris", s)
	}
	f.Add(`say "x"`, `{"$ref":"#/a","a":{"$ref":"#/a"}}`)
	f.Add(`a list`, `{"type":"array","minItems":100,"items":{"$ref":"#"}}`)
	f.Add(`wide`, `{"type":"object","properties":{"a":{"$ref":"#"},"b":{"$ref":"#"},"c":{"$ref":"#"},"d":{"$ref":"#"},"e":{"$ref":"#"},"f":{"$ref":"#"},"g":{"$ref":"#"},"h":{"$ref":"#"}},"required":["a","b","c","d","e","f","g","h"]}`)
	f.Add(`capital of`, `{"type":"array","minItems":1e9,"items":{"type":"array","minItems":1e9}}`)
	f.Fuzz(func(t *testing.T, text, schemaText string) {
		var s map[string]any
		if json.Unmarshal([]byte(schemaText), &s) != nil {
			return
		}
		p := answer.Prompt{Messages: []answer.Message{{Role: answer.User, Text: text}}, Format: answer.JSONSchema, Schema: s}
		if reply := answer.Compose(p).Text; !json.Valid([]byte(reply)) {
			t.Errorf("%q is no JSON", reply)
		}
		p.Tools, p.Choice, p.Parallel = []answer.Offer{{Name: text, Schema: s}}, answer.Required, true
		for _, c := range answer.Compose(p).Calls {
			if !json.Valid([]byte(c.ArgumentsJSON())) {
				t.Errorf("%q are no arguments", c.ArgumentsJSON())
			}
		}
	})
}

func TestPieces(t *testing.T) {
	for text, want := range map[string]string{
		"What is the capital of Italy?": "What| is| the| capita|l| of| Italy|?",
		"a  b\n":                        "a|  b|\n",
		"x=12345678":                    "x|=|123456|78",
		"":                              "",
	} {
		if got := strings.Join(answer.Pieces(text), "|"); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
		if n := answer.Count(text); n != len(answer.Pieces(text)) {
			t.Errorf("%q: counted as %d", text, n)
		}
	}
}
